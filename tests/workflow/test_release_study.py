"""Studies from genotypes to a bundle that passes the gate, in minutes each (`make test-long`)."""

import subprocess
import sys

import pytest

from benchmarks.release_study import MODES, PLACE, outcome, release

pytestmark = pytest.mark.long


def test_the_shipped_data_leave(repository, tmp_path):
    """What `make demo-release` does."""
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(repository / name)
    command = [sys.executable, "-m", "genoloom", "run", "results/release/demo/copying_network"]
    given = ["--cores", "1", "--configfile", "config/demo.yaml", "config/demo_release.yaml"]
    subprocess.run([*command, *given], cwd=tmp_path, check=True)
    assert (tmp_path / "results/release/demo/copying_network/MANIFEST.sha256").exists()


@pytest.mark.parametrize("mode", MODES)
def test_all_of_dpyd_leaves(mode, shared_data, tmp_path):
    """What `make release-study` does."""
    assert release(tmp_path, mode, shared_data, cores=1) == 0
    assert (tmp_path / mode / "results/release" / PLACE / "MANIFEST.sha256").exists()
    found = outcome(tmp_path / mode)
    for use in ("frequencies", "linkage", "ancestry", "haplotypes"):
        assert found[use] == "fit", use
    assert found["low"] < 0.5 < found["chance"]
    assert found["worst_attack"] < found["chance"]
