"""Gaps given both sides: what the right side tells is used, the proposal's probability is exact,
and so is what is kept.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from genoloom.models.sequence import fill_in_the_middle
from genoloom.models.sequence.base import TrainingSequences
from genoloom.models.sequence.context_mixing import ContextMixture, Settings, count
from genoloom.models.sequence.infill import fill_gap, weighed_candidates
from genoloom.models.sequence.markov import MarkovGenerator
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.models.sequence.transformer_training import base_log_probabilities
from genoloom.sequence_config import SequenceTransformerOptions
from genoloom.training.run import TrainingRun

T = 24
SMALL = {"batch": 32, "width": 32, "layers": 1, "heads": 2, "dropout": 0.0, "patience": None}


def training(bases: np.ndarray, length: np.ndarray | None = None) -> TrainingSequences:
    n = len(bases)
    length = np.full(n, bases.shape[1]) if length is None else length
    return TrainingSequences(
        bases, length, np.arange(n) % 2, ["a", "b"], np.arange(n) % 5 == 0, np.arange(n), True
    )


def shifted(seed: int, n: int = 600) -> np.ndarray:
    """Random bases; the second half is the first, every base replaced by the next of ACGT: no chain
    can know, nor repeats.
    """
    bases = np.random.default_rng(seed).integers(0, 4, (n, T)).astype(np.uint8)
    bases[:, T // 2 :] = (bases[:, : T // 2] + 1) % 4
    return bases


def chain_like(seed: int, n: int = 200) -> np.ndarray:
    """Each base mostly follows from the two before it."""
    rng = np.random.default_rng(seed)
    bases = rng.integers(0, 4, (n, T)).astype(np.uint8)
    for t in range(2, T):
        bases[:, t] = np.where(
            rng.random(n) < 0.7, (bases[:, t - 1] + 2 * bases[:, t - 2] + 1) % 4, bases[:, t]
        )
    return bases


def fitted(
    folder, bases: np.ndarray, length: np.ndarray | None = None, **options
) -> TransformerGenerator:
    generator = TransformerGenerator(SequenceTransformerOptions(**{**SMALL, **options}))
    generator.fit(training(bases, length), TrainingRun(folder, "d", 1))
    return generator


@pytest.fixture(scope="module")
def copier(tmp_path_factory) -> TransformerGenerator:
    options = {
        "steps": 900,
        "convolutions": 1,
        "learning_rate": 5e-3,
        "evaluate_every": 225,
        "fim_rate": 0.5,
    }
    return fitted(tmp_path_factory.mktemp("copier"), shifted(1), **options)


@pytest.fixture(scope="module")
def little(tmp_path_factory) -> TransformerGenerator:
    """Trained so briefly that its two ways of forecasting do not agree; two layers of
    everything.
    """
    options = {
        "steps": 30,
        "convolutions": 2,
        "layers": 2,
        "learning_rate": 1e-2,
        "evaluate_every": 30,
        "fim_rate": 0.5,
    }
    generator = fitted(tmp_path_factory.mktemp("little"), chain_like(1), **options)
    with torch.no_grad():  # whichever checkpoint was kept: heads that say something
        torch.manual_seed(3)
        generator.model.head.weight.normal_(std=0.1)
        generator.model.lookahead.weight.normal_(std=0.1)
    return generator


@torch.no_grad()
def given(generator, bases, suffix=None, label=0) -> np.ndarray:
    """Log-probability of every base by one whole pass, with or without what comes after."""
    n = len(bases)
    rows, nothing = np.full(n, label), np.zeros(n, dtype=np.int64)
    return (
        base_log_probabilities(
            generator.model, generator.mixture, bases, rows, nothing, "cpu", suffix
        )
        .double()
        .numpy()
    )


def test_a_gap_that_the_right_side_decides_is_filled_and_left_to_right_it_is_not(copier):
    bases = shifted(2, 64)
    gap = slice(4, 10)
    alone, both = (
        given(copier, bases[:, :10])[:, gap],
        given(copier, bases[:, :10], bases[:, 10:])[:, gap],
    )
    assert alone.mean() < -1.3  # two bits per base are 1.386
    assert both.mean() > -0.1
    seeds = np.arange(16, dtype=np.uint64)
    row = bases[0]
    _, many = fill_gap(copier, row[:4], 6, row[10:], 0, seeds, 0.5)
    _, log_weight = weighed_candidates(copier, row[:4], 6, row[10:], 0, seeds, both_sides=False)
    few = np.exp(log_weight - log_weight.max())
    assert many > 12
    assert few.sum() ** 2 / (few**2).sum() < 4
    assert (fill_gap(copier, row[:4], 6, row[10:], 0, seeds, 0.5)[0] == row[4:10]).all()


@pytest.mark.parametrize("prefix", [0, 1, 7])
def test_the_proposal_is_worth_what_a_whole_pass_says_and_no_candidate_depends_on_its_company(
    little, prefix
):
    row = chain_like(3, 1)[0]
    seeds = np.arange(70, dtype=np.uint64)  # more than are sampled together
    synthetic, log_q = little.sample_infill(row[:prefix], 5, row[prefix + 5 :], 1, seeds)
    whole = np.concatenate([np.tile(row[:prefix], (70, 1)), synthetic], axis=1)
    found = given(little, whole, np.tile(row[prefix + 5 :], (70, 1)), 1)[:, prefix:].sum(axis=1)
    np.testing.assert_allclose(log_q, found, atol=1e-4)
    again, log_q_again = little.sample_infill(row[:prefix], 5, row[prefix + 5 :], 1, seeds[3:9])
    np.testing.assert_array_equal(again, synthetic[3:9])
    np.testing.assert_array_equal(log_q_again, log_q[3:9])


def test_forecasts_look_back_and_to_the_right_side_only(little):
    bases = chain_like(4, 4)
    before, suffix = bases[:, :14], bases[:, 14:]
    base, last = before.copy(), suffix.copy()
    base[:, 9] = (base[:, 9] + 1) % 4
    last[:, -1] = (last[:, -1] + 1) % 4
    plain, changed, other = (
        given(little, *x) for x in ((before, suffix), (base, suffix), (before, last))
    )
    np.testing.assert_allclose(plain[:, :9], changed[:, :9], atol=1e-6)
    assert (np.abs(plain[:, 9:] - changed[:, 9:]).max(axis=1) > 1e-4).all()
    # already the first base, and by the farthest one
    assert (np.abs(plain[:, 0] - other[:, 0]) > 1e-7).all()


def test_probabilities_of_all_fillings_sum_to_one(little):
    row = chain_like(5, 1)[0]
    every = np.array(list(product(range(4), repeat=3)), dtype=np.uint8)
    whole = np.concatenate([np.tile(row[:6], (64, 1)), every], axis=1)
    total = np.exp(given(little, whole, np.tile(row[9:], (64, 1)))[:, 6:].sum(axis=1)).sum()
    assert total == pytest.approx(1, abs=1e-5)


def test_what_is_kept_follows_the_left_to_right_model_given_both_sides(little):
    row = chain_like(6, 1)[0]
    prefix, suffix = row[:8], row[10:]
    every = np.array(list(product(range(4), repeat=2)), dtype=np.uint8)
    whole = np.concatenate([np.tile(prefix, (16, 1)), every, np.tile(suffix, (16, 1))], axis=1)
    log_p = little.log_likelihood(whole, np.full(16, T), np.zeros(16, dtype=int))
    exact = np.exp(log_p - log_p.max()) / np.exp(log_p - log_p.max()).sum()
    proposed = np.exp(given(little, whole[:, :10], np.tile(suffix, (16, 1)))[:, 8:].sum(axis=1))
    assert np.abs(proposed - exact).sum() / 2 > 0.1  # there is something to correct
    rng = np.random.default_rng(7)
    draws, found = 400, np.zeros(16)
    for _ in range(draws):
        middle, effective = fill_gap(
            little, prefix, 2, suffix, 0, rng.integers(0, 2**63, 64, dtype=np.uint64), rng.random()
        )
        found[middle[0] * 4 + middle[1]] += 1
        assert 1 <= effective <= 64
    likely = exact * draws >= 5
    observed, expected = (np.append(x[likely], x[~likely].sum()) for x in (found, exact * draws))
    # chi-square; 16 cells or fewer, 99.99 % point 44.3
    assert ((observed - expected) ** 2 / expected).sum() < 45
    assert np.abs(found / draws - exact).sum() / 2 < np.abs(found / draws - proposed).sum() / 2


def settings_of(order: int) -> Settings:
    """A chain alone: neither position nor composition nor repeats."""
    return Settings(order, [5.0] * (order + 1), 0)


@pytest.mark.parametrize(("order", "n_suffix"), [(0, 3), (2, 1), (2, 6), (4, 8)])
def test_with_a_chain_the_lookahead_is_exact(order, n_suffix):
    data = training(chain_like(8))
    generator = TransformerGenerator(
        SequenceTransformerOptions(**{**SMALL, "fim_rate": 0.5, "convolutions": 1})
    )
    generator.label_names, generator.positions, generator.settings = (
        ["a", "b"],
        0,
        settings_of(order),
    )
    generator.counts = replace(count(data, np.arange(200), order, 0), positions=[])
    torch.manual_seed(1)
    generator._build()
    generator.model.eval()
    row = chain_like(9, 1)[0]
    prefix, suffix = row[:6], row[10 : 10 + n_suffix]
    seeds = np.arange(32, dtype=np.uint64)
    synthetic, log_q = generator.sample_infill(prefix, 4, suffix, 0, seeds)
    every = np.array(list(product(range(4), repeat=4)), dtype=np.uint8)
    whole = np.concatenate([np.tile(prefix, (256, 1)), every, np.tile(suffix, (256, 1))], axis=1)
    log_p = generator.log_likelihood(whole, np.full(256, whole.shape[1]), np.zeros(256, dtype=int))
    exact = log_p - np.log(np.exp(log_p - log_p.max()).sum()) - log_p.max()
    np.testing.assert_allclose(log_q, exact[synthetic @ 4 ** np.arange(4)[::-1]], atol=1e-4)
    assert fill_gap(generator, prefix, 4, suffix, 0, seeds, 0.5)[1] == pytest.approx(32, rel=1e-3)


def test_lookahead_stops_at_an_unknown_base_and_far_away_says_nothing():
    mixture = ContextMixture(settings_of(2), [count(training(chain_like(8)), np.arange(200), 2, 0)])
    part, context, usable = np.zeros(1, dtype=int), np.array([[6]]), np.array([[2]])
    cut = fill_in_the_middle.Lookahead(
        mixture, np.array([[1, 4, 2]], dtype=np.uint8), part
    ).log_ratio(context, usable, np.array([0]))
    short = fill_in_the_middle.Lookahead(mixture, np.array([[1]], dtype=np.uint8), part).log_ratio(
        context, usable, np.array([0])
    )
    np.testing.assert_array_equal(cut, short)
    far = fill_in_the_middle.Lookahead(mixture, np.array([[1]], dtype=np.uint8), part).log_ratio(
        context, usable, np.array([fill_in_the_middle.LOOKAHEAD_REACH])
    )
    np.testing.assert_array_equal(far, np.zeros((1, 1, 4)))


def test_without_infill_nothing_is_added_and_with_it_all_else_begins_the_same(tmp_path):
    short = {"steps": 1, "convolutions": 1, "learning_rate": 1e-12, "evaluate_every": 1}
    none, half = (fitted(tmp_path / str(x), chain_like(1), fim_rate=x, **short) for x in (0.0, 0.5))
    plain, more = none.model.state_dict(), half.model.state_dict()
    assert not none.samples_infill
    assert half.samples_infill
    assert {name.split(".")[0] for name in more.keys() - plain.keys()} == {
        "suffix_position",
        "missing",
        "lookahead",
    }
    for name, value in plain.items():
        np.testing.assert_allclose(value, more[name], atol=1e-9)
    with pytest.raises(TypeError, match="two sides"):
        MarkovGenerator.sample_infill(none, *[None] * 5)


def test_it_comes_back_from_its_state_and_older_files_load(little, tmp_path):
    again = TransformerGenerator.from_state(*little.state())
    row, seeds = chain_like(3, 1)[0], np.arange(5, dtype=np.uint64)
    for one, other in zip(
        again.sample_infill(row[:7], 5, row[12:], 0, seeds),
        little.sample_infill(row[:7], 5, row[12:], 0, seeds),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    old = fitted(tmp_path, chain_like(1), steps=1, convolutions=1, evaluate_every=1)
    arrays, description = old.state()
    del description["options"]["fim_rate"]
    assert not TransformerGenerator.from_state(arrays, description).samples_infill


def test_rows_of_several_lengths_are_cut_where_all_have_a_right_side(tmp_path):
    rng = np.random.default_rng(1)
    cuts = [fill_in_the_middle.draw_cut(rng, np.array([9, 5, 7])) for _ in range(200)]
    assert set(cuts) == {1, 2, 3, 4}
    assert fill_in_the_middle.draw_cut(rng, np.array([9, 1])) == 0
    bases, length = chain_like(1), rng.integers(1, T + 1, 200)
    bases[np.arange(T) >= length[:, None]] = 4
    generator = fitted(
        tmp_path, bases, length, steps=12, batch=4, convolutions=1, evaluate_every=6, fim_rate=1.0
    )
    assert np.isfinite(generator.log_likelihood(bases, length, np.zeros(200, dtype=int))).all()
