"""Tracts along the genetic map have the lengths, shares and sums that their process says."""

import numpy as np
import pytest
from scipy.stats import kstest

from genoloom.tracts import Tracts, draw_tracts

# 200 Morgans, a site every 0.05 cM: ends and sites hardly matter
MAP = np.linspace(0, 20_000, 400_001)


@pytest.mark.parametrize(
    ("shares", "generations"),
    [([0.7, 0.3], 8.0), ([0.5, 0.3, 0.2], 20.0), ([1 / 16, 15 / 16], 6.0)],
)
def test_lengths_are_exponential_and_shares_as_asked(shares, generations):
    shares = np.array(shares)
    lengths: list[list[float]] = [[] for _ in shares]
    for seed in range(20):
        first, label = draw_tracts(seed, MAP, shares, generations)
        assert (np.diff(label) != 0).all()  # neighbours of one label are one tract
        ends = np.append(MAP[first[1:]], MAP[-1])
        for length, kind in zip((ends - MAP[first])[1:-1], label[1:-1], strict=True):
            lengths[kind].append(length)
    total = sum(map(sum, lengths))
    n_tracts = sum(map(len, lengths))
    for share, own in zip(shares, lengths, strict=True):
        mean = 100 / (generations * (1 - share))
        # rounding to sites and the ends of the contig shorten a little
        assert np.mean(own) == pytest.approx(mean, rel=0.02 + 5 / np.sqrt(len(own)))
        assert kstest(own, "expon", args=(0, mean)).pvalue > 1e-3
        assert sum(own) / total == pytest.approx(share, abs=4 / np.sqrt(n_tracts))


def test_one_label_is_one_tract():
    first, label = draw_tracts(3, MAP, np.array([0.0, 1.0]), 10.0)
    assert first.tolist() == [0]
    assert label.tolist() == [1]


def test_labels_at_variants_and_copies_equal_brute_force():
    rng = np.random.default_rng(1)
    map_cm = np.sort(rng.uniform(0, 300, 57))
    drawn = [draw_tracts(seed, map_cm, np.array([0.4, 0.3, 0.3]), 9.0) for seed in range(6)]
    tracts = Tracts([f for f, _ in drawn], [label for _, label in drawn])
    brute = np.empty((57, 6), dtype=int)
    for row, (first, label) in enumerate(drawn):
        for begin, end, kind in zip(first, [*first[1:], 57], label, strict=True):
            brute[begin:end, row] = kind
    np.testing.assert_array_equal(tracts.at(0, 57), brute)
    np.testing.assert_array_equal(tracts.at(13, 29), brute[13:29])
    np.testing.assert_array_equal(tracts.take([4, 1]).at(5, 9), brute[5:9][:, [4, 1]])
    copies = [draw_tracts(seed, map_cm, np.array([0.5, 0.5]), 6.0) for seed in range(10, 13)]
    copied = Tracts([f for f, _ in copies], [label for _, label in copies])
    expected = brute.copy()
    expected[:, 1::2] = np.where(copied.at(0, 57) == 1, brute[:, 0::2], brute[:, 1::2])
    np.testing.assert_array_equal(tracts.second_copies_first(copied).at(0, 57), expected)


def test_moved_borders_keep_the_last_label_of_a_place():
    tracts = Tracts([np.array([0, 3, 4, 8])], [np.array([1, 2, 0, 2])])
    moved = tracts.moved_to(np.array([0, 0, 2, 2, 2, 5, 6, 7, 7, 9]))
    assert moved.first[0].tolist() == [0, 2, 7]
    assert moved.label[0].tolist() == [1, 0, 2]
