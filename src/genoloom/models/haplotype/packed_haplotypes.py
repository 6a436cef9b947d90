"""Training haplotypes kept inside a model, eight variants a byte: for generators that copy or
count.
"""

from dataclasses import dataclass

import numpy as np

from genoloom.declared import Declared
from genoloom.panel import HaplotypeSource, fill_missing

READ_VARIANTS = 4096  # a multiple of 8
_BITS = np.arange(7, -1, -1, dtype=np.uint8)  # the first variant of a byte is its highest bit


@dataclass(frozen=True)
class PackedHaplotypes:
    """A haplotype source in memory: one bit per allele, and one more where calls are missing.

    Attributes
    ----------
    n_variants : int
    ones : ndarray, uint8, shape (ceil(n_variants / 8), n_haplotypes)
        Bits of the alternate alleles of eight neighbouring variants; those past the last variant
        are 0.
    called : ndarray, uint8, shape of `ones`, or (0, n_haplotypes) where no call is missing
    """

    n_variants: int
    ones: np.ndarray
    called: np.ndarray

    @classmethod
    def pack(cls, source: HaplotypeSource, fill: bool = False) -> "PackedHaplotypes":
        """Read `source` once, block by block; `fill` sets missing calls to the more frequent allele
        of the site.
        """
        shape = (-(-source.n_variants // 8), source.n_haplotypes)
        ones = np.empty(shape, dtype=np.uint8)
        called = np.empty((0, shape[1]), dtype=np.uint8)
        for start in range(0, source.n_variants, READ_VARIANTS):
            block = source.read(start, min(start + READ_VARIANTS, source.n_variants))
            rows = slice(start // 8, start // 8 + -(-len(block) // 8))
            block = fill_missing(block) if fill else block
            missing = block < 0
            if missing.any():
                if len(called) == 0:
                    called = np.full(shape, 255, dtype=np.uint8)
                called[rows] = _pack(~missing)
            ones[rows] = _pack(block == 1)
        return cls(source.n_variants, ones, called)

    @property
    def n_haplotypes(self) -> int:
        return self.ones.shape[1]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Alleles of the variants [start, stop), int8 with -1 for missing, shape (stop - start,
        n_haplotypes).
        """
        rows, inside = slice(start // 8, -(-stop // 8)), slice(start % 8, start % 8 + stop - start)
        alleles = unpack(self.ones[rows])[inside]
        return (
            np.where(unpack(self.called[rows])[inside] == 1, alleles, np.int8(-1))
            if len(self.called)
            else alleles
        )

    def ones_at(self, variants: np.ndarray) -> np.ndarray:
        """Whether haplotypes carry the alternate alleles of some variants, uint8 (n,
        n_haplotypes).
        """
        return (self.ones[variants // 8] >> _BITS[variants % 8, None]) & 1

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """Arrays and description for the model file."""
        return {"ones": self.ones, "called": self.called}, {"n_variants": self.n_variants}

    @classmethod
    def declare(cls, arrays: Declared, n_variants: int) -> int:
        """Declare the arrays of `state`; returns the number of haplotypes."""
        n_bytes = -(-n_variants // 8)
        _, n_haplotypes = arrays.expect("ones", "uint8", n_bytes, None)
        some_missing = "called" in arrays and arrays["called"].shape[:1] != (0,)
        arrays.expect("called", "uint8", n_bytes if some_missing else 0, n_haplotypes)
        return n_haplotypes

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "PackedHaplotypes":
        return cls(description["n_variants"], arrays["ones"], arrays["called"])


def _pack(bits: np.ndarray) -> np.ndarray:
    """Eight rows to a byte; (n, n_columns) bool to uint8 (ceil(n / 8), n_columns)."""
    full = np.zeros((-(-len(bits) // 8) * 8, bits.shape[1]), dtype=np.uint8)
    full[: len(bits)] = bits
    # much faster than packbits along the first axis
    return np.bitwise_or.reduce(full.reshape(-1, 8, bits.shape[1]) << _BITS[None, :, None], axis=1)


def unpack(packed: np.ndarray) -> np.ndarray:
    """Bits of each byte as rows of their own: uint8 (n, n_columns) to int8 (8 * n, n_columns)."""
    bits = np.empty((len(packed), 8, packed.shape[1]), dtype=np.uint8)
    for i, shift in enumerate(_BITS):
        np.bitwise_and(packed >> shift, 1, out=bits[:, i])
    return bits.reshape(8 * len(packed), packed.shape[1]).view(np.int8)
