"""The Li-Stephens likelihood against enumeration, the fit of its numbers, and the templates it
draws.
"""

import itertools

import numpy as np
import pytest

from genoloom.models.haplotype.base import TrainingHaplotypes
from genoloom.models.haplotype.li_stephens import (
    BOUNDS,
    LiStephensGenerator,
    WeightedTemplates,
    log_likelihood,
)
from genoloom.panel import ArrayHaplotypes
from genoloom.training_config import LiStephensOptions


def test_likelihood_equals_enumeration():
    rng = np.random.default_rng(1)
    templates = rng.integers(0, 2, (5, 4)).astype(np.int8)
    asked = rng.integers(-1, 2, (5, 6)).astype(np.int8)
    labels, population = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1, 1, 0])
    map_cm, segment, mutation, own = np.array([0.0, 0.01, 0.01, 0.05, 0.2]), 0.1, 0.07, 3.0
    score = log_likelihood(
        ArrayHaplotypes(templates),
        labels,
        ArrayHaplotypes(asked),
        population,
        map_cm,
        segment,
        mutation,
        own,
    )
    stay = np.exp(-np.diff(map_cm) / segment)
    for i in range(6):
        weight = 1 + own * (labels == population[i])
        prior, total = weight / weight.sum(), 0.0
        for path in itertools.product(range(4), repeat=5):
            chance = prior[path[0]]
            for v in range(4):
                chance *= (1 - stay[v]) * prior[path[v + 1]] + stay[v] * (path[v + 1] == path[v])
            for v, k in enumerate(path):
                if asked[v, i] >= 0:
                    chance *= 1 - mutation if asked[v, i] == templates[v, k] else mutation
            total += chance
        assert np.exp(score[i]) == pytest.approx(total, rel=1e-5)


def test_long_contigs_do_not_underflow():
    alleles = np.random.default_rng(2).integers(0, 2, (3000, 20)).astype(np.int8)
    novel = np.random.default_rng(3).integers(0, 2, (3000, 2)).astype(np.int8)
    labels, map_cm = np.zeros(20, dtype=int), np.arange(3000) * 1e-4
    score = log_likelihood(
        ArrayHaplotypes(alleles),
        labels,
        ArrayHaplotypes(novel),
        labels[:2],
        map_cm,
        0.01,
        0.01,
        0.0,
    )
    assert (score < -3000 * np.log(2)).all()
    assert np.isfinite(score).all()


def test_own_templates_are_drawn_as_often_as_they_count():
    labels = np.array([0] * 30 + [1] * 70)
    templates = WeightedTemplates(labels, 2, own=4.0)
    drawn = templates.draw(np.zeros(50_000, dtype=int), (np.arange(50_000) + 0.5) / 50_000)
    share = np.bincount(drawn, minlength=100) / 50_000
    weight = np.where(labels == 0, 5.0, 1.0)
    np.testing.assert_allclose(share, weight / weight.sum(), atol=1e-4)


def test_the_fit_recovers_what_made_the_haplotypes():
    rng = np.random.default_rng(4)
    n, n_variants, segment, mutation = 200, 400, 0.02, 0.01
    founders = rng.integers(0, 2, (n_variants, 160))
    switch = rng.random((n_variants, n)) < 1 - np.exp(-1e-3 / segment)
    path = rng.integers(0, 160, (n_variants, n))
    last = np.maximum.accumulate(np.where(switch, np.arange(n_variants)[:, None], 0), axis=0)
    copies = np.take_along_axis(founders, np.take_along_axis(path, last, axis=0), axis=1)
    copies ^= rng.random(copies.shape) < mutation
    alleles = np.concatenate([founders, copies], axis=1).astype(np.int8)
    validation = np.arange(360) >= 160
    data = TrainingHaplotypes(
        ArrayHaplotypes(alleles),
        np.zeros(360, dtype=int),
        ["A"],
        np.arange(n_variants),
        np.arange(n_variants) * 1e-3,
        validation,
    )
    generator = LiStephensGenerator(LiStephensOptions(fit_haplotypes=25))
    generator.fit(data, None)
    assert generator.parameters["segment_cm"] == pytest.approx(segment, rel=0.25)
    assert generator.parameters["mutation_rate"] == pytest.approx(mutation, rel=0.25)
    alike = LiStephensGenerator(
        LiStephensOptions(fit_haplotypes=2, fit_sites=50, populations=False)
    )
    alike.fit(data, None)
    assert alike.parameters["own"] == 0


def test_a_fit_without_a_switch_in_sight_stays_within_bounds():
    """The likelihood rises with the length of the segments for ever: the file can be read."""
    alleles = np.tile(np.random.default_rng(1).integers(0, 2, (40, 2)), (1, 10)).astype(np.int8)
    data = TrainingHaplotypes(
        ArrayHaplotypes(alleles), np.zeros(20, dtype=int), ["A"], np.arange(40),
        np.arange(40) * 1e-3, np.arange(20) >= 14,
    )  # fmt: skip
    generator = LiStephensGenerator(LiStephensOptions(fit_haplotypes=5))
    generator.fit(data, None)
    for name, value in generator.parameters.items():
        assert BOUNDS[name][0] <= value <= BOUNDS[name][1]
    assert generator.parameters["segment_cm"] == BOUNDS["segment_cm"][1]
