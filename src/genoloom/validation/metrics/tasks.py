"""Metrics that are the work itself: association scans, imputation, filters by frequency."""

import numpy as np

from genoloom.popgen.frequencies import BIN_NAMES, filters_alike
from genoloom.validation.data import WHOLE, Data, Part

LEAST_MEAN = 6.0  # spreads: r2 of a bin that is shown
HITS_SPREAD = 2.0  # of fresh individuals over that of halvings; 1.7 in 20 deals of the shipped region


def _pair(d: Data, a: str, b: str) -> int:
    return d.pair_index[a, b]


def association_hits(d: Data, a: str, b: str, part: Part) -> float:
    """Overlap of the clumps that scans of planted traits find in both groups."""
    return d.collected.linkage.association.overlap(_pair(d, a, b))


def widened_hits(d: Data, part: Part) -> list[float]:
    """Overlaps of halvings, spread out from their mean.

    People whose noise makes a hit clear are in one of both halves always, and in only some draws of
    people: `HITS_SPREAD` bounds the ratio of these spreads.
    """
    found = np.array([association_hits(d, *halves, part) for halves in d.groups.halvings])
    return (found.mean() + HITS_SPREAD * (found - found.mean())).tolist()


def association_effects(d: Data, a: str, b: str, part: Part) -> float:
    """Slope of the effects in a on those in b, where b has hits."""
    return d.collected.linkage.association.effect_slope(_pair(d, a, b))


def ldsc_heritability(d: Data, a: str, b: str, part: Part) -> float:
    """Heritability that LD score regression finds in a, by LD scores of b, over what it finds in b."""
    return d.collected.linkage.association.heritability_ratio(_pair(d, a, b))


def imputation_r2(d: Data, a: str, b: str, part: Part) -> float:
    """Dosage r2 of haplotypes of b imputed from a as the reference panel."""
    return d.collected.imputation.r2(_pair(d, a, b), None if part.bin == WHOLE.bin else BIN_NAMES.index(part.bin))


def imputed_parts(d: Data) -> list[Part]:
    """The whole, and the bins in which real panels agree to a sixth.

    In other bins so few of the targets carry the rarer allele that real panels can lose half of r2.
    Nothing where all sites are on the array.
    """
    figures = {name: [d.collected.imputation.r2(_pair(d, *halves), i) for halves in d.groups.halvings] for i, name in enumerate(BIN_NAMES)}
    steady = [name for name, r2 in figures.items() if np.mean(r2) > LEAST_MEAN * np.std(r2)]
    whole = [WHOLE] if any(np.isfinite(r2).any() for r2 in figures.values()) else []
    return whole + [Part(bin=name, ascertained=True) for name in steady]


def frequency_filters(d: Data, a: str, b: str, part: Part) -> float:
    """Share of the decisions of frequency filters that are alike."""
    if part.column:
        sums = d.collected.by_population
        return float(sums.alike[d.pair_index[a, b], part.column - 1] / sums.sites)
    return float(np.mean(filters_alike(d.frequency(a), d.frequency(b))))
