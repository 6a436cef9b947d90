"""The metrics: the identifiers that tables hold, how each is judged, and what the report says.

All of it is a line of metrics.tsv for each. How a metric of haplotypes is measured is a line of
`metric_table`: not here, as the functions need much that nobody needs who reads a table.
"""

from enum import StrEnum
from typing import Self

from genoloom.records import package_table
from genoloom.validation.verdicts import MetricType


class Better(StrEnum):
    """Which way a metric is better; the value is what the report says."""

    HIGHER = "higher is better"
    LOWER = "lower is better"
    REFERENCE = "nearer to the reference is better"
    HALF = "nearer to 0.5 is better"


class _Titled(StrEnum):
    """An identifier with what the report says of it.

    Attributes
    ----------
    metric_type : MetricType or None
        How it is judged; None where the metric itself is not.
    title : str
        What the report calls it.
    better : Better
    unit : str
        Of its value.
    reference : str
        What real data its reference comes from.
    help : str
        What it says, in one line.
    """

    metric_type: MetricType | None
    title: str
    better: Better
    unit: str
    reference: str
    help: str

    def __new__(cls, value: str, metric_type: str, title: str, better: str, *said: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.metric_type = MetricType(metric_type) if metric_type else None
        member.title, member.better = title, Better[better.upper()]
        member.unit, member.reference, member.help = said
        return member


_LINES = package_table("genoloom.validation", "metrics.tsv")
# a metric; the value is what the column `metric` holds
MetricId = _Titled(
    "MetricId",
    [(cells[0].upper(), tuple(cells)) for of, *cells in _LINES if of != "tasks"],
    module=__name__,
)
# a metric of `genoloom utility`, `treatment-effects` or `star-alleles`, as use profiles ask for it:
# the value over that of as many real individuals, whose reference is 1; of star alleles that are
# impossible or lost the value itself, whose reference is 0
TaskId = _Titled(
    "TaskId",
    [(cells[0].upper(), tuple(cells)) for of, *cells in _LINES if of == "tasks"],
    module=__name__,
)
