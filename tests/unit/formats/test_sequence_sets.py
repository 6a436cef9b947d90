"""Sequences in and out: formats, policies, and every complaint with its line."""

import gzip

import numpy as np
import pysam
import pytest
import zstandard
from Bio import SeqIO

from genoloom.errors import InputError
from genoloom.formats import sequence_sets
from genoloom.formats.sequence_sets import (
    is_fasta,
    read_intervals,
    read_records,
    read_set,
    write_fasta,
    write_set,
)
from genoloom.sequences import SequenceSet, decode, pad


def written(tmp_path, name: str, text: str):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def texts(path) -> dict[str, str]:
    return {record.name: decode(record.bases) for record in read_records(path)}


def test_fasta_of_every_kind_reads_alike(tmp_path):
    text = ">one label=promoter more\nACGT\nacgu\n>two\n\nRYNA\r\n"
    plain = written(tmp_path, "a.fa", text)
    (tmp_path / "b.fa.gz").write_bytes(gzip.compress(text.encode()))
    with pysam.BGZFile(str(tmp_path / "c.fa.gz"), "wb") as handle:
        handle.write(text.encode())
    expected = {"one": "ACGTACGT", "two": "NNNA"}
    assert texts(plain) == texts(tmp_path / "b.fa.gz") == texts(tmp_path / "c.fa.gz") == expected
    assert next(read_records(plain)).tags == {"label": "promoter"}


def test_tables_and_text(tmp_path):
    table = written(
        tmp_path, "a.csv", "\ufeffname,seq,label,expr\nx,acgt,strong promoter,1.5\n,TTTT,,2\n"
    )
    records = list(read_records(table))
    assert [(r.name, decode(r.bases), r.tags) for r in records] == [
        ("x", "ACGT", {"label": "strong_promoter"}),
        ("row2", "TTTT", {}),
    ]
    assert texts(written(tmp_path, "b.tsv", "seq\tlabel\nACG\ta\n")) == {"row1": "ACG"}
    assert texts(written(tmp_path, "c.txt", "# comment\nACGT\n\nGG\r\n")) == {
        "line2": "ACGT",
        "line4": "GG",
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.fa", ">x\nACGT\nAC GT\n", r"line 3: the character ' '"),
        ("a.fa", ">x\nACGT\n>y\nAC-T\n", r"line 4: the character '-'"),
        ("a.fa", ">x\nAC\n>x\nAC\n", r"the name 'x' is listed twice"),
        ("a.fa", "> x\nAC\n", r"line 1: a header without a name"),
        ("a.csv", "sequence,label\nACGT,x\n", r"no column 'seq'"),
        ("a.csv", "seq,label\nACGT,x\nAC*T,x\n", r"line 3: the character '\*'"),
        ("a.txt", "ACGT\nAC1T\n", r"line 2: the character '1'"),
        ("a.txt", "\n\n", r"holds no sequence"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        list(read_records(written(tmp_path, name, text)))


def test_damaged_and_missing_files(tmp_path):
    path = tmp_path / "a.fa.gz"
    path.write_bytes(gzip.compress(b">x\n" + b"ACGT" * 5000)[:-20])
    with pytest.raises(InputError, match="damaged or cut off"):
        list(read_records(path))
    with pytest.raises(InputError, match="not found"):
        list(read_records(tmp_path / "none.fa"))


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b"\n \n" + b,
        lambda b: b"\xef\xbb\xbf" + b,
        lambda b: b.replace(b"\n", b"\r"),
        lambda b: b.replace(b"\n", b"\r\n"),
        lambda b: b.replace(b"\n", b"\n\n"),
        lambda b: b.decode("latin-1").encode("utf-16"),
        gzip.compress,
        lambda b: gzip.compress(b[:9]) + gzip.compress(b[9:]),
        zstandard.compress,
    ],
)
def test_fasta_as_individuals_save_it(tmp_path, change):
    path = tmp_path / "a.fa.gz"  # whatever it is
    path.write_bytes(change(">one M\u00fcller, OS=x\nACGT\nacgu\n>two\nRYNA\n".encode("latin-1")))
    assert is_fasta(path)
    assert texts(path) == {"one": "ACGTACGT", "two": "NNNA"}


