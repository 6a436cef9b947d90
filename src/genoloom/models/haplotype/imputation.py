"""Filling in what is missing of a haplotype: draws of the rest given the part that is known, and
its probability.

A particle filter (Gordon et al. 1993, doi:10.1049/ip-f-2.1993.0015; fully adapted, Pitt & Shephard
1999, doi:10.1080/01621459.1999.10474153). Every haplotype is followed by several particles. Each
block of a particle is drawn from the model given its past *and* the known alleles of the block,
which the block's small copying model allows exactly, and the particle's weight takes up how
probable these alleles were. Where few particles carry the weight they are drawn anew, so that known
alleles act backwards as well as forwards. Means over particles are taken `LAG` blocks later than
the block they are of: known alleles further on no longer matter, and earlier blocks have lost their
variety.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch

from genoloom.models.haplotype.blocks import BlockTokenizer, read_blocks
from genoloom.models.haplotype.particles import BLOCK_DRAWS, Imputation, Particles, invert
from genoloom.models.haplotype.transformer_network import SEGMENT, HaplotypeTransformer, windows
from genoloom.models.haplotype.transformer_sampling import SAMPLE_ROWS
from genoloom.models.layers import KeyValueCache
from genoloom.panel import HaplotypeSource
from genoloom.seeds import row_uniforms
from genoloom.training_config import TransformerOptions


class HaplotypeImputer:
    """Completes haplotypes, as many at a time as fit `SAMPLE_ROWS` particles."""

    def __init__(
        self,
        model: HaplotypeTransformer,
        tokenizer: BlockTokenizer,
        options: TransformerOptions,
        particles: int,
    ):
        if SAMPLE_ROWS % particles:
            raise ValueError(f"{particles} particles do not divide {SAMPLE_ROWS}")
        self.model = model
        self.tokenizer = tokenizer
        self.options = options
        self.particles = particles
        self.at_once = SAMPLE_ROWS // particles
        head = options.width // options.heads
        self.cache = KeyValueCache(
            options.layers, SAMPLE_ROWS, options.heads, options.context, head
        )
        with torch.no_grad():
            self.error = model.mutation_logit(slice(None)).double().sigmoid().numpy()  # (K, L)
            self.crossover = model.crossover_chance().double().numpy()  # (K, S - 1)
            recombination_prior = model.recombination_prior.masked_fill(
                model.padding_mask, -math.inf
            )
            self.recombination_prior = recombination_prior.double().softmax(-1).numpy()  # (K, C)

    def impute(
        self, haplotypes: HaplotypeSource, population: np.ndarray, seed: np.ndarray
    ) -> Iterator[Imputation]:
        """Yield the haplotypes of a source in order, `at_once` at a time.

        Parameters
        ----------
        haplotypes : HaplotypeSource
            -1 at what is to be filled in.
        population : ndarray, int64, shape (n_haplotypes,)
            Labels of the network.
        seed : ndarray, uint64, shape (n_haplotypes,)
        """
        for low in range(0, haplotypes.n_haplotypes, self.at_once):
            high = min(low + self.at_once, haplotypes.n_haplotypes)
            # filled up: see WindowSampler
            rows = np.minimum(np.arange(low, low + self.at_once), haplotypes.n_haplotypes - 1)
            done = self._chunk(haplotypes, rows, population[rows], seed[rows])
            kept = slice(0, high - low)
            yield Imputation(done.alleles[kept], done.mean[kept], done.log_likelihood[kept])

    @torch.no_grad()
    def _chunk(
        self,
        haplotypes: HaplotypeSource,
        rows: np.ndarray,
        population: np.ndarray,
        seed: np.ndarray,
    ) -> Imputation:
        R, P, (K, _, L) = len(rows), self.particles, self.tokenizer.alleles.shape
        paths = np.zeros((R, P, K, L), dtype=np.int8)
        particles = Particles(paths, seed, L)
        labels = torch.from_numpy(np.repeat(population, P))
        for start, first, stop in windows(K, self.options.context):
            known = read_blocks(haplotypes, L, first, stop, rows)  # (R, stop - first, L)
            inputs = self._begin(paths, labels, start, first)
            for k in range(first, stop):
                hidden = self.model(inputs, labels, k, k - start, self.cache)
                pi = (
                    self.model.token_logits(hidden, k)[:, 0]
                    .double()
                    .softmax(-1)
                    .numpy()
                    .reshape(R, P, -1)
                )
                drawn, log_chance = self._draw(k, pi, known[:, k - first], seed)
                chosen = particles.add(k, drawn, log_chance)
                if chosen is not None:
                    self._reorder(chosen)
                block_alleles = torch.from_numpy(paths[:, :, k].reshape(R * P, 1, L))
                inputs = self.model.embed(block_alleles, self.model.token_ids(block_alleles, k), k)
        return particles.imputed(self.tokenizer.n_variants)

    def _begin(
        self, paths: np.ndarray, labels: torch.Tensor, start: int, first: int
    ) -> torch.Tensor:
        """Read the blocks [start, first) into the cache; returns what the network sees before block
        `first`.
        """
        self.cache.clear()
        inputs = self.model.bos.expand(SAMPLE_ROWS, 1, -1)
        if first > start:
            past = torch.from_numpy(
                np.ascontiguousarray(paths[:, :, start:first]).reshape(
                    SAMPLE_ROWS, first - start, -1
                )
            )
            inputs = torch.cat(
                [inputs, self.model.embed(past, self.model.token_ids(past, start), start)], dim=1
            )
            self.model(inputs[:, :-1], labels, start, 0, self.cache)
            inputs = inputs[:, -1:]
        return inputs

    def _draw(
        self, k: int, pi: np.ndarray, known: np.ndarray, seed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Block `k` of every particle given its known alleles, int8 (R, P, L), and the log
        probability of those, (R, P).

        Forward filtering and backward sampling over the segments of the block (Chib 1996,
        doi:10.1016/0304-4076(95)01770-4).
        """
        R, P, C = pi.shape
        S, L = self.model.segments, known.shape[1]
        # (R, S, C)
        emitted = self.model.emissions(torch.from_numpy(known[:, None]), k)[:, 0].double().numpy()
        recombination_prior, crossover = self.recombination_prior[k], self.crossover[k]
        forward = np.empty((S, R, P, C))
        log_chance = np.zeros((R, P))
        state = pi
        for s in range(S):
            if s > 0:
                state = state + crossover[s - 1] * (recombination_prior - state)
            state = state * emitted[:, None, s]
            scale = state.sum(axis=2)
            log_chance += np.log(scale)
            state = forward[s] = state / scale[..., None]
        draws = row_uniforms(seed, BLOCK_DRAWS + k * P * 2 * S + np.arange(P * 2 * S)).reshape(
            R, P, 2, S
        )
        tokens = np.empty((S, R, P), dtype=np.int64)
        tokens[-1] = _pick(forward[-1], draws[:, :, 0, -1])
        for s in range(S - 1, 0, -1):
            stay = (1 - crossover[s - 1]) * np.take_along_axis(
                forward[s - 1], tokens[s][..., None], axis=2
            )[..., 0]
            jump = crossover[s - 1] * recombination_prior[tokens[s]]
            crossed = draws[:, :, 1, s] * (stay + jump) >= stay
            tokens[s - 1] = np.where(
                crossed, _pick(forward[s - 1], draws[:, :, 0, s - 1]), tokens[s]
            )
        sites = np.arange(L)
        # (R, P, L)
        alleles = self.tokenizer.alleles[k][tokens[sites // SEGMENT].transpose(1, 2, 0), sites]
        mutations = (
            row_uniforms(seed, k * P * L + np.arange(P * L)).reshape(R, P, L) < self.error[k]
        )
        filled = np.where(known[:, None] >= 0, known[:, None], alleles ^ mutations).astype(np.int8)
        return np.where(self.model.exists[k].numpy(), filled, np.int8(-1)), log_chance

    def _reorder(self, order: np.ndarray) -> None:
        """Let row i of the cache go on as row `order[i]`."""
        index, used = torch.from_numpy(order), slice(0, self.cache.length)
        for table in (self.cache.keys, self.cache.values):
            table[:, :, :, used] = table[:, :, :, used].index_select(1, index)


def _pick(chance: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Index drawn by `chance` (R, P, C), which need not sum to one, with `uniform` (R, P)."""
    R, P, C = chance.shape
    return invert(chance.reshape(-1, C).cumsum(axis=1), uniform.ravel()).reshape(R, P)
