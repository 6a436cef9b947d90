"""Metrics of allele frequencies, of the site frequency spectrum, and of diversity along the
genome.
"""

import numpy as np

from genoloom.popgen.diversity import window_diversity
from genoloom.popgen.frequencies import bernoulli_kl, monomorphic, spectrum_distance
from genoloom.popgen.linkage import PearsonSums
from genoloom.validation.data import Data, Part

DIVERSITY_SITES = 50


def correlation(d: Data, a: str, b: str, part: Part) -> float:
    sums = PearsonSums()
    sums.add(d.frequency(a)[part.sites], d.frequency(b)[part.sites])
    return sums.correlation()


def error(d: Data, a: str, b: str, part: Part) -> float:
    if part.column:
        sums = d.collected.by_population
        return sums.error[d.pair_index[a, b], part.column - 1] / sums.sites
    return float(np.abs(d.frequency(a)[part.sites] - d.frequency(b)[part.sites]).mean())


def divergence(d: Data, a: str, b: str, part: Part) -> float:
    return bernoulli_kl(d.count(a)[part.sites], d.count(b)[part.sites], d.groups.size(a))


def joint_spectrum_shape(d: Data, a: str, b: str, part: Part) -> float:
    """Mean over pairs of populations of the total variation distance of their joint spectra."""
    sums, p = d.collected.by_population, d.collected.by_population.p
    x, y = (sums.joint[d.index[g]].reshape(p, -1, p, sums.joint.shape[1] // p) for g in (a, b))
    upper = [(i, j) for i in range(p) for j in range(i)]
    return float(
        np.mean([spectrum_distance(x[i, :, j].ravel(), y[i, :, j].ravel()) for i, j in upper])
    )


def sites_lost(d: Data, g: str, part: Part) -> float:
    if part.column:
        sums = d.collected.by_population
        return sums.lost[d.index[g], part.column - 1] / sums.sites
    return float(monomorphic(d.count(g)[part.sites], d.groups.size(g)).mean())


def _windows(d: Data, group: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pi, theta and D of windows of `DIVERSITY_SITES` sites that do not cross contigs."""

    def compute():
        lengths = [len(block) for block in d.collected.counts]
        ends = np.cumsum(lengths)
        starts = [
            np.arange(end - length, end, DIVERSITY_SITES)
            for end, length in zip(ends, lengths, strict=True)
        ]
        return window_diversity(d.count(group), d.groups.size(group), np.concatenate(starts))

    return d.once(("diversity", group), compute)


def _relative_error(x: np.ndarray, y: np.ndarray) -> float:
    scale = np.abs(y).mean()
    return float(np.abs(x - y).mean() / scale) if scale > 0 else float("nan")


def pi_error(d: Data, a: str, b: str, part: Part) -> float:
    return _relative_error(_windows(d, a)[0], _windows(d, b)[0])


def theta_error(d: Data, a: str, b: str, part: Part) -> float:
    return _relative_error(_windows(d, a)[1], _windows(d, b)[1])


def tajima_error(d: Data, a: str, b: str, part: Part) -> float:
    x, y = _windows(d, a)[2], _windows(d, b)[2]
    both = np.isfinite(x) & np.isfinite(y)
    return float(np.abs(x - y)[both].mean()) if both.any() else float("nan")


def tajima(d: Data, g: str, part: Part) -> float:
    """Mean of Tajima's D over windows."""
    values = _windows(d, g)[2]
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def dxy_matrix_error(d: Data, a: str, b: str, part: Part) -> float:
    """Mean relative error of the differences between populations."""
    sums = d.collected.by_population
    upper = np.triu_indices(sums.p, k=1)

    def matrix(g: str) -> np.ndarray:
        i = d.index[g]
        return (sums.sum[i][:, None] + sums.sum[i][None, :] - 2 * sums.products[i])[upper]

    return _relative_error(matrix(a), matrix(b))
