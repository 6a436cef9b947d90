"""Individuals of a generator as a panel, without a cohort sheet."""

from pathlib import Path

import numpy as np

from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest
from genoloom.models.haplotype.training_data import overlaps_of, training_haplotypes
from genoloom.panel import Individuals, Panel, Sites
from genoloom.seeds import row_seeds


def draw_panel(
    generator: HaplotypeGenerator, sites: Sites, individuals: Individuals, prefix: Path, seed: int
) -> Panel:
    """Individuals of a generator, at its sites, as a panel with this prefix."""
    known = generator.population_names
    population = np.repeat([known.index(p) for p in individuals.population], 2)
    request = SampleRequest(
        population,
        row_seeds(seed, [f"{individual} {h}" for individual in individuals.id for h in (1, 2)]),
    )
    with PanelWriter(prefix, individuals, sites.contig) as writer:
        start = 0
        for alleles in generator.draw(request):
            writer.append(sites.take(slice(start, start + len(alleles))), alleles)
            start += len(alleles)
    return open_panel(prefix)


def fit_and_draw(
    baseline: HaplotypeGenerator, training: Panel, individuals: Individuals, prefix: Path, seed: int
) -> Panel:
    """Individuals of a baseline that is first fitted to one contig, as a panel with this prefix."""
    baseline.fit(training_haplotypes(training, 0.1, seed), None)
    baseline.overlaps = overlaps_of(training)
    return draw_panel(baseline, training.sites, individuals, prefix, seed)
