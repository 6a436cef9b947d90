"""Metrics of short haplotypes, of shared runs and of copying."""

import numpy as np

from genoloom.popgen.frequencies import spectrum_distance
from genoloom.validation.accumulators_haplotypes import SIZES
from genoloom.validation.data import Data, Part, resampled_halvings


def window_parts(d: Data) -> list[Part]:
    """Windows of 20 sites represent the whole; the other sizes have rows of their own."""
    windows = d.collected.windows.windows
    return [
        Part(bin="all" if size == 20 else f"{size} sites", size=size)
        for size in SIZES
        if windows[size]
    ]


def _window_mean(statistic: str):
    def level(d: Data, g: str, part: Part) -> float:
        return float(d.collected.windows.mean(statistic, part.size)[d.index[g]])

    return level


distinct = _window_mean("distinct_haplotypes")
h1 = _window_mean("haplotype_h1")
h12 = _window_mean("haplotype_h12")
h2_h1 = _window_mean("haplotype_h2_h1")


def difference(d: Data, a: str, b: str, part: Part) -> float:
    """Mean over windows of the total variation distance of the haplotypes' frequencies."""
    windows = d.collected.windows
    return float(windows.distance[part.size][d.pair_index[a, b]] / windows.windows[part.size])


def spectrum(d: Data, a: str, b: str, part: Part) -> float:
    """Total variation distance of how often haplotypes occur: once, 2-3 times, 4-7 times, ..."""
    x, y = (d.collected.windows.spectrum[part.size][:, d.index[g]] for g in (a, b))
    return spectrum_distance(np.concatenate([[0], x]), np.concatenate([[0], y]))


def longest_run(d: Data, a: str, b: str, part: Part) -> float:
    """Mean over haplotypes of a of the longest run shared with any of b, centimorgans."""
    return _longest(d, d.collected.runs.at[a], d.collected.runs.at[b])


def _longest(d: Data, a: np.ndarray, b: np.ndarray) -> float:
    longest = d.once(("longest",), d.collected.runs.runs.longest)
    return float(longest[np.ix_(a, b)].max(axis=1).mean())


def segments(d: Data, a: str, b: str, part: Part) -> float:
    """Mean over pairs of haplotypes of the share of the map in runs of at least `SEGMENT_CM`."""
    return _segments(d, d.collected.runs.at[a], d.collected.runs.at[b])


def _segments(d: Data, a: np.ndarray, b: np.ndarray) -> float:
    shared = d.once(("segments",), d.collected.runs.runs.in_segments)
    return float(shared[np.ix_(a, b)].mean() / max(d.collected.span_cm, 1e-12))


def resampled_runs(d: Data, part: Part) -> list[float]:
    """What chance makes of the longest runs."""
    return resampled_halvings(d, d.collected.runs.at, lambda a, b: _longest(d, a, b))


def resampled_segments(d: Data, part: Part) -> list[float]:
    """What chance makes of the shared segments."""
    return resampled_halvings(d, d.collected.runs.at, lambda a, b: _segments(d, a, b))


def copying_bits(d: Data, a: str, b: str, part: Part) -> float:
    return float(d.once(("copying",), d.collected.copying.model.bits_per_site)[d.pair_index[a, b]])


def impossible(d: Data, g: str, part: Part) -> float:
    """Share of haplotypes that carry two variants of which one excludes the other, and no training
    haplotype has both.
    """
    return float((d.collected.excluded[d.groups.haplotypes(g)] > 0).mean())
