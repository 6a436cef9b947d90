"""Linkage disequilibrium as matrix products."""

import numpy as np

DISTANCE_EDGES_BP = np.array([0, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, np.inf])
DISTANCE_EDGES_CM = np.array([0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, np.inf])


def correlation(alleles: np.ndarray) -> np.ndarray:
    """Signed correlation r between all pairs of sites; 0 where a site is monomorphic.

    Hill & Robertson 1968, doi:10.1007/BF01245622. The monomorphic sites count as unlinked, so that
    a generator that loses sites also loses their linkage.

    Parameters
    ----------
    alleles : ndarray, int8 or bool, shape (n_variants, n_haplotypes)
        No missing calls. Dosages of individuals (0, 1, 2) give the genotype correlation of Rogers &
        Huff 2009.

    Returns
    -------
    ndarray, float64, shape (n_variants, n_variants)
    """
    # counts are whole numbers below 2**24, exact in single precision; only the last step needs
    # double
    x = alleles.astype(np.float32)
    n = x.shape[1]
    sums = x.sum(axis=1, dtype=np.float64)
    covariance = (x @ x.T).astype(np.float64)
    covariance *= n
    covariance -= np.outer(sums, sums)
    scale = np.sqrt(covariance.diagonal())
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    covariance *= inverse[:, None]
    covariance *= inverse[None, :]
    return np.clip(covariance, -1.0, 1.0, out=covariance)


def r_squared(alleles: np.ndarray) -> np.ndarray:
    """Squared correlation between all pairs of sites; see `correlation`."""
    r = correlation(alleles)
    return np.multiply(r, r, out=r)


def d_prime(r: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """|D'| of pairs of sites: D over the largest |D| that frequencies allow; 0 at monomorphic ones.

    Lewontin 1964, doi:10.1093/genetics/49.1.49.

    Parameters
    ----------
    r : ndarray, float
        Correlations; p, q : frequencies of the alternate alleles of the two sites, of the same
        shape.
    """
    d = np.abs(r) * np.sqrt(p * (1 - p) * q * (1 - q))
    limit = np.where(
        r > 0, np.minimum(p * (1 - q), (1 - p) * q), np.minimum(p * q, (1 - p) * (1 - q))
    )
    return np.minimum(np.divide(d, limit, out=np.zeros_like(d), where=limit > 0), 1.0)


def three_point(alleles: np.ndarray, gap: int, members: np.ndarray) -> np.ndarray:
    """Third central moments of sites i, i + gap, i + 2 gap within groups of haplotypes, float64,
    (n_variants - 2 gap, n_groups).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, n_haplotypes)
    members : ndarray, float32 of 0/1, shape (n_haplotypes, n_groups)
        Which haplotypes belong to which group.
    """
    n = members.sum(axis=0, dtype=np.float64)

    def mean(x: np.ndarray) -> np.ndarray:
        return (x.astype(np.float32) @ members) / n

    x, y, z = alleles[: -2 * gap], alleles[gap:-gap], alleles[2 * gap :]
    p = mean(alleles)
    a, b, c = p[: -2 * gap], p[gap:-gap], p[2 * gap :]
    return mean(x & y & z) - a * mean(y & z) - b * mean(x & z) - c * mean(x & y) + 2 * a * b * c


class PearsonSums:
    """A correlation over values that arrive in pieces."""

    def __init__(self):
        self.n = 0
        self.sums = np.zeros(5)

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        self.n += x.size
        self.sums += (x.sum(), y.sum(), x @ x, y @ y, x @ y)

    def correlation(self) -> float:
        """Pearson's r; nan when a side does not vary."""
        if self.n < 2:
            return float("nan")
        sx, sy, sxx, syy, sxy = self.sums / self.n
        variance = (sxx - sx * sx) * (syy - sy * sy)
        return float((sxy - sx * sy) / np.sqrt(variance)) if variance > 1e-18 else float("nan")
