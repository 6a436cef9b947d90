"""Summaries of single haplotypes, for a classifier that sees whole haplotypes and not sites.

A classifier of sites or windows does not see that every synthetic haplotype has slightly too few
rare alleles, changes its allele too often along the sequence, or lies slightly nearer to the
others than real haplotypes do. These summaries show it.
"""

import numpy as np

WINDOWS = 8  # parts of the sequence whose burden and alternations count by themselves
RARE = (0.01, 0.05)  # bounds of the classes of rare alleles
NEIGHBOURS = 5


def haplotype_summaries(alleles: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """What can be said of each haplotype without the others.

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, n_haplotypes)
    frequency : ndarray, float, shape (n_variants,)
        Of the alternate allele in real individuals; says which allele is the rarer one.

    Returns
    -------
    ndarray, float32, shape (n_haplotypes, n_summaries)
        Rarer alleles in total, by window and by class of frequency; changes of the allele from a
        site to the next, in total and by window; longest run without a rarer allele and root mean
        square of all such runs, and the same of common sites alone.
    """
    minor = np.where(frequency[:, None] > 0.5, 1 - alleles, alleles).astype(np.int8)
    rarer = np.minimum(frequency, 1 - frequency)
    changes = (alleles[1:] != alleles[:-1]).astype(np.int8)
    columns = [*_by_window(minor), *_by_window(changes)]
    columns += [
        minor[rarer <= RARE[0]].sum(axis=0),
        minor[(rarer > RARE[0]) & (rarer <= RARE[1])].sum(axis=0),
    ]
    for rows in (minor, minor[rarer > RARE[1]]):
        columns += _runs(rows)
    return np.stack(columns, axis=1).astype(np.float32)


def _by_window(rows: np.ndarray) -> list[np.ndarray]:
    return [rows.sum(axis=0), *(part.sum(axis=0) for part in np.array_split(rows, WINDOWS))]


def _runs(minor: np.ndarray) -> list[np.ndarray]:
    """Longest run of sites without the rarer allele, and root mean square of all runs."""
    longest, squares, n = np.zeros((3, minor.shape[1]))
    run = np.zeros(minor.shape[1])
    for row in [*minor, np.ones(minor.shape[1], dtype=np.int8)]:
        ends = row == 1
        longest = np.maximum(longest, np.where(ends, run, 0))
        squares += np.where(ends, run**2, 0)
        n += ends
        run = np.where(ends, 0, run + 1)
    return [longest, np.sqrt(squares / n)]


def neighbour_summaries(
    distance: np.ndarray, label: np.ndarray, individual: np.ndarray, train: np.ndarray
) -> np.ndarray:
    """Log distances to the training rows of each label: nearest, fifth nearest and mean.

    A row's own individual takes no part.

    Parameters
    ----------
    distance : ndarray, float, shape (n, n)
    label, individual : ndarray of int, shape (n,)
    train : ndarray of int
        The rows of the training folds.

    Returns
    -------
    ndarray, float64, shape (n, 6)
    """
    columns = []
    for value in (0, 1):
        others = train[label[train] == value]
        d = np.where(
            individual[:, None] == individual[others][None, :], np.inf, distance[:, others]
        )
        k = min(NEIGHBOURS, d.shape[1] - 2) - 1
        ordered = np.partition(d, (0, k), axis=1)
        means = np.ma.masked_invalid(d).mean(axis=1).filled(0)
        columns += [np.log1p(ordered[:, 0]), np.log1p(ordered[:, k]), np.log1p(means)]
    return np.stack(columns, axis=1)
