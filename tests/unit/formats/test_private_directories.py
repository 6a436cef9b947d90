"""Directories with data of real individuals are closed to others; nobody else's directory is."""

import stat
from pathlib import Path

from genoloom.formats.private_directories import close_directory


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_rooms_of_the_results_are_closed_whoever_made_them(tmp_path):
    for leaf in ("panels/p", "splits", "models/p/gan", ".state/p/gan/20/abc", "private/p/gan"):
        folder = tmp_path / "results" / leaf
        folder.mkdir(parents=True)  # as Snakemake does
        close_directory(folder)
        assert mode(folder) == 0o700
        assert mode(tmp_path / "results" / leaf.split("/")[0]) == 0o700
    assert mode(tmp_path / "results") != 0o700


def test_a_directory_elsewhere_is_made_and_closed_alone(tmp_path):
    close_directory(tmp_path / "models" / "mine")
    assert mode(tmp_path / "models" / "mine") == 0o700
    assert mode(tmp_path / "models") != 0o700


def test_directories_that_others_need_stay_open(tmp_path, monkeypatch, caplog):
    (tmp_path / "home" / "study").mkdir(parents=True)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home" / "study")
    for place in (Path("."), Path(".."), tmp_path, shared):
        before = mode(place)
        close_directory(place)
        assert mode(place) == before
    assert caplog.text.count("is not closed to others") == 4
    (tmp_path / "file").write_text("")
    close_directory(tmp_path / "file" / "below")  # the writer will complain
