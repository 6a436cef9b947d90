"""Scales on which the figures of permutations spread nearly normally, so that distances in spreads mean the same for all."""

from collections.abc import Callable

import numpy as np

MOST_CORRELATED = 1 - 1e-12  # artanh is finite up to here


def plain(figures: np.ndarray) -> np.ndarray:
    return figures


def fisher(figures: np.ndarray) -> np.ndarray:
    """artanh r of correlations: Fisher (1921), On the "probable error" of a coefficient of correlation, Metron 1:3-32."""
    return np.arctanh(np.clip(figures, -MOST_CORRELATED, MOST_CORRELATED))


def arcsine(figures: np.ndarray) -> np.ndarray:
    """arcsin of the root of shares, in [0, 1]: Bartlett (1936), J R Stat Soc Suppl 3:68-78."""
    return np.arcsin(np.sqrt(np.clip(figures, 0, 1)))


def started_log(start: float) -> Callable:
    """Logarithm of shares of few sites, of which many are linked, started above 0: Tukey (1977), Exploratory data analysis."""

    def scale(figures: np.ndarray) -> np.ndarray:
        return np.log(figures + start)

    return scale
