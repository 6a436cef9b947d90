"""The network of the haplotype transformer: probabilities of blocks given the blocks before them.

Letters in shapes: B haplotypes, T blocks, L sites per block, C tokens, S segments per block, W
width.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.layers import KeyValueCache, TransformerLayer, rotary_table
from genoloom.training_config import TransformerOptions

SEGMENT = 2  # sites between possible crossovers inside a block
CROSSOVER_LOGIT = -6.0  # where the log-odds of a crossover at a segment boundary begin
SCORED_ROWS = 64  # rows scored together
PRIOR_RATE = (
    5.0  # learning rate of mutations, crossovers and token frequencies, in that of the weights
)


class HaplotypeTransformer(nn.Module):
    """The network: log-probabilities of blocks given the blocks before them."""

    def __init__(
        self,
        tokenizer: BlockTokenizer,
        site_mapping: np.ndarray,
        n_populations: int,
        options: TransformerOptions,
    ):
        """`site_mapping` (int64, rising) says which sites of the blocks are modelled; the others
        are never seen nor sampled.
        """
        super().__init__()
        K, C, L = tokenizer.alleles.shape
        W = options.width
        self.unlabelled = n_populations
        self.segments = -(-L // SEGMENT)
        # (K, C, L)
        self.register_buffer(
            "token_alleles", torch.from_numpy(tokenizer.alleles).float(), persistent=False
        )
        # (K, C)
        self.register_buffer(
            "padding_mask", torch.from_numpy(tokenizer.count == 0), persistent=False
        )
        exists = np.zeros(K * L, dtype=bool)
        exists[site_mapping] = True
        self.register_buffer("exists", torch.from_numpy(exists).view(K, L), persistent=False)
        self.register_buffer(
            "rotary", rotary_table(options.context, W // options.heads), persistent=False
        )

        self.site_in, self.site_out = _table(K, L, W), _table(K, L, W)
        self.token_in, self.token_out = _table(K, C, W), _table(K, C, W)
        self.position_embedding = _table(K, W)
        self.population = _table(n_populations + 1, W)
        self.bos = _table(W)
        self.drop = nn.Dropout(options.dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(W, options.heads, options.dropout) for _ in range(options.layers)
        )
        self.norm = nn.LayerNorm(W)

        frequency = torch.from_numpy(tokenizer.count + 0.5).log().float()
        error = torch.from_numpy((tokenizer.error + 1e-3).clip(max=0.4))
        crossover = torch.full((K, self.segments - 1), CROSSOVER_LOGIT)
        self.token_bias, self.recombination_prior = (
            _prior(frequency),
            _prior(frequency.clone()),
        )  # (K, C) each
        # (K, L), (K, S - 1)
        self.error_logit, self.crossover = _prior(error.logit()), _prior(crossover)

    def token_ids(self, alleles: torch.Tensor, start: int) -> torch.Tensor:
        """Index of the token equal to each block, -1 where there is none; (B, T, L) to (B, T)."""
        blocks = slice(start, start + alleles.shape[1])
        one, called = (alleles == 1).float(), (alleles >= 0).float()
        mismatches = torch.einsum(
            "btl,tcl->btc", called - 2 * one, self.token_alleles[blocks]
        ) + one.sum(-1, keepdim=True)
        least, token = mismatches.masked_fill(self.padding_mask[blocks], math.inf).min(-1)
        complete = ((alleles >= 0) | ~self.exists[blocks]).all(-1)
        return torch.where((least == 0) & complete, token, -1)

    def embed(self, alleles: torch.Tensor, token: torch.Tensor, start: int) -> torch.Tensor:
        """What the network sees of blocks [start, start + T): alleles and, where known, tokens; (B,
        T, W).
        """
        blocks = slice(start, start + alleles.shape[1])
        signed = torch.where(alleles >= 0, 2.0 * alleles - 1, 0.0)
        x = torch.einsum("btl,tlw->btw", signed, self.site_in[blocks])
        positions = torch.arange(alleles.shape[1], device=x.device)
        known = self.token_in[blocks][positions, token.clamp(min=0)]  # (B, T, W)
        return x + known * (token >= 0)[..., None]

    def forward(
        self,
        inputs: torch.Tensor,
        population: torch.Tensor,
        start: int,
        offset: int = 0,
        cache: KeyValueCache | None = None,
    ) -> torch.Tensor:
        """Hidden states that predict the T blocks from `start`, the `offset`-th of their window.

        `inputs` (B, T, W) embeds the block *before* each of them.
        """
        T = inputs.shape[1]
        x = self.drop(
            inputs
            + self.position_embedding[start : start + T]
            + self.population[population][:, None]
        )
        rotary = self.rotary[:, offset : offset + T]
        for i, layer in enumerate(self.layers):
            x = layer(x, rotary, cache, i)
        if cache is not None:
            cache.length += T
        return self.norm(x)

    def token_logits(self, hidden: torch.Tensor, start: int) -> torch.Tensor:
        """Unnormalised log pi of the tokens, -inf for tokens that a block does not have; (B, T, W)
        to (B, T, C).
        """
        blocks = slice(start, start + hidden.shape[1])
        # (T, C, W)
        readout = (
            self.token_out[blocks] + (2 * self.token_alleles[blocks] - 1) @ self.site_out[blocks]
        )
        logits = torch.einsum("btw,tcw->btc", hidden, readout) + self.token_bias[blocks]
        return logits.masked_fill(self.padding_mask[blocks], -math.inf)

    def recombination_logits(self, start: int, T: int) -> torch.Tensor:
        """Unnormalised log q of the tokens after a crossover inside the block, (T, C)."""
        return self.recombination_prior[start : start + T].masked_fill(
            self.padding_mask[start : start + T], -math.inf
        )

    def emissions(self, alleles: torch.Tensor, start: int) -> torch.Tensor:
        """Probability of the alleles of each segment by token; (B, T, L) to (B, T, S, C)."""
        B, T, L = alleles.shape
        S, blocks = self.segments, slice(start, start + T)
        one, called = (alleles == 1).float(), (alleles >= 0).float()
        mutation = self.mutation_logit(blocks)  # log e - log (1 - e)
        # a site adds log (1 - e), and log e - log (1 - e) more where row and token differ: one +
        # (called - 2 one) * token
        common = called * nn.functional.logsigmoid(-mutation) + one * mutation
        differing = (called - 2 * one) * mutation
        fill = (0, S * SEGMENT - L)
        common = nn.functional.pad(common, fill).view(B, T, S, SEGMENT).sum(-1)
        differing = nn.functional.pad(differing, fill).view(B, T, S, SEGMENT)
        tokens = nn.functional.pad(self.token_alleles[blocks], fill).view(T, -1, S, SEGMENT)
        return (common[..., None] + torch.einsum("btsl,tcsl->btsc", differing, tokens)).exp()

    def mutation_logit(self, blocks: slice) -> torch.Tensor:
        """Log-odds of a mutation at each site, (T, L); bounded, so that no segment's probability
        vanishes in float32.
        """
        return self.error_logit[blocks].clamp(-12, 0)

    def crossover_chance(self) -> torch.Tensor:
        """Chance of a crossover before each segment but the first, (K, S - 1); bounded, so that no
        token becomes unreachable.
        """
        return self.crossover.clamp(-12, 12).sigmoid()

    def log_prob(
        self, alleles: torch.Tensor, inputs: torch.Tensor, population: torch.Tensor, start: int
    ) -> torch.Tensor:
        """Natural-log probability of each block of a window given the blocks before it; (B, T).

        Parameters
        ----------
        alleles : int8, shape (B, T, L)
            Blocks [start, start + T); -1 where missing.
        inputs : float, shape (B, T, W)
            Embeddings of the same blocks; the last is not used.
        population : int64, shape (B,)
        start : int
        """
        B, T, _ = alleles.shape
        before = torch.cat([self.bos.expand(B, 1, -1), inputs[:, :-1]], dim=1)
        logits = self.token_logits(self(before, population, start), start)
        # where a token may not be, what it would emit must be 0 as well: its gradient, emitted over
        # the probability of the block, overflows when the token fits and all others are far, and
        # infinity times its chance of 0 is no number
        # (B, T, S, C)
        emitted = self.emissions(alleles, start).masked_fill(
            self.padding_mask[start : start + T][:, None], 0
        )
        crossover = self.crossover_chance()[start : start + T]  # (T, S - 1)
        # (B, T, C), (T, C)
        state = logits.softmax(-1)
        recombination_prior = self.recombination_logits(start, T).softmax(-1)
        total = 0.0
        for s in range(self.segments):  # forward algorithm; the state is scaled to sum to one
            if s > 0:
                state = state.lerp(recombination_prior, crossover[:, s - 1, None])
            state = state * emitted[:, :, s]
            scale = state.sum(-1, keepdim=True)  # (B, T, 1)
            total = total + scale.log().squeeze(-1)
            state = state / scale
        return total


def _table(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape).mul_(0.02))


def _prior(values: torch.Tensor) -> nn.Parameter:
    """A parameter that starts at what was counted, must not decay towards zero and learns
    faster.
    """
    parameter = nn.Parameter(values)
    parameter.rate = PRIOR_RATE
    return parameter


def windows(n_blocks: int, context: int) -> Iterator[tuple[int, int, int]]:
    """(start, first, stop) of the windows of a contig: blocks [first, stop) are predicted from
    start on.
    """
    yield 0, 0, min(context, n_blocks)
    half = context // 2
    for first in range(context, n_blocks, half):
        yield first - half, first, min(first + half, n_blocks)


@torch.no_grad()
def score_window(
    model, alleles: np.ndarray, population: np.ndarray, span: tuple[int, int, int], device="cpu"
) -> np.ndarray:
    """Natural-log probability of each block [first, stop) of each row given the blocks from `start`
    on.

    Parameters
    ----------
    alleles : ndarray, int8, shape (n, stop - start, L)
    population : ndarray, int64, shape (n,)
    span : (start, first, stop)
        As `windows` gives it.

    Returns
    -------
    ndarray, float64, shape (n, stop - first)
    """
    start, first, _ = span
    model.eval()
    scores = []
    for at in range(0, len(alleles), SCORED_ROWS):
        rows = torch.from_numpy(alleles[at : at + SCORED_ROWS]).to(device)
        inputs = model.embed(rows, model.token_ids(rows, start), start)
        log_prob = model.log_prob(
            rows, inputs, torch.from_numpy(population[at : at + SCORED_ROWS]).to(device), start
        )
        scores.append(log_prob[:, first - start :].double().cpu().numpy())
    return np.concatenate(scores) if scores else np.empty((0, span[2] - first))
