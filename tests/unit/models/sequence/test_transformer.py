"""The sequence transformer: starts at the chain, looks only back, and its cache changes nothing."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from genoloom.models.sequence.base import Sampling, SequenceRequest, TrainingSequences
from genoloom.models.sequence.context_mixing import picked
from genoloom.models.sequence.markov import ContextMixingGenerator
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.models.sequence.transformer_network import BOS, KmerEmbedding
from genoloom.models.sequence.transformer_training import (
    FOLDS,
    base_log_probabilities,
    homology_folds,
)
from genoloom.sequence_config import SequenceContextMixingOptions, SequenceTransformerOptions
from genoloom.training.run import TrainingRun

T = 40


def training(stranded: bool = True, seed: int = 1) -> TrainingSequences:
    """The last base of every sequence follows from its first: beyond any chain's context."""
    rng = np.random.default_rng(seed)
    bases = rng.choice(4, p=[0.4, 0.1, 0.2, 0.3], size=(300, T)).astype(np.uint8)
    bases[:, 30:] = bases[:, :1]
    n = len(bases)
    label = np.arange(n) % 2
    return TrainingSequences(
        bases, np.full(n, T), label, ["a", "b"], np.arange(n) % 5 == 0, np.arange(n) // 2, stranded
    )


def fitted(tmp_path, steps: int, **options) -> TransformerGenerator:
    generator = TransformerGenerator(
        SequenceTransformerOptions(
            steps=steps, batch=16, width=16, layers=1, convolutions=2, evaluate_every=20, **options
        )
    )
    generator.fit(training(), TrainingRun(tmp_path / f"{steps}", "d", 1))
    return generator


@pytest.fixture(scope="module", params=[1, 6])
def trained(request, tmp_path_factory) -> TransformerGenerator:
    """One with single bases and one with 6-mers as tokens of the attention; T is no multiple of
    six.
    """
    return fitted(
        tmp_path_factory.mktemp("trained"),
        60,
        learning_rate=1e-2,
        patience=None,
        kmer_size=request.param,
    )


@pytest.mark.parametrize("kmer_size", [1, 6])
def test_untrained_it_is_the_adaptive_chain(tmp_path, kmer_size):
    generator = fitted(tmp_path, 1, learning_rate=1e-12, kmer_size=kmer_size)
    data = training()
    expected = picked(generator.mixture.forecast_bases(data.bases)[0], data.bases).sum(axis=1)[
        :, -1
    ]
    np.testing.assert_allclose(
        generator.log_likelihood(data.bases, data.length, data.label), expected, rtol=1e-5
    )


def test_training_finds_what_no_chain_knows(trained):
    data = training(seed=2)
    chain = picked(trained.mixture.forecast_bases(data.bases)[0], data.bases).sum(axis=1)[:, -1]
    assert trained.log_likelihood(data.bases, data.length, data.label).sum() > chain.sum() + 20


def test_a_base_is_not_seen_before_its_turn(trained):
    data = training()
    bases = data.bases[:4].copy()
    changed = bases.copy()
    changed[:, 20] = (changed[:, 20] + 1) % 4
    nothing = np.zeros(4, dtype=np.int64)
    with torch.no_grad():
        one, other = (
            base_log_probabilities(
                trained.model, trained.mixture, x, nothing, nothing, "cpu"
            ).numpy()
            for x in (bases, changed)
        )
    np.testing.assert_allclose(one[:, :20], other[:, :20], atol=1e-6)
    assert (np.abs(one[:, 21:] - other[:, 21:]).max(axis=1) > 1e-4).all()


def test_a_word_is_told_apart_by_its_bases_and_unknown_with_another_letter():
    words = KmerEmbedding(3, 16, 0.0)
    tokens = torch.tensor([[BOS, 0, 1, 2, 3, 4, 0, 1]])  # the bases are 0 1 2 | 3 4 0 | 1
    found = words.before(tokens)[0].detach()
    assert found.shape == (3, 16)
    unknown, known = words.kmer.weight[-1], words.kmer.weight[0 + 1 * 4 + 2 * 16]
    for vector, expected in zip(found, (unknown, known, unknown), strict=True):
        assert torch.equal(vector, expected)


