"""What the individuals of a cohort ask of a generator on one contig."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genoloom.cohort import ADMIXED, Cohort
from genoloom.errors import InputError
from genoloom.formats.tracts import write_ancestry, write_autozygous
from genoloom.models.haplotype.admixture import copy_autozygous, inherit, sample_ancestries
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import Individuals, Sites, genetic_positions, haplotype_columns, own_columns
from genoloom.seeds import derive_seed
from genoloom.tracts import Tracts


def check_populations(path: Path, asked: Cohort, generator: HaplotypeGenerator) -> None:
    """Raise an InputError unless the model knows every population of the cohort."""
    strange = sorted(asked.populations() - set(generator.known_populations))
    if strange:
        expected = f"one of {', '.join(generator.known_populations)}"
        raise InputError(path, f"the model knows no population '{strange[0]}'", expected=expected)


def make_plan(asked: Cohort, sites: Sites, generator: HaplotypeGenerator) -> "Plan":
    """What the individuals of a cohort ask of a generator on one contig.

    Tracts begin where no two sites on either side exclude each other, so that what is whole before
    is whole joined.
    """
    map_cm, start = genetic_positions(sites), generator.overlaps.start
    return Plan(
        seed=np.array(
            [derive_seed(s, "haplotype", sites.contig, h) for s in asked.seed for h in (1, 2)],
            dtype=np.uint64,
        ),
        haploid=sites.ploidy.haploid(asked.individuals.sex),
        ancestry=asked.renamed(generator.labels)
        .ancestry_tracts(sites.contig, map_cm, generator.population_names)
        .moved_to(start),
        autozygous=asked.autozygous_tracts(sites.contig, map_cm).moved_to(start)
        if any(asked.inbreeding)
        else None,
        descent=asked.descent(sites.contig, map_cm, sites.ploidy).moved_to(start)
        if asked.has_families
        else None,
    )


@dataclass(frozen=True)
class Plan:
    """What is asked of the generator on one contig: a seed and an ancestry for each haplotype,
    tracts of copies for each individual; and of children which haplotypes they inherit.

    Of who is haploid (bool, (n_individuals,)) the first haplotype is drawn, and is listed twice.
    """

    seed: np.ndarray
    haploid: np.ndarray
    ancestry: Tracts
    autozygous: Tracts | None
    descent: Tracts | None

    def sample(self, generator: HaplotypeGenerator, low: int, high: int) -> Iterator[np.ndarray]:
        """Yield blocks of the haplotypes [low, high)."""
        if self.descent is None:
            return self._draw(generator, np.arange(low // 2, high // 2))
        descent = self.descent.take(range(low, high))
        founders = np.unique(np.concatenate(descent.label) // 2)
        label = [2 * np.searchsorted(founders, rows // 2) + rows % 2 for rows in descent.label]
        return inherit(self._draw(generator, founders), Tracts(descent.first, label))

    def _draw(self, generator: HaplotypeGenerator, founders: np.ndarray) -> Iterator[np.ndarray]:
        """Yield blocks of the haplotypes of these individuals, two of each."""
        own = own_columns(self.haploid[founders])
        rows = haplotype_columns(founders)[own]
        blocks = sample_ancestries(generator, self.seed[rows], self.ancestry.take(rows))
        if len(own) < 2 * len(founders):
            drawn = np.searchsorted(own, np.arange(2 * len(founders)), side="right") - 1
            blocks = (alleles[:, drawn] for alleles in blocks)
        if self.autozygous is not None:
            blocks = copy_autozygous(blocks, self.autozygous.take(founders))
        return blocks

    def write_tracts(
        self, prefix: Path, sites: Sites, individuals: Individuals, names: list[str]
    ) -> list[Path]:
        """Write where individuals are admixed and autozygous, if any are; returns the files."""
        ancestry, written = self.ancestry, []
        if self.autozygous is not None:
            ancestry = ancestry.second_copies_first(self.autozygous)
            written.append(Path(f"{prefix}.autozygous.bed"))
            write_autozygous(written[-1], sites, individuals, self.autozygous, self.haploid)
        if self.descent is not None:
            ancestry = self.descent.through(ancestry)
        if ADMIXED in individuals.population:
            written.append(Path(f"{prefix}.ancestry.bed"))
            write_ancestry(written[-1], sites, individuals, ancestry, names, self.haploid)
        return written
