"""Longest identical stretches between haplotypes, in time linear in haplotypes and sites.

Positional Burrows-Wheeler transform (Durbin 2014, doi:10.1093/bioinformatics/btu014): haplotypes
are kept sorted by their alleles read backwards from the current site. The haplotype of a group that
agrees longest with another one, up to this site, is the nearest of that group above or below it in
the order.
"""

import numpy as np


class LongestMatches:
    """For each haplotype, the longest stretch shared with any haplotype of each group, over sites
    in order.

    Parameters
    ----------
    groups : dict of str to ndarray of bool, shape (n_haplotypes,)
        Whom to match with. A haplotype is never matched with itself.

    Attributes
    ----------
    longest : dict of str to ndarray, float64, shape (n_haplotypes,)
        Longest stretch with any haplotype of the group, in the unit of the given positions.
    total : dict of str to ndarray, float64, shape (n_haplotypes,)
        Sum over sites of the longest stretch that ends there.
    longest_possible : float
        Length of the longest contig that has been ended.
    """

    def __init__(self, groups: dict[str, np.ndarray]):
        self.groups = groups
        [n] = {len(group) for group in groups.values()}
        self.n = n
        self.longest = {name: np.zeros(n) for name in groups}
        self.total = {name: np.zeros(n) for name in groups}
        self.longest_possible, self.position = 0.0, np.empty(0)
        self.new_contig()

    def new_contig(self) -> None:
        """Stretches do not go on across contigs."""
        self.longest_possible = max(self.longest_possible, self._span())
        self.order = np.arange(self.n)
        # first site of the match with the haplotype above
        self.start = np.zeros(self.n, dtype=np.int64)
        self.position = np.empty(0)

    def _span(self) -> float:
        return float(self.position[-1] - self.position[0]) if len(self.position) else 0.0

    def add(self, alleles: np.ndarray, position: np.ndarray) -> None:
        """Read the next sites: `alleles` (n_sites, n_haplotypes) in 0/1, `position` (n_sites,)."""
        done = len(self.position)
        self.position = np.concatenate([self.position, position])
        for k, row in enumerate(alleles, done):
            self._sort(k, row)
            for name, group in self.groups.items():
                length = (
                    self.position[k]
                    - self.position[np.minimum(self._first_site(k, group[self.order]), k)]
                )
                self.total[name][self.order] += length
                self.longest[name][self.order] = np.maximum(self.longest[name][self.order], length)

    def _sort(self, k: int, row: np.ndarray) -> None:
        """Put the site `k` in front of what the haplotypes are sorted by."""
        alternate = row[self.order] == 1
        orders, starts = [], []
        for of_allele in (np.flatnonzero(~alternate), np.flatnonzero(alternate)):
            if len(of_allele) == 0:
                continue
            # rows between two of one allele are skipped: their matches bound the match across them
            bounds = np.concatenate([[0], of_allele[:-1] + 1])
            start = np.maximum.reduceat(self.start[: of_allele[-1] + 1], bounds)
            start[0] = k + 1
            orders.append(self.order[of_allele])
            starts.append(start)
        self.order, self.start = np.concatenate(orders), np.concatenate(starts)

    def _first_site(self, k: int, inside: np.ndarray) -> np.ndarray:
        """First site of the longest match of each row that ends at `k`, with a row `inside`; k + 1
        where there is none.
        """
        offset = k + 2
        above = np.cumsum(inside) - inside  # rows of the group before this row
        best = np.maximum.accumulate(self.start + above * offset) - above * offset
        best[above == 0] = k + 1
        below = above[-1] + inside[-1] - above - inside  # and after it
        nexts = np.append(self.start[1:], k + 1)
        down = (np.maximum.accumulate((nexts + below * offset)[::-1]))[::-1] - below * offset
        down[below == 0] = k + 1
        return np.minimum(best, down)
