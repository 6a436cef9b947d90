"""Wasserstein GAN with gradient penalty over bases, conditional on the label.

The generator edits noise: a sequence drawn from the interpolated Markov chain of the training sequences (or, without
`chain_noise`, uniformly random bases). It adds logits to that draft, and a straight-through Gumbel draw turns them into
bases. Its last layer begins at zero, so before training the samples *are* those of the chain, and what is learnt is what
the chain cannot know: composition that is shared along a sequence, spacing, dependence over long distances.

The critic reads the sequence with strided residual convolutions and, beside it, the 4-mer frequencies of the sequence and
of its minibatch; both are exact for one-hot input and differentiable. The label enters by projection.

References: Gulrajani et al. 2017, arXiv:1704.00028 (gradient penalty); Jang et al. 2017, arXiv:1611.01144 (straight-through
Gumbel); Miyato & Koyama 2018, arXiv:1802.05637 (projection); Salimans et al. 2016, arXiv:1606.03498 (minibatch statistics,
feature matching); Gupta & Zou 2019, doi:10.1038/s42256-019-0017-4 (GANs of DNA).

Letters in shapes: B rows, T bases, W width.
"""

import logging

import numpy as np
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import ndtri
from scipy.stats import wasserstein_distance
from torch import nn

from genoloom.errors import CollapsedError
from genoloom.models.layers import exponential_average
from genoloom.models.sequence.base import Sampling, SequenceGenerator, SequenceRequest, TrainingSequences
from genoloom.models.sequence.chain import (
    choose_escapes,
    compact,
    context_counts,
    probabilities,
    sample_chain,
    shortest_good_order,
)
from genoloom.models.sequence.classifier import one_hot, split_auc
from genoloom.models.sequence.markov import both_strands
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.sequence_config import SequenceGanOptions
from genoloom.sequences import OTHER, fingerprints, kmer_counts, reverse_complement, reverse_complement_kmers
from genoloom.training.run import TrainingRun, train

log = logging.getLogger(__name__)

CHAIN_ORDER = 8  # longest context of the noise
LOGIT_SCALE = 8.0  # logits of the draft's bases, in units of the network's: untouched, one base in a thousand is drawn anew
DILATIONS = (1, 4, 16)
TEMPERATURE = 4.0  # of the relaxation behind the gradient; the draws themselves do not depend on it
GROUP = 8  # sequences of which the critic sees the common 4-mer frequencies
MATCHING, SINGLE_WEIGHT = 10.0, 8.0  # weight of matching compositions, and of bases beside 4-mers in that
EVALUATED = 512  # sequences behind a score
SCORED_KMERS = (4, 5, 6)
SAMPLE_ROWS = 64  # sequences sampled together, always exactly so many
LATENT_DRAWS, GUMBEL_DRAWS = 2**30, 2**31  # first counters; the draft counts from 0
COLLAPSED_IDENTITY, COLLAPSED_DISTINCT, COLLAPSED_KMERS = 0.1, 0.9, 0.5


def kmer_frequencies(x: torch.Tensor) -> torch.Tensor:
    """4-mer frequencies of (soft) one-hot sequences, (B, 4, T) to (B, 256), relative to equal ones."""
    pairs = (x[:, :, None, :-1] * x[:, None, :, 1:]).flatten(1, 2)  # (B, 16, T - 1)
    counts = torch.bmm(pairs[..., :-2], pairs[..., 2:].transpose(1, 2)).flatten(1)
    return 256 * counts / counts.sum(1, keepdim=True).clamp(min=1.0)


def composition_moments(x: torch.Tensor) -> torch.Tensor:
    """Mean and spread, over a minibatch (B, 4, T), of the frequencies of bases and 4-mers; (520,)."""
    bases = 4 * x.sum(2) / x.sum((1, 2)).clamp(min=1.0)[:, None]
    both = torch.cat([bases * SINGLE_WEIGHT, kmer_frequencies(x)], dim=1)
    return torch.cat([both.mean(0), (both.var(0) + 1e-6).sqrt()])


