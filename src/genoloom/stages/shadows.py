"""Shadow models: what the audit's attacks score when it is known who trained.

The generator is fitted anew to random halves of the real people that the audit compares, and its samples are attacked like
the synthetic data in question. What a person scores when left out tells how easily he is taken for a member.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest
from genoloom.panel import ArrayHaplotypes, Panel
from genoloom.privacy.audit import AuditData
from genoloom.privacy.shadows import Shadow
from genoloom.seeds import derive_seed
from genoloom.stages.train import digest, genetic_positions, overlaps_of, training_haplotypes
from genoloom.training.devices import choose_device
from genoloom.training.run import TrainingRun
from genoloom.validation.cohorts import Comparison, halve

log = logging.getLogger(__name__)

WATCH = 0.1  # share of a shadow's people set aside for early stopping


def make_shadows(
    number: int,
    generators: dict[str, HaplotypeGenerator],
    pairs: Sequence[tuple[Panel, Panel]],
    people: Comparison,
    windows: list[int],
    haplotype_windows: list[int],
    seed: int,
) -> list[Shadow]:
    """Scores of the real people against the samples of `number` shadow models.

    Halves come in complementary pairs, so everybody is left out of half of the shadows when `number` is even.

    Parameters
    ----------
    generators : dict
        The audited model of each contig, of which the kind and the options are taken.
    pairs : sequence of (Panel, Panel)
        Synthetic and real people of each contig, at the same sites.
    """
    rng = np.random.default_rng(derive_seed(seed, "shadows"))
    real = np.arange(len(people.real_people))
    population = people.population[len(people.synthetic) :]
    found: list[Shadow] = []
    halves: list[np.ndarray] = []
    for k in range(number):
        if not halves:
            halves = list(halve(real, population, sorted(set(population)), rng))
        rows = np.sort(halves.pop())
        # as many synthetic people of each population as there are in the audit, in its order
        data = AuditData(replace(people, synthetic_people=np.arange(people.n)), windows, haplotype_windows, copies=False)
        for _, panel in pairs:
            kind = generators[panel.sites.contig]
            made = sample_people(
                kind, panel, people.real_people[rows], people.population[people.synthetic], derive_seed(seed, "shadow", k)
            )
            data.add(replace(panel, haplotypes=ArrayHaplotypes(made)), panel, genetic_positions(panel.sites))
        member = np.zeros(len(real), dtype=bool)
        member[rows] = True
        found.append(Shadow(data.scores(derive_seed(seed, "shadow", k)), member))
        log.info("shadow model %d of %d", k + 1, number)
    return found


def sample_people(kind: HaplotypeGenerator, panel: Panel, rows: np.ndarray, population: np.ndarray, seed: int) -> np.ndarray:
    """Haplotypes of people with the given populations by a model of the people `rows`, int8 (n_variants, 2 * n_people)."""
    training = panel.take_people(rows)
    data = training_haplotypes(training, WATCH, seed)
    options = kind.options.model_copy(update={"init_from": None}) if hasattr(kind.options, "init_from") else kind.options
    generator = generator_class(kind.name)(options)
    with tempfile.TemporaryDirectory() as state:
        run = TrainingRun(
            Path(state), digest(training, data), derive_seed(seed, "train"), device=choose_device("auto"), label="shadow"
        )
        generator.fit(data, run)
    generator.overlaps = overlaps_of(training)
    label = np.repeat([generator.population_names.index(name) for name in population], 2)
    seeds = np.array([derive_seed(seed, "haplotype", panel.sites.contig, i) for i in range(len(label))], dtype=np.uint64)
    return np.concatenate(list(generator.draw(SampleRequest(label, seeds))))
