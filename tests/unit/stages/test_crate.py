"""The RO-Crate of a run, and whether results are still what was written."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import call_genoloom, make_individuals, make_sites

from genoloom.errors import InputError
from genoloom.formats.models import file_digest
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.provenance import Making, record_path
from genoloom.stages.crate import Scrubber, crate
from genoloom.stages.verify import ChangedError, verify

PYTHON = os.environ.get("GENOLOOM_ROCRATE_PYTHON", sys.executable)  # that has roc-validator


@pytest.fixture
def study(tmp_path) -> Path:
    """Two jobs as Snakemake and the stages record them."""
    panel = tmp_path / "results" / "panels" / "p" / "20"
    panel.parent.mkdir(parents=True)
    with PanelWriter(panel, make_individuals(4), "20") as writer:
        writer.append(make_sites(2), np.zeros((2, 8), dtype=np.int8))
    raw, model = tmp_path / "P1_of_smith.vcf", tmp_path / "results/models/p/markov/20.json"
    raw.write_text("x")
    model.parent.mkdir(parents=True)
    model.write_text("{}")
    made = Making("train", {"panel/20.pgen": panel.with_suffix(".pgen")})
    made.write(record_path(model.with_suffix("")), [model], seed=7)
    place = tmp_path / ".snakemake" / "metadata"
    place.mkdir(parents=True)
    jobs = [
        ("prepare_panel", [raw.name], ["results/panels/p/20.pgen", "results/panels/p/20.psam"], 1),
        ("train_haplotypes", ["results/panels/p/20.pgen"], ["results/models/p/markov/20.json"], 5),
    ]
    for rule, inputs, outputs, start in jobs:
        log = tmp_path / "logs" / rule / "p.log"
        log.parent.mkdir(parents=True)
        log.write_text(f"read {raw}: P3 is odd, P30 is not\n")
        for late, output in enumerate(outputs):
            words = {
                "rule": rule, "input": inputs, "log": [str(log.relative_to(tmp_path))],
                "starttime": 1e9 + start + late / 8,
                "endtime": 1e9 + start + 2, "incomplete": False,
            }  # fmt: skip
            name = base64.urlsafe_b64encode(output.encode()).decode()
            (place / name).write_text(json.dumps(words))
    return tmp_path


def graph_of(study: Path) -> dict[str, dict]:
    crate(directory=study, licence="CC0-1.0")
    words = json.loads((study / "results" / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in words["@graph"]}


def test_one_action_per_job(study):
    graph = graph_of(study)
    first, second = graph["#job-0"], graph["#job-1"]
    assert first["instrument"] == {"@id": "#rule-prepare_panel"}
    assert (first["startTime"], first["endTime"]) == (
        "2001-09-09T01:46:41+00:00", "2001-09-09T01:46:43+00:00",
    )  # fmt: skip
    assert [r["@id"] for r in first["result"]] == ["panels/p/20.pgen", "panels/p/20.psam"]
    [raw] = first["object"]
    assert graph[raw["@id"]]["value"] == f"sha256:{file_digest(study / 'P1_of_smith.vcf')}"
    assert {"@id": "panels/p/20.pgen"} in second["object"]
    assert [r["@id"] for r in second["result"]] == [
        "models/p/markov/20.json", "models/p/markov/20.provenance.json",
    ]  # fmt: skip
    assert graph["#option-1-seed"]["value"] == 7
    model = study / "results/models/p/markov/20.json"
    assert graph["models/p/markov/20.json"]["sha256"] == file_digest(model)


def test_the_crate_holds_no_name_and_no_path(study):
    graph_of(study)
    log = study / "results/logs/prepare_panel/p.log"
    assert log.read_text() == "read [path]: [individual] is odd, P30 is not\n"
    text = (study / "results/ro-crate-metadata.json").read_text()
    assert "smith" not in text
    assert str(study) not in text


def test_user_and_host_are_taken_out(study, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "mueller")
    monkeypatch.setattr("socket.gethostname", lambda: "node7.cluster.org")
    text = Scrubber(study / "results")("mueller on node7.cluster.org, node7: 'P2' ~/x /a/b c/d 1/2")
    assert text == "[machine] on [machine], [machine]: '[individual]' [path] [path] c/d 1/2"


def test_a_crate_needs_records_of_a_run(tmp_path):
    with pytest.raises(InputError, match="not found"):
        crate(directory=tmp_path, licence="")
    (tmp_path / "results").mkdir()
    with pytest.raises(InputError, match="no record of a finished job"):
        crate(directory=tmp_path, licence="")


def test_verify_finds_what_differs(study):
    results = study / "results"
    graph_of(study)
    assert verify(directory=results) > 5
    (results / "models/p/markov/20.json").write_text("{ }")
    (results / "panels/p/20.psam").unlink()
    with pytest.raises(ChangedError) as error:
        verify(directory=results)
    assert "models/p/markov/20.json: is not what was written" in str(error.value)
    assert "panels/p/20.psam: is missing" in str(error.value)
    done = call_genoloom("verify", results)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_verify_of_a_manifest_and_of_nothing(tmp_path):
    with pytest.raises(InputError, match="holds no digests"):
        verify(directory=tmp_path)
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "MANIFEST.sha256").write_text(f"{file_digest(tmp_path / 'a.txt')}  a.txt\n")
    assert verify(directory=tmp_path) == 1
    (tmp_path / "b.txt").write_text("b")
    with pytest.raises(ChangedError, match=r"b\.txt: is not in MANIFEST"):
        verify(directory=tmp_path)
    (tmp_path / "MANIFEST.sha256").write_text(f"{'0' * 64}  ../a.txt\n")
    with pytest.raises(InputError, match="files of the folder itself"):
        verify(directory=tmp_path)


def test_other_programs_read_the_crate(study, repository):
    asked = [PYTHON, "-c", "import rocrate_validator, runcrate"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("roc-validator and runcrate are not found; see GENOLOOM_ROCRATE_PYTHON")
    graph_of(study)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [PYTHON, str(repository / "tests" / "validate_crate.py"), str(study / "results")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    runcrate = shutil.which("runcrate", path=str(Path(PYTHON).parent))
    told = subprocess.run(
        [runcrate, "report", str(study / "results")],
        capture_output=True, text=True, env=environment, check=True,
    ).stdout  # fmt: skip
    assert "action: #job-0" in told
    assert "panels/p/20.pgen" in told
