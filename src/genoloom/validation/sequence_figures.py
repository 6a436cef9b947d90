"""One figure of a sequence set next to its reference, and how repeated measurements become one."""

from dataclasses import dataclass

import numpy as np

from genoloom.validation.verdicts import judge


@dataclass(frozen=True)
class Figure:
    """One line of the table, before it is judged."""

    metric: str
    kind: str
    value: float
    reference: float
    null_sd: float
    n: int

    def row(self, label: str, kind: str, value: float) -> dict:
        judgement = judge(self.kind, value, self.reference, self.null_sd)
        return {
            "row": label, "kind": kind, "metric": self.metric, "population": "all", "bin": "all",
            "value": value,
            "reference": self.reference, "null_sd": self.null_sd, "nfr": judgement.nfr,
            "z": judgement.z, "n": self.n,
            "verdict": judgement.verdict,
        }  # fmt: skip


def summarised(
    metric: str, kind: str, values: list[float], references: list[float], n: int
) -> Figure:
    """The mean of some values next to that of the references; the spread is the standard deviation
    of the references.
    """
    reference, spread = float(np.mean(references)), float(np.std(references, ddof=1))
    return Figure(metric, kind, float(np.mean(values)), reference, spread, n)


def compared(metric: str, kind: str, scores: dict[str, np.ndarray]) -> Figure:
    """A mean over synthetic queries next to that over held-out ones; the spread is the standard
    error of the difference.
    """
    mine, reference = scores["synthetic"], scores["holdout"]
    pooled = np.concatenate([mine, reference]).std()
    error = float(pooled * np.sqrt(1 / len(mine) + 1 / len(reference)))
    return Figure(metric, kind, float(mine.mean()), float(reference.mean()), error, len(mine))


def share_error(first: float, second: float, n: int, m: int) -> float:
    """Standard error of the difference of two shares of n and m sequences, pooled."""
    pooled = (first * n + second * m) / (n + m)
    return float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
