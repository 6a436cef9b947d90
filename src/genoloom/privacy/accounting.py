"""Accounts of differential privacy for Gaussian mechanisms.

A mechanism that adds Gaussian noise of standard deviation sigma to a vector whose L2 sensitivity is
C is mu-Gaussian differentially private with mu = C / sigma, and nothing about it is better than
that: mu says all of its privacy. Several of them together, each chosen after the others were seen,
have the mu that is the root of the sum of squares (Dong, Roth & Su 2022, doi:10.1111/rssb.12454,
corollary 2). From mu to epsilon and delta without loss: Balle & Wang 2018 (arXiv:1805.06530,
theorem 8).
"""

from collections.abc import Callable, Iterable
from math import sqrt

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

LARGEST_MU = 1e4


def delta_of(epsilon: float, mu: float) -> float:
    """The smallest delta at which a mu-Gaussian mechanism is (epsilon, delta)-private."""
    if mu == 0:
        return 0.0
    first, second = -epsilon / mu + mu / 2, epsilon + log_ndtr(-epsilon / mu - mu / 2)
    # both are close to one another where mu is large; the difference is taken of their logarithms
    ratio = second - log_ndtr(first)
    return float(ndtr(first) * -np.expm1(min(ratio, 0.0)))


def epsilon_of(mu: float, delta: float) -> float:
    """The smallest epsilon at which a mu-Gaussian mechanism is (epsilon, delta)-private."""
    _check(delta)
    if delta_of(0.0, mu) <= delta:
        return 0.0
    high = 1.0
    while delta_of(high, mu) > delta:
        high *= 2
    return _root(lambda epsilon: delta_of(epsilon, mu) - delta, 0.0, high)


def mu_of(epsilon: float, delta: float) -> float:
    """The largest mu that is (epsilon, delta)-private; 1 / mu: the least noise per sensitivity."""
    _check(delta)
    found = _root(lambda mu: delta_of(epsilon, mu) - delta, 1e-9, LARGEST_MU)
    return found * (1 - 1e-9)  # on the side of privacy


def together(mus: Iterable[float]) -> float:
    """mu of several Gaussian mechanisms on the same individuals."""
    return sqrt(sum(mu * mu for mu in mus))


def rest(mu: float, spent: Iterable[float]) -> float:
    """mu that is left of `mu` after others were spent; 0 where nothing is."""
    return sqrt(max(0.0, mu * mu - sum(one * one for one in spent)))


def largest_rate_of_gaussian(mu: float) -> float:
    """The share of members that the best attack on a mu-Gaussian mechanism finds, at 1 % false
    positives.
    """
    return float(ndtr(mu + ndtri(0.01)))


def largest_auc(mu: float) -> float:
    """AUC of the best attack on a mu-Gaussian mechanism."""
    return float(ndtr(mu / sqrt(2)))


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq  # slow to import

    return float(brentq(excess, low, high, xtol=1e-12))


def _check(delta: float) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta:g}; it is between 0 and 1")
