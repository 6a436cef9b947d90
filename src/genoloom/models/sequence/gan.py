"""Wasserstein GAN with gradient penalty over bases, conditional on the label.

The generator edits a proposal: a sequence drawn from the context mixture of the training
sequences (or, without `chain_noise`, uniformly random bases). It adds logits to the proposal, and a
straight-through Gumbel draw turns them into bases. Its last layer begins at zero, so before
training the samples *are* the chain's, and what is learnt is what the chain does not know:
words and their spacing, what is where, dependence over long distances.

The critic reads words of a dozen bases and what is around them, segment by segment where sequences
are aligned to something, and next to that the 4-mer frequencies of the sequence and of its
minibatch; these are exact for one-hot input and differentiable. The label enters by projection.

References: Gulrajani et al. 2017, arXiv:1704.00028 (gradient penalty); Jang et al. 2017,
arXiv:1611.01144 (straight-through Gumbel); Miyato & Koyama 2018, arXiv:1802.05637 (projection);
Salimans et al. 2016, arXiv:1606.03498 (minibatch statistics, feature matching); Gupta & Zou 2019,
doi:10.1038/s42256-019-0017-4 (GANs of DNA).
"""

import logging

import numpy as np
import torch
from pydantic import Field

from genoloom.declared import LONGEST_SEQUENCE, DeclarationError, Declared
from genoloom.errors import CollapsedError
from genoloom.models.layers import declare_network, load_network, network_arrays
from genoloom.models.sequence.base import (
    Sampling,
    SequenceDescription,
    SequenceGenerator,
    SequenceRequest,
    TrainingSequences,
)
from genoloom.models.sequence.context_mixing import SettingsDescription
from genoloom.models.sequence.gan_network import Generator
from genoloom.models.sequence.gan_proposals import Proposals
from genoloom.models.sequence.gan_training import GanTraining, draw_proposals, edit
from genoloom.models.sequence.markov import declare_counts
from genoloom.seeds import derive_seed
from genoloom.sequence_config import SequenceGanOptions
from genoloom.sequences import OTHER, fingerprints, kmer_counts
from genoloom.training.run import TrainingRun, schedule_of, train

log = logging.getLogger(__name__)

COLLAPSED_IDENTITY, COLLAPSED_DISTINCT, COLLAPSED_KMERS = 0.1, 0.9, 0.5


def _pair_identity(bases: np.ndarray) -> float:
    """Mean share of equal bases at equal positions of neighbouring rows: near 0.27 for unrelated
    DNA, 1 for copies.
    """
    both = (bases[1:] != OTHER) & (bases[:-1] != OTHER)
    return float(((bases[1:] == bases[:-1]) & both).sum() / max(both.sum(), 1))


def refuse_collapse(synthetic: np.ndarray, real: np.ndarray, label: str) -> None:
    """Raise `CollapsedError` when generated bases (n, length) are far less varied than real ones.

    Collapsed are: fewer than 90 % of the real share of distinct sequences; neighbours that agree in
    10 % of the bases more than real ones do; or fewer than half as many distinct 6-mers as in
    equally many real sequences.
    """
    n = min(len(synthetic), len(real))
    synthetic, real = synthetic[:n], real[:n]
    distinct = [
        len(np.unique(fingerprints(x, (x != OTHER).sum(axis=1)))) for x in (synthetic, real)
    ]
    identity = [_pair_identity(x) for x in (synthetic, real)]
    kinds = [int((kmer_counts(x, 6) > 0).sum()) for x in (synthetic, real)]
    collapsed = (
        distinct[0] < COLLAPSED_DISTINCT * distinct[1]
        or identity[0] > identity[1] + COLLAPSED_IDENTITY
        or kinds[0] < COLLAPSED_KMERS * kinds[1]
    )
    if collapsed:
        raise CollapsedError(
            f"{label}: the generator collapsed (of {n} sequences {distinct[0]} differ, real "
            f"{distinct[1]}; neighbours agree in {identity[0]:.0%} of their bases, real "
            f"{identity[1]:.0%}; {kinds[0]} of 4096 6-mers occur, real {kinds[1]}). No model is "
            "written. Lower --learning-rate, raise --gradient-penalty or --batch"
        )


class GanDescription(SequenceDescription):
    """The words of such a model."""

    options: SequenceGanOptions
    longest: int = Field(ge=1, le=LONGEST_SEQUENCE)
    aligned: bool
    chain: SettingsDescription | None = None


class GanGenerator(SequenceGenerator):
    """Sequence GAN: options in `genoloom.sequence_config.SequenceGanOptions`."""

    name = "gan"
    description_class = GanDescription
    options_class = SequenceGanOptions

    def fit(self, data: TrainingSequences, run: TrainingRun) -> None:
        self.label_names = list(data.label_names)
        self.longest, self.aligned = data.bases.shape[1], data.stranded
        self.proposals = Proposals.of_chain(data) if self.options.chain_noise else Proposals()
        torch.manual_seed(derive_seed(run.seed, "weights"))
        self._build()
        training = GanTraining(self.network, self.proposals, data, self.options, run)
        train(training, run, **schedule_of(self.options))
        self.network.to("cpu").eval()
        best = min(run.history, key=lambda row: row["score"])
        if best["step"] == 0:
            log.warning(
                "%s: no evaluation was better than the untrained generator, which is what the "
                "model now is",
                run.label,
            )
        refuse_collapse(self.sample(training.request), data.bases[training.fitted], run.label)

    def _build(self) -> None:
        self.network = Generator(
            self.options, len(self.label_names), self.longest if self.aligned else 0
        )

    def sample(self, request: SequenceRequest, sampling: Sampling = Sampling()) -> np.ndarray:
        return edit(self.network, draw_proposals(self.proposals, request, self.longest), request)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays, words = self.proposals.state()
        words |= {"longest": self.longest, "aligned": self.aligned}
        return network_arrays(self.network) | arrays, self._words() | words

    @classmethod
    def declare(cls, arrays: Declared, words: GanDescription) -> None:
        if words.options.chain_noise != (words.chain is not None):
            raise DeclarationError("'chain' and 'options.chain_noise' do not agree")
        if words.chain is not None:
            declare_counts(arrays, words.chain)
        positions, n_labels = words.longest if words.aligned else 0, len(words.label_names)
        declare_network(arrays, "network.", lambda: Generator(words.options, n_labels, positions))

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "GanGenerator":
        generator = cls._described(description)
        generator.longest, generator.aligned = description["longest"], description["aligned"]
        generator.proposals = Proposals.from_state(arrays, description)
        generator._build()
        load_network(generator.network, arrays, "network.")
        generator.network.eval()
        return generator
