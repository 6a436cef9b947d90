import os
import signal

import numpy as np
import pytest
import torch

from genoloom.errors import CollapsedError, Interrupted
from genoloom.models.haplotype import gan
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.gan import SAMPLE_ROWS, GanGenerator
from genoloom.models.haplotype.gan_critic import Critic, statistics
from genoloom.models.haplotype.gan_network import (
    Rollout,
    TokenChain,
    TokenGenerator,
    calibrate,
    draw,
)
from genoloom.models.haplotype.gan_training import GanTraining, compare, crossovers
from genoloom.models.haplotype.temperature import LOWEST
from genoloom.panel import ArrayHaplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import GanOptions

TINY = {
    "block_size": 4,
    "context": 6,
    "vocabulary_size": 8,
    "width": 16,
    "latent": 4,
    "batch": 16,
    "evaluate_every": 10,
}
TINY |= {"temperature": 1.0, "likelihood_weight": 1.0, "pretrain_fraction": 0.5}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def training(alleles, population):
    alleles = np.asarray(alleles, dtype=np.int8)
    n_variants, n_haplotypes = alleles.shape
    return TrainingHaplotypes(
        haplotypes=ArrayHaplotypes(np.ascontiguousarray(alleles)),
        population=np.asarray(population),
        population_names=["A", "B"],
        position=np.arange(n_variants) * 100 + 1,
        map_cm=np.arange(n_variants) * 1e-4,
        validation=np.arange(n_haplotypes) < n_haplotypes // 5,
    )


def founders_panel(n_variants=45, n_haplotypes=80, seed=1, missing=0.0):
    rng = np.random.default_rng(seed)
    founders = rng.integers(0, 2, (2, 4, n_variants))
    population = np.arange(n_haplotypes) % 2
    alleles = founders[population, rng.integers(0, 4, n_haplotypes)] ^ (
        rng.random((n_haplotypes, n_variants)) < 0.03
    )
    return training(np.where(rng.random(alleles.shape) < missing, -1, alleles).T, population)


def fit(data, state_dir, steps=20, seed=3, **options):
    generator = GanGenerator(GanOptions(**{**TINY, "steps": steps, **options}))
    run = TrainingRun(state_dir=state_dir, digest="d", seed=seed, label="test")
    generator.fit(data, run)
    return generator, run


def request(n, population=0, first=0):
    return SampleRequest(
        np.full(n, population),
        np.arange(first, first + n, dtype=np.uint64) * np.uint64(7919) + np.uint64(3),
    )


def sample(generator, wanted):
    return np.concatenate(list(generator.sample(wanted)))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """45 sites in twelve blocks, the last with one site; missing calls; two populations."""
    data = founders_panel(missing=0.02)
    return data, *fit(data, tmp_path_factory.mktemp("small"), vocabulary_size=4)


def test_a_haplotype_depends_on_its_own_seed_only(small, monkeypatch):
    _, generator, _ = small
    together = sample(generator, request(SAMPLE_ROWS + 30))
    assert together.shape == (45, SAMPLE_ROWS + 30)
    assert together.dtype == np.int8
    assert set(np.unique(together)) == {0, 1}
    backwards = request(SAMPLE_ROWS + 30)
    backwards = SampleRequest(backwards.population[::-1], backwards.seed[::-1])
    np.testing.assert_array_equal(sample(generator, backwards), together[:, ::-1])
    np.testing.assert_array_equal(sample(generator, request(5, first=20)), together[:, 20:25])
    monkeypatch.setattr(gan, "SAMPLE_BLOCKS", 5)
    np.testing.assert_array_equal(sample(generator, request(SAMPLE_ROWS + 30)), together)
    assert sample(generator, request(0)).shape == (45, 0)


def test_state_round_trip(small):
    _, generator, _ = small
    again = GanGenerator.from_state(*generator.state())
    assert (again.n_variants, again.population_names) == (45, ["A", "B"])
    np.testing.assert_array_equal(sample(again, request(9, 1)), sample(generator, request(9, 1)))


