"""Linkage disequilibrium as matrix products."""

import numpy as np

DISTANCE_EDGES_BP = np.array([0, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, np.inf])


def r_squared(alleles: np.ndarray) -> np.ndarray:
    """Squared correlation between all pairs of sites; 0 where a site is monomorphic.

    Hill & Robertson 1968, doi:10.1007/BF01245622. The monomorphic sites count as unlinked, so that a generator that
    loses sites also loses their linkage.

    Parameters
    ----------
    alleles : ndarray, int8 or bool, shape (n_variants, n_haplotypes)
        No missing calls.

    Returns
    -------
    ndarray, float64, shape (n_variants, n_variants)
    """
    x = alleles.astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    norm = np.sqrt((x * x).sum(axis=1))
    x /= np.where(norm > 0, norm, 1)[:, None]
    return np.minimum((x @ x.T) ** 2, 1.0)


class PearsonSums:
    """A correlation over values that arrive in pieces."""

    def __init__(self):
        self.n = 0
        self.sums = np.zeros(5)

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        self.n += x.size
        self.sums += (x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum())

    def correlation(self) -> float:
        """Pearson's r; nan when a side does not vary."""
        if self.n < 2:
            return float("nan")
        sx, sy, sxx, syy, sxy = self.sums / self.n
        variance = (sxx - sx * sx) * (syy - sy * sy)
        return float((sxy - sx * sy) / np.sqrt(variance)) if variance > 1e-18 else float("nan")
