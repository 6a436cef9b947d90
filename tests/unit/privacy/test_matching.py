"""Longest identical stretches against brute force."""

import numpy as np
import pytest
from helpers import founder_mosaic

from genoloom.privacy.matching import LongestMatches


def brute_force(alleles, position, group):
    """Longest stretch of each haplotype with another of the group, and the sum over sites of the
    longest that ends there.
    """
    n = alleles.shape[1]
    longest, total = np.zeros(n), np.zeros(n)
    for i in range(n):
        for k in range(len(alleles)):
            best = 0.0
            for j in np.flatnonzero(group):
                start = k
                while j != i and start >= 0 and alleles[start, i] == alleles[start, j]:
                    best = max(best, position[k] - position[start])
                    start -= 1
            longest[i] = max(longest[i], best)
            total[i] += best
    return longest, total


@pytest.mark.parametrize("seed", range(4))
def test_every_stretch_is_found(seed):
    rng = np.random.default_rng(seed)
    alleles = founder_mosaic(60, 16, rng, founders=4, switch=0.1)
    alleles[rng.random(alleles.shape) < 0.02] ^= 1
    position = np.cumsum(rng.random(60))
    groups = {
        "some": rng.random(16) < 0.4,
        "one": np.arange(16) == 5,
        "all": np.ones(16, dtype=bool),
    }
    matches = LongestMatches(groups)
    for start in range(0, 60, 25):
        matches.add(alleles[start : start + 25], position[start : start + 25])
    for name, group in groups.items():
        longest, total = brute_force(alleles, position, group)
        np.testing.assert_allclose(matches.longest[name], longest)
        np.testing.assert_allclose(matches.total[name], total)


def test_stretches_end_with_the_contig():
    alleles = np.zeros((10, 2), dtype=np.int8)
    matches = LongestMatches({"second": np.array([False, True])})
    matches.add(alleles, np.arange(10.0))
    matches.new_contig()
    matches.add(alleles[:5], np.arange(5.0))
    assert matches.longest["second"].tolist() == [9, 0]  # the second has nobody but itself
