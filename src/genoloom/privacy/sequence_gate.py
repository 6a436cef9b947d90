"""Whether synthetic sequences may leave: every reason against it, as `gate` has them of haplotypes.
Fails closed: what is missing, `not run` or too small is a reason.
"""

from genoloom.privacy.attack_ids import COPIES_OF_SEQUENCES, AttackId
from genoloom.privacy.rows import MIN_POPULATION, PrivateAttackRow
from genoloom.privacy_config import ReleaseOptions
from genoloom.validation.verdicts import Verdict


def audit_reasons(
    rows: list[PrivateAttackRow], name: str, options: ReleaseOptions, planted: bool
) -> list[str]:
    """Reasons in the private table of an audit; canaries that were `planted` must have been looked
    for.
    """
    reasons = []
    if any(row.generator != name for row in rows):
        reasons.append("privacy: the private table holds rows of something else")
    own = {row.attack: row for row in rows if row.generator == name}
    if len(own) < len(rows):
        reasons.append("privacy: an attack is listed twice")
    asked = [AttackId.MEMBERSHIP_BY_SAMPLES, *COPIES_OF_SEQUENCES]
    asked += [AttackId.MEMBERSHIP_OF_CANARIES] if planted else []
    for attack in asked:
        row = own.get(attack)
        verdict = row.verdict if row else Verdict.NOT_RUN
        # whether an attack passes is for the row of the worst one to say
        judged = attack is not AttackId.MEMBERSHIP_BY_SAMPLES
        if verdict is Verdict.NOT_RUN or (judged and verdict is not Verdict.PASS):
            reasons.append(f"privacy: {attack}: {verdict}")
    worst = own.get(AttackId.WORST)
    if worst is None:
        return [*reasons, f"privacy: the audit has no row of the worst attack on {name}"]
    if worst.n < MIN_POPULATION:
        reasons.append(f"privacy: the audit compared fewer than {MIN_POPULATION} sequences")
    if not worst.high <= options.max_auc:  # nan is no number that may leave
        reasons.append(
            f"privacy: the worst attack's AUC may be as high as {worst.high:.3f}; at most "
            f"{options.max_auc:g} may leave"
        )
    elif worst.high <= ReleaseOptions().max_auc and worst.verdict is not Verdict.PASS:
        reasons.append(f"privacy: the verdict of the audit is '{worst.verdict}'")
    rate = worst.tpr_at_1_percent_fpr
    if not rate <= max(options.max_tpr, worst.tpr_reference):
        reasons.append(
            f"privacy: an attack finds {rate:.1%} of the training sequences at 1 % false "
            f"positives; at most {options.max_tpr:.1%}, or the {worst.tpr_reference:.1%} that "
            "chance explains, may leave"
        )
    return reasons
