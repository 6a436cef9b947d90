"""Training the sequence GAN: critic and generator steps, and how far samples are from the
validation sequences.

Letters in shapes: B rows, T bases.
"""

import numpy as np
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import ndtri
from scipy.stats import wasserstein_distance

from genoloom.models.finite import refuse_non_finite
from genoloom.models.layers import exponential_average, weights_of
from genoloom.models.sequence.base import SequenceRequest, TrainingSequences
from genoloom.models.sequence.classifier import one_hot, split_auc
from genoloom.models.sequence.gan_network import (
    Critic,
    Generator,
    composition_moments,
    even,
    straight_through,
)
from genoloom.models.sequence.gan_proposals import Proposals
from genoloom.models.sequence.markov import with_other_strand
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.sequence_config import SequenceGanOptions
from genoloom.sequences import (
    OTHER,
    gc_content,
    kmer_counts,
    reverse_complement,
    reverse_complement_kmers,
)
from genoloom.training.optimisers import Adam
from genoloom.training.run import TrainingRun

MATCHING = 10.0  # weight of matching compositions
EVALUATED = 1024  # sequences per score
# proposals made before training, at most, and their bases; each step takes some of them
PROPOSALS, PROPOSAL_BASES = 4096, 2**21
SCORED_KMERS = (4, 5, 6)
SAMPLE_ROWS = 64  # sequences sampled together, always exactly this many
LATENT_DRAWS, GUMBEL_DRAWS = 2**30, 2**31  # first counters; the proposal counts from 0


def draw_proposals(proposals: Proposals, request: SequenceRequest, longest: int) -> np.ndarray:
    """The proposals of the requested sequences, uint8 (n, T), 4 after the end; T even, at least
    `longest`, that of training.

    So a convolution finds the same after the end of a sequence whatever else is requested.
    """
    T = even(int(request.length.max(initial=longest)))
    bases = proposals.draw(row_uniforms(request.seed, np.arange(T)))
    bases[np.arange(T) >= request.length[:, None]] = OTHER
    return bases


@torch.no_grad()
def edit(
    network: Generator, proposals: np.ndarray, request: SequenceRequest, device: str = "cpu"
) -> np.ndarray:
    """The requested sequences from their proposals, uint8 (n, greatest length); 4 after the end."""
    n, longest = len(request.seed), int(request.length.max(initial=0))
    bases = np.empty((n, longest), dtype=np.uint8)
    for low in range(0, n, SAMPLE_ROWS):
        # short chunks are filled up: products have one shape, and a sequence does not depend on its
        # company
        rows = np.minimum(np.arange(low, low + SAMPLE_ROWS), n - 1)
        bases[low : low + SAMPLE_ROWS] = _edit_chunk(
            network, proposals[rows], request.label[rows], request.seed[rows], device
        )[: n - low, :longest]
    bases[np.arange(longest) >= request.length[:, None]] = OTHER
    return bases


def _edit_chunk(
    network: Generator, proposal: np.ndarray, label: np.ndarray, seed: np.ndarray, device: str
) -> np.ndarray:
    n, T = proposal.shape
    latent = ndtri(row_uniforms(seed, LATENT_DRAWS + np.arange(network.latent)) + 2.0**-54)
    gumbel = -np.log(-np.log(row_uniforms(seed, GUMBEL_DRAWS + np.arange(4 * T)) + 2.0**-54))
    inputs = one_hot(proposal), torch.from_numpy(latent).float(), torch.from_numpy(label)
    logits = network(*(x.to(device) for x in inputs)).double().cpu().numpy()
    refuse_non_finite(logits)
    return (logits + gumbel.reshape(n, T, 4).transpose(0, 2, 1)).argmax(axis=1).astype(np.uint8)


