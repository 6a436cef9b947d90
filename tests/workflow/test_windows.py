"""An X of haploid males that is trained in windows and drawn in parts, from its file to the
report: windows and parts are jobs of their own, by one switch. And a genome of many contigs.
"""

import re

import cyvcf2
import pytest
import yaml
from helpers import run_genoloom
from small_project import TINY

from genoloom.config import ScaleOptions, ValidateOptions
from genoloom.formats.models import read_description
from genoloom.formats.tables import read_table
from genoloom.pipelines.testdata import testdata as write_testdata

SAMPLES = "data/samples.X.tsv"
SETTINGS = {
    "panels": "config/panels.tsv",
    "generators": ["transformer"],
    "baselines": [],
    "scale": {"window": 256},
    "train": {
        "common": {"device": "cpu"},
        "transformer": TINY["train"]["transformer"] | {"overlap": 60, "steps": 20},
    },
    "cohort": {"size": 1100},
    "validate": {"n_permutations": 2, "window": 256},
    "audit": {"bootstrap": 199, "windows": "50", "shadow_models": 0},
}


@pytest.mark.slow
def test_windows_and_parts_of_x_are_gathered_under_the_ordinary_names(tmp_path):
    project = tmp_path / "project"
    write_testdata(directory=project / "data", individuals=60, seed=1)
    (project / "config").mkdir()
    row = ["sex", "X", "data/genotypes/X.simulated_from_20.vcf.gz", SAMPLES]
    (project / "config/panels.tsv").write_text(
        "panel\tcontig\tvariants\tsamples\n" + "\t".join(row) + "\n"
    )
    (project / "config/config.yaml").write_text(yaml.safe_dump(SETTINGS))
    done = run_genoloom("run", "-C", project, "--cores", 2)
    assert done.returncode == 0, done.stderr[-6000:]
    assert (project / "results/report/index.html").exists()

    models = project / "results/models/sex/transformer"
    windows, words = (
        read_table(models / "windows/X.tsv"),
        read_description(models / "X.safetensors", "haplotypes"),
    )
    assert len(words["windows"]) == len(windows) >= 2
    assert [w["stop"] - w["start"] for w in words["windows"]] == [int(w["sites"]) for w in windows]
    assert int(windows[1]["overlap"]) == 64
    assert words["ploidy"] == "x-linked"
    # windows and parts were made by their own jobs, and only put together by those of the contig
    logs = project / "logs"
    log = (logs / "train_haplotypes/sex.transformer.X.log").read_text()
    assert log.count("resumed at step 20 of 20") == len(windows)
    parts = project / "results/synthetic/sex/transformer/parts"
    [size] = read_table(parts / "X.tsv")
    assert size == {"sites": str(words["n_variants"]), "individuals": "1100"}
    jobs = ScaleOptions(window=256).jobs(words["n_variants"], 1100)
    assert len([*logs.glob(f"generate_part/*of{jobs}.log")]) == jobs >= 2
    assert [path.name for path in parts.iterdir()] == ["X.tsv"]

    sex = {
        r["individual"]: r["sex"]
        for r in read_table(project / "results/synthetic/sex/transformer/cohort.tsv")
    }
    file = cyvcf2.VCF(str(project / "results/synthetic/sex/transformer/X.vcf.gz"))
    for record in file:
        calls = record.genotype.array()[:, :2]
        haploid = {name for name, call in zip(file.samples, calls, strict=True) if call[1] == -2}
        assert haploid == {name for name in sex if sex[name] == "male"}
    windows = ValidateOptions(window=256).windows(words["n_variants"])
    assert len([*logs.glob(f"validate_window/*of{windows}.log")]) == windows >= 2
    log = (logs / "validate_haplotypes/sex.transformer.log").read_text()
    assert f"window {windows} of {windows} read" in log
    rows = read_table(project / "results/validation/sex/transformer/fidelity.tsv")
    verdicts = {r["metric"]: r["verdict"] for r in rows if r["generator"] == "transformer"}
    assert verdicts["hardy_weinberg"] == "not run"  # a metric of genotypes
    assert verdicts["frequency_error"] != "not run"


def test_all_contigs_of_a_genome_are_gathered(tmp_path):
    """22 autosomes of one panel, and X of another one: by a dry run of the default target."""
    contigs = [*map(str, range(1, 23)), "X"]
    (tmp_path / "config").mkdir()
    rows = [f"{'sex' if c == 'X' else 'autosomes'}\t{c}\t{c}.vcf.gz\t\tref.fa" for c in contigs]
    for name in ["ref.fa", *(f"{c}.vcf.gz" for c in contigs)]:
        (tmp_path / name).touch()
    (tmp_path / "config/panels.tsv").write_text(
        "panel\tcontig\tvariants\tsamples\treference\n" + "\n".join(rows) + "\n"
    )
    settings = {"panels": "config/panels.tsv", "generators": ["transformer", "copying_network"],
                "baselines": [], "scale": {"window": 16384}}  # fmt: skip
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(settings))
    done = run_genoloom("run", "-C", tmp_path, "-n", "--quiet", "rules")
    assert done.returncode == 0, done.stderr[-3000:]
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    # those of parts and windows follow from the sizes that the checkpoints find
    assert {name: int(n) for name, n in planned.items()} == {
        "prepare_panel": 23, "split_individuals": 2, "list_windows": 23, "train_haplotypes": 46,
        "make_cohort": 4, "size_contig": 46, "generate_haplotypes": 46, "write_consensus": 46,
        "validate_haplotypes": 4, "audit_haplotypes": 4, "write_report": 1, "all": 1,
        "total": 246,
    }  # fmt: skip