def test_gaps_need_single_bases():
    with pytest.raises(ValidationError, match="fim_rate needs kmer_size 1"):
        SequenceTransformerOptions(kmer_size=6, fim_rate=0.5)


def test_cached_samples_have_the_likelihood_of_one_base_at_a_time_whatever_their_company(trained):
    request = SequenceRequest(
        np.array([T, 25, T]), np.array([0, 1, 1]), np.array([5, 6, 7], dtype=np.uint64)
    )
    synthetic = trained.sample(request)
    assert (synthetic[1, 25:] == 4).all()
    assert synthetic[[0, 2]].max() < 4
    alone = SequenceRequest(request.length[2:], request.label[2:], request.seed[2:])
    np.testing.assert_array_equal(trained.sample(alone)[0], synthetic[2])
    cached = trained._sample(request, Sampling())[1]
    whole = trained.log_likelihood(synthetic, request.length, request.label)
    np.testing.assert_allclose(cached, whole, rtol=1e-4)


def test_it_comes_back_from_its_state(trained):
    data = training()
    again = TransformerGenerator.from_state(*trained.state())
    for label in (data.label, np.full(300, -1)):
        np.testing.assert_array_equal(
            again.log_likelihood(data.bases, data.length, label),
            trained.log_likelihood(data.bases, data.length, label),
        )


def test_folds_keep_clusters_whole_and_are_of_like_size():
    cluster = np.random.default_rng(1).integers(0, 60, 400)
    fold = homology_folds(cluster, 3)
    assert all(len(set(fold[cluster == c])) == 1 for c in np.unique(cluster))
    assert np.ptp(np.bincount(fold, minlength=FOLDS)) <= np.bincount(cluster).max()


def test_guidance_moves_towards_the_label_and_one_changes_nothing(tmp_path):
    rng = np.random.default_rng(2)
    label = np.arange(1000) % 2
    bases = np.where(
        rng.random((1000, 4)) < 0.6, 3 * label[:, None], rng.integers(0, 4, (1000, 4))
    ).astype(np.uint8)
    data = TrainingSequences(
        bases, np.full(1000, 4), label, ["a", "t"], np.arange(1000) % 5 < 2, np.arange(1000), True
    )
    options = SequenceTransformerOptions(
        steps=150,
        batch=64,
        width=16,
        layers=1,
        convolutions=0,
        learning_rate=1e-2,
        evaluate_every=50,
        patience=None,
    )
    generator = TransformerGenerator(options)
    generator.fit(data, TrainingRun(tmp_path, "d", 1))
    request = SequenceRequest(
        np.full(200, 4), np.ones(200, dtype=int), np.arange(200, dtype=np.uint64)
    )
    share = [
        (generator.sample(request, Sampling(guidance=g))[:, :2] == 3).mean()
        for g in (0.0, 1.0, 3.0)
    ]
    assert share[0] < share[1] - 0.1
    assert share[1] < share[2]
    known, unknown = (
        generator.log_likelihood(bases, data.length, x).sum() for x in (label, np.full(1000, -1))
    )
    assert known > unknown + 100


def test_untrained_it_scores_as_the_generator_adaptive_does(tmp_path):
    data = training()
    chain = ContextMixingGenerator(SequenceContextMixingOptions())
    chain.fit(data, TrainingRun(tmp_path / "chain", "d", 1))
    mine = fitted(tmp_path, 1, learning_rate=1e-12).log_likelihood(
        data.bases, data.length, data.label
    )
    np.testing.assert_allclose(
        mine, chain.log_likelihood(data.bases, data.length, data.label), rtol=1e-5
    )
