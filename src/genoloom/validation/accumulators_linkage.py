"""Linkage of common sites, in windows of them, for every group of individuals."""

import numpy as np

from genoloom.panel import haplotype_columns
from genoloom.popgen.frequencies import frequency_bin
from genoloom.popgen.haplotypes import extended_homozygosity
from genoloom.popgen.linkage import (
    DISTANCE_EDGES_BP,
    DISTANCE_EDGES_CM,
    correlation,
    d_prime,
    r_squared,
    three_point,
)
from genoloom.validation.accumulators_association import Association

GAPS = (1, 4, 16, 64)  # sites between the members of a triple
EXTENTS = (2, 5, 10, 20, 40, 80)  # common sites over which carriers stay identical
BINS = (3, 4)  # frequency bins that hold common sites: 5-20 % and 20-50 %


class PairSums:
    """Correlations and slopes between groups, over values that arrive in pieces."""

    SUMS = ("n", "sum", "square", "product")

    def __init__(self, first: np.ndarray, second: np.ndarray, n_groups: int):
        self.first, self.second = first, second
        self.n = 0
        self.sum, self.square = np.zeros(n_groups), np.zeros(n_groups)
        self.product = np.zeros(len(first))

    def add(self, values: np.ndarray) -> None:
        """Values of every group, shape (n_groups, n_values)."""
        self.n += values.shape[1]
        self.sum += values.sum(axis=1)
        self.square += np.einsum("gv,gv->g", values, values)
        self.product += np.einsum("pv,pv->p", values[self.first], values[self.second])

    def _moments(self, pair: int) -> tuple[float, float, float]:
        a, b = self.first[pair], self.second[pair]
        n = max(self.n, 1)
        mean_a, mean_b = self.sum[a] / n, self.sum[b] / n
        return (
            self.square[a] / n - mean_a**2,
            self.square[b] / n - mean_b**2,
            self.product[pair] / n - mean_a * mean_b,
        )

    def correlation(self, pair: int) -> float:
        """Pearson's r of a pair of groups; nan when a side does not vary."""
        a, b, product = self._moments(pair)
        return float(product / np.sqrt(a * b)) if min(a, b) > 1e-18 else float("nan")

    def slope(self, pair: int) -> float:
        """Least-squares slope of the first group on the second; nan when the second does not
        vary.
        """
        _, b, product = self._moments(pair)
        return float(product / b) if b > 1e-18 else float("nan")


class PopulationLinkage:
    """Sums of r2 within one population."""

    SUMS = ("r2",)

    def __init__(self, groups, column: int, first: np.ndarray, second: np.ndarray):
        self.columns = [
            haplotype_columns(groups.of_population(name, column)) for name in groups.rows
        ]
        self.r2 = PairSums(first, second, len(self.columns))

    def add(self, alleles: np.ndarray, flat: np.ndarray) -> None:
        """A window of common sites; `flat` holds the places of its pairs in a flattened matrix."""
        self.r2.add(
            np.stack([r_squared(alleles[:, columns]).ravel()[flat] for columns in self.columns])
        )


