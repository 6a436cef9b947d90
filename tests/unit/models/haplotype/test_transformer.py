import itertools
import math
import os
import signal

import numpy as np
import pytest
import torch

from genoloom.errors import Interrupted
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer, read_blocks
from genoloom.models.haplotype.schedules import MOST_STEPS, automatic_steps, epochs
from genoloom.models.haplotype.transformer import LOWEST_TEMPERATURE, TransformerGenerator
from genoloom.models.haplotype.transformer_network import HaplotypeTransformer, windows
from genoloom.models.haplotype.transformer_sampling import SAMPLE_ROWS, WindowSampler
from genoloom.models.haplotype.transformer_training import TransformerTraining
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions

TINY = {
    "block_size": 4,
    "context": 4,
    "vocabulary_size": 3,
    "width": 16,
    "layers": 2,
    "heads": 2,
    "batch": 8,
    "patience": None,
    "temperature": 1.0,
}


def copies_with_mutations(n_variants, n_haplotypes, seed=1, missing=0.0):
    """Haplotypes of two populations that copy four founders each, with mutations."""
    rng = np.random.default_rng(seed)
    founders = rng.integers(0, 2, (2, 4, n_variants))
    population = np.arange(n_haplotypes) % 2
    alleles = founders[population, rng.integers(0, 4, n_haplotypes)] ^ (
        rng.random((n_haplotypes, n_variants)) < 0.03
    )
    alleles = np.where(rng.random(alleles.shape) < missing, -1, alleles).astype(np.int8)
    return TrainingHaplotypes(
        haplotypes=ArrayHaplotypes(np.ascontiguousarray(alleles.T)),
        population=population,
        population_names=["A", "B"],
        position=np.arange(n_variants) * 100 + 1,
        map_cm=np.arange(n_variants) * 1e-4,
        validation=np.arange(n_haplotypes) < n_haplotypes // 5,
    )


def fit(data, state_dir, steps=60, seed=3, **options):
    generator = TransformerGenerator(
        TransformerOptions(**{**TINY, "steps": steps, "evaluate_every": 20, **options})
    )
    run = TrainingRun(state_dir=state_dir, digest="d", seed=seed, label="test")
    generator.fit(data, run)
    return generator, run


@pytest.fixture(scope="module", params=[8, 5])
def twelve_sites(tmp_path_factory, request):
    """12 sites, the last block not full; few enough to list all haplotypes. Mutations and
    crossovers are made frequent.
    """
    generator, _ = fit(
        copies_with_mutations(12, 60),
        tmp_path_factory.mktemp("twelve"),
        block_size=request.param,
        vocabulary_size=6,
    )
    with torch.no_grad():
        generator.model.error_logit.add_(3)
        generator.model.crossover.fill_(-0.5)
    return generator


@pytest.fixture(scope="module")
def several_windows(tmp_path_factory):
    """45 sites: twelve blocks, the last with one site, in five windows of four blocks."""
    data = copies_with_mutations(45, 60, missing=0.02)
    return data, fit(data, tmp_path_factory.mktemp("several"))[0]


def all_haplotypes(n):
    return np.array(list(itertools.product([0, 1], repeat=n)), dtype=np.int8).T  # (n, 2^n)


def wanted(names, population=0):
    return SampleRequest(np.full(len(names), population), row_seeds(7, names, "20"))


def draw(generator, request):
    return np.concatenate(list(generator.sample(request)))


@pytest.mark.parametrize("population", [0, 1])
def test_likelihood_sums_to_one_over_all_haplotypes(twelve_sites, population):
    everything = all_haplotypes(12)
    ll = twelve_sites.log_likelihood(ArrayHaplotypes(everything), np.full(4096, population))
    assert np.exp(ll).sum() == pytest.approx(1, abs=1e-5)


def test_sampled_haplotypes_follow_the_likelihood(twelve_sites):
    probability = np.exp(
        twelve_sites.log_likelihood(ArrayHaplotypes(all_haplotypes(12)), np.zeros(4096, dtype=int))
    )
    n = 12_000
    drawn = draw(twelve_sites, wanted([str(i) for i in range(n)]))
    observed = np.bincount((1 << np.arange(11, -1, -1)) @ drawn, minlength=4096)
    frequent = n * probability > 5
    pooled = np.append(observed[frequent], observed[~frequent].sum())
    expected = n * np.append(probability[frequent], probability[~frequent].sum())
    chi2 = ((pooled - expected) ** 2 / expected).sum()
    degrees = len(pooled) - 1
    assert frequent.sum() > 200
    assert chi2 < degrees + 4 * np.sqrt(2 * degrees)


