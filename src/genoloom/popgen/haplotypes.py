"""Haplotypes in short windows: how many there are, which rows share them, how long rows stay identical."""

import numpy as np


def window_ids(alleles: np.ndarray) -> np.ndarray:
    """A number for the haplotype of each column, the same for identical columns; int64, shape (n_haplotypes,).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, n_haplotypes)
    """
    packed = np.packbits(np.ascontiguousarray(alleles.T == 1), axis=1)
    rows = packed.view([("", packed.dtype)] * packed.shape[1]).ravel()
    return np.unique(rows, return_inverse=True)[1].astype(np.int64)


def distinct_and_homozygosity(ids: np.ndarray) -> tuple[int, float]:
    """Number of distinct haplotypes and the sum of their squared frequencies (H1 of Garud et al. 2015)."""
    counts = np.unique(ids, return_counts=True)[1]
    return len(counts), float(((counts / counts.sum()) ** 2).sum())


class LongestSharedRuns:
    """Longest run of identical alleles between each row of A and any row of B, over blocks of variants in order.

    Rows are haplotypes; time and memory are (rows of A) x (rows of B) a variant.
    """

    def __init__(self, n_a: int, n_b: int):
        self.length = np.zeros((n_a, n_b), dtype=np.float32)
        self.longest = np.zeros(n_a, dtype=np.float32)

    def new_contig(self) -> None:
        """Runs do not go on across contigs."""
        self.length[:] = 0

    def add(self, a: np.ndarray, b: np.ndarray, span: np.ndarray) -> None:
        """Extend by a block: `a` (n, n_a), `b` (n, n_b) alleles, `span` (n,) the length each variant adds."""
        for row_a, row_b, step in zip(a, b, span.astype(np.float32), strict=True):
            self.length += step
            self.length *= row_a[:, None] == row_b[None, :]
            np.maximum(self.longest, self.length.max(axis=1), out=self.longest)
