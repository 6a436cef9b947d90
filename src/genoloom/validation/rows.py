"""A row of a fidelity table, of haplotypes and of sequences."""

from collections.abc import Iterable
from dataclasses import dataclass

from genoloom.records import columns, shown
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.verdicts import Role, Verdict

ALL = "all"


@dataclass(frozen=True)
class MetricRow:
    """What a generator scores on a metric, next to what real data score.

    Attributes
    ----------
    generator : str
        `real`: real individuals or sequences, judged as if they were synthetic.
    population : str
    bin : str
        A bin of minor allele frequency, a window, a classifier or a motif.
    value, reference, null_sd, nfr, z : float
        See `genoloom.validation.verdicts`; nan where it was not measured.
    n : int
        Individuals or sequences per group.
    """

    generator: str
    role: Role
    metric: MetricId
    population: str
    bin: str
    value: float
    reference: float
    null_sd: float
    nfr: float
    z: float
    n: int
    verdict: Verdict

    @property
    def of_all(self) -> bool:
        """Not of a population, a bin or a motif alone."""
        return self.population == self.bin == ALL

    def __str__(self) -> str:
        return (
            f"{self.generator}: {self.metric:<26} {shown(self.value):>10}  reference "
            f"{shown(self.reference):>10}  {self.verdict}"
        )


COLUMNS = columns(MetricRow)


def own_rows(tables: Iterable[list], generators: Iterable[str]) -> list:
    """The rows of some tables that are of `generators`."""
    return [row for table in tables for row in table if row.generator in generators]
