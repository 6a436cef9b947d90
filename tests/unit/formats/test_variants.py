"""VCF and BCF in any form, and what is wrong with them: always the same records, or an error with
its place.
"""

import codecs
import gzip
import os
import signal
import subprocess
import sys

import cyvcf2
import numpy as np
import pysam
import pytest
from variant_files import HEAD, SAMPLES, as_bcf, bgzip, random_rows, text_of

from genoloom.errors import InputError
from genoloom.formats import variant_process
from genoloom.formats.genotype_calls import CallsFile
from genoloom.formats.plink import open_plink
from genoloom.formats.variant_header import read_header
from genoloom.formats.variants import VcfFile, list_contigs, open_variants


def seen(file) -> list[tuple]:
    return [
        (r.position, r.id, r.ref, r.alts, r.filters, r.alleles.tolist(), r.unphased.tolist())
        for r in file.records()
    ]


ROWS = random_rows()
TEXT = text_of(ROWS)
FORMS = {
    "plain": lambda t, _: t,
    "gzip": lambda t, _: gzip.compress(t),
    "two members": lambda t, _: gzip.compress(t[:500]) + gzip.compress(t[500:]) + bytes(64),
    "bgzip": lambda t, _: bgzip(t, 700),
    "joined bgzip": lambda t, _: bgzip(t[:2000]) + bgzip(t[2000:]),
    "mark": lambda t, _: codecs.BOM_UTF8 + t,
    "mark, gzip": lambda t, _: gzip.compress(codecs.BOM_UTF8 + t),
    "mark, bgzip": lambda t, _: bgzip(codecs.BOM_UTF8 + t),
    "CRLF": lambda t, _: t.replace(b"\n", b"\r\n"),
    "empty last line": lambda t, _: t + b"\n",
    "no last line end": lambda t, _: t.rstrip(b"\n"),
    "BCF": lambda t, d: as_bcf(t, d, "b"),
    "plain BCF": lambda t, d: as_bcf(t, d, "u"),
    "gzip BCF": lambda t, d: gzip.compress(gzip.decompress(as_bcf(t, d, "b"))),
    "VCF 4.4": lambda t, _: (
        t.replace(b"VCFv4.2", b"VCFv4.4").replace(b"\t0|", b"\t|0|").replace(b"\t1|", b"\t|1|")
    ),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The records of contig 20 as pysam reads them."""
    path = tmp_path_factory.mktemp("expected") / "in.vcf"
    path.write_bytes(TEXT)
    rows = []
    with pysam.VariantFile(str(path)) as source:
        for record in source:
            if record.contig == "20":
                alleles = [a for sample in record.samples.values() for a in sample.allele_indices]
                rows.append(
                    (
                        record.pos,
                        record.id,
                        record.ref,
                        list(record.alts),
                        list(record.filter) or ["."],
                        alleles,
                        [False] * 6,
                    )
                )
    return rows


@pytest.mark.parametrize("name", ["in.vcf", "in.vcf.gz", "in.txt"])
@pytest.mark.parametrize("form", FORMS)
def test_content_decides_not_the_name(tmp_path, expected, form, name):
    path = tmp_path / name
    path.write_bytes(FORMS[form](TEXT, tmp_path))
    file = open_variants(path, "20")
    assert file.samples == SAMPLES
    assert seen(file) == expected
    assert list_contigs(path) == ["20", "21"]
    assert {contig: len(list(records)) for contig, records in VcfFile(path).contigs()} == {
        "20": 40,
        "21": 40,
    }


@pytest.mark.parametrize("form", ["plain", "gzip", "bgzip", "BCF", "plain BCF", "VCF 4.4"])
def test_pipes_are_read_once(tmp_path, expected, form):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "data").write_bytes(FORMS[form](TEXT, tmp_path))
    feeder = subprocess.Popen(
        ["dd", f"if={tmp_path / 'data'}", f"of={pipe}", "bs=100", "status=none"]
    )
    file = open_variants(pipe, "20")
    assert seen(file) == expected
    assert feeder.wait(10) == 0
    with pytest.raises(
        InputError, match="is a pipe, and this command reads its input more than once"
    ):
        list(file.records())


@pytest.mark.parametrize("form", ["gzip", "bgzip", "BCF"])
def test_a_pipe_that_breaks_off(tmp_path, form):
    data = FORMS[form](TEXT, tmp_path)[:-40]
    command = (
        "import sys; from genoloom.formats.variants import open_variants; "
        "print(len(list(open_variants('-', '20').records())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], input=data, capture_output=True, check=False
    )
    assert b"is truncated or damaged" in done.stderr.splitlines()[-2] + done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"PK\x03\x04" + bytes(50), "is a zip archive"),
        (b"l\x1b\x01" + bytes(50), "is a PLINK 1 .bed, which has no phase"),
        (b"l\x1b\x10" + bytes(50), "is a .pgen under another name"),
        ("\ufeff##fileformat=VCFv4.2\n".encode("utf-16-le"), "is text in UTF-16"),
        (b"#CHROM\tPOS\n", "has no line ##fileformat"),
        (b"individual\tpopulation\nA\tX\n", "is neither VCF nor BCF"),
        (b"##fileformat=VCFv4.2\n##x\n", "ends within its header"),
        (b"##fileformat=VCFv4.2\n20\t5\n", "line 2: a line without '#'"),
        (b"BCF\x02\x02\xff\xff\xff\xff", "its header is said to have"),
        (b"BCF\x02\x02\xff\x00\x00\x00abc", "is truncated within its header"),
        (HEAD.encode() + b"\n", "sample 1 (counted from 1) has no name"),
        (HEAD.rstrip("\t").encode() + b"\n", "holds no samples"),
        (
            (HEAD + "\t".join(["A", "B", "A"]) + "\n").encode(),
            "samples 1 and 3 (counted from 1) have the same name",
        ),
        (
            (HEAD + "A\tB").replace("\t", " ").encode(),
            "line 8 of the header: spaces are in place of tabs",
        ),
        (
            (HEAD + "A\tJ\u00fcrgen\n").encode("latin-1"),
            "line 8 of the header: byte 0xfc is not UTF-8",
        ),
    ],
)
@pytest.mark.parametrize("packed", [lambda d: d, gzip.compress, bgzip])
def test_what_is_no_vcf(tmp_path, data, found, packed):
    path = tmp_path / "in.vcf.gz"
    path.write_bytes(packed(data))
    if data or packed not in (gzip.compress, bgzip):
        with pytest.raises(InputError) as error:
            open_variants(path, "20")
        assert found in str(error.value)
        assert "rgen" not in str(error.value)


def test_a_pipe_without_a_writer(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("genoloom.formats.text.PIPE_WAIT_S", 0.1)
    with pytest.raises(InputError, match="is a pipe to which nothing was written"):
        open_variants(tmp_path / "pipe", "20")


def test_places_that_are_no_file(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        open_variants(tmp_path, "20")
    with pytest.raises(InputError, match="not found"):
        open_variants(tmp_path / "none.vcf", "20")


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (
            "20 50 A C PASS GT 0|1 0|1 0|1 0|1 0|1",
            "at line 10, after 20:30: the columns are not as many as the samples",
        ),
        (
            "20 x A C PASS GT 0|1 0|1 0|1 0|1 0|1 0|1",
            "at line 10, after 20:30: the position cannot be read",
        ),
        (
            "\n 50 A C PASS GT 0|1 0|1 0|1 0|1 0|1 0|1",
            "at line 10, after 20:30: the line, or its column CHROM, is empty",
        ),
        (
            "20 50 A C PASS GT 0|x 0|1 0|1 0|1 0|1 0|1",
            "a genotype (GT) is neither a number nor '.'",
        ),
        ("20 50 A C PASS GT 0|7 0|1 0|1 0|1 0|1 0|1", "20:50: a genotype has the allele 7"),
        ("20 50 A C PASS PS 1 1 1 1 1 1", "20:50: no genotypes (GT) can be read"),
        ("20 20 A C PASS GT 0|1 0|1 0|1 0|1 0|1 0|1", "20:20 comes after 20:30"),
    ],
)
def test_damaged_records(tmp_path, capfd, row, found):
    good = "20 30 A C PASS GT 0|1 0|1 0|1 0|1 0|1 0|1"
    path = tmp_path / "in.vcf"
    path.write_bytes(text_of([good, row.replace("\n", "@")]).replace(b"@", b""))
    with pytest.raises(InputError) as error:
        seen(open_variants(path, "20"))
    assert found in str(error.value)
    # htslib's own words would be next to ours, and name individuals
    assert capfd.readouterr() == ("", "")


def test_no_damaged_block_goes_unseen(tmp_path):
    data = bgzip(TEXT, 700)
    path = tmp_path / "in.vcf.gz"
    rng = np.random.default_rng(4)
    for at in rng.integers(len(bgzip(HEAD.encode(), 700)), len(data) - 28, 40):
        wrong = bytearray(data)
        wrong[at] ^= 0x40
        path.write_bytes(wrong)
        try:
            found = [row[0] for row in seen(open_variants(path, "20"))]
        except InputError:
            continue
        assert len(found) == 40, at  # some bytes of a block's head say nothing


class _Killed:
    def __init__(self, *_, **__):
        os.kill(os.getpid(), signal.SIGSEGV)


class _Loops:
    def __init__(self, *_, **__):
        while True:
            pass


class _Grows:
    def __init__(self, *_, **__):
        self.kept = bytearray(4 << 30)


class _Talks:
    def __init__(self, *_, **__):
        # more than a pipe holds
        os.write(2, b"[E::something] Duplicated sample name 'FAMILY_0'\n" * 10_000)
        raise Exception("cannot parse FAMILY_0")


@pytest.mark.parametrize(
    ("reader", "found"),
    [
        (_Killed, "SIGSEGV"),
        (_Loops, "took more than 0 seconds"),
        (_Grows, "too much memory"),
        (_Talks, "before the first record"),
    ],
)
def test_what_htslib_may_do(tmp_path, monkeypatch, capfd, reader, found):
    path = tmp_path / "in.vcf"
    path.write_bytes(TEXT)
    monkeypatch.setattr(cyvcf2, "VCF", reader)
    monkeypatch.setattr(variant_process, "SECONDS", 0)
    with pytest.raises(InputError) as error:
        seen(open_variants(path, "20"))
    assert found in str(error.value)
    assert "FAMILY" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_a_lone_dot_is_a_missing_call(tmp_path):
    path = tmp_path / "in.vcf"
    path.write_bytes(
        text_of(
            [
                "20 5 A C . GT 0|1 . 0|1 1|1 . 0/0",
                "20 6 A C . GT . . . . . .",
                "20 7 A C . GT ./. 0|. 0|1 0|0 0|0 0|0",
            ]
        )
    )
    first, second, third = open_variants(path, "20").records()
    assert first.alleles.tolist() == [0, 1, -1, -1, 0, 1, 1, 1, -1, -1, 0, 0]
    assert second.alleles.tolist() == [-1] * 12
    assert third.alleles.tolist()[:4] == [-1, -1, 0, -1]
    assert [record.lone_missing for record in (first, second, third)] == [2, 6, 0]
    assert not first.unphased.any()


def test_ploidy_is_an_error_of_those_who_want_the_genotypes(tmp_path):
    path = tmp_path / "in.vcf"
    path.write_bytes(
        text_of(
            [
                "20 5 A C . GT 0|1 0 0|1 1|1 0|0 0|0",
                "20 6 A C . GT 0 1 0 . 0 1",
                "20 7 A C . GT 0|1|1|1 0|0 0|0 0|0 0|0 0|0",
            ]
        )
    )
    records = list(open_variants(path, "20").records())
    for record, words in zip(
        records,
        ("haploid calls next to diploid ones", "20:6: haploid calls", "20:7: ploidy 4"),
        strict=True,
    ):
        with pytest.raises(InputError, match=words) as error:
            _ = record.alleles
        assert ("fixploidy" in str(error.value)) == ("haploid" in words)
    calls = CallsFile(path, "20").records()
    assert next(calls).haploid.tolist() == [False, True, False, False, False, False]
    assert next(calls).haploid.tolist() == [True, True, True, False, True, True]
    with pytest.raises(InputError, match="ploidy 4"):
        next(calls)


@pytest.mark.parametrize("kind", ["Integer", "String"])
def test_phase_is_trusted_within_the_first_set_only(tmp_path, kind):
    rows = [
        "20 5 A C . GT:PS 0|1:5 0|1:5 0|0:5 0|1:. 0/1:5 0|1:5",
        "20 6 A C . GT:PS 1|0:5 1|0:6 0|1:6 0|1:. 0|1:6 1|1:7",
        "20 7 A C . GT:PS 1|0:7 1|0:5 0|1:6 0|1:7 0|1:6 0|0:8",
        "20 8 A C . GT 0|1 0|1 0|0 0|1 0/1 0|0",
        "21 5 A C . GT:PS 0|1:9 0|1:9 0|1:9 0|1:9 0|1:9 0|1:9",
    ]
    path = tmp_path / "in.vcf"
    path.write_bytes(
        text_of(rows).replace(b"Number=1,Type=Integer", f"Number=1,Type={kind}".encode())
    )
    found = list(open_variants(path, "20").records())
    assert [record.unphased.astype(int).tolist() for record in found] == [
        [0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [1, 1, 0, 0, 1, 0]
    ]  # fmt: skip
    assert [record.other_sets for record in found] == [0, 1, 2, 2]
    assert [record.phased.tolist() for record in CallsFile(path, "20").records()][2] == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]
    # a contig has sets of its own
    assert not next(open_variants(path, "21").records()).unphased.any()


def test_prefixes_of_vcf_4_4(tmp_path):
    calls = "|0|1 /0/1 /0|1 0|1 /1/1 |.|1"
    path = tmp_path / "in.vcf"
    path.write_bytes(
        text_of([f"20 5 A C . GT:PS {' '.join(call + ':7' for call in calls.split())}"]).replace(
            b"VCFv4.2", b"VCFv4.4"
        )
    )
    [record] = open_variants(path, "20").records()
    assert record.alleles.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 1, 1, -1, 1]
    assert record.unphased.tolist() == [False, True, True, False, False, False]


def test_a_long_contig_line_costs_no_time(tmp_path):
    """Found by fuzzing: a pattern that was tried at each of 70,000 letters took 37 seconds."""
    for tail in ("A" * 2_000_000, ',a="' * 500_000):
        path = tmp_path / "in.vcf"
        header = f"##fileformat=VCFv4.2\n##contig=<ID=20,length=3000>{tail}\n"
        path.write_text(header + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n")
        found = read_header(path)
        assert found.lengths == {"20": 3000}


@pytest.mark.parametrize("read", [list_contigs, lambda path: open_variants(path, "20"), open_plink])
def test_a_pgen_without_its_tables_is_said(tmp_path, read):
    path = tmp_path / "alone.pgen"
    with pytest.raises(InputError, match="not found"):
        read(path)
    path.write_bytes(b"l\x1b\x10")
    with pytest.raises(InputError, match="lacks its companion files"):
        read(path)
    (tmp_path / "alone.pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n20\t1\t.\tA\tC\n")
    with pytest.raises(InputError, match="lacks its companion files"):
        read(path)


def test_contigs_that_no_header_declares_are_named(tmp_path):
    rows = ["chr20\t5\t.\tA\tC\t.\tPASS\t.\tGT\t0|1", "21\t5\t.\tA\tC\t.\tPASS\t.\tGT\t0|1"]
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS"
    path = tmp_path / "in.vcf"
    path.write_text("\n".join(["##fileformat=VCFv4.2", columns, *rows, ""]))
    with pytest.raises(InputError, match="no contig '20', but 'chr20'"):
        list(open_variants(path, "20").records())
    with pytest.raises(InputError, match=r"(?s)no record of contig '22'.*one of chr20, 21"):
        list(open_variants(path, "22").records())