@pytest.mark.parametrize("temperature", [1.5, 0.6])
def test_tokens_are_drawn_at_the_temperature(twelve_sites, temperature):
    model, L = twelve_sites.model, twelve_sites.options.block_size
    with torch.no_grad():
        hidden = model(model.bos.expand(1, 1, -1), torch.zeros(1, dtype=torch.int64), 0)
        wanted_chance = (
            (model.token_logits(hidden, 0)[0, 0] / temperature).softmax(-1).double().numpy()
        )
    sampler, n = WindowSampler(model, twelve_sites.options, temperature), 8_000
    sampler.error[:], sampler.crossover[:] = 0, 0  # then a block is the token that was drawn
    drawn = sampler.sample(
        np.empty((n, 0, L), dtype=np.int8), wanted([str(i) for i in range(n)]), (0, 0, 1)
    )[:, 0]
    tokens = twelve_sites.tokenizer.alleles[0][: np.isfinite(wanted_chance).sum()]
    observed = (drawn[:, None] == tokens).all(-1).mean(axis=0)
    np.testing.assert_allclose(observed, wanted_chance, atol=4 * np.sqrt(0.25 / n))


def test_a_temperature_that_is_not_given_is_found_and_kept(tmp_path):
    data = copies_with_mutations(45, 60, missing=0.02)
    generator, _ = fit(data, tmp_path, temperature=None)
    assert LOWEST_TEMPERATURE <= generator.options.temperature <= 1
    given, _ = fit(data, tmp_path / "given", temperature=generator.options.temperature)
    np.testing.assert_array_equal(
        draw(generator, wanted(["a", "b"])), draw(given, wanted(["a", "b"]))
    )
    again = TransformerGenerator.from_state(*generator.state())
    np.testing.assert_array_equal(
        draw(generator, wanted(["a", "b"])), draw(again, wanted(["a", "b"]))
    )


@pytest.mark.parametrize("missing", [[11], [10], [10, 11]])
def test_missing_calls_are_summed_over(twelve_sites, missing):
    # of the last block: earlier missing calls change what later blocks know
    everything = all_haplotypes(12)
    ll = twelve_sites.log_likelihood(ArrayHaplotypes(everything), np.zeros(4096, dtype=int))
    one = everything[:, 1234:1235].copy()
    same = (np.delete(everything, missing, axis=0) == np.delete(one, missing, axis=0)).all(axis=0)
    assert same.sum() == 2 ** len(missing)
    one[missing] = -1
    marginal = twelve_sites.log_likelihood(ArrayHaplotypes(one), np.zeros(1, dtype=int))[0]
    assert marginal == pytest.approx(np.logaddexp.reduce(ll[same]), abs=1e-4)


def test_blocks_do_not_see_the_future(several_windows):
    _, generator = several_windows
    model = generator.model
    alleles = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (5, 4, 4)).astype(np.int8))
    changed = alleles.clone()
    changed[:, 2:] ^= 1

    def log_prob(x):
        with torch.no_grad():
            return model.log_prob(
                x, model.embed(x, model.token_ids(x, 2), 2), torch.zeros(5, dtype=torch.int64), 2
            )

    torch.testing.assert_close(log_prob(alleles)[:, :2], log_prob(changed)[:, :2])
    assert not torch.allclose(log_prob(alleles)[:, 3], log_prob(changed)[:, 3])


@pytest.mark.parametrize(
    ("n_blocks", "context"), [(1, 4), (4, 4), (5, 4), (12, 4), (13, 6), (7, 5)]
)
def test_windows_score_every_block_once_with_at_least_half_a_context(n_blocks, context):
    scored = []
    for start, first, stop in windows(n_blocks, context):
        assert stop - start <= context
        assert start == 0 or first - start == context // 2
        scored += range(first, stop)
    assert scored == list(range(n_blocks))


def test_sampling_uses_the_probabilities_that_are_scored(several_windows, monkeypatch):
    """Every token distribution that the sampler draws from, with its cache, is that of a plain pass
    over the window.
    """
    _, generator = several_windows
    used = {}
    plain = WindowSampler._draw

    def record(self, k, pi, draws, mutations):
        used[k] = pi
        return plain(self, k, pi, draws, mutations)

    monkeypatch.setattr(WindowSampler, "_draw", record)
    drawn = draw(generator, wanted([str(i) for i in range(SAMPLE_ROWS)], population=1))
    model, source = generator.model, ArrayHaplotypes(drawn)
    for start, first, stop in windows(12, 4):
        alleles = torch.from_numpy(read_blocks(source, 4, start, stop))
        with torch.no_grad():
            inputs = model.embed(alleles, model.token_ids(alleles, start), start)
            before = torch.cat([model.bos.expand(len(inputs), 1, -1), inputs[:, :-1]], dim=1)
            hidden = model(before, torch.ones(len(inputs), dtype=torch.int64), start)
            pi = model.token_logits(hidden, start).double().softmax(-1).cumsum(-1).numpy()
        for k in range(first, stop):
            np.testing.assert_allclose(used[k], pi[:, k - start], atol=1e-5)
    assert sorted(used) == list(range(12))


