"""Blocks that nobody else has: how many a real row has, and how many mutations draw.

A mutation counts wherever a template differs from its nearest token, for all populations alike,
and a little more, so that no haplotype is impossible. That is right for a likelihood. Drawn so,
mutations make more blocks that nobody has than real rows have, most of all in populations of
little variety, and synthetic haplotypes are then farther from real ones than these from each other.
"""

import numpy as np

from genoloom.models.haplotype.copying_state import error_rates
from genoloom.models.haplotype.templates import BlockTables, TemplatePanel

POOLED = 10.0  # unseen blocks at the rate of all populations together, added to those of each
MOST_FACTOR = 1000.0


def mutation_factors(panel: TemplatePanel, individual: np.ndarray, spare: float) -> np.ndarray:
    """Factors of the chances of mutations in draws of each population, float32 (P,): with them
    rows have as many blocks that no template has as templates have blocks that no other individual
    has. A population without templates has that of the one it is drawn as.

    Parameters
    ----------
    panel : TemplatePanel
    individual : ndarray of int, shape (N,)
        Of each template; at most two of each.
    spare : float
        As of `CopyingState.error`.
    """
    P, L, tables = panel.n_populations, panel.block, BlockTables(panel, 0)
    unseen, drawn = np.zeros((2, P))
    sites = np.uint32(1) << np.arange(L, dtype=np.uint32)
    by = np.argsort(individual, kind="stable")
    two = np.flatnonzero(individual[by[1:]] == individual[by[:-1]])
    first, second = by[two], by[two + 1]
    for k in range(panel.n_blocks):
        table = tables.table(k)
        tables.forget(k)
        others = np.bincount(table.index)[table.index] - 1
        alike = table.index[first] == table.index[second]
        others[first] -= alike
        others[second] -= alike
        unseen += np.bincount(panel.population, others == 0, minlength=P)
        tokens = table.ids[: table.n_tokens]
        new = ~np.isin(tokens[:, None] ^ sites, table.ids)
        chance = np.zeros(len(table.ids))
        # one mutation: two in one block are rare
        chance[: len(tokens)] = new @ error_rates(table.differs, panel.n_templates, spare)
        drawn += np.bincount(panel.population, chance[table.index], minlength=P)
    if not drawn.sum():
        return np.ones(P, dtype=np.float32)
    all_alike = unseen.sum() / drawn.sum()
    factors = (unseen + POOLED * all_alike) / (drawn + POOLED)
    return np.minimum(factors, MOST_FACTOR)[panel.drawn_as].astype(np.float32)
