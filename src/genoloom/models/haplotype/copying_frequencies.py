"""Frequencies of tokens that draws of the copying network are anchored to, and the pilot cohort."""

from collections.abc import Callable

import numpy as np

from genoloom.models.haplotype.anchoring import (
    pilot_populations,
    wanted_frequencies,
    weighted_frequencies,
)
from genoloom.models.haplotype.base import SampleRequest
from genoloom.models.haplotype.reweighting import Reweighting
from genoloom.models.haplotype.templates import BlockTables, TemplatePanel


def token_frequencies(
    panel: TemplatePanel,
    names: list[str],
    reweighting: Reweighting | None = None,
    order: np.ndarray | None = None,
) -> Callable[[int], np.ndarray]:
    """Frequencies of the tokens of each block, asked for in turn, float64 (P, C).

    Parameters
    ----------
    panel : TemplatePanel
    names : list of str
        Of its populations.
    reweighting : Reweighting, optional
        Populations that have the frequencies of weighted templates in place of their own.
    order : ndarray of int, shape (N,)
        Which training haplotype each template is, for the weights.
    """
    tables, rows = BlockTables(panel, 0), []
    if reweighting is not None:
        rows = [names.index(name) for name in reweighting.stands_for]

    def wanted(k: int) -> np.ndarray:
        table = tables.table(k)
        tables.forget(k)
        found = wanted_frequencies(
            table.index, panel.population, panel.n_populations, table.n_tokens
        )
        if rows:
            weights = reweighting.weights(reweighting.window(k * panel.block))[:, order]
            found[rows] = weighted_frequencies(table.index, weights, table.n_tokens)
        return found

    return wanted


def pilot_request(panel: TemplatePanel, seed: int) -> SampleRequest:
    """A pilot cohort in the mix of the templates, with those drawn as others."""
    rng = np.random.default_rng(seed)
    further = np.arange(panel.n_populations - len(panel.stands_for), panel.n_populations)
    population = pilot_populations(np.append(panel.population, further), rng)
    return SampleRequest(population, rng.integers(0, 2**63, size=len(population), dtype=np.uint64))
