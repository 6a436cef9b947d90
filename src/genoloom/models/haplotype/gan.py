"""Generative adversarial network over block codes: it learns what the chain of neighbouring blocks does not know.

Generator. A haplotype is a chain of block codes (`genoloom.models.haplotype.blocks`). The chance of a code is
proportional to what was counted after the code before it (a smoothed first-order chain), times exp(u), times a
marginal correction. u comes from a network that reads noise: a vector for every block, one for the whole haplotype
and the population go through dilated convolutions along the contig, so u ties blocks together over long distances.
Before training u is 0: the chain alone, whose score is the first row of the history. The critic alone trains u.

Critic. It sees alleles through position-specific maps, dilated convolutions, the population as a projection (Miyato &
Koyama 2018, arXiv:1802.05637) and, beside each row, the batch's allele frequencies and neighbour covariances, in which
a collapse would show at once. Loss: Wasserstein with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028). Codes are
drawn with Gumbel noise and pass their gradient straight through (Jang et al. 2017, arXiv:1611.01144).

Calibration. After training, each population's marginal code frequencies are brought back to those of the training
rows, block by block along the contig; adversarial training lets rare codes slip.

The noise is defined along the whole contig and the convolutions have a bounded reach, so haplotypes stream out block by
block: memory does not grow with the contig, and windows join without a seam.

Letters in shapes: B rows, K blocks of the contig, T blocks of a window, L sites a block, C codes, W width, Z latent, P populations.
"""

import logging
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from genoloom.config import GanOptions
from genoloom.models.haplotype.blocks import BlockCodebook
from genoloom.models.layers import exponential_average
from genoloom.seeds import derive_seed

log = logging.getLogger(__name__)

DILATIONS = (1, 2, 4, 8)
MARGIN = sum(DILATIONS)  # blocks on either side that the convolutions reach
ESCAPE = 0.5  # weight of the block's own frequencies in the chain, for each distinct successor seen
BURN_IN = 8  # blocks that the chain runs before a window begins


