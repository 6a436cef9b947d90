"""Plain lines, of which htslib reads the beginning only, become the records of htslib, or its
error; other lines between them, and damage, change nothing.
"""

import os
import random

import numpy as np
import pysam
import pytest
from variant_files import HEAD, bgzip

from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.formats import variant_lines, variant_process
from genoloom.formats.variant_feeder import Plan
from genoloom.formats.variant_header import read_header
from genoloom.formats.variant_lines import plain_records
from genoloom.formats.variants import list_contigs, open_variants
from genoloom.stages.prepare import prepare

N = 3
INFO = '##INFO=<ID=AC,Number=A,Type=Integer,Description="x">\n##INFO=<ID=END,Number=1,Type=Integer'
HEADER = HEAD.replace("ID=PS,Number=1,Type=Integer", "ID=DS,Number=1,Type=Float").replace(
    "##FORMAT", f'{INFO},Description="x">\n##FORMAT', 1
)
HEADER += "\t".join(f"P{i}" for i in range(N)) + "\n"
UNDECLARED = HEADER.replace("##contig", "##other")
CALLS = [
    "0/1", ".|.", "./.", ".", "0", "0|.", ".|1", "0|10", "9|0", "x|1", "0|1|1", "0|1:0.5", "",
    "0|1 ", "|1", "0|", "0||1", "0;1", "0|:", "00|0", "0|0\r", "0|0\0",
]  # fmt: skip
ODD = {
    "GT:DS": "20 {} a A C . PASS . GT:DS 0|1:0.5 0|0:0 1|0:1",
    "wrong DS": "20 {} a A C . PASS . GT:DS 0|1:0.5 0|0:x 1|0:1",
    "DS:GT": "20 {} a A C . PASS . DS:GT 0.5:0|1 0:0|0 1:1|0",
    "no GT": "20 {} a A C . PASS . DS 0.5 0.5 0.5",
    "haploid": "20 {} a A C . PASS . GT 0 1 .",
    "few columns": "20 {} a A C . PASS . GT 0|1 0|1",
    "many columns": "20 {} a A C . PASS . GT 0|1 0|1 0|1 0|1",
    "no calls": "20 {} a A C . PASS . GT",
    "sites only": "20 {} a A C . PASS .",
    "a column less": "20 {} a A C . PASS GT 0|1 0|0 1|0",
    "a column more": "20 {} a A C . PASS . GT GT 0|1 0|0 1|0",
    "an empty column": "20 {} a A C . PASS @ GT 0|1 0|0 1|0",
    "other contig": "21 {} a A C . PASS . GT 0|1 0|0 1|0",
    "unknown contig": "22 {} a A C . PASS . GT 0|1 0|0 1|0",
    "no contig": "@ {} a A C . PASS . GT 0|1 0|0 1|0",
    "no position": "20 x{} a A C . PASS . GT 0|1 0|0 1|0",
    "position 0": "20 0 a A C . PASS . GT 0|1 0|0 1|0",
    "unsorted": "20 1 a A C . PASS . GT 0|1 0|0 1|0",
    "Latin-1": "20 {} \xe9 A C . PASS . GT 0|1 0|0 1|0",
    "symbolic": "20 {} a A <DEL>,* . PASS END=900 GT 0|1 0|2 1|0",
    "no alternate": "20 {} a A . . PASS . GT 0|0 0|0 0|0",
    "allele 3": "20 {} a A C . PASS . GT 0|1 0|3 1|0",
    "filters": "20 {} a A C 3.5 q10;unknown . GT 0|1 0|0 1|0",
    "INFO": "20 {} a A C . PASS AC=x;unknown=1;END= GT 0|1 0|0 1|0",
    "CR": "20 {} a A C . PASS . GT 0|1 0|0 1|0\r",
    "CR before the calls": "20 {} a A C . PASS AC=1\r GT 0|1 0|0 1|0",
    "NUL": "20 {} a A C . PASS AC=1\0 GT 0|1 0|0 1|0",
    "empty": "",
    "comment": "#x",
    **{f"call {call!r}": f"20 {{}} a A C . PASS . GT 0|1 {call or '@'} 1|0" for call in CALLS},
}


def plain_rows(rng: random.Random, n: int) -> list[str]:
    rows = []
    for i in range(n):
        calls = " ".join(f"{rng.randrange(2)}|{rng.randrange(2)}" for _ in range(N))
        rows.append(f"20 {10 + 2 * i} a A C,{rng.choice('GT')} . PASS . GT {calls}")
    return rows


def data_of(rows: list[str], block: int = 60_000, header: str = HEADER) -> bytes:
    lines = "".join(f"{row}\n" for row in rows).replace(" ", "\t").replace("@", "")
    return bgzip(header.encode() + lines.encode("latin-1"), block)


def by_htslib_alone(plan):
    return plan
    yield


@pytest.fixture
def both(monkeypatch, tmp_path):
    """What is read from a file, with the error at its end, in both ways; the texts that are looked
    at together are of about `chunk` bytes.
    """

    def seen(*place) -> list:
        found = []
        try:
            for block in variant_process.read_blocks(Plan(read_header(tmp_path / "in.gz"), *place)):
                # of haploid calls htslib says nothing sensible about the phase
                phased = block.phased.tolist() if block.alleles.shape[2] > 1 else None
                rest = block.alleles.dtype, block.alleles.tolist(), phased, block.other_sets
                found.append((block.contig, block.text, *rest))
        except InputError as error:
            found.append(str(error))
        return found

    def read(data: bytes, chunk: int, *place) -> tuple[list, list]:
        (tmp_path / "in.gz").write_bytes(data)
        monkeypatch.setattr(variant_lines, "CHUNK", chunk)
        monkeypatch.setattr(variant_process, "plain_records", plain_records)
        ours = seen(*place)
        monkeypatch.setattr(variant_process, "plain_records", by_htslib_alone)
        return ours, seen(*place)

    return read