def test_samples_look_like_their_population(several_windows):
    data, generator = several_windows
    drawn = draw(generator, wanted([str(i) for i in range(600)], population=1))
    assert drawn.shape == (45, 600)
    assert drawn.dtype == np.int8
    assert set(np.unique(drawn)) == {0, 1}
    frequency = [
        np.ma.masked_equal(data.haplotypes.alleles[:, data.population == p], -1).mean(axis=1)
        for p in (0, 1)
    ]
    distance = [np.abs(drawn.mean(axis=1) - f).mean() for f in frequency]
    assert distance[1] < distance[0] / 2


def test_same_individual_from_different_requests(several_windows):
    generator = several_windows[1]
    names = [f"SYN{i:06d}" for i in range(150)]
    together = draw(generator, wanted(names))
    np.testing.assert_array_equal(draw(generator, wanted(names[140:143])), together[:, 140:143])
    np.testing.assert_array_equal(draw(generator, wanted(names[::-1])), together[:, ::-1])
    mixed = SampleRequest(np.array([1, 0]), wanted([names[3], names[4]]).seed)
    np.testing.assert_array_equal(draw(generator, mixed)[:, 1], together[:, 4])


def test_state_round_trip(several_windows):
    data, generator = several_windows
    arrays, description = generator.state()
    again = TransformerGenerator.from_state(arrays, description)
    np.testing.assert_array_equal(
        draw(again, wanted(["a", "b"])), draw(generator, wanted(["a", "b"]))
    )
    np.testing.assert_array_equal(
        again.log_likelihood(data.haplotypes, data.population),
        generator.log_likelihood(data.haplotypes, data.population),
    )
    assert again.population_names == ["A", "B"]
    assert again.n_variants == 45


def test_resumed_training_equals_uninterrupted(tmp_path, monkeypatch):
    data = copies_with_mutations(45, 30)
    whole, whole_run = fit(data, tmp_path / "whole", steps=12, evaluate_every=5)

    step = TransformerTraining.train_step

    def step_and_stop(self, number, fraction):
        if number == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, fraction)

    with monkeypatch.context() as patch:
        patch.setattr(TransformerTraining, "train_step", step_and_stop)
        with pytest.raises(Interrupted):
            fit(data, tmp_path / "cut", steps=12, evaluate_every=5)
    resumed, resumed_run = fit(data, tmp_path / "cut", steps=12, evaluate_every=5)

    for name, value in whole.state()[0].items():
        np.testing.assert_array_equal(value, resumed.state()[0][name], err_msg=name)
    assert [row["bits"] for row in whole_run.history] == [
        row["bits"] for row in resumed_run.history
    ]


def test_history_and_learning(tmp_path):
    data = copies_with_mutations(64, 80)
    generator, run = fit(data, tmp_path, steps=120, block_size=8, context=8, vocabulary_size=16)
    assert {"step", "seconds", "loss", "score", "bits", "train_bits", "gap", "weights_auc"} <= set(
        run.history[-1]
    )
    assert run.history[-1]["bits"] < 0.75 * run.history[0]["bits"]
    # what early stopping looks at is what the likelihood says
    validation = ArrayHaplotypes(data.haplotypes.alleles[:, data.validation])
    bits = (
        -generator.log_likelihood(validation, data.population[data.validation]).mean()
        / 64
        / np.log(2)
    )
    assert bits == pytest.approx(min(row["bits"] for row in run.history), rel=1e-4)


def test_memorising_shows_in_gap_and_membership(tmp_path):
    """Random haplotypes have nothing to learn but themselves."""
    alleles = np.random.default_rng(1).integers(0, 2, (64, 40)).astype(np.int8)
    data = copies_with_mutations(64, 40)
    data = TrainingHaplotypes(
        **{
            **data.__dict__,
            "haplotypes": ArrayHaplotypes(alleles),
            "validation": np.arange(40) < 16,
        }
    )
    options = {
        "block_size": 8,
        "context": 8,
        "vocabulary_size": 40,
        "min_token_carriers": 1,
        "augmentation_fraction": 0.0,
    }
    _, run = fit(data, tmp_path, steps=200, dropout=0.0, **options)
    first, last = run.history[0], run.history[-1]
    assert last["weights_auc"] > 0.95
    assert last["gap"] > 0.3
    assert last["gap"] == pytest.approx(1 - last["train_bits"] / last["bits"])
    assert last["train_bits"] < first["train_bits"]


