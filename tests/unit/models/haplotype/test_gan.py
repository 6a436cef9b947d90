import os
import signal

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from genoloom.errors import CollapsedError, Interrupted
from genoloom.models.haplotype import gan
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.gan import SAMPLE_ROWS, GanGenerator
from genoloom.models.haplotype.gan_network import (
    Rollout,
    TokenChain,
    TokenGenerator,
    calibrate,
    draw,
)
from genoloom.models.haplotype.gan_prior import embedding_parts
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
TINY |= {"temperature": 1.0}
PARTS = ("frequency", "linkage", "nearest", "spread", "embedding")


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


def test_the_critics_are_kept_and_score_each_row_alone(small):
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
    assert np.abs(generator.critic_score(mutated, population[some]) - scores[some]).max() > 0


def test_history_shows_both_sides_and_the_parts_of_the_score(small):
    _, _, run = small
    assert [row["step"] for row in run.history] == [0, 10, 20]
    last = run.history[-1]
    assert {"critic", "generator", "likelihood", "score", *PARTS} <= last.keys()
    assert last["score"] == pytest.approx(np.mean([last[k] for k in PARTS]))


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


def test_both_planted_modes_survive(tmp_path):
    mode, data = two_modes()
    generator, _ = fit(data, tmp_path, steps=60, evaluate_every=60)
    # the state at the end of the game, not the best one, must be sound
    agreement = (sample(generator, request(600)) == mode[:, None]).mean(0)
    assert ((agreement < 0.15) | (agreement > 0.85)).mean() > 0.6
    assert (agreement < 0.5).mean() == pytest.approx(1 / 3, abs=0.15)


def test_a_drawn_haplotype_is_of_one_ancestry(tmp_path):
    """Rows of two ancestries in one population, in which 30 % and 70 % of the alleles are
    alternates, at sites without linkage: no few sites say which.
    """
    rng = np.random.default_rng(5)
    alleles = rng.random((96, 600)) < np.where(np.arange(600) % 2, 0.3, 0.7)
    data = training(alleles, np.zeros(600, dtype=int))
    large = {"vocabulary_size": 16, "context": 24, "batch": 32, "latent": 1}
    generator, _ = fit(data, tmp_path, steps=250, evaluate_every=250, **large)
    shares = [x.mean(axis=0) for x in (sample(generator, request(600)), alleles)]
    assert shares[0].std() == pytest.approx(shares[1].std(), rel=0.2)
    between = [((x > 0.42) & (x < 0.58)).mean() for x in shares]
    assert between[0] < between[1] + 0.15
    assert (shares[0] > 0.5).mean() == pytest.approx(0.5, abs=0.1)


def test_embeddings_are_principal_components():
    data = founders_panel(n_variants=45, n_haplotypes=200)
    tokenizer = BlockTokenizer.fit(data.haplotypes, block=4, vocabulary_size=1000)
    tokens = tokenizer.encode(data.haplotypes)
    parts = embedding_parts(tokenizer, tokens, 3, 1)
    embedding = parts[np.arange(tokenizer.n_blocks), tokens].sum(axis=1)
    scores = PCA(3).fit_transform(data.haplotypes.read(0, 45).T)
    agreement = np.corrcoef(embedding.T, scores.T)[:3, 3:]
    np.testing.assert_allclose(np.abs(agreement), np.eye(3), atol=1e-3)
    np.testing.assert_allclose(embedding.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(embedding.std(axis=0), 1, atol=1e-5)
    alike = np.zeros((20, 12), dtype=int)
    nothing = BlockTokenizer.fit(
        training(alike.T, alike[:, 0]).haplotypes, block=4, vocabulary_size=8
    )
    assert (embedding_parts(nothing, np.zeros((20, 3), dtype=int), 3, 1) == 0).all()


def constant(training_state, run, **_):
    """Stands in for training: leaves a generator that always makes token 0."""
    run.history = []
    network = training_state.model
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
        tokens = (
            Rollout(network.draw_embeddings(population), population, temperature)
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
    population = torch.zeros(7, dtype=torch.int64)
    embedding = network.draw_embeddings(population)
    seen = []

    def sampler(_block, log_chance):
        seen.append(log_chance)
        return draw(_block, log_chance)

    tokens = Rollout(embedding, population, temperature).step(network, chain, 2, 9, sampler)
    with torch.no_grad():
        corrections = network.score_window(tokens, embedding, embedding, population, 2)
    together = corrections + chain.window(tokens, 2)
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


def test_gradients_reach_every_parameter_of_both(tmp_path):
    game, rng = game_of(founders_panel(), tmp_path), np.random.default_rng(1)
    for loss, network in (
        (game._likelihood_loss(rng) + game._adversarial_loss(rng), game.model),
        (game.critics(*game._real(0, rng)).sum(), game.critics),
    ):
        loss.backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_a_critic_learns_from_its_half_and_judges_next_to_the_other(tmp_path, monkeypatch):
    game, asked = game_of(founders_panel(), tmp_path), []
    assert len(np.intersect1d(*game.halves)) == 0
    assert sum(map(len, game.halves)) == len(game.rows)
    real = game._real
    monkeypatch.setattr(game, "_real", lambda half, rng: asked.append(half) or real(half, rng))
    before = [[w.clone() for w in critic.parameters()] for critic in game.critics]
    game.train_step(0, 0.0)
    assert asked == [0, 1, 1, 0]
    for critic, weights in zip(game.critics, before, strict=True):
        assert not all(map(torch.equal, critic.parameters(), weights))


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