def test_the_critic_is_kept_and_scores_each_row_alone(small):
    data, generator, _ = small
    again = GanGenerator.from_state(*generator.state())
    population = data.population
    scores = generator.critic_score(data.haplotypes, population)
    assert scores.shape == population.shape
    assert scores.std() > 0
    np.testing.assert_array_equal(again.critic_score(data.haplotypes, population), scores)
    some = np.arange(3, 9)
    view = ArrayHaplotypes(data.haplotypes.read(0, data.haplotypes.n_variants)[:, some])
    # whatever the batch
    np.testing.assert_allclose(
        generator.critic_score(view, population[some]), scores[some], atol=1e-6
    )
    mutated = ArrayHaplotypes(1 - np.maximum(view.alleles, 0))
    assert np.abs(generator.critic_score(mutated, population[some]) - scores[some]).min() > 0


def test_history_shows_both_sides_and_the_parts_of_the_score(small):
    _, _, run = small
    assert [row["step"] for row in run.history] == [0, 10, 20]
    last = run.history[-1]
    assert {
        "critic",
        "generator",
        "likelihood",
        "score",
        "frequency",
        "linkage",
        "nearest",
        "spread",
    } <= last.keys()
    assert last["score"] == pytest.approx(
        np.mean([last[k] for k in ("frequency", "linkage", "nearest", "spread")])
    )


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("stop_at", [4, 13])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, monkeypatch, stop_at):
    data = founders_panel()
    whole, whole_run = fit(data, tmp_path / "whole")
    plain_step = GanTraining.train_step

    def stopping_step(self, step, fraction):
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain_step(self, step, fraction)

    with monkeypatch.context() as patch:
        patch.setattr(GanTraining, "train_step", stopping_step)
        with pytest.raises(Interrupted):
            fit(data, tmp_path / "cut")
    resumed, resumed_run = fit(data, tmp_path / "cut")
    assert without_time(whole_run.history) == without_time(resumed_run.history)
    for a, b in zip(
        whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    np.testing.assert_array_equal(sample(whole, request(20)), sample(resumed, request(20)))


def two_modes(n_haplotypes=120, n_variants=48, seed=4):
    """Two haplotypes that differ at every site, one in three of the second kind; 1 % of the alleles
    mutated.
    """
    rng = np.random.default_rng(seed)
    mode = rng.integers(0, 2, n_variants)
    second = np.arange(n_haplotypes) % 3 == 0
    alleles = mode[:, None] ^ second[None] ^ (rng.random((n_variants, n_haplotypes)) < 0.01)
    return mode, training(alleles, np.zeros(n_haplotypes, dtype=int))


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_both_planted_modes_survive(tmp_path, weight):
    mode, data = two_modes()
    pretrain_fraction = 0.5 if weight else 0.0
    generator, _ = fit(
        data,
        tmp_path,
        steps=60,
        evaluate_every=60,
        likelihood_weight=weight,
        pretrain_fraction=pretrain_fraction,
    )
    # the state at the end of the game, not the best one, must be sound
    agreement = (sample(generator, request(600)) == mode[:, None]).mean(0)
    assert ((agreement < 0.15) | (agreement > 0.85)).mean() > 0.6
    assert (agreement < 0.5).mean() == pytest.approx(1 / 3, abs=0.15)


def test_the_critic_teaches_what_the_chain_does_not_know(tmp_path):
    """The last block repeats the first, with constant blocks between: a first-order chain forgets,
    the trained network must not.
    """
    rng = np.random.default_rng(6)
    first = rng.integers(0, 2, 300)
    alleles = np.zeros((16, 300), dtype=int)
    alleles[[0, 1, 12, 13]] = first
    data = training(alleles, np.zeros(300, dtype=int))
    untrained, _ = fit(data, tmp_path / "chain", steps=1, pretrain_fraction=1.0)
    by_critic = {
        "likelihood_weight": 0.0,
        "pretrain_fraction": 0.0,
        "critic_steps": 2,
        "learning_rate": 3e-3,
    }
    trained, _ = fit(data, tmp_path / "adversarial", steps=150, evaluate_every=50, **by_critic)
    agree = [
        np.mean(drawn[0] == drawn[12])
        for drawn in (sample(untrained, request(500)), sample(trained, request(500)))
    ]
    assert agree[0] == pytest.approx(0.5, abs=0.1)
    assert agree[1] > 0.8


def constant(training_state, run, **_):
    """Stands in for training: leaves a generator that always makes token 0."""
    run.history = []
    network = training_state.generator
    with torch.no_grad():
        network.bias[:, 0] = 1000.0


def test_a_collapsed_generator_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gan, "train", constant)
    with pytest.raises(
        CollapsedError, match=r"collapsed: \d+% of the common sites .* distinct haplotypes"
    ):
        fit(founders_panel(), tmp_path)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_calibration_restores_token_frequencies(small, temperature):
    data, generator, _ = small
    rows = generator.tokenizer.encode(data.haplotypes, np.flatnonzero(~data.validation))
    options = GanOptions(**TINY)
    torch.manual_seed(1)
    network = TokenGenerator(
        generator.tokenizer.n_blocks, generator.tokenizer.vocabulary_size, 2, options
    )
    with torch.no_grad():
        network.bias.normal_()
    population = torch.from_numpy(np.arange(4000) % 2)

    def worst():
        context = network.context(torch.randn(4000, network.latent), population)
        tokens = (
            Rollout(context, temperature)
            .step(network.eval(), generator.chain, 0, len(network.bias), draw)
            .numpy()
        )
        seen = [
            np.bincount(column, minlength=generator.tokenizer.vocabulary_size) / 4000
            for column in tokens.T
        ]
        wanted = [
            np.bincount(column, minlength=generator.tokenizer.vocabulary_size) / len(rows)
            for column in rows.T
        ]
        return np.abs(np.array(seen) - np.array(wanted)).max()

    before = worst()
    calibrate(network, generator.chain, population, temperature)
    assert before > 0.2
    assert worst() < 0.06


