"""Mosaics of training haplotypes: pieces copied along the genetic map, as HAPGEN and its successors
do.

Su, Marchini & Donnelly 2011, doi:10.1093/bioinformatics/btr341. It copies, so it leaks: a baseline,
no release candidate.

Haplotypes are copied eight variants (one byte) at a time. Switches and mutations are rare events:
each row draws the distance to its next one, so that time goes with the number of bytes and not with
random numbers for every allele.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from genoloom.config_section import Section
from genoloom.declared import Declared
from genoloom.models.haplotype.base import (
    HaplotypeDescription,
    HaplotypeGenerator,
    SampleRequest,
    TrainingHaplotypes,
    description_with,
)
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes, unpack
from genoloom.seeds import paired_uniforms
from genoloom.training_config import MosaicOptions

BLOCK = 512  # variants at a time; a multiple of 8
MIN_TEMPLATES = 20  # a population with fewer training haplotypes copies from everybody
START = -1  # what a row draws before the first site
TEMPLATE, MUTATION = 2**40, 2**41  # counters of the draws; the counters of the switches start at 0


class Templates:
    """Which training haplotypes per population copies from.

    Parameters
    ----------
    population : ndarray of int, shape (n_haplotypes,)
        Of the training haplotypes.
    """

    def __init__(self, population: np.ndarray, n_populations: int):
        self.order = np.argsort(population, kind="stable")
        size = np.bincount(population, minlength=n_populations)
        self.few = size < MIN_TEMPLATES
        self.first = np.where(self.few, 0, np.cumsum(size) - size)
        self.size = np.where(self.few, len(self.order), size)

    def draw(self, population: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """A training haplotype for each row, all of its population equally probable."""
        return self.order[
            self.first[population] + (uniforms * self.size[population]).astype(np.int64)
        ]


class Mutations:
    """Sites at which a copied allele is mutated, as bits to exclusive-or."""

    def __init__(self, seed: np.ndarray, chance: float):
        self.seed, self.chance = seed, chance
        self.next = (
            self._gap(np.full(len(seed), START)) if chance > 0 else np.empty(0, dtype=np.int64)
        )

    def _gap(self, site: np.ndarray, rows=slice(None)) -> np.ndarray:
        """The first mutated site after `site`: geometric distances."""
        uniforms = paired_uniforms(self.seed[rows], MUTATION + site)
        return (
            site
            + 1
            + np.floor(np.log1p(-uniforms) / np.log1p(-min(self.chance, 1 - 1e-12))).astype(
                np.int64
            )
        )

    def apply(self, copied: np.ndarray, start: int) -> None:
        """Mutation bits of `copied`, uint8 (n_bytes, n_rows), which begins at the site `start`."""
        stop = start + 8 * len(copied)
        while len(rows := np.flatnonzero(self.next < stop)):
            site = self.next[rows]
            copied[(site - start) // 8, rows] ^= (128 >> site % 8).astype(np.uint8)
            self.next[rows] = self._gap(site, rows)


class MosaicGenerator(HaplotypeGenerator):
    """Copies haplotypes of the own population, switching at rate 1 / `segment_cm` a centimorgan."""

    name = "mosaic"
    description_class: ClassVar[type[HaplotypeDescription]] = description_with(MosaicOptions)
    options_class: ClassVar[type[Section]] = MosaicOptions

    def fit(self, data: TrainingHaplotypes, run) -> None:
        self._begin(data)
        self.training = PackedHaplotypes.pack(data.haplotypes, fill=True)
        self.population, self.map_cm = data.population, data.map_cm

    @property
    def segment_cm(self) -> float:
        return self.options.segment_cm

    @property
    def mutation_rate(self) -> float:
        return self.options.mutation_rate

    def templates(self) -> Templates:
        return Templates(self.population, len(self.population_names))

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        copied_templates = _CopiedTemplates(self.templates(), request, self.map_cm, self.segment_cm)
        mutations = Mutations(request.seed, self.mutation_rate)
        for start in range(0, self.n_variants, BLOCK):
            stop = min(start + BLOCK, self.n_variants)
            copied = copied_templates.copy(self.training.ones[start // 8 : -(-stop // 8)], start)
            mutations.apply(copied, start)
            yield unpack(copied)[: stop - start]

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays, _ = self.training.state()
        return arrays | {"population": self.population, "map_cm": self.map_cm}, self._words()

    @classmethod
    def declare(cls, arrays: Declared, words: HaplotypeDescription) -> None:
        n_haplotypes = PackedHaplotypes.declare(arrays, words.n_variants)
        arrays.expect(
            "population", "int64", n_haplotypes, low=0, high=len(words.population_names) - 1
        )
        arrays.expect("map_cm", "float64", words.n_variants, low=-1e9, high=1e9, least_step=0)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "MosaicGenerator":
        generator = cls._described(description)
        generator.population, generator.map_cm = arrays["population"], arrays["map_cm"]
        generator.training = PackedHaplotypes.from_state(arrays, description)
        return generator


class _CopiedTemplates:
    """What each row copies at present, and the site of its next switch."""

    def __init__(
        self, templates: Templates, request: SampleRequest, map_cm: np.ndarray, segment_cm: float
    ):
        self.templates = templates
        self.request = request
        self.map_cm = map_cm
        self.segment_cm = segment_cm
        start = np.full(len(request.seed), START)
        self.present = self._draw(start)
        self.next = self._next(start)

    def _draw(self, site: np.ndarray, rows=slice(None)) -> np.ndarray:
        uniforms = paired_uniforms(self.request.seed[rows], TEMPLATE + site)
        return self.templates.draw(self.request.population[rows], uniforms)

    def _next(self, site: np.ndarray, rows=slice(None)) -> np.ndarray:
        """The first site after the next switch: switches come at exponential distances, which have
        no memory.
        """
        uniforms = paired_uniforms(self.request.seed[rows], site)
        at = self.map_cm[np.maximum(site, 0)]
        return np.searchsorted(
            self.map_cm, at - self.segment_cm * np.log1p(-uniforms), side="right"
        )

    def copy(self, training: np.ndarray, start: int) -> np.ndarray:
        """Copied alleles as bytes, (n_bytes, n_rows), from the bytes of the training haplotypes at
        the same sites.
        """
        n_bytes, n_rows = len(training), len(self.present)
        stop = start + 8 * n_bytes
        begun = np.full((n_bytes, n_rows), -1, dtype=np.int64)  # templates that begin with a byte
        begun[0] = self.present
        inside = []  # switches within a byte
        while len(rows := np.flatnonzero(self.next < min(stop, len(self.map_cm)))):
            site = self.next[rows]
            template = self._draw(site, rows)
            self.present[rows] = template
            at = -(-(site - start) // 8)
            whole = at < n_bytes
            begun[at[whole], rows[whole]] = template[whole]
            split = site % 8 > 0
            inside.append((rows[split], site[split], template[split]))
            self.next[rows] = self._next(site, rows)
        last = np.maximum.accumulate(np.where(begun >= 0, np.arange(n_bytes)[:, None], 0), axis=0)
        copied = np.take_along_axis(training, np.take_along_axis(begun, last, axis=0), axis=1)
        for rows, site, template in inside:  # in the order of the sites of each row
            at, later = (site - start) // 8, (255 >> site % 8).astype(np.uint8)
            copied[at, rows] = copied[at, rows] & ~later | training[at, template] & later
        return copied
