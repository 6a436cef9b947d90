"""Accounts of differential privacy: closed forms, other packages, and a second way to the same."""

import numpy as np
import oracles
import pytest
from scipy.stats import norm

from genoloom.privacy import accounting

PAIRS = [(0.1, 1e-6), (1, 1e-5), (3, 1e-5), (8, 1e-5), (3, 1e-9)]


@pytest.mark.parametrize(("epsilon", "delta"), PAIRS)
def test_noise_is_the_closed_form(epsilon, delta):
    mu = accounting.mu_of(epsilon, delta)
    closed = norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)
    assert closed == pytest.approx(delta, rel=1e-5)
    assert closed <= delta
    assert accounting.epsilon_of(mu, delta) == pytest.approx(epsilon, rel=1e-6)
    # more noise than that of the formula of before (Dwork & Roth 2014) is never needed
    assert 1 / mu < np.sqrt(2 * np.log(1.25 / delta)) / epsilon


@pytest.mark.parametrize(("epsilon", "delta"), PAIRS)
def test_renyi_divergences_bound_it_from_above(epsilon, delta):
    mu = accounting.mu_of(epsilon, delta)
    bound = oracles.renyi_epsilon(mu, delta)
    assert epsilon < bound < 1.25 * epsilon
    rho = mu * mu / 2  # Bun & Steinke 2016, proposition 1.3
    assert bound < rho + 2 * np.sqrt(rho * np.log(1 / delta))


@pytest.mark.parametrize(("epsilon", "delta"), PAIRS)
def test_other_packages_agree(epsilon, delta):
    dp = pytest.importorskip("dp_accounting")
    mu = accounting.mu_of(epsilon, delta)
    assert dp.get_sigma_gaussian(epsilon, delta) == pytest.approx(1 / mu, rel=1e-6)
    numeric = dp.pld.privacy_loss_distribution.from_gaussian_mechanism(1 / mu)
    assert numeric.get_epsilon_for_delta(delta) == pytest.approx(epsilon, rel=1e-3)
    renyi = dp.rdp.RdpAccountant()
    renyi.compose(dp.GaussianDpEvent(1 / mu))
    assert renyi.get_epsilon(delta) == pytest.approx(oracles.renyi_epsilon(mu, delta), rel=0.02)


def test_several_mechanisms_are_one_with_the_root_of_the_sum_of_squares():
    mus = [0.1, 0.2, 0.3]
    whole = accounting.together(mus)
    # two independent Gaussian shifts are one along their direction
    assert whole == pytest.approx(np.linalg.norm(mus))
    assert accounting.rest(whole, mus[:2]) == pytest.approx(mus[2])
    assert accounting.rest(0.1, mus) == 0
    assert accounting.epsilon_of(whole, 1e-5) > accounting.epsilon_of(max(mus), 1e-5)


def test_what_an_attack_can_find():
    mu = accounting.mu_of(3, 1e-5)
    draws = np.random.default_rng(1).normal(size=(2, 400_000))
    limit = np.quantile(draws[0], 0.99)
    assert accounting.largest_rate_of_gaussian(mu) == pytest.approx(
        (draws[1] + mu > limit).mean(), abs=2e-3
    )
    assert accounting.largest_auc(mu) == pytest.approx((draws[1] + mu > draws[0]).mean(), abs=3e-3)


def test_guesses_of_coins():
    """Of 100 guesses nothing is learned from 50 right ones, and something from 90."""
    assert oracles.audited_epsilon(100, 50, 0.0, 100) == 0
    found = oracles.audited_epsilon(100, 90, 0.0, 1000)
    # the binomial chance of 90 right ones of 100 at this epsilon is 5 %
    q = 1 / (1 + np.exp(-found))
    draws = np.random.default_rng(2).binomial(100, q, 100_000)
    assert (draws >= 90).mean() == pytest.approx(0.05, abs=0.005)
    assert oracles.audited_epsilon(100, 90, 1e-5, 1000) < found
    assert oracles.audited_epsilon(1000, 1000, 1e-5, 1000) > 4
    assert oracles.audited_epsilon(100, 0, 1e-5, 1000) == 0


def test_delta_is_a_share():
    for wrong in (0, 1):
        with pytest.raises(ValueError, match="delta"):
            accounting.mu_of(1, wrong)