def test_a_temperature_that_is_not_given_is_found_and_kept(tmp_path):
    data = founders_panel()
    generator, _ = fit(data, tmp_path / "a", steps=10, temperature=None)
    assert LOWEST <= generator.options.temperature <= 1
    again = GanGenerator.from_state(*generator.state())
    assert again.options.temperature == generator.options.temperature
    np.testing.assert_array_equal(sample(again, request(9)), sample(generator, request(9)))
    # training is the same without it, so only the draws are sharper
    plain, _ = fit(data, tmp_path / "b", steps=10)
    assert torch.equal(plain.network.out, generator.network.out)
    assert (sample(plain, request(200)) != sample(generator, request(200))).any()


def test_chain_by_hand():
    tokens = np.array([[0, 0], [0, 0], [0, 1], [1, 1]])
    chain = TokenChain.count(tokens, 3)
    chance = chain.log_chance.exp().numpy()
    np.testing.assert_allclose(
        chain.log_marginal.exp(), [[0.75, 0.25, 0], [0.5, 0.5, 0]], atol=1e-6
    )
    # after token 0: two tokens seen in three rows, so the escape weighs one haplotype
    np.testing.assert_allclose(chance[1, 0], [(2 + 0.5) / 4, (1 + 0.5) / 4, 0], atol=1e-6)
    np.testing.assert_allclose(chance[1, 2], [0.5, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(chance.sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_training_and_drawing_see_the_same_chances(small, temperature):
    _, generator, _ = small
    network, chain = generator.network.eval(), generator.chain
    context = network.context(torch.randn(7, network.latent), torch.zeros(7, dtype=torch.int64))
    seen = []

    def sampler(_block, log_chance):
        seen.append(log_chance)
        return draw(_block, log_chance)

    tokens = Rollout(context, temperature).step(network, chain, 2, 9, sampler)
    with torch.no_grad():
        together = network.score_window(tokens, context, 2) + chain.window(tokens, 2)
    torch.testing.assert_close(
        together / temperature, torch.stack(seen, dim=1), atol=1e-5, rtol=1e-5
    )


def game_of(data, state_dir, **options):
    options = GanOptions(**{**TINY, **options})
    rows = np.flatnonzero(~data.validation)
    tokenizer = BlockTokenizer.fit(data.haplotypes, block=4, vocabulary_size=8, rows=rows)
    tokens = tokenizer.encode(data.haplotypes, rows)
    network = TokenGenerator(tokenizer.n_blocks, tokenizer.vocabulary_size, 2, options)
    chain = TokenChain.count(tokens, tokenizer.vocabulary_size)
    return GanTraining(
        network, chain, tokenizer, tokens, data, options, TrainingRun(state_dir, "d", 1)
    )


def test_the_critic_joins_the_averaged_generator_at_a_lower_rate(tmp_path, monkeypatch):
    game = game_of(founders_panel(), tmp_path, pretrain_fraction=0.8, learning_rate=1e-3)
    rates = {}
    for step in range(8):
        game.train_step(step, step / 10)
        rates[step] = game.generator_optimiser.param_groups[0]["lr"]
    average = game.snapshot()
    assert not torch.equal(average["bias"], game.generator.bias)
    monkeypatch.setattr(game, "_critic_step", lambda *_, **__: 0.0)
    monkeypatch.setattr(game, "_generator_step", lambda _: {})
    game.train_step(8, 0.8)
    for name, value in game.generator.state_dict().items():
        assert torch.equal(value, average[name]), name
    rates[8] = game.generator_optimiser.param_groups[0]["lr"]
    # constant for half of the phase, then down to 0; a tenth of the rate with the critic
    assert [rates[step] for step in (0, 4, 6, 8)] == pytest.approx([2e-3, 2e-3, 1e-3, 1e-4])
    with torch.no_grad():
        game.generator.bias.add_(1)
    game.train_step(9, 0.9)  # only once
    assert not torch.equal(game.generator.bias, average["bias"])


def test_gradients_reach_every_parameter_of_both(tmp_path):
    game = game_of(founders_panel(), tmp_path)
    population = torch.from_numpy(game.population[:16])
    game.critic(
        game._synthetic(population, 0, len(game.token_alleles)), population, 0
    ).sum().backward()
    for name, parameter in [*game.generator.named_parameters(), *game.critic.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_critic_statistics_are_zero_on_the_training_rows():
    data = founders_panel()
    tokenizer = BlockTokenizer.fit(data.haplotypes, block=4, vocabulary_size=1000)
    rows = tokenizer.encode(data.haplotypes)
    critic = Critic(*statistics(tokenizer, rows), 2, 8)
    alleles = torch.from_numpy(tokenizer.alleles[np.arange(tokenizer.n_blocks), rows]).float()
    assert critic.batch_statistics(alleles, slice(None)).abs().max() < 1e-5
    flat = alleles.flatten(1).numpy()
    covariance = np.cov(flat.T, bias=True)
    np.testing.assert_allclose(
        critic.covariance.flatten()[:-1], np.diagonal(covariance, offset=1), atol=1e-6
    )


def test_crossovers_join_only_rows_that_agree_before():
    rng = np.random.default_rng(3)
    tokens, population = rng.integers(0, 2, (200, 40)), np.arange(200) % 2
    rows = rng.integers(0, 200, 500)
    source = crossovers(tokens, population, rows, 4, 36, 3, rng)
    assert (source[:, 0] == rows).all()
    assert (population[source] == population[rows][:, None]).all()
    changed = np.argwhere(source[:, 1:] != source[:, :-1])
    assert len(changed) > 100
    for row, at in changed:
        place = 4 + at + 1
        np.testing.assert_array_equal(
            tokens[source[row, at], place - 3 : place],
            tokens[source[row, at + 1], place - 3 : place],
        )


def test_score_is_one_for_training_rows_and_worse_for_what_is_wrong():
    data = founders_panel(n_variants=64, n_haplotypes=240)
    alleles = np.ascontiguousarray(
        data.haplotypes.read(0, 64).T.reshape(240, 8, 8), dtype=np.float32
    )
    training_rows, real = alleles[80:160], alleles[:80]
    frequency = alleles[80:].mean(0)
    same = compare(training_rows, training_rows, real, frequency)
    assert set(same.values()) == {1.0}
    rng = np.random.default_rng(1)
    shuffled = np.stack(
        [rng.permutation(column) for column in training_rows.reshape(80, -1).T], axis=1
    ).reshape(training_rows.shape)
    scored = compare(shuffled, training_rows, real, frequency)
    assert scored["frequency"] == pytest.approx(1)
    assert min(scored["linkage"], scored["nearest"], scored["spread"]) > 2
    one_kind = np.repeat(training_rows[:1], 80, axis=0)
    assert compare(one_kind, training_rows, real, frequency)["nearest"] > 2
    other_half = compare(alleles[160:], training_rows, real, frequency)
    assert all(0.4 < value < 2.5 for value in other_half.values())