def test_long_cells_and_lines(tmp_path):
    bases = "ACGT" * 50_000
    assert texts(written(tmp_path, "a.csv", f"name,seq\nx,{bases}\n")) == {"x": bases}
    assert texts(written(tmp_path, "a.txt", f"{bases}\n")) == {"line1": bases}
    assert texts(written(tmp_path, "a.fa", f">x\n{bases}")) == {"x": bases}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "a.fa",
            b">ALICE_SMITH\nAC\n>ALICE_SMITH\nAC\n",
            "a name is listed twice: of sequences 1 and 2",
        ),
        ("a.fa", b">a\nAC\n>Al\xefce\nAC\n", "line 3, byte 4: 0xef is no UTF-8"),
        ("a.csv", b"ALICE_SMITH,ACGT\n", "has no column 'seq' among the 2 of its header"),
        ("a.csv", b"name,seq\nALICE_SMITH,AC,GT\n", "line 2: 3 cells"),
        ("a.csv", b"name,seq\nALICE_SMITH\n", "line 2: no cell in the column 'seq'"),
        ("a.csv", b"name,seq\n\xef,AC\n", "line 2, byte 1: 0xef is no UTF-8"),
        ("a.csv", b'name,seq\n"ALICE_SMITH,AC\n', "line 2: unexpected end"),
        ("a.txt", b"AC\n\0\0", "line 2: holds a byte 0"),
        ("a.fa", b"<!DOCTYPE html>", "web page"),
    ],
)
def test_foreign_content(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        list(read_records(tmp_path / name))
    assert "ALICE" not in error.value.found


def test_sets_that_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(sequence_sets, "MOST_BASES", 20)
    with pytest.raises(InputError, match="3 sequences of up to 8 bases"):
        read_set(written(tmp_path, "a.fa", ">x\nACGTACGT\n>y\nA\n>z\nA\n"))
    for cluster in ("1e400", "x", "-1", "\u0661"):
        with pytest.raises(InputError, match="a cluster is no"):
            read_set(written(tmp_path, "a.fa", f">x cluster={cluster}\nACGT\n"))


def test_real_fasta_with_spaces_in_its_sequence_lines(shared_data):
    with pytest.raises(InputError, match=r"line \d+: the character ' '"):
        list(read_records(shared_data / "nonhuman" / "pinf_sc50.orig.fasta.gz"))


def test_intervals(tmp_path):
    path = written(
        tmp_path,
        "a.bed",
        "track name=x\n# c\n20\t5\t9\tenhancer\t0\t-\n20\t1\t3\n20\t1\t3\t.\t0\t.\n",
    )
    found = [(i.start, i.stop, i.label, i.strand) for i in read_intervals(path)]
    assert found == [(5, 9, "enhancer", "-"), (1, 3, "", "+"), (1, 3, "", "+")]
    for line, message in (
        ("20\t5", "2 columns"),
        ("20\tx\t5", "no positions"),
        ("20\t9\t5", "9 to 5"),
        ("20\t1\t5\ta\t0\t*", "strand"),
    ):
        with pytest.raises(InputError, match=f"line 1: .*{message}"):
            read_intervals(written(tmp_path, "b.bed", line + "\n"))


@pytest.mark.parametrize("name", ["set.fa", "set.fa.gz"])
def test_a_set_comes_back_as_it_was_and_other_tools_read_it(tmp_path, name):
    rng = np.random.default_rng(1)
    bases, length = pad([rng.integers(0, 5, n).astype(np.uint8) for n in (1, 80, 81, 200)])
    one = SequenceSet(
        ["a", "b", "c", "d"],
        bases,
        length,
        ["", "x", "y", ""],
        np.array([3, 3, 1, 0]),
        stranded=True,
    )
    write_set(tmp_path / name, one)
    other = read_set(tmp_path / name)
    assert (other.name, other.label, other.stranded) == (one.name, one.label, True)
    for a, b in ((other.bases, bases), (other.length, length), (other.cluster, one.cluster)):
        np.testing.assert_array_equal(a, b)
    with pysam.FastxFile(str(tmp_path / name)) as handle:
        assert [r.sequence for r in handle] == [
            decode(row[:n]) for row, n in zip(bases, length, strict=True)
        ]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (("strands=one", "strands=one"), "an earlier version"),
        (("stranded=true", "stranded=false"), "headers differ in stranded="),
        (("stranded=true", ""), "headers differ in stranded="),
        (("stranded=yes", "stranded=yes"), "another word"),
    ],
)
def test_whether_a_set_is_stranded_is_the_same_in_all_headers(tmp_path, headers, found):
    path = tmp_path / "x.fa"
    write_fasta(path, [(f"s{i} {words}", "ACGT") for i, words in enumerate(headers)])
    with pytest.raises(InputError, match=found):
        read_set(path)


def test_a_failed_write_leaves_nothing(tmp_path):
    def records():
        yield "x", "ACGT"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_fasta(tmp_path / "x.fa.gz", records())
    assert list(tmp_path.iterdir()) == []


def test_sets_of_others_have_a_cluster_a_sequence(tmp_path):
    path = tmp_path / "x.fa"
    write_fasta(path, [("a", "ACGT"), ("b", "AC")])
    found = read_set(path)
    assert not found.stranded
    assert found.cluster.tolist() == [0, 1]
    assert [r.id for r in SeqIO.parse(path, "fasta")] == found.name
