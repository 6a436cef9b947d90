"""Mosaics that cross over only where two training haplotypes cannot be distinguished.

A plain mosaic breaks linkage at each switch. Here a row that copies one training haplotype may go
on only as another of its population that is equal on the preceding sites: what a recombination
between two carriers of one local haplotype would make. It learns nothing and is more faithful than
any plain mosaic, so it is the bar for generators that learn; and it copies, so it leaks like any
mosaic.

Crossovers come at rate 1 / `segment_cm`. One that finds no equal haplotype waits for the next
place; each further `segment_cm` that it has waited halves the length that must agree, so that no
row goes on copying one individual because nobody resembles that individual. The state is the
positional Burrows-Wheeler order of the training haplotypes at the present site: memory does not
grow along the contig.
"""

from collections.abc import Iterator

import numpy as np

from genoloom.models.haplotype.base import SampleRequest, description_with
from genoloom.models.haplotype.mosaic import TEMPLATE, MosaicGenerator, Templates
from genoloom.models.haplotype.packed_haplotypes import unpack
from genoloom.models.haplotype.pbwt import BytewisePbwt
from genoloom.seeds import paired_uniforms
from genoloom.training_config import MatchedMosaicOptions

BLOCK = 512  # variants at a time; a multiple of 8
MEMORY = 4096  # most sites that are compared, whatever the map says
FOREVER = 62  # halvings after which any haplotype of the group will do


class MatchedMosaicGenerator(MosaicGenerator):
    """Copies haplotypes of the own population, crossing over to equal ones at rate 1 / `segment_cm`
    a centimorgan.
    """

    name = "matched_mosaic"
    description_class = description_with(MatchedMosaicOptions)
    options_class = MatchedMosaicOptions

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        templates = self.templates()
        present = templates.draw(
            request.population,
            paired_uniforms(request.seed, np.full(len(request.seed), TEMPLATE - 1)),
        )
        crossovers = _Crossovers(self, templates, present, request.seed)
        for start in range(0, self.n_variants, BLOCK):
            stop = min(start + BLOCK, self.n_variants)
            block = self.training.ones[start // 8 : -(-stop // 8)]
            copied = np.empty((len(block), len(request.seed)), dtype=np.uint8)
            for i, alleles in enumerate(block):
                np.take(alleles, crossovers.present, out=copied[i])
                crossovers.advance(alleles)
            yield unpack(copied)[: stop - start]


class _Crossovers:
    """What each row copies, and where it wants to cross over next; boundaries are between bytes of
    eight sites.
    """

    def __init__(
        self,
        generator: MatchedMosaicGenerator,
        templates: Templates,
        present: np.ndarray,
        seed: np.ndarray,
    ):
        self.segment_cm, self.present, self.seed = generator.options.segment_cm, present, seed
        # small populations copy from everybody, so their haplotypes are one group
        group = np.where(templates.few, len(templates.few), np.arange(len(templates.few)))[
            generator.population
        ]
        self.boundary_cm, self.must_match = _boundaries(
            generator.map_cm, generator.options.match, generator.options.match_cm
        )
        self.pbwt = BytewisePbwt(
            np.unique(group, return_inverse=True)[1], int(self.must_match.max(initial=0))
        )
        self.next_cm = self._draw(0, np.arange(len(seed)))

    def _draw(self, boundary: int, rows: np.ndarray) -> np.ndarray:
        """Where the rows want to cross over next: at an exponential distance, which has no
        memory.
        """
        uniforms = paired_uniforms(self.seed[rows], np.full(len(rows), boundary))
        return self.boundary_cm[boundary] - self.segment_cm * np.log1p(-uniforms)

    def advance(self, alleles: np.ndarray) -> None:
        """Go on by one byte, `alleles` of the training haplotypes; rows that want to and can cross
        over after it.
        """
        self.pbwt.push(alleles)
        boundary = self.pbwt.n_bytes
        if boundary == len(self.boundary_cm):
            return  # the contig ends
        waited = (self.boundary_cm[boundary] - self.next_cm) / self.segment_cm
        wanting = np.flatnonzero(waited >= 0)
        if len(wanting) == 0:
            return
        halvings = np.minimum(waited[wanting], FOREVER).astype(np.int64)
        length = self.must_match[boundary] >> halvings
        rank = None
        for needed in np.unique(length[length <= boundary]):
            if rank is None:
                rank = np.empty(len(self.pbwt.order), dtype=np.int64)
                rank[self.pbwt.order] = np.arange(len(rank))
            self._cross(boundary, wanting[length == needed], int(needed), rank)

    def _cross(self, boundary: int, rows: np.ndarray, length: int, rank: np.ndarray) -> None:
        begins = self.pbwt.runs(length)
        own = rank[self.present[rows]]
        run = np.searchsorted(begins, own, side="right") - 1
        others = begins[run + 1] - begins[run] - 1
        able = others > 0
        rows, own, first, others = rows[able], own[able], begins[run[able]], others[able]
        uniforms = paired_uniforms(self.seed[rows], np.full(len(rows), TEMPLATE + boundary))
        chosen = first + (uniforms * others).astype(np.int64)
        self.present[rows] = self.pbwt.order[chosen + (chosen >= own)]
        self.next_cm[rows] = self._draw(boundary, rows)


def _boundaries(map_cm: np.ndarray, match: int, match_cm: float) -> tuple[np.ndarray, np.ndarray]:
    """Genetic position of the first site of each byte, and how many bytes before it must agree
    there.

    Agreement goes back over `match` sites and over `match_cm` centimorgans, whichever is longer, in
    whole bytes.
    """
    first = np.arange(0, len(map_cm), 8)
    sites = np.maximum(match, first - np.searchsorted(map_cm, map_cm[first] - match_cm))
    return map_cm[first], -(-np.minimum(sites, MEMORY) // 8)
