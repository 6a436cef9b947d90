"""Filling in what is missing of haplotypes with the copying network: the particle filter of
`imputation`, on templates.
"""

from collections.abc import Callable, Iterator

import numpy as np

from genoloom.models.haplotype.copying_state import CopyingState
from genoloom.models.haplotype.particles import BLOCK_DRAWS, Imputation, Particles, invert
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
    particles = Particles(paths, seed, L, lambda blocks: unpack_bits(blocks, L))
    everything = np.full(R * P, 2**32 - 1, dtype=np.uint32)
    for k in range(K):
        bits, called = (x[0] for x in read_bits(haplotypes, L, k, k + 1))
        drawn, log_chance = _draw(state, token_chances(state), bits, called, seed, P)
        state.advance(drawn.ravel(), everything)
        chosen = particles.add(k, drawn, log_chance)
        if chosen is not None:
            state.reorder(chosen)
    return particles.imputed(panel.haplotypes.n_variants)


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
