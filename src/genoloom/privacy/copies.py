"""Near copies: synthetic rows that sit on a training row as none sits on a held-out one.

An attack that averages over all training individuals cannot see that a few were copied. This test
looks from the other side: how much nearer is each synthetic row to its nearest training row than to
its nearest held-out row? Without copying, training and held-out individuals are exchangeable, so
among the rows where the two differ most, either is nearer equally often, however many individuals
coincide by nature. Copies are at the top, all on one side.
"""

from dataclasses import dataclass, replace
from math import ceil, log2, nan

import numpy as np

from genoloom.audit_levels import CHANCE_LEVEL, COPY_LEVEL
from genoloom.validation.verdicts import Verdict

NEIGHBOURS = 24  # real rows kept for each synthetic row
FEWEST = 5  # rows at the top that are looked at, at least
FEWEST_SEGMENTS = 3  # the same where real individuals are among them
AT_ONCE = 1 << 24  # labels of neighbours held at a time
DEPTH = 0.25  # and at most, as a share of the synthetic rows
# but as many rows as one-sidedness by chance needs to be rare
SMALLEST_DEPTH = ceil(-log2(COPY_LEVEL)) + 2
FEW_COPIES = 0.05  # share of the rows that are copies when it is tried whether they would be seen
TRIES, SEEN = 10, 8  # tries, and of how many the chance is known: in as many it is no larger


