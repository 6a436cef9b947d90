"""A bounded chaos (`make chaos` is the long one), and equal bytes from equal runs."""

from pathlib import Path

import chaos
from click.testing import CliRunner
from small_project import TINY

from genoloom.cli import genoloom
from genoloom.config import Config
from genoloom.models import sequence

TARGETS = [
    "results/validation/tiny/independent/fidelity.tsv",
    "results/models/tiny/mosaic/20.safetensors",
]
SECONDS = 12.0  # about what these take


def test_faults_leave_nothing_and_change_nothing(finished, tmp_path, capsys):
    """Files of a run with four faults equal those of a run without any, in another directory and on
    another number of cores.
    """
    wrong = chaos.chaos(
        tmp_path, chaos.outputs(finished), SECONDS, faults=4, seed=5, settings=TINY, targets=TARGETS
    )
    assert wrong == 0, capsys.readouterr().out


def test_the_report_is_the_same_again(finished, tmp_path):
    settings = Config()
    shown = {
        "--panel": ["tiny"],
        "--generator": [*TINY["baselines"], *settings.generators],
        "--sequence-set": ["slice"],
        "--sequence-generator": [*sequence.BASELINES, *settings.sequence_generators],
    }
    options = [word for flag, names in shown.items() for name in names for word in (flag, name)]
    command = [
        "report",
        "--results",
        str(finished / "results"),
        *options,
        "--out",
        str(tmp_path / "index.html"),
    ]
    done = CliRunner().invoke(genoloom, command)
    assert done.exit_code == 0, done.output
    report = finished / "results/report"
    for path in filter(Path.is_file, report.rglob("[!.]*")):
        name = path.relative_to(report)
        assert (tmp_path / name).read_bytes() == path.read_bytes(), name
