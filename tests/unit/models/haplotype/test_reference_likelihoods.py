"""Reference likelihoods against sums over all paths, and against the generator of independent
sites.
"""

import itertools

import numpy as np
import pytest

from genoloom.models.haplotype.reference_likelihoods import (
    ERRORS,
    RATES,
    independent_bits,
    li_stephens_bits,
    reference_bits,
)
from genoloom.panel import ArrayHaplotypes


def by_all_paths(templates, row, map_cm, rate, error):
    """Probability of one row: every path through the templates in turn."""
    n_sites, n = templates.shape
    total = 0.0
    for path in itertools.product(range(n), repeat=n_sites):
        chance = 1 / n
        for v, k in enumerate(path):
            if v > 0:
                jump = 1 - np.exp(-rate * (map_cm[v] - map_cm[v - 1]))
                chance *= jump / n + (1 - jump) * (path[v - 1] == k)
            if row[v] >= 0:
                chance *= 1 - error if templates[v, k] == row[v] else error
        total += chance
    return total


def test_li_stephens_is_the_sum_over_all_paths():
    rng = np.random.default_rng(1)
    templates, validation = (
        rng.integers(0, 2, (6, 3)).astype(np.int8),
        rng.integers(0, 2, (6, 2)).astype(np.int8),
    )
    validation[2, 0] = -1
    map_cm = np.cumsum(rng.random(6)) * 0.1
    expected = min(
        -sum(np.log2(by_all_paths(templates, row, map_cm, rate, error)) for row in validation.T)
        / 11
        for rate in RATES
        for error in ERRORS
    )
    assert li_stephens_bits(templates, validation, map_cm) == pytest.approx(expected, rel=1e-9)


def test_independent_sites():
    training = np.array([[0, 0, 0, 1], [1, 1, -1, 1]], dtype=np.int8)
    validation = np.array([[1], [1]], dtype=np.int8)
    assert independent_bits(training, validation) == pytest.approx(
        -(np.log2(1.5 / 5) + np.log2(3.5 / 4)) / 2
    )


def test_bounds_and_missing_calls():
    alleles = np.full((5, 4), -1, dtype=np.int8)
    rng = np.random.default_rng(1)
    assert (
        reference_bits(ArrayHaplotypes(alleles), np.arange(3), np.array([3]), np.arange(5.0), rng)
        == {}
    )
    alleles[:] = 0
    found = reference_bits(
        ArrayHaplotypes(alleles), np.arange(3), np.array([3]), np.arange(5.0), rng
    )
    assert found["li_stephens_bits"] < 0.01
    assert found["independent_bits"] == pytest.approx(-np.log2(3.5 / 4))
