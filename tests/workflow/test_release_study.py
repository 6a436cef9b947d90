"""Studies from genotypes to a bundle that passes the gate, in minutes each (`make test-long`)."""

import subprocess
import sys

import pytest

from benchmarks.release_study import MODES, PLACE, outcome, release
from genoloom.validation.uses import Fitness

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
    assert {found[use] for use in ("linkage", "ancestry", "haplotypes")} == {Fitness.FIT}
    # frequency filters of mode public agree a little less than those of a second sample
    assert found["frequencies"] in (Fitness.FIT, Fitness.LIMITS)
    assert found["worst_attack"] < found["chance"]