@pytest.mark.parametrize("kind", ODD)
def test_odd_lines_among_plain_ones(both, tmp_path, kind):
    rng = random.Random(kind)
    rows = plain_rows(rng, 90)
    for i in (0, 50, 51, 89):
        rows.insert(i, ODD[kind].format(10 + 2 * i))
    ours, expected = both(data_of(rows, rng.choice([100, 700])), 1)
    assert ours == expected
    # in chunks without the last of them, so that the end of the file is plain
    ours, expected = both(data_of(rows[:-1], 60_000, UNDECLARED), rng.choice([1, 1 << 20]))
    assert ours == expected


def test_random_lines(both):
    rng = random.Random(5)
    for _ in range(30):
        rows = plain_rows(rng, 50)
        for _ in range(rng.choice([0, 1, 3])):
            i = rng.randrange(50)
            letters = [*rows[i]]
            letters[rng.randrange(len(letters))] = rng.choice("0129|/.:,;\t\r\0 ACx<#\xe9")
            rows[i] = "".join(letters)
        place = rng.choice([(), ("20",), ("20", (40, 80))])
        data = data_of(rows, rng.choice([90, 1000]), rng.choice([HEADER, UNDECLARED]))
        ours, expected = both(data, rng.choice([1, 900]), *place)
        assert ours == expected


def test_damaged_blocks(both):
    rng = random.Random(6)
    good = data_of(plain_rows(rng, 100), 300)
    first = len(bgzip(HEADER.encode(), 300)) - 28
    for _ in range(15):
        data = bytearray(good)
        data[rng.randrange(first, len(data) - 28)] ^= 1 << rng.randrange(8)
        ours, expected = both(bytes(data), rng.choice([1, 900, 1 << 20]))
        assert ours == expected
    for cut in rng.sample(range(first, len(good) - 28), 5):  # and the end of another file
        ours, expected = both(good[:cut] + good[-28:], 900)
        assert ours == expected


def test_lines_that_do_not_end(both, monkeypatch):
    monkeypatch.setattr(variant_lines, "LONGEST", 2000)
    rows = plain_rows(random.Random(7), 30)
    for data in (
        data_of(rows)[:-28] + bgzip(b"20\t100"),
        data_of([*rows, rows[0].replace("20 10 a", f"20 90 {'a' * 3000}"), *rows[1:]], 500),
        data_of([]),
    ):
        ours, expected = both(data, 1)
        assert ours == expected


def test_reading_begins_where_the_index_says(tmp_path, monkeypatch):
    path = tmp_path / "in.vcf.gz"
    rows = plain_rows(random.Random(8), 3000)
    rows[2500] = ODD["GT:DS"].format(10 + 2 * 2500)
    path.write_bytes(data_of(rows))
    pysam.tabix_index(str(path), preset="vcf")
    monkeypatch.setattr(variant_lines, "CHUNK", 5000)
    found = [r.position for r in open_variants(path, "20", (4000, 5500)).records()]
    assert found == list(range(4000, 5501, 2))
    monkeypatch.setattr(variant_process, "plain_records", by_htslib_alone)
    assert found == [r.position for r in open_variants(path, "20", (4000, 5500)).records()]


def test_the_shipped_file(demo_dir, tmp_path, monkeypatch):
    """Every file of a panel is the same, byte by byte."""
    path, options = demo_dir / "eur300.chr20_1-2Mb.vcf.gz", PrepareOptions()
    plain = [alleles is not None for _, alleles in plain_records(Plan(read_header(path)))]
    assert plain == [True] * 7568
    prepare(variants=path, contig="20", out=tmp_path / "ours/20", options=options)
    monkeypatch.setattr(variant_process, "plain_records", by_htslib_alone)
    prepare(variants=path, contig="20", out=tmp_path / "htslib/20", options=options)
    ours = {path.name: path.read_bytes() for path in (tmp_path / "ours").iterdir()}
    assert ours == {path.name: path.read_bytes() for path in (tmp_path / "htslib").iterdir()}


def test_chunks_leave_no_file_open(tmp_path, monkeypatch):
    monkeypatch.setattr(variant_lines, "CHUNK", 1)
    path = tmp_path / "in.vcf.gz"
    path.write_bytes(data_of([*plain_rows(random.Random(9), 500), ODD["GT:DS"].format(2000)], 100))
    before, n = os.listdir(variant_lines.DESCRIPTORS), 0
    for _ in plain_records(Plan(read_header(path))):
        n = max(n, len(os.listdir(variant_lines.DESCRIPTORS)))
    assert n <= len(before) + 5
    assert len(os.listdir(variant_lines.DESCRIPTORS)) <= len(before) + 1


def test_nobody(tmp_path):
    path = tmp_path / "in.vcf.gz"
    lines = HEADER[: HEADER.index("\tFORMAT")] + "\n20\t5\t.\tA\tC\t.\t.\t.\n"
    path.write_bytes(bgzip(lines.encode()))
    assert list_contigs(path) == ["20"]


def test_alleles_of_one_digit(both):
    rows = [
        f"20 {10 + a} a A {','.join('CGT' + 'C' * 7)} . . . GT {a}|0 0|{a} 0|0" for a in range(10)
    ]
    ours, expected = both(data_of(rows), 1)
    assert ours == expected
    assert np.max(ours[0][3]) == 9
