"""Near copies: synthetic rows that sit on a training row as none sits on a held-out one.

An attack that averages over all training people cannot see that a few were copied. This test looks from the other side:
how much nearer is each synthetic row to its nearest training row than to its nearest held-out row? Without copying,
training and held-out people are exchangeable, so among the rows where the two differ most, either is nearer equally
often, however many people coincide by nature. Copies stand at the top, all on one side.
"""

from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from genoloom.audit_levels import COPY_LEVEL, FLOOR_LEVEL

NEIGHBOURS = 24  # real rows kept for each synthetic row
FEWEST = 5  # rows at the top that are looked at, at least
DEPTH = 0.25  # and at most, as a share of the synthetic rows
SMALLEST_DEPTH = ceil(-log2(COPY_LEVEL)) + 2  # but as many rows as one-sidedness by chance needs to be rare


@dataclass(frozen=True)
class Neighbours:
    """The nearest real rows of each synthetic row.

    Attributes
    ----------
    log_distance : ndarray, float, shape (n_synthetic, k)
        Rising along the rows; any monotone measure of being far, on a scale on which differences are comparable.
    person : ndarray of int, shape (n_synthetic, k)
        The person each belongs to.
    """

    log_distance: np.ndarray
    person: np.ndarray

    @classmethod
    def of(cls, log_distance: np.ndarray, rows_a_person: int) -> "Neighbours":
        """From the log-distances of all real rows (first axis) to all synthetic rows."""
        k = min(NEIGHBOURS, len(log_distance))
        nearest = np.argpartition(log_distance, k - 1, axis=0)[:k]
        values = np.take_along_axis(log_distance, nearest, axis=0)
        order = np.argsort(values, axis=0, kind="stable")
        take = np.take_along_axis
        return cls(take(values, order, axis=0).T, take(nearest, order, axis=0).T // rows_a_person)

    def nearer_to_members(self, member: np.ndarray) -> np.ndarray:
        """Log-distance to the nearest other minus that to the nearest member, shape (n_labellings, n_synthetic).

        `member` is bool, shape (n_labellings, n_people). Where all kept neighbours are of one kind, the last one stands
        for the nearest of the other.
        """
        label = member[:, self.person]
        last = self.log_distance.shape[1] - 1
        rows = np.arange(len(self.person))
        first_member = np.where(label.any(axis=2), label.argmax(axis=2), last)
        first_other = np.where((~label).any(axis=2), (~label).argmax(axis=2), last)
        return self.log_distance[rows, first_other] - self.log_distance[rows, first_member]

    def largest_statistic(self) -> float:
        """The `one_sidedness` when every row that has a nearest neighbour is nearer to members."""
        rows = len(self.log_distance)
        able = min(int((self.log_distance[:, -1] > self.log_distance[:, 0]).sum()), _depth(rows))
        return able / np.sqrt(max(able, min(FEWEST, rows)))


def _depth(n_rows: int) -> int:
    return min(n_rows, max(SMALLEST_DEPTH, round(DEPTH * n_rows)))


def one_sidedness(difference: np.ndarray) -> np.ndarray:
    """How one-sided the rows with the largest differences are, in standard deviations; shape (n_labellings,).

    For each number of rows from the top, members' rows minus the others', over the root of the number; then the largest.
    """
    n = difference.shape[1]
    order = np.argsort(-np.abs(difference), axis=1, kind="stable")[:, : _depth(n)]
    sign = np.sign(np.take_along_axis(difference, order, axis=1)).cumsum(axis=1)
    counts = np.arange(1, sign.shape[1] + 1)
    return (sign / np.sqrt(counts))[:, min(FEWEST, n) - 1 :].max(axis=1)


@dataclass(frozen=True)
class CopyTest:
    """What a test for near copies found.

    Attributes
    ----------
    statistic, floor : float
        The one-sidedness, and what chance alone reaches.
    chance : float
        The chance of as much without copies.
    least_chance : float
        The smallest that could have been found, had all rows been copies. Rows that are all alike can hide a copy.
    """

    statistic: float
    floor: float
    chance: float
    least_chance: float

    @property
    def verdict(self) -> str:
        """`not run` where even nothing but copies could not have failed."""
        if self.least_chance > COPY_LEVEL:
            return "not run"
        return "fail" if self.chance <= COPY_LEVEL else "pass"


def near_copies(neighbours: Neighbours, member: np.ndarray, shuffled: np.ndarray) -> CopyTest:
    """Test for near copies.

    Parameters
    ----------
    neighbours : Neighbours
    member : ndarray of bool, shape (n_people,)
    shuffled : ndarray of bool, shape (n_shuffles, n_people)
    """
    found = one_sidedness(neighbours.nearer_to_members(member[None]))[0]
    by_chance = one_sidedness(neighbours.nearer_to_members(shuffled))

    def chance_of(statistic: float) -> float:
        return float((1 + (by_chance >= statistic - 1e-9).sum()) / (1 + len(by_chance)))

    floor = float(np.quantile(by_chance, FLOOR_LEVEL))
    return CopyTest(float(found), floor, chance_of(found), chance_of(neighbours.largest_statistic()))
