"""Only what a release wrote is removed, and a removal may be killed at any time."""

import os
import stat
from pathlib import Path

import pytest

from genoloom.errors import InputError
from genoloom.evidence import bundle
from genoloom.evidence.bundle import MANIFEST, MARKER, made_beside, remove_bundle, seal
from genoloom.formats.atomic import HOST


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out[1]"
    folder.mkdir()
    (folder / "20.pgen").write_bytes(b"genotypes")
    (folder / "README.md").write_text("# Synthetic\n")
    seal(folder)
    return folder


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_bundle_is_removed_whole(out):
    remove_bundle(out)
    remove_bundle(out)  # nothing there is fine
    assert not list(out.parent.iterdir())


def test_an_empty_directory_may_be_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    remove_bundle(tmp_path / "out")


def add_file(out):
    (out / "thesis.txt").write_text("years of work")


def add_directory(out):
    (out / "more").mkdir()


def change_file(out):
    (out / "README.md").write_text("# Synthetic, with my notes\n")


def lose_file(out):
    (out / "20.pgen").unlink()


def lose_marker(out):
    (out / MARKER).unlink()


def lose_manifest(out):
    (out / MANIFEST).unlink()


def extend_manifest(out):
    add_file(out)
    (out / MARKER).unlink()
    listed = (out / MANIFEST).read_text()
    seal(out)  # now the manifest lists the thesis, and the marker is of this manifest
    (out / MANIFEST).write_text(listed)


def forge_marker(out):
    (out / MARKER).write_text('{"made_by": "somebody", "manifest": ""}')


def damage_marker(out):
    (out / MARKER).write_bytes(b"\xff[[[")


def link_a_file(out):
    (out / "20.pgen").rename(out.parent / "20.pgen")
    (out / "20.pgen").symlink_to(out.parent / "20.pgen")


@pytest.mark.parametrize(
    "change",
    [
        add_file, add_directory, change_file, lose_file, lose_marker, lose_manifest,
        extend_manifest, forge_marker, damage_marker,
        link_a_file,
    ],
)  # fmt: skip
def test_what_is_no_bundle_as_it_was_released_is_left_as_it_is(out, change):
    change(out)
    before = content(out.parent)
    with pytest.raises(InputError, match="is there and is no bundle as it was released"):
        remove_bundle(out)
    assert content(out.parent) == before


def test_a_strangers_directory_with_a_manifest_of_its_own_is_left_as_it_is(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("a")
    seal(folder)
    (folder / MARKER).unlink()  # what `sha256sum * > MANIFEST.sha256` gives
    with pytest.raises(InputError, match="is no bundle"):
        remove_bundle(folder)
    assert (folder / "a").exists()


def test_what_a_killed_release_left_is_removed_and_what_others_make_is_not(tmp_path):
    out = tmp_path / "out"
    dead = tmp_path / f".part-{HOST}-{2**22 + 1}-out"  # beyond the largest number of a process
    others = [
        tmp_path / name
        for name in (
            f".part-{HOST}-{os.getppid()}-out",
            ".part-else-3-out",
            f".part-{HOST}-3-x-out",
            ".part-out",
        )
    ]
    for folder in (dead, *others):
        folder.mkdir()
        (folder / "20.pgen").write_text("not judged yet")
    with made_beside(out) as scratch:
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
        assert not dead.exists()
        (scratch / "20.pgen").write_text("not judged yet")
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_links_and_files_and_places_without_a_name_are_refused(out, tmp_path):
    (tmp_path / "link").symlink_to(out)
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    (tmp_path / "file").write_text("")
    for place in (
        tmp_path / "link",
        tmp_path / "nowhere",
        tmp_path / "file",
        tmp_path / "x" / "..",
        Path("."),
        Path("/"),
    ):
        with pytest.raises(InputError):
            remove_bundle(place)
    assert (out / MARKER).exists()
    assert (tmp_path / "link").is_symlink()


def test_a_removal_that_is_killed_is_finished_by_the_next(out, monkeypatch):
    """After any number of its steps; what looks alike and is somebody's own stays."""
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    steps = len(whole) + 1
    for kept in range(steps):
        gone = 0

        def unlink(path, kept=kept, **options):
            nonlocal gone
            if gone == kept:
                raise KeyboardInterrupt
            gone += 1
            os.unlink(path)

        out.mkdir(exist_ok=True)
        for name, data in whole.items():
            (out / name).write_bytes(data)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", unlink)
            patched.setattr(bundle.os, "getpid", lambda kept=kept: 1000 + kept)
            if kept < len(whole):
                with pytest.raises(KeyboardInterrupt):
                    remove_bundle(out)
        assert not out.exists() or kept == len(whole)
        remove_bundle(out)
        assert not list(out.parent.iterdir())
    own = out.parent / f".old-77-{out.name}"
    own.mkdir()
    (own / "thesis.txt").write_text("years of work")
    remove_bundle(out)
    assert (own / "thesis.txt").exists()
