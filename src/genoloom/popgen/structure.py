"""Population structure: Fst, principal components from a kernel, distances of point clouds."""

import numpy as np

DENSE = 500  # rows of a kernel of which all components take less time than the import of scipy


def fst_matrix(counts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Hudson's Fst of all pairs of populations, float64, shape (n_populations, n_populations): of
    each pair the ratio of sums over sites, which are matrix products here. nan where no site
    varies.

    Bhatia et al. 2013, doi:10.1101/gr.154831.113, equation 10.

    Parameters
    ----------
    counts : ndarray of int, shape (n_variants, n_populations)
        Alternate alleles among `sizes` haplotypes.
    """
    p = counts / sizes
    return fst_of_sums(p.sum(axis=0), (p * (1 - p)).sum(axis=0), p.T @ p, sizes)


def fst_of_sums(
    total: np.ndarray, within: np.ndarray, products: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Hudson's Fst from sums over sites of p, of p (1 - p), and of products p_i p_j of
    populations.
    """
    squares = products.diagonal()
    noise = within / (sizes - 1)
    numerator = squares[:, None] + squares[None, :] - 2 * products - noise[:, None] - noise[None, :]
    denominator = total[:, None] + total[None, :] - 2 * products
    fst = np.full(products.shape, np.nan)
    np.divide(numerator, denominator, out=fst, where=denominator > 0)
    np.fill_diagonal(fst, 0.0)
    return fst


def top_components(kernel: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues and their vectors of a centred kernel; fewer where it has no more
    dimensions.

    Returns
    -------
    (values, vectors) : ndarray, float64, shapes (k,) and (n, k), largest first
    """
    n = len(kernel)
    if n > max(DENSE, 10 * components + 50):
        from scipy.sparse.linalg import eigsh

        # the same start gives the same vectors
        values, vectors = eigsh(
            kernel, k=components, which="LA", v0=np.cos(np.arange(n)), tol=1e-10
        )
    else:
        values, vectors = np.linalg.eigh(kernel)
    top = np.argsort(values)[::-1][:components]
    top = top[values[top] > 1e-9 * max(values.max(), 1e-300)]
    return values[top], vectors[:, top]


class Components:
    """Principal components fitted on some rows of a kernel (inner products of all rows), for other
    rows to be projected on.

    The kernel is centred on the mean of the reference; scores are scaled so that the reference has
    unit variance on each component. Fewer components when the reference has no more dimensions.

    Parameters
    ----------
    kernel : ndarray, float, shape (n, n)
    reference : ndarray of int
        Rows that the components are fitted on.
    """

    def __init__(self, kernel: np.ndarray, reference: np.ndarray, components: int):
        self.kernel, self.reference = kernel, reference
        inner = kernel[np.ix_(reference, reference)].astype(np.float64)
        self.mean, self.grand_mean = inner.mean(axis=0), inner.mean()
        inner -= self.mean[:, None]
        inner -= self.mean[None, :]
        inner += self.grand_mean
        self.values, self.vectors = top_components(inner, components)
        self.axes = self.vectors / self.values * np.sqrt(len(reference))
        self.scores = inner @ self.axes

    def project(self, rows: np.ndarray) -> np.ndarray:
        """Scores of other rows, float64, shape (n_rows, n_components)."""
        block = self.kernel[np.ix_(rows, self.reference)].astype(np.float64)
        return (
            block - block.mean(axis=1, keepdims=True) - self.mean[None, :] + self.grand_mean
        ) @ self.axes

    def alignment(self, other: "Components") -> float:
        """How far the two spanned subspaces agree: mean squared cosine of their principal angles, 0
        to 1.

        Krzanowski 1979, doi:10.1080/01621459.1979.10481674. nan where nothing varies.
        """
        cross = self.kernel[np.ix_(self.reference, other.reference)].astype(np.float64)
        cross = (
            cross
            - cross.mean(axis=0, keepdims=True)
            - cross.mean(axis=1, keepdims=True)
            + cross.mean()
        )
        cosines = (
            (self.vectors / np.sqrt(self.values)).T
            @ cross
            @ (other.vectors / np.sqrt(other.values))
        )
        return float((cosines**2).sum() / min(cosines.shape)) if cosines.size else float("nan")


def sliced_wasserstein(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> float:
    """Mean 1-Wasserstein distance of two point clouds of equal size over 128 random directions.

    Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37.
    """
    axes = rng.standard_normal((a.shape[1], 128))
    axes /= np.linalg.norm(axes, axis=0)
    return float(np.abs(np.sort(a @ axes, axis=0) - np.sort(b @ axes, axis=0)).mean())
