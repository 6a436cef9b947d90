"""From haplotypes to individuals: ancestry that changes along the contig, haplotypes that are
copies of one another, and those that children inherit.

Without more said, the two haplotypes of an individual are drawn independently from the individual's
population: random mating within it.
"""

from collections.abc import Iterator

import numpy as np

from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest
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
