"""The generator network of the haplotype GAN, the chain under it, and how haplotypes are drawn from
the two.

Letters in shapes: B rows, K blocks of the contig, T blocks of a window, C tokens, W width, D
dimensions of an embedding, P populations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from genoloom.models.haplotype.gan_prior import Prior
from genoloom.training_config import GanOptions

ESCAPE = 0.5  # weight of the block's own frequencies in the chain, for each distinct successor seen
# the limit is in log units; with 3, sharp draws lost rare tokens
CALIBRATION_ROUNDS, CALIBRATION_LIMIT = 10, 10.0
EMBEDDED_ROWS = 128  # at once
CALIBRATED = 1e-2  # log units from all targets, after which there are no more rounds


class TokenGenerator(nn.Module):
    """Tokens so far, population and embedding to the corrections u of the chain.

    At every block the network knows the embedding of the whole haplotype and what the tokens so far
    have left of it: so the haplotype can come out as its embedding says.
    """

    def __init__(
        self, n_blocks: int, vocabulary_size: int, n_populations: int, options: GanOptions
    ):
        super().__init__()
        W = options.width
        self.prior = Prior(options.latent, n_populations)
        # what each token adds to the embedding of a haplotype
        self.register_buffer("parts", torch.zeros(n_blocks, vocabulary_size, options.latent))
        self.scale = n_blocks**0.5
        self.token_embedding = nn.Parameter(torch.randn(n_blocks, vocabulary_size, W).mul_(0.5))
        self.begin = nn.Parameter(torch.zeros(W))
        self.whole = nn.Linear(2 * options.latent, W)
        self.population = nn.Embedding(n_populations, W)
        # towards tokens that add what is wanted, with weights that all blocks share
        self.pull = nn.Linear(2 * options.latent, options.latent, bias=False)
        nn.init.zeros_(self.pull.weight)
        self.gru = nn.GRU(W, W, batch_first=True)
        self.drop = nn.Dropout(options.dropout)
        self.out = nn.Parameter(torch.randn(n_blocks, vocabulary_size, W).mul_(1e-3))
        self.bias = nn.Parameter(torch.zeros(n_blocks, vocabulary_size))
        self.register_buffer("calibration", torch.zeros(n_blocks, vocabulary_size))

    def parts_of(self, tokens: torch.Tensor, start: int = 0) -> torch.Tensor:
        """What tokens (B, T) of the blocks from `start` on add to the embedding, (B, T, D)."""
        blocks = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        return self.parts[blocks, tokens]

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, D) of whole rows of tokens (B, K)."""
        return torch.cat([self.parts_of(rows).sum(1) for rows in tokens.split(EMBEDDED_ROWS)])

    def draw_embeddings(self, population: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, D) of the prior, with torch's global generator."""
        noise = torch.randn(len(population), self.parts.shape[-1], device=population.device)
        return self.prior(noise, population)

    def forward(
        self,
        before: torch.Tensor | None,
        embedding: torch.Tensor,
        rest: torch.Tensor,
        population: torch.Tensor,
        start: int,
        state: torch.Tensor | None = None,
    ):
        """Corrections u of blocks from `start` on, (B, T, C), and the state after them.

        `before` (B, T) holds the tokens of the blocks before each of them; None for one block with
        nothing before it. `embedding` (B, D), `rest` (B, T, D): what the tokens before each block
        leave of it.
        """
        T = rest.shape[1]
        if before is None:
            x = self.begin.expand(len(rest), 1, -1)
        else:
            x = self.token_embedding[
                torch.arange(start - 1, start + T - 1, device=before.device), before
            ]
        whole = torch.cat([embedding[:, None].expand_as(rest), rest], dim=-1)
        context = self.whole(whole) + self.population(population)[:, None]
        hidden, state = self.gru(self.drop(x) + context, state)
        blocks = slice(start, start + T)
        u = (
            torch.einsum("btw,tcw->btc", self.drop(hidden), self.out[blocks])
            + torch.einsum("btd,tcd->btc", self.pull(whole), self.parts[blocks] * self.scale)
            + self.bias[blocks]
            + self.calibration[blocks]
        )
        return u, state

    def score_window(
        self,
        tokens: torch.Tensor,
        embedding: torch.Tensor,
        rest: torch.Tensor,
        population: torch.Tensor,
        start: int,
    ) -> torch.Tensor:
        """Corrections of a whole window that holds `tokens` (B, T), nothing known before it but
        what is left of the embedding there, `rest` (B, D); (B, T, C).
        """
        parts = self.parts_of(tokens, start)
        rests = rest[:, None] - parts.cumsum(1) + parts
        first, state = self(None, embedding, rests[:, :1], population, start)
        if tokens.shape[1] == 1:
            return first
        following, _ = self(tokens[:, :-1], embedding, rests[:, 1:], population, start + 1, state)
        return torch.cat([first, following], dim=1)


