"""Second ways to a number, which tests compare the package with."""

from math import exp, log

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

ORDERS = 1 + np.geomspace(1e-3, 1e5, 400)  # of Renyi divergences


def renyi_epsilon(mu: float, delta: float) -> float:
    """An upper bound of the epsilon of a Gaussian mechanism by Renyi divergences.

    That of order alpha of a Gaussian mechanism is alpha mu^2 / 2 (Mironov 2017, arXiv:1702.07476,
    proposition 7; zero-concentrated privacy with rho = mu^2 / 2). To epsilon and delta: Canonne,
    Kamath & Steinke 2020, arXiv:2004.00010, proposition 12.
    """
    found = (
        ORDERS * mu * mu / 2 + np.log1p(-1 / ORDERS) - (log(delta) + np.log(ORDERS)) / (ORDERS - 1)
    )
    return float(max(0.0, found.min()))


def audited_epsilon(
    guesses: int, right: int, delta: float, canaries: int, confidence: float = 0.95
) -> float:
    """A lower bound of epsilon from one run with canaries that were in or out by fair coins.

    Whoever guesses `guesses` of the coins and is right `right` times has shown, with this
    confidence, that the mechanism is not private with a smaller epsilon (Steinke, Nasr & Jagielski
    2023, arXiv:2305.08846, theorem 5.2).

    Parameters
    ----------
    canaries : int
        All of them, guessed or not.
    """

    below = np.arange(right - 2, -2, -1)  # right - i - 1 for i = 1 .. right

    def chance(epsilon: float) -> float:
        """The largest chance of as many right guesses under (epsilon, delta)."""
        q = 1 / (1 + exp(-epsilon))
        reached = binom.sf(right - 1, guesses, q)
        nearly = (binom.sf(below, guesses, q) - reached) / np.arange(1, right + 1)
        return float(reached + 2 * canaries * delta * nearly.max(initial=0.0))

    unlikely = 1 - confidence
    if chance(0.0) > unlikely:
        return 0.0
    return float(brentq(lambda epsilon: chance(epsilon) - unlikely, 0.0, 50.0))
