"""Indexes: one that belongs to its file finds every record of a region; any other is not used, and
that is said.
"""

import gzip
import os
import shutil

import numpy as np
import pysam
import pysam.bcftools
import pytest
from variant_files import as_bcf, bgzip, random_rows, text_of

from genoloom.errors import InputError
from genoloom.formats.provenance import Making
from genoloom.formats.variants import list_contigs, open_variants

ROWS = random_rows(400, ("20", "21", "22"), seed=5)
TEXT = text_of(ROWS).replace(
    b"##contig=<ID=21", b"##contig=<ID=22,length=100000>\n##contig=<ID=21", 1
)


def positions(path, contig="21", region=None) -> list[int]:
    return [record.position for record in open_variants(path, contig, region).records()]


def of_contig(name: str, low: int = 0, high: int = 10**9) -> list[int]:
    places = (row.split()[:2] for row in ROWS)
    return [
        int(position)
        for contig, position in places
        if contig == name and low <= int(position) <= high
    ]


@pytest.fixture
def indexed(tmp_path):
    """A bgzip VCF of small blocks with its index."""
    path = tmp_path / "in.vcf.gz"
    path.write_bytes(bgzip(TEXT, 3000))
    pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


@pytest.mark.parametrize("kind", ["tbi", "csi", "bcf"])
def test_every_record_of_a_region(tmp_path, caplog, kind):
    path = tmp_path / ("in.bcf" if kind == "bcf" else "in.vcf.gz")
    path.write_bytes(as_bcf(TEXT, tmp_path, "b") if kind == "bcf" else bgzip(TEXT, 3000))
    pysam.bcftools.index(*(["-t"] if kind == "tbi" else []), "-f", str(path), catch_stdout=False)
    order = ["20", "21", "22"]
    assert list_contigs(path) == order
    for contig in order:
        assert positions(path, contig) == of_contig(contig)
    rng = np.random.default_rng(2)
    for _ in range(15):
        low, high = np.sort(rng.integers(1, 95_000, 2)).tolist()
        contig = str(rng.choice(order))
        assert positions(path, contig, (low, high)) == of_contig(contig, low, high)
    with pytest.raises(InputError, match="no record of contig '21' from 95000 to 99000"):
        positions(path, "21", (95_000, 99_000))
    with pytest.raises(InputError, match="has no contig 'chr21', but '21'"):
        open_variants(path, "chr21")
    assert "not used" not in caplog.text


def shorter(path):
    path.write_bytes(bgzip(TEXT + TEXT.splitlines(keepends=True)[-1], 3000))


def longer(path):
    path.write_bytes(bgzip(b"".join(TEXT.splitlines(keepends=True)[:-300]), 3000))


def another(path):
    path.write_bytes(bgzip(text_of(random_rows(400, ("20", "21", "22"), seed=6)), 3000))


def other_blocks(path):
    path.write_bytes(bgzip(TEXT, 2900))


def empty(path):
    path.with_suffix(".gz.tbi").write_bytes(b"")


def garbage(path):
    path.with_suffix(".gz.tbi").write_bytes(b"garbage\n")


def cut(path):
    index = path.with_suffix(".gz.tbi")
    index.write_bytes(index.read_bytes()[:-40])


def of_a_table(path):
    index = path.with_suffix(".gz.tbi")
    data = bytearray(gzip.decompress(index.read_bytes()))
    data[8:12] = (0).to_bytes(4, "little")
    index.write_bytes(bgzip(bytes(data)))


def without_a_chunk(path):
    """The index of the same file without the second contig: htslib would find no record of it."""
    plain = path.with_name("some.vcf")
    plain.write_bytes(
        b"".join(line for line in TEXT.splitlines(keepends=True) if not line.startswith(b"22\t"))
    )
    pysam.tabix_compress(str(plain), str(plain) + ".gz", force=True)
    pysam.tabix_index(str(plain) + ".gz", preset="vcf", force=True)
    shutil.copy(str(plain) + ".gz.tbi", path.with_suffix(".gz.tbi"))


@pytest.mark.parametrize(
    "change",
    [shorter, longer, another, other_blocks, empty, garbage, cut, of_a_table, without_a_chunk],
)
def test_an_index_that_does_not_fit_is_not_used(indexed, tmp_path, caplog, change):
    change(indexed)
    index = indexed.with_suffix(".gz.tbi")
    os.utime(index, (indexed.stat().st_mtime + 10,) * 2)  # it looks new
    bare = tmp_path / "bare" / "in.vcf.gz"
    bare.parent.mkdir()
    shutil.copy(indexed, bare)
    assert positions(indexed) == positions(bare)
    assert list_contigs(indexed) == list_contigs(bare)
    assert caplog.text.count("the index in.vcf.gz.tbi") == 1
    low, high = 20_000, 60_000
    assert positions(indexed, "21", (low, high)) == [p for p in positions(bare) if low <= p <= high]


def test_an_index_that_was_written_with_its_file_may_be_older(indexed, caplog):
    index, record = indexed.with_suffix(".gz.tbi"), indexed.with_name("in.provenance.json")
    Making("generate", {}).write(record, [indexed, index])
    for age, path in enumerate((record, indexed, index)):
        os.utime(path, (1e9 - 10 * age,) * 2)
    assert positions(indexed) == of_contig("21")
    assert caplog.text == ""
    os.utime(indexed, (1e9 + 10,) * 2)  # written again, by something else
    assert positions(indexed) == of_contig("21")
    assert "older than the file" in caplog.text


def test_an_index_older_than_its_file(indexed, caplog):
    os.utime(indexed.with_suffix(".gz.tbi"), (indexed.stat().st_mtime - 10,) * 2)
    assert positions(indexed) == of_contig("21")
    assert (
        "the index in.vcf.gz.tbi is older than the file; it is not used, the whole file is read"
        in caplog.text
    )


def test_damaged_indexes_never_lose_a_record(indexed):
    index = indexed.with_suffix(".gz.tbi")
    data = gzip.decompress(index.read_bytes())
    rng = np.random.default_rng(3)
    for _ in range(40):
        wrong = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            wrong[at] = rng.integers(256)
        index.write_bytes(gzip.compress(bytes(wrong)))
        region = (20_000, 60_000)
        assert positions(indexed, "21", region) == of_contig("21", *region)
