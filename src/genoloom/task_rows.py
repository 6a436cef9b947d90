"""Rows of the tables of `genoloom utility`, `treatment-effects` and `star-alleles`."""

from dataclasses import dataclass
from math import nan


@dataclass(frozen=True)
class TaskRow:
    """One metric of one panel; ratios are to the same metric of the real panel."""

    task: str
    metric: str
    method: str
    population: str
    bin: str
    panel: str
    value: float
    sd: float = nan
    ratio: float = nan
    ratio_sd: float = nan


@dataclass(frozen=True)
class EffectRow:
    """One metric of a learner of treatment effects, the mean over draws of the trial."""

    data: str
    learner: str
    metric: str
    group: str
    value: float
    sd: float = nan
    draws: int = 1


@dataclass(frozen=True)
class StarRow:
    """One metric of the star alleles of a gene."""

    gene: str
    metric: str
    population: str
    data: str
    value: float
