"""Whether synthetic data may leave: every reason against it. No reason, and only then, is a pass.

Fails closed: what is missing, unreadable, `not run`, of the wrong type or not of these very data is
a reason, and so is a measurement that was made with looser options than the defaults. The
thresholds of the release itself may be loosened; the bundle then says so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import gcd, isfinite, isnan

from pydantic import ValidationError

from genoloom.audit_levels import FEWEST_SHADOW_MODELS
from genoloom.config import SplitOptions, ValidateOptions
from genoloom.config_section import Section
from genoloom.privacy.attack_ids import MUST_PASS, AttackId, Measure, Scored
from genoloom.privacy.rows import MIN_POPULATION, PrivateAttackRow
from genoloom.privacy_config import AuditOptions, ReleaseOptions
from genoloom.records import shown
from genoloom.sequence_config import AuditSequencesOptions, ValidateSequencesOptions
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.rows import ALL, MetricRow
from genoloom.validation.verdicts import Verdict

# by the value of `release.fidelity`
ALLOWED_VERDICTS = {
    "pass": (Verdict.PASS,),
    "weak": (Verdict.PASS, Verdict.WEAK),
    "any": (Verdict.PASS, Verdict.WEAK, Verdict.FAIL),
}
MOST_NAMED = 5  # metrics in one reason


def _smaller(used, default) -> bool:
    return used < default


def _larger(used, default) -> bool:
    return used > default


def _sizes(text: str) -> set[int]:
    return {int(size) for size in text.split(",")}


def _lacks_sizes(used: str, default: str) -> bool:
    """Whether one of the default window sizes is missing: each is an attack of its own."""
    return not _sizes(default) <= _sizes(used)


def _cuts_haplotypes(used: str, default: str) -> bool:
    """The same of `audit.windows`, or whether blocks of their common divisor cut haplotype
    windows.
    """
    return _lacks_sizes(used, default) or gcd(*_sizes(used)) < max(
        _sizes(AuditOptions().haplotype_windows)
    )


def _never(used, default) -> bool:
    return False


# for each option of a measurement: whether a value is looser than the default
LOOSER: dict[type[Section], dict[str, Callable[..., bool]]] = {
    AuditOptions: {
        "windows": _cuts_haplotypes, "haplotype_windows": _lacks_sizes, "bootstrap": _smaller,
        "max_auc": _larger, "max_excess": _larger,
        # number and length are asked for by the release; whether an estimate decided on the number
        # does not matter
        "shadow_models": _never, "shadow_minutes": _never, "shadow_steps": _never,
        "recipient": _never,
    },
    ValidateOptions: {
        "n_permutations": _smaller, "ld_window": _smaller, "components": _smaller, "phaser": _never,
        "window": _never,
    },
    AuditSequencesOptions: {
        "bootstrap": _smaller, "max_auc": _larger, "max_compared": _smaller, "stranded": _never,
    },
    ValidateSequencesOptions: {
        "n_permutations": _smaller, "max_compared": _smaller, "max_classified": _smaller,
        # what is looked for beyond the metrics that are always there
        "stranded": _never, "motifs": _never, "coding": _never, "guidance_sweep": _never,
    },
    # a smaller holdout means fewer individuals in the audit, which the bundle says; hidden
    # relatives blunt every attack
    SplitOptions: {"holdout": _never, "kinship": _smaller, "pedigree": _never},
}  # fmt: skip

PLACES = {  # of each section: in the configuration, and its command
    AuditOptions: ("audit", "audit"),
    ValidateOptions: ("validate", "validate"),
    SplitOptions: ("split", "split"),
    AuditSequencesOptions: ("audit_sequences", "sequences audit"),
    ValidateSequencesOptions: ("validate_sequences", "sequences validate"),
}


def option_reasons(
    what: str, section: type[Section], recorded: dict[str, object], release: ReleaseOptions
) -> list[str]:
    """Reasons in how a measurement was made: its recorded options, against the defaults and the
    release.

    Parameters
    ----------
    what : str
        "audit", "fidelity" or "split".
    recorded : dict
        As the record of provenance holds them.
    """
    if set(recorded) != set(section.model_fields):
        return [f"{what}: was made with other options than this version has; make it again"]
    try:
        used, default = section(**recorded), section()
        loosened = [
            name
            for name in recorded
            if _is_looser(section, name, getattr(used, name), getattr(default, name))
        ]
    except (ValidationError, ValueError):
        return [f"{what}: the options it was made with cannot be read; make it again"]
    place, command = PLACES[section]
    reasons = [
        f"{what}: was made with {place}.{name} {getattr(used, name)}, which is looser than the "
        f"default {getattr(default, name)}; take the default and make it again (genoloom "
        f"{command})"
        for name in loosened
    ]
    reasons += [
        f"{what}: was made with {place}.{name} {getattr(used, name):g}, which is looser than "
        f"release.{name} {getattr(release, name):g}; set both alike and audit again"
        for name in ("max_auc", "max_excess")
        if hasattr(used, name)
        and name not in loosened
        and getattr(used, name) > getattr(release, name)
    ]
    if isinstance(used, AuditOptions):
        # a record that was written by nobody here
        number = used.shadow_models if used.shadow_models != "auto" else 0
        if release.shadow_models and number < FEWEST_SHADOW_MODELS:
            reasons.append(
                f"privacy: the audit had {number or 'no'} shadow models; set audit.shadow_models: "
                f"{FEWEST_SHADOW_MODELS} and audit again, or waive them with "
                "release.shadow_models: false"
            )
        elif release.shadow_models and used.shadow_steps < 1:
            reasons.append(
                f"privacy: the audit's shadow models took {used.shadow_steps:g} of the training "
                "steps, and find less than whole ones; set audit.shadow_steps: 1 and audit again, "
                "or waive them with release.shadow_models: false"
            )
    return reasons


def _is_looser(section: type[Section], name: str, used, default) -> bool:
    # an option that nobody has thought about yet may not differ at all
    return LOOSER[section].get(name, lambda used, default: used != default)(used, default)


def loosened_thresholds(
    release: ReleaseOptions, public: bool = False
) -> list[tuple[str, str, str, bool]]:
    """(threshold, default, used, whether that is looser) of every threshold of the release; of data
    that are made from `public` individuals, and at most of noised statistics, shadow models are not
    asked.
    """
    default = ReleaseOptions()
    order = list(ALLOWED_VERDICTS)
    limits = ("max_auc", "max_excess", "max_tpr", "max_epsilon")
    looser = {name: getattr(release, name) > getattr(default, name) for name in limits} | {
        "shadow_models": default.shadow_models and not release.shadow_models and not public,
        "fidelity": order.index(release.fidelity) > order.index(default.fidelity),
        "may_be_missing": bool(release.may_be_missing.strip(", ")),
        "min_carriers": release.min_carriers < default.min_carriers,
        "adapted_models": release.adapted_models and not default.adapted_models,
    }
    used = {name: _shown(getattr(release, name)) for name in looser}
    if public:
        used["shadow_models"] = "not applicable: no row of the cohort trained the model"
    return [(name, _shown(getattr(default, name)), used[name], looser[name]) for name in looser]


def _shown(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"


def privacy_reasons(
    private: list[PrivateAttackRow],
    name: str,
    individuals: int,
    options: ReleaseOptions,
    public: bool = False,
) -> list[str]:
    """Reasons in the private table of the audit.

    Parameters
    ----------
    individuals : int
        Individuals per role that the audit says it compared.
    public : bool
        The data are made from public individuals, and at most of noised statistics of others: what
        chance explains may leave, whatever its upper bound.
    """
    reasons = _table_reasons("privacy", private, ("generator", "attack", "window", "population"))
    reasons += [
        f"privacy: {row.name}: not what can be there; make the table again"
        for row in private
        if not _possible(row)
    ]
    if reasons:
        return reasons
    by_attack = rows_of_all(private, name)
    worst = by_attack.get(Scored(AttackId.WORST))
    if worst is None:
        return [f"privacy: the audit has no row of the worst attack on {name}"]
    if any(row.generator != name for row in private):
        reasons.append("privacy: the private table holds rows of something else")
    if worst.n != individuals:
        reasons.append(
            f"privacy: the worst attack compared {_few(worst.n)}, and the audit says "
            f"{_few(individuals)}"
        )
    if individuals < MIN_POPULATION:
        reasons.append(
            f"privacy: the audit compared fewer than {MIN_POPULATION} individuals per role"
        )
    within = public and worst.value <= worst.reference
    if not isfinite(worst.high):
        reasons.append("privacy: the worst attack has no upper bound")
    elif worst.high > options.max_auc and not within:
        reasons.append(
            f"privacy: the worst attack's AUC may be as high as {worst.high:.3f}; at most "
            f"{options.max_auc:g} may leave"
        )
    elif (within or worst.high <= ReleaseOptions().max_auc) and worst.verdict is not Verdict.PASS:
        reasons.append(f"privacy: the verdict of the audit is '{worst.verdict}'")
    excess = by_attack.get(Scored(AttackId.EXCESS))
    if excess is None or not isfinite(excess.high):
        reasons.append(
            "privacy: the audit does not say what exceeds the leak that no faithful release can "
            "avoid"
        )
    elif excess.high > options.max_excess and not within:
        reasons.append(
            f"privacy: the worst attack may exceed the unavoidable AUC by {excess.high:.3f}; at "
            f"most {options.max_excess:g} may leave"
        )
    rate, reference = worst.tpr_at_1_percent_fpr, worst.tpr_reference
    if isnan(rate) or isnan(reference):
        reasons.append("privacy: the true positive rate at 1 % false positives is missing")
    elif rate > max(options.max_tpr, reference):
        reasons.append(
            f"privacy: an attack finds {rate:.1%} of the training individuals at 1 % false "
            f"positives; at most {options.max_tpr:.1%}, or the {reference:.1%} that chance "
            "explains with so few individuals, may leave"
        )
    anchors = by_attack.get(Scored(AttackId.ANCHORS))
    if anchors and not _harmless(anchors, options.max_auc):
        reasons.append(
            "privacy: what the model knows of the cohort reveals its individuals: the AUC of its "
            f"anchors is {shown(anchors.value)}; at most {options.max_auc:g}, or what chance "
            "explains, may leave"
        )
    if options.shadow_models and Scored(AttackId.SHADOWS) not in by_attack:
        reasons.append("privacy: the audit has no row of the attack with shadow models")
    for attack in MUST_PASS:
        row = by_attack.get(Scored(attack))
        if row is None and attack is AttackId.WORST_POPULATION:
            continue  # no population is large enough
        verdict = row.verdict if row else Verdict.NOT_RUN
        if verdict is not Verdict.PASS:
            reasons.append(f"privacy: {attack}: {verdict}")
    reasons += [
        f"privacy: {row.name}: not run"
        for row in by_attack.values()
        if row.verdict is Verdict.NOT_RUN
        and not row.attack.must_pass
        and (options.shadow_models or row.attack is not AttackId.SHADOWS)
    ]
    return reasons


def _harmless(row: PrivateAttackRow, max_auc: float) -> bool:
    """Whether an attack is within chance, or its upper bound within the limit."""
    return isfinite(row.high) and (row.high <= max_auc or row.value <= row.reference)


def rows_of_all(rows: list[PrivateAttackRow], name: str) -> dict[Scored, PrivateAttackRow]:
    """The rows of everybody, by attack."""
    return {
        Scored(row.attack, row.window): row
        for row in rows
        if row.generator == name and row.population == ALL
    }


def _few(individuals: int) -> str:
    return (
        f"{individuals} individuals per role"
        if individuals >= MIN_POPULATION
        else f"fewer than {MIN_POPULATION} individuals per role"
    )


def fidelity_reasons(
    rows: list[MetricRow], name: str, options: ReleaseOptions, parts: bool = False
) -> list[str]:
    """Reasons in the fidelity table: verdicts over everybody that are not allowed; those of bins,
    windows and motifs count where `parts`. `overall` is over all rows, and names the worst ones.
    """
    reasons = _table_reasons("fidelity", rows, ("generator", "metric", "population", "bin"))
    if reasons:
        return reasons
    whole = [row for row in rows if row.generator == name]
    own = [row for row in whole if row.population == ALL and (parts or row.of_all)]
    if not own:
        return [f"fidelity: the table has no row of {name}"]
    excused = {metric.strip() for metric in options.may_be_missing.split(",")}
    return [
        f"fidelity: {row.metric}{'' if row.of_all else f' {row.bin}'}: {row.verdict}"
        + (_as_bad(row, whole) if row.metric == MetricId.OVERALL else "")
        for row in own
        if row.verdict not in ALLOWED_VERDICTS[options.fidelity]
        and not (row.verdict is Verdict.NOT_RUN and row.metric in excused)
    ]


def _as_bad(overall: MetricRow, rows: list[MetricRow]) -> str:
    """The rows that have the verdict of `overall`, in brackets."""
    named = [
        " ".join([row.metric, *(part for part in (row.population, row.bin) if part != ALL)])
        for row in rows
        if row.verdict == overall.verdict and row.metric != MetricId.OVERALL
    ]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return f" ({', '.join(named[:MOST_NAMED])}{more})" if named else ""


def model_reasons(descriptions: Iterable[dict], options: ReleaseOptions) -> list[str]:
    """Reasons in the descriptions of the models.

    Rare alleles of too few individuals may have been modelled, or held-out individuals may have
    trained the model that this one was adapted from: the audit then compares individuals who both
    trained.
    """
    descriptions = list(descriptions)
    # also of public individuals: the list of sites is the cohort's, and a site that few of the
    # public carry may be on it because of one of the cohort (an attack on presence, as on Beacons:
    # Shringarpure and Bustamante, 2015)
    fewest = [description.get("min_carriers") for description in descriptions]
    if not fewest or not all(type(n) is int and n >= 1 for n in fewest):
        return ["model: there is no description of the model that can be read"]
    reasons = []
    if min(fewest) < options.min_carriers:
        reasons.append(
            f"model: alleles carried by as few as {min(fewest)} training individuals may be "
            f"modelled, at least {options.min_carriers} are asked for; set "
            f"train.common.min_carriers: {options.min_carriers} and train again"
        )
    if (
        any(description.get("adapted_from") for description in descriptions)
        and not options.adapted_models
    ):
        reasons.append(
            "model: was adapted from another model, and who trained that one is not known; train "
            "without init_from, or set release.adapted_models: true if nobody of this panel did"
        )
    return reasons


def _table_reasons(what: str, rows: Sequence, key: tuple[str, ...]) -> list[str]:
    """Rows without a name, or that are listed twice."""
    found = Counter(tuple(getattr(row, name) for name in key) for row in rows)
    reasons = [
        f"{what}: row {line}: not what can be there; make the table again"
        for line, row in enumerate(rows, 2)
        if not (row.generator and row.population)
    ]
    return reasons + [
        f"{what}: {', '.join(map(str, cells))}: is listed twice; make the table again"
        for cells, n in found.items()
        if n > 1
    ]


def _possible(row: PrivateAttackRow) -> bool:
    """Whether the numbers can be those of an attack; nan is none."""
    rates = [row.tpr_at_1_percent_fpr, row.tpr_reference]
    if row.measure is Measure.AUC:
        rates += [row.value, row.low, row.high, row.reference]
    return not row.low > row.high and all(0 <= rate <= 1 or isnan(rate) for rate in rates)
