"""Metrics that are typical analyses: association scans, imputation, filters by frequency."""

from collections.abc import Callable

import numpy as np

from genoloom.popgen.frequencies import BIN_NAMES, filters_alike
from genoloom.validation.data import WHOLE, Data, Part

# A row is shown where the mean of real halvings is at least this many of their spreads: elsewhere
# three spreads could be a departure that fails however wide the spread is.
STEADY_LEVEL, STEADY_SIMILARITY = 4.0, 6.0
HITS_SPREAD = (
    2.0  # of fresh individuals over that of halvings; 1.7 in 20 deals of the shipped region
)


def _halved(d: Data, statistic: Callable, part: Part) -> np.ndarray:
    return np.array([statistic(d, *halves, part) for halves in d.groups.halvings])


def _steady(d: Data, statistic: Callable, part: Part, least: float) -> bool:
    if not d.groups.halvings:  # whoever measured the real individuals knows
        return True
    found = _halved(d, statistic, part)
    return bool(np.isfinite(found).all() and found.mean() > least * found.std(ddof=1))


def association_hits(d: Data, a: str, b: str, part: Part) -> float:
    """Overlap of the clumps that scans of planted traits find in both groups."""
    return d.collected.linkage.association.overlap(d.pair_index[a, b])


def hits_parts(d: Data) -> list[Part]:
    return [WHOLE] if _steady(d, association_hits, WHOLE, HITS_SPREAD * STEADY_SIMILARITY) else []


def widened_hits(d: Data, part: Part) -> list[float]:
    """Overlaps of halvings, spread out from their mean.

    What all real individuals have in common, such as noise that makes a hit clear, does not depend
    on how they are halved; other individuals have other noise. `HITS_SPREAD` bounds how much that
    adds.
    """
    found = _halved(d, association_hits, part)
    return (found.mean() + HITS_SPREAD * (found - found.mean())).tolist()


def association_effects(d: Data, a: str, b: str, part: Part) -> float:
    """Slope of the effects in a on those in b, where b has hits."""
    return d.collected.linkage.association.effect_slope(d.pair_index[a, b])


def effects_parts(d: Data) -> list[Part]:
    return [WHOLE] if _steady(d, association_effects, WHOLE, STEADY_LEVEL) else []


def ldsc_heritability(d: Data, a: str, b: str, part: Part) -> float:
    """Heritability that LD score regression finds in a, over that in b; LD scores of b."""
    return d.collected.linkage.association.heritability_ratio(d.pair_index[a, b])


def heritability_parts(d: Data) -> list[Part]:
    return [WHOLE] if _steady(d, ldsc_heritability, WHOLE, STEADY_LEVEL) else []


def imputation_r2(d: Data, a: str, b: str, part: Part) -> float:
    """Dosage r2 of haplotypes of b imputed from a as the reference panel."""
    which = None if part.bin == WHOLE.bin else BIN_NAMES.index(part.bin)
    return d.collected.imputation.r2(d.pair_index[a, b], which)


def imputed_parts(d: Data) -> list[Part]:
    """The whole and each bin, where steady; nothing where all sites are on the array."""
    parts = [WHOLE, *(Part(bin=name, ascertained=True) for name in BIN_NAMES)]
    return [part for part in parts if _steady(d, imputation_r2, part, STEADY_SIMILARITY)]


def frequency_filters(d: Data, a: str, b: str, part: Part) -> float:
    """Share of the decisions of frequency filters that are alike."""
    if part.column:
        sums = d.collected.by_population
        return float(sums.alike[d.pair_index[a, b], part.column - 1] / sums.sites)
    return float(np.mean(filters_alike(d.frequency(a), d.frequency(b), d.groups.size(b))))
