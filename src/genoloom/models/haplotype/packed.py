"""Training haplotypes kept inside a model, two bits an allele: for generators that copy or count."""

from dataclasses import dataclass

import numpy as np

from genoloom.panel import HaplotypeSource

READ_VARIANTS = 4096


@dataclass(frozen=True)
class PackedHaplotypes:
    """A haplotype source in memory.

    Attributes
    ----------
    n_haplotypes : int
    ones, called : ndarray, uint8, shape (n_variants, ceil(n_haplotypes / 8))
        Bits of the alternate alleles and of the called alleles.
    """

    n_haplotypes: int
    ones: np.ndarray
    called: np.ndarray

    @classmethod
    def pack(cls, source: HaplotypeSource) -> "PackedHaplotypes":
        """Read `source` once, block by block."""
        starts = range(0, source.n_variants, READ_VARIANTS)
        blocks = (source.read(start, min(start + READ_VARIANTS, source.n_variants)) for start in starts)
        bits = [(np.packbits(block == 1, axis=1), np.packbits(block >= 0, axis=1)) for block in blocks]
        return cls(source.n_haplotypes, *(np.concatenate(column) for column in zip(*bits, strict=True)))

    @property
    def n_variants(self) -> int:
        return len(self.ones)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Alleles of the variants [start, stop), int8 with -1 for missing, shape (stop - start, n_haplotypes)."""
        one = np.unpackbits(self.ones[start:stop], axis=1, count=self.n_haplotypes).astype(np.int8)
        called = np.unpackbits(self.called[start:stop], axis=1, count=self.n_haplotypes)
        return np.where(called == 1, one, np.int8(-1))
