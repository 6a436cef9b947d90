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
    panel: TemplatePanel, token_chances: Callable[[CopyingState], np.ndarray], recombination: float,
    haplotypes: HaplotypeSource, population: np.ndarray,
    seed: np.ndarray, particles: int,
) -> Iterator[Imputation]:  # fmt: skip
    """Yield the haplotypes of a source in order, some at a time, with the missing alleles filled
    in.

    Parameters
    ----------
    token_chances : callable
        Chances of the tokens of a state's present block, float64 (n, C).
    recombination : float
        Chance that a block is of two tokens.
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
        yield _impute(
            panel, token_chances, recombination, part, population[rows], seed[rows], particles
        )


def _impute(
    panel, token_chances, recombination, haplotypes, population, seed, P: int
) -> Imputation:
    R, K, L = len(seed), panel.n_blocks, panel.block
    state = CopyingState(panel, np.repeat(population, P))
    paths = np.zeros((R, P, K), dtype=np.uint32)
    particles = Particles(paths, seed, L, lambda blocks: unpack_bits(blocks, L))
    everything = np.full(R * P, 2**32 - 1, dtype=np.uint32)
    for k in range(K):
        bits, called = (x[0] for x in read_bits(haplotypes, L, k, k + 1))
        drawn, log_chance = _draw(state, token_chances(state), recombination, bits, called, seed, P)
        state.advance(drawn.ravel(), everything)
        chosen = particles.add(k, drawn, log_chance)
        if chosen is not None:
            state.reorder(chosen)
    return particles.imputed(panel.haplotypes.n_variants)


def _draw(
    state: CopyingState,
    pi: np.ndarray,
    recombination: float,
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
    bits, called = bits[each], called[each]
    found = state.mixed_chances(pi, bits, called, recombination)
    log_chance = np.log(found.sum(axis=1)).reshape(R, P)
    uniforms = row_uniforms(seed, BLOCK_DRAWS + k * 3 * P + np.arange(3 * P)).reshape(R * P, 3).T
    second = invert(found.cumsum(axis=1), uniforms[0])  # site from which on it is of another token
    full = np.uint32(2**L - 1)
    of_first = np.where(second == 0, full, (1 << second) - 1).astype(np.uint32)
    tokens = []
    for mask, uniform in zip((of_first, full & ~of_first), uniforms[1:], strict=True):
        joint = pi * state.chances(bits, called & mask)
        tokens.append(state.table.ids[invert(joint.cumsum(axis=1), uniform)] & mask)
    mutations = row_uniforms(seed, k * P * L + np.arange(P * L)).reshape(R * P, L) < state.error(
        SPARE
    )
    mutated = (tokens[0] | tokens[1]) ^ np.bitwise_or.reduce(
        mutations.astype(np.uint32) << np.arange(L, dtype=np.uint32), axis=1
    )
    return (bits & called | mutated & ~called).reshape(R, P), log_chance