@dataclass(frozen=True)
class Neighbours:
    """The nearest real rows of each synthetic row.

    Attributes
    ----------
    log_distance : ndarray, float, shape (n_synthetic, k)
        Rising along the rows; any monotone measure of being far, on a scale on which differences
        are comparable.
    individual : ndarray of int, shape (n_synthetic, k)
        The individual each belongs to.
    """

    log_distance: np.ndarray
    individual: np.ndarray

    @classmethod
    def of(cls, log_distance: np.ndarray, rows_per_individual: int) -> "Neighbours":
        """From the log-distances of all real rows (first axis) to all synthetic rows."""
        k = min(NEIGHBOURS, int(np.isfinite(log_distance).sum(axis=0).min()))
        nearest = np.argpartition(log_distance, k - 1, axis=0)[:k]
        values = np.take_along_axis(log_distance, nearest, axis=0)
        order = np.argsort(values, axis=0, kind="stable")
        take = np.take_along_axis
        return cls(
            take(values, order, axis=0).T, take(nearest, order, axis=0).T // rows_per_individual
        )

    @classmethod
    def of_others(cls, log_distance: np.ndarray, rows_per_individual: int) -> "Neighbours":
        """From the log-distances among all rows; no individual is a neighbour of itself."""
        individual = np.arange(len(log_distance)) // rows_per_individual
        return cls.of(
            np.where(individual[:, None] == individual[None, :], np.inf, log_distance),
            rows_per_individual,
        )

    def with_some_of(self, copies: "Neighbours", rng: np.random.Generator) -> "Neighbours":
        """The same with `FEW_COPIES` of the rows, and as many as can be distinguished from
        chance, taken from `copies`.
        """
        n = len(self.individual)
        rows = rng.permutation(n)[: max(SMALLEST_DEPTH, round(FEW_COPIES * n))]
        log_distance, individual = self.log_distance.copy(), self.individual.copy()
        log_distance[rows], individual[rows] = copies.log_distance[rows], copies.individual[rows]
        return Neighbours(log_distance, individual)

    def nearer_to_members(self, member: np.ndarray) -> np.ndarray:
        """Log-distance to the nearest other minus that to the nearest member, shape (n_labellings,
        n_synthetic).

        `member` is bool, shape (n_labellings, n_individuals). Where all kept neighbours are of one
        kind, the last one is the nearest of the other.
        """
        return self.difference(member, ~member)

    def difference(self, members: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The same where some individuals are of neither kind."""
        return self._nearest(others) - self._nearest(members)

    def _nearest(self, inside: np.ndarray) -> np.ndarray:
        label = inside[:, self.individual]
        first = np.where(label.any(axis=2), label.argmax(axis=2), self.log_distance.shape[1] - 1)
        return self.log_distance[np.arange(len(self.individual)), first]

    def largest_statistic(self, rows: np.ndarray | None = None, fewest: int = FEWEST) -> float:
        """The `one_sidedness` when all of some rows (default: of all) are nearer to members.

        Rows whose kept neighbours are all equally near are nearer to nobody. At a distance of 0 or
        more, with `rows`, they have nothing in common with anybody, and a copy would show.
        """
        distance = self.log_distance if rows is None else self.log_distance[rows]
        nearer = (distance[:, -1] > distance[:, 0]) | ((distance[:, 0] >= 0) & (rows is not None))
        able = min(int(nearer.sum()), _depth(len(distance)))
        return able / np.sqrt(max(able, min(fewest, len(distance))))


def _depth(n_rows: int) -> int:
    return min(n_rows, max(SMALLEST_DEPTH, round(DEPTH * n_rows)))


def one_sidedness(
    difference: np.ndarray, counted: np.ndarray | None = None, fewest: int = FEWEST
) -> np.ndarray:
    """How one-sided the rows with the largest differences are, in standard deviations; shape
    (n_labellings,).

    For each number of rows from the top, members' rows minus the others', over the root of the
    number; then the largest.

    Parameters
    ----------
    difference : ndarray, float, shape (n_labellings, n_rows)
    counted : ndarray of bool, shape (n_labellings, n_rows), optional
        Rows at the top that are not counted are evidence for neither side.
    fewest : int
        Rows at the top, at least.
    """
    depth = _depth(difference.shape[1] if counted is None else int(counted[0].sum()))
    order = np.argsort(-np.abs(difference), axis=1, kind="stable")[:, :depth]
    sign = np.sign(np.take_along_axis(difference, order, axis=1))
    if counted is not None:
        sign = sign * np.take_along_axis(counted, order, axis=1)
    counts = np.arange(1, depth + 1)
    return (sign.cumsum(axis=1) / np.sqrt(counts))[:, min(fewest, depth) - 1 :].max(axis=1)


@dataclass(frozen=True)
class CopyTest:
    """What a test for near copies found.

    Attributes
    ----------
    statistic, reference : float
        The one-sidedness, and what chance alone reaches.
    chance : float
        The chance of as much without copies.
    least_chance : float
        The smallest that could have been found, had all rows been copies. Rows that are all alike
        can hide a copy, and few individuals have few labellings.
    few_copies_chance : float
        What is found in `SEEN` of `TRIES` tries, had `FEW_COPIES` of the rows been copies; nan
        where not tried.
    """

    statistic: float
    reference: float
    chance: float
    least_chance: float
    few_copies_chance: float = nan

    @property
    def verdict(self) -> Verdict:
        """`not run` where even nothing but copies could not have failed."""
        if self.least_chance > COPY_LEVEL:
            return Verdict.NOT_RUN
        return Verdict.FAIL if self.chance <= COPY_LEVEL else Verdict.PASS


def near_copies(
    neighbours: Neighbours,
    member: np.ndarray,
    shuffled: np.ndarray,
    copies: Neighbours | None = None,
    rng: np.random.Generator | None = None,
) -> CopyTest:
    """Test for near copies.

    Parameters
    ----------
    neighbours : Neighbours
    member : ndarray of bool, shape (n_individuals,)
    shuffled : ndarray of bool, shape (n_shuffles, n_individuals)
    copies : Neighbours, optional
        Of the members themselves in place of the synthetic rows: what nothing but copies would
        show.
    rng : Generator, optional
        With it, it is tried whether few copies would be seen.
    """
    found = one_sidedness(neighbours.nearer_to_members(member[None]))[0]
    by_chance = one_sidedness(neighbours.nearer_to_members(shuffled))
    largest = neighbours.largest_statistic()
    if copies is not None:
        largest = min(largest, one_sidedness(copies.nearer_to_members(member[None]))[0])
    judged = _judged(found, by_chance, largest, _as_dealt(shuffled, member))
    if copies is None or rng is None:
        return judged
    few = [
        one_sidedness(neighbours.with_some_of(copies, rng).nearer_to_members(member[None]))[0]
        for _ in range(TRIES)
    ]
    return replace(judged, few_copies_chance=_chance_of(np.sort(few)[-SEEN], by_chance))


def copied_segments(
    neighbours: Neighbours, population: np.ndarray, n_shuffles: int, rng: np.random.Generator
) -> CopyTest:
    """Test for copies against real individuals, who are as near to each other as chance and kinship
    make them.

    Shuffled labels alone cannot see fewer than eight copies: as many are nearer to training
    individuals in one of 2 ** 8 shuffles. Here the synthetic individuals take part in the shuffle.
    Fresh individuals, held-out individuals and training individuals are exchangeable, so the rows
    of all with the largest differences are as often held-out or training individuals as synthetic
    ones; copies push themselves to the top. What counts there are synthetic rows only, nearer to
    training individuals less nearer to held-out ones, so that rows which are unlike real
    individuals count for neither side.

    Parameters
    ----------
    neighbours : Neighbours
        Of all rows: synthetic, held-out and training individuals, equally many.
    population : ndarray of str, shape (3 * n_individuals,)
        Shuffled within.
    """
    role = np.repeat([0, 1, 2], len(population) // 3)
    rows_per_individual = len(neighbours.individual) // len(role)
    shuffled = np.tile(role, (n_shuffles, 1))
    for name in np.unique(population):
        inside = np.flatnonzero(population == name)
        shuffled[:, inside] = rng.permuted(shuffled[:, inside], axis=1)

    # rows that tie come in an order that has nothing to do with their roles
    order = np.random.default_rng(0).permutation(len(neighbours.individual))

    def statistics(roles: np.ndarray) -> np.ndarray:
        difference = neighbours.difference(roles == 2, roles == 1)
        synthetic = np.repeat(roles == 0, rows_per_individual, axis=1)
        return one_sidedness(difference[:, order], synthetic[:, order], FEWEST_SEGMENTS)

    at_once = max(1, AT_ONCE // neighbours.individual.size)
    by_chance = np.concatenate(
        [statistics(shuffled[i : i + at_once]) for i in range(0, n_shuffles, at_once)]
    )
    synthetic = np.repeat(role == 0, rows_per_individual)
    largest = neighbours.largest_statistic(synthetic, FEWEST_SEGMENTS)
    return _judged(statistics(role[None])[0], by_chance, largest, _as_dealt(shuffled, role))


def _as_dealt(shuffled: np.ndarray, labels: np.ndarray) -> float:
    """Chance that labels are shuffled to what they were; no test on them can show a smaller one."""
    return float((1 + (shuffled == labels).all(axis=1).sum()) / (1 + len(shuffled)))


def _judged(found: float, by_chance: np.ndarray, largest: float, as_dealt: float) -> CopyTest:
    reference = float(np.quantile(by_chance, CHANCE_LEVEL))
    least = max(as_dealt, _chance_of(largest, by_chance))
    return CopyTest(float(found), reference, _chance_of(found, by_chance), least)


def _chance_of(statistic: float, by_chance: np.ndarray) -> float:
    return float((1 + (by_chance >= statistic - 1e-9).sum()) / (1 + len(by_chance)))
