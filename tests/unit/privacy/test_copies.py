"""Copies against real individuals: few copies are seen, and everybody who is exchangeable is
accused no more often than said.
"""

import numpy as np
import pytest
from helpers import founder_mosaic

from genoloom.audit_levels import COPY_LEVEL
from genoloom.popgen.distances import hamming
from genoloom.privacy.copies import Neighbours, copied_segments, near_copies

N = 40
POPULATION = np.tile(np.repeat(["A", "B"], N // 2), 3)


def similarity(rng: np.random.Generator, copies: int = 0, role: int = 2) -> np.ndarray:
    """Of 3 N individuals; the first synthetic ones are copies of individuals of a role."""
    found = rng.exponential(size=(3 * N, 3 * N))
    found = np.maximum(found, found.T)
    for i in range(copies):
        found[i, role * N + i] = found[role * N + i, i] = 30 + i
    return found


def judged(found: np.ndarray, rng: np.random.Generator, shuffles: int = 999):
    return copied_segments(Neighbours.of_others(-found, 1), POPULATION, shuffles, rng)


def test_five_copies_are_seen_where_labels_alone_cannot():
    rng = np.random.default_rng(1)
    found = similarity(rng, copies=5)
    assert judged(found, rng).verdict == "fail"
    member = np.arange(2 * N) >= N
    labels = np.array([rng.permutation(member) for _ in range(999)])
    assert near_copies(Neighbours.of(-found[N:, :N], 1), member, labels).verdict == "pass"


def test_copies_of_heldout_individuals_do_not_accuse():
    rng = np.random.default_rng(2)
    test = judged(similarity(rng, copies=10, role=1), rng)
    assert test.verdict == "pass"
    assert test.chance > 0.5


def test_the_level_is_kept():
    """Of 150 draws of exchangeable individuals, as many fail as the level says: at most 4 (chance
    of more: 0.1 %).
    """
    rng = np.random.default_rng(3)
    chances = np.array([judged(similarity(rng), rng, 199).chance for _ in range(150)])
    assert (chances <= COPY_LEVEL).sum() <= 4
    assert 0.3 < np.mean(chances <= 0.5) < 0.7


@pytest.mark.parametrize("alike", [True, False])
def test_rows_that_are_one_hide_and_rows_like_nobody_do_not(alike):
    rng = np.random.default_rng(4)
    found = similarity(rng)
    found[:N, :N] = 50.0 if alike else 0.0
    if not alike:
        found[:N] = found[:, :N] = 0.0
    assert judged(found, rng).verdict == ("not run" if alike else "pass")


def test_ties_accuse_no_more_often_than_said():
    """Of few sites many haplotypes are the same, so that most differences are equal: the order of
    the rows, synthetic ones first, must not decide which of them are at the top.
    """
    chances = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        alleles = founder_mosaic(12, 3 * N, rng, founders=60, switch=0.05)
        distance = hamming(alleles, alleles)
        near = Neighbours.of_others(distance, 1)
        chances.append(copied_segments(near, np.repeat("", 3 * N), 199, rng).chance)
    assert (np.array(chances) <= 0.05).mean() <= 0.1
