"""Diversity of individuals and of windows of the genome."""

import numpy as np


def heterozygous_calls(alleles: np.ndarray) -> np.ndarray:
    """Number of heterozygous sites of each individual, int64, shape (n_individuals,).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, 2 * n_individuals)
    """
    return (alleles[:, 0::2] != alleles[:, 1::2]).sum(axis=0)


def expected_heterozygosity(frequency: np.ndarray) -> float:
    """Sum over sites of 2 p (1 - p): the heterozygous calls expected under random mating."""
    return float((2 * frequency * (1 - frequency)).sum())


def hardy_weinberg_chi2(heterozygotes: np.ndarray, counts: np.ndarray, n: int) -> np.ndarray:
    """Chi-square with one degree of freedom of Hardy-Weinberg proportions at each site; 0 where
    monomorphic.

    Parameters
    ----------
    heterozygotes, counts : ndarray of int, shape (n_variants,)
        Heterozygous individuals, and alternate alleles, among `n` individuals.
    """
    p = counts / (2 * n)
    expected = 2 * n * p * (1 - p)
    inbreeding = 1 - np.divide(
        heterozygotes, expected, out=np.ones(len(counts)), where=expected > 0
    )
    # equals the sum of (observed - expected)^2 / expected over the three genotypes
    return n * inbreeding**2


def pairwise_differences(counts: np.ndarray, n: int) -> np.ndarray:
    """Mean differences between two of `n` haplotypes at each site (pi), float, the shape of
    `counts`.
    """
    return 2.0 * counts * (n - counts) / (n * (n - 1))


def window_diversity(
    counts: np.ndarray, n: int, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pi, Watterson's theta and Tajima's D of windows of sites; float, shape (n_windows,) each.

    Sums over the sites of a window, not per base. Tajima 1989, doi:10.1093/genetics/123.3.585; D is
    nan in windows with fewer than 3 polymorphic sites, as in scikit-allel.

    Parameters
    ----------
    counts : ndarray of int, shape (n_variants,)
        Alternate alleles among `n` haplotypes.
    starts : ndarray of int, shape (n_windows,)
        Index of the first site of each window; windows adjoin.
    """
    segregating = np.add.reduceat((counts > 0) & (counts < n), starts, dtype=np.int64)
    pi = np.add.reduceat(pairwise_differences(counts, n), starts)
    i = np.arange(1, n)
    a1, a2 = (1 / i).sum(), (1 / i**2).sum()
    b1, b2 = (n + 1) / (3 * (n - 1)), 2 * (n**2 + n + 3) / (9 * n * (n - 1))
    e1 = (b1 - 1 / a1) / a1
    e2 = (b2 - (n + 2) / (a1 * n) + a2 / a1**2) / (a1**2 + a2)
    theta = segregating / a1
    spread = np.sqrt(e1 * segregating + e2 * segregating * (segregating - 1))
    d = np.divide(pi - theta, spread, out=np.full(len(pi), np.nan), where=segregating >= 3)
    return pi, theta, d
