"""Counts of a cohort's block haplotypes without noise: cells of few carriers dropped.

This is k-anonymity of single cells (Samarati & Sweeney 1998), no guarantee: many cells together can
show who is in the cohort (Homer et al. 2008), and what an attacker knows besides is not bounded.
"""

import numpy as np

BLOCK = 16  # sites of a cell
FEWEST_CARRIERS = 5  # individuals
PUBLIC_HAPLOTYPES = 100.0  # that the public frequencies count for


def cell_counts(
    blocks: np.ndarray, label: np.ndarray, n_labels: int, known: np.ndarray
) -> np.ndarray:
    """Haplotypes that carry each of the `known` blocks, int64 (L, len(known)); 0 where fewer than
    `FEWEST_CARRIERS` individuals of a population do.

    Parameters
    ----------
    blocks : ndarray, uint32, shape (2 n,)
        Alleles of each haplotype, one bit a site; both of an individual side by side.
    label : ndarray of int, shape (n,)
        Population of each individual.
    known : ndarray, uint32
        Blocks that public haplotypes have, rising; others are not counted.
    """
    place = np.searchsorted(known, blocks)
    place[place == len(known)] = 0
    place = np.where(known[place] == blocks, place, -1).reshape(-1, 2)
    counts = np.zeros((n_labels, len(known)), dtype=np.int64)
    carriers = np.zeros_like(counts)
    both = place[:, 0] == place[:, 1]
    for side, alone in ((0, np.ones(len(label), dtype=bool)), (1, ~both)):
        inside = place[:, side] >= 0
        np.add.at(counts, (label[inside], place[inside, side]), 1)
        inside &= alone
        np.add.at(carriers, (label[inside], place[inside, side]), 1)
    return np.where(carriers >= FEWEST_CARRIERS, counts, 0)


def weighted(counts: np.ndarray, place: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Weights of public haplotypes whose block frequencies equal counts, shrunk to the frequencies
    of `base`; float64 (N,), summing to one.

    Parameters
    ----------
    counts : ndarray, int64, shape (B,)
        Of one population of the cohort, by block.
    place : ndarray of int, shape (N,)
        Which block each public haplotype has.
    base : ndarray, float, shape (N,)
        Weights that represent the population, summing to one.
    """
    public = np.bincount(place, base, len(counts))
    wanted = (counts + PUBLIC_HAPLOTYPES * public) / (counts.sum() + PUBLIC_HAPLOTYPES)
    # who carries what nobody of the base does is taken from all public haplotypes
    carriers = np.bincount(place, minlength=len(counts))
    share = np.where(
        public[place] > 0, base / np.maximum(public[place], 1e-300), 1 / carriers[place]
    )
    weights = wanted[place] * share
    return weights / weights.sum()
