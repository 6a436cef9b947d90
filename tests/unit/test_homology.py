"""Clusters of relatives and splits that keep them together."""

import numpy as np
import pytest

from genoloom import homology
from genoloom.homology import (
    Places,
    chunk_clusters,
    count_duplicates,
    hold_out,
    homology_clusters,
    sharing_kmer,
    straddling,
)
from genoloom.sequences import pad, reverse_complement


def apart(n: int, length: int) -> Places:
    """Every sequence a record of its own."""
    return Places(np.arange(n), np.zeros(n, dtype=int), np.full(n, length))


def planted(rng, families: int = 6, size: int = 5, length: int = 80):
    """Families that share 20 bases, some members on the other strand; the rest of them is
    random.
    """
    bases = rng.integers(0, 4, (families * size, length)).astype(np.uint8)
    family = np.repeat(np.arange(families), size)
    motif = rng.integers(0, 4, (families, 20)).astype(np.uint8)
    for i, f in enumerate(family):
        at = rng.integers(0, length - 20)
        bases[i, at : at + 20] = motif[f]
    lengths = np.full(len(bases), length)
    turned = rng.random(len(bases)) < 0.5
    bases[turned] = reverse_complement(bases[turned], lengths[turned])
    return bases, lengths, family


@pytest.mark.parametrize("a_pass", [1 << 24, 500])
def test_planted_families_are_found_whatever_the_number_of_passes(monkeypatch, a_pass):
    monkeypatch.setattr(homology, "KMERS_A_PASS", a_pass)
    bases, lengths, family = planted(np.random.default_rng(1))
    cluster = homology_clusters(bases, lengths, apart(len(bases), 80), 18)
    np.testing.assert_array_equal(cluster[:, None] == cluster, family[:, None] == family)


def test_no_leakage_over_planted_clusters_and_some_under_a_random_split():
    rng = np.random.default_rng(2)
    bases, lengths, _ = planted(rng, families=20)
    cluster = homology_clusters(bases, lengths, apart(len(bases), 80), 18)
    held = hold_out(cluster, 0.3, rng)
    assert 0.2 < held.mean() <= 0.3
    assert not sharing_kmer(bases[held], bases[~held], 18).any()
    random = rng.random(len(bases)) < 0.3
    assert sharing_kmer(bases[random], bases[~random], 18).mean() > 0.8


def test_leakage_is_the_same_in_many_passes(monkeypatch):
    rng = np.random.default_rng(3)
    bases, _, _ = planted(rng)
    expected = sharing_kmer(bases[:7], bases[7:], 18)
    monkeypatch.setattr(homology, "KMERS_A_PASS", 300)
    np.testing.assert_array_equal(sharing_kmer(bases[:7], bases[7:], 18), expected)


def test_overlapping_and_equal_sequences_are_relatives_without_a_shared_kmer():
    rng = np.random.default_rng(4)
    bases = rng.integers(0, 4, (5, 30)).astype(np.uint8)
    bases[4] = bases[0]
    places = Places(
        np.array([0, 0, 0, 1, 2]), np.array([0, 29, 60, 0, 0]), np.array([30, 59, 90, 30, 30])
    )
    cluster = homology_clusters(bases, np.full(5, 30), places, 31)
    assert cluster[0] == cluster[1] == cluster[4]
    assert len({cluster[0], cluster[2], cluster[3]}) == 3


def test_the_largest_clusters_stay_in_training_and_something_is_always_held_out():
    rng = np.random.default_rng(5)
    cluster = np.concatenate([np.zeros(40, dtype=int), np.arange(1, 61)])
    held = hold_out(cluster, 0.3, rng)
    assert held.sum() == 30
    assert not held[:40].any()
    two = hold_out(np.array([0, 0, 0, 1, 1]), 0.1, rng)
    assert two.tolist() == [False, False, False, True, True]
    assert not hold_out(np.zeros(5, dtype=int), 0.5, rng).any()


def test_chunks_are_contiguous_and_keep_copies_together():
    n = 400
    bases = np.random.default_rng(6).integers(0, 4, (n, 30)).astype(np.uint8)
    bases[399] = bases[0]
    places = Places(np.zeros(n, dtype=int), 10 * np.arange(n), 10 * np.arange(n) + 30)
    cluster = chunk_clusters(bases, np.full(n, 30), places)
    assert len(np.unique(cluster)) == 19  # twenty chunks, the first and the last joined by the copy
    assert cluster[0] == cluster[399]
    assert (np.diff(cluster[:380]) != 0).sum() == 18


def test_straddling_is_overlap_with_training():
    places = Places(np.array([0, 0, 0, 1]), np.array([0, 20, 50, 0]), np.array([30, 50, 80, 30]))
    held = np.array([False, True, True, True])
    assert straddling(places, held).tolist() == [False, True, False, False]


def test_duplicates_of_either_strand_are_counted():
    rows = [
        np.array(x, dtype=np.uint8) for x in ([0, 1, 1, 3], [0, 1, 1, 3], [0, 2, 2, 3], [1, 1, 1])
    ]
    assert count_duplicates(*pad(rows)) == (1, 1)  # ACCT twice; AGGT is its other strand
