"""Rows of an audit, of haplotypes and of sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from genoloom.privacy.attack_ids import AttackId, Measure, Scored
from genoloom.records import columns, shown
from genoloom.validation.rows import ALL
from genoloom.validation.verdicts import Role, Verdict

MIN_POPULATION = 20  # individuals per role; of smaller groups nothing is made public


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """How well an attack on a generator does on one group, as it may be shown.

    Attributes
    ----------
    window : int
        Sites of the windows in which haplotypes were compared; 0: no windows.
    population : str
    measure : Measure
        What `value` is.
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
    attack: AttackId
    window: int = 0
    population: str = ALL
    measure: Measure = Measure.NONE
    value: float = nan
    low: float = nan
    high: float = nan
    reference: float = nan
    n: int
    verdict: Verdict
    note: str = ""

    @property
    def name(self) -> str:
        """The attack and its windows."""
        return Scored(self.attack, self.window).named(self.attack)

    def __str__(self) -> str:
        return (
            f"{self.generator}: {self.name:<42} {self.measure} {shown(self.value)}  {self.verdict}"
        )


@dataclass(frozen=True, kw_only=True)
class PrivateAttackRow(AttackRow):
    """The same in the private table, with true positives at 1 % false positives and what chance
    reaches of them.
    """

    tpr_at_1_percent_fpr: float = nan
    tpr_reference: float = nan


@dataclass(frozen=True, kw_only=True)
class ExposureRow:
    """How exposed one real individual is; private.

    Attributes
    ----------
    individual : str
    role : str
        Of the split: `train` or `holdout`.
    flagged : bool
        Far beyond what held-out individuals ever score.
    log_odds : float
        Of membership, by one attacker who weighs all scores.
    holdout_share_as_high : float
        Share of the held-out individuals with such log-odds.
    strongest_attack : AttackId
        By which the individual stands out most, in windows of `window` sites.
    chance_of_its_score : float
        That a held-out individual scores as high.
    squared_distance_to_nearest : int
        In allele dosage, to the nearest synthetic individual.
    """

    individual: str
    role: str
    population: str
    flagged: bool
    log_odds: float
    holdout_share_as_high: float
    strongest_attack: AttackId
    window: int
    chance_of_its_score: float
    squared_distance_to_nearest: int


PUBLIC_COLUMNS, PRIVATE_COLUMNS = columns(AttackRow), columns(PrivateAttackRow)


def public_rows(rows: Sequence[AttackRow]) -> list[AttackRow]:
    """Those of groups that are large enough to be shown."""
    return [row for row in rows if row.n >= MIN_POPULATION]
