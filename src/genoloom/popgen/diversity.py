"""Heterozygosity and inbreeding of people."""

import numpy as np


def heterozygous_calls(alleles: np.ndarray) -> np.ndarray:
    """Number of heterozygous sites of each person, int64, shape (n_people,).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, 2 * n_people)
    """
    return (alleles[:, 0::2] != alleles[:, 1::2]).sum(axis=0)


def expected_heterozygosity(frequency: np.ndarray) -> float:
    """Sum over sites of 2 p (1 - p): the heterozygous calls expected under random mating."""
    return float((2 * frequency * (1 - frequency)).sum())
