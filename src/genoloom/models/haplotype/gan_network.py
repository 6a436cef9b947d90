"""The generator network of the haplotype GAN, the chain under it, and how haplotypes are drawn from
the two.

Letters in shapes: B rows, K blocks of the contig, T blocks of a window, C codes, W width, Z latent,
P populations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from genoloom.training_config import GanOptions

ESCAPE = 0.5  # weight of the block's own frequencies in the chain, for each distinct successor seen
# the limit is in log units; with 3, sharp draws lost rare codes
CALIBRATION_ROUNDS, CALIBRATION_LIMIT = 10, 10.0
CALIBRATED = 1e-2  # log units from all targets, after which there are no more rounds


class CodeGenerator(nn.Module):
    """Codes so far, population and noise to the corrections u of the chain."""

    def __init__(self, n_blocks: int, n_codes: int, n_populations: int, options: GanOptions):
        super().__init__()
        W = options.width
        self.latent = options.latent
        self.seen = nn.Parameter(torch.randn(n_blocks, n_codes, W) * 0.5)
        self.begin = nn.Parameter(torch.zeros(W))
        self.whole, self.population = nn.Linear(options.latent, W), nn.Embedding(n_populations, W)
        self.gru = nn.GRU(W, W, batch_first=True)
        self.drop = nn.Dropout(options.dropout)
        self.out, self.bias = (
            nn.Parameter(torch.randn(n_blocks, n_codes, W) * 1e-3),
            nn.Parameter(torch.zeros(n_blocks, n_codes)),
        )
        self.register_buffer("calibration", torch.zeros(n_blocks, n_codes))

    def context(self, noise: torch.Tensor, population: torch.Tensor) -> torch.Tensor:
        """What a haplotype carries along: noise (B, Z) and population (B,) to (B, 1, W)."""
        return (self.whole(noise) + self.population(population))[:, None]

    def forward(
        self,
        before: torch.Tensor | None,
        context: torch.Tensor,
        start: int,
        state: torch.Tensor | None = None,
    ):
        """Corrections u of blocks from `start` on, (B, T, C), and the state after them.

        `before` (B, T) holds the codes of the blocks before each of them; None for one block with
        nothing before it.
        """
        T = 1 if before is None else before.shape[1]
        if before is None:
            x = self.begin.expand(len(context), 1, -1)
        else:
            x = self.seen[torch.arange(start - 1, start + T - 1, device=before.device), before]
        hidden, state = self.gru(self.drop(x) + context, state)
        blocks = slice(start, start + T)
        u = (
            torch.einsum("btw,tcw->btc", self.drop(hidden), self.out[blocks])
            + self.bias[blocks]
            + self.calibration[blocks]
        )
        return u, state

    def score_window(self, codes: torch.Tensor, context: torch.Tensor, start: int) -> torch.Tensor:
        """Corrections of a whole window that holds `codes` (B, T), nothing known before it; (B, T,
        C).
        """
        first, state = self(None, context, start)
        if codes.shape[1] == 1:
            return first
        return torch.cat([first, self(codes[:, :-1], context, start + 1, state)[0]], dim=1)


@dataclass(frozen=True)
class CodeChain:
    """First-order chain of block codes, counted in training rows.

    Attributes
    ----------
    log_chance : Tensor, float32, shape (K, C, C)
        log P(code of block k | code of block k - 1); -inf for codes that a block does not have. Row
        0 of block 0 is the marginal of the first block.
    log_marginal : Tensor, float32, shape (K, C)
        log P(code of block k).
    """

    log_chance: torch.Tensor
    log_marginal: torch.Tensor

    @classmethod
    def count(cls, codes: np.ndarray, n_codes: int) -> "CodeChain":
        """Count `codes` (n_rows, K); smoothing after Witten & Bell 1991, doi:10.1109/18.87000."""
        n_blocks = codes.shape[1]
        # (K, C)
        marginal = np.stack([np.bincount(column, minlength=n_codes) for column in codes.T]) / len(
            codes
        )
        chance = np.empty((n_blocks, n_codes, n_codes))
        chance[0] = marginal[0]
        for k in range(1, n_blocks):
            counts = np.bincount(
                codes[:, k - 1] * n_codes + codes[:, k], minlength=n_codes**2
            ).reshape(n_codes, n_codes)
            escape = np.maximum(ESCAPE * (counts > 0).sum(axis=1, keepdims=True), ESCAPE)
            chance[k] = (counts + escape * marginal[k]) / (
                counts.sum(axis=1, keepdims=True) + escape
            )
        with np.errstate(divide="ignore"):
            return cls(
                torch.from_numpy(np.log(chance)).float(), torch.from_numpy(np.log(marginal)).float()
            )

    def window(self, codes: torch.Tensor, start: int) -> torch.Tensor:
        """log P of every code given the code before, for a window that holds `codes` (B, T); (B, T,
        C).
        """
        first = self.log_marginal[start].expand(len(codes), 1, -1)
        following = torch.arange(start + 1, start + codes.shape[1], device=codes.device)
        return torch.cat([first, self.log_chance[following, codes[:, :-1]]], dim=1)

    def to(self, device: str) -> "CodeChain":
        return CodeChain(self.log_chance.to(device), self.log_marginal.to(device))


# block and its log-chances (B, C), up to a constant, to codes (B,)
Choose = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass
class Walk:
    """Haplotypes on their way along the contig: the last code (B,) and the state of the network.

    Log-chances are divided by `temperature`: below 1, likely codes become likelier (Ackley, Hinton
    & Sejnowski 1985, doi:10.1016/S0364-0213(85)80012-4).
    """

    context: torch.Tensor
    temperature: float = 1.0
    code: torch.Tensor | None = None
    state: torch.Tensor | None = None

    @torch.no_grad()
    def go(
        self, generator: CodeGenerator, chain: CodeChain, start: int, stop: int, choose: Choose
    ) -> torch.Tensor:
        """Codes of the blocks [start, stop), int64 (B, stop - start)."""
        codes = []
        for k in range(start, stop):
            before = None if self.code is None else self.code[:, None]
            u, self.state = generator(before, self.context, k, self.state)
            prior = chain.log_marginal[k] if self.code is None else chain.log_chance[k, self.code]
            self.code = choose(k, (u[:, 0] + prior) / self.temperature)
            codes.append(self.code)
        return torch.stack(codes, dim=1)


def draw(_block: int, log_chance: torch.Tensor) -> torch.Tensor:
    """A code by its chance, with torch's global generator."""
    gumbel = -torch.empty_like(log_chance).exponential_().log()
    return (log_chance + gumbel).argmax(-1)


