"""From sums over independent units (individuals, traits) to metrics, ratios and their spreads."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from genoloom.task_rows import TaskRow

REAL, SYNTHETIC, BOTH, MOSAIC = PANELS = ("real", "synthetic", "both", "mosaic")
OTHER = "other population"  # its real haplotypes, for targets of one population
MODEL = "model"  # that imputes by itself, without a panel
ALL = "all"
RESAMPLES = 200


@dataclass(frozen=True)
class Measure:
    """One metric of one panel.

    Attributes
    ----------
    task, metric, method, population, bin, panel : str
        As the table holds them.
    units : ndarray, float64, shape (n_units, n_terms)
        Terms of each unit, which are summed over units; the units are the same for all panels.
    value : callable
        From sums, shape (..., n_terms), to the metric, shape (...).
    """

    task: str
    metric: str
    panel: str
    units: np.ndarray
    value: Callable[[np.ndarray], np.ndarray]
    population: str = ALL
    bin: str = ALL
    method: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is compared with: the same metric of another panel."""
        return self.task, self.metric, self.method, self.population, self.bin


def squared_correlation(sums: np.ndarray) -> np.ndarray:
    """From sums of products xy, xx and yy; 0 where x does not vary, nan where y does not."""
    xy, xx, yy = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(xx == 0, 0.0, np.maximum(xy, 0) ** 2 / (xx * yy))
    return np.where(yy > 0, found, np.nan)


def quotient(sums: np.ndarray) -> np.ndarray:
    """The first sum over the second; nan where that is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] != 0, sums[..., 0] / sums[..., 1], np.nan)


def mean_quotient(sums: np.ndarray) -> np.ndarray:
    """The mean of several quotients, such as recalls of classes: terms are numerators, then as many
    denominators.
    """
    half = sums.shape[-1] // 2
    return np.mean(quotient(np.stack([sums[..., :half], sums[..., half:]], axis=-1)), axis=-1)


def rows(measures: list[Measure], seed: int) -> list[TaskRow]:
    """Rows of the table: each metric, its ratio to that of the real panel, and the spread of both
    over bootstrap resamples of the units, paired between panels. There is no ratio where the real
    value is within two of its standard deviations of 0.
    """
    found = {}
    for m in measures:
        rng = np.random.default_rng([seed, len(m.units)])
        n = len(m.units)
        weight = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)
        found[m.key, m.panel] = float(m.value(m.units.sum(axis=0))), m.value(weight @ m.units)
    table = []
    for m in measures:
        value, resampled = found[m.key, m.panel]
        row = TaskRow(*m.key, m.panel, value, _spread(resampled))
        real, of_real = found.get((m.key, REAL), (np.nan, resampled))
        if real > 2 * np.nan_to_num(_spread(of_real)):
            with np.errstate(divide="ignore", invalid="ignore"):
                row = replace(row, ratio=value / real, ratio_sd=_spread(resampled / of_real))
        table.append(row)
    return table


def _spread(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > RESAMPLES / 2 else np.nan
