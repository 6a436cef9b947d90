"""Which rows an audit has: the identifiers that its tables hold, and what the report says of them.

All of it is a line of attacks.tsv for each.
"""

from enum import StrEnum
from typing import NamedTuple, Self

from genoloom.records import package_table
from genoloom.validation.metric_ids import Better


class Measure(StrEnum):
    """What the value of an attack is; the text is what tables hold."""

    NONE = ""  # was not run
    AUC = "auc"
    DIFFERENCE = "difference"
    RATIO = "ratio"
    ONE_SIDEDNESS = "one-sidedness"
    FREQUENCY_CORRELATION = "frequency correlation"
    MEAN_IDENTITY = "mean identity"
    KS_STATISTIC = "KS statistic"
    SHARE = "share"
    MEAN_BASES = "mean bases"

    @property
    def title(self) -> str:
        """What the report calls it."""
        return "AUC" if self is Measure.AUC else self.value


class _Titled(StrEnum):
    """A row of the audit with what the report says of it.

    Attributes
    ----------
    title : str
        What the report calls it.
    better : Better
        Which way its value is better.
    needs_phase : bool
        Makes no sense on genotypes whose phase is not known: the row is then `not run`.
    must_pass : bool
        Has a verdict of its own, counts for that of the audit, and must be `pass` for a release.
    of_model : bool
        Needs the model file, and says nothing of the data alone.
    help : str
        What it measures, in one line.
    """

    title: str
    better: Better
    needs_phase: bool
    must_pass: bool
    of_model: bool
    help: str

    def __new__(cls, value: str, title: str, better: str, flags: str, help: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.title, member.better, member.help = title, Better[better.upper()], help
        for flag in ("needs_phase", "must_pass", "of_model"):
            setattr(member, flag, flag in flags.split(","))
        return member


# a row of the audit; the value is what the column `attack` holds
AttackId = _Titled(
    "AttackId",
    [
        (name.upper(), tuple(cells))
        for name, *cells in package_table("genoloom.privacy", "attacks.tsv")
    ],
    module=__name__,
)


class Scored(NamedTuple):
    """An attack as it scores individuals.

    Attributes
    ----------
    attack : AttackId
    window : int
        Sites of the windows in which haplotypes are compared; 0: whole haplotypes.
    """

    attack: AttackId
    window: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str` gives; raises ValueError."""
        attack, _, window = text.rpartition("; ")
        return cls(AttackId(attack), int(window))

    def __str__(self) -> str:
        return f"{self.attack}; {self.window}"

    def named(self, name: str) -> str:
        """`name`, with the windows."""
        return f"{name}, windows of {self.window} sites" if self.window else name


MODEL_ROWS = tuple(attack for attack in AttackId if attack.of_model)
MUST_PASS = tuple(attack for attack in AttackId if attack.must_pass)
SPLIT_ROWS = (AttackId.UNAVOIDABLE, AttackId.EXCESS)
WORST_ROWS = (AttackId.WORST, AttackId.WORST_POPULATION)
# of sequences: must be there, and pass, for a release
COPIES_OF_SEQUENCES = (
    AttackId.NEAREST_IDENTITY,
    AttackId.NEARER_THAN_HOLDOUT,
    AttackId.NEAR_COPIES_OF_SEQUENCES,
    AttackId.EXACT_COPIES_OF_SEQUENCES,
    AttackId.LONGEST_SHARED_PIECE,
)
