"""Metrics of an attack agree with scikit-learn's, and the largest of many is not taken at face
value.
"""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from genoloom.audit_levels import CHANCE_LEVEL
from genoloom.privacy.measures import (
    Resampling,
    auc,
    interval_of_maximum,
    percentile_interval,
    true_positive_rate,
    weighted_aucs,
    weighted_true_positive_rates,
)


@pytest.fixture
def scores():
    rng = np.random.default_rng(1)
    return rng.integers(0, 9, 40) + 1.0, rng.integers(0, 9, 30) + 0.0  # with ties


def test_auc_is_that_of_scikit_learn(scores):
    members, others = scores
    label = np.repeat([1, 0], [40, 30])
    assert auc(members, others) == pytest.approx(roc_auc_score(label, np.concatenate(scores)))


def test_weighted_figures_are_those_of_scikit_learn(scores):
    members, others = scores
    rng = np.random.default_rng(2)
    weights = (
        rng.multinomial(40, np.full(40, 1 / 40), 5),
        rng.multinomial(30, np.full(30, 1 / 30), 5),
    )
    label = np.repeat([1, 0], [40, 30])
    found = weighted_aucs(members, others, *weights)
    for i, row in enumerate(np.concatenate(weights, axis=1)):
        assert found[i] == pytest.approx(
            roc_auc_score(label, np.concatenate(scores), sample_weight=row)
        )
    for rate in (0.01, 0.1, 0.34):
        found = weighted_true_positive_rates(members, others, *weights, rate)
        for i, row in enumerate(np.concatenate(weights, axis=1)):
            false, true, _ = roc_curve(
                label, np.concatenate(scores), sample_weight=row, drop_intermediate=False
            )
            assert found[i] == pytest.approx(true[false <= rate].max())


def test_true_positive_rate_closed_form():
    others = np.arange(100.0)
    assert true_positive_rate(np.array([200.0, 300, -1, -2]), others) == 0.5
    assert true_positive_rate(others, others) == pytest.approx(0.01)


@pytest.mark.parametrize("reference", [0.5, 0.9])
def test_interval_of_a_single_figure_is_the_basic_bootstrap(reference):
    resampled = np.random.default_rng(3).normal(0.7, 0.05, (1, 500))
    low, high = percentile_interval(resampled[0])
    expected = (2 * 0.69 - resampled.mean(), 2 * 0.69 - high, 2 * 0.69 - low)
    assert interval_of_maximum(np.array([0.69]), resampled, reference) == pytest.approx(expected)


@pytest.mark.parametrize("shift", [0.0, 0.7, 1.2])
def test_the_largest_of_many_is_corrected_for_being_the_largest(shift):
    """Fourteen attacks that know nothing next to one that may know something: what the interval
    says is true.
    """
    truth = norm.cdf(shift / np.sqrt(2))
    raw, corrected, lower, upper = [], [], 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        individuals, inside = (
            Resampling(np.repeat("X", 240), 120, 200, rng),
            np.ones(240, dtype=bool),
        )
        scores = rng.standard_normal((15, 240))
        scores[0, 120:] += shift
        found = [individuals.aucs(s, inside) for s in scores]
        reference = np.quantile(np.max([f[2] for f in found], axis=0), CHANCE_LEVEL)
        value, low, high = interval_of_maximum(
            np.array([f[0] for f in found]), np.array([f[1] for f in found]), reference
        )
        raw.append(max(f[0] for f in found))
        corrected.append(value)
        lower += low <= truth
        upper += truth <= high
    assert abs(np.mean(corrected) - truth) < 0.02
    assert lower >= 37
    assert upper >= 35
    if shift == 0:
        assert np.mean(raw) > 0.55


def test_labels_are_shuffled_within_populations():
    population = np.array(["A"] * 10 + ["B"] * 30 + ["A"] * 10 + ["B"] * 30)
    individuals = Resampling(population, 40, 50, np.random.default_rng(6))
    assert (individuals.labels[:, population == "A"].sum(axis=1) == 10).all()
    assert (individuals.labels[:, population == "B"].sum(axis=1) == 30).all()
    assert len(np.unique(individuals.labels, axis=0)) == 50
    # a score that follows the population alone says nothing about membership, however the labels
    # fall
    value, _, shuffled = individuals.aucs(
        (population == "A").astype(float), np.ones(80, dtype=bool)
    )
    assert value == 0.5
    np.testing.assert_allclose(shuffled, 0.5)
