"""Distances between haplotypes, and measures from nearest neighbours."""

import numpy as np


def hamming(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of differing sites between columns, float32 (exact below 2**24), shape (n_a, n_b).

    Parameters
    ----------
    a, b : ndarray, int8 in 0/1, shape (n_variants, n_a) and (n_variants, n_b)
    """
    x, y = a.astype(np.float32), b.astype(np.float32)
    return x.sum(axis=0)[:, None] + y.sum(axis=0)[None, :] - 2 * (x.T @ y)


def nearest(distances: np.ndarray, same_rows: bool = False) -> np.ndarray:
    """Smallest distance in each row; `same_rows` leaves out the diagonal."""
    if not same_rows:
        return distances.min(axis=1)
    others = distances.copy()
    np.fill_diagonal(others, np.inf)
    return others.min(axis=1)


def aats_halves(
    within_real: np.ndarray, within_synthetic: np.ndarray, between: np.ndarray
) -> tuple[float, float]:
    """Nearest-neighbour adversarial accuracy: the real half and the synthetic half; ties count one
    half.

    Yale et al. 2020, doi:10.1016/j.neucom.2019.12.136. Real half: share of real rows whose nearest
    other real row is nearer than their nearest synthetic row. 0.5 each is perfect; a real half near
    0 means that real rows are close to synthetic ones, near 1 that no synthetic row comes near. The
    mean of the halves can be 0.5 for bad data, so it is never given alone.

    Parameters
    ----------
    within_real, within_synthetic, between : ndarray, float, shapes (n, n), (m, m), (n, m)
    """

    def share(to_own: np.ndarray, to_other: np.ndarray) -> float:
        return float(np.mean((to_other > to_own) + 0.5 * (to_other == to_own)))

    aats_real = share(nearest(within_real, same_rows=True), nearest(between))
    synthetic = share(nearest(within_synthetic, same_rows=True), nearest(between.T))
    return aats_real, synthetic


def manifold_scores(
    within_real: np.ndarray, within_synthetic: np.ndarray, between: np.ndarray, k: int = 5
) -> dict[str, float]:
    """Precision, recall, density and coverage: do the samples lie in each other's neighbourhoods?

    Kynkaanniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797. A neighbourhood
    reaches to the k-th nearest other row of the same sample.

    Parameters
    ----------
    within_real, within_synthetic, between : ndarray, float, shapes (n, n), (m, m), (n, m)
    """

    def radius(within: np.ndarray) -> np.ndarray:
        nearest = min(k, len(within) - 1)
        return np.partition(within, nearest, axis=1)[:, nearest]  # the row itself is at distance 0

    inside = between <= radius(within_real)[:, None]
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((between <= radius(within_synthetic)[None, :]).any(axis=1).mean()),
        "density": float(inside.sum(axis=0).mean() / k),
        "coverage": float(inside.any(axis=1).mean()),
    }


def kernel_discrepancy(kernel: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Maximum mean discrepancy (biased, square root) of two samples of one size, for many
    labellings of the rows.

    Gretton et al. 2012, JMLR 13:723.

    Parameters
    ----------
    kernel : ndarray, float, shape (n, n)
    sign : ndarray of -1, 0, 1, shape (n, n_labellings)
        +1 for rows of the first sample, -1 for the second, 0 for rows that take no part.
    """
    size = (sign > 0).sum(axis=0)
    sign = sign.astype(kernel.dtype)
    return np.sqrt(np.maximum((sign * (kernel @ sign)).sum(axis=0, dtype=np.float64), 0.0)) / size


def kolmogorov_smirnov(x: np.ndarray, y: np.ndarray) -> float:
    """Largest difference of the distribution functions of two samples of whole numbers >= 0; nan
    when one is empty.

    Counts in place of sorting: linear in the samples, which may hold millions of pairs.
    """
    if not len(x) or not len(y):
        return float("nan")
    top = int(max(x.max(), y.max())) + 1
    below = [
        np.cumsum(np.bincount(sample.astype(np.int64), minlength=top)) / len(sample)
        for sample in (x, y)
    ]
    return float(np.abs(below[0] - below[1]).max())
