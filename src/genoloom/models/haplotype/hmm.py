"""Founder hidden Markov model: haplotypes as mosaics of clusters, fitted by expectation
maximisation.

Scheet & Stephens 2006, doi:10.1086/502802. A haplotype follows one of K clusters; on entering a
block of `block_size` sites it jumps with a chance of the block to a cluster drawn anew, and each
site shows the alternate allele with the cluster's own frequency there. With `block: 1` this is the
model of that paper; wider blocks cost that much less.

Where a jump goes is a mixture: of weights of the block, shared by all populations, and of weights
of the population, shared by the blocks of a region. Expectation maximisation fits both and their
shares, so that small populations borrow from the others what they cannot say themselves. Small
pseudo-counts keep every haplotype possible; the likelihood with them (the objective) never falls.

The likelihood is exact, missing calls drop out of it, and cost and memory are linear in sites: the
forward pass keeps one state in `STORED` and works the others out again when the backward pass comes
by.

Letters in shapes: N haplotypes, B blocks, L sites per block, K clusters, P populations, R regions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from genoloom.declared import Declared
from genoloom.models.haplotype.base import (
    HaplotypeDescription,
    HaplotypeGenerator,
    SampleRequest,
    TrainingHaplotypes,
    description_with,
)
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.panel import HaplotypeSource, HaplotypeView
from genoloom.seeds import derive_seed, paired_uniforms, row_uniforms
from genoloom.training.run import TrainingRun, schedule_of, train
from genoloom.training_config import HmmOptions

ROWS = 256  # haplotypes at a time: their states fit into the cache
STORED = 32  # blocks between states that the forward pass keeps
REGION = 64  # blocks that share the weights of a population
ROWS_A_CLUSTER, MOST_CLUSTERS = 6, 400  # when the number of clusters is automatic
# counters of the jumps, then of where they go; the counters of the alleles start at 0
JUMP = 2**40
FREQUENCY_FLOOR = 1e-5  # of either allele in a cluster, for float32


@dataclass
class FounderModel:
    """The parameters, float32 tensors, and the forward algorithm.

    Attributes
    ----------
    block : int
    alternate : shape (n_variants, K)
        Chance of the alternate allele.
    jump : shape (B,)
        Chance of a jump on entering a block; 1 at the first.
    shared : shape (B, K)
        Weights of the clusters after a jump, for all populations.
    own : shape (R, P, K)
        Weights of the clusters for each population.
    share : shape (R,)
        Share of the jumps that follow `shared`.
    """

    block: int
    alternate: torch.Tensor
    jump: torch.Tensor
    shared: torch.Tensor
    own: torch.Tensor
    share: torch.Tensor

    NAMES = ("alternate", "jump", "shared", "own", "share")

    @property
    def n_blocks(self) -> int:
        return len(self.jump)

    def sites(self, b: int) -> slice:
        return slice(b * self.block, min((b + 1) * self.block, len(self.alternate)))

    def targets(self, b: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Chance of each cluster after a jump, (P, K), and the part of it that is shared."""
        shared = self.share[b // REGION] * self.shared[b]
        return shared + (1 - self.share[b // REGION]) * self.own[b // REGION], shared

    def emissions(
        self, b: int, ones: torch.Tensor, zeros: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Chance of the alleles of a block given each cluster, up to a factor for each row, and the
        log of that factor.

        `ones` and `zeros`, float32 (N, L), say which alleles are alternate and which reference;
        missing ones are neither.
        """
        frequency = self.alternate[self.sites(b)]  # (L, K)
        log = torch.addmm(zeros @ torch.log1p(-frequency), ones, frequency.log())  # (N, K)
        top = log.amax(dim=1, keepdim=True)
        return log.sub_(top).exp_(), top.squeeze(1)

    def enter(self, b: int, state: torch.Tensor | None, population: torch.Tensor) -> torch.Tensor:
        """Chance of each cluster in block `b` before its alleles are seen, from the state before;
        (N, K).
        """
        target = self.targets(b)[0]
        if state is None:
            return target[population]
        return torch.addcmul(self.jump[b] * target[population], state, 1 - self.jump[b])

    def see(
        self, entered: torch.Tensor, emitted: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The state after the alleles, scaled to sum to one, and the scale (N,)."""
        state = entered * emitted
        scale = state.sum(dim=1)
        return state.div_(scale[:, None]), scale


class _Rows:
    """Alleles of some haplotypes of a packed panel, block by block, as the model reads them."""

    def __init__(
        self, packed: HaplotypeSource, rows: np.ndarray, population: np.ndarray, device: str
    ):
        self.view, self.device = HaplotypeView(packed, haplotypes=rows), device
        self.population = torch.from_numpy(population[rows]).to(device)

    def block(self, sites: slice) -> tuple[torch.Tensor, torch.Tensor]:
        alleles = torch.from_numpy(
            np.ascontiguousarray(self.view.read(sites.start, sites.stop).T)
        ).to(self.device)
        return (alleles == 1).float(), (alleles == 0).float()


def batches(n: int) -> Iterator[np.ndarray]:
    """Indices of the haplotypes, `ROWS` at a time."""
    for low in range(0, n, ROWS):
        yield np.arange(low, min(low + ROWS, n))


@torch.no_grad()
def log_likelihood(
    model: FounderModel, haplotypes: HaplotypeSource, population: np.ndarray, device: str = "cpu"
) -> np.ndarray:
    """Natural-log likelihood of each haplotype, float64 (n,)."""
    total = np.zeros(haplotypes.n_haplotypes)
    for chosen in batches(haplotypes.n_haplotypes):
        rows, state = _Rows(haplotypes, chosen, population, device), None
        for b in range(model.n_blocks):
            emitted, log_factor = model.emissions(b, *rows.block(model.sites(b)))
            state, scale = model.see(model.enter(b, state, rows.population), emitted)
            total[chosen] += (scale.log() + log_factor).double().cpu().numpy()
    return total


class _Expectations:
    """What the expectation step counts."""

    def __init__(self, model: FounderModel):
        self.ones = torch.zeros_like(model.alternate)
        self.called = torch.zeros_like(model.alternate)
        self.shared, self.own = torch.zeros_like(model.shared), torch.zeros_like(model.own)
        self.jumps = torch.zeros_like(model.jump)
        self.log_likelihood = 0.0

    def add(self, model: FounderModel, rows: _Rows) -> None:
        """Forward and backward over the whole contig for some rows."""
        states, state = [], None  # before every STORED-th block
        for b in range(model.n_blocks):
            if b % STORED == 0:
                states.append(state)
            emitted, log_factor = model.emissions(b, *rows.block(model.sites(b)))
            state, scale = model.see(model.enter(b, state, rows.population), emitted)
            self.log_likelihood += float((scale.log() + log_factor).double().sum())
        backward = torch.ones_like(state)
        members = torch.nn.functional.one_hot(rows.population, model.own.shape[1]).float()  # (N, P)
        for first in range((model.n_blocks - 1) // STORED * STORED, -1, -STORED):
            backward = self._segment(model, rows, members, states[first // STORED], backward, first)

    def _segment(self, model, rows, members, state, backward, first: int) -> torch.Tensor:
        """Blocks [first, first + STORED) once more forward, then backward; returns the backward
        state before them.
        """
        kept = []
        for b in range(first, min(first + STORED, model.n_blocks)):
            alleles = rows.block(model.sites(b))
            emitted, _ = model.emissions(b, *alleles)
            state, scale = model.see(model.enter(b, state, rows.population), emitted)
            kept.append((b, alleles, emitted, state, scale))
        for b, (ones, zeros), emitted, after, scale in reversed(kept):
            posterior = after.mul_(backward)  # sums to one
            self.ones[model.sites(b)] += ones.T @ posterior
            self.called[model.sites(b)] += (ones + zeros).T @ posterior
            target, shared = model.targets(b)
            # chance of this and all later alleles given the cluster
            ahead = emitted.mul_(backward).div_(scale[:, None])
            arrived = model.jump[b] * (members.T @ ahead) * target  # expected jumps, (P, K)
            by_shared = arrived * shared / target
            self.shared[b] += by_shared.sum(dim=0)
            self.own[b // REGION] += arrived - by_shared
            self.jumps[b] += arrived.sum()
            come = (ahead @ target.T).gather(1, rows.population[:, None])  # (N, 1)
            backward = ahead.mul_(1 - model.jump[b]).add_(model.jump[b] * come)
        return backward

    def maximise(
        self, model: FounderModel, frequency: torch.Tensor, options: HmmOptions, n: int
    ) -> FounderModel:
        """The parameters under which the counts are most probable, with the pseudo-counts of
        `penalty`.
        """
        pseudo = options.pseudo_count
        alternate = (self.ones + pseudo * frequency.float()) / (self.called + pseudo)
        jump = (self.jumps + 0.5) / (n + 1)
        jump[0] = 1
        shared_total = torch.zeros_like(model.share).index_add_(
            0, _regions(model), self.shared.sum(dim=1)
        )
        share = (shared_total + 1) / (shared_total + self.own.sum(dim=(1, 2)) + 2)
        return FounderModel(
            model.block,
            alternate.clamp(FREQUENCY_FLOOR, 1 - FREQUENCY_FLOOR),
            jump,
            _weights(self.shared),
            _weights(self.own),
            share,
        )


def _regions(model: FounderModel) -> torch.Tensor:
    return torch.arange(model.n_blocks, device=model.jump.device) // REGION


def _weights(counts: torch.Tensor) -> torch.Tensor:
    """Counts with one pseudo-count spread over the clusters, as shares."""
    counts = counts + 1 / counts.shape[-1]
    return counts / counts.sum(dim=-1, keepdim=True)


def penalty(model: FounderModel, frequency: torch.Tensor, options: HmmOptions) -> float:
    """The logarithm of what the pseudo-counts multiply the likelihood with."""
    alternate, pseudo = model.alternate.double(), options.pseudo_count
    total = pseudo * (frequency * alternate.log() + (1 - frequency) * torch.log1p(-alternate)).sum()
    total += 0.5 * (model.jump[1:].double().log() + torch.log1p(-model.jump[1:].double())).sum()
    total += (
        model.shared.double().log().sum() + model.own.double().log().sum()
    ) / model.shared.shape[-1]
    return float(total + (model.share.double().log() + torch.log1p(-model.share.double())).sum())


def initial_model(
    packed: PackedHaplotypes, n_populations: int, options: HmmOptions, rows: np.ndarray, seed: int
) -> FounderModel:
    """Random training haplotypes as clusters, seen through a veil of errors; jumps go anywhere."""
    K = options.clusters or min(MOST_CLUSTERS, max(2, len(rows) // ROWS_A_CLUSTER))
    founders = np.sort(np.random.default_rng(seed).permutation(rows)[:K])
    K, V, L = len(founders), packed.n_variants, options.block_size
    B = -(-V // L)
    alternate = torch.empty(V, K)
    for start in range(0, V, 4096):
        alleles = packed.read(start, min(start + 4096, V))[:, founders]
        alternate[start : start + len(alleles)] = torch.from_numpy(
            np.where(alleles < 0, 0.5, 0.02 + 0.96 * alleles)
        ).float()
    jump = torch.full((B,), min(0.5, 0.01 * L))
    jump[0] = 1
    R = -(-B // REGION)
    return FounderModel(
        L,
        alternate,
        jump,
        torch.full((B, K), 1 / K),
        torch.full((R, n_populations, K), 1 / K),
        torch.full((R,), 0.5),
    )


class HmmTraining:
    """Expectation maximisation as a training run: a step is one pass over the training
    haplotypes.
    """

    def __init__(
        self,
        model: FounderModel,
        packed: PackedHaplotypes,
        data: TrainingHaplotypes,
        options: HmmOptions,
        run: TrainingRun,
    ):
        self.options = options
        self.packed = packed
        self.population = data.population
        self.device = run.device
        self.model = FounderModel(
            model.block, *(getattr(model, name).to(run.device) for name in model.NAMES)
        )
        self.fitted = np.flatnonzero(~data.validation)
        self.validation = np.flatnonzero(data.validation)
        self.frequency = site_frequencies(packed, self.fitted).to(run.device)
        self.objective = -math.inf

    @torch.no_grad()
    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        """One iteration; "loss" is the objective before it, in bits per site, negative."""
        counts = _Expectations(self.model)
        for chosen in batches(len(self.fitted)):
            counts.add(
                self.model, _Rows(self.packed, self.fitted[chosen], self.population, self.device)
            )
        self.objective = counts.log_likelihood + penalty(
            self.model, self.frequency[:, None], self.options
        )
        self.model = counts.maximise(
            self.model, self.frequency[:, None], self.options, len(self.fitted)
        )
        return {"loss": -self.objective / math.log(2) / len(self.fitted) / len(self.frequency)}

    def evaluate(self, step: int) -> dict[str, float]:
        """Bits per site on the validation set."""
        view = HaplotypeView(self.packed, haplotypes=self.validation)
        total = log_likelihood(
            self.model, view, self.population[self.validation], self.device
        ).sum()
        bits = float(-total / math.log(2) / len(self.validation) / len(self.frequency))
        return {"score": bits, "bits": bits}

    def state_dict(self) -> dict:
        return {name: getattr(self.model, name) for name in FounderModel.NAMES}

    def load_state_dict(self, state: dict) -> None:
        self.model = FounderModel(
            self.model.block, *(state[name].to(self.device) for name in FounderModel.NAMES)
        )

    def snapshot(self) -> dict:
        return self.state_dict()

    def restore(self, snapshot: dict) -> None:
        self.load_state_dict(snapshot)


def site_frequencies(packed: PackedHaplotypes, rows: np.ndarray) -> torch.Tensor:
    """Frequency of the alternate allele, half an allele of each kind added, float64
    (n_variants,).
    """
    pieces = []
    for start in range(0, packed.n_variants, 4096):
        alleles = packed.read(start, min(start + 4096, packed.n_variants))[:, rows]
        pieces.append(((alleles == 1).sum(axis=1) + 0.5) / ((alleles >= 0).sum(axis=1) + 1))
    return torch.from_numpy(np.concatenate(pieces))


class HmmGenerator(HaplotypeGenerator):
    """Founder model: options in `genoloom.training_config.HmmOptions`."""

    name = "hmm"
    description_class = description_with(HmmOptions)
    options_class = HmmOptions
    has_likelihood = True

    def fit(self, data: TrainingHaplotypes, run: TrainingRun) -> None:
        self._begin(data)
        packed = PackedHaplotypes.pack(data.haplotypes)
        fitted, seed = np.flatnonzero(~data.validation), derive_seed(run.seed, "founders")
        model = initial_model(packed, len(self.population_names), self.options, fitted, seed)
        training = HmmTraining(model, packed, data, self.options, run)
        train(training, run, **schedule_of(self.options, evaluate_every=1))
        self.model = FounderModel(
            self.options.block_size, *(value.cpu() for value in training.state_dict().values())
        )

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        return log_likelihood(self.model, haplotypes, population)

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        model, seed = self.model, request.seed
        cluster = np.zeros(len(seed), dtype=np.int64)
        alternate, jump = model.alternate.numpy(), model.jump.numpy()
        for b in range(model.n_blocks):
            jumping = np.flatnonzero(row_uniforms(seed, JUMP + 2 * b) < jump[b])
            cumulated = model.targets(b)[0].double().cumsum(dim=1).numpy()
            where = paired_uniforms(seed[jumping], np.full(len(jumping), JUMP + 2 * b + 1))
            for p in np.unique(request.population[jumping]):
                of_population = request.population[jumping] == p
                drawn = np.searchsorted(
                    cumulated[p] / cumulated[p, -1], where[of_population], side="right"
                )
                cluster[jumping[of_population]] = drawn
            sites = model.sites(b)
            uniforms = row_uniforms(seed, np.arange(sites.start, sites.stop)).T
            yield (uniforms < alternate[sites][:, cluster]).astype(np.int8)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = {name: getattr(self.model, name).numpy() for name in FounderModel.NAMES}
        return arrays, self._words()

    @classmethod
    def declare(cls, arrays: Declared, words: HaplotypeDescription) -> None:
        B = -(-words.n_variants // words.options.block_size)
        R, P = -(-B // REGION), len(words.population_names)
        floor = FREQUENCY_FLOOR / 2  # rounded to float32
        _, K = arrays.expect(
            "alternate", "float32", words.n_variants, None, low=floor, high=1 - floor
        )
        arrays.expect("jump", "float32", B, low=0, high=1)
        arrays.expect("shared", "float32", B, K, low=0, high=1, shares=True)
        arrays.expect("own", "float32", R, P, K, low=0, high=1, shares=True)
        arrays.expect("share", "float32", R, low=0, high=1)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "HmmGenerator":
        generator = cls._described(description)
        generator.model = FounderModel(
            generator.options.block_size,
            *(torch.from_numpy(arrays[name]) for name in FounderModel.NAMES),
        )
        return generator
