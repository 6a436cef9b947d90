"""What real individuals score on every metric, measured once for all generators of a panel.

The random halvings of the real individuals, which a reference follows from, cost most of a
comparison and do not depend on the synthetic individuals.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from genoloom import __version__
from genoloom.panel import Panel, genetic_positions
from genoloom.validation.cohorts import Comparison

REFERENCE_VALUES = "reference_values.json"


class RealScore(BaseModel):
    """One metric of the real individuals; see `Measured`, whose value of "T" is `training`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    metric: str
    population: str
    bin: str
    training: float
    reference: float
    null_sd: float
    departures: list[float]


class ReferenceValues(BaseModel):
    """Every metric of the real individuals, in the order of the table.

    Attributes
    ----------
    key : str
        Of `reference_key`: what the scores follow from.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal[1] = 1
    key: str
    scores: list[RealScore]


def comparison_key(
    individuals: Comparison, panels: Iterable[Panel], options: BaseModel, seed: int, phased: bool
) -> str:
    """SHA-256 of who the compared real individuals are, how they are halved, at which sites and
    how they are measured; haplotypes are not read.
    """
    h = hashlib.sha256(repr([__version__, options.model_dump_json(), seed, phased]).encode())
    first = len(individuals.synthetic)  # the rows of real individuals come after the synthetic ones
    rows = [
        individuals.holdout,
        individuals.train,
        *(half for halves in individuals.halvings for half in halves),
    ]
    for values in (individuals.real_individuals, *(own - first for own in rows)):
        h.update(values.astype(np.int64).tobytes())
    h.update("\t".join(individuals.population[first:]).encode())
    for panel in panels:
        h.update(panel.sites.digest().encode())
        h.update(genetic_positions(panel.sites).astype(float).tobytes())
    return h.hexdigest()


def reference_key(
    individuals: Comparison, panels: Sequence[Panel], options: BaseModel, seed: int, phased: bool
) -> str:
    """SHA-256 of all that the scores of the real individuals follow from: `comparison_key`, and
    their haplotypes at the compared sites.
    """
    h = hashlib.sha256(comparison_key(individuals, panels, options, seed, phased).encode())
    for panel in panels:
        for _, _, alleles in panel.blocks():
            h.update(np.ascontiguousarray(alleles).tobytes())
    return h.hexdigest()
