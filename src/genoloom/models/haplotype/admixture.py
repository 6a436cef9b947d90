"""From haplotypes to individuals: ancestry that changes along the contig, haplotypes that are
copies of one another, and those that children inherit.

Without more said, the two haplotypes of an individual are drawn independently from the individual's
population: random mating within it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genoloom.cohort import Cohort
from genoloom.errors import InputError
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest
from genoloom.panel import Sites, genetic_positions, haplotype_columns, own_columns
from genoloom.seeds import derive_seed
from genoloom.tracts import Tracts


def sample_ancestries(
    generator: HaplotypeGenerator, seed: np.ndarray, ancestry: Tracts
) -> Iterator[np.ndarray]:
    """Yield blocks of alleles as `HaplotypeGenerator.draw` does, each haplotype of its ancestry at
    each variant.

    A haplotype of several ancestries is drawn whole from each of them and takes from each what lies
    in its tracts: within a tract it is distributed as the generator's haplotypes of that population
    are, and across a border it is independent, as haplotypes of two ancestors are. Only haplotypes
    of several ancestries cost more than one draw.

    Parameters
    ----------
    seed : ndarray, uint64, shape (n_haplotypes,)
    ancestry : Tracts
        Index of the population of each haplotype.
    """
    single = np.array([len(label) == 1 for label in ancestry.label], dtype=bool)
    mixed = np.flatnonzero(~single)
    jobs = [np.flatnonzero(single)] if single.any() else []
    labels = [np.array([ancestry.label[i][0] for i in jobs[0]])] if jobs else []
    for p in sorted({int(p) for i in mixed for p in ancestry.label[i]}):
        rows = np.array([i for i in mixed if p in ancestry.label[i]])
        jobs.append(rows)
        labels.append(np.full(len(rows), p))
    tracts = [ancestry.take(rows) for rows in jobs]
    streams = [
        generator.draw(SampleRequest(label, seed[rows]))
        for label, rows in zip(labels, jobs, strict=True)
    ]
    start = 0
    for blocks in zip(*streams, strict=True):
        stop = start + len(blocks[0])
        alleles = np.zeros((stop - start, len(seed)), dtype=np.int8)
        for rows, label, own, drawn in zip(jobs, labels, tracts, blocks, strict=True):
            alleles[:, rows] = np.where(own.at(start, stop) == label, drawn, alleles[:, rows])
        yield alleles
        start = stop


def copy_autozygous(blocks: Iterator[np.ndarray], autozygous: Tracts) -> Iterator[np.ndarray]:
    """Yield the blocks with each individual's second haplotype a copy of the first where
    `autozygous` is 1.

    Parameters
    ----------
    blocks : iterator of ndarray, int8, shape (n, 2 * n_individuals)
    autozygous : Tracts
        One row per individual.
    """
    start = 0
    for alleles in blocks:
        same = autozygous.at(start, start + len(alleles)) == 1  # (n, n_individuals)
        second = np.where(same, alleles[:, 0::2], alleles[:, 1::2])
        yield np.stack([alleles[:, 0::2], second], axis=2).reshape(alleles.shape)
        start += len(alleles)


def inherit(blocks: Iterator[np.ndarray], descent: Tracts) -> Iterator[np.ndarray]:
    """Yield blocks of haplotypes that are copies of others: at each variant of the column of
    `blocks` that `descent`, one row per haplotype, says.
    """
    start = 0
    for alleles in blocks:
        yield np.take_along_axis(alleles, descent.at(start, start + len(alleles)), axis=1)
        start += len(alleles)


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

    def true_ancestry(self) -> Tracts:
        """Whose haplotypes the individuals carry where, with their copies and through their
        descent.
        """
        ancestry = self.ancestry
        if self.autozygous is not None:
            ancestry = ancestry.second_copies_first(self.autozygous)
        return ancestry if self.descent is None else self.descent.through(ancestry)
