"""Sampling from the haplotype transformer, window by window, with a cache of keys and values."""

import math

import numpy as np
import torch

from genoloom.models.finite import refuse_non_finite
from genoloom.models.haplotype.anchoring import Scale
from genoloom.models.haplotype.base import SampleRequest
from genoloom.models.haplotype.particles import invert
from genoloom.models.haplotype.transformer_network import SEGMENT, HaplotypeTransformer
from genoloom.models.layers import KeyValueCache
from genoloom.seeds import row_uniforms
from genoloom.training_config import TransformerOptions

SAMPLE_ROWS = 128  # haplotypes sampled together, always exactly this many
BLOCK_DRAWS = 2**40  # first counter of the draws of blocks; the mutations of the sites count from 0


class WindowSampler:
    """Samples windows, `SAMPLE_ROWS` haplotypes at a time.

    Short chunks are filled up, so matrix products have one shape and a haplotype does not depend on
    its company. The log-chances of the tokens are divided by `temperature`: below 1, likely tokens
    become likelier; then `scale` changes the chances.
    """

    def __init__(
        self, model: HaplotypeTransformer, options: TransformerOptions, temperature: float = 1.0,
        scale: Scale | None = None, rows: int = SAMPLE_ROWS,
    ):  # fmt: skip
        self.model, self.block, self.temperature = model, options.block_size, temperature
        self.scale, self.rows = scale, rows
        head = options.width // options.heads
        self.cache = KeyValueCache(options.layers, rows, options.heads, options.context, head)
        with torch.no_grad():
            self.error = model.mutation_logit(slice(None)).double().sigmoid().numpy()  # (K, L)
            self.crossover = model.crossover_chance().double().numpy()  # (K, S - 1)
            recombination_prior = model.recombination_prior.masked_fill(
                model.padding_mask, -math.inf
            )
            self.recombination_prior = (
                recombination_prior.double().softmax(-1).cumsum(-1).numpy()
            )  # (K, C)
            # (K, C, L), (K, L)
            self.token_alleles = model.token_alleles.to(torch.int8).numpy()
            self.exists = model.exists.numpy()

    @torch.no_grad()
    def sample(
        self, past: np.ndarray, request: SampleRequest, span: tuple[int, int, int]
    ) -> np.ndarray:
        """Blocks [first, stop) of every haplotype, int8 (n, stop - first, L), after the blocks
        `past` [start, first).
        """
        n = len(past)
        fresh = np.empty((n, span[2] - span[1], self.block), dtype=np.int8)
        for at in range(0, n, self.rows):
            rows = np.minimum(np.arange(at, at + self.rows), n - 1)
            fresh[at : at + self.rows] = self._chunk(
                past[rows], request.population[rows], request.seed[rows], span
            )[: n - at]
        return fresh

    def _chunk(
        self, past: np.ndarray, population: np.ndarray, seed: np.ndarray, span: tuple[int, int, int]
    ) -> np.ndarray:
        model, (start, first, stop) = self.model, span
        labels, n = torch.from_numpy(population), self.rows
        self.cache.clear()
        inputs = model.bos.expand(n, 1, -1)
        if first > start:
            known = torch.from_numpy(past)
            inputs = torch.cat(
                [inputs, model.embed(known, model.token_ids(known, start), start)], dim=1
            )
            model(inputs[:, :-1], labels, start, 0, self.cache)
            inputs = inputs[:, -1:]
        mutations = row_uniforms(seed, np.arange(first * self.block, stop * self.block)).reshape(
            n, -1, self.block
        )
        n_draws = 2 * model.segments  # of a token and a crossover, for every segment
        draws = row_uniforms(seed, BLOCK_DRAWS + np.arange(first * n_draws, stop * n_draws))
        draws = draws.reshape(n, -1, model.segments, 2)
        blocks = []
        for k in range(first, stop):
            hidden = model(inputs, labels, k, k - start, self.cache)
            logits = model.token_logits(hidden, k)[:, 0].double() / self.temperature
            pi = logits.softmax(-1).numpy()  # (B, C)
            refuse_non_finite(pi)
            if self.scale is not None:
                pi = self.scale(k, pi, population)
            block = self._draw(k, pi.cumsum(-1), draws[:, k - first], mutations[:, k - first])
            blocks.append(block)
            block_alleles = torch.from_numpy(block[:, None])
            inputs = model.embed(block_alleles, model.token_ids(block_alleles, k), k)
        return np.stack(blocks, axis=1)

    def _draw(self, k: int, pi: np.ndarray, draws: np.ndarray, mutations: np.ndarray) -> np.ndarray:
        """Alleles of block `k`, int8 (B, L), from cumulated pi (B, C) and uniforms (B, S, 2), (B,
        L).
        """
        tokens = np.empty(draws.shape[:2], dtype=np.int64)  # (B, S)
        tokens[:, 0] = invert(pi, draws[:, 0, 0])
        for s in range(1, tokens.shape[1]):
            tokens[:, s] = tokens[:, s - 1]
            crossed = np.flatnonzero(draws[:, s, 1] < self.crossover[k, s - 1])
            tokens[crossed, s] = invert(self.recombination_prior[k], draws[crossed, s, 0])
        sites = np.arange(self.block)
        alleles = self.token_alleles[k][tokens[:, sites // SEGMENT], sites]
        return np.where(self.exists[k], alleles ^ (mutations < self.error[k]), np.int8(-1))
