"""From genotypes to a bundle that passes the gate, in minutes (`make test-long`)."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long


def test_the_shipped_data_leave(repository, tmp_path):
    """What `make demo-release` does."""
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(repository / name)
    command = [sys.executable, "-m", "genoloom", "run", "results/release/demo/copying_network"]
    given = ["--cores", "1", "--configfile", "config/demo.yaml", "config/demo_release.yaml"]
    subprocess.run([*command, *given], cwd=tmp_path, check=True)
    assert (tmp_path / "results/release/demo/copying_network/MANIFEST.sha256").exists()
