"""The metrics of sequence fidelity: how each is judged, and a measured value before it is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genoloom.sequences import SequenceSet
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.rows import ALL, MetricRow
from genoloom.validation.verdicts import REAL, MetricType, Role, judge


@dataclass(frozen=True)
class Measured:
    """What synthetic sequences score on a metric, and its reference: what real ones score.

    Attributes
    ----------
    null_sd : float
        Standard deviation of the reference, or standard error of the difference.
    n : int
        Sequences per group.
    bin : str
        A motif, or two of them.
    """

    metric: MetricId
    value: float
    reference: float
    null_sd: float
    n: int
    bin: str = ALL

    def row(self, generator: str, role: Role, value: float) -> MetricRow:
        """The judged row of whoever scores `value`."""
        found = judge(self.metric.metric_type, value, self.reference, self.null_sd)
        return MetricRow(
            generator,
            role,
            self.metric,
            ALL,
            self.bin,
            value,
            self.reference,
            self.null_sd,
            found.nfr,
            found.z,
            self.n,
            found.verdict,
        )


# scores two sets of sequences: synthetic or training ones, and held-out ones
Score = Callable[[SequenceSet, SequenceSet], float]


def summarised(
    metric: MetricId, values: list, references: list, n: int, bin: str = ALL
) -> Measured:
    """The mean of some values next to that of the references; the spread is the standard deviation
    of the references.
    """
    reference, spread = float(np.mean(references)), float(np.std(references, ddof=1))
    return Measured(metric, float(np.mean(values)), reference, spread, n, bin)


def compared(metric: MetricId, scores: dict[str, np.ndarray]) -> Measured:
    """A mean over synthetic queries next to that over held-out ones; the spread is the standard
    error of the difference.
    """
    mine, reference = scores["synthetic"], scores["holdout"]
    pooled = np.concatenate([mine, reference]).std()
    error = float(pooled * np.sqrt(1 / len(mine) + 1 / len(reference)))
    return Measured(metric, float(mine.mean()), float(reference.mean()), error, len(mine))


def shares(
    metric: MetricId, value: float, reference: float, n: int, m: int, bin: str = ALL
) -> Measured:
    """Shares of n synthetic and m held-out sequences; the spread is the standard error of their
    difference, pooled.
    """
    pooled = (value * n + reference * m) / (n + m)
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
    return Measured(metric, value, reference, error, n, bin)


def fidelity_rows(measured: list[Measured], name: str, role: Role) -> list[MetricRow]:
    """The table of a generator, and after it the baseline rows of real sequences: what the
    reference itself scores.
    """
    own = [m.row(name, role, m.value) for m in measured]
    real = [
        m.row(REAL, Role.BASELINE, m.reference)
        for m in measured
        if m.metric.metric_type is not MetricType.BITS
    ]
    return own + real
