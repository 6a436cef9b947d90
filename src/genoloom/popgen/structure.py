"""Population structure: Fst, principal components from a kernel, distances of point clouds."""

import numpy as np


def hudson_fst_terms(p1: np.ndarray, n1: int, p2: np.ndarray, n2: int) -> tuple[float, float]:
    """Sums over sites of Hudson's numerator and denominator; Fst of a region is the ratio of the sums.

    Bhatia et al. 2013, doi:10.1101/gr.154831.113, equation 10.

    Parameters
    ----------
    p1, p2 : ndarray, float, shape (n_variants,)
        Allele frequencies among `n1` and `n2` haplotypes.
    """
    numerator = (p1 - p2) ** 2 - p1 * (1 - p1) / (n1 - 1) - p2 * (1 - p2) / (n2 - 1)
    denominator = p1 * (1 - p2) + p2 * (1 - p1)
    return float(numerator.sum()), float(denominator.sum())


def project(kernel: np.ndarray, reference: np.ndarray, others: list[np.ndarray], components: int) -> list[np.ndarray]:
    """Principal components fitted on some rows of a kernel, with other rows projected onto them.

    Parameters
    ----------
    kernel : ndarray, float, shape (n, n)
        Inner products of all rows.
    reference : ndarray of int
        Rows that the components are fitted on; the kernel is centred on their mean.
    others : list of ndarray of int
        Rows to project.
    components : int

    Returns
    -------
    list of ndarray, float64
        Scores of the reference, then of each of `others`, shape (n_rows, components), scaled so that the reference has
        unit variance on each component. Fewer columns when the reference has no more dimensions.
    """
    inner = kernel[np.ix_(reference, reference)].astype(np.float64)
    column_mean = inner.mean(axis=0)
    centred = inner - column_mean[:, None] - column_mean[None, :] + inner.mean()
    values, vectors = np.linalg.eigh(centred)
    top = np.argsort(values)[::-1][:components]
    top = top[values[top] > 1e-9 * max(values.max(), 1e-300)]
    axes = vectors[:, top] / values[top] * np.sqrt(len(reference))  # unit variance on the reference
    scores = [centred @ axes]
    for rows in others:
        block = kernel[np.ix_(rows, reference)].astype(np.float64)
        scores.append((block - block.mean(axis=1, keepdims=True) - column_mean[None, :] + inner.mean()) @ axes)
    return scores


def sliced_wasserstein(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, directions: int = 128) -> float:
    """Mean 1-Wasserstein distance of two point clouds of equal size over random directions.

    Rabin et al. 2011, doi:10.1007/978-3-642-24785-9_37.
    """
    axes = rng.standard_normal((a.shape[1], directions))
    axes /= np.linalg.norm(axes, axis=0)
    return float(np.abs(np.sort(a @ axes, axis=0) - np.sort(b @ axes, axis=0)).mean())
