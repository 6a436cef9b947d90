"""Allele frequencies and site frequency spectra. Pure functions on arrays."""

import numpy as np

BIN_EDGES = (0.0, 0.005, 0.01, 0.05, 0.2, 0.5)
BIN_NAMES = ("<0.5%", "0.5-1%", "1-5%", "5-20%", "20-50%")
FILTERS = np.array([0.01, 0.05])  # least minor frequencies that studies ask for
# bins of the joint spectra of two populations; the first is "absent"
JOINT_EDGES = np.array([0.0, 1e-9, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0 + 1e-9])


def minor_frequency(frequency: np.ndarray) -> np.ndarray:
    """Frequency of the rarer allele, float, in [0, 0.5]."""
    return np.minimum(frequency, 1 - frequency)


def frequency_bin(minor: np.ndarray) -> np.ndarray:
    """Index into `BIN_NAMES` of each minor allele frequency; upper edges belong to the lower
    bin.
    """
    return np.clip(np.searchsorted(BIN_EDGES, minor, side="left") - 1, 0, len(BIN_NAMES) - 1)


def filters_alike(p: np.ndarray, q: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """Share of the filters `FILTERS` that keep or drop each site by both frequencies.

    A filter that a single one of `n` alleles passes asks whether a site varies at all, which one
    haplotype decides; it is left out, unless it is the last.

    Parameters
    ----------
    p, q : ndarray, float, of one shape
        Frequencies of an allele.
    n : ndarray of int or int
        Alleles counted for them, of the shape of p or such that it is repeated to it.

    Returns
    -------
    ndarray, float, of the shape of p
    """
    kept = [minor_frequency(x)[..., None] >= FILTERS for x in (p, q)]
    used = np.asarray(n)[..., None] * FILTERS > 1
    used[..., -1] = True
    return ((kept[0] == kept[1]) & used).sum(axis=-1) / used.sum(axis=-1)


def monomorphic(counts: np.ndarray, n: int) -> np.ndarray:
    """Which sites show one allele only among `n` haplotypes, bool."""
    return (counts == 0) | (counts == n)


def folded_spectrum(counts: np.ndarray, n: int) -> np.ndarray:
    """Number of sites at each minor allele count, int64, shape (n // 2 + 1,).

    Parameters
    ----------
    counts : ndarray of int, shape (n_variants,)
        Alternate alleles among `n` haplotypes.
    """
    return np.bincount(np.minimum(counts, n - counts), minlength=n // 2 + 1)


def spectrum_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation distance of two spectra, monomorphic sites (entry 0) aside; nan when one has
    no polymorphic site.
    """
    a, b = a[1:].astype(float), b[1:].astype(float)
    if a.sum() == 0 or b.sum() == 0:
        return float("nan")
    return 0.5 * float(np.abs(a / a.sum() - b / b.sum()).sum())


def bernoulli_kl(counts_p: np.ndarray, counts_q: np.ndarray, n: int) -> float:
    """Mean over sites of the Kullback-Leibler divergence of two Bernoulli variables, in bits.

    Both frequencies are (count + 1/2) / (n + 1), so that an allele seen on one side only costs much
    but not infinitely.
    """
    p, q = (counts_p + 0.5) / (n + 1), (counts_q + 0.5) / (n + 1)
    return float((p * np.log2(p / q) + (1 - p) * np.log2((1 - p) / (1 - q))).mean())
