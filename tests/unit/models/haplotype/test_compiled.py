"""Machine code is kept for the sources it was made from."""

import shutil

import numba
import pytest

from genoloom.models.haplotype import compiled


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A package with two files of loops."""
    package = tmp_path / "package"
    package.mkdir()
    for name in ("inner", "outer", "other"):
        (package / f"{name}.py").write_text(f"# {name}\nfrom x import jit\n")
    (package / "other.py").write_text("# no loops\n")
    monkeypatch.setattr(compiled, "HERE", package)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    compiled.cache_folder.cache_clear()
    yield package
    compiled.cache_folder.cache_clear()


def folder():
    compiled.cache_folder.cache_clear()
    return compiled.cache_folder()


def test_any_changed_file_of_loops_has_a_new_folder(sources):
    first = folder()
    assert first.parent == sources / "__pycache__"
    (sources / "other.py").write_text("# still none\n")
    assert folder() == first
    (sources / "inner.py").write_text("# changed\nfrom x import jit\n")
    assert folder() != first


def test_without_a_place_in_the_package_the_users_cache_is_taken(sources, tmp_path, monkeypatch):
    shutil.rmtree(sources / "__pycache__", ignore_errors=True)
    (sources / "__pycache__").write_text("a file is in the way")
    assert folder().parent == tmp_path / "caches" / "genoloom"
    (tmp_path / "caches").rename(tmp_path / "moved")
    (tmp_path / "caches").write_text("and here")
    assert folder() is None
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "given"))
    assert folder().parent == tmp_path / "given"


def test_a_function_is_kept_there_and_the_setting_is_as_before(sources):
    def twice(x):
        return 2 * x

    function = compiled.jit(twice)
    assert function(21) == 42
    assert list(folder().rglob("*.nbi"))
    assert numba.config.CACHE_DIR == ""
