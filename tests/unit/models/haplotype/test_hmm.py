"""The founder model: likelihood against enumeration, iterations that never fall, resuming, planted
founders.
"""

import itertools

import numpy as np
import pytest
import torch

from genoloom.errors import Interrupted
from genoloom.models.haplotype import hmm
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.hmm import FounderModel, HmmGenerator, HmmTraining, log_likelihood
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import HmmOptions


def random_model(n_variants=8, block=2, clusters=3, populations=2, seed=1) -> FounderModel:
    rng = torch.Generator().manual_seed(seed)
    B = -(-n_variants // block)

    def shares(*shape):
        values = torch.rand(shape, generator=rng)
        return values / values.sum(-1, keepdim=True)

    jump = torch.rand(B, generator=rng)
    jump[0] = 1
    alternate = 0.1 + 0.8 * torch.rand(n_variants, clusters, generator=rng)
    return FounderModel(
        block,
        alternate,
        jump,
        shares(B, clusters),
        shares(1, populations, clusters),
        torch.tensor([0.4]),
    )


def by_enumeration(model: FounderModel, alleles: np.ndarray, population: int) -> float:
    """Sum over all paths of clusters."""
    total = 0.0
    K, theta, jump = (
        model.alternate.shape[1],
        model.alternate.double().numpy(),
        model.jump.double().numpy(),
    )
    for path in itertools.product(range(K), repeat=model.n_blocks):
        chance = 1.0
        for b, k in enumerate(path):
            share = float(model.share[0])
            target = share * float(model.shared[b, k]) + (1 - share) * float(
                model.own[0, population, k]
            )
            stays = b > 0 and path[b - 1] == k
            chance *= jump[b] * target + (1 - jump[b]) * stays
            for site in range(*model.sites(b).indices(len(alleles))):
                if alleles[site] >= 0:
                    chance *= theta[site, k] if alleles[site] == 1 else 1 - theta[site, k]
        total += chance
    return total


@pytest.mark.parametrize("block", [1, 2, 3])
def test_likelihood_equals_enumeration(block):
    model = random_model(n_variants=7, block=block)
    alleles = np.random.default_rng(2).integers(-1, 2, (7, 6)).astype(np.int8)
    population = np.array([0, 1, 0, 1, 0, 1])
    score = log_likelihood(model, ArrayHaplotypes(alleles), population)
    expected = [by_enumeration(model, alleles[:, i], population[i]) for i in range(6)]
    np.testing.assert_allclose(np.exp(score), expected, rtol=1e-5)


def test_expected_counts_equal_enumeration(monkeypatch):
    """Counts of jumps and of alternate alleles: posterior means over all paths, through stored and
    recomputed states.
    """
    monkeypatch.setattr(hmm, "STORED", 2)
    model = random_model(n_variants=6, block=2)
    alleles = np.random.default_rng(3).integers(0, 2, (6, 4)).astype(np.int8)
    counts = hmm._Expectations(model)
    counts.add(
        model, hmm._Rows(ArrayHaplotypes(alleles), np.arange(4), np.array([0, 1, 1, 0]), "cpu")
    )
    # the derivative of the log-likelihood by a log-parameter is the expected count of its use; a
    # jump's chance is also used, as one minus itself, where there is none
    for name, count, at in (
        ("jump", counts.jumps, (1,)),
        ("jump", counts.jumps, (2,)),
        ("shared", counts.shared, (1, 2)),
    ):
        parameter = getattr(model, name)
        scores = []
        for factor in (1 - 1e-3, 1 + 1e-3):
            changed = random_model(n_variants=6, block=2)
            getattr(changed, name)[at] *= factor
            scores.append(
                log_likelihood(changed, ArrayHaplotypes(alleles), np.array([0, 1, 1, 0])).sum()
            )
        slope = (scores[1] - scores[0]) / 2e-3
        stays = 4 - float(count[at]) if name == "jump" else 0.0
        odds = float(parameter[at] / (1 - parameter[at])) if name == "jump" else 0.0
        assert slope == pytest.approx(float(count[at]) - stays * odds, abs=5e-3)


def planted(n=240, n_variants=150, seed=4, missing=0.0):
    """Two founders of each population, one of them common to both; jumps at 2 % a site."""
    rng = np.random.default_rng(seed)
    founders = rng.integers(0, 2, (n_variants, 3))
    population = np.arange(n) % 2
    path = np.empty((n_variants, n), dtype=int)
    for v in range(n_variants):
        drawn = np.where(population == 1, 2 * (rng.random(n) < 0.8), rng.integers(0, 2, n))
        path[v] = drawn if v == 0 else np.where(rng.random(n) < 0.02, drawn, path[v - 1])
    alleles = np.take_along_axis(founders, path, axis=1) ^ (rng.random(path.shape) < 0.005)
    alleles = np.where(rng.random(alleles.shape) < missing, -1, alleles).astype(np.int8)
    validation = np.arange(n) >= n - 40
    position = np.arange(n_variants) + 1
    return TrainingHaplotypes(
        ArrayHaplotypes(alleles), population, ["A", "B"], position, position * 1e-3, validation
    ), founders


@pytest.mark.parametrize(("block", "missing"), [(1, 0.0), (4, 0.05)])
def test_the_objective_never_falls(tmp_path, block, missing):
    data, _ = planted(missing=missing)
    options = HmmOptions(clusters=6, block_size=block)
    packed = PackedHaplotypes.pack(data.haplotypes)
    model = hmm.initial_model(packed, 2, options, np.flatnonzero(~data.validation), seed=5)
    training = HmmTraining(model, packed, data, options, TrainingRun(tmp_path, "d", 1))
    objectives = []
    for step in range(25):
        training.train_step(step, 0.0)
        objectives.append(training.objective)
    gains = np.diff(objectives)
    assert gains[0] > 100
    assert (gains > -1e-6 * abs(objectives[-1])).all()  # float32


def fitted(tmp_path, data, options, name="state", limit=None):
    generator = HmmGenerator(options)
    generator.fit(data, TrainingRun(tmp_path / name, "digest", seed=1, time_limit_s=limit))
    return generator


def test_planted_founders_are_found(tmp_path):
    data, founders = planted()
    generator = fitted(tmp_path, data, HmmOptions(clusters=8, block_size=2))
    seeds = row_seeds(1, [str(i) for i in range(400)])
    for population, allowed in ((0, [0, 1]), (1, [0, 2])):

        def like_founders(alleles, allowed=allowed):
            """Share of windows of 8 sites that are those of a founder that this population has."""
            windows = alleles[:144].reshape(18, 8, 1, -1)
            return (
                (windows == founders[:144, allowed].reshape(18, 8, -1, 1))
                .all(axis=1)
                .any(axis=1)
                .mean()
            )

        drawn = np.concatenate(
            list(generator.sample(SampleRequest(np.full(400, population), seeds)))
        )
        real = like_founders(data.haplotypes.alleles[:, data.population == population])
        assert real > 0.85
        assert like_founders(drawn) == pytest.approx(real, abs=0.07)
    score = (
        -generator.log_likelihood(data.haplotypes, data.population)[data.validation].mean() / 150
    )
    # a jump in fifty sites (0.098 nats with its choice) and a mutation in two hundred (0.031 nats)
    # are the entropy, about
    assert score < 0.17


def test_an_interrupted_fit_goes_on_as_if_it_had_not_been(tmp_path):
    data, _ = planted(n=80, n_variants=40)
    options = HmmOptions(clusters=4, block_size=4, steps=6, patience=None)
    whole = fitted(tmp_path, data, options, "whole")
    stops = 0
    while True:
        try:
            parts = fitted(tmp_path, data, options, "parts", limit=1e-9)
            break
        except Interrupted:
            stops += 1
    assert stops >= 3
    for name, values in whole.state()[0].items():
        np.testing.assert_array_equal(values, parts.state()[0][name])


def test_clusters_follow_the_number_of_training_haplotypes(tmp_path):
    data, _ = planted(n=80, n_variants=40)
    assert fitted(tmp_path, data, HmmOptions(steps=1), "a").model.alternate.shape == (40, 40 // 6)
    assert fitted(tmp_path, data, HmmOptions(steps=1, clusters=300), "b").model.alternate.shape == (
        40,
        40,
    )
