"""The baselines: closed forms, likelihoods that sum to one, and what all of them promise."""

import itertools
import tempfile
import tracemalloc
import typing
from pathlib import Path

import numpy as np
import pytest

from genoloom.config import Config
from genoloom.models.haplotype import BASELINES
from genoloom.models.haplotype import GENERATORS as REGISTRY
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.hmm import HmmGenerator
from genoloom.models.haplotype.independent import IndependentGenerator
from genoloom.models.haplotype.li_stephens import LiStephensGenerator
from genoloom.models.haplotype.markov import MarkovGenerator, Weights, context_lengths, fit_weights
from genoloom.models.haplotype.matched_mosaic import MatchedMosaicGenerator
from genoloom.models.haplotype.mosaic import MosaicGenerator
from genoloom.panel import ArrayHaplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import (
    HmmOptions,
    IndependentOptions,
    LiStephensOptions,
    MarkovOptions,
    MatchedMosaicOptions,
    MosaicOptions,
)

GENERATORS = [
    (IndependentGenerator, IndependentOptions()),
    (MarkovGenerator, MarkovOptions(order=6)),
    (MosaicGenerator, MosaicOptions(segment_cm=0.05, mutation_rate=0.01)),
    (MatchedMosaicGenerator, MatchedMosaicOptions(segment_cm=0.05, match=16)),
    (HmmGenerator, HmmOptions(clusters=5, block_size=3, steps=3)),
    (LiStephensGenerator, LiStephensOptions(fit_haplotypes=4, fit_sites=40)),
]
WITH_LIKELIHOOD = [(kind, options) for kind, options in GENERATORS if kind.has_likelihood]
BY_NAME = pytest.mark.parametrize(
    ("kind", "options"), GENERATORS, ids=lambda value: getattr(value, "name", "")
)
LIKELIHOOD_BY_NAME = pytest.mark.parametrize(
    ("kind", "options"), WITH_LIKELIHOOD, ids=lambda value: getattr(value, "name", "")
)


def training(alleles, population=None, map_cm=None):
    alleles = np.asarray(alleles, dtype=np.int8)
    n_variants, n_haplotypes = alleles.shape
    population = (
        np.zeros(n_haplotypes, dtype=np.int64) if population is None else np.asarray(population)
    )
    return TrainingHaplotypes(
        haplotypes=ArrayHaplotypes(alleles),
        population=population,
        population_names=[f"P{p}" for p in range(population.max() + 1)],
        position=np.arange(n_variants) * 100 + 1,
        map_cm=np.arange(n_variants) * 1e-3 if map_cm is None else map_cm,
        validation=np.arange(n_haplotypes) >= n_haplotypes - 4,
    )


def random_panel(n_variants, n_haplotypes, missing=0.0, seed=1):
    """Noisy copies of four founders in two populations."""
    rng = np.random.default_rng(seed)
    founders = rng.integers(0, 2, (n_variants, 4))
    alleles = founders[:, rng.integers(0, 4, n_haplotypes)] ^ (
        rng.random((n_variants, n_haplotypes)) < 0.1
    )
    alleles = np.where(rng.random(alleles.shape) < missing, -1, alleles)
    return training(alleles, np.arange(n_haplotypes) % 2)


def fitted(kind, options, data):
    generator = kind(options)
    with tempfile.TemporaryDirectory() as state:
        generator.fit(data, TrainingRun(Path(state), "digest", seed=1))
    return generator


def request(n, population=0, first=0):
    return SampleRequest(
        np.full(n, population),
        np.arange(first, first + n, dtype=np.uint64) * np.uint64(7919) + np.uint64(3),
    )


def draw(generator, wanted):
    return np.concatenate(list(generator.sample(wanted)))


def test_the_configuration_offers_what_is_registered():
    offered = {
        key: typing.get_args(typing.get_args(Config.model_fields[key].annotation)[0])
        for key in ("generators", "baselines")
    }
    assert offered["baselines"] == BASELINES
    assert set(offered["generators"]) == set(REGISTRY) - set(BASELINES)


