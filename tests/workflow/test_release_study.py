"""Studies from genotypes to a bundle that passes the gate; minutes each (`make test-long`)."""

import subprocess
import sys

import pytest

from benchmarks.release_study import release
from genoloom.formats.tables import read_table
from genoloom.privacy.attack_ids import AttackId
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.verdicts import Verdict

pytestmark = pytest.mark.long


def verdicts(table) -> dict[str, str]:
    return {
        row["metric"]: row["verdict"]
        for row in read_table(table)
        if row["generator"] == "copying_network" and row["population"] == row["bin"] == "all"
    }


def test_all_of_dpyd_leaves_in_mode_public(shared_data, tmp_path):
    assert release(tmp_path, "public", shared_data) == 0
    bundle = tmp_path / "public/results/release/cohort/copying_network"
    assert (bundle / "MANIFEST.sha256").exists()
    worst = [r for r in read_table(bundle / "privacy.tsv") if r["attack"] == AttackId.WORST]
    assert {row["verdict"] for row in worst} == {Verdict.PASS}
    assert max(float(row["high"]) for row in worst if row["population"] == "all") < 0.56
    found = verdicts(bundle / "fidelity.tsv")
    assert found[MetricId.FREQUENCY_CORRELATION] == Verdict.PASS
    assert found[MetricId.LD_R2_CORRELATION] == Verdict.PASS
    assert found[MetricId.FST_MATRIX_ERROR] == found[MetricId.PCA_DISTANCE] == Verdict.PASS


def test_the_shipped_data_leave(repository, tmp_path):
    """What `make demo-release` does."""
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(repository / name)
    command = [sys.executable, "-m", "genoloom", "run", "results/release/demo/copying_network"]
    given = ["--cores", "1", "--configfile", "config/demo.yaml", "config/demo_release.yaml"]
    subprocess.run([*command, *given], cwd=tmp_path, check=True)
    assert (tmp_path / "results/release/demo/copying_network/MANIFEST.sha256").exists()
