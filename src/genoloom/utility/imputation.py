"""Panels of haplotypes as reference panels: held-out individuals are masked, to the sites of an
array or at random, and imputed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import ArrayHaplotypes, Sites, haplotype_columns
from genoloom.popgen.frequencies import BIN_NAMES, frequency_bin, minor_frequency
from genoloom.popgen.imputation import impute
from genoloom.seeds import row_seeds
from genoloom.utility.measures import ALL, REAL, Measure, squared_correlation

COMMON = 0.05  # least minor frequency of the sites of an array
PARTICLES = 16  # of a model, as `genoloom impute` has them
BATCH = 50_000_000  # chances of templates in memory


@dataclass(frozen=True)
class Window:
    """Sites of a contig, ascending.

    Attributes
    ----------
    sites : Sites
    cm : ndarray, float64, shape (n_sites,)
        Genetic positions, centimorgans.
    panels : dict of ndarray, int8, shape (n_sites, n_haplotypes)
        By the names of `PANELS`.
    holdout : ndarray, int8, shape (n_sites, n_haplotypes)
    """

    sites: Sites
    cm: np.ndarray
    panels: dict[str, np.ndarray]
    holdout: np.ndarray

    def take(self, index) -> "Window":
        """The window at some of its sites (slice or integer array)."""
        panels = {name: alleles[index] for name, alleles in self.panels.items()}
        return Window(self.sites.take(index), self.cm[index], panels, self.holdout[index])

    @property
    def frequency(self) -> np.ndarray:
        """Of the alternate allele in the real panel, float64, shape (n_sites,)."""
        return self.panels[REAL].mean(axis=1)


# (window, haplotypes of a panel or None, observed sites, haplotypes of targets there, -1 is
# missing) -> alternate alleles of each target individual, float, shape (n_sites, n_targets)
Imputer = Callable[[Window, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def by_copying(
    window: Window, templates: np.ndarray, observed: np.ndarray, targets: np.ndarray
) -> np.ndarray:  # fmt: skip
    """The Li-Stephens imputer of `genoloom.popgen.imputation`."""
    # even: the two haplotypes of an individual stay together
    batch = max(2, BATCH // (len(observed) * templates.shape[1]) // 2 * 2)
    starts = range(0, targets.shape[1], batch)
    parts = [impute(templates, targets[:, i : i + batch], observed, window.cm) for i in starts]
    imputed = np.concatenate(parts, axis=1)
    return imputed[:, 0::2] + imputed[:, 1::2]


def by_model(
    generator: HaplotypeGenerator, sites: Sites, population: np.ndarray, seed: int
) -> Imputer:  # fmt: skip
    """What the model itself makes of the observed alleles, with all else unknown: posterior means.

    Sites that the model does not have get the dosage of the real panel's frequency.

    Parameters
    ----------
    sites : Sites
        Of the model.
    population : ndarray of int, shape (n_haplotypes,)
        Of the targets, as the generator numbers them; -1 is unknown.
    """
    at = {key: i for i, key in enumerate(sites.keys())}

    def imputer(window, _templates, observed, targets):
        row = np.array([at.get(key, -1) for key in window.sites.keys()])
        alleles = np.full((len(sites), targets.shape[1]), -1, dtype=np.int8)
        there = row[observed] >= 0
        alleles[row[observed][there]] = targets[there]
        seeds = row_seeds(seed, [str(i) for i in range(targets.shape[1])], "impute")
        parts = generator.impute(ArrayHaplotypes(alleles), population, seeds, PARTICLES)
        mean = np.concatenate([part.mean for part in parts]).T
        known = np.where(row[:, None] >= 0, mean[row], window.frequency[:, None])
        return known[:, 0::2] + known[:, 1::2]

    return imputer


def array_sites(position: np.ndarray, frequency: np.ndarray, spacing: int) -> np.ndarray:
    """The first common site of each piece of `spacing` base pairs, as common arrays have them."""
    common = np.flatnonzero(minor_frequency(frequency) >= COMMON)
    return common[np.unique(position[common] // spacing, return_index=True)[1]]


def choose_targets(population: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """About `number` individuals, equally many of each population or all that it has; sorted."""
    names = sorted(set(population.tolist()))
    share = -(-number // len(names))
    own = [rng.permutation(np.flatnonzero(population == name))[:share] for name in names]
    return np.sort(np.concatenate(own))


class _Sums:
    """Products of dosages and genotypes by target and frequency bin, for dosage r2.

    Both are taken as differences from the frequencies of the real panel, so that knowing these
    alone counts for nothing. Bins are of these frequencies.
    """

    def __init__(self, n_targets: int):
        self.own = np.zeros((n_targets, len(BIN_NAMES), 3))

    def add(
        self, frequency: np.ndarray, imputed: np.ndarray, holdout: np.ndarray, counted: np.ndarray
    ) -> None:
        """Dosages and genotypes of a window, shape (n_sites, n_targets); `counted` broadcasts to
        it.
        """
        mean = 2 * frequency[:, None]
        x, y = (np.where(counted, values - mean, 0) for values in (imputed, holdout))
        bins = frequency_bin(minor_frequency(frequency))
        inside = (bins == np.arange(len(BIN_NAMES))[:, None]).astype(float)
        for term, (one, other) in enumerate(((x, y), (x, x), (y, y))):
            self.own[:, :, term] += (inside @ (one * other)).T

    def measures(
        self, metric: str, key: tuple[str, str], groups: dict[str, np.ndarray]
    ) -> Iterator[Measure]:
        """A metric for each group of targets and each bin that holds anything."""
        method, panel = key
        for name, rows in groups.items():
            parts = {ALL: self.own.sum(axis=1)}
            parts |= {b: self.own[:, i] for i, b in enumerate(BIN_NAMES)}
            for b, part in parts.items():
                if part[rows, 2].any():
                    yield Measure(
                        "imputation", metric, panel, part[rows], squared_correlation, name, b,
                        method,
                    )  # fmt: skip


def measure_imputation(
    windows: Iterable[Window], targets: np.ndarray, groups: dict[str, np.ndarray],
    imputers: dict[tuple[str, str], Imputer], spacing: int, metric: str = "dosage_r2",
) -> Iterator[Measure]:  # fmt: skip
    """Dosage r2 of the sites that an array does not have, by panel, frequency bin and group of
    targets.

    Parameters
    ----------
    targets : ndarray of int, shape (n_targets,)
        Individuals among the held-out ones.
    groups : dict of ndarray of int
        Whose metrics are wanted, by name: rows of `targets`.
    imputers : dict
        By method and panel; a panel that the windows do not have, such as a model, holds no
        haplotypes.
    spacing : int
        Base pairs for each site of the array.
    """
    sums = {key: _Sums(len(targets)) for key in imputers}
    columns = haplotype_columns(targets)
    for window in windows:
        observed = array_sites(window.sites.position, window.frequency, spacing)
        hidden = np.ones((len(window.cm), 1), dtype=bool)
        hidden[observed] = False
        if not len(observed) or not hidden.any():
            continue
        holdout = window.holdout[:, columns]
        for key, own in sums.items():
            imputed = imputers[key](window, window.panels.get(key[1]), observed, holdout[observed])
            own.add(window.frequency, imputed, holdout[:, 0::2] + holdout[:, 1::2], hidden)
    for key, own in sums.items():
        yield from own.measures(metric, key, groups)


def measure_missing(
    windows: Iterable[Window], targets: np.ndarray, imputers: dict[tuple[str, str], Imputer],
    share: float, rng: np.random.Generator,
) -> Iterator[Measure]:  # fmt: skip
    """Dosage r2 of calls that are missing at random, this share of all, by panel and frequency
    bin.
    """
    sums = {key: _Sums(len(targets)) for key in imputers}
    columns = haplotype_columns(targets)
    for window in windows:
        holdout = window.holdout[:, columns]
        lost = rng.random((len(holdout), len(targets))) < share
        given = np.where(np.repeat(lost, 2, axis=1), np.int8(-1), holdout)
        everywhere = np.arange(len(holdout))
        for key, own in sums.items():
            imputed = imputers[key](window, window.panels.get(key[1]), everywhere, given)
            own.add(window.frequency, imputed, holdout[:, 0::2] + holdout[:, 1::2], lost)
    for key, own in sums.items():
        groups = {ALL: np.arange(len(targets))}
        yield from own.measures(f"missing_r2_{100 * share:g}", key, groups)
