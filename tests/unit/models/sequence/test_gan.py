"""The sequence GAN: starts at the chain, its critic sees the label, and a collapse is refused."""

import numpy as np
import pytest
import torch

from genoloom.errors import CollapsedError
from genoloom.models.sequence.base import SequenceRequest, TrainingSequences
from genoloom.models.sequence.classifier import one_hot, split_auc
from genoloom.models.sequence.gan import GanGenerator, refuse_collapse
from genoloom.models.sequence.gan_network import (
    Critic,
    Generator,
    kmer_frequencies,
    straight_through,
)
from genoloom.models.sequence.gan_proposals import Proposals
from genoloom.models.sequence.gan_training import draw_proposals
from genoloom.models.sequence.markov import ContextMixingGenerator
from genoloom.sequence_config import SequenceContextMixingOptions, SequenceGanOptions
from genoloom.sequences import kmer_counts
from genoloom.training.run import TrainingRun

T = 32


def training() -> TrainingSequences:
    rng = np.random.default_rng(1)
    label = np.arange(200) % 2
    p = np.array([[0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1]])
    bases = np.stack([rng.choice(4, size=T, p=p[k]) for k in label]).astype(np.uint8)
    return TrainingSequences(
        bases, np.full(200, T), label, ["at", "gc"], np.arange(200) % 4 == 0, np.arange(200), True
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> tuple[GanGenerator, TrainingRun]:
    generator = GanGenerator(
        SequenceGanOptions(steps=6, batch=16, width=16, latent=8, evaluate_every=3)
    )
    run = TrainingRun(tmp_path_factory.mktemp("gan"), "d", 1)
    generator.fit(training(), run)
    return generator, run


def test_history_has_both_measures_of_the_early_stop(fitted):
    rows = fitted[1].history
    assert [row["step"] for row in rows] == [0, 3, 6]
    for row in rows:
        assert row["score"] == pytest.approx(
            row["kmers"] + row["gc"] + max(row["cnn_auc"] - 0.5, 0)
        )


def test_samples_do_not_depend_on_their_company_and_the_state_is_all_there_is(fitted):
    generator, _ = fitted
    request = SequenceRequest(
        np.array([T, 20, T]), np.array([0, 1, 1]), np.array([5, 6, 7], dtype=np.uint64)
    )
    synthetic = generator.sample(request)
    assert (synthetic[1, 20:] == 4).all()
    assert synthetic[[0, 2]].max() < 4
    for row in range(3):
        alone = SequenceRequest(
            *(x[row : row + 1] for x in (request.length, request.label, request.seed))
        )
        np.testing.assert_array_equal(
            generator.sample(alone)[0], synthetic[row, : request.length[row]]
        )
    np.testing.assert_array_equal(
        GanGenerator.from_state(*generator.state()).sample(request), synthetic
    )


def test_the_critic_reads_the_label_by_projection():
    torch.manual_seed(1)
    critic = Critic(SequenceGanOptions(width=16), 2, torch.zeros(256), T)
    x = one_hot(training().bases[:8])
    zero, one = torch.zeros(8, dtype=torch.int64), torch.ones(8, dtype=torch.int64)
    torch.testing.assert_close(critic(x, zero), critic(x, one))  # begins without an opinion
    with torch.no_grad():
        critic.label.weight[1] = 1.0
    difference = critic(x, one) - critic(x, zero)
    # linear in what it sees of the sequence, not a constant of the label
    assert difference.std() > 1e-4


def test_untrained_samples_are_those_of_the_adaptive_chain():
    """One base in a thousand is drawn anew (`LOGIT_SCALE`)."""
    generator = GanGenerator(SequenceGanOptions(width=16, latent=8))
    generator.label_names, generator.proposals = ["at", "gc"], Proposals.of_chain(training())
    generator.longest, generator.aligned = T, True
    generator._build()
    request = SequenceRequest(np.full(300, T), np.arange(300) % 2, np.arange(300, dtype=np.uint64))
    proposals = draw_proposals(generator.proposals, request, T)
    assert (generator.sample(request) != proposals).mean() == pytest.approx(
        3 / (3 + np.exp(8)), abs=1e-3
    )
    chain = ContextMixingGenerator(SequenceContextMixingOptions(max_order=10))
    chain.label_names, chain.settings, chain.mixture = (
        ["at", "gc"],
        generator.proposals.settings,
        generator.proposals.mixture,
    )
    np.testing.assert_array_equal(chain.sample(request), proposals)


@pytest.mark.parametrize("aligned", [True, False])
def test_critic_and_generator_know_places_only_in_aligned_sets(aligned):
    """A word in the midst of A's and the same word elsewhere."""
    torch.manual_seed(1)
    positions = 256 if aligned else 0
    critic = Critic(SequenceGanOptions(width=16), 1, torch.zeros(256), positions)
    generator = Generator(SequenceGanOptions(width=16, latent=8), 1, positions)
    torch.nn.init.normal_(generator.write.weight)
    bases = np.zeros((1, 256), dtype=np.uint8)
    bases[0, 80:86] = [3, 0, 3, 1, 2, 3]
    prefix, suffix = one_hot(bases), one_hot(np.roll(bases, 64, axis=1))
    label = torch.zeros(1, dtype=torch.int64)
    scores = [critic(x, label) for x in (prefix, suffix)]
    edits = [generator(x, torch.zeros(1, 8), label) for x in (prefix, suffix)]
    assert torch.allclose(*scores, rtol=0, atol=1e-6) != aligned
    assert (
        torch.allclose(edits[0][..., 78:88], edits[1][..., 142:152], rtol=0, atol=1e-3) != aligned
    )


def test_draws_are_one_hot_and_pass_on_a_gradient():
    logits = torch.randn(4, 4, 10, requires_grad=True)
    synthetic = straight_through(logits)
    assert set(synthetic.unique().tolist()) <= {0.0, 1.0}
    assert (synthetic.sum(1) == 1).all()
    (synthetic * torch.arange(4.0)[None, :, None]).sum().backward()
    assert logits.grad.abs().sum() > 0


def test_kmer_frequencies_are_those_of_a_count():
    bases = np.random.default_rng(2).integers(0, 4, (3, 50)).astype(np.uint8)
    expected = np.stack([kmer_counts(row[None], 4) for row in bases]) * 256 / 47
    np.testing.assert_allclose(kmer_frequencies(one_hot(bases)).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["copies", "neighbours", "kmers"])
def test_a_collapse_is_refused(kind):
    rng = np.random.default_rng(3)
    real = rng.integers(0, 4, (200, 100)).astype(np.uint8)
    synthetic = rng.integers(0, 4, (200, 100)).astype(np.uint8)
    refuse_collapse(synthetic, real, "gan")  # varied: no complaint
    if kind == "copies":
        synthetic = synthetic[np.arange(200) // 4]
    elif kind == "neighbours":
        synthetic = np.where(rng.random((200, 100)) < 0.5, synthetic[:1], synthetic)
    else:
        synthetic = np.take_along_axis(
            np.tile(np.array([[0, 1, 1, 2, 3, 0, 2, 3]], dtype=np.uint8), (200, 13))[:, :104],
            (np.arange(100) + rng.integers(0, 4, (200, 1))) % 104,
            axis=1,
        )
        synthetic[:, 0] = rng.integers(0, 4, 200)
    with pytest.raises(CollapsedError, match="collapsed"):
        refuse_collapse(synthetic, real, "gan")


def test_quick_classifier_tells_compositions_apart_and_not_equal_ones():
    data = training()
    at, gc = (data.bases[data.label == k] for k in (0, 1))
    assert split_auc(at, gc, True, 1) > 0.9
    assert abs(split_auc(at[::2], at[1::2], True, 1) - 0.5) < 0.3
