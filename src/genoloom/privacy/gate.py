"""Whether synthetic data may leave: every reason against it. No reason, and only then, is a pass.

Fails closed: what is missing, unreadable, `not run` or not of these very data is a reason.
"""

from collections.abc import Iterable

from genoloom.config import ReleaseOptions
from genoloom.privacy.attack_ids import MUST_PASS, AttackId

ALLOWED_VERDICTS = {"pass": ("pass",), "weak": ("pass", "weak"), "any": ("pass", "weak", "fail")}


def privacy_reasons(private: list[dict[str, str]], public: list[dict[str, str]], name: str, options: ReleaseOptions) -> list[str]:
    """Reasons in the tables of the audit (rows of text cells)."""
    own = [row for row in private if row.get("row") == name and row.get("population") == "all"]
    by_attack = {row["attack"]: row for row in own}
    worst = by_attack.get(AttackId.WORST)
    if worst is None:
        return [f"privacy: the audit has no row of the worst attack on {name}"]
    reasons = []
    high, rate, floor = (number(worst.get(key)) for key in ("high", "tpr_at_1_percent_fpr", "tpr_floor"))
    if high is None:
        reasons.append("privacy: the worst attack has no upper bound")
    elif high > options.max_auc:
        reasons.append(f"privacy: the worst attack's AUC may be as high as {high:.3f}; at most {options.max_auc:g} may leave")
    if rate is None or floor is None:
        reasons.append("privacy: the true positive rate at 1 % false positives is missing")
    elif rate > max(options.max_tpr, floor):
        reasons.append(
            f"privacy: an attack finds {rate:.1%} of the training people at 1 % false positives; at most {options.max_tpr:.1%}, or"
            f" the {floor:.1%} that chance explains with so few people, may leave"
        )
    if options.shadow_models and AttackId.SHADOWS not in by_attack:
        reasons.append(
            "privacy: the audit had no shadow models; set audit.shadow_models: 4 and audit again, or waive them with"
            " release.shadow_models: false"
        )
    for attack in MUST_PASS:
        row = by_attack.get(attack)
        if row is None and attack is AttackId.WORST_POPULATION:
            continue  # no population is large enough
        verdict = row["verdict"] if row else "not run"
        if verdict != "pass":
            reasons.append(f"privacy: {attack}: {verdict}")
    reasons += [
        f"privacy: {attack}: not run"
        for attack, row in by_attack.items()
        if row["verdict"] == "not run" and attack not in MUST_PASS
    ]
    shown = next(
        (r for r in public if r.get("row") == name and r.get("attack") == AttackId.WORST and r.get("population") == "all"), None
    )
    if shown is None or any(shown.get(key) != worst.get(key) for key in ("value", "low", "high", "verdict")):
        reasons.append("privacy: the public table is not of this audit")
    return reasons


def fidelity_reasons(table: list[dict[str, str]], name: str, options: ReleaseOptions) -> list[str]:
    """Reasons in the fidelity table: verdicts over all people that are not allowed."""
    own = [row for row in table if row.get("row") == name and row.get("population") == row.get("bin") == "all"]
    if not own:
        return [f"fidelity: the table has no row of {name}"]
    allowed, excused = ALLOWED_VERDICTS[options.fidelity], {m.strip() for m in options.may_be_missing.split(",")}
    reasons = []
    for row in own:
        excusable = row["verdict"] == "not run" and row["metric"] in excused
        if row["verdict"] not in allowed and not excusable:
            reasons.append(f"fidelity: {row['metric']}: {row['verdict']}")
    return reasons


def model_reasons(descriptions: Iterable[dict], options: ReleaseOptions) -> list[str]:
    """Reasons in the descriptions of the models: rare alleles of too few people may have been modelled."""
    fewest = [int(description.get("fewest_people", 1)) for description in descriptions]
    if not fewest:
        return ["model: there is no description of the model"]
    if min(fewest) < options.fewest_people:
        return [
            f"model: alleles carried by as few as {min(fewest)} training people may be modelled, at least {options.fewest_people} are"
            f" asked for; set train.common.fewest_people: {options.fewest_people} and train again"
        ]
    return []


def number(text: str | None) -> float | None:
    """A cell as a finite number; None where it is empty or no number."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None
