"""Fixtures shared by all tests. One thread per test process."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items):
    """With `--dist loadgroup`, tests of one file share a worker, and so do all tests of the
    finished project, whose workflow takes minutes: it runs once.
    """
    for item in items:
        group = "finished" if "finished" in item.fixturenames else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def demo_dir() -> Path:
    """The real data that the repository ships."""
    return ROOT / "resources" / "demo"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Larger real data for development; tests that need them are skipped where they are absent."""
    path = Path(os.environ.get("GENOLOOM_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip("development data not found; set GENOLOOM_SHARED_DATA to their directory")
    return path