class GanTraining:
    """Critic and generator steps; a `genoloom.training.run.Trainable`."""

    def __init__(
        self,
        network: Generator,
        proposals: Proposals,
        data: TrainingSequences,
        options: SequenceGanOptions,
        run: TrainingRun,
    ):
        self.data, self.options, self.run = data, options, run
        self.edit_penalty = options.edit_penalty if options.chain_noise else 0.0
        self.fitted = np.flatnonzero(~data.validation)
        self.validation = np.flatnonzero(data.validation)
        self.generator = network.to(run.device)
        counts = kmer_counts(with_other_strand(data, self.fitted), 4)
        # as `kmer_frequencies`, of all together
        mean = torch.from_numpy(256 * counts / max(counts.sum(), 1)).float()
        self.critic = Critic(options, len(data.label_names), mean, network.positions).to(run.device)
        self.average = exponential_average(self.generator, 0.99)
        rate = self.options.learning_rate
        self.optimisers = {
            "generator": Adam(self.generator.parameters(), lr=rate, betas=(0.0, 0.9)),
            "critic": Adam(self.critic.parameters(), lr=2 * rate, betas=(0.0, 0.9)),
        }
        self.request = self._evaluation_request()
        longest = data.bases.shape[1]
        self.evaluated = draw_proposals(proposals, self.request, longest)
        rng = np.random.default_rng(derive_seed(run.seed, "drafts"))
        self.pool = proposals.draw(
            rng.random(
                (max(options.batch, min(PROPOSALS, PROPOSAL_BASES // longest)), even(longest))
            )
        )

    def _evaluation_request(self) -> SequenceRequest:
        """Lengths and labels as in the validation sequences; the same noise at every evaluation."""
        rng = np.random.default_rng(derive_seed(self.run.seed, "evaluation"))
        # for the classifier, each once
        self.compared = rng.permutation(self.validation)[:EVALUATED]
        rows = np.concatenate(
            [self.compared, rng.choice(self.validation, size=EVALUATED - len(self.compared))]
        )
        seeds = rng.integers(0, 2**63, size=EVALUATED, dtype=np.uint64)
        return SequenceRequest(self.data.length[rows], self.data.label[rows], seeds)

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        rng = np.random.default_rng([self.run.seed, step])
        decay = 1.0 - fraction
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self.options.learning_rate * decay * (2 if name == "critic" else 1)
        for _ in range(self.options.critic_steps):
            critic_loss = self._critic_step(rng)
        return {"critic": critic_loss, "generator": self._generator_step(rng)}

    def _real(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One-hot sequences (B, 4, T), labels (B,) and where the sequences have bases (B, 1, T)."""
        data, rows = self.data, rng.choice(self.fitted, size=self.options.batch)
        length = data.length[rows]
        bases = np.full((len(rows), even(int(length.max()))), OTHER, dtype=np.uint8)
        taken = data.bases[rows][:, : bases.shape[1]]
        if not data.stranded:
            turned = rng.random(len(rows)) < 0.5
            taken[turned] = reverse_complement(taken[turned], length[turned])
        bases[:, : taken.shape[1]] = taken
        inside = (np.arange(bases.shape[1]) < length[:, None])[:, None].astype(np.float32)
        device = self.run.device
        return (
            one_hot(bases).to(device),
            torch.from_numpy(data.label[rows]).to(device),
            torch.from_numpy(inside).to(device),
        )

    def _fake(
        self, label: torch.Tensor, inside: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (B, 4, T), and the expected share of bases that are not their proposal's."""
        B, _, T = inside.shape
        taken = self.pool[rng.integers(0, len(self.pool), size=B), :T]
        proposal = one_hot(taken).to(self.run.device) * inside
        latent = torch.randn(B, self.options.latent, device=self.run.device)
        logits = self.generator(proposal, latent, label)
        edited = 1 - (logits.softmax(1) * proposal).sum() / proposal.sum().clamp(min=1.0)
        return straight_through(logits) * inside, edited

    def _critic_step(self, rng: np.random.Generator) -> float:
        real, label, inside = self._real(rng)
        with torch.no_grad():
            fake, _ = self._fake(label, inside, rng)
        blend = torch.rand(len(real), 1, 1, device=real.device)
        blended = (blend * real + (1 - blend) * fake).requires_grad_()
        [slope] = torch.autograd.grad(self.critic(blended, label).sum(), blended, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        distance = self.critic(real, label).mean() - self.critic(fake, label).mean()
        self._descend("critic", self.options.gradient_penalty * penalty - distance)
        return distance.item()

    def _generator_step(self, rng: np.random.Generator) -> float:
        real, label, inside = self._real(rng)
        fake, edited = self._fake(label, inside, rng)
        mismatch = (composition_moments(fake) - composition_moments(real)).square().mean()
        loss = -self.critic(fake, label).mean() + MATCHING * mismatch + self.edit_penalty * edited
        self._descend("generator", loss)
        self.average.update_parameters(self.generator)
        return loss.item()

    def _descend(self, name: str, loss: torch.Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def evaluate(self, step: int) -> dict[str, float]:
        """ "score": how far samples are from the validation sequences.

        Mean Jensen-Shannon distance of 4- to 6-mers, plus Wasserstein distance of GC, plus what a
        convolutional classifier's AUC exceeds 0.5 by.
        """
        stranded = self.data.stranded
        synthetic = edit(self.average.module, self.evaluated, self.request, self.run.device)
        metrics = validation_score(synthetic, self.data.bases[self.validation], stranded)
        real = self.data.bases[self.compared][:, : synthetic.shape[1]]
        with torch.random.fork_rng(devices=[]):
            auc = split_auc(
                synthetic[: len(real)],
                real,
                stranded,
                derive_seed(self.run.seed, "watch classifier"),
            )
        return {**metrics, "score": metrics["score"] + max(auc - 0.5, 0.0), "cnn_auc": auc}

    def state_dict(self) -> dict:
        parts = {
            "generator": self.generator,
            "critic": self.critic,
            "average": self.average,
            **self._named_optimisers(),
        }
        return {name: part.state_dict() for name, part in parts.items()}

    def load_state_dict(self, state: dict) -> None:
        parts = {
            "generator": self.generator,
            "critic": self.critic,
            "average": self.average,
            **self._named_optimisers(),
        }
        for name, part in parts.items():
            part.load_state_dict(state[name])

    def _named_optimisers(self) -> dict:
        return {f"{name}_optimiser": optimiser for name, optimiser in self.optimisers.items()}

    def snapshot(self) -> dict:
        return weights_of(self.average)

    def restore(self, snapshot: dict) -> None:
        self.generator.load_state_dict(snapshot)
        self.average.module.load_state_dict(snapshot)


def validation_score(
    synthetic: np.ndarray, validation: np.ndarray, stranded: bool
) -> dict[str, float]:
    """Distances of generated from validation bases, uint8 (n, length) each; "score" is their sum,
    k-mers averaged over k.
    """
    distances = []
    for k in SCORED_KMERS:
        a, b = kmer_counts(synthetic, k) + 1e-9, kmer_counts(validation, k) + 1e-9
        if not stranded:
            a, b = (x + x[reverse_complement_kmers(k)] for x in (a, b))
        distances.append(float(jensenshannon(a, b, base=2)))
    gc = float(wasserstein_distance(gc_content(synthetic), gc_content(validation)))
    return {"score": float(np.mean(distances)) + gc, "kmers": float(np.mean(distances)), "gc": gc}
