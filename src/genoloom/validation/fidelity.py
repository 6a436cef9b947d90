"""Fidelity of synthetic haplotypes: every metric beside what real people score on it.

Two passes of thought: `Accumulator` reads the variants once, window by window, and keeps sums and (people x people)
matrices; `fidelity_rows` turns them into the table. Memory does not grow with the number of variants; it is quadratic in
the number of people compared, which is capped.

The reference is always the held-out half H. The *floor* of a metric is what real people score against other real people:
the mean over random halvings of H and the training people T together, stratified by population; their standard
deviation is its spread. Levels (one sample, no reference), such as the share of lost sites, have H's own level as floor:
sites are modelled because T carries them, so T, and less so a halving, lose too few. The control row `real` is T taken
as if it were synthetic.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from genoloom.panel import Panel, haplotype_columns
from genoloom.popgen.distances import aats_halves, hamming
from genoloom.popgen.diversity import expected_heterozygosity, heterozygous_calls
from genoloom.popgen.frequencies import BIN_NAMES, folded_spectrum, frequency_bin, minor_frequency, spectrum_distance
from genoloom.popgen.haplotypes import distinct_and_homozygosity, window_ids
from genoloom.popgen.linkage import DISTANCE_EDGES_BP, PearsonSums, r_squared
from genoloom.popgen.structure import hudson_fst_terms, project, sliced_wasserstein
from genoloom.seeds import derive_seed
from genoloom.validation.classifier import two_sample_auc
from genoloom.validation.cohorts import Comparison, read_rows
from genoloom.validation.verdicts import judge

COLUMNS = ["row", "kind", "metric", "population", "bin", "value", "floor", "floor_sd", "nfr", "z", "n", "verdict"]
LINKAGE_MIN_FREQUENCY = 0.05  # linkage of rarer sites is mostly noise at a few hundred people
KERNEL_MIN_FREQUENCY = 0.01
MIN_POPULATION = 20  # people a group; smaller ones are not shown
CLASSIFIER_HALVINGS = 3


@dataclass(frozen=True)
class Metric:
    """One figure of the table: of the synthetic data, of the training people, of each halving, and its floor."""

    name: str
    kind: str
    synthetic: float
    real: float
    halvings: list[float]
    floor: float
    population: str = "all"
    bin: str = "all"
    n: int = 0

    def row(self, label: str, kind: str, value: float) -> dict:
        spread = float(np.nanstd(self.halvings, ddof=1)) if np.isfinite(self.halvings).sum() > 1 else float("nan")
        judgement = judge(self.kind, value, self.floor, 0.0 if np.isnan(spread) else spread)
        return {
            "row": label, "kind": kind, "metric": self.name, "population": self.population, "bin": self.bin,
            "value": value, "floor": self.floor, "floor_sd": spread, "nfr": judgement.nfr, "z": judgement.z,
            "n": self.n, "verdict": judgement.verdict,
        }  # fmt: skip


class Accumulator:
    """Sums over the variants of all contigs. Groups: "S", "H", "T", and "A0", "B0", "A1", ... for the halvings."""

    def __init__(self, people: Comparison, ld_window: int, haplotype_window: int):
        self.people, self.ld_window, self.haplotype_window = people, ld_window, haplotype_window
        self.groups = {"S": people.synthetic, "H": people.holdout, "T": people.train}
        for i, (a, b) in enumerate(people.halvings):
            self.groups |= {f"A{i}": a, f"B{i}": b}
        self.pairs = [("S", "H"), ("T", "H"), *((f"A{i}", f"B{i}") for i in range(len(people.halvings)))]
        sizes = {p: len(people.of_population(people.holdout, p)) for p in sorted(set(people.population))}
        self.populations = [p for p, size in sizes.items() if size >= MIN_POPULATION]
        self.columns = {g: haplotype_columns(rows) for g, rows in self.groups.items()}
        n = len(people.population)
        self.counts: list[np.ndarray] = []  # one (n_variants, n_groups, 1 + n_populations) a window
        self.distance = np.zeros((2 * n, 2 * n), dtype=np.float32)
        self.shared_windows = np.zeros((2 * n, 2 * n), dtype=np.float32)
        self.kernel = np.zeros((n, n))
        self.heterozygous = np.zeros(n, dtype=np.int64)
        self.linkage = {pair: PearsonSums() for pair in self.pairs}
        self.decay = {g: np.zeros(len(DISTANCE_EDGES_BP) - 1) for g in self.groups}
        self.decay_pairs = np.zeros(len(DISTANCE_EDGES_BP) - 1)
        self.windows: dict[str, list[tuple[int, float]]] = {g: [] for g in self.groups}
        self._members = self._membership()

    def _membership(self) -> np.ndarray:
        """Which haplotype belongs to which (group, population), float32, shape (2 * n_people, n_groups * (1 + n_populations))."""
        population = np.repeat(self.people.population, 2)
        columns = []
        for rows in self.columns.values():
            inside = np.zeros(len(population), dtype=np.float32)
            inside[rows] = 1
            columns += [inside, *(inside * (population == p) for p in self.populations)]
        return np.stack(columns, axis=1)

    def add(self, synthetic: Panel, real: Panel) -> None:
        """Read one contig; both panels have the same sites."""
        for start in range(0, len(real.sites), self.ld_window):
            stop = min(start + self.ld_window, len(real.sites))
            alleles = np.concatenate(
                [
                    read_rows(synthetic, self.people.synthetic_people, start, stop),
                    read_rows(real, self.people.real_people, start, stop),
                ],
                axis=1,
            )
            self._add_window(alleles, real.sites.position[start:stop])

    def _add_window(self, alleles: np.ndarray, position: np.ndarray) -> None:
        x = alleles.astype(np.float32)
        counts = (x @ self._members).reshape(len(alleles), len(self.groups), -1)
        self.counts.append(counts.astype(np.int32))
        self.distance += hamming(alleles, alleles)
        self.heterozygous += heterozygous_calls(alleles)
        everybody = (counts[:, 1, 0] + counts[:, 2, 0]) / (4 * self.people.n)
        minor = minor_frequency(everybody)
        self._add_kernel(alleles[minor >= KERNEL_MIN_FREQUENCY], everybody[minor >= KERNEL_MIN_FREQUENCY])
        common = minor >= LINKAGE_MIN_FREQUENCY
        if common.sum() > 1:
            self._add_linkage(alleles[common], position[common])
        for first in range(0, len(alleles) - self.haplotype_window + 1, self.haplotype_window):
            ids = window_ids(alleles[first : first + self.haplotype_window])
            self.shared_windows += ids[:, None] == ids[None, :]
            for group, columns in self.columns.items():
                self.windows[group].append(distinct_and_homozygosity(ids[columns]))

    def _add_kernel(self, alleles: np.ndarray, frequency: np.ndarray) -> None:
        dosage = (alleles[:, 0::2] + alleles[:, 1::2]).astype(np.float64)
        z = (dosage - 2 * frequency[:, None]) / np.sqrt(2 * frequency * (1 - frequency))[:, None]
        self.kernel += z.T @ z

    def _add_linkage(self, alleles: np.ndarray, position: np.ndarray) -> None:
        i, j = np.triu_indices(len(alleles), k=1)
        at = np.searchsorted(DISTANCE_EDGES_BP, position[j] - position[i], side="right") - 1
        self.decay_pairs += np.bincount(at, minlength=len(self.decay_pairs))
        r2 = {}
        for group, columns in self.columns.items():
            r2[group] = r_squared(alleles[:, columns])[i, j]
            self.decay[group] += np.bincount(at, weights=r2[group], minlength=len(self.decay_pairs))
        for (a, b), sums in self.linkage.items():
            sums.add(r2[a], r2[b])

    def decay_curve(self, group: str) -> np.ndarray:
        """Mean r2 by distance, nan where there is no pair."""
        return np.where(self.decay_pairs > 0, self.decay[group] / np.maximum(self.decay_pairs, 1), np.nan)


class Metrics:
    """The figures of the accumulated data, each for every pair of groups."""

    def __init__(self, sums: Accumulator, components: int, seed: int):
        self.sums, self.components, self.seed = sums, components, seed
        self.people, self.n = sums.people, sums.people.n
        counts = np.concatenate(sums.counts)  # (n_variants, n_groups, 1 + n_populations)
        self.count = {g: counts[:, i] for i, g in enumerate(sums.groups)}
        everybody = (self.count["H"][:, 0] + self.count["T"][:, 0]) / (4 * self.n)
        self.bins = frequency_bin(minor_frequency(everybody))
        self.expected = expected_heterozygosity(everybody)
        self._projections: dict[str, list[np.ndarray]] = {}

    def all(self) -> list[Metric]:
        """Every metric of the table."""
        return [
            *self._frequencies(), *self._linkage(), *self._haplotypes(), *self._people(), *self._structure(),
            *self._neighbours(), self._classifier(),
        ]  # fmt: skip

    def _pairwise(self, name: str, kind: str, figure, n: int | None = None, pairs=None, **labels) -> Metric:
        """A figure of two groups."""
        values = [float(figure(a, b)) for a, b in (pairs or self.sums.pairs)]
        return Metric(
            name, kind, values[0], values[1], values[2:], float(np.mean(values[2:])), n=self.n if n is None else n, **labels
        )

    def _level(self, name: str, figure, n: int | None = None, **labels) -> Metric:
        """A figure of one group; the floor is that of the held-out people."""
        halvings = [float(figure(a)) for a, _ in self.sums.pairs[2:]]
        made, trained, held = (float(figure(g)) for g in "STH")
        return Metric(name, "level", made, trained, halvings, held, n=self.n if n is None else n, **labels)

    def frequency(self, group: str, column: int = 0) -> np.ndarray:
        haplotypes = self.sums.columns[group]
        if column:
            own = np.repeat(self.people.population, 2)[haplotypes] == self.sums.populations[column - 1]
            return self.count[group][:, column] / own.sum()
        return self.count[group][:, 0] / len(haplotypes)

    def _frequencies(self) -> list[Metric]:
        metrics = [
            self._pairwise(
                "frequency_correlation", "similarity", lambda a, b: _correlation(self.frequency(a), self.frequency(b))
            ),
            self._pairwise("spectrum_distance", "distance", lambda a, b: spectrum_distance(self.spectrum(a), self.spectrum(b))),
            self._level("sites_lost", lambda g: _monomorphic(self.frequency(g)).mean()),
        ]
        for column, population in enumerate(["all", *self.sums.populations]):
            n = self.n if column == 0 else len(self.people.of_population(self.people.holdout, population))

            def error(a, b, at=slice(None), column=column):
                return np.abs(self.frequency(a, column)[at] - self.frequency(b, column)[at]).mean()

            metrics.append(self._pairwise("frequency_error", "distance", error, n=n, population=population))
            if column == 0:
                for i, label in enumerate(BIN_NAMES):
                    at = self.bins == i
                    if at.any():
                        metrics.append(
                            self._pairwise("frequency_error", "distance", lambda a, b, at=at: error(a, b, at), bin=label)
                        )
                        metrics.append(
                            self._level("sites_lost", lambda g, at=at: _monomorphic(self.frequency(g)[at]).mean(), bin=label)
                        )
        return metrics

    def spectrum(self, group: str) -> np.ndarray:
        return folded_spectrum(self.count[group][:, 0], len(self.sums.columns[group]))

    def _linkage(self) -> list[Metric]:
        def decay_error(a, b):
            return np.nanmean(np.abs(self.sums.decay_curve(a) - self.sums.decay_curve(b)))

        return [
            self._pairwise("ld_r2_correlation", "similarity", lambda a, b: self.sums.linkage[a, b].correlation()),
            self._pairwise("ld_decay_error", "distance", decay_error),
        ]

    def _haplotypes(self) -> list[Metric]:
        if not self.sums.windows["H"]:
            return []
        return [
            self._level("distinct_haplotypes", lambda g: np.mean([w[0] for w in self.sums.windows[g]])),
            self._level("haplotype_homozygosity", lambda g: np.mean([w[1] for w in self.sums.windows[g]])),
        ]

    def _people(self) -> list[Metric]:
        heterozygous = {g: self.sums.heterozygous[rows] for g, rows in self.sums.groups.items()}
        scale = max(float(heterozygous["H"].std()), 1e-12)
        metrics = [
            self._pairwise(
                "heterozygosity_distance",
                "distance",
                lambda a, b: stats.wasserstein_distance(heterozygous[a], heterozygous[b]) / scale,
            ),
            # observed over expected heterozygous calls: 1 - F
            self._level("heterozygosity_ratio", lambda g: heterozygous[g].mean() / self.expected),
        ]
        for p in self.sums.populations:
            rows = {g: self.people.of_population(r, p) for g, r in self.sums.groups.items()}
            metrics.append(
                self._level(
                    "heterozygous_sites",
                    lambda g, rows=rows: self.sums.heterozygous[rows[g]].mean(),
                    n=len(rows["H"]),
                    population=p,
                )
            )
        return metrics

    def _fst(self, a: tuple[str, int], b: tuple[str, int]) -> float:
        sizes = []
        for group, column in (a, b):
            population = np.repeat(self.people.population, 2)[self.sums.columns[group]]
            sizes.append(int((population == self.sums.populations[column - 1]).sum()) if column else len(population))
        numerator, denominator = hudson_fst_terms(self.frequency(*a), sizes[0], self.frequency(*b), sizes[1])
        return numerator / denominator if denominator > 0 else float("nan")

    def _structure(self) -> list[Metric]:
        rng_seed = derive_seed(self.seed, "directions")

        def pca(a, b):
            own, other = self.projection(b, a)
            return sliced_wasserstein(own, other, np.random.default_rng(rng_seed))

        metrics = [self._pairwise("pca_distance", "distance", pca)]
        columns = range(1, len(self.sums.populations) + 1)
        if len(columns) > 1:
            pairs = list(combinations(columns, 2))

            def matrix_error(a, b):
                return np.mean([abs(self._fst((a, i), (a, j)) - self._fst((b, i), (b, j))) for i, j in pairs])

            metrics.append(self._pairwise("fst_matrix_error", "distance", matrix_error))
        for column in columns:
            p = self.sums.populations[column - 1]
            n = len(self.people.of_population(self.people.holdout, p))
            metrics.append(
                self._pairwise(
                    "fst_from_real", "distance", lambda a, b, c=column: max(0.0, self._fst((a, c), (b, c))), n=n, population=p
                )
            )
        return metrics

    def projection(self, reference: str, other: str) -> list[np.ndarray]:
        """Scores of two groups on components fitted on the first; see `popgen.structure.project`."""
        groups = self.sums.groups
        return project(self.sums.kernel, groups[reference], [groups[other]], self.components)

    def distances(self, a: str, b: str) -> np.ndarray:
        return self.sums.distance[np.ix_(self.sums.columns[a], self.sums.columns[b])]

    def _neighbours(self) -> list[Metric]:
        halves = {
            (a, b): aats_halves(self.distances(b, b), self.distances(a, a), self.distances(b, a)) for a, b in self.sums.pairs
        }

        def spread(a, b):
            upper = np.triu_indices(len(self.sums.columns[a]), k=1)
            return stats.ks_2samp(self.distances(a, a)[upper], self.distances(b, b)[upper]).statistic

        return [
            self._pairwise("aats_truth", "half", lambda a, b: halves[a, b][0]),
            self._pairwise("aats_synthetic", "half", lambda a, b: halves[a, b][1]),
            self._pairwise("pairwise_distance_ks", "distance", spread),
        ]

    def _classifier(self) -> Metric:
        def auc(a, b):
            rows = np.concatenate([self.sums.columns[a], self.sums.columns[b]])
            label = np.repeat([1, 0], [len(self.sums.columns[a]), len(self.sums.columns[b])])
            person = np.concatenate([np.arange(len(label)) // 2])
            square = np.ix_(rows, rows)
            kernels = [-self.sums.distance[square], self.sums.shared_windows[square]]
            return max(two_sample_auc(kernel, label, person, self.seed) for kernel in kernels)

        return self._pairwise("classifier_auc", "accuracy", auc, pairs=self.sums.pairs[: 2 + CLASSIFIER_HALVINGS])


def fidelity_rows(metrics: list[Metric], name: str, kind: str) -> list[dict]:
    """Rows of the table for the generator `name`."""
    return [metric.row(name, kind, metric.synthetic) for metric in metrics]


def real_rows(metrics: list[Metric]) -> list[dict]:
    """Rows of the training people, taken as if they were synthetic; lost sites aside, for T cannot lose any."""
    return [metric.row("real", "control", metric.real) for metric in metrics if metric.name != "sites_lost"]


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    sums = PearsonSums()
    sums.add(x, y)
    return sums.correlation()


def _monomorphic(frequency: np.ndarray) -> np.ndarray:
    return (frequency == 0) | (frequency == 1)
