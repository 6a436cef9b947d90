"""Filling in what is missing of haplotypes with the copying network: the particle filter of
`imputation`, on templates.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from genoloom.models.haplotype.copying_state import CopyingState
from genoloom.models.haplotype.particles import (
    BLOCK_DRAWS,
    LAG,
    LAST_PICK,
    PICKS,
    Imputation,
    invert,
    mean_alleles,
    resample,
)
from genoloom.models.haplotype.templates import SPARE, TemplatePanel, read_bits, unpack_bits
from genoloom.panel import HaplotypeSource, HaplotypeView
from genoloom.seeds import row_uniforms

PARTICLES_AT_ONCE = 1024


def impute_rows(
    panel: TemplatePanel, token_chances: Callable[[CopyingState], np.ndarray],
    haplotypes: HaplotypeSource, population: np.ndarray,
    seed: np.ndarray, particles: int,
) -> Iterator[Imputation]:  # fmt: skip
    """Yield the haplotypes of a source in order, some at a time, with the missing alleles filled
    in.

    Parameters
    ----------
    token_chances : callable
        Chances of the tokens of a state's present block, float64 (n, C).
    haplotypes : HaplotypeSource
        -1 at what is to be filled in.
    population : ndarray, int64, shape (n_haplotypes,)
    seed : ndarray, uint64, shape (n_haplotypes,)
    particles : int
        Of each haplotype.
    """
    at_once = max(1, PARTICLES_AT_ONCE // particles)
    for low in range(0, haplotypes.n_haplotypes, at_once):
        rows = np.arange(low, min(low + at_once, haplotypes.n_haplotypes))
        part = HaplotypeView(haplotypes, haplotypes=rows)
        yield _impute(panel, token_chances, part, population[rows], seed[rows], particles)


def _impute(panel, token_chances, haplotypes, population, seed, P: int) -> Imputation:
    R, K, L = len(seed), panel.n_blocks, panel.block
    state = CopyingState(panel, np.repeat(population, P))
    paths = np.zeros((R, P, K), dtype=np.uint32)
    mean = np.zeros((R, K, L), dtype=np.float32)
    log_weight, evidence = np.full((R, P), -math.log(P)), np.zeros(R)
    everything = np.full(R * P, 2**32 - 1, dtype=np.uint32)
    for k in range(K):
        bits, called = (x[0] for x in read_bits(haplotypes, L, k, k + 1))
        drawn, log_chance = _draw(state, token_chances(state), bits, called, seed, P)
        paths[:, :, k] = drawn
        log_weight += log_chance
        total = np.logaddexp.reduce(log_weight, axis=1)
        evidence += total
        log_weight -= total[:, None]
        state.advance(drawn.ravel(), everything)
        chosen = resample(log_weight, row_uniforms(seed, PICKS + k))
        if chosen is not None:
            paths[:, :, : k + 1] = np.take_along_axis(
                paths[:, :, : k + 1], chosen[:, :, None], axis=1
            )
            state.reorder((np.arange(R)[:, None] * P + chosen).ravel())
        if k >= LAG:
            mean[:, k - LAG] = mean_alleles(unpack_bits(paths[:, :, k - LAG], L), log_weight)
    for k in range(max(0, K - LAG), K):
        mean[:, k] = mean_alleles(unpack_bits(paths[:, :, k], L), log_weight)
    last = invert(np.exp(log_weight).cumsum(axis=1), row_uniforms(seed, LAST_PICK))
    n = panel.haplotypes.n_variants
    alleles = unpack_bits(paths[np.arange(R), last], L).reshape(R, -1)[:, :n]
    return Imputation(alleles, mean.reshape(R, -1)[:, :n], evidence)


def _draw(
    state: CopyingState,
    pi: np.ndarray,
    bits: np.ndarray,
    called: np.ndarray,
    seed: np.ndarray,
    P: int,
):
    """Blocks of the particles given the known alleles, uint32 (R, P), and the natural-log chances
    of these, (R, P).
    """
    R, L, k = len(seed), state.panel.block, state.k
    each = np.repeat(np.arange(R), P)
    joint = pi * state.chances(bits[each], called[each], SPARE)
    log_chance = np.log(joint.sum(axis=1)).reshape(R, P)
    uniforms = row_uniforms(seed, BLOCK_DRAWS + k * P + np.arange(P)).ravel()
    token = state.table.ids[invert(joint.cumsum(axis=1), uniforms)]
    mutations = row_uniforms(seed, k * P * L + np.arange(P * L)).reshape(R * P, L) < state.error(
        SPARE
    )
    mutated = token ^ np.bitwise_or.reduce(
        mutations.astype(np.uint32) << np.arange(L, dtype=np.uint32), axis=1
    )
    known = called[each]
    return (bits[each] & known | mutated & ~known).reshape(R, P), log_chance
