"""Duplicates and close relatives among many individuals, from their genotypes.

Three signs are used, each only where the individuals themselves show that it can be distinguished
from chance:

- kinship (KING-robust, Manichaikul et al. 2010, doi:10.1093/bioinformatics/btq559) of second
  degree and nearer, at least 2^-3.5, or of first degree, at least 2^-2.5;
- nearly no site at which both are homozygous for different alleles: parents and children, who
  share an allele at every site, so that this sign needs far fewer sites than kinship;
- nearly no site at which they differ: duplicates, identical twins; not where so many pairs are
  that they cannot be.

A sign is usable where its threshold lies `CLEAR` standard deviations from the median of pairs of
individuals of one population, nearly all of whom are unrelated.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SECOND_DEGREE, FIRST_DEGREE = 2**-3.5, 2**-2.5
CLEAR = 5.0  # standard deviations; one pair in two million unrelated ones lies beyond
DUPLICATE_SHARE = 0.05  # of the sites at which unrelated individuals differ: errors of two callers
CELLS = 1 << 25  # pairs whose counts are held at a time
MIN_PAIRS = 20  # of one population, to know what is usual
# more pairs without a difference than this per individual are no duplicates: few sites are there
MOST_DUPLICATES = 2.0

Blocks = Callable[[], Iterable[np.ndarray]]


@dataclass(frozen=True)
class Relatives:
    """What was found.

    Attributes
    ----------
    pairs : ndarray of int, shape (n_pairs, 2)
        Related individuals, the smaller index first.
    degree : int or None
        Kinship finds relatives up to this degree, 2 or 1; None: there are too few independent
        sites.
    parents : bool
        Whether parents and children are found without it.
    duplicates : bool
        Whether duplicates are: at few sites many individuals have the same genotypes.
    """

    pairs: np.ndarray
    degree: int | None
    parents: bool
    duplicates: bool


def find_relatives(blocks: Blocks, population: np.ndarray) -> Relatives:
    """Pairs of duplicates and relatives.

    Parameters
    ----------
    blocks : callable
        Gives, each time it is called, an iterator over blocks of dosages (0, 1, 2), int8, shape
        (n_variants, n_individuals), without missing calls. It is called once for each group of
        individuals whose pairs fit into memory.
    population : ndarray, shape (n_individuals,)
        Labels.
    """
    n = len(population)
    rows_at_a_time = max(1, CELLS // max(n, 1))
    found: list[np.ndarray] = []
    usual = None
    for start in range(0, n, rows_at_a_time):
        tile = _Tile(start, min(start + rows_at_a_time, n), n)
        for dosage in blocks():
            tile.add(dosage)
        if usual is None:
            usual = _Usual.of(tile, population)
            if usual is None:
                break
        found.append(tile.pairs(usual))
    if usual is None:
        return Relatives(np.empty((0, 2), dtype=np.int64), None, parents=False, duplicates=False)
    return Relatives(np.concatenate(found), usual.degree, usual.opposite >= 1, usual.differing >= 0)


def groups(n: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """The smallest index of each individual's group, where pairs are joined, int (n,)."""
    joined = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    first = np.full(n, n, dtype=np.int64)
    np.minimum.at(first, label, np.arange(n))
    return first[label]


class _Tile:
    """Counts of sites for the pairs of some individuals with everybody."""

    def __init__(self, start: int, stop: int, n: int):
        self.rows = slice(start, stop)
        self.both_heterozygous = np.zeros((stop - start, n), dtype=np.float32)
        self.opposite = np.zeros((stop - start, n), dtype=np.float32)
        self.heterozygous = np.zeros(n, dtype=np.float32)

    def add(self, dosage: np.ndarray) -> None:
        """Read a block."""
        zero, one, two = ((dosage == value).astype(np.float32) for value in (0, 1, 2))
        self.both_heterozygous += one[:, self.rows].T @ one
        self.opposite += zero[:, self.rows].T @ two + two[:, self.rows].T @ zero
        self.heterozygous += one.sum(axis=0)

    def signs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kinship (nan without a heterozygous site), sites of opposite homozygotes, sites that
        differ.
        """
        a, b = self.heterozygous[self.rows, None], self.heterozygous[None, :]
        smaller = np.minimum(a, b)
        with np.errstate(divide="ignore", invalid="ignore"):
            kinship = (self.both_heterozygous - 2 * self.opposite) / (2 * smaller)
            kinship += 0.5 - (a + b) / (4 * smaller)
        return kinship, self.opposite, a + b - 2 * self.both_heterozygous + self.opposite

    def pairs(self, usual: "_Usual") -> np.ndarray:
        """Related pairs, the smaller index first, int (n_pairs, 2)."""
        kinship, opposite, differing = self.signs()
        related = differing <= usual.differing
        if usual.opposite >= 1:
            related |= (opposite <= usual.opposite) & (kinship >= SECOND_DEGREE)
        if usual.degree is not None:
            related |= kinship >= (SECOND_DEGREE if usual.degree == 2 else FIRST_DEGREE)
        i, j = np.nonzero(related)
        i = i + self.rows.start
        return np.stack([i[i < j], j[i < j]], axis=1)


@dataclass(frozen=True)
class _Usual:
    """Thresholds that pairs of unrelated individuals do not reach; `differing` is below 0 where
    too many do.
    """

    degree: int | None
    opposite: float
    differing: float

    @classmethod
    def of(cls, tile: _Tile, population: np.ndarray) -> "_Usual | None":
        """From the pairs of one population within a tile; None where there are too few."""
        same = population[tile.rows, None] == population[None, :]
        same &= (
            np.arange(len(population))[None, :]
            > np.arange(tile.rows.start, tile.rows.stop)[:, None]
        )
        if same.sum() < MIN_PAIRS:
            return None
        kinship, opposite, differing = (sign[same] for sign in tile.signs())
        kinship = kinship[np.isfinite(kinship)]
        if kinship.size < MIN_PAIRS:
            return None
        centre, spread = _centre(kinship)
        usable = [
            degree
            for degree, least in ((2, SECOND_DEGREE), (1, FIRST_DEGREE))
            if least - centre >= CLEAR * spread
        ]
        # roots of counts have a spread that does not depend on their mean
        centre, spread = _centre(np.sqrt(opposite))
        fewest = max(0.0, centre - CLEAR * spread) ** 2
        most = DUPLICATE_SHARE * float(np.median(differing))
        if (differing <= most).sum() > MOST_DUPLICATES * len(tile.opposite):
            most = -1.0
        return cls(next(iter(usable), None), fewest, most)


def _centre(values: np.ndarray) -> tuple[float, float]:
    """Median, and half the distance of the 16th from the 84th percentile."""
    low, middle, high = np.percentile(values, [16, 50, 84])
    return float(middle), float(high - low) / 2
