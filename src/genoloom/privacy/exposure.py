"""Who is exposed: one attacker who uses all scores, and individuals far beyond what held-out
individuals ever score.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedKFold

from genoloom.privacy.attack_ids import Scored
from genoloom.privacy.rows import ExposureRow

TAIL = 0.1  # share of the held-out individuals whose excesses give the tail
FOLDS = 5
RIDGE = 5.0  # weight of the squared coefficients next to the summed log-loss
FLAG_LEVEL = (
    0.01  # chance that any of as many fresh individuals is flagged, where tails are exponential
)


def tail_probabilities(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Chance that a held-out individual reaches each score, shape of `scores`.

    Below the 90th percentile of the held-out scores, their share that is as high. Above it,
    exponential excesses (peaks over threshold; Davison & Smith 1990) with the uncertainty of their
    mean: with k excesses of mean s, P(excess > y) = (1 + y / (k s)) ** -k.
    """
    threshold = np.quantile(others, 1 - TAIL)
    excesses = others[others > threshold] - threshold
    at_least = (len(others) - np.searchsorted(np.sort(others), scores, side="left")) / len(others)
    if len(excesses) == 0:  # the scores do not vary there; nothing beyond them can be judged
        return np.maximum(at_least, 1 / len(others))
    k, mean = len(excesses), excesses.mean()
    beyond = k / len(others) * (1 + np.maximum(scores - threshold, 0) / (k * mean)) ** -float(k)
    return np.where(scores > threshold, beyond, at_least)


def stacked(
    scores: np.ndarray, population: np.ndarray, member: np.ndarray, seed: int
) -> np.ndarray:
    """Log-odds of membership by one attacker who sees all scores, cross-validated over individuals;
    shape (n_individuals,).

    Logistic regression on scores and ranks standardised within populations; each individual is
    scored by a fit without it. No weight is negative: every score is higher for likelier members,
    and this constraint makes the attack more robust.

    Parameters
    ----------
    scores : ndarray, float, shape (n_individuals, n_attacks)
    population, member : ndarray, shape (n_individuals,)
    """
    features = np.empty(scores.shape, dtype=np.float64)
    for name in np.unique(population):
        inside = population == name
        ranks = rankdata(scores[inside], axis=0) / (inside.sum() + 1) - 0.5
        spread = scores[inside].std(axis=0)
        # outliers keep their size, up to five standard deviations
        standard = (scores[inside] - scores[inside].mean(axis=0)) / np.where(spread > 0, spread, 1)
        features[inside] = np.where(spread > 0, np.clip(standard, -5, 5) + ranks, 0)
    odds = np.empty(len(scores))
    folds = StratifiedKFold(min(FOLDS, int(member.sum())), shuffle=True, random_state=seed % 2**32)
    for train, test in folds.split(features, member):
        weights = _oriented_regression(features[train], member[train])
        odds[test] = features[test] @ weights[:-1] + weights[-1]
    return odds


def _oriented_regression(features: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Coefficients, at least 0, and the intercept of a ridge-penalised logistic regression."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = features @ weights[:-1] + weights[-1]
        wrong = expit(odds) - member
        value = (
            np.logaddexp(0, odds).sum()
            - odds[member].sum()
            + 0.5 * RIDGE * (weights[:-1] ** 2).sum()
        )
        return value, np.append(features.T @ wrong + RIDGE * weights[:-1], wrong.sum())

    k = features.shape[1]
    return minimize(
        loss, np.zeros(k + 1), jac=True, method="L-BFGS-B", bounds=[(0, None)] * k + [(None, None)]
    ).x


def exposure_rows(
    scores: dict[Scored, np.ndarray],
    odds: np.ndarray,
    population: np.ndarray,
    ids: Sequence[str],
    n_holdout: int,
    nearest: np.ndarray,
) -> list[ExposureRow]:
    """One row per individual, the most exposed first, held-out individuals among them: they show
    what is unavoidable.

    Parameters
    ----------
    scores : dict
        Of held-out individuals, then of training individuals.
    ids : sequence of str
        Of the individuals.
    odds : ndarray, shape (n_individuals,)
        Of the stacked attacker.
    nearest : ndarray, shape (n_individuals,)
        Squared distance in allele dosage between each individual and the nearest synthetic one.
    """
    attacks = list(scores)
    table = np.stack([tail_probabilities(own, own[:n_holdout]) for own in scores.values()])
    least, which = table.min(axis=0), table.argmin(axis=0)
    # for as many individuals and attacks as there are
    limit = FLAG_LEVEL / (len(odds) - n_holdout) / len(scores)
    holdout_odds = np.sort(odds[:n_holdout])
    rows = []
    for i in np.lexsort((np.arange(len(odds)), -odds, least)):
        reached = n_holdout - int(np.searchsorted(holdout_odds, odds[i], side="left"))
        rows.append(
            ExposureRow(
                individual=str(ids[i]),
                role="holdout" if i < n_holdout else "train",
                population=str(population[i]),
                flagged=bool(i >= n_holdout and least[i] <= limit),
                log_odds=float(odds[i]),
                holdout_share_as_high=reached / n_holdout,
                strongest_attack=attacks[which[i]].attack,
                window=attacks[which[i]].window,
                chance_of_its_score=float(min(1.0, least[i])),
                squared_distance_to_nearest=int(nearest[i]),
            )
        )
    return rows
