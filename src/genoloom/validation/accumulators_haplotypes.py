"""Short haplotypes, shared runs and copying likelihood of every group of individuals."""

import numpy as np

from genoloom.popgen.copying import CopyingLikelihood
from genoloom.popgen.haplotypes import PairwiseRuns, combine_ids, garud, group_counts, window_ids
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import Group

SIZES = (10, 20, 50)  # sites of a window; multiples of the first
STATISTICS = ("distinct_haplotypes", "haplotype_h1", "haplotype_h12", "haplotype_h2_h1")
MULTIPLICITIES = 12  # haplotypes seen once, 2-3 times, 4-7 times, ...
RUN_HAPLOTYPES = 80  # runs are quadratic in haplotypes: this many of each group
SEGMENT_CM = 0.2
QUERIES, TEMPLATES = 12, 60
SCAN_HAPLOTYPES, SCAN_SITES = 80, 1000


class WindowHaplotypes:
    """Counts of the distinct haplotypes in adjoining windows, for every group."""

    SUMS = ("windows", "statistics", "distance", "spectrum")

    def __init__(self, groups, members: np.ndarray):
        index = groups.index
        self.members = members
        self.first = np.array([index[a] for a, _ in groups.pairs])
        self.second = np.array([index[b] for _, b in groups.pairs])
        n = members.shape[1]
        self.windows = dict.fromkeys(SIZES, 0)
        self.statistics = {size: np.zeros((len(STATISTICS), n)) for size in SIZES}
        self.distance = {size: np.zeros(len(groups.pairs)) for size in SIZES}
        self.spectrum = {size: np.zeros((MULTIPLICITIES, n)) for size in SIZES}

    def add(self, alleles: np.ndarray) -> np.ndarray:
        """Read a block; windows that its end cuts short are left out.

        Returns
        -------
        ndarray, int32, shape (n_windows, n_haplotypes)
            Numbers of the haplotypes in windows of 20 sites.
        """
        step = SIZES[0]
        base = [
            window_ids(alleles[start : start + step])
            for start in range(0, len(alleles) - step + 1, step)
        ]
        kept = []
        for size in SIZES:
            parts = size // step
            for first in range(0, len(base) - parts + 1, parts):
                ids = base[first]
                for other in base[first + 1 : first + parts]:
                    ids = combine_ids(ids, other)
                self._window(size, group_counts(ids, self.members))
                if size == 20:
                    kept.append(ids.astype(np.int32))
        return np.array(kept, dtype=np.int32).reshape(len(kept), alleles.shape[1])

    def _window(self, size: int, counts: np.ndarray) -> None:
        self.windows[size] += 1
        self.statistics[size] += garud(counts)
        share = counts / counts.sum(axis=0)
        self.distance[size] += 0.5 * np.abs(share[:, self.first] - share[:, self.second]).sum(
            axis=0
        )
        often = np.floor(np.log2(np.maximum(counts, 0.5))).astype(int)
        for m in range(MULTIPLICITIES):
            self.spectrum[size][m] += (often == m).sum(axis=0)

    def mean(self, statistic: str, size: int) -> np.ndarray:
        """Mean over windows, shape (n_groups,); nan without windows."""
        n = self.windows[size]
        values = self.statistics[size][STATISTICS.index(statistic)]
        return values / n if n else np.full(len(values), np.nan)


def sample_rows(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(rows, min(size, len(rows)), replace=False))


class SharedRuns:
    """Runs without a difference between sampled haplotypes of the synthetic and of the real
    individuals.
    """

    SUMS = ("runs",)

    def __init__(self, groups, seed: int):
        rng = np.random.default_rng(derive_seed(seed, "runs"))
        chosen = [
            sample_rows(groups.haplotypes(name), RUN_HAPLOTYPES, rng)
            for name in (*groups.synthetic, Group.HOLDOUT, Group.TRAIN)
        ]
        self.columns = np.unique(np.concatenate(chosen))
        self.at = {
            name: np.flatnonzero(np.isin(self.columns, groups.haplotypes(name)))
            for name in groups.rows
        }
        self.runs = PairwiseRuns(len(self.columns), SEGMENT_CM)

    def begin(self, cm: float) -> None:
        self.runs.begin(cm)

    def add(self, alleles: np.ndarray, cm: np.ndarray) -> None:
        self.runs.add(alleles[:, self.columns], cm)

    def end(self, cm: float) -> None:
        self.runs.end(cm)


class Copying:
    """Li-Stephens likelihood of some haplotypes of the first group of each pair, given some of the
    second.
    """

    SUMS = ("model",)

    def __init__(self, groups, seed: int):
        rng = np.random.default_rng(derive_seed(seed, "copying"))
        smallest = min(len(groups.haplotypes(name)) for name in groups.rows)
        queries = [
            sample_rows(groups.haplotypes(a), min(QUERIES, smallest), rng) for a, _ in groups.pairs
        ]
        for _ in range(groups.left_out):
            sample_rows(groups.haplotypes(Group.HOLDOUT), min(QUERIES, smallest), rng)
        templates = [
            sample_rows(groups.haplotypes(b), min(TEMPLATES, smallest), rng)
            for _, b in groups.pairs
        ]
        # only the haplotypes that take part are read
        self.columns = np.unique(np.concatenate([*queries, *templates]))
        self.model = CopyingLikelihood(
            *(np.searchsorted(self.columns, np.array(rows)) for rows in (queries, templates))
        )

    def begin(self) -> None:
        self.model.begin()

    def add(self, alleles: np.ndarray, cm: np.ndarray) -> None:
        self.model.add(alleles[:, self.columns], cm)


class Scan:
    """Common sites of the first contig for some haplotypes of every group, for selection scans.

    `full`: whether there are enough, or they are of a window that is not the first.
    """

    SUMS = ("alleles", "position")

    def __init__(self, groups, seed: int, full: bool = False):
        rng = np.random.default_rng(derive_seed(seed, "scan"))
        smallest = min(SCAN_HAPLOTYPES, *(len(groups.haplotypes(name)) for name in groups.rows))
        chosen = {name: sample_rows(groups.haplotypes(name), smallest, rng) for name in groups.rows}
        self.columns = np.unique(np.concatenate(list(chosen.values())))
        self.at = {name: np.searchsorted(self.columns, rows) for name, rows in chosen.items()}
        self.alleles: list[np.ndarray] = []
        self.position: list[np.ndarray] = []
        self.full = full

    def add(self, alleles: np.ndarray, position: np.ndarray) -> None:
        """Common sites of the next block."""
        if not self.full:
            self.alleles.append(alleles[:, self.columns])
            self.position.append(position)
            self.full = sum(map(len, self.position)) >= SCAN_SITES

    def end_contig(self) -> None:
        self.full = True

    def of_group(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Alleles, shape (n_sites, n_haplotypes), and positions."""
        return np.concatenate(self.alleles)[:, self.at[name]], np.concatenate(self.position)
