"""The closed form: published special case, algebra, simulation, and Gaussian differential
privacy.
"""

from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from genoloom.privacy.leak_budget import (
    Leak,
    epsilon_allowed,
    individuals_needed,
    synthetic_allowed,
    unavoidable,
)
from genoloom.privacy.measures import auc


def test_special_case_of_sankararaman():
    """80 % power at 5 % false positives is reached at m / n of about 6.2 (Visscher & Hill 2009)."""
    needed = (norm.ppf(0.8) + norm.ppf(0.95)) ** 2
    assert needed == pytest.approx(6.2, abs=0.05)
    assert unavoidable(needed * 1000, 1000).true_positive_rate(0.05) == pytest.approx(0.8)


@pytest.mark.parametrize(("reference", "synthetic"), [(10_000, None), (150, None), (150, 150)])
def test_agrees_with_simulated_individuals(reference, synthetic):
    """Independent sites, members' frequencies released, attackers of known reference size."""
    rng = np.random.default_rng(5)
    m, n, found = 300, 150, []
    for _ in range(6):
        p = rng.uniform(0.2, 0.8, (m, 1))
        members, others = (rng.binomial(2, p, (m, n)) / 2 for _ in range(2))
        known = rng.binomial(2 * reference, p[:, 0]) / (2 * reference)
        chosen = members if synthetic is None else members[:, rng.integers(0, n, synthetic)]
        weight = (chosen.mean(axis=1) - known) / (p * (1 - p))[:, 0]
        found.append(auc((members - p).T @ weight, (others - p).T @ weight))
    expected = unavoidable(m, n, reference, synthetic or inf).auc
    assert np.mean(found) == pytest.approx(expected, abs=0.035)


def test_noise_and_shrinkage():
    assert unavoidable(100, 50, noise=1 / 50).separation == pytest.approx(1.0)
    assert unavoidable(100, 50, noise=1 / 50, weight=0.5).separation == pytest.approx(2 / 5)


def test_leaks_add_up():
    both = unavoidable(100, 50) + unavoidable(60, 50)
    assert both.auc == pytest.approx(unavoidable(160, 50).auc)
    assert Leak(0.0).auc == 0.5
    assert Leak(0.0).true_positive_rate(0.01) == pytest.approx(0.01)


@settings(max_examples=60, deadline=None)
@given(
    m=st.floats(1, 1e5), limit=st.floats(0.51, 0.99),
    ratios=st.tuples(st.sampled_from([0.5, 1, 3, inf]), st.sampled_from([0.2, 1, inf])),
)  # fmt: skip
def test_individuals_needed_just_reach_the_limit(m, limit, ratios):
    n = individuals_needed(m, limit, *ratios)
    assert unavoidable(m, n, n * ratios[0], n * ratios[1]).auc == pytest.approx(limit)


@settings(max_examples=60, deadline=None)
@given(m=st.floats(1, 1e4), n=st.integers(30, 5000), limit=st.floats(0.51, 0.9))
def test_synthetic_allowed_just_reaches_the_limit(m, n, limit):
    size = synthetic_allowed(m, n, limit, reference=2504)
    at = unavoidable(m, n, 2504, size).auc
    assert at <= limit + 1e-9 if size == inf else at == pytest.approx(limit)


@pytest.mark.parametrize("limit", [0.55, 0.6, 0.9])
def test_epsilon_bounds_the_attack(limit):
    """At the permitted epsilon the trade-off of the Gaussian mechanism touches delta."""
    epsilon, mu = epsilon_allowed(limit, 1e-5), sqrt(2) * norm.ppf(limit)
    thresholds = np.linspace(-8, 8, 4001)
    rates = norm.sf(thresholds - mu), norm.sf(thresholds)
    assert (rates[0] - np.exp(epsilon) * rates[1]).max() == pytest.approx(1e-5, rel=0.02)


def test_nothing_private_is_needed_where_delta_allows_all():
    assert epsilon_allowed(0.51, 0.5) == 0.0