@BY_NAME
def test_a_haplotype_depends_on_its_own_seed_only(kind, options):
    generator = fitted(kind, options, random_panel(1100, 60, missing=0.02))
    together = draw(generator, request(40))
    assert together.shape == (1100, 40)
    assert together.dtype == np.int8
    assert set(np.unique(together)) == {0, 1}
    backwards = request(40)
    backwards = SampleRequest(backwards.population[::-1], backwards.seed[::-1])
    np.testing.assert_array_equal(draw(generator, backwards), together[:, ::-1])
    np.testing.assert_array_equal(draw(generator, request(3, first=11)), together[:, 11:14])


@pytest.mark.parametrize(
    ("kind", "options"),
    [g for g in GENERATORS if g[0] is not HmmGenerator],
    ids=lambda value: getattr(value, "name", ""),
)
def test_blocks_of_variants_do_not_show(kind, options, monkeypatch):
    generator = fitted(kind, options, random_panel(130, 60))
    whole = draw(generator, request(9))
    monkeypatch.setattr(
        f"genoloom.models.haplotype.{'mosaic' if kind is LiStephensGenerator else kind.name}.BLOCK",
        24,
    )
    np.testing.assert_array_equal(draw(generator, request(9)), whole)


@BY_NAME
def test_state_round_trip(kind, options):
    generator = fitted(kind, options, random_panel(90, 50, missing=0.05))
    arrays, description = generator.state()
    again = kind.from_state(arrays, description)
    assert again.population_names == ["P0", "P1"]
    assert again.n_variants == 90
    np.testing.assert_array_equal(
        draw(again, request(7, population=1)), draw(generator, request(7, population=1))
    )


@BY_NAME
def test_no_haplotypes_asked(kind, options):
    assert draw(fitted(kind, options, random_panel(30, 40)), request(0)).shape == (30, 0)


@LIKELIHOOD_BY_NAME
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_likelihood_sums_to_one_over_all_haplotypes(kind, options, missing):
    generator = fitted(kind, options, random_panel(9, 40, missing=missing))
    everything = np.array(list(itertools.product([0, 1], repeat=9)), dtype=np.int8).T
    for population in (0, 1):
        score = generator.log_likelihood(ArrayHaplotypes(everything), np.full(2**9, population))
        assert np.exp(score).sum() == pytest.approx(
            1, abs=1e-9 if kind in (IndependentGenerator, MarkovGenerator) else 1e-6
        )


@LIKELIHOOD_BY_NAME
def test_samples_follow_the_likelihood(kind, options):
    generator = fitted(kind, options, random_panel(5, 40))
    everything = np.array(list(itertools.product([0, 1], repeat=5)), dtype=np.int8).T
    chance = np.exp(generator.log_likelihood(ArrayHaplotypes(everything), np.zeros(32, dtype=int)))
    drawn = draw(generator, request(40_000))
    seen = np.bincount((2 ** np.arange(4, -1, -1)) @ drawn, minlength=32) / 40_000
    np.testing.assert_allclose(seen, chance, atol=5 * np.sqrt(0.25 / 40_000))


def test_independent_frequencies_by_hand():
    # population 0: 3 of 4 alternate; population 1: 0 of 2, one call missing
    generator = fitted(
        IndependentGenerator,
        IndependentOptions(shrinkage=2.0),
        training([[1, 1, 1, 0, 0, 0, -1]], [0, 0, 0, 0, 1, 1, 1]),
    )
    pooled = 3.5 / 7
    np.testing.assert_allclose(generator.frequency, [[(3 + 2 * pooled) / 6, (0 + 2 * pooled) / 4]])


