"""Genetic architectures against closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from genoloom.popgen.phenotypes import (
    calibration,
    drawn_effects,
    individual_normals,
    liability_threshold,
    population_effects,
)


def test_effects_depend_on_frequency_and_are_correlated():
    rng = np.random.default_rng(1)
    frequency = np.repeat([0.01, 0.5], 20_000)
    correlation = np.array([[1, 0.6], [0.6, 1]])
    effects = drawn_effects(rng, frequency, -0.5, correlation)
    variance = effects[0].reshape(2, -1).var(axis=1)
    expected = (2 * frequency * (1 - frequency)) ** -0.5
    assert variance == pytest.approx(expected[[0, -1]], rel=0.05)
    standard = effects / expected**0.5
    assert np.corrcoef(standard)[0, 1] == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("correlation", [-0.5, 0.3, 1.0])
def test_effects_of_another_population(correlation):
    rng = np.random.default_rng(2)
    own = rng.standard_normal((1, 50_000))
    other = population_effects(rng, own, correlation)
    # E[b^2] / E[b^2]: the remainder has the site's own size
    assert (own * other).mean() == pytest.approx(correlation, abs=0.03)
    assert (other**2).mean() == pytest.approx(1, abs=0.04)


def test_calibration_gives_the_covariance():
    rng = np.random.default_rng(3)
    values = np.cumsum(rng.standard_normal((3, 200)), axis=0)
    target = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]])
    assert np.cov(calibration(values, target) @ values, bias=True) == pytest.approx(target)


@pytest.mark.parametrize("values", [np.zeros((1, 5)), np.arange(10.0).reshape(1, 10).repeat(2, 0)])
def test_nothing_to_calibrate(values):
    with pytest.raises(ValueError, match="do not vary"):
        calibration(values, np.eye(len(values)))


def test_threshold_is_the_normal_quantile():
    assert liability_threshold(np.zeros(3), 1.0, 0.1) == pytest.approx(norm.isf(0.1))
    # normal means and noise: their sum is normal
    mean = 0.6 * norm.ppf((np.arange(4000) + 0.5) / 4000)
    assert liability_threshold(mean, 0.8, 0.03) == pytest.approx(norm.isf(0.03), abs=2e-3)


def test_threshold_without_noise_is_an_empirical_quantile():
    assert liability_threshold(np.arange(101.0), 0.0, 0.1) == pytest.approx(90)


def test_an_individual_has_its_own_numbers():
    names = [f"P{i}" for i in range(2000)]
    drawn = individual_normals(7, names, "noise", "height")
    some = individual_normals(7, names[5:9][::-1], "noise", "height")
    assert some == pytest.approx(drawn[8:4:-1])
    assert drawn.mean() == pytest.approx(0, abs=0.1)
    assert drawn.std() == pytest.approx(1, abs=0.05)
    other = individual_normals(7, names, "noise", "weight")
    assert np.corrcoef(drawn, other)[0, 1] == pytest.approx(0, abs=0.1)
