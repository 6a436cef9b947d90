"""Variants of a panel on the sites of a model's blocks, some of which the panel may lack."""

from dataclasses import dataclass

import numpy as np

from genoloom.panel import HaplotypeSource


@dataclass(frozen=True)
class MappedSites:
    """A haplotype source spread over more sites: -1 where it has none.

    Attributes
    ----------
    parent : HaplotypeSource
    site_mapping : ndarray, int64, shape (parent.n_variants,)
        Site of each variant, rising.
    n_variants : int
        Sites.
    """

    parent: HaplotypeSource
    site_mapping: np.ndarray
    n_variants: int

    @property
    def n_haplotypes(self) -> int:
        return self.parent.n_haplotypes

    def read(self, start: int, stop: int) -> np.ndarray:
        low, high = np.searchsorted(self.site_mapping, [start, stop])
        if high - low == stop - start:
            return self.parent.read(low, high)
        alleles = np.full((stop - start, self.n_haplotypes), -1, dtype=np.int8)
        alleles[self.site_mapping[low:high] - start] = self.parent.read(low, high)
        return alleles


def match_sites(wanted: list[tuple], known: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the entries of `wanted` that are in `known`, and where they are there; both
    rise, int64.

    Where the order differs (alleles of one position), what would step back is left out.
    """
    place = {key: i for i, key in enumerate(known)}
    pairs, last = [], -1
    for i, key in enumerate(wanted):
        at = place.get(key, -1)
        if at > last:
            pairs.append((i, at))
            last = at
    return tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T)