@LIKELIHOOD_BY_NAME
def test_an_allele_never_seen_is_possible(kind, options):
    generator = fitted(kind, options, training(np.zeros((200, 300))))
    novel = np.zeros((200, 1), dtype=np.int8)
    novel[150] = 1
    score = generator.log_likelihood(ArrayHaplotypes(novel), np.array([0]))
    assert -200 * 0.02 - 25 < score[0] < -3


def test_markov_contexts_by_hand():
    assert context_lengths(1, 100) == [0, 1]
    assert context_lengths(20, 100) == [0, 1, 2, 4, 8, 16, 20]
    assert context_lengths(None, 100) == [0, 1, 2, 4, 8, 16, 32, 64, 100]
    assert context_lengths(None, 5) == [0, 1, 2, 4, 5]
    # the second site copies the first; one population, so each haplotype counts 1 + 0.5
    generator = fitted(
        MarkovGenerator, MarkovOptions(order=1), training([[0, 0, 0, 1, 1], [0, 0, 0, 1, 1]])
    )
    generator.weights = Weights(np.array([[2.0, 3.0], [4.0, 5.0]]), own=0.5, floor=0.05)
    alone = (1.5 * 2 + 2 * 0.5) / (1.5 * 5 + 2)
    after_one = (1.5 * 2 + 5 * alone) / (1.5 * 2 + 5)
    # nothing comes before the first site
    expected = np.log(0.05 + 0.9 * alone) + np.log(0.05 + 0.9 * after_one)
    score = generator.log_likelihood(
        ArrayHaplotypes(np.array([[1], [1]], dtype=np.int8)), np.array([0])
    )
    np.testing.assert_allclose(score, [expected])


def test_markov_counts_equal_brute_force():
    data = random_panel(40, 30, missing=0.1)
    generator = fitted(MarkovGenerator, MarkovOptions(order=9), data)
    alleles, asked = data.haplotypes.alleles, random_panel(40, 12, seed=2).haplotypes.alleles
    major = ((alleles == 1).sum(axis=1) > (alleles == 0).sum(axis=1)).astype(int)
    context = np.where(alleles < 0, major[:, None], alleles)
    contexts = generator._context_counts(generator.training, data.population, np.arange(12) % 2)
    for site, here, filled in contexts.sites(40):
        pooled, own = contexts.counts(here)
        for i, length in enumerate([0, 1, 2, 4, 8, 9]):
            for row in range(12) if length <= site else []:
                agree = (
                    context[site - length : site] == asked[site - length : site, row, None]
                ).all(axis=0)
                for allele in (0, 1):
                    seen = agree & (here == allele)
                    assert pooled[i, row, allele] == seen.sum()
                    assert own[i, row, allele] == (seen & (data.population == row % 2)).sum()
        contexts.push(filled, asked[site])


def test_markov_weights_make_the_alleles_more_probable():
    # after the longer context the alleles follow it nine times in ten, whatever the shorter one
    # says
    rng = np.random.default_rng(3)
    n = 4000
    says = rng.integers(0, 2, n)
    pooled = np.zeros((2, n, 2))
    pooled[0] = 50
    pooled[1, np.arange(n), says] = 3
    alleles = np.where(rng.random(n) < 0.9, says, 1 - says)
    weights = fit_weights(pooled, np.zeros_like(pooled), alleles)
    chance = weights.chance(pooled, np.zeros_like(pooled))
    np.testing.assert_allclose(np.where(says == 1, chance, 1 - chance), 0.9, atol=0.02)


def test_markov_learns_a_copied_site_across_a_gap():
    rng = np.random.default_rng(2)
    alleles = rng.integers(0, 2, (6, 400))
    alleles[5] = alleles[1]
    generator = fitted(MarkovGenerator, MarkovOptions(order=8), training(alleles))
    drawn = draw(generator, request(500))
    assert (drawn[5] == drawn[1]).mean() > 0.9


