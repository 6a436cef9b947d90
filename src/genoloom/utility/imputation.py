"""Panels of haplotypes as reference panels: held-out individuals are masked to the sites of an
array, and imputed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import ArrayHaplotypes, Sites
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


# (window, haplotypes of a panel or None, observed sites, haplotypes of targets there) -> alternate
# alleles of each target individual, float, shape (n_sites, n_targets)
Imputer = Callable[[Window, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def by_copying(
    window: Window, templates: np.ndarray, observed: np.ndarray, targets: np.ndarray
) -> np.ndarray:  # fmt: skip
    """The Li-Stephens imputer of `genoloom.popgen.imputation`."""
    # even: the two haplotypes of an individual stay together
    batch = max(2, BATCH // (len(observed) * templates.shape[1]) // 2 * 2)
    starts = range(0, targets.shape[1], batch)
    parts = [impute(templates, targets[:, i : i + batch], observed, window.cm) for i in starts]
    made = np.concatenate(parts, axis=1)
    return made[:, 0::2] + made[:, 1::2]


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


def measure_imputation(
    windows: Iterable[Window], targets: np.ndarray, groups: dict[str, np.ndarray],
    imputers: dict[tuple[str, str], Imputer], spacing: int,
) -> Iterator[Measure]:  # fmt: skip
    """Dosage r2 by panel, frequency bin and group of targets.

    Dosages and genotypes are taken as differences from the frequencies of the real panel, so that
    knowing these alone counts for nothing. Bins are of these frequencies.

    Parameters
    ----------
    targets : ndarray of int, shape (n_targets,)
        Individuals among the held-out ones.
    groups : dict of ndarray of int
        Populations with a figure of their own, by name: rows of `targets`.
    imputers : dict
        By method and panel; a panel that the windows do not have, such as a model, holds no
        haplotypes.
    spacing : int
        Base pairs for each site of the array.
    """
    sums = {key: np.zeros((len(targets), len(BIN_NAMES), 3)) for key in imputers}
    columns = np.stack([2 * targets, 2 * targets + 1], axis=1).ravel()
    for window in windows:
        frequency = window.frequency
        observed = array_sites(window.sites.position, frequency, spacing)
        hidden = np.setdiff1d(np.arange(len(window.cm)), observed)
        if not len(observed) or not len(hidden):
            continue
        truth = window.holdout[:, columns]
        mean = 2 * frequency[hidden, None]
        y = truth[hidden, 0::2] + truth[hidden, 1::2] - mean
        bins = frequency_bin(minor_frequency(frequency[hidden]))
        inside = (bins == np.arange(len(BIN_NAMES))[:, None]).astype(float)
        for key, own in sums.items():
            templates = window.panels.get(key[1])
            made = imputers[key](window, templates, observed, truth[observed])
            x = made[hidden] - mean
            for term, factors in enumerate(((x, y), (x, x), (y, y))):
                own[:, :, term] += (inside @ (factors[0] * factors[1])).T
    for (method, panel), own in sums.items():
        for name, rows in {ALL: np.arange(len(targets)), **groups}.items():
            parts = {ALL: own.sum(axis=1)} | {b: own[:, i] for i, b in enumerate(BIN_NAMES)}
            for b, part in parts.items():
                if part[rows, 2].any():
                    yield Measure(
                        "imputation", "dosage_r2", panel, part[rows], squared_correlation, name, b,
                        method,
                    )  # fmt: skip
