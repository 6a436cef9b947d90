"""How good estimated treatment effects are: against the true effects, and as a user who does not
know them sees.
"""

import numpy as np
from scipy.stats import spearmanr


def root_pehe(estimate: np.ndarray, true_effect: np.ndarray) -> float:
    """Root of the precision in estimating heterogeneous effects (Hill 2011,
    doi:10.1198/jcgs.2010.08162): root mean squared error over individuals.
    """
    return float(np.sqrt(np.mean((estimate - true_effect) ** 2)))


def policy_value(true_effect: np.ndarray, treat: np.ndarray, cost: float) -> float:
    """Mean gain over treatment 0 for everybody, `cost` of treatment 1 taken off."""
    return float(np.mean(np.where(treat, true_effect - cost, 0.0)))


def regret(true_effect: np.ndarray, treat: np.ndarray, cost: float) -> float:
    """What the best policy gains beyond this one; 0 or more."""
    return policy_value(true_effect, true_effect > cost, cost) - policy_value(
        true_effect, treat, cost
    )


def calibration_slope(estimate: np.ndarray, true_effect: np.ndarray) -> float:
    """Slope of the true effect on the estimate: 1 is calibrated, below 1 exaggerated; nan if
    constant.
    """
    spread = np.var(estimate)
    if spread < 1e-12:
        return float("nan")
    return float(np.cov(estimate, true_effect, bias=True)[0, 1] / spread)


def rank_agreement(estimate: np.ndarray, true_effect: np.ndarray) -> float:
    """Spearman's correlation; nan if one is constant."""
    if np.ptp(estimate) < 1e-12 or np.ptp(true_effect) < 1e-12:
        return float("nan")
    return float(spearmanr(estimate, true_effect).statistic)


def weighted_effects(y: np.ndarray, t: np.ndarray, propensity: np.ndarray) -> np.ndarray:
    """Outcomes weighted by the inverse probability of treatment: each has the effect as its mean.

    Outcomes are centred first, which changes no mean and lowers the variance.
    """
    return (y - y.mean()) * (t / propensity - (1 - t) / (1 - propensity))


def qini(estimate: np.ndarray, effects: np.ndarray) -> float:
    """Area between the uplift curve of the ranking and the diagonal of a random one.

    Individuals are treated from the largest estimate on; the curve is the sum of `effects` (of
    `weighted_effects`, or the true effect) of those treated, over the number of individuals
    (Radcliffe 2007). Equal estimates are treated together.
    """
    n = len(estimate)
    _, group, size = np.unique(-estimate, return_inverse=True, return_counts=True)
    mean = np.bincount(group, effects) / size
    curve = np.cumsum(mean[np.sort(group)]) / n
    return float(np.mean(curve - curve[-1] * np.arange(1, n + 1) / n))


def weighted_policy_value(
    y: np.ndarray, t: np.ndarray, propensity: np.ndarray, treat: np.ndarray, cost: float
) -> float:  # fmt: skip
    """`policy_value` as it is estimated without the true effect, by inverse probability
    weighting.
    """
    return policy_value(weighted_effects(y, t, propensity), treat, cost)
