"""Mosaics of training haplotypes: pieces copied along the genetic map, as HAPGEN and its successors do.

Su, Marchini & Donnelly 2011, doi:10.1093/bioinformatics/btr341. It copies, so it leaks: a control, no release candidate.
"""

from collections.abc import Iterator

import numpy as np

from genoloom.config import MosaicOptions
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.packed import PackedHaplotypes
from genoloom.seeds import row_uniforms

BLOCK = 512  # variants at a time
ROWS = 4096  # haplotypes at a time
MIN_TEMPLATES = 20  # a population with fewer training haplotypes copies from everybody
_TEMPLATE, _FLIP = 2**40, 2**41  # counters of the draws; those of the switches count from 0


class MosaicGenerator(HaplotypeGenerator):
    """Copies haplotypes of the own population, switching at rate 1 / `segment_cm` a centimorgan."""

    name = "mosaic"

    def __init__(self, options: MosaicOptions):
        self.options = options

    def fit(self, data: TrainingHaplotypes, run) -> None:
        self.population_names, self.n_variants = data.population_names, data.haplotypes.n_variants
        self.training = PackedHaplotypes.pack(data.haplotypes)
        self.population, self.map_cm = data.population, data.map_cm

    def _templates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Haplotypes in the order of their populations, and where each population begins and how many it has."""
        order = np.argsort(self.population, kind="stable")
        size = np.bincount(self.population, minlength=len(self.population_names))
        first = np.cumsum(size) - size
        few = size < MIN_TEMPLATES
        return order, np.where(few, 0, first), np.where(few, len(order), size)

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        order, first, size = self._templates()
        gap = np.diff(self.map_cm, prepend=-np.inf)  # the first site always draws a template
        switch_chance = -np.expm1(-gap / self.options.segment_cm)
        present = np.zeros(len(request.seed), dtype=np.int64)
        for start in range(0, self.n_variants, BLOCK):
            stop = min(start + BLOCK, self.n_variants)
            alleles = self._filled(start, stop)
            block = np.empty((stop - start, len(request.seed)), dtype=np.int8)
            for low in range(0, len(request.seed), ROWS):
                rows = slice(low, low + ROWS)
                seed, population = request.seed[rows], request.population[rows]
                sites = np.arange(start, stop)
                switch = row_uniforms(seed, sites) < switch_chance[start:stop]
                drawn = row_uniforms(seed, sites + _TEMPLATE)
                drawn = order[first[population][:, None] + (drawn * size[population][:, None]).astype(np.int64)]
                # each site copies what the last switch at or before it drew
                last = np.maximum.accumulate(np.where(switch, np.arange(stop - start), -1), axis=1)
                template = np.where(last >= 0, np.take_along_axis(drawn, np.maximum(last, 0), axis=1), present[rows][:, None])
                present[rows] = template[:, -1]
                copied = alleles[np.arange(stop - start), template]  # (n_rows, n_sites)
                if self.options.flip > 0:
                    copied = copied ^ (row_uniforms(seed, sites + _FLIP) < self.options.flip)
                block[:, rows] = copied.T
            yield block

    def _filled(self, start: int, stop: int) -> np.ndarray:
        """Training alleles with missing calls set to the more frequent allele."""
        alleles = self.training.read(start, stop)
        major = ((alleles == 1).sum(axis=1) > (alleles == 0).sum(axis=1)).astype(np.int8)
        return np.where(alleles < 0, major[:, None], alleles)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = {
            "ones": self.training.ones,
            "called": self.training.called,
            "population": self.population,
            "map_cm": self.map_cm,
        }
        return arrays, {"population_names": self.population_names, "options": self.options.model_dump()}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "MosaicGenerator":
        generator = cls(MosaicOptions(**description["options"]))
        generator.population_names = description["population_names"]
        generator.population, generator.map_cm = arrays["population"], arrays["map_cm"]
        generator.training = PackedHaplotypes(len(generator.population), arrays["ones"], arrays["called"])
        generator.n_variants = generator.training.n_variants
        return generator