def test_population_label_matters(tmp_path):
    data = copies_with_mutations(64, 80)
    generator, _ = fit(data, tmp_path, steps=120, block_size=8, context=8, vocabulary_size=16)
    right = generator.log_likelihood(data.haplotypes, data.population)
    wrong = generator.log_likelihood(data.haplotypes, 1 - data.population)
    assert right.mean() > wrong.mean() + 1


def test_gradient_reaches_every_parameter(tmp_path):
    data = copies_with_mutations(32, 40)
    options = TransformerOptions(**{**TINY, "block_size": 8, "batch": 64})
    tokenizer = BlockTokenizer.fit(
        data.haplotypes, block=8, vocabulary_size=8, rows=np.flatnonzero(~data.validation)
    )
    model = HaplotypeTransformer(tokenizer, np.arange(32), 2, options)
    training = TransformerTraining(
        model, data, options, TrainingRun(state_dir=tmp_path, digest="", seed=1)
    )
    training.train_step(1, 0.5)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_only_training_rows_are_learned_from(tmp_path):
    data = copies_with_mutations(32, 40)
    other = data.haplotypes.alleles.copy()
    other[:, data.validation] ^= 1
    changed = TrainingHaplotypes(**{**data.__dict__, "haplotypes": ArrayHaplotypes(other)})
    a, _ = fit(data, tmp_path / "a", steps=3, evaluate_every=3)
    b, _ = fit(changed, tmp_path / "b", steps=3, evaluate_every=3)
    np.testing.assert_array_equal(a.tokenizer.alleles, b.tokenizer.alleles)
    np.testing.assert_array_equal(a.tokenizer.count, b.tokenizer.count)


def test_monomorphic_blocks_and_a_single_training_row(tmp_path):
    alleles = np.zeros((20, 4), dtype=np.int8)
    alleles[10] = 1
    data = TrainingHaplotypes(
        ArrayHaplotypes(alleles),
        np.zeros(4, int),
        ["A"],
        np.arange(20),
        np.arange(20.0),
        np.array([False, True, True, True]),
    )
    generator, run = fit(data, tmp_path, steps=3, evaluate_every=1)
    assert np.isfinite([row["bits"] for row in run.history]).all()
    drawn = draw(generator, wanted([str(i) for i in range(50)]))
    assert (drawn == alleles[:, :1]).mean() > 0.99


@pytest.mark.parametrize(
    ("n_rows", "n_blocks", "length"), [(270, 104, 64), (90, 40, 40), (4000, 64, 64)]
)
def test_automatic_steps_show_each_block_of_each_row_equally_often(n_rows, n_blocks, length):
    options = TransformerOptions(context=64)
    steps = automatic_steps(n_rows, n_blocks, options)
    epochs_inside = steps * options.batch * length / (n_blocks + length - 1) / n_rows
    assert epochs_inside == pytest.approx(epochs(n_rows), rel=0.01)


def test_small_cohorts_are_shown_less_often():
    assert epochs(1000) == epochs(5000) == 28
    assert epochs(250) == 14


def test_automatic_steps_are_bounded_and_say_so(caplog):
    assert automatic_steps(5_000, 800, TransformerOptions()) == MOST_STEPS
    # 800 blocks and 863 places of windows of 64, 5,000 rows in batches of 32
    steps = math.ceil(28 * 5_000 * 863 / 64 / 32)
    assert f"{28 * 8000 / steps:.1f} epochs instead of 28; 'steps: {steps}'" in caplog.text


def test_a_schedule_of_given_length_is_not_warned_of(caplog):
    assert automatic_steps(5_000, 800, TransformerOptions(minutes=30)) == MOST_STEPS
    assert automatic_steps(2_253, 65, TransformerOptions()) < MOST_STEPS
    assert not caplog.text


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="width 50 must be a multiple of 8"):
        TransformerOptions(width=50)


def test_gradient_is_finite_where_an_absent_token_fits_and_all_others_are_far():
    """32 differing sites make the ratio of the two probabilities larger than float32 can hold."""
    rows = np.ones((64, 6), dtype=np.int8)
    # the second block has two tokens, so the table of the first has room for one of zeros that does
    # not exist
    rows[32:, 3:] = 0
    tokenizer = BlockTokenizer.fit(ArrayHaplotypes(rows), block=32, vocabulary_size=4)
    model = HaplotypeTransformer(
        tokenizer,
        np.arange(64),
        1,
        TransformerOptions(block_size=32, context=4, width=16, layers=1, heads=2),
    )
    assert model.padding_mask.tolist() == [[False, True], [False, False]]
    alleles = torch.zeros((1, 1, 32), dtype=torch.int8)
    token = model.token_ids(alleles, 0)
    value = model.log_prob(
        alleles, model.embed(alleles, token, 0), torch.zeros(1, dtype=torch.int64), 0
    )
    value.sum().backward()
    assert value.item() < math.log(torch.finfo(torch.float32).tiny)
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
