"""The reference FASTA: never other bases than those of the file, whatever lies next to it; remedies
that work.
"""

import gzip
import os
import re
import shutil
import subprocess

import numpy as np
import pysam
import pytest
import zstandard

from genoloom.errors import InputError
from genoloom.formats.reference import Reference

BASES = {
    "20": "GCTAAAGACAATTACATAACATACACGTCAGC" * 9,
    "21": "acgtn" * 30,
    "short": "ACG",
    "last": "TTGCA" * 24,
}


def fasta(width: int = 60, end: str = "\n", described: str = "") -> bytes:
    lines = []
    for name, bases in BASES.items():
        lines += [
            f">{name}{described}",
            *(bases[i : i + width] for i in range(0, len(bases), width)),
        ]
    return (end.join(lines) + end).encode()


def bgzip(data: bytes, path) -> None:
    with pysam.BGZFile(str(path), "wb") as handle:
        handle.write(data)


def whole(path) -> dict[str, str]:
    reference = Reference(path)
    return {name: reference.fetch(name, 0, length) for name, length in reference.lengths.items()}


@pytest.mark.parametrize(
    "text",
    [
        fasta(),
        fasta(60, "\r\n"),
        fasta(7),
        fasta(10_000),
        fasta(described=" a b>c\td"),
        fasta().rstrip(b"\n"),
        fasta() + b"\n\n",
        b"\n\n" + fasta(),
    ],
)
def test_reads_what_is_there_and_makes_the_index(tmp_path, text):
    (tmp_path / "r.fa").write_bytes(text)
    bgzip(text, tmp_path / "r.fa.gz")
    shutil.copy(tmp_path / "r.fa.gz", tmp_path / "unnamed")
    shutil.copy(tmp_path / "r.fa", tmp_path / "plain.gz")
    for name, files in (
        ("r.fa", [".fai"]),
        ("r.fa.gz", [".fai", ".gzi"]),
        ("unnamed", [".fai", ".gzi"]),
        ("plain.gz", [".fai"]),
    ):
        for _ in range(2):  # with a new index, and with the one that the first time left
            assert whole(tmp_path / name) == BASES
        assert all((tmp_path / f"{name}{end}").exists() for end in files)


def test_many_blocks(tmp_path):
    bases = "".join("ACGT"[(i * i) % 7 % 4] for i in range(200_000))
    bgzip(f">a\n{bases}\n>b\n{bases[::-1]}\n".encode(), tmp_path / "r.fa.gz")
    for _ in range(2):
        assert whole(tmp_path / "r.fa.gz") == {"a": bases, "b": bases[::-1]}


