"""Metrics of linkage between common sites."""

import numpy as np

from genoloom.popgen.frequencies import BIN_NAMES
from genoloom.validation.accumulators_linkage import BINS, EXTENTS, GAPS
from genoloom.validation.data import Data, Part


def r2_correlation(d: Data, a: str, b: str, part: Part) -> float:
    linkage = d.collected.linkage
    sums = linkage.r2 if part.bin == "all" else linkage.r2_of_bin[BIN_NAMES.index(part.bin)]
    return sums.correlation(d.pair_index[a, b])


def r2_parts(d: Data) -> list[Part]:
    return [
        Part(),
        *(
            Part(bin=BIN_NAMES[i], ascertained=True)
            for i in BINS
            if d.collected.linkage.r2_of_bin[i].n > 1
        ),
    ]


def r2_correlation_within(d: Data, a: str, b: str, part: Part) -> float:
    return d.collected.linkage.of_population[part.column - 1].r2.correlation(d.pair_index[a, b])


def r_correlation(d: Data, a: str, b: str, part: Part) -> float:
    return d.collected.linkage.r.correlation(d.pair_index[a, b])


def d_prime_correlation(d: Data, a: str, b: str, part: Part) -> float:
    return d.collected.linkage.d_prime.correlation(d.pair_index[a, b])


def score_slope(d: Data, a: str, b: str, part: Part) -> float:
    """Slope of the LD scores of one group on the scores of the other."""
    return d.collected.linkage.score.slope(d.pair_index[a, b])


def three_point_correlation(d: Data, a: str, b: str, part: Part) -> float:
    return d.collected.linkage.triples[part.size].correlation(d.pair_index[a, b])


def three_point_parts(d: Data) -> list[Part]:
    """The smallest gap represents the whole."""
    used = [gap for gap in GAPS if d.collected.linkage.triples[gap].n > 1]
    return [Part(bin="all" if gap == GAPS[0] else f"gap {gap}", size=gap) for gap in used]


def decay_error(d: Data, a: str, b: str, part: Part) -> float:
    return _decay_error(d, a, b, "bp")


def decay_error_cm(d: Data, a: str, b: str, part: Part) -> float:
    return _decay_error(d, a, b, "cm")


def _decay_error(d: Data, a: str, b: str, unit: str) -> float:
    curves = [d.collected.linkage.decay_curve(d.index[g], unit) for g in (a, b)]
    difference = np.abs(curves[0] - curves[1])
    return float(np.nanmean(difference)) if np.isfinite(difference).any() else float("nan")


def ehh_error(d: Data, a: str, b: str, part: Part) -> float:
    """Mean difference of the extended homozygosity of rarer alleles over the extents."""
    curves = [d.collected.linkage.homozygosity_curve(d.index[g]) for g in (a, b)]
    return float(np.abs(curves[0] - curves[1]).sum() / len(EXTENTS))
