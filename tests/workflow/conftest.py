"""The small project, fresh and finished."""

from pathlib import Path

import pytest
from small_project import TINY, traced, write_project


@pytest.fixture
def tiny_project(tmp_path, demo_dir) -> Path:
    """A fresh small project."""
    return write_project(tmp_path / "project", demo_dir, TINY)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, demo_dir, repository) -> Path:
    """A small project whose workflow has run once; `trace` next to it says which files its commands
    read.
    """
    from helpers import run_genoloom

    folder = write_project(tmp_path_factory.mktemp("finished") / "project", demo_dir, TINY)
    done = run_genoloom("run", "-C", folder, "--cores", 2, cwd=folder.parent, env=traced(folder))
    assert done.returncode == 0, done.stderr[-6000:]
    return folder