@torch.no_grad()
def calibrate(
    generator: CodeGenerator,
    chain: CodeChain,
    population: torch.Tensor,
    temperature: float,
    stop: int | None = None,
) -> torch.Tensor:
    """Set `generator.calibration` so that code frequencies along the contig become those of the
    training rows.

    Haplotypes of the populations `population` (B,) walk along the contig at the temperature of all
    that come later; at each block the correction is found by iterative proportional fitting of
    their mean chances, before the codes are drawn from which the next block goes on. These codes
    are returned, int64 (B, K); `stop` ends it before that block.
    """
    generator.eval()
    generator.calibration.zero_()
    context = generator.context(
        torch.randn(len(population), generator.latent, device=population.device), population
    )

    def fit_and_draw(k: int, log_chance: torch.Tensor) -> torch.Tensor:
        target = chain.log_marginal[k]
        present = target.isfinite()
        correction = torch.zeros_like(target)
        for _ in range(CALIBRATION_ROUNDS):
            marginal = (log_chance + correction).softmax(-1).mean(0)
            missing = target[present] - marginal[present].clamp(min=1e-12).log()
            if missing.abs().max() < CALIBRATED:
                break
            correction[present] += missing
            correction.clamp_(-CALIBRATION_LIMIT, CALIBRATION_LIMIT)
        # it is added before the temperature divides
        generator.calibration[k] = correction * temperature
        return draw(k, log_chance + correction)

    return Walk(context, temperature).go(
        generator, chain, 0, stop or len(chain.log_marginal), fit_and_draw
    )
