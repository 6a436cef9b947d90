"""How good estimated treatment effects are: against the truth, and as a user without it sees."""

import numpy as np
from scipy.stats import spearmanr


def root_pehe(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Root of the precision in estimating heterogeneous effects (Hill 2011,
    doi:10.1198/jcgs.2010.08162): root mean squared error over individuals.
    """
    return float(np.sqrt(np.mean((estimate - truth) ** 2)))


def policy_value(truth: np.ndarray, treat: np.ndarray, cost: float) -> float:
    """Mean gain over treatment 0 for everybody, `cost` of treatment 1 taken off."""
    return float(np.mean(np.where(treat, truth - cost, 0.0)))


def regret(truth: np.ndarray, treat: np.ndarray, cost: float) -> float:
    """What the best policy gains beyond this one; 0 or more."""
    return policy_value(truth, truth > cost, cost) - policy_value(truth, treat, cost)


def calibration_slope(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Slope of the truth on the estimate: 1 is calibrated, below 1 exaggerated; nan if constant."""
    spread = np.var(estimate)
    if spread < 1e-12:
        return float("nan")
    return float(np.cov(estimate, truth, bias=True)[0, 1] / spread)


def rank_agreement(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Spearman's correlation; nan if one is constant."""
    if np.ptp(estimate) < 1e-12 or np.ptp(truth) < 1e-12:
        return float("nan")
    return float(spearmanr(estimate, truth).statistic)


def weighted_effects(y: np.ndarray, t: np.ndarray, propensity: np.ndarray) -> np.ndarray:
    """Outcomes weighted by the inverse probability of treatment: each has the effect as its mean.

    Outcomes are centred first, which changes no mean and lowers the variance.
    """
    return (y - y.mean()) * (t / propensity - (1 - t) / (1 - propensity))


def qini(estimate: np.ndarray, effects: np.ndarray) -> float:
    """Area between the uplift curve of the ranking and the diagonal of a random one.

    Individuals are treated from the largest estimate on; the curve is the sum of `effects` (of
    `weighted_effects`, or the truth) of those treated, over the number of individuals (Radcliffe
    2007). Equal estimates are treated together.
    """
    n = len(estimate)
    _, group, size = np.unique(-estimate, return_inverse=True, return_counts=True)
    mean = np.bincount(group, effects) / size
    curve = np.cumsum(mean[np.sort(group)]) / n
    return float(np.mean(curve - curve[-1] * np.arange(1, n + 1) / n))


def weighted_policy_value(
    y: np.ndarray, t: np.ndarray, propensity: np.ndarray, treat: np.ndarray, cost: float
) -> float:  # fmt: skip
    """`policy_value` as it is estimated without the truth, by inverse probability weighting."""
    return policy_value(weighted_effects(y, t, propensity), treat, cost)
