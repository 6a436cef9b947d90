"""Metrics of single individuals and of their kinship."""

import numpy as np
from scipy import stats

from genoloom.popgen.distances import kolmogorov_smirnov
from genoloom.popgen.diversity import expected_heterozygosity, hardy_weinberg_chi2
from genoloom.popgen.frequencies import minor_frequency
from genoloom.validation.cohorts import Group
from genoloom.validation.data import Data, Part, resampled_halvings

CHI2 = stats.chi2.isf(0.05, 1)
LEAST_KINSHIP = -5.0
DOUBLE = 0.001  # genotyping errors make individuals differ from their copies by about as much


def _heterozygous(d: Data, g: str, part: Part) -> np.ndarray:
    return d.collected.heterozygous[d.groups.of_population(g, part.column)]


def heterozygosity_distance(d: Data, a: str, b: str, part: Part) -> float:
    """Wasserstein distance of heterozygous calls an individual, in standard deviations of the
    held-out individuals.
    """
    scale = max(float(_heterozygous(d, Group.HOLDOUT, part).std()), 1e-12)
    return float(
        stats.wasserstein_distance(_heterozygous(d, a, part), _heterozygous(d, b, part)) / scale
    )


def heterozygosity_ratio(d: Data, g: str, part: Part) -> float:
    """Heterozygous calls over those expected from the group's own frequencies: 1 - F, which more or
    less diverse individuals do not move.
    """
    return float(_heterozygous(d, g, part).mean() / expected_heterozygosity(d.frequency(g)))


def inbreeding_spread(d: Data, g: str, part: Part) -> float:
    """Standard deviation over individuals of F = 1 - observed / expected heterozygous calls."""
    return float((_heterozygous(d, g, part) / expected_heterozygosity(d.real_frequency)).std())


def hardy_weinberg(d: Data, g: str, part: Part) -> float:
    """Share of common sites whose Hardy-Weinberg chi-square is significant at 5 %."""
    common = minor_frequency(d.real_frequency) >= 0.05
    if not common.any():
        return float("nan")
    n = len(d.groups.rows[g])
    chi2 = hardy_weinberg_chi2(d.heterozygotes[common, d.index[g]], d.count(g)[common], n)
    return float((chi2 > CHI2).mean())


def homozygous_share(d: Data, g: str, part: Part) -> float:
    """Mean share of the region in runs of homozygosity of at least `RUN_KB`."""
    rows = d.groups.of_population(g, part.column)
    return float(d.collected.homozygosity.in_runs[rows].mean() / max(d.collected.span_bp, 1.0))


def longest_homozygous_run(d: Data, a: str, b: str, part: Part) -> float:
    """Wasserstein distance of the longest runs of homozygosity, as a share of the held-out
    individuals' mean.
    """
    longest = d.collected.homozygosity.longest
    x, y = (longest[d.groups.of_population(g, part.column)] for g in (a, b))
    return float(
        stats.wasserstein_distance(x, y) / max(longest[d.groups.rows[Group.HOLDOUT]].mean(), 1e-12)
    )


def _kinship(d: Data, a: str, b: str) -> np.ndarray:
    values = d.collected.kinship.coefficients(d.groups.rows[a], d.groups.rows[b])
    if a == b:
        np.fill_diagonal(values, np.nan)
    return values


def kinship_within(d: Data, a: str, b: str, part: Part) -> float:
    """Kolmogorov-Smirnov distance of the kinships among the individuals of each group, to four
    decimals.
    """
    values = []
    for g in (a, b):
        own = _kinship(d, g, g)[np.triu_indices(len(d.groups.rows[g]), k=1)]
        values.append((np.clip(own[np.isfinite(own)], LEAST_KINSHIP, 0.5) - LEAST_KINSHIP) * 1e4)
    return kolmogorov_smirnov(*values)


def closest_kin(d: Data, a: str, b: str, part: Part) -> float:
    """Median over individuals of a of their highest kinship with anybody in b."""
    return _closest(d, d.groups.rows[a], d.groups.rows[b])


def _closest(d: Data, a: np.ndarray, b: np.ndarray) -> float:
    values = d.collected.kinship.coefficients(a, b)
    return float(np.median(np.where(np.isnan(values), -1.0, values).max(axis=1)))


def resampled_kin(d: Data, part: Part) -> list[float]:
    """What chance makes of it."""
    return resampled_halvings(d, d.groups.rows, lambda a, b: _closest(d, a, b))


def repeated_individuals(d: Data, g: str, part: Part) -> float:
    """Share of individuals who have a double in their own sample: both haplotypes the same, but for
    `DOUBLE` of the sites.
    """
    own = d.distances(g, g)
    straight, crossed = own[0::2, 0::2] + own[1::2, 1::2], own[0::2, 1::2] + own[1::2, 0::2]
    apart = np.minimum(straight, crossed)
    np.fill_diagonal(apart, np.inf)
    return float((apart.min(axis=1) <= 2 * DOUBLE * len(d.counts)).mean())


def pairwise_distance(d: Data, a: str, b: str, part: Part) -> float:
    """Kolmogorov-Smirnov distance of the numbers of differences between two haplotypes of one
    sample.
    """
    values = []
    for g in (a, b):
        own = d.distances(g, g, part.column)
        values.append(own[np.triu_indices(len(own), k=1)])
    return kolmogorov_smirnov(*values)