class Convolutions(nn.Module):
    """Residual dilated convolutions along blocks, kernel 3; (B, T + 2 MARGIN, W) to (B, T, W)."""

    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.ModuleList(nn.Linear(3 * width, width) for _ in DILATIONS)
        self.outer = nn.ModuleList(nn.Linear(width, width) for _ in DILATIONS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for dilation, inner, outer in zip(DILATIONS, self.inner, self.outer, strict=True):
            y = nn.functional.leaky_relu(x, 0.2)
            # as a matrix product over shifted copies: faster than conv1d on a CPU, and so is its second derivative
            y = inner(torch.cat([y[:, : -2 * dilation], y[:, dilation:-dilation], y[:, 2 * dilation :]], dim=-1))
            x = (x[:, dilation:-dilation] + outer(nn.functional.leaky_relu(y, 0.2))) * math.sqrt(0.5)
        return x


class CodeGenerator(nn.Module):
    """Noise to the corrections u of the chain of codes."""

    def __init__(self, n_blocks: int, n_codes: int, n_populations: int, width: int, latent: int):
        super().__init__()
        self.latent = latent
        self.local, self.whole = nn.Linear(latent, width), nn.Linear(latent, width)
        self.population = nn.Embedding(n_populations, width)
        self.body = Convolutions(width)
        self.out = nn.Parameter(torch.randn(n_blocks, n_codes, width) * 1e-3)

    def forward(self, noise: torch.Tensor, whole: torch.Tensor, population: torch.Tensor, start: int) -> torch.Tensor:
        """Corrections of the blocks [start, start + T); `noise` (B, T + 2 MARGIN, Z), `whole` (B, Z); (B, T, C)."""
        x = self.local(noise) + (self.whole(whole) + self.population(population))[:, None]
        hidden = self.body(x)
        return torch.einsum("btw,tcw->btc", hidden, self.out[start : start + hidden.shape[1]])


class Critic(nn.Module):
    """Alleles to a score, higher for what looks real."""

    def __init__(self, frequency: np.ndarray, covariance: np.ndarray, n_populations: int, width: int):
        super().__init__()
        n_blocks, block = frequency.shape
        self.register_buffer("frequency", torch.from_numpy(frequency).float(), persistent=False)  # (K, L)
        self.register_buffer("covariance", torch.from_numpy(covariance).float(), persistent=False)  # (K, L)
        self.site = nn.Parameter(torch.randn(n_blocks, block, width) / math.sqrt(block))
        self.batch = nn.Parameter(torch.randn(n_blocks, 2 * block, width) / math.sqrt(block))
        self.place = nn.Parameter(torch.zeros(n_blocks, width))
        self.body = Convolutions(width)
        self.score = nn.Linear(width, 1)
        self.population = nn.Embedding(n_populations, width)
        nn.init.normal_(self.population.weight, std=0.1)

    def forward(self, alleles: torch.Tensor, population: torch.Tensor, start: int) -> torch.Tensor:
        """Scores (B,) of `alleles` (B, T, L) in [0, 1], blocks [start, start + T)."""
        blocks = slice(start, start + alleles.shape[1])
        x = torch.einsum("btl,tlw->btw", 2 * alleles - 1, self.site[blocks]) + self.place[blocks]
        x = x + torch.einsum("tl,tlw->tw", self.batch_statistics(alleles, blocks), self.batch[blocks])
        hidden = nn.functional.leaky_relu(self.body(nn.functional.pad(x, (0, 0, MARGIN, MARGIN))), 0.2)
        local = self.score(hidden).squeeze(-1) + (hidden * self.population(population)[:, None]).sum(-1)  # (B, T)
        return local.mean(1)

    def batch_statistics(self, alleles: torch.Tensor, blocks: slice) -> torch.Tensor:
        """Deviations of the batch's allele frequencies and neighbour covariances from the training rows', (T, 2 L)."""
        mean = alleles.mean(0)
        centred = (alleles - mean).flatten(1)
        following = nn.functional.pad(centred[:, 1:], (0, 1))
        covariance = (centred * following).mean(0).view_as(mean)
        # about four standard errors of a batch of 64 become 1
        return torch.cat([mean - self.frequency[blocks], covariance - self.covariance[blocks]], dim=-1) * 4


@dataclass(frozen=True)
class CodeChain:
    """First-order chain of block codes, counted in training rows.

    Attributes
    ----------
    log_chance : Tensor, float32, shape (K, C, C)
        log P(code of block k | code of block k - 1); -inf for codes that a block does not have. Row 0 of block 0 is the
        marginal of the first block.
    log_marginal : Tensor, float32, shape (K, C)
    """

    log_chance: torch.Tensor
    log_marginal: torch.Tensor

    @classmethod
    def count(cls, codes: np.ndarray, n_codes: int) -> "CodeChain":
        """Count `codes` (n_rows, K); smoothing after Witten & Bell 1991, doi:10.1109/18.87000."""
        n_blocks = codes.shape[1]
        marginal = np.stack([np.bincount(column, minlength=n_codes) for column in codes.T]) / len(codes)  # (K, C)
        chance = np.empty((n_blocks, n_codes, n_codes))
        chance[0] = marginal[0]
        for k in range(1, n_blocks):
            counts = np.bincount(codes[:, k - 1] * n_codes + codes[:, k], minlength=n_codes**2).reshape(n_codes, n_codes)
            escape = np.maximum(ESCAPE * (counts > 0).sum(axis=1, keepdims=True), ESCAPE)
            chance[k] = (counts + escape * marginal[k]) / (counts.sum(axis=1, keepdims=True) + escape)
        with np.errstate(divide="ignore"):
            return cls(torch.from_numpy(np.log(chance)).float(), torch.from_numpy(np.log(marginal)).float())

    def to(self, device: str) -> "CodeChain":
        return CodeChain(self.log_chance.to(device), self.log_marginal.to(device))


def draw_window(
    generator: CodeGenerator, chain: CodeChain, codes: torch.Tensor, population: torch.Tensor, start: int, stop: int
) -> torch.Tensor:
    """Alleles of the blocks [start, stop) of new haplotypes for the critic, (B, T, L), with gradients to `generator`."""
    B, first = len(population), max(0, start - BURN_IN)
    device = codes.device
    noise = torch.randn(B, stop - first + 2 * MARGIN, generator.latent, device=device)
    whole = torch.randn(B, generator.latent, device=device)
    u = generator(noise, whole, population, first)  # (B, T', C)
    gumbel = -torch.empty_like(u).exponential_().log()
    with torch.no_grad():
        priors, free = [], u + gumbel
        prior = chain.log_marginal[first].expand(B, -1)
        for k in range(first, stop):
            priors.append(prior)
            code = (free[:, k - first] + prior).argmax(-1)
            if k + 1 < stop:
                prior = chain.log_chance[k + 1][code]
        priors = torch.stack(priors[start - first :], dim=1)
    logits = (u + gumbel)[:, start - first :] + priors
    soft = logits.softmax(-1)
    hard = nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    # the value is the drawn code, the gradient that of the softmax
    return torch.einsum("btc,tcl->btl", hard + soft - soft.detach(), codes[start:stop])


MATCH_SITES = 96  # sites on which two rows must agree before one may go on as the other
BLOCKS_A_CROSSOVER = 16  # mean length of a piece in augmented rows
COMMON = 0.05  # minor-allele frequency of the sites whose linkage is scored
SCORED_ROWS = 128  # synthetic haplotypes an evaluation
SCORED_WINDOWS = 6  # most windows an evaluation
LINKAGE_REACH = 64  # common sites between two sites whose linkage is scored
STRETCH = 16  # blocks in which nearest neighbours are sought


class GanTraining:
    """The game between generator and critic, as `genoloom.training.run.Trainable`."""

    def __init__(self, generator: CodeGenerator, chain: CodeChain, codebook: BlockCodebook, data, options: GanOptions, run):
        self.options, self.seed, self.device = options, run.seed, run.device
        self.generator, self.chain = generator.to(self.device), chain.to(self.device)
        self.codes = torch.from_numpy(codebook.alleles).float().to(self.device)  # (K, C, L)
        fitted, watched = np.flatnonzero(~data.watch), np.flatnonzero(data.watch)
        self.rows, self.population = codebook.encode(data.haplotypes, fitted), data.population[fitted]
        self.watch_rows, self.watch_population = codebook.encode(data.haplotypes, watched), data.population[watched]
        self.frequency, covariance = self._statistics(codebook)
        n_populations = len(data.population_names)
        self.critic = Critic(self.frequency, covariance, n_populations, options.width).to(self.device)
        self.average = exponential_average(generator, 0.995)
        rate = options.learning_rate
        self.generator_optimiser = torch.optim.Adam(generator.parameters(), lr=rate, betas=(0.0, 0.9))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), lr=2 * rate, betas=(0.0, 0.9))
        self.window = min(options.context, codebook.n_blocks)

    def _statistics(self, codebook: BlockCodebook) -> tuple[np.ndarray, np.ndarray]:
        """Allele frequencies and covariances with the next site of the training rows, float64 (K, L) each."""
        K, _, L = codebook.alleles.shape
        frequency, covariance = np.empty((K, L)), np.zeros((K, L))
        for k in range(K):
            alleles = codebook.alleles[k, self.rows[:, k]].astype(np.float64)
            following = codebook.alleles[k + 1, self.rows[:, k + 1], :1] if k + 1 < K else np.zeros((len(alleles), 1))
            following = np.concatenate([alleles[:, 1:], following], axis=1)
            frequency[k] = alleles.mean(0)
            covariance[k] = (alleles * following).mean(0) - alleles.mean(0) * following.mean(0)
        return frequency, covariance

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        rng = np.random.default_rng([self.seed, step])
        rate = self.options.learning_rate * min(1.0, 2 * (1 - fraction))
        self.generator_optimiser.param_groups[0]["lr"], self.critic_optimiser.param_groups[0]["lr"] = rate, 2 * rate
        losses = [self._critic_step(rng) for _ in range(self.options.critic_steps)]
        return {"critic": float(np.mean(losses)), "generator": self._generator_step(rng)}

    def _window(self, rng: np.random.Generator) -> tuple[int, int]:
        # starts beyond the ends are moved inside: else the blocks there would hardly ever be seen
        start = int(np.clip(rng.integers(1 - self.window, len(self.codes)), 0, len(self.codes) - self.window))
        return start, start + self.window

    def _real(self, rng: np.random.Generator, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Alleles (B, T, L) and populations (B,) of training rows, crossed over where they cannot be told apart."""
        rows = rng.integers(0, len(self.rows), size=self.options.batch)
        source = crossovers(self.rows, self.population, rows, start, stop, -(-MATCH_SITES // self.codes.shape[2]), rng)
        codes = torch.from_numpy(self.rows[source, np.arange(start, stop)]).to(self.device)  # (B, T)
        alleles = self.codes[torch.arange(start, stop, device=self.device), codes]
        return alleles, torch.from_numpy(self.population[rows]).to(self.device)

    def _critic_step(self, rng: np.random.Generator) -> float:
        start, stop = self._window(rng)
        real, population = self._real(rng, start, stop)
        with torch.no_grad():
            fake = draw_window(self.generator, self.chain, self.codes, population, start, stop)
        gap = (self.critic(fake, population, start) - self.critic(real, population, start)).mean()
        loss = gap + self.options.gradient_penalty * self._gradient_penalty(real, fake, population, start)
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.critic_optimiser.step()
        return float(gap.detach())

    def _gradient_penalty(self, real, fake, population, start: int) -> torch.Tensor:
        between = real.lerp(fake, torch.rand(len(real), 1, 1, device=real.device)).requires_grad_()
        score = self.critic(between, population, start).sum()
        (gradient,) = torch.autograd.grad(score, between, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1).square().mean()

    def _generator_step(self, rng: np.random.Generator) -> float:
        start, stop = self._window(rng)
        rows = rng.integers(0, len(self.rows), size=self.options.batch)
        population = torch.from_numpy(self.population[rows]).to(self.device)
        fake = draw_window(self.generator, self.chain, self.codes, population, start, stop)
        self.critic.requires_grad_(False)
        loss = -self.critic(fake, population, start).mean()
        self.critic.requires_grad_(True)
        self.generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        self.generator_optimiser.step()
        self.average.update_parameters(self.generator)
        return loss.item()

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Distance of synthetic haplotypes to the people set aside; the mean over windows of `compare`."""
        rng = np.random.default_rng(derive_seed(self.seed, "evaluation"))  # the same draws every time
        torch.manual_seed(derive_seed(self.seed, "evaluation"))
        last = len(self.codes) - self.window
        starts = np.unique(np.linspace(0, last, min(SCORED_WINDOWS, 1 + -(-last // self.window))).astype(int))
        n = min(SCORED_ROWS, len(self.rows))
        rows = rng.permutation(len(self.rows))[:n]
        labels = torch.from_numpy(self.population[rows]).to(self.device)
        codes = self.codes.cpu().numpy()
        figures = []
        for start in starts:
            blocks = np.arange(start, start + self.window)
            synthetic = draw_window(self.average.module, self.chain, self.codes, labels, start, start + self.window)
            training, real = codes[blocks, self.rows[rows][:, blocks]], codes[blocks, self.watch_rows[:, blocks]]
            figures.append(compare(synthetic.round().cpu().numpy(), training, real, self.frequency[blocks]))
        mean = {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
        return {"score": sum(mean.values()) / len(mean), **mean}

    def state_dict(self) -> dict:
        parts = ("generator", "critic", "average", "generator_optimiser", "critic_optimiser")
        return {part: getattr(self, part).state_dict() for part in parts}

    def load_state_dict(self, state: dict) -> None:
        for part, value in state.items():
            getattr(self, part).load_state_dict(value)

    def snapshot(self) -> dict:
        """A copy of the averaged generator."""
        return {name: value.detach().cpu().clone() for name, value in self.average.module.state_dict().items()}

    def restore(self, snapshot: dict) -> None:
        self.generator.load_state_dict(snapshot)
        self.average.module.load_state_dict(snapshot)


def crossovers(codes, population, rows, start: int, stop: int, match: int, rng: np.random.Generator) -> np.ndarray:
    """Which row each block comes from when rows cross over to others that they cannot be told from; int64 (n, stop - start).

    At random blocks, every row goes on as a random row of its population with the same codes in the `match` blocks before.
    """
    source = np.repeat(rows[:, None], stop - start, axis=1)
    if stop - start <= match:
        return source
    multipliers = rng.integers(1, 2**63, size=match, dtype=np.uint64)
    for place in np.sort(rng.integers(start + match, stop, size=-(-(stop - start) // BLOCKS_A_CROSSOVER))):
        key = (codes[:, place - match : place].astype(np.uint64) + np.uint64(1)) @ multipliers ^ population.astype(np.uint64)
        order = np.argsort(key, kind="stable")
        own = key[source[:, place - start]]
        left, right = (np.searchsorted(key[order], own, side=side) for side in ("left", "right"))
        source[:, place - start :] = order[rng.integers(left, right)][:, None]
    return source


def compare(synthetic: np.ndarray, training: np.ndarray, real: np.ndarray, frequency: np.ndarray) -> dict[str, float]:
    """How far synthetic haplotypes are from real ones, in units of what as many training haplotypes score: 1 is perfect.

    Parameters
    ----------
    synthetic, training : ndarray, float32, shape (n, T, L), values 0 and 1
    real : ndarray, float32, shape (n_real, T, L)
        Of people set aside.
    frequency : ndarray, float64, shape (T, L)
        Training frequencies; they say which sites are common enough for linkage.

    Returns
    -------
    dict
        "frequency", mean square difference of allele frequencies; "linkage", the same for the correlations of common sites at
        most `LINKAGE_REACH` common sites apart; "nearest", mean distance of the real haplotypes to the nearest
        other haplotype; "spread", exp |log| of the distance of the haplotypes to the nearest of their own kind; the last two in
        stretches of `STRETCH` blocks.
    """
    common = np.minimum(frequency, 1 - frequency).ravel() >= COMMON
    flat = [x.reshape(len(x), -1) for x in (synthetic, training, real)]
    means, linkage = [x.mean(0) for x in flat], [_neighbour_correlations(x[:, common]) for x in flat]
    spread = _ratio(_nearest_distance(synthetic), _nearest_distance(training))
    return {
        "frequency": _ratio(np.square(means[0] - means[2]).mean(), np.square(means[1] - means[2]).mean()),
        "linkage": _ratio(np.square(linkage[0] - linkage[2]).sum(), np.square(linkage[1] - linkage[2]).sum()),
        "nearest": _ratio(_nearest_distance(real, synthetic), _nearest_distance(real, training)),
        "spread": max(spread, 1 / spread),
    }


def _ratio(value: float, floor: float) -> float:
    """`value / floor`, finite also where nothing differs."""
    return float((value + 1e-9) / (floor + 1e-9))


def _neighbour_correlations(alleles: np.ndarray) -> np.ndarray:
    """Correlations of sites up to `LINKAGE_REACH` apart, 0 where one does not vary; 1-d."""
    centred = alleles - alleles.mean(0)
    scale = np.sqrt(np.square(centred).sum(0))
    unit = centred / np.where(scale > 0, scale, 1)
    lags = range(1, min(LINKAGE_REACH, unit.shape[1] - 1) + 1)
    return np.concatenate([np.empty(0), *((unit[:, :-lag] * unit[:, lag:]).sum(0) for lag in lags)])


def _nearest_distance(rows: np.ndarray, others: np.ndarray | None = None) -> float:
    """Mean Hamming distance of `rows` to the nearest of `others` (to the nearest other row by default) in stretches."""
    total = 0.0
    for start in range(0, rows.shape[1], STRETCH):
        a = rows[:, start : start + STRETCH].reshape(len(rows), -1)
        b = a if others is None else others[:, start : start + STRETCH].reshape(len(others), -1)
        distance = a.sum(1)[:, None] + b.sum(1)[None] - 2 * a @ b.T
        if others is None:
            np.fill_diagonal(distance, np.inf)
        total += distance.min(1).mean()
    return float(total)
