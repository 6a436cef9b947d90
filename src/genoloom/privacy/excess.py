"""The worst attack as two parts: the leak that no faithful release can avoid, and what exceeds
it.
"""

from dataclasses import dataclass

from genoloom.disclosure import FEW
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.leak_budget import Leak, unavoidable
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
    used. public : bool
        The model was made from public individuals: nothing is unavoidable.
    """

    effective_sites: float
    training: int
    compared: int
    public: bool = False

    @property
    def leak(self) -> Leak | None:
        """None where it cannot be told."""
        if self.public:
            return Leak(0.0)
        if not self.effective_sites > 0:
            return None
        return unavoidable(self.effective_sites, self.training, self.compared, self.compared)

    def public_facts(self) -> dict:
        """What the report computes from it what would pass, JSON-ready; null of few individuals."""
        told = self.training > FEW and self.leak is not None
        return {
            "training_individuals": self.training if told else None,
            "effective_sites": self.effective_sites if told else None,
        }


def within_chance(worst: dict) -> bool:
    """Whether the worst attack reaches no more than chance does, in one of forty audits."""
    return worst["verdict"] != Verdict.NOT_RUN and worst["value"] <= worst["reference"]


def split_rows(worst: dict, basis: LeakBasis, max_auc: float, max_excess: float) -> list[dict]:
    """The rows `unavoidable` and `excess`; the interval of the excess is that of the worst attack.

    Parameters
    ----------
    worst : dict
        The row of the worst attack, with value, low and high (AUCs) and n (individuals per role).
    max_auc, max_excess : float
        Largest unavoidable AUC, and largest upper bound of the excess, that pass.
    """
    shared = {"population": "all", "n": worst["n"]}
    leak = basis.leak
    if leak is None:
        return [
            {"attack": attack, "measure": "", "value": None, "verdict": Verdict.NOT_RUN, **shared}
            for attack in (AttackId.UNAVOIDABLE, AttackId.EXCESS)
        ]
    value, low, high = (worst[key] - leak.auc for key in ("value", "low", "high"))
    if basis.public and within_chance(worst):
        verdict = Verdict.PASS
    elif worst["verdict"] == Verdict.NOT_RUN or max_excess >= 1 - leak.auc:  # nothing is above that
        verdict = Verdict.NOT_RUN
    else:
        verdict = (
            Verdict.PASS
            if high <= max_excess
            else Verdict.WEAK
            if low <= max_excess
            else Verdict.FAIL
        )
    return [
        {
            "attack": AttackId.UNAVOIDABLE, "measure": "auc", "value": leak.auc, "reference": 0.5,
            "verdict": Verdict.PASS if leak.auc <= max_auc else Verdict.FAIL, **shared,
        },
        {
            "attack": AttackId.EXCESS, "measure": "difference", "value": value, "low": low,
            "high": high,
            "reference": 0.0, "verdict": verdict, **shared,
        },
    ]  # fmt: skip
