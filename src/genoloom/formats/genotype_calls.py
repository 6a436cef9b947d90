"""Genotype calls of any ploidy, for personal sequences: haploid contigs, chromosome X,
heteroplasmic calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genoloom.formats.variant_process import ABSENT, Block
from genoloom.formats.variants import NoRecords, VcfFile, wrong_ploidy


@dataclass(frozen=True)
class Calls:
    """One record.

    Attributes
    ----------
    position : int, 1-based
    ref : str
    alts : list of str
    alleles : ndarray, int16, shape (n_individuals, ploidy)
        Index into (ref, *alts); -1 missing, -2 where a call has fewer alleles.
    phased : ndarray, bool, shape (n_individuals,)
        False as well for a heterozygous call of another phase set than the individual's first.
    end : int or None
        Last base that a symbolic allele spans, 1-based, where the record says.
    other_sets : int
        Heterozygous calls of other phase sets.
    """

    position: int
    ref: str
    alts: list[str]
    alleles: np.ndarray
    phased: np.ndarray
    end: int | None = None
    other_sets: int = 0

    @property
    def haploid(self) -> np.ndarray:
        """Whose call has one allele, bool (n_individuals,). A lone missing allele does not tell."""
        one = (
            (self.alleles[:, 1:] == ABSENT).all(axis=1)
            if self.alleles.shape[1] > 1
            else np.ones(len(self.alleles), dtype=bool)
        )
        return one & (self.alleles[:, 0] >= 0)

    @property
    def unphased(self) -> np.ndarray:
        """Whose call is heterozygous without phase, bool (n_individuals,)."""
        known = (self.alleles >= 0).all(axis=1)
        return known & (self.alleles != self.alleles[:, :1]).any(axis=1) & ~self.phased


class CallsFile(VcfFile):
    """A VCF or BCF as `VcfFile`, whose `records` are `Calls` of ploidy one or two; there may be
    none.

    A contig without records must be one that the header declares.
    """

    def __init__(self, path: Path, contig: str, region: tuple[int, int] | None = None):
        try:
            super().__init__(path, contig, region)
        except NoRecords:
            if contig not in self.header.contigs.values():
                raise

    def records(self) -> Iterator[Calls]:
        if self._index is not None and self.contig not in self._index.contigs:
            return
        yield from self._in_order(self._blocks(self.contig))

    def _of_block(self, block: Block) -> Iterator[Calls]:
        ploidy = block.alleles.shape[2]
        texts = zip(block.text, block.highest(), strict=True)
        for i, ((position, _, ref, alts, _, end), highest) in enumerate(texts):
            if (fault := self._fault(f"{block.contig}:{position}", block, i, highest)) is not None:
                raise fault
            if ploidy > 2:
                raise wrong_ploidy(self.path, f"{block.contig}:{position}", ploidy)
            yield Calls(
                position,
                ref,
                alts,
                block.alleles[i].astype(np.int16),
                block.phased[i],
                end,
                block.other_sets[i],
            )
