"""A row of an audit, of haplotypes and of sequences."""

from dataclasses import dataclass
from math import nan

from genoloom.records import columns, shown
from genoloom.validation.verdicts import Role, Verdict


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """How well an attack on a generator does on one group, as it may be shown.

    Attributes
    ----------
    attack : str
        An `AttackId`, or the name of an attack with a parameter.
    population : str
    measure : str
        What `value` is; "" for what was not run.
    low, high : float
        95 % interval of the value.
    reference : float
        What chance reaches, or the limit.
    n : int
        Individuals or sequences per role.
    note : str
        Why it was not run.
    """

    generator: str
    role: Role
    attack: str
    population: str = "all"
    measure: str = ""
    value: float = nan
    low: float = nan
    high: float = nan
    reference: float = nan
    n: int
    verdict: Verdict
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{self.generator}: {self.attack:<42} {self.measure} {shown(self.value)}  "
            f"{self.verdict}"
        )


@dataclass(frozen=True, kw_only=True)
class PrivateAttackRow(AttackRow):
    """The same in the private table, with true positives at 1 % false positives and what chance
    reaches of them.
    """

    tpr_at_1_percent_fpr: float = nan
    tpr_reference: float = nan


PUBLIC_COLUMNS, PRIVATE_COLUMNS = columns(AttackRow), columns(PrivateAttackRow)
