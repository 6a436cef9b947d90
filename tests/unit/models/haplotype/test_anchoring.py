"""Anchored draws: factors that reach wanted frequencies, and samplers that keep them."""

import numpy as np
import pytest

from genoloom.models.haplotype.anchoring import (
    Anchors,
    Pilot,
    anchor_factors,
    pilot_populations,
    wanted_frequencies,
)
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.copying_network import CopyingNetworkGenerator
from genoloom.models.haplotype.gan import GanGenerator
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import CopyingNetworkOptions, GanOptions, TransformerOptions

GENERATORS = {
    "copying_network": (
        CopyingNetworkGenerator,
        CopyingNetworkOptions,
        {"block_size": 4, "width": 8, "steps": 5},
    ),
    "transformer": (
        TransformerGenerator,
        TransformerOptions,
        {
            "block_size": 4,
            "context": 4,
            "vocabulary_size": 16,
            "width": 16,
            "layers": 1,
            "heads": 2,
            "batch": 8,
            "steps": 5,
            "min_token_carriers": 1,
        },
    ),
    "gan": (
        GanGenerator,
        GanOptions,
        {"block_size": 4, "context": 4, "vocabulary_size": 16, "width": 8, "latent": 4, "steps": 5},
    ),
}


def test_factors_bring_means_to_wanted_frequencies():
    rng = np.random.default_rng(1)
    chance = rng.dirichlet(np.ones(6) * 0.5, size=500)
    population = rng.integers(0, 2, 500)
    wanted = rng.dirichlet(np.ones(6) * 5, size=2)
    scaled = chance * anchor_factors(chance, population, wanted)[population]
    scaled /= scaled.sum(axis=1, keepdims=True)
    for p in (0, 1):
        mean = scaled[population == p].mean(axis=0)
        before = np.abs(chance[population == p].mean(axis=0) - wanted[p]).max()
        assert np.abs(mean - wanted[p]).max() < 0.15 * before


def test_wanted_frequencies_are_counted_within_populations_and_shrunk():
    token = np.array([0] * 30 + [1] * 10 + [2] * 2 + [-1])
    population = np.array([0] * 40 + [1] * 3)
    wanted = wanted_frequencies(token, population, 3, 2)  # token 2 is none
    # the second population has nobody who counts
    np.testing.assert_allclose(wanted, np.tile([0.75, 0.25], (3, 1)))
    own = wanted_frequencies(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2, 2)
    np.testing.assert_allclose(own, [[2.5 / 3, 0.5 / 3], [0.5 / 3, 2.5 / 3]])


def test_a_pilot_has_the_mix_of_the_panel_and_enough_of_everybody():
    drawn = pilot_populations(
        np.repeat([0, 2, 3], [900, 90, 10]), np.random.default_rng(1), rows=4000
    )
    assert np.bincount(drawn).tolist() == [3600, 0, 360, 200]


def test_a_pilot_remembers_what_is_applied_later():
    rng = np.random.default_rng(1)
    population = np.arange(40) % 2
    pilot = Pilot(lambda k: np.full((2, 3 + k), 1 / (3 + k)))
    chances = [rng.dirichlet(np.ones(3 + k), size=40) for k in range(2)]
    scaled = [pilot(k, chance, population) for k, chance in enumerate(chances)]
    anchors = Anchors(pilot.anchors(4).factors)
    assert anchors.factors.shape == (2, 2, 4)
    for k, (chance, found) in enumerate(zip(chances, scaled, strict=True)):
        np.testing.assert_allclose(anchors(k, chance, population), found, rtol=1e-6)
        np.testing.assert_allclose(anchors(k, chance[7:9], population[7:9]), found[7:9], rtol=1e-6)


def test_a_pilot_draws_as_often_as_its_chances_say():
    rng = np.random.default_rng(1)
    population = rng.permutation(np.repeat([0, 1], [300, 100]))
    pilot = Pilot(lambda k: np.full((2, 2), 0.5))
    past = np.zeros(400, dtype=int)
    for _ in range(6):
        numbers = pilot.even(rng.random(400), population)
        assert ((numbers >= 0) & (numbers < 1)).all()
        drawn = (numbers < 0.3).astype(int)
        # among rows of one past, too; independent numbers are off by 4 to 9
        for kind in np.unique(2 * past + population):
            own = drawn[2 * past + population == kind]
            assert abs(own.sum() - 0.3 * len(own)) < 3
        pilot.follow(drawn, population)
        past = drawn


@pytest.fixture(scope="module", params=GENERATORS)
def trained(request, tmp_path_factory):
    """A hardly trained generator of linked sites, whose draws drift."""
    kind, section, options = GENERATORS[request.param]
    rng = np.random.default_rng(3)
    founders = rng.random((2, 6, 40)) < rng.beta(0.4, 0.8, (2, 1, 40))
    population = np.repeat(np.arange(60) % 2, 2)
    source = rng.integers(0, 6, (120, 10)).repeat(4, axis=1)
    alleles = founders[population[:, None], source, np.arange(40)].astype(np.int8)
    data = TrainingHaplotypes(
        ArrayHaplotypes(np.ascontiguousarray(alleles.T)), population, ["A", "B"], np.arange(40) + 1,
        np.arange(40) * 1e-3,
        np.arange(120) >= 112,
    )  # fmt: skip
    generator = kind(section(temperature=0.8, anchor=True, evaluate_every=5, **options))
    generator.fit(
        data,
        TrainingRun(
            state_dir=tmp_path_factory.mktemp(request.param), digest="d", seed=1, label="test"
        ),
    )
    return generator, alleles, population


def frequencies(generator, population, n=2500):
    request = SampleRequest(np.full(n, population), row_seeds(5, [str(i) for i in range(n)]))
    return np.concatenate(list(generator.sample(request))).mean(axis=1)


def test_allele_frequencies_are_those_of_training_within_populations(trained):
    generator, alleles, population = trained
    anchors = generator.anchors
    drift, kept = [], []
    for p in (0, 1):
        real = alleles[population == p].mean(axis=0)
        generator.anchors = None
        drift.append(np.sqrt(((frequencies(generator, p) - real) ** 2).mean()))
        generator.anchors = anchors
        kept.append(np.sqrt(((frequencies(generator, p) - real) ** 2).mean()))
    assert max(kept) < 0.04
    assert np.mean(kept) < 0.6 * np.mean(drift)


def test_anchored_haplotypes_do_not_depend_on_their_company_or_on_the_file(trained):
    generator, _, population = trained
    names = [f"p{i}" for i in range(20)]
    together = np.concatenate(
        list(generator.sample(SampleRequest(population[:20], row_seeds(1, names))))
    )
    chosen = np.array([12, 3, 17])
    again = type(generator).from_state(*generator.state())
    request = SampleRequest(population[chosen], row_seeds(1, [names[i] for i in chosen]))
    np.testing.assert_array_equal(np.concatenate(list(again.sample(request))), together[:, chosen])
