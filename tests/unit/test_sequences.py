"""Bases, strands, k-mers and windows, against Biopython and plain Python."""

import numpy as np
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st

from genoloom.sequences import (
    NO_KMER,
    decode,
    encode,
    fingerprints,
    kmer_counts,
    kmers,
    pad,
    reverse_complement,
    reverse_complement_kmers,
    windows,
)

dna = st.text(alphabet="ACGTN", min_size=1, max_size=40)


def test_iupac_letters_keep_their_place_and_become_n():
    assert decode(encode(b"acgtuRYSWKMBDHVNX"[:16])) == "ACGTT" + "N" * 11
    assert encode(b"-*. ").tolist() == [255] * 4


@given(st.lists(dna, min_size=1, max_size=5))
def test_reverse_complement_is_biopythons_and_its_own_inverse(texts):
    bases, length = pad([encode(t.encode()) for t in texts])
    flipped = reverse_complement(bases, length)
    assert [decode(row[:n]) for row, n in zip(flipped, length, strict=True)] == [
        str(Seq(t).reverse_complement()) for t in texts
    ]
    np.testing.assert_array_equal(reverse_complement(flipped, length), bases)


@given(dna, st.integers(1, 12))
def test_kmers_equal_slices(text, k):
    kmer_ids = kmers(encode(text.encode())[None], k)[0]
    expected = [text[i : i + k] for i in range(len(text) - k + 1)]
    assert len(kmer_ids) == len(expected)
    for kmer_id, word in zip(kmer_ids.tolist(), expected, strict=True):
        assert kmer_id == (
            int(NO_KMER)
            if "N" in word
            else sum("ACGT".index(c) * 4 ** (k - 1 - i) for i, c in enumerate(word))
        )


@given(st.text(alphabet="ACGT", min_size=31, max_size=50), st.integers(1, 31))
def test_canonical_kmers_agree_on_both_strands(text, k):
    one = kmers(encode(text.encode())[None], k, canonical=True)
    other = kmers(encode(str(Seq(text).reverse_complement()).encode())[None], k, canonical=True)
    assert sorted(one.ravel().tolist()) == sorted(other.ravel().tolist())


def test_kmer_counts_of_the_other_strand_are_a_permutation():
    rng = np.random.default_rng(1)
    bases, length = rng.integers(0, 4, (5, 60)).astype(np.uint8), np.full(5, 60)
    for k in (1, 3, 4):
        forward, backward = kmer_counts(bases, k), kmer_counts(reverse_complement(bases, length), k)
        np.testing.assert_array_equal(forward[reverse_complement_kmers(k)], backward)


def test_windows_and_their_starts():
    bases = np.arange(10) % 4
    rows, starts = windows(bases, 4, 3)
    assert starts.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(rows[2], bases[6:10])
    assert windows(bases, 0, 3)[0].shape == (1, 10)
    assert windows(bases, 20, 3)[0].shape == (1, 10)


def test_fingerprints_ignore_padding_only():
    bases, length = pad([encode(b"ACGT"), encode(b"ACGTN"), encode(b"ACGT"), encode(b"ACG")])
    prints = fingerprints(bases, length)
    assert prints[0] == prints[2]
    assert len(set(prints.tolist())) == 3
