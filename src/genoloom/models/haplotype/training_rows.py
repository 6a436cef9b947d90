"""Training haplotypes in memory, eight sites per byte, and matched crossovers between them."""

from dataclasses import dataclass

import numpy as np

from genoloom.models.haplotype.blocks import iterate_blocks
from genoloom.panel import HaplotypeSource

MATCH_SITES = 104  # sites on which two rows must agree before one may go on as the other


@dataclass(frozen=True)
class PackedRows:
    """Haplotypes as rows of bytes; every block of sites begins a byte.

    Attributes
    ----------
    block : int
        Sites a block.
    ones, called : ndarray, uint8, shape (n_rows, n_blocks * bytes_per_block)
        Bits of the alternate alleles and of the called alleles; sites past the last variant are not
        called.
    """

    block: int
    ones: np.ndarray
    called: np.ndarray

    @classmethod
    def read(cls, haplotypes: HaplotypeSource, block: int, rows: np.ndarray) -> "PackedRows":
        """Read the haplotypes `rows` (integer indices) once, block by block."""
        pieces = list(iterate_blocks(haplotypes, block, rows))
        ones = np.concatenate([np.packbits(piece == 1, axis=1) for piece in pieces], axis=1)
        called = np.concatenate([np.packbits(piece >= 0, axis=1) for piece in pieces], axis=1)
        return cls(block, ones, called)

    @property
    def bytes_per_block(self) -> int:
        return -(-self.block // 8)

    def __len__(self) -> int:
        return self.ones.shape[0]

    def alleles(self, source: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Alleles of the blocks [start, stop), int8 with -1 for missing, shape (n, stop - start,
        block).

        `source` says which row each haplotype is made from: shape (n,), or (n, n_bytes) row by byte
        of these blocks.
        """
        columns = np.arange(start * self.bytes_per_block, stop * self.bytes_per_block)
        index = (source[:, None] if source.ndim == 1 else source, columns)
        shape = (len(source), stop - start, self.bytes_per_block)
        one = np.unpackbits(self.ones[index].reshape(shape), axis=2, count=self.block).astype(
            np.int8
        )
        called = np.unpackbits(self.called[index].reshape(shape), axis=2, count=self.block)
        return np.where(called == 1, one, np.int8(-1))

    def matched_crossovers(
        self,
        rows: np.ndarray,
        group: np.ndarray,
        start: int,
        stop: int,
        breakpoints: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Which row each byte comes from when haplotypes cross over to others that they cannot be
        distinguished from.

        At each of `breakpoints` places, every haplotype goes on as a random row of its group that
        agrees with it on the preceding `MATCH_SITES` sites: what a recombination between two
        carriers of one local haplotype would make.

        Parameters
        ----------
        rows : ndarray, int64, shape (n,)
            Rows to begin with.
        group : ndarray, int64, shape (n_rows,)
            Population of every row.
        start, stop : int
            Blocks.

        Returns
        -------
        ndarray, int64, shape (n, (stop - start) * bytes_per_block)
        """
        first, last = start * self.bytes_per_block, stop * self.bytes_per_block
        width = MATCH_SITES // 8
        source = np.repeat(rows[:, None], last - first, axis=1)
        multipliers = rng.integers(1, 2**63, size=(2, width), dtype=np.uint64)
        if max(first, width) >= last:
            return source
        for position in np.sort(rng.integers(max(first, width), last, size=breakpoints)):
            key = self.ones[:, position - width : position].astype(np.uint64) @ multipliers[0]
            key += self.called[:, position - width : position].astype(np.uint64) @ multipliers[1]
            key ^= group.astype(np.uint64)
            order = np.argsort(key, kind="stable")
            own = key[source[:, position - first]]
            left, right = (
                np.searchsorted(key[order], own, side=side) for side in ("left", "right")
            )
            source[:, position - first :] = order[rng.integers(left, right)][:, None]
        return source
