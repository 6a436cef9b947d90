"""When a synthetic individual is too close to a training individual: closer than training
individuals are to each other.
"""

import numpy as np


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum over sites of the squared difference in dosage between individuals, float32, shape (n_a,
    n_b).

    Both haplotypes count together: individuals seldom coincide in both, however common each of them
    is.

    Parameters
    ----------
    a, b : ndarray, int8 in 0/1, shape (n_sites, 2 * n_a) and (n_sites, 2 * n_b)
    """
    x, y = (alleles[:, 0::2].astype(np.float32) + alleles[:, 1::2] for alleles in (a, b))
    return (x**2).sum(axis=0)[:, None] + (y**2).sum(axis=0)[None, :] - 2 * (x.T @ y)


def closest_allowed(within: np.ndarray, family: list[str], share: float) -> float:
    """The squared distance that only `share` of the individuals fall below with their nearest other
    individual.

    Parameters
    ----------
    within : ndarray, float, shape (n, n)
        Squared distances among training individuals.
    family : list of str
        Individuals of one family, where one is given, are not compared.
    """
    names = np.array(family)
    relatives = (names[:, None] == names[None, :]) & (names != "")[:, None]
    others = np.where(relatives | np.eye(len(names), dtype=bool), np.inf, within)
    nearest = others.min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    return float(np.quantile(nearest, share, method="lower")) if len(nearest) else 0.0
