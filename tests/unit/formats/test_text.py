"""The one way to open text: content decides, damage and foreign content are told with their
place.
"""

import bz2
import gzip
import os
import threading

import pysam
import pytest
import zstandard

from genoloom.errors import InputError
from genoloom.formats import text
from genoloom.formats.text import (
    byte_lines,
    create_text,
    real_number,
    split_rows,
    text_lines,
    whole_number,
)

LINES = [(1, "a\tb"), (2, "ü"), (3, ""), (4, "last")]
PLAIN = "a\tb\nü\n\nlast".encode()


def bgzip(data: bytes, tmp_path) -> bytes:
    with pysam.BGZFile(str(tmp_path / "b"), "wb") as handle:
        handle.write(data)
    return (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN + b"\n",
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.decode().encode("utf-16"),
        b"\xfe\xff" + PLAIN.decode().encode("utf-16-be"),
        gzip.compress(PLAIN[:3], mtime=0) + gzip.compress(PLAIN[3:], mtime=0) + bytes(100),
        zstandard.compress(PLAIN[:3]) + zstandard.compress(PLAIN[3:]),
    ],
)
@pytest.mark.parametrize("name", ["x.txt", "x.gz", "x.zst"])
def test_content_decides(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    assert list(text_lines(tmp_path / name)) == LINES


def test_bgzip_and_many_blocks(tmp_path):
    data = b"".join(b"line %d\r\n" % i for i in range(100_000))
    (tmp_path / "x").write_bytes(bgzip(data, tmp_path))
    assert [line for _, line in byte_lines(tmp_path / "x")] == data.split(b"\r\n")[:-1]


def test_line_ends_at_the_border_of_chunks(tmp_path, monkeypatch):
    monkeypatch.setitem(text._CHUNK, b"", 1)
    for end in (b"\n", b"\r", b"\r\n"):
        (tmp_path / "x").write_bytes(end.join([b"1", b"", b"3", b""]))
        assert list(text_lines(tmp_path / "x")) == [(1, "1"), (2, ""), (3, "3")]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (gzip.compress(PLAIN, mtime=0)[:-3], "cut off"),
        (gzip.compress(PLAIN, mtime=0)[:-8] + b"12345678", "damaged"),
        (gzip.compress(PLAIN, mtime=0) + b"rest", "damaged"),
        (zstandard.compress(PLAIN)[:-1], "cut off"),
        (PLAIN.decode().encode("utf-16") + b"x", "damaged UTF-16"),
        (PLAIN.decode().encode("latin-1"), "line 2, byte 1: 0xfc is no UTF-8"),
        (b"a\n\nb\0", "line 3: holds a byte 0"),
        (PLAIN.decode().encode("utf-16-le"), "line 1: holds a byte 0"),
        (b" \n<!DOCTYPE html><html>", "web page"),
        (gzip.compress(b"<html></html>", mtime=0), "web page"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "XML"),
        (bz2.compress(PLAIN), "bzip2"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_what_is_no_text_is_told(tmp_path, data, found):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InputError, match=found):
        list(text_lines(tmp_path / "x"))


def test_bgzip_without_its_last_block_is_cut_off(tmp_path):
    (tmp_path / "x").write_bytes(bgzip(PLAIN, tmp_path)[:-28])
    with pytest.raises(InputError, match="cut off"):
        list(text_lines(tmp_path / "x"))


def test_bombs_and_long_lines(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(gzip.compress(b"A" * 10_000_000))
    with pytest.raises(InputError, match="line 1: longer than 1000 bytes"):
        list(text_lines(tmp_path / "x", 1000))
    monkeypatch.setattr(text, "BOMB_BYTES", 1000)
    with pytest.raises(InputError, match="250 times"):
        list(text_lines(tmp_path / "x"))


def test_places_that_are_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "PIPE_WAIT_S", 0.1)
    os.mkfifo(tmp_path / "pipe")
    for place, found in (
        (tmp_path, "directory"),
        (tmp_path / "none", "not found"),
        (tmp_path / "pipe", "is a pipe"),
    ):
        with pytest.raises(InputError, match=found):
            list(text_lines(place))
    monkeypatch.setattr(text, "PIPE_WAIT_S", 30)
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(PLAIN))
    writer.start()
    assert list(text_lines(tmp_path / "pipe")) == LINES
    writer.join()


def test_cells(tmp_path):
    lines = enumerate(['a\tb"c', "", '"d\te"\t"f""g"', "h"], 1)
    assert list(split_rows("x", lines)) == [(1, ["a", 'b"c']), (3, ["d\te", 'f"g']), (4, ["h"])]
    with pytest.raises(InputError, match="x: line 2"):
        list(split_rows("x", [(1, "a"), (2, '"b"c')]))
    with pytest.raises(InputError, match="x: line 2"):
        list(split_rows("x", [(1, '"a'), (2, "b")]))


def test_numbers():
    assert whole_number(" +7 ", 0, 10) == 7
    assert real_number("1e-3") == 1e-3
    for cell in (
        "",
        "1.0",
        "1_0",
        "\u0661",
        "9" * 400,
        "1e400",
        "-1",
        "11",
        "x",
        "+",
        "-+5",
        "--5",
    ):
        with pytest.raises(ValueError, match="is no"):
            whole_number(cell, 0, 10)
    for cell in ("", "1_0", "\u0661", "1e400", "nan", "inf", "x"):
        with pytest.raises(ValueError, match="is no"):
            real_number(cell)


def test_written_gzip_has_no_name_and_no_time(tmp_path):
    for name in ("a.gz", "b.gz"):
        with create_text(tmp_path / name, packed=True) as handle:
            handle.write("ü\n")
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed == (tmp_path / "b.gz").read_bytes()
    assert packed[3:8] == bytes(5)
    assert gzip.decompress(packed).decode() == "ü\n"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("", "line 1: is no JSON"),
        ('{\n"a": 1,\n}', "line 3: is no JSON"),
        ("[1]", "lacks 'a'"),
        ('{"b": 1}', "lacks 'a'"),
        ("[" * 100_000, "is no JSON that can be read"),
        ('{"a": ' + "9" * 5000 + "}", "is no JSON that can be read"),
    ],
)
def test_json(tmp_path, data, found):
    (tmp_path / "x.json").write_text(data)
    with pytest.raises(InputError, match=found):
        text.read_json(tmp_path / "x.json", ["a"])
    (tmp_path / "x.json").write_text('\ufeff{"a": [1]}')
    assert text.read_json(tmp_path / "x.json", ["a"]) == {"a": [1]}
