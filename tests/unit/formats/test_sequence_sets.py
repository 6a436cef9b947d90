"""Sequences in and out: formats, policies, and every complaint with its line."""

import gzip

import numpy as np
import pysam
import pytest
from Bio import SeqIO

from genoloom.errors import InputError
from genoloom.formats.sequence_sets import read_intervals, read_records, read_set, write_fasta, write_set
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
    table = written(tmp_path, "a.csv", "\ufeffname,seq,label,expr\nx,acgt,strong promoter,1.5\n,TTTT,,2\n")
    records = list(read_records(table))
    assert [(r.name, decode(r.bases), r.tags) for r in records] == [
        ("x", "ACGT", {"label": "strong_promoter"}),
        ("row2", "TTTT", {}),
    ]
    assert texts(written(tmp_path, "b.tsv", "seq\tlabel\nACG\ta\n")) == {"row1": "ACG"}
    assert texts(written(tmp_path, "c.txt", "# comment\nACGT\n\nGG\r\n")) == {"line2": "ACGT", "line4": "GG"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.fa", ">x\nACGT\nAC GT\n", r"line 3: the character ' '"),
        ("a.fa", ">x\nACGT\n>y\nAC-T\n", r"line 4: the character '-'"),
        ("a.fa", ">x\nAC\n>x\nAC\n", r"the name 'x' stands twice"),
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


def test_real_fasta_with_spaces_in_its_sequence_lines(shared_data):
    with pytest.raises(InputError, match=r"line \d+: the character ' '"):
        list(read_records(shared_data / "nonhuman" / "pinf_sc50.orig.fasta.gz"))


def test_intervals(tmp_path):
    path = written(tmp_path, "a.bed", "track name=x\n# c\n20\t5\t9\tenhancer\t0\t-\n20\t1\t3\n20\t1\t3\t.\t0\t.\n")
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
    one = SequenceSet(["a", "b", "c", "d"], bases, length, ["", "x", "y", ""], np.array([3, 3, 1, 0]), both_strands=False)
    write_set(tmp_path / name, one)
    other = read_set(tmp_path / name)
    assert (other.name, other.label, other.both_strands) == (one.name, one.label, False)
    for a, b in ((other.bases, bases), (other.length, length), (other.cluster, one.cluster)):
        np.testing.assert_array_equal(a, b)
    with pysam.FastxFile(str(tmp_path / name)) as handle:
        assert [r.sequence for r in handle] == [decode(row[:n]) for row, n in zip(bases, length, strict=True)]


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
    assert found.both_strands
    assert found.cluster.tolist() == [0, 1]
    assert [r.id for r in SeqIO.parse(path, "fasta")] == found.name
