"""The worst attack as two parts: the leak that no faithful release can avoid, and what exceeds
it.
"""

from dataclasses import dataclass, replace

from genoloom.disclosure import FEW
from genoloom.privacy.attack_ids import AttackId, Measure
from genoloom.privacy.leak_budget import Leak, unavoidable
from genoloom.privacy.measures import within
from genoloom.privacy.rows import AttackRow, PrivateAttackRow
from genoloom.validation.verdicts import Verdict

COPIES = 2  # sites with fewer copies of the minor allele in training do not count


@dataclass(frozen=True)
class LeakBasis:
    """What the unavoidable leak of one audit follows from.

    Attributes
    ----------
    effective_sites : float
        Of the contigs together; 0 where there are too few individuals to say.
    training : int
        Individuals that the model was trained on.
    compared : int
        Individuals per role: as many are the attacker's reference, and as many synthetic ones are
        used.
    public : bool
        The model was made from public individuals: nothing is unavoidable.
    """

    effective_sites: float
    training: int
    compared: int
    public: bool = False

    @property
    def leak(self) -> Leak | None:
        """None where it is not known."""
        if self.public:
            return Leak(0.0)
        if not self.effective_sites > 0:
            return None
        return unavoidable(self.effective_sites, self.training, self.compared, self.compared)

    def public_facts(self) -> dict:
        """What the report computes from it what would pass, JSON-ready; null of few individuals."""
        shown = self.training > FEW and self.leak is not None
        return {
            "training_individuals": self.training if shown else None,
            "effective_sites": self.effective_sites if shown else None,
        }


def within_chance(worst: AttackRow) -> bool:
    """Whether the worst attack reaches no more than chance does, in one of forty audits."""
    return worst.verdict is not Verdict.NOT_RUN and worst.value <= worst.reference


def split_rows(
    worst: PrivateAttackRow, basis: LeakBasis, max_auc: float, max_excess: float
) -> list[PrivateAttackRow]:
    """The rows `unavoidable` and `excess`; the interval of the excess is that of the worst attack.

    Parameters
    ----------
    worst : PrivateAttackRow
        Of the worst attack.
    max_auc, max_excess : float
        Largest unavoidable AUC, and largest upper bound of the excess, that pass.
    """
    leak = basis.leak
    base = PrivateAttackRow(
        generator=worst.generator,
        role=worst.role,
        attack=AttackId.UNAVOIDABLE,
        n=worst.n,
        verdict=Verdict.NOT_RUN,
    )
    if leak is None:
        return [base, replace(base, attack=AttackId.EXCESS)]
    value, low, high = (auc - leak.auc for auc in (worst.value, worst.low, worst.high))
    if basis.public and within_chance(worst):
        verdict = Verdict.PASS
    elif worst.verdict is Verdict.NOT_RUN or max_excess >= 1 - leak.auc:  # nothing is above that
        verdict = Verdict.NOT_RUN
    else:
        verdict = within(low, high, max_excess)
    return [
        replace(
            base,
            measure=Measure.AUC,
            value=leak.auc,
            reference=0.5,
            verdict=Verdict.PASS if leak.auc <= max_auc else Verdict.FAIL,
        ),
        replace(
            base,
            attack=AttackId.EXCESS,
            measure=Measure.DIFFERENCE,
            value=value,
            low=low,
            high=high,
            reference=0.0,
            verdict=verdict,
        ),
    ]