@dataclass(frozen=True)
class TokenChain:
    """First-order chain of block tokens, counted in training rows.

    Attributes
    ----------
    log_chance : Tensor, float32, shape (K, C, C)
        log P(token of block k | token of block k - 1); -inf for tokens that a block does not have.
        Row 0 of block 0 is the marginal of the first block.
    log_marginal : Tensor, float32, shape (K, C)
        log P(token of block k).
    """

    log_chance: torch.Tensor
    log_marginal: torch.Tensor

    @classmethod
    def count(cls, tokens: np.ndarray, vocabulary_size: int) -> "TokenChain":
        """Count `tokens` (n_rows, K); smoothing after Witten & Bell 1991, doi:10.1109/18.87000."""
        n_blocks = tokens.shape[1]
        # (K, C)
        marginal = np.stack(
            [np.bincount(column, minlength=vocabulary_size) for column in tokens.T]
        ) / len(tokens)
        chance = np.empty((n_blocks, vocabulary_size, vocabulary_size))
        chance[0] = marginal[0]
        for k in range(1, n_blocks):
            counts = np.bincount(
                tokens[:, k - 1] * vocabulary_size + tokens[:, k], minlength=vocabulary_size**2
            ).reshape(vocabulary_size, vocabulary_size)
            escape = np.maximum(ESCAPE * (counts > 0).sum(axis=1, keepdims=True), ESCAPE)
            chance[k] = (counts + escape * marginal[k]) / (
                counts.sum(axis=1, keepdims=True) + escape
            )
        with np.errstate(divide="ignore"):
            return cls(
                torch.from_numpy(np.log(chance)).float(), torch.from_numpy(np.log(marginal)).float()
            )

    def window(self, tokens: torch.Tensor, start: int) -> torch.Tensor:
        """log P of every token given the token before, for a window that holds `tokens` (B, T); (B,
        T, C).
        """
        first = self.log_marginal[start].expand(len(tokens), 1, -1)
        following = torch.arange(start + 1, start + tokens.shape[1], device=tokens.device)
        return torch.cat([first, self.log_chance[following, tokens[:, :-1]]], dim=1)

    def to(self, device: str) -> "TokenChain":
        return TokenChain(self.log_chance.to(device), self.log_marginal.to(device))


# block and its log-chances (B, C), up to a constant, to tokens (B,)
Sampler = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass
class Rollout:
    """Haplotypes on their way along the contig: what is left of their embeddings (B, D), the last
    token (B,) and the state of the network.

    Log-chances are divided by `temperature`: below 1, likely tokens become likelier (Ackley, Hinton
    & Sejnowski 1985, doi:10.1016/S0364-0213(85)80012-4).
    """

    embedding: torch.Tensor
    population: torch.Tensor
    temperature: float = 1.0
    rest: torch.Tensor | None = None
    token: torch.Tensor | None = None
    state: torch.Tensor | None = None

    @torch.no_grad()
    def step(
        self, generator: TokenGenerator, chain: TokenChain, start: int, stop: int, sampler: Sampler
    ) -> torch.Tensor:
        """Tokens of the blocks [start, stop), int64 (B, stop - start)."""
        tokens = []
        self.rest = self.embedding if self.rest is None else self.rest
        for k in range(start, stop):
            before = None if self.token is None else self.token[:, None]
            u, self.state = generator(
                before, self.embedding, self.rest[:, None], self.population, k, self.state
            )
            prior = chain.log_marginal[k] if self.token is None else chain.log_chance[k, self.token]
            self.token = sampler(k, (u[:, 0] + prior) / self.temperature)
            self.rest = self.rest - generator.parts[k, self.token]
            tokens.append(self.token)
        return torch.stack(tokens, dim=1)


def draw(_block: int, log_chance: torch.Tensor) -> torch.Tensor:
    """A token by its chance, with torch's global generator."""
    gumbel = -torch.empty_like(log_chance).exponential_().log()
    return (log_chance + gumbel).argmax(-1)


@torch.no_grad()
def calibrate(
    generator: TokenGenerator,
    chain: TokenChain,
    population: torch.Tensor,
    temperature: float,
    stop: int | None = None,
) -> torch.Tensor:
    """Set `generator.calibration` so that token frequencies along the contig become equal to the
    training rows'.

    Haplotypes of the populations `population` (B,) are drawn along the contig at the temperature of
    all that come later; at each block the correction is found by iterative proportional fitting of
    their mean chances, before the tokens are drawn from which the next block goes on. These tokens
    are returned, int64 (B, K); `stop` ends it before that block.
    """
    generator.eval()
    generator.calibration.zero_()

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

    return Rollout(generator.draw_embeddings(population), population, temperature).step(
        generator, chain, 0, stop or len(chain.log_marginal), fit_and_draw
    )
