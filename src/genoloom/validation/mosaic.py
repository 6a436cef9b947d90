"""Mosaics of haplotypes at their simplest: a control that copies."""

from collections.abc import Callable

import numpy as np

MIDDLE = 0.1  # mean length of a copied piece, centimorgans


def mosaic(
    alleles: np.ndarray, cm: np.ndarray, length: float, rng: np.random.Generator
) -> np.ndarray:
    """Haplotypes copied in pieces of mean `length` from training haplotypes chosen anew for each
    piece.

    Parameters
    ----------
    cm : ndarray, float, shape (n_variants,)
        Genetic positions, in the unit of `length`.
    """
    n = alleles.shape[1]
    synthetic = np.empty_like(alleles)
    source = rng.integers(0, n, n)
    chance = -np.expm1(-np.diff(cm, prepend=cm[0]) / length)
    for v, row in enumerate(alleles):
        switching = np.flatnonzero(rng.random(n) < chance[v])
        source[switching] = rng.integers(0, n, len(switching))
        synthetic[v] = row[source]
    return synthetic


def within_populations(
    alleles: np.ndarray, population: np.ndarray, make: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """`make` of the haplotypes of each population, put together again.

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, 2 * n_individuals)
    population : ndarray of str, shape (n_individuals,)
    """
    label = np.repeat(population, 2)
    synthetic = np.empty_like(alleles)
    for own in np.unique(label):
        columns = np.flatnonzero(label == own)
        synthetic[:, columns] = make(alleles[:, columns])
    return synthetic
