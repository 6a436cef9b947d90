"""The context mixture of chains, component by component, against plain Python."""

from dataclasses import replace

import numpy as np
import pytest

from genoloom.models.sequence.base import Sampling, SequenceRequest, TrainingSequences
from genoloom.models.sequence.context_mixing import (
    MEMORY,
    ContextMixture,
    MixtureState,
    OwnCounts,
    Settings,
    choose,
    count,
    own_counts,
    picked,
    position_counts,
    position_ratios,
)
from genoloom.models.sequence.markov import (
    ContextMixingGenerator,
    MarkovGenerator,
    SequenceMarkovOptions,
)
from genoloom.sequences import reverse_complement
from genoloom.training.run import TrainingRun


def training(bases, stranded: bool = True) -> TrainingSequences:
    n = len(bases)
    length = (bases != 4).sum(axis=1)
    return TrainingSequences(
        bases, length, np.zeros(n, dtype=int), [""], np.arange(n) % 4 == 0, np.arange(n), stranded
    )


def biased(rng, n: int = 80, T: int = 60) -> np.ndarray:
    """Every sequence has a composition of its own, one position is nearly fixed, and the second
    half repeats the first.
    """
    p = rng.dirichlet(np.full(4, 2.0), size=n)
    bases = (rng.random((n, T, 1)) > p.cumsum(axis=1)[:, None, :3]).sum(axis=2).astype(np.uint8)
    bases[:, 7] = np.where(rng.random(n) < 0.95, 2, bases[:, 7])
    bases[:, T // 2 :] = bases[:, : T - T // 2]
    return bases


SETTINGS = Settings(
    3, [1.0, 2.0, 4.0, 8.0], 2, 1.0, 30.0, 0.75, 20.0, 0.5, (64.0, 0.0, 16.0, 8.0, 2.0, 0.5, 0.5)
)


@pytest.fixture(scope="module")
def data() -> TrainingSequences:
    return training(biased(np.random.default_rng(1)))


@pytest.fixture(scope="module")
def mixture(data) -> ContextMixture:
    return ContextMixture(SETTINGS, [count(data, ~data.validation, 3, 2)])


def test_own_counts_are_those_of_a_search_through_the_text():
    rng = np.random.default_rng(2)
    bases = rng.choice(5, p=[0.4, 0.3, 0.15, 0.1, 0.05], size=(6, 50)).astype(np.uint8)
    bases[0, 25:] = bases[0, :25]
    found = own_counts(bases)
    for row, counts in zip(bases, found, strict=True):
        text = "".join("ACGTN"[b] for b in row)
        for t in range(50):
            for m, k in enumerate(OwnCounts.LEVELS):
                expected = np.zeros(4, dtype=int)
                context = text[t - k : t]
                if t >= k and "N" not in context:
                    for i in range(k, t):
                        if text[i - k : i] == context and text[i] != "N":
                            expected["ACGT".index(text[i])] += 1
                np.testing.assert_array_equal(counts[t, m], expected)


def test_every_component_sums_to_one_and_steps_equal_the_whole(mixture, data):
    bases = data.bases[data.validation].copy()
    bases[:, 40] = 4
    forecast, log_counts = mixture.forecast_bases(bases)
    np.testing.assert_allclose(np.exp(forecast).sum(axis=-1), 1, rtol=1e-9)
    state = MixtureState(mixture, len(bases), bases.shape[1])
    for t in range(bases.shape[1]):
        now, counts = state.forecast()
        np.testing.assert_allclose(now[:, 0], forecast[:, t], rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(counts[:, 0], log_counts[:, t])
        state.push(bases[:, t])


def test_position_composition_and_memory_are_the_formulas(mixture, data):
    bases = data.bases[data.validation]
    forecast, own = np.exp(mixture.forecast_bases(bases)[0]), own_counts(bases).astype(float)
    K = SETTINGS.order
    ratios = position_ratios(position_counts(data.bases[~data.validation]), 1.0, 30.0)
    for i, t in ((0, 9), (3, 31), (5, 59)):
        context = int(bases[i, t - 2]) * 4 + int(bases[i, t - 1])
        position = forecast[i, t, K] * np.exp(0.75 * ratios[2][t, context])
        position /= position.sum()
        np.testing.assert_allclose(forecast[i, t, K + 1], position)
        mixed = (own[i, t, 0] + 20 * forecast[i, t, 0]) / (own[i, t, 0].sum() + 20)
        composed = position * np.sqrt(mixed / forecast[i, t, 0])
        composed /= composed.sum()
        np.testing.assert_allclose(forecast[i, t, K + 2], composed)
        below = composed
        for m, weight in enumerate(SETTINGS.memory_weights, 1):
            if weight:
                below = (own[i, t, m] + weight * below) / (own[i, t, m].sum() + weight)
            np.testing.assert_allclose(forecast[i, t, K + 2 + m], below)


def test_a_kernel_of_no_width_sees_one_place_only():
    bases = np.random.default_rng(3).integers(0, 4, (500, 5)).astype(np.uint8)
    bases[:, 2] = 1
    ratio = np.exp(position_ratios(position_counts(bases), 0.0, 1.0)[0][:, 0])
    assert ratio[2, 1] > 2
    np.testing.assert_allclose(ratio[[0, 1, 3, 4], 1], ratio[[0, 1, 3, 4], 1].mean(), atol=0.12)


def test_what_is_chosen_is_found_in_the_data(data):
    settings, counts, bits = choose(data, 4)
    assert settings.position_power > 0  # the fixed position
    assert settings.own_power > 0  # compositions differ
    assert any(settings.memory_weights)  # the repeat
    assert all(
        later <= earlier + 1e-12
        for earlier, later in zip(bits[settings.order :], bits[settings.order + 1 :], strict=False)
    )
    validation = data.bases[data.validation]
    forecast = ContextMixture(settings, [counts]).forecast_bases(validation)[0]
    reached = -picked(forecast, validation).sum(axis=(0, 1)) / validation.size / np.log(2)
    np.testing.assert_allclose(reached[settings.order :], bits[settings.order :])
    plain = choose(
        training(
            np.random.default_rng(4).integers(0, 4, (200, 60)).astype(np.uint8), stranded=False
        ),
        4,
    )[0]
    assert plain.strand_quarters == 4
    assert plain.position_power == 0


def test_counts_without_a_fold_are_those_of_the_others(data):
    rows = np.arange(len(data.length))
    everything, fold, others = (
        count(data, r, 3, 1) for r in (rows, rows[::5], np.setdiff1d(rows, rows[::5]))
    )
    rest = everything.minus(fold)
    for a, b in zip(
        [*rest.contexts, *rest.positions], [*others.contexts, *others.positions], strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_parts_have_tables_of_their_own(data):
    rows = np.arange(len(data.length))
    parts = [count(data, rows[::2], 3, 2), count(data, rows[1::2], 3, 2)]
    both = ContextMixture(SETTINGS, parts).forecast_bases(data.bases[:2], np.array([0, 1]))[0]
    for i, part in enumerate(parts):
        np.testing.assert_allclose(
            both[i],
            ContextMixture(SETTINGS, [part]).forecast_bases(data.bases[i : i + 1])[0][0],
            rtol=1e-5,
        )


@pytest.mark.parametrize("kind", [MarkovGenerator, ContextMixingGenerator])
def test_generators_come_back_from_their_state_and_score_what_they_say(kind, data, tmp_path):
    generator = kind(SequenceMarkovOptions(max_order=3))
    generator.fit(data, TrainingRun(tmp_path, "d", 1))
    arrays, description = generator.state()
    again = kind.from_state(arrays, description)
    request = SequenceRequest(
        np.full(40, 30), np.zeros(40, dtype=int), np.arange(40, dtype=np.uint64)
    )
    synthetic = generator.sample(request)
    np.testing.assert_array_equal(again.sample(request), synthetic)
    alone = SequenceRequest(request.length[7:8], request.label[7:8], request.seed[7:8])
    np.testing.assert_array_equal(generator.sample(alone)[0], synthetic[7])
    mine = generator.log_likelihood(synthetic, request.length, request.label)
    expected = picked(generator.mixture.forecast_bases(synthetic)[0], synthetic).sum(axis=1)[
        :, generator.component
    ]
    np.testing.assert_allclose(mine, expected)
    if kind is ContextMixingGenerator:
        tuned = MarkovGenerator.from_state(arrays, description)
        holdout = data.bases[data.validation]
        known = np.zeros(len(holdout), dtype=int)
        assert (
            generator.log_likelihood(holdout, known, known).sum()
            > tuned.log_likelihood(holdout, known, known).sum()
        )


def test_unused_components_change_nothing(data):
    bare = replace(SETTINGS, position_power=0.0, own_power=0.0, memory_weights=(0.0,) * len(MEMORY))
    forecast = ContextMixture(bare, [count(data, ~data.validation, 3, 2)]).forecast_bases(
        data.bases[:3]
    )[0]
    np.testing.assert_allclose(
        forecast[:, :, 4:], np.repeat(forecast[:, :, 3:4], len(MEMORY) + 2, axis=2), atol=1e-12
    )


def test_both_strands_are_equally_likely_where_that_is_so(tmp_path):
    bases = (
        np.random.default_rng(2).choice(4, p=[0.5, 0.1, 0.2, 0.2], size=(60, 50)).astype(np.uint8)
    )
    generator = MarkovGenerator(SequenceMarkovOptions(max_order=4))
    generator.fit(training(bases, stranded=False), TrainingRun(tmp_path, "d", 1))
    length = np.full(60, 50)
    flipped = reverse_complement(bases, length)
    forward, backward = (
        generator.log_likelihood(x, length, length).sum() for x in (bases, flipped)
    )
    assert forward == pytest.approx(backward, rel=0.01)


def test_drawing_is_shaped_as_asked(data, tmp_path):
    p = np.log(np.array([[0.5, 0.3, 0.15, 0.05]]))
    np.testing.assert_allclose(Sampling().shape(p + 3), np.exp(p))
    np.testing.assert_allclose(
        Sampling(temperature=0.5).shape(p), np.exp(2 * p) / np.exp(2 * p).sum()
    )
    np.testing.assert_allclose(Sampling(top_k=2).shape(p), [[0.625, 0.375, 0, 0]])
    np.testing.assert_allclose(Sampling(top_p=0.6).shape(p), [[0.625, 0.375, 0, 0]])
    np.testing.assert_allclose(Sampling(top_p=0.5).shape(p), [[1, 0, 0, 0]])
    generator = ContextMixingGenerator(SequenceMarkovOptions(max_order=3))
    generator.fit(data, TrainingRun(tmp_path, "d", 1))
    request = SequenceRequest(np.full(5, 30), np.zeros(5, dtype=int), np.arange(5, dtype=np.uint64))
    prompt = np.array([3, 0, 2, 2], dtype=np.uint8)
    synthetic = generator.sample(request, Sampling(top_k=1, prompt=prompt))
    assert (synthetic[:, :4] == prompt).all()
    assert (synthetic == synthetic[0]).all()  # nothing is left to chance
