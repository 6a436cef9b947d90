"""Fixtures shared by all tests. One thread per test process."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).resolve().parent.parent
# files that share a worker: the finished project, whose workflow takes a minute, is made once; the
# loops of the copying network are compiled once
TOGETHER = {
    "finished": ("test_chaos.py", "test_report_browser.py", "test_resume.py", "test_workflow.py"),
    "compiled": ("test_anchoring.py", "test_copying_network.py"),
}
WORKER = {file: group for group, files in TOGETHER.items() for file in files}
SLOW = (
    "workflow", "unit/models", "unit/training", "unit/benchmarks", "unit/test_faults.py",
    "unit/test_fuzzing.py", "unit/privacy/test_audit.py", "unit/validation/test_self_check.py",
    "unit/evidence/test_release.py", "unit/panels/test_comparands.py",
    "unit/pipelines/test_release.py", "unit/programs/test_rephasing.py",
    *(
        f"unit/stages/test_{name}.py"
        for name in ("init", "plan", "public_release", "treatment_effects")
    ),
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Workflows, trainings, scripts and whole commands are slow (`make test-fast`)."""
    for item in items:
        if any(item.path.is_relative_to(ROOT / "tests" / place) for place in SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `--dist loadfile`, some files share a worker."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return WORKER.get(file.rpartition("/")[2], file)

    return Scheduling(config, log)


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
