"""How well a score distinguishes training individuals from held-out ones: AUC, true positives at
few false ones, and what chance does.

All attacks are judged on the same resampled individuals, so that the largest of many metrics has an
interval of its own.
"""

from math import comb, prod

import numpy as np
from scipy.stats import rankdata

from genoloom.audit_levels import INTERVAL, fewest_resamples
from genoloom.validation.verdicts import Verdict

FALSE_POSITIVE_RATE = 0.01


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """Chance that a member scores above a non-member, ties one half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([members, others]))
    n, m = len(members), len(others)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def true_positive_rate(
    members: np.ndarray, others: np.ndarray, false_positive_rate: float = FALSE_POSITIVE_RATE
) -> float:
    """Share of members above the smallest score that at most `false_positive_rate` of the
    non-members exceed.

    Carlini et al. 2022, arXiv:2112.03570.
    """
    one = np.ones((1, len(members))), np.ones((1, len(others)))
    return float(weighted_true_positive_rates(members, others, *one, false_positive_rate)[0])


def weighted_aucs(
    members: np.ndarray, others: np.ndarray, member_weights: np.ndarray, other_weights: np.ndarray
) -> np.ndarray:
    """The AUC under each row of weights of individuals, float64, shape (n_resamples,)."""
    above = (members[:, None] > others[None, :]).astype(np.float32)
    above += 0.5 * (members[:, None] == others[None, :])
    wins = ((member_weights.astype(np.float32) @ above) * other_weights).sum(axis=1)
    return wins / np.maximum(member_weights.sum(axis=1) * other_weights.sum(axis=1), 1)


def weighted_true_positive_rates(
    members: np.ndarray,
    others: np.ndarray,
    member_weights: np.ndarray,
    other_weights: np.ndarray,
    false_positive_rate: float = FALSE_POSITIVE_RATE,
) -> np.ndarray:
    """The true positive rate under each row of weights of individuals, float64, shape
    (n_resamples,).
    """
    falling = np.argsort(-others, kind="stable")
    passed = other_weights[:, falling].cumsum(axis=1)
    allowed = false_positive_rate * passed[:, -1:]
    threshold = others[falling][(passed > allowed).argmax(axis=1)]
    order = np.argsort(members, kind="stable")
    weights_up_to = np.concatenate(
        [np.zeros((len(member_weights), 1)), member_weights[:, order].cumsum(axis=1)], axis=1
    )
    not_above = np.searchsorted(members[order], threshold, side="right")
    rows = np.arange(len(member_weights))
    return 1 - weights_up_to[rows, not_above] / np.maximum(weights_up_to[:, -1], 1)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of bootstrap values."""
    low, high = np.quantile(values, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(low), float(high)


def auc_verdict(low: float, high: float, max_auc: float, resamples: int) -> Verdict:
    """Of an AUC with its 95 % interval: what could not have failed is `not run`."""
    if max_auc >= 1 or resamples < fewest_resamples((1 - INTERVAL) / 2):
        return Verdict.NOT_RUN
    return within(low, high, max_auc)


def within(low: float, high: float, limit: float) -> Verdict:
    """Of an interval: whether all of it, a part or none is within a limit."""
    return Verdict.PASS if high <= limit else Verdict.WEAK if low <= limit else Verdict.FAIL


def interval_of_maximum(
    values: np.ndarray, resampled: np.ndarray, reference: float
) -> tuple[float, float, float]:
    """The largest of some rates, corrected for having been chosen as the largest, with its 95 %
    interval.

    The largest of many noisy metrics lies above the largest of what they estimate, by how much
    depends on how far apart those are. Where the largest is within chance, they are taken to be the
    metrics drawn to their mean as far as noise explains their spread (positive-part James-Stein,
    Efron & Morris 1973, doi:10.2307/2284155); where it is beyond, each is taken at face value, so
    that one attack that sees something is not explained away by others that see nothing. The noise
    is that of resampled individuals, of all metrics at once. What the largest metric then exceeds
    the largest true one by is taken off the observed one (basic bootstrap, Davison & Hinkley 1997,
    section 5.2).

    Parameters
    ----------
    values : ndarray, float, shape (n_figures,)
    resampled : ndarray, float, shape (n_figures, n_resamples)
        Of the same resampled individuals for every metric.
    reference : float
        What the largest metric reaches by chance.

    Returns
    -------
    value, low, high : float
        Within [0, 1].
    """
    noise = resampled - values[:, None]
    true = values
    if values.max() <= reference:
        explained = noise.var(axis=0).mean() / max(values.var(), 1e-12)
        true = values.mean() + max(0.0, 1 - explained) * (values - values.mean())
    excess = (true[:, None] + noise).max(axis=0) - true.max()
    low, high = percentile_interval(excess)
    corrected = values.max() - np.array([excess.mean(), high, low])
    return tuple(np.clip(corrected, 0, 1).tolist())


def exchange(population: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of individuals that keeps each within its population, int64, shape of
    `population`.
    """
    order = np.arange(len(population))
    for name in np.unique(population):
        inside = np.flatnonzero(population == name)
        order[inside] = rng.permutation(inside)
    return order


class Resampling:
    """Resampled individuals and relabelled individuals, the same for every attack.

    Scores are given for held-out individuals first, then for training individuals; `population` has
    that order. Bootstrap weights are drawn for each role; labels are shuffled within each
    population, so that each keeps its numbers.

    Attributes
    ----------
    least_p : float
        Smallest chance that shuffled labels can show: few shuffles, or few individuals to shuffle,
        leave it large.
    """

    def __init__(
        self, population: np.ndarray, n_holdout: int, resamples: int, rng: np.random.Generator
    ):
        self.population = population
        self.n_holdout = n_holdout
        n_train = len(population) - n_holdout
        self.other_weights = rng.multinomial(
            n_holdout, np.full(n_holdout, 1 / n_holdout), size=resamples
        )
        self.member_weights = rng.multinomial(
            n_train, np.full(n_train, 1 / n_train), size=resamples
        )
        member = np.arange(len(population)) >= n_holdout
        sizes = [
            (int((population == name).sum()), int(member[population == name].sum()))
            for name in np.unique(population)
        ]
        self.least_p = 1 / min(1 + resamples, prod(comb(*size) for size in sizes))
        self.labels = np.empty((resamples, len(population)), dtype=bool)
        for name in np.unique(population):
            inside = np.flatnonzero(population == name)
            self.labels[:, inside] = rng.permuted(np.tile(member[inside], (resamples, 1)), axis=1)

    def _parts(self, scores: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, ...]:
        """Scores of the training and of the held-out individuals `inside` (bool, everybody), and
        their bootstrap weights.
        """
        n = self.n_holdout
        members, others = inside[n:], inside[:n]
        weights = self.member_weights[:, members], self.other_weights[:, others]
        return scores[n:][members], scores[:n][others], *weights

    def aucs(self, scores: np.ndarray, inside: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The AUC among the individuals `inside`, its bootstrap values, and its values under
        shuffled labels.
        """
        of_members, of_others, *weights = self._parts(scores, inside)
        labels = self.labels[:, inside]
        n, m = labels.sum(axis=1), (~labels).sum(axis=1)
        shuffled = (labels @ rankdata(scores[inside]) - n * (n + 1) / 2) / np.maximum(n * m, 1)
        return auc(of_members, of_others), weighted_aucs(of_members, of_others, *weights), shuffled

    def true_positive_rates(
        self, scores: np.ndarray, inside: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """The same as `aucs` for the true positive rate at 1 % false positives."""
        of_members, of_others, *weights = self._parts(scores, inside)
        resampled = weighted_true_positive_rates(of_members, of_others, *weights)
        labels, everybody = self.labels[:, inside], scores[inside]
        # an individual of the other label weighs nothing
        shuffled = weighted_true_positive_rates(
            everybody, everybody, labels.astype(np.int64), (~labels).astype(np.int64)
        )
        return true_positive_rate(of_members, of_others), resampled, shuffled