class Linkage:
    """Sums over pairs and triples of common sites; sites wait until a window of them is full.

    `n_sites` of all contigs; `before`: of those, in the windows before this one.
    """

    SUMS = (
        "r2", "r", "d_prime", "score", "r2_of_bin", "triples", "of_population", "association",
        "decay", "decay_pairs", "identical", "carrier_pairs",
    )  # fmt: skip

    def __init__(
        self, groups, members: np.ndarray, window: int, seed: int, n_sites: int, before: int = 0
    ):
        self.members, self.window = members, window
        self.columns = [groups.haplotypes(name) for name in groups.rows]
        index = groups.index
        first = np.array([index[a] for a, _ in groups.pairs])
        second = np.array([index[b] for _, b in groups.pairs])

        def sums() -> PairSums:
            return PairSums(first, second, len(self.columns))

        self.pair_index = {pair: i for i, pair in enumerate(groups.pairs)}
        self.r2, self.r, self.d_prime, self.score = sums(), sums(), sums(), sums()
        self.r2_of_bin = {i: sums() for i in BINS}
        self.triples = {gap: sums() for gap in GAPS}
        self.of_population = [
            PopulationLinkage(groups, c + 1, first, second) for c in range(len(groups.populations))
        ]
        self.association = Association(groups, seed, -(-n_sites // window), before // window)
        n, bins = len(self.columns), len(DISTANCE_EDGES_BP) - 1
        self.decay = {"bp": np.zeros((n, bins)), "cm": np.zeros((n, bins))}
        self.decay_pairs = {"bp": np.zeros(bins), "cm": np.zeros(bins)}
        self.identical, self.carrier_pairs = np.zeros((len(EXTENTS), n)), np.zeros(n)
        self._waiting: list[tuple] = []

    def add(
        self, alleles: np.ndarray, position: np.ndarray, cm: np.ndarray, minor: np.ndarray
    ) -> None:
        """Common sites of the next block."""
        parts = [*self._waiting, (alleles, position, cm, minor)]
        joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
        while len(joined[0]) >= self.window:
            self._window(*(column[: self.window] for column in joined))
            joined = [column[self.window :] for column in joined]
        self._waiting = [tuple(joined)]

    def end_contig(self) -> None:
        """Linkage does not reach across contigs."""
        if self._waiting and len(self._waiting[0][0]) > 1:
            self._window(*self._waiting[0])
        self._waiting = []

    def _window(
        self, alleles: np.ndarray, position: np.ndarray, cm: np.ndarray, minor: np.ndarray
    ) -> None:
        i, j = np.triu_indices(len(alleles), k=1)
        flat = i * len(alleles) + j
        r = np.empty((len(self.columns), len(i)))
        limit, scores = np.empty_like(r), np.empty((len(self.columns), len(alleles)))
        for g, columns in enumerate(self.columns):
            own = alleles[:, columns]
            full = correlation(own)
            frequency = own.mean(axis=1)
            r[g] = full.ravel()[flat]
            limit[g] = d_prime(r[g], frequency[i], frequency[j])
            scores[g] = np.einsum("ij,ij->i", full, full) - full.diagonal() ** 2
        self.r.add(r)
        self.d_prime.add(limit)
        self.score.add(scores)
        r2 = np.multiply(r, r, out=r)
        self.r2.add(r2)
        bins = frequency_bin(minor)
        for which, sums in self.r2_of_bin.items():
            sums.add(r2[:, (bins[i] == which) & (bins[j] == which)])
        self._add_decay(
            "bp",
            r2,
            np.searchsorted(DISTANCE_EDGES_BP, position[j] - position[i], side="right") - 1,
        )
        # positions in files are rounded: what lies on an edge must not fall to either side of it
        self._add_decay(
            "cm", r2, np.searchsorted(DISTANCE_EDGES_CM, cm[j] - cm[i] + 1e-7, side="right") - 1
        )
        for population in self.of_population:
            population.add(alleles, flat)
        self.association.add(alleles)
        for gap, sums in self.triples.items():
            if len(alleles) > 2 * gap:
                sums.add(three_point(alleles, gap, self.members).T)
        for focal in (0, len(alleles) // 2):
            if len(alleles) - focal >= EXTENTS[-1]:
                identical, pairs = extended_homozygosity(
                    alleles[focal:], list(EXTENTS), self.members
                )
                self.identical += identical
                self.carrier_pairs += pairs

    def _add_decay(self, unit: str, r2: np.ndarray, at: np.ndarray) -> None:
        inside = np.zeros((r2.shape[1], len(self.decay_pairs[unit])))
        inside[np.arange(r2.shape[1]), at] = 1
        self.decay[unit] += r2 @ inside
        self.decay_pairs[unit] += inside.sum(axis=0)

    def decay_curve(self, group: int, unit: str) -> np.ndarray:
        """Mean r2 by distance, nan where there is no pair."""
        pairs = self.decay_pairs[unit]
        return np.where(pairs > 0, self.decay[unit][group] / np.maximum(pairs, 1), np.nan)

    def homozygosity_curve(self, group: int) -> np.ndarray:
        """Extended haplotype homozygosity of rarer alleles by number of common sites; nan without
        carriers.
        """
        pairs = self.carrier_pairs[group]
        return self.identical[:, group] / pairs if pairs > 0 else np.full(len(EXTENTS), np.nan)
