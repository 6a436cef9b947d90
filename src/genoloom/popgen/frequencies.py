"""Allele frequencies and the site frequency spectrum. Pure functions on arrays."""

import numpy as np

BIN_EDGES = (0.0, 0.005, 0.01, 0.05, 0.2, 0.5)
BIN_NAMES = ("<0.5%", "0.5-1%", "1-5%", "5-20%", "20-50%")


def minor_frequency(frequency: np.ndarray) -> np.ndarray:
    """Frequency of the rarer allele, float, in [0, 0.5]."""
    return np.minimum(frequency, 1 - frequency)


def frequency_bin(minor: np.ndarray) -> np.ndarray:
    """Index into `BIN_NAMES` of each minor allele frequency; upper edges belong to the lower bin."""
    return np.clip(np.searchsorted(BIN_EDGES, minor, side="left") - 1, 0, len(BIN_NAMES) - 1)


def folded_spectrum(counts: np.ndarray, n: int) -> np.ndarray:
    """Number of sites at each minor allele count, int64, shape (n // 2 + 1,).

    Parameters
    ----------
    counts : ndarray of int, shape (n_variants,)
        Alternate alleles among `n` haplotypes.
    """
    return np.bincount(np.minimum(counts, n - counts), minlength=n // 2 + 1)


def spectrum_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation distance of two spectra, monomorphic sites aside; nan when one has no polymorphic site."""
    a, b = a[1:].astype(float), b[1:].astype(float)
    if a.sum() == 0 or b.sum() == 0:
        return float("nan")
    return 0.5 * float(np.abs(a / a.sum() - b / b.sum()).sum())
