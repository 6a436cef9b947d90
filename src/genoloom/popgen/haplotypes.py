"""Haplotypes in short windows: how many there are, which rows share them, how long rows stay
identical.
"""

import numpy as np


def window_ids(alleles: np.ndarray) -> np.ndarray:
    """A number for the haplotype of each column, the same for identical columns; int64 in
    0..distinct-1, shape (n_haplotypes,).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, n_haplotypes)
    """
    ids = np.zeros(alleles.shape[1], dtype=np.int64)
    for start in range(0, len(alleles), 64):
        packed = np.packbits(alleles[start : start + 64] == 1, axis=0)
        padded = np.zeros((alleles.shape[1], 8), dtype=np.uint8)
        padded[:, : len(packed)] = packed.T
        ids = combine_ids(ids, np.unique(padded.view(np.uint64).ravel(), return_inverse=True)[1])
    return ids


def combine_ids(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Numbers for the pairs of two numberings: of two windows, the ids of both together."""
    return np.unique(first * (second.max() + 1) + second, return_inverse=True)[1]


def garud(counts: np.ndarray) -> np.ndarray:
    """Distinct haplotypes, H1, H12 and H2/H1 of groups; float, shape (4, n_groups).

    Garud et al. 2015, doi:10.1371/journal.pgen.1005004.

    Parameters
    ----------
    counts : ndarray of int, shape (n_distinct, n_groups)
        How often each haplotype of the window occurs in each group.
    """
    if len(counts) == 1:
        counts = np.concatenate([counts, np.zeros_like(counts)])
    f = counts / counts.sum(axis=0)
    top = np.partition(f, -2, axis=0)[-2:]
    h1 = (f * f).sum(axis=0)
    return np.stack(
        [(counts > 0).sum(axis=0), h1, h1 + 2 * top[0] * top[1], (h1 - top[1] ** 2) / h1]
    )


def extended_homozygosity(
    alleles: np.ndarray, extents: list[int], members: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of carriers of the first site's rarer allele that stay identical over the next sites,
    within groups.

    The ratio of the two is the extended haplotype homozygosity (EHH) of Sabeti et al. 2002,
    doi:10.1038/nature01140.

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, n_haplotypes)
        From the focal site on.
    extents : list of int
        Numbers of sites, growing, the focal site included.
    members : ndarray of 0/1, shape (n_haplotypes, n_groups)

    Returns
    -------
    (identical, pairs) : ndarray, float64, shapes (n_extents, n_groups) and (n_groups,)
    """
    rarer = int(alleles[0].mean() <= 0.5)
    inside = alleles[0] == rarer
    carriers, members = alleles[:, inside], members[inside]
    if carriers.shape[1] == 0:
        return np.zeros((len(extents), members.shape[1])), np.zeros(members.shape[1])
    ids, done, identical = np.zeros(carriers.shape[1], dtype=np.int64), 0, []
    for extent in extents:
        ids = combine_ids(ids, window_ids(carriers[done:extent]))
        done = extent
        counts = group_counts(ids, members)
        identical.append((counts * (counts - 1)).sum(axis=0))
    n = members.sum(axis=0, dtype=np.float64)
    return np.array(identical), n * (n - 1)


def group_counts(ids: np.ndarray, members: np.ndarray) -> np.ndarray:
    """How often each id occurs in each group, float64 of whole numbers, shape (n_distinct,
    n_groups).
    """
    order = np.argsort(ids, kind="stable")
    starts = np.flatnonzero(np.diff(ids[order], prepend=-1))
    return np.add.reduceat(members[order], starts, axis=0, dtype=np.float64)


class PairwiseRuns:
    """Runs without a difference between all pairs of haplotypes: the longest, and the length in
    runs of `minimum` or more.

    A run reaches from one differing site to the next; the contig's ends bound it as well. Only the
    pairs that differ at a site are touched there, so that rare variants cost little.

    Parameters
    ----------
    n : int
        Haplotypes; memory is n * n.
    minimum : float
        Length, in the unit of the positions, from which a run counts as a segment.
    """

    SUMS, LARGEST = ("_in_segments",), ("_longest",)

    def __init__(self, n: int, minimum: float):
        self.minimum = minimum
        self._longest = np.zeros((n, n), dtype=np.float32)
        self._in_segments = np.zeros((n, n), dtype=np.float32)
        self._start = np.zeros((n, n), dtype=np.float32)

    def begin(self, position: float) -> None:
        """A contig starts at `position`; runs do not go on across contigs."""
        self._start[:] = position

    def add(self, alleles: np.ndarray, position: np.ndarray) -> None:
        """Extend by a block: alleles, shape (n_variants, n), and the growing positions of its
        sites.
        """
        for row, at in zip(alleles, position.astype(np.float32), strict=True):
            one, other = np.flatnonzero(row == 1), np.flatnonzero(row != 1)
            if len(one) and len(other):
                pairs = np.ix_(one, other)
                length = at - self._start[pairs]
                self._longest[pairs] = np.maximum(self._longest[pairs], length)
                self._in_segments[pairs] += np.where(length >= self.minimum, length, np.float32(0))
                self._start[pairs] = at
                self._start[np.ix_(other, one)] = at

    def end(self, position: float) -> None:
        """The contig ends at `position`."""
        length = np.float32(position) - self._start
        np.maximum(self._longest, length, out=self._longest)
        self._in_segments += np.triu(np.where(length >= self.minimum, length, np.float32(0)))

    def longest(self) -> np.ndarray:
        """Longest run of every pair, float32, shape (n, n)."""
        return np.maximum(self._longest, self._longest.T)

    def in_segments(self) -> np.ndarray:
        """Total length in segments of every pair, float32, shape (n, n); the diagonal means
        nothing.
        """
        return self._in_segments + self._in_segments.T
