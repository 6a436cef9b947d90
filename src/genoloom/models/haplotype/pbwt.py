"""Positional Burrows-Wheeler transform: haplotypes in the order of their reversed prefixes, kept up
along the contig.

Durbin 2014, doi:10.1093/bioinformatics/btu014. In this order, haplotypes that agree on the latest
sites are together. Two forms: `Pbwt` goes site by site and knows how long neighbours agree;
`BytewisePbwt` goes eight sites at a step, which is faster by an order of magnitude, and knows which
neighbours agree on a given number of steps.
"""

import numpy as np


class Pbwt:
    """Order and divergence of haplotypes after the sites pushed so far.

    Attributes
    ----------
    site : int
        Number of sites pushed.
    order : ndarray, int64, shape (n_haplotypes,)
        Haplotypes by their alleles at the latest site, then at the one before, and so on.
    divergence : ndarray, int64, shape (n_haplotypes,)
        Of each place in the order: the site from which on its haplotype agrees with the one above;
        `site` where they differ at the latest site; for the first place a site that has not come
        yet.
    """

    def __init__(self, n_haplotypes: int):
        self.site = 0
        self.order = np.arange(n_haplotypes)
        self.divergence = np.zeros(n_haplotypes, dtype=np.int64)
        self.divergence[:1] = 1

    def push(self, alleles: np.ndarray) -> None:
        """Take in the next site, `alleles` in 0/1 of shape (n_haplotypes,): Durbin's algorithm
        2.
        """
        self.site += 1
        places = np.arange(len(self.order))
        one = alleles[self.order] == 1
        parts = [self._part(places[~one]), self._part(places[one])]
        self.order = np.concatenate([self.order[~one], self.order[one]])
        self.divergence = np.concatenate(parts)
        self.divergence[:1] = self.site + 1

    def _part(self, kept: np.ndarray) -> np.ndarray:
        """Divergence of the places `kept` from each other: the latest of those between them."""
        if len(kept) == 0:
            return kept
        begins = np.concatenate([[0], kept[:-1] + 1])
        latest = np.maximum.reduceat(self.divergence[: kept[-1] + 1], begins)
        latest[0] = self.site
        return latest


class BytewisePbwt:
    """Order of haplotypes within groups after the bytes of eight sites pushed so far.

    Parameters
    ----------
    group : ndarray of int, shape (n_haplotypes,)
        At most 256 groups; haplotypes are ordered within theirs.
    memory : int
        Largest number of bytes that `runs` may ask about.
    """

    def __init__(self, group: np.ndarray, memory: int):
        self.n_bytes = 0
        self.order = np.argsort(group, kind="stable")
        self.group = group.astype(np.uint16) << 8
        # sums of bytes times random numbers: rows whose sums grew alike since a byte are equal
        # since then
        self.sums = np.zeros((memory + 1, len(group)), dtype=np.uint64)
        self.random = np.random.default_rng(0)

    def push(self, alleles: np.ndarray) -> None:
        """Take in the next byte of every haplotype, uint8, shape (n_haplotypes,)."""
        # a stable radix sort by the latest byte keeps the order of what came before
        self.order = self.order[np.argsort((self.group | alleles)[self.order], kind="stable")]
        before = self.sums[self.n_bytes % len(self.sums)]
        self.n_bytes += 1
        factor = self.random.integers(1, 2**63, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        np.add(before, alleles * factor, out=self.sums[self.n_bytes % len(self.sums)])

    def runs(self, length: int) -> np.ndarray:
        """Where runs of haplotypes of one group that are equal on the last `length` bytes begin in
        the order, and its end.

        Distinct haplotypes are taken as equal with a chance below 2 ** -56.

        Returns
        -------
        ndarray, int64, shape (n_runs + 1,)
        """
        if length > min(self.n_bytes, len(self.sums) - 1):
            raise ValueError(f"{length} bytes are not in memory")
        now = self.sums[self.n_bytes % len(self.sums)]
        then = self.sums[(self.n_bytes - length) % len(self.sums)]
        grown, group = (now - then)[self.order], self.group[self.order]
        borders = np.flatnonzero((grown[1:] != grown[:-1]) | (group[1:] != group[:-1])) + 1
        return np.concatenate([[0], borders, [len(self.order)]])
