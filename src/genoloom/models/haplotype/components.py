"""What whole haplotypes are like: their places on the principal components of common sites."""

import numpy as np

SITES = 2000  # spread evenly among those whose rarer allele is as frequent as this
LEAST_FREQUENCY = 0.01


def common_sites(frequency: np.ndarray) -> np.ndarray:
    """At most `SITES` sites, spread evenly among those whose rarer allele is common enough, by the
    frequency of the alternate of each; int64.
    """
    sites = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= LEAST_FREQUENCY)
    return sites[np.linspace(0, len(sites) - 1, min(SITES, len(sites))).astype(np.int64)]


def principal_components(rows: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of rows, float (n, n_sites), on their first components, (n, D), and the components,
    (D, n_sites); `most` components.
    """
    from sklearn.utils.extmath import randomized_svd  # slow to import

    left, size, axes = randomized_svd(
        rows - rows.mean(axis=0), min(most, *rows.shape), random_state=seed % 2**32
    )
    return left * size, axes