def labelled_templates(n_haplotypes, n_variants):
    """Bits of the template's number at groups of neighbouring sites: which template is copied can
    be read off.
    """
    bits = int(np.log2(n_haplotypes))
    numbers = np.arange(n_haplotypes)
    return ((numbers[None] >> (np.arange(n_variants)[:, None] % bits)) & 1), bits


def test_mosaic_switches_at_the_rate_of_the_map():
    # 64 templates; groups of 6 sites at one place of the map spell the template's number
    groups, templates = 400, 64
    alleles, bits = labelled_templates(templates, 6 * groups)
    spacing, segment = 0.002, 0.01
    data = training(alleles, map_cm=np.repeat(np.arange(groups) * spacing, bits))
    drawn = draw(fitted(MosaicGenerator, MosaicOptions(segment_cm=segment), data), request(300))
    # (groups, n)
    number = np.tensordot(2 ** np.arange(bits), drawn.reshape(groups, bits, -1), axes=(0, 1))
    changed = (number[1:] != number[:-1]).mean()
    # a switch may go to the same template
    expected = (1 - np.exp(-spacing / segment)) * (1 - 1 / templates)
    assert changed == pytest.approx(expected, abs=4 * np.sqrt(expected / (300 * (groups - 1))))
    np.testing.assert_allclose(
        np.bincount(number.ravel(), minlength=templates) / number.size, 1 / templates, rtol=0.35
    )


def test_mosaic_linkage_decays_exponentially():
    # all sites equal in each template: D(distance) = p (1 - p) exp(-distance / segment)
    alleles = np.repeat((np.arange(100) < 40)[None], 50, axis=0)
    data = training(alleles, map_cm=np.arange(50) * 0.002)
    drawn = draw(
        fitted(MosaicGenerator, MosaicOptions(segment_cm=0.03), data), request(20_000)
    ).astype(float)
    covariance = np.cov(drawn)[0]
    np.testing.assert_allclose(
        covariance, 0.24 * np.exp(-data.map_cm / 0.03), atol=4 * 0.24 / np.sqrt(20_000)
    )


def test_mosaic_copies_from_its_own_population_and_mutates():
    alleles = np.zeros((300, 60))
    alleles[:, 30:] = 1
    data = training(alleles, np.repeat([0, 1], 30))
    plain = fitted(MosaicGenerator, MosaicOptions(), data)
    assert (draw(plain, request(20, population=0)) == 0).all()
    assert (draw(plain, request(20, population=1)) == 1).all()
    mutated = draw(
        fitted(MosaicGenerator, MosaicOptions(mutation_rate=0.1), data), request(200, population=0)
    )
    assert mutated.mean() == pytest.approx(0.1, abs=0.006)


def test_mosaic_of_a_small_population_copies_from_everybody():
    alleles = np.zeros((50, 60))
    alleles[:, 57:] = 1
    data = training(alleles, np.repeat([0, 1], [57, 3]))
    drawn = draw(fitted(MosaicGenerator, MosaicOptions(), data), request(2000, population=1))
    assert drawn.mean() == pytest.approx(3 / 60, abs=0.02)


def test_mosaic_sets_missing_calls_to_the_major_allele():
    alleles = np.ones((4, 40))
    alleles[2, :10] = -1
    alleles[1] = 0
    drawn = draw(fitted(MosaicGenerator, MosaicOptions(), training(alleles)), request(50))
    np.testing.assert_array_equal(drawn, np.repeat([[1], [0], [1], [1]], 50, axis=1))


@pytest.mark.parametrize(
    ("kind", "options"),
    [g for g in GENERATORS if g[0] in (MosaicGenerator, MatchedMosaicGenerator)],
)
def test_sampling_takes_no_more_memory_on_longer_contigs(kind, options):
    peaks = []
    for n_variants in (2000, 8000):
        generator = fitted(kind, options, random_panel(n_variants, 60))
        wanted = request(200)
        tracemalloc.start()
        for block in generator.sample(wanted):
            assert block.shape[1] == 200
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] + 8000 * 16  # a few numbers a site