def spoilt(index_bytes: bytes, end: str) -> dict[str, bytes]:
    rows = index_bytes.split(b"\n")
    return {
        "empty": b"",
        "cut": index_bytes[: len(index_bytes) // 2],
        "huge": index_bytes.replace(b"\t", b"\t99999999999999999999"),
        "no numbers": index_bytes.replace(b"\t", b"\tx"),
        "binary": bytes(range(256)),
        "longer": index_bytes + index_bytes[-16:]
        if end == ".gzi"
        else index_bytes + b"more\t5\t900\t5\t6\n",
        "fewer": index_bytes[:8] if end == ".gzi" else b"\n".join(rows[:-2]) + b"\n",
        "shifted": index_bytes[:8] + b"\x07" + index_bytes[9:]
        if end == ".gzi"
        else index_bytes.replace(b"\t4\t", b"\t5\t"),
    }


@pytest.mark.parametrize("name", ["r.fa", "r.fa.gz"])
def test_an_index_that_does_not_belong_is_not_used(tmp_path, caplog, name):
    text = fasta() + b">big\n" + b"ACGTA" * 30_000 + b"\n"
    expected = BASES | {"big": "ACGTA" * 30_000}
    if name.endswith(".gz"):
        bgzip(text, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(text)
    assert whole(tmp_path / name) == expected
    for end in (".fai", ".gzi")[: 1 + name.endswith(".gz")]:
        index = tmp_path / f"{name}{end}"
        right = index.read_bytes()
        for kind, wrong in spoilt(right, end).items():
            if wrong == right:
                continue
            index.write_bytes(wrong)
            caplog.clear()
            assert whole(tmp_path / name) == expected, kind
            assert re.search(f"its index {end} is (damaged|of another file)", caplog.text), kind
            assert index.read_bytes() == wrong  # a file of the user's is left alone
        index.write_bytes(right)
        os.utime(index, (1, 1))
        caplog.clear()
        assert whole(tmp_path / name) == expected
        assert "older than the file" in caplog.text
        index.write_bytes(right)


@pytest.mark.parametrize(
    "changed",
    [fasta(70), fasta(described=" longer"), fasta(60, "\r\n"), fasta().replace(b">21", b">22")],
)
def test_the_index_of_an_earlier_content(tmp_path, changed):
    (tmp_path / "r.fa").write_bytes(fasta())
    Reference(tmp_path / "r.fa")
    later = (tmp_path / "r.fa.fai").stat().st_mtime + 100
    (tmp_path / "r.fa").write_bytes(changed)
    os.utime(tmp_path / "r.fa.fai", (later, later))  # its time says nothing
    assert list(whole(tmp_path / "r.fa").values()) == list(BASES.values())


def test_a_directory_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "r.fa").write_bytes(fasta())
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root
    assert whole(tmp_path / "r.fa") == BASES
    assert not (tmp_path / "r.fa.fai").exists()


WRONG = {
    "uneven": (fasta().replace(b"ACATAC", b"ACAT\nAC", 1), "line 3: longer|line [23]: shorter"),
    "longer line": (
        fasta(60).replace(b"\n", b"\r", 3).replace(b"\r", b"\n", 2).replace(b"\r", b""),
        "line 3: longer",
    ),
    "blank line": (
        fasta().replace(b"\n", b"\n\n", 3).replace(b">20\n\n", b">20\n"),
        "line 3: blank",
    ),
    "CR alone": (fasta(60, "\r"), "CR alone"),
    "byte-order mark": (b"\xef\xbb\xbf" + fasta(), "byte-order mark"),
    "mixed line ends": (fasta().replace(b"\n", b"\r\n", 2), "line ends|lines end"),
    "UTF-16": (fasta().decode().encode("utf-16"), "UTF-16"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("packed", [False, True])
def test_remedies_work(tmp_path, capfd, kind, packed):
    text, found = WRONG[kind]
    if packed:
        bgzip(text, tmp_path / "r.fa.gz")
    else:
        (tmp_path / "r.fa").write_bytes(text)
    with pytest.raises(InputError, match=found) as error:
        Reference(tmp_path / ("r.fa.gz" if packed else "r.fa"))
    assert capfd.readouterr().err == ""  # nothing of htslib's own
    if shutil.which("bgzip"):
        subprocess.run(error.value.remedy, shell=True, cwd=tmp_path, check=True)
        assert whole(tmp_path / ("NEW.fa.gz" if packed else "NEW.fa")) == BASES


@pytest.mark.parametrize(
    ("pack", "found"), [(gzip.compress, "compressed by gzip"), (zstandard.compress, "zstd")]
)
def test_other_compression(tmp_path, pack, found):
    (tmp_path / "r.fa.gz").write_bytes(pack(fasta()))
    with pytest.raises(InputError, match=found) as error:
        Reference(tmp_path / "r.fa.gz")
    if shutil.which("bgzip") and shutil.which(error.value.remedy.split()[0]):
        subprocess.run(error.value.remedy, shell=True, cwd=tmp_path, check=True)
        assert whole(tmp_path / "NEW.fa.gz") == BASES


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", "is empty"),
        (b"no fasta\n", "line 1: the character ' '"),
        (b"ACGT\n", "line 1: a sequence without a header"),
        (b">a\nAC GT\n", "line 2: the character ' '"),
        (b">a\nAC\xe9GT\n", "line 2: the character"),
        (b">a\nAC\n>b\nA\n>a\nGG\n", "line 5: the name of line 1 again"),
        (b">a\n>b\nACGT\n", "line 2: the sequence before it has no bases"),
        (b"> a\nACGT\n", "line 1: a header without a name"),
        (b"<html></html>", "web page"),
        (b">a\n\0\0\n", "byte 0"),
    ],
)
def test_what_is_no_fasta(tmp_path, text, found):
    (tmp_path / "r.fa").write_bytes(text)
    with pytest.raises(InputError, match=found):
        Reference(tmp_path / "r.fa")


def test_damage_is_found(tmp_path):
    bases = "".join(np.random.default_rng(1).choice(list("ACGT"), 300_000))
    bgzip(f">a\n{bases}\n".encode(), tmp_path / "r.fa.gz")
    Reference(tmp_path / "r.fa.gz")
    packed = (tmp_path / "r.fa.gz").read_bytes()
    half = len(packed) // 2
    for damaged, found in (
        (packed[:half], "cut off|damaged"),
        (packed[:half] + b"12345678" + packed[half + 8 :], "damaged"),
    ):
        (tmp_path / "r.fa.gz").write_bytes(damaged)
        with pytest.raises(InputError, match=found):
            whole(tmp_path / "r.fa.gz")