class ResidualConvolution(nn.Module):
    """Two convolutions beside a skip connection."""

    def __init__(self, width: int, dilation: int = 1):
        super().__init__()
        self.first = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor, gain: torch.Tensor | float = 1.0, shift: torch.Tensor | float = 0.0) -> torch.Tensor:
        hidden = self.first(nn.functional.leaky_relu(x * gain + shift, 0.2))
        return x + 0.5 * self.second(nn.functional.leaky_relu(hidden, 0.2))


class Generator(nn.Module):
    """Logits of bases from a draft, a latent vector and a label; the work is done at half the resolution."""

    def __init__(self, options: SequenceGanOptions, n_labels: int):
        super().__init__()
        W = options.width
        self.draft_weight = 1.0 if options.chain_noise else 0.0
        self.label = nn.Embedding(n_labels, options.latent)
        self.style = nn.Linear(options.latent, 2 * W * len(DILATIONS))
        self.read = nn.Conv1d(4, W, 8, stride=2, padding=3)
        self.blocks = nn.ModuleList(ResidualConvolution(W, d) for d in DILATIONS)
        self.write = nn.Conv1d(W, 8, 5, padding=2)
        if options.chain_noise:
            nn.init.zeros_(self.write.weight)
            nn.init.zeros_(self.write.bias)

    def forward(self, draft: torch.Tensor, latent: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """`draft` (B, 4, T) with even T, `latent` (B, latent), `label` int64 (B,); to (B, 4, T)."""
        style = self.style(latent + self.label(label))[..., None].chunk(2 * len(self.blocks), dim=1)  # (B, W, 1) each
        x = self.read(draft)
        for i, block in enumerate(self.blocks):
            x = block(x, 1 + style[2 * i], style[2 * i + 1])
        edits = self.write(nn.functional.leaky_relu(x, 0.2))  # (B, 8, T / 2)
        edits = edits.unflatten(1, (4, 2)).transpose(2, 3).flatten(2)  # (B, 4, T)
        return LOGIT_SCALE * (self.draft_weight * draft + edits)


class Critic(nn.Module):
    """A score for each sequence, high for real ones."""

    def __init__(self, options: SequenceGanOptions, n_labels: int, kmer_mean: torch.Tensor):
        super().__init__()
        W = options.width
        self.read = nn.Conv1d(4, W, 8, stride=2, padding=3)
        self.blocks = nn.ModuleList(ResidualConvolution(W) for _ in range(3))
        self.kmers, self.group = nn.Linear(256, W), nn.Linear(256, W)
        self.mix = nn.Linear(W, W)
        self.score = nn.Linear(W, 1)
        self.label = nn.Embedding(n_labels, W)
        nn.init.zeros_(self.label.weight)
        self.register_buffer("kmer_mean", kmer_mean)

    def forward(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """`x` (B, 4, T) with B a multiple of `GROUP` or below it; to (B,)."""
        h = self.read(x)
        for block in self.blocks:
            h = nn.functional.avg_pool1d(block(h), 2, ceil_mode=True)
        frequency = kmer_frequencies(x) - self.kmer_mean
        size = GROUP if len(x) % GROUP == 0 else len(x)
        common = frequency.unflatten(0, (-1, size)).mean(1).repeat_interleave(size, dim=0)  # (B, 256)
        spread = (h.var(2, correction=0) + 1e-6).sqrt()
        h = nn.functional.leaky_relu(h.mean(2) + spread + self.kmers(frequency) + self.group(common), 0.2)
        h = nn.functional.leaky_relu(self.mix(h), 0.2)
        return self.score(h)[:, 0] + (self.label(label) * h).sum(1)


def straight_through(logits: torch.Tensor) -> torch.Tensor:
    """One-hot Gumbel draws (B, 4, T) that pass on the gradient of the softmax."""
    return nn.functional.gumbel_softmax(logits, tau=TEMPERATURE, hard=True, dim=1)


def even(length: int) -> int:
    return length + length % 2


class GanTraining:
    """Critic and generator steps; a `genoloom.training.run.Trainable`."""

    def __init__(self, owner: "GanGenerator", data: TrainingSequences, run: TrainingRun):
        self.owner, self.data, self.options, self.run = owner, data, owner.options, run
        self.fitted, self.watched = np.flatnonzero(~data.watch), np.flatnonzero(data.watch)
        self.generator = owner.network.to(run.device)
        counts = kmer_counts(both_strands(data, self.fitted), 4)
        mean = torch.from_numpy(256 * counts / max(counts.sum(), 1)).float()  # as `kmer_frequencies`, of all together
        self.critic = Critic(self.options, len(data.label_names), mean).to(run.device)
        self.average = exponential_average(self.generator, 0.99)
        rate = self.options.learning_rate
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), lr=rate, betas=(0.0, 0.9)),
            "critic": torch.optim.Adam(self.critic.parameters(), lr=2 * rate, betas=(0.0, 0.9)),
        }
        self.request = self._evaluation_request()

    def _evaluation_request(self) -> SequenceRequest:
        """Lengths and labels as in the watched sequences; the same noise at every evaluation."""
        rng = np.random.default_rng(derive_seed(self.run.seed, "evaluation"))
        self.compared = rng.permutation(self.watched)[:EVALUATED]  # for the classifier, each once
        rows = np.concatenate([self.compared, rng.choice(self.watched, size=EVALUATED - len(self.compared))])
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
        if data.reverse_complement:
            turned = rng.random(len(rows)) < 0.5
            taken[turned] = reverse_complement(taken[turned], length[turned])
        bases[:, : taken.shape[1]] = taken
        inside = (np.arange(bases.shape[1]) < length[:, None])[:, None].astype(np.float32)
        device = self.run.device
        return one_hot(bases).to(device), torch.from_numpy(data.label[rows]).to(device), torch.from_numpy(inside).to(device)

    def _fake(self, label: torch.Tensor, inside: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        B, _, T = inside.shape
        draft = one_hot(self.owner.draft(rng.random((B, T)))).to(self.run.device) * inside
        latent = torch.randn(B, self.options.latent, device=self.run.device)
        return straight_through(self.generator(draft, latent, label)) * inside

    def _critic_step(self, rng: np.random.Generator) -> float:
        real, label, inside = self._real(rng)
        with torch.no_grad():
            fake = self._fake(label, inside, rng)
        blend = torch.rand(len(real), 1, 1, device=real.device)
        between = (blend * real + (1 - blend) * fake).requires_grad_()
        [slope] = torch.autograd.grad(self.critic(between, label).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        distance = self.critic(real, label).mean() - self.critic(fake, label).mean()
        self._descend("critic", self.options.gradient_penalty * penalty - distance)
        return distance.item()

    def _generator_step(self, rng: np.random.Generator) -> float:
        real, label, inside = self._real(rng)
        fake = self._fake(label, inside, rng)
        mismatch = (composition_moments(fake) - composition_moments(real)).square().mean()
        loss = -self.critic(fake, label).mean() + MATCHING * mismatch
        self._descend("generator", loss)
        self.average.update_parameters(self.generator)
        return loss.item()

    def _descend(self, name: str, loss: torch.Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    def evaluate(self, step: int) -> dict[str, float]:
        """ "score": how far samples are from the watched sequences.

        Mean Jensen-Shannon distance of 4- to 6-mers, plus Wasserstein distance of GC, plus what a convolutional classifier's
        AUC exceeds 0.5 by.
        """
        made, strands = self.owner.sample_with(self.average.module, self.request, self.run.device), self.data.reverse_complement
        figures = watch_score(made, self.data.bases[self.watched], strands)
        real = self.data.bases[self.compared][:, : made.shape[1]]
        with torch.random.fork_rng(devices=[]):
            auc = split_auc(made[: len(real)], real, strands, derive_seed(self.run.seed, "watch classifier"))
        return {**figures, "score": figures["score"] + max(auc - 0.5, 0.0), "cnn_auc": auc}

    def state_dict(self) -> dict:
        parts = {"generator": self.generator, "critic": self.critic, "average": self.average, **self._named_optimisers()}
        return {name: part.state_dict() for name, part in parts.items()}

    def load_state_dict(self, state: dict) -> None:
        parts = {"generator": self.generator, "critic": self.critic, "average": self.average, **self._named_optimisers()}
        for name, part in parts.items():
            part.load_state_dict(state[name])

    def _named_optimisers(self) -> dict:
        return {f"{name}_optimiser": optimiser for name, optimiser in self.optimisers.items()}

    def snapshot(self) -> dict:
        return {name: value.detach().cpu().clone() for name, value in self.average.module.state_dict().items()}

    def restore(self, snapshot: dict) -> None:
        self.generator.load_state_dict(snapshot)
        self.average.module.load_state_dict(snapshot)


def watch_score(made: np.ndarray, watched: np.ndarray, strands: bool) -> dict[str, float]:
    """Distances of generated from watched bases, uint8 (n, length) each; "score" is their sum, k-mers averaged over k."""
    distances = []
    for k in SCORED_KMERS:
        a, b = kmer_counts(made, k) + 1e-9, kmer_counts(watched, k) + 1e-9
        if strands:
            a, b = (x + x[reverse_complement_kmers(k)] for x in (a, b))
        distances.append(float(jensenshannon(a, b, base=2)))
    gc = float(wasserstein_distance(_gc(made), _gc(watched)))
    return {"score": float(np.mean(distances)) + gc, "kmers": float(np.mean(distances)), "gc": gc}


def _gc(bases: np.ndarray) -> np.ndarray:
    return ((bases == 1) | (bases == 2)).sum(axis=1) / np.maximum((bases != OTHER).sum(axis=1), 1)


def _pair_identity(bases: np.ndarray) -> float:
    """Mean share of equal bases at equal places of neighbouring rows: near 0.27 for unrelated DNA, 1 for copies."""
    both = (bases[1:] != OTHER) & (bases[:-1] != OTHER)
    return float(((bases[1:] == bases[:-1]) & both).sum() / max(both.sum(), 1))


def refuse_collapse(made: np.ndarray, real: np.ndarray, label: str) -> None:
    """Raise `CollapsedError` when generated bases (n, length) are far less varied than real ones.

    Collapsed are: fewer than 90 % of the real share of distinct sequences; neighbours that agree in 10 % of the bases
    more than real ones do; or fewer than half as many distinct 6-mers as in equally many real sequences.
    """
    n = min(len(made), len(real))
    made, real = made[:n], real[:n]
    distinct = [len(np.unique(fingerprints(x, (x != OTHER).sum(axis=1)))) for x in (made, real)]
    identity = [_pair_identity(x) for x in (made, real)]
    kinds = [int((kmer_counts(x, 6) > 0).sum()) for x in (made, real)]
    collapsed = (
        distinct[0] < COLLAPSED_DISTINCT * distinct[1]
        or identity[0] > identity[1] + COLLAPSED_IDENTITY
        or kinds[0] < COLLAPSED_KMERS * kinds[1]
    )
    if collapsed:
        raise CollapsedError(
            f"{label}: the generator collapsed (of {n} sequences {distinct[0]} differ, real {distinct[1]}; neighbours agree in "
            f"{identity[0]:.0%} of their bases, real {identity[1]:.0%}; {kinds[0]} of 4096 6-mers occur, real {kinds[1]}). "
            "No model is written. Lower --learning-rate, raise --gradient-penalty or --batch"
        )


class GanGenerator(SequenceGenerator):
    """Sequence GAN: options in `genoloom.sequence_config.SequenceGanOptions`."""

    name = "gan"

    def __init__(self, options: SequenceGanOptions):
        self.options = options

    def fit(self, data: TrainingSequences, run: TrainingRun) -> None:
        self.label_names = list(data.label_names)
        self.counts, self.escapes = self._fit_chain(data)
        torch.manual_seed(derive_seed(run.seed, "weights"))
        self._build()
        training = GanTraining(self, data, run)
        train(training, run, steps=self.options.steps, evaluate_every=self.options.evaluate_every, patience=self.options.patience)
        self.network.to("cpu").eval()
        best = min(run.history, key=lambda row: row["score"])
        if best["step"] == 0:
            log.warning("%s: no evaluation was better than the untrained generator, which is what the model now is", run.label)
        made = self.sample(training.request)
        refuse_collapse(made, data.bases[training.fitted], run.label)

    def _fit_chain(self, data: TrainingSequences) -> tuple[list[np.ndarray], list[float]]:
        """Counts and escape weights of the noise; order 0 with no counts is uniform noise."""
        if not self.options.chain_noise:
            return [np.zeros((1, 4), dtype=np.int64)], [1.0]
        counts = context_counts(both_strands(data, ~data.watch), CHAIN_ORDER)
        escapes, bits = choose_escapes(counts, data.bases[data.watch])
        order = shortest_good_order(bits)
        return counts[: order + 1], escapes[: order + 1]

    def _build(self) -> None:
        self.tables = probabilities(self.counts, self.escapes)
        self.network = Generator(self.options, len(self.label_names))

    def draft(self, uniform: np.ndarray) -> np.ndarray:
        """Noise, uint8 (B, T), from uniforms float64 (B, T)."""
        return sample_chain(self.tables, uniform)

    def sample(self, request: SequenceRequest, sampling: Sampling = Sampling()) -> np.ndarray:  # noqa: B008 - it is frozen
        return self.sample_with(self.network, request, "cpu")

    @torch.no_grad()
    def sample_with(self, network: Generator, request: SequenceRequest, device: str) -> np.ndarray:
        """Bases as `sample`, from a given generator network."""
        n, longest = len(request.seed), int(request.length.max(initial=0))
        bases = np.empty((n, longest), dtype=np.uint8)
        for low in range(0, n, SAMPLE_ROWS):
            # short chunks are filled up: products have one shape, and a sequence does not depend on its company
            rows = np.minimum(np.arange(low, low + SAMPLE_ROWS), n - 1)
            chunk = SequenceRequest(request.length[rows], request.label[rows], request.seed[rows])
            bases[low : low + SAMPLE_ROWS] = self._sample_chunk(network, chunk, longest, device)[: n - low]
        bases[np.arange(longest) >= request.length[:, None]] = OTHER
        return bases

    def _sample_chunk(self, network: Generator, request: SequenceRequest, longest: int, device: str) -> np.ndarray:
        T = even(longest)
        draft = self.draft(row_uniforms(request.seed, np.arange(T)))
        draft[np.arange(T) >= request.length[:, None]] = OTHER
        latent = ndtri(row_uniforms(request.seed, LATENT_DRAWS + np.arange(self.options.latent)) + 2.0**-54)
        gumbel = -np.log(-np.log(row_uniforms(request.seed, GUMBEL_DRAWS + np.arange(4 * T)) + 2.0**-54))
        inputs = one_hot(draft), torch.from_numpy(latent).float(), torch.from_numpy(request.label)
        logits = network(*(x.to(device) for x in inputs)).double().cpu().numpy()
        return (logits + gumbel.reshape(-1, T, 4).transpose(0, 2, 1)).argmax(axis=1).astype(np.uint8)[:, :longest]

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = {f"network.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        arrays |= {f"counts.{k}": compact(table) for k, table in enumerate(self.counts)}
        description = {"options": self.options.model_dump(), "label_names": self.label_names, "escapes": self.escapes}
        return arrays, description

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "GanGenerator":
        generator = cls(SequenceGanOptions(**description["options"]))
        generator.label_names, generator.escapes = description["label_names"], description["escapes"]
        generator.counts = [arrays[f"counts.{k}"].astype(np.int64) for k in range(len(generator.escapes))]
        generator._build()
        weights = {k.removeprefix("network."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("network.")}
        generator.network.load_state_dict(weights)
        generator.network.eval()
        return generator
