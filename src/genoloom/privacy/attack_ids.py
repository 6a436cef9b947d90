"""Which rows an audit has: the identifiers that its tables hold and that the release gate asks for.

Names of attacks with a parameter (a window size) come from their classes in `attacks`.
"""

from enum import StrEnum
from typing import Self

from genoloom.validation.metric_ids import Better


class AttackId(StrEnum):
    """A row of the audit with a fixed name; the value is what the column `attack` holds.

    Attributes
    ----------
    needs_phase : bool
        Makes no sense on genotypes whose phase is not known: the row is then `not run`.
    must_pass : bool
        Has a verdict of its own, counts for that of the audit, and must be `pass` for a release.
    """

    needs_phase: bool
    must_pass: bool

    def __new__(cls, value: str, needs_phase: bool = False, must_pass: bool = False) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.needs_phase, member.must_pass = needs_phase, must_pass
        return member

    @property
    def title(self) -> str:
        """What the report calls it."""
        return _TITLES.get(self, title_of(self.value))

    @property
    def better(self) -> Better:
        """Which way a metric is better; it is that of attacks without an identifier as well."""
        return Better.HIGHER if self is AttackId.COMPARABLE else Better.LOWER

    WORST = "worst"
    WORST_POPULATION = "worst of populations", False, True
    UNAVOIDABLE = "unavoidable"
    EXCESS = "excess over the unavoidable"
    STACKED = "stacked"
    SHADOWS = "stacked, with shadow models"
    DENSITY = "density on components"
    DISCRIMINATOR = "discriminator"
    NEAR_COPIES_OF_INDIVIDUALS = "near copies of individuals", False, True
    NEAR_COPIES_OF_HAPLOTYPES = "near copies of haplotypes", True, True
    NEAR_COPIES_OF_RARE_ALLELES = "near copies of rare alleles", False, True
    COPIED_SEGMENTS_OF_INDIVIDUALS = "copied segments of individuals", True, True
    COPIED_SEGMENTS_OF_HAPLOTYPES = "copied segments of haplotypes", True, True
    COMPARABLE = "comparable with real individuals", False, True
    KINSHIP_WITH_SYNTHETIC = "kinship with synthetic individuals", False, True
    LONGEST_SHARED_RUN = "longest shared run", True, True
    PRIVACY_LOSS = "privacy loss (AATS)"
    KINSHIP_REPLAY_CHILDREN = "kinship replay, children", True
    KINSHIP_REPLAY_RELATIVES = "kinship replay, relatives", True
    GENERATOR_LIKELIHOOD = "generator likelihood (needs the model)"
    GAN_CRITIC = "GAN critic (needs the model)"
    ANCHORS = "anchors (needs the model)"
    # of sequences
    MEMBERSHIP_BY_SAMPLES = "membership by nearness to the samples"
    MEMBERSHIP_BY_MODEL = "membership by likelihood (needs the model)"
    MEMBERSHIP_OF_CANARIES = "membership of planted sequences"
    CANARIES_BY_MODEL = "membership of planted sequences by likelihood (needs the model)"
    NEAREST_IDENTITY = "identity with the nearest training sequence"
    NEARER_THAN_HOLDOUT = "nearer to training sequences than the holdout"
    NEAR_COPIES_OF_SEQUENCES = "near copies of sequences"
    EXACT_COPIES_OF_SEQUENCES = "exact copies of sequences"
    LONGEST_SHARED_PIECE = "longest piece shared with a training sequence"


def title_of(attack: str) -> str:
    """A cell of the column `attack` as the report shows it."""
    return (attack[:1].upper() + attack[1:]).replace("individuals", "individuals")


_TITLES = {
    AttackId.WORST: "Worst attack",
    AttackId.WORST_POPULATION: "Worst attack on one population",
    AttackId.UNAVOIDABLE: "Unavoidable leak of a faithful release",
    AttackId.EXCESS: "Excess over the unavoidable leak",
    AttackId.STACKED: "All attacks together",
    AttackId.SHADOWS: "All attacks together, with shadow models",
}


def parse_attack(text: str) -> tuple[str, Better]:
    """Title and direction of a cell of the column `attack`."""
    if text in set(AttackId):
        return AttackId(text).title, AttackId(text).better
    return title_of(text), Better.LOWER


MODEL_ROWS = (  # say nothing of the data alone
    AttackId.GENERATOR_LIKELIHOOD,
    AttackId.GAN_CRITIC,
    AttackId.ANCHORS,
    AttackId.MEMBERSHIP_BY_MODEL,
    AttackId.CANARIES_BY_MODEL,
)
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
MUST_PASS = tuple(attack for attack in AttackId if attack.must_pass)
