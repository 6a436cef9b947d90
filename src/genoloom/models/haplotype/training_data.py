"""What a generator may see of the training individuals of a panel."""

import hashlib
import json

import numpy as np

from genoloom.models.haplotype.base import TrainingHaplotypes
from genoloom.panel import HaplotypeView, Panel, allele_counts, genetic_positions
from genoloom.popgen.overlaps import Overlaps
from genoloom.seeds import derive_seed


def training_haplotypes(panel: Panel, validation_fraction: float, seed: int) -> TrainingHaplotypes:
    """What a generator may see of the training individuals, each haplotype once; some of them are
    marked as validation set, by population.
    """
    names = sorted(set(panel.individuals.population))
    population = np.array([names.index(p) for p in panel.individuals.population])
    haplotypes, own = panel.haplotypes, panel.own_columns()
    if panel.haploid.any():
        haplotypes = HaplotypeView(haplotypes, haplotypes=own)
    return TrainingHaplotypes(
        haplotypes=haplotypes,
        population=population[own // 2],
        population_names=names,
        position=panel.sites.position,
        map_cm=genetic_positions(panel.sites),
        validation=_validation_set(population, validation_fraction, seed)[own // 2],
        individual=own // 2,
    )


def _validation_set(population: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which individuals are in the validation set, bool (n_individuals,): the share of each
    population, at least one individual in all.
    """
    # the name of the seed is a former one: the same individuals are chosen
    rng = np.random.default_rng(derive_seed(seed, "watch"))
    rank = np.empty(len(population))
    for p in np.unique(population):
        members = rng.permutation(np.flatnonzero(population == p))
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
    validation = np.zeros(len(population), dtype=bool)
    validation[np.argsort(rank, kind="stable")[: max(1, round(share * len(population)))]] = True
    return validation


def overlaps_of(training: Panel) -> Overlaps:
    """The sites that exclude each other, with the frequencies of their alternates among the
    training individuals.
    """
    overlaps = Overlaps(training.sites.position, training.sites.ref, training.sites.alt)
    if len(overlaps.pairs):
        alternate, called = allele_counts(training)
        overlaps.frequency = alternate / np.maximum(called, 1)
    return overlaps


def digest(panel: Panel, data: TrainingHaplotypes) -> str:
    """SHA-256 over sites, alleles, populations and who is in the validation set."""
    h = hashlib.sha256(panel.sites.digest().encode())
    h.update(json.dumps(data.population_names).encode())
    for values in (data.population, data.validation, data.map_cm):
        h.update(np.ascontiguousarray(values).tobytes())
    for _, _, alleles in panel.blocks():
        h.update(np.ascontiguousarray(alleles).tobytes())
    return h.hexdigest()
