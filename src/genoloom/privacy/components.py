"""Attacks on principal components of the distances: a density ratio, and a classifier that knows
synthetic from real.
"""

import numpy as np
from scipy.sparse.linalg import eigsh
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression

DENSITY_COMPONENTS = 6  # beyond a few dimensions a kernel density is empty
CLASSIFIER_COMPONENTS = 50
FOLDS = 5


def synthetic_components(
    within: np.ndarray, to_synthetic: np.ndarray, components: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of the synthetic haplotypes, and real haplotypes projected onto them.

    Alleles are 0/1, so minus half a Hamming distance is their inner product up to terms that
    centring removes (classical scaling).

    Parameters
    ----------
    within, to_synthetic : ndarray, float, shapes (m, m) and (n, m)
        Distances among synthetic haplotypes, and from real ones to them.

    Returns
    -------
    synthetic, real : ndarray, float64, shapes (m, k) and (n, k)
        With unit variance of the synthetic haplotypes on each component, falling in variance.
    """
    inner, cross = -0.5 * within.astype(np.float64), -0.5 * to_synthetic.astype(np.float64)
    mean = inner.mean(axis=0)
    centred = inner - mean[:, None] - mean[None, :] + inner.mean()
    m = len(inner)
    if not np.abs(centred).max() > 1e-9:  # all synthetic haplotypes are the same
        return np.zeros((m, 1)), np.zeros((len(cross), 1))
    # a fixed one, so that the result is the same every time
    start = np.random.default_rng(seed).standard_normal(m)
    values, vectors = eigsh(centred, k=min(components, m - 2), v0=start)
    falling = np.argsort(values)[::-1]
    falling = falling[values[falling] > 1e-6 * max(values.max(), 1e-300)]
    axes = vectors[:, falling] / values[falling] * np.sqrt(m)
    real = (cross - cross.mean(axis=1, keepdims=True) - mean[None, :] + inner.mean()) @ axes
    return centred @ axes, real


def density_ratio(synthetic: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Log-ratio of the densities of synthetic and reference haplotypes where each real haplotype
    is, shape (4 n,).

    Gaussian kernels of Scott's width (Scott 1992); `synthetic` (2 n, k), `real` (4 n, k), its first
    half the reference.
    """
    n, k = synthetic.shape
    width = n ** (-1 / (k + 4))
    reference = np.exp(-0.5 * cdist(real, real[:n], "sqeuclidean") / width**2)
    individual = np.arange(len(real)) // 2 % (n // 2)
    # nobody's own, as in every attack
    reference[individual[:, None] == (np.arange(n) // 2)[None, :]] = 0
    density = np.exp(-0.5 * cdist(real, synthetic, "sqeuclidean") / width**2)
    tiny = np.exp(-50)
    return np.log(density.mean(axis=1) + tiny) - np.log(reference.sum(axis=1) / (n - 2) + tiny)


def discriminator(synthetic: np.ndarray, real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How synthetic a classifier finds each real haplotype that it has not seen, shape (4 n,).

    Logistic regression between synthetic and reference haplotypes, the attack of Hayes et al. 2019
    (doi:10.2478/popets-2019-0008) with a discriminator of the attacker's own. Held-out individual
    `j` and training individual `j` are scored by the classifier that was trained without the
    former.
    """
    n = len(synthetic)
    folds = min(FOLDS, n // 2)
    fold = rng.permutation(np.arange(n // 2) % folds)[np.arange(len(real)) // 2 % (n // 2)]
    score = np.empty(len(real))
    for f in range(folds):
        rows = np.concatenate([synthetic, real[:n][fold[:n] != f]])
        label = np.arange(len(rows)) < n
        model = LogisticRegression(C=0.1, max_iter=500).fit(rows, label)
        score[fold == f] = model.decision_function(real[fold == f])
    return score
