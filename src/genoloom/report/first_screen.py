"""What the report says first of a data set: what may leave, what it is fit for, and what to do."""

from genoloom.disclosure import individuals_count
from genoloom.privacy.leak_plan import Group, Question, remedies, remedy_lines
from genoloom.report.data import CohortLeak, Judgement, Metric, Remedies, UseGrade
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.uses import WORST_LAST, Fitness, Use
from genoloom.validation.verdicts import Role, Verdict

SHORT_USES = {
    Use.SOFTWARE: "software testing",
    Use.FREQUENCIES: "allele frequencies",
    Use.LINKAGE: "GWAS methods",
    Use.IMPUTATION: "imputation",
    Use.ANCESTRY: "ancestry",
    Use.HAPLOTYPES: "selection scans",
    Use.RARE: "rare variants",
    Use.SCORES: "polygenic scores",
    Use.TREATMENT: "treatment effects",
    Use.PHARMACOGENES: "pharmacogenes",
}
MOST_NAMED = 3  # generators whose uses the headline names


def joined(names: list[str]) -> str:
    """ "a", "a and b", "a, b and c"; "" for none."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def may_leave(fidelity: str, privacy: str) -> bool | None:
    """What the release gate asks of the verdicts by default; None without an audit."""
    if privacy in ("", Verdict.NOT_RUN):
        return None
    return privacy == Verdict.PASS and fidelity in (Verdict.PASS, Verdict.WEAK)


def cohort_leak(facts: dict[str, dict], judgements: list[Judgement]) -> CohortLeak | None:
    """The limits of a panel, and what would pass where its cohort is too small.

    Parameters
    ----------
    facts : dict
        By generator, what the audit wrote for the report: `max_auc`, `max_excess`,
        `training_individuals` and `effective_sites`.
    """
    audited = [j for j in judgements if j.generator in facts]
    audited = [j for j in audited if j.role == Role.GENERATOR] or audited
    if not audited:
        return None
    own = facts[audited[0].generator]
    known = [j.unavoidable for j in audited if j.unavoidable is not None]
    unavoidable = min(known, default=None)
    limit = own["max_auc"]
    leak = CohortLeak(
        **own,
        unavoidable=unavoidable,
        too_small=None if unavoidable is None else unavoidable > limit,
    )
    if leak.too_small:
        size = own["training_individuals"]
        individuals = (
            "this size" if size is None else individuals_count(size, "training individuals")
        )
        leak.sentence = (
            f"The cohort is too small for any faithful release: at {individuals} an AUC of "
            f"{unavoidable:.3f} cannot be avoided, and the limit is {limit:g}."
        )
        leak.what_would_pass = _remedies(own, limit)
    return leak


def _remedies(facts: dict, limit: float) -> Remedies | None:
    """As `genoloom plan` shows them; None where the limit or the cohort does not allow to say."""
    size, sites = facts["training_individuals"], facts["effective_sites"]
    if size is None or sites is None or not 0.5 < limit < 1:
        return None
    found = remedies(Group("all", size, 0, (sites, sites)), [], Question(max_auc=limit))
    sentences = [line[:1].upper() + line[1:] + "." for line in remedy_lines(found, limit)]
    return Remedies(**{k: v for k, v in found.items() if k != "min_mac"}, sentences=sentences)


def headline(judgements: list[Judgement], leak: CohortLeak | None) -> str:
    """One sentence on haplotypes: may something leave, and what is it fit for."""
    generators = [j for j in judgements if j.role == Role.GENERATOR]
    if not generators:
        return "Only baselines were judged."
    good = [j for j in generators if j.may_leave]
    fit = _fit_words(good or generators)
    if len(good) == 1:
        fit = fit.replace(f"{good[0].generator} is", "it is", 1)
    if good:
        return f"{joined([j.generator for j in good])} may leave{f'; {fit}' if fit else ''}."
    within = [j.generator for j in generators if j.privacy == Verdict.PASS]
    if leak and leak.too_small:
        size = leak.training_individuals
        number = "the" if size is None else str(size)
        why = f"{number} training individuals are too few for any faithful release"
    elif within:
        does = ("keeps", "fails") if len(within) == 1 else ("keep", "fail")
        why = f"{joined(within)} {does[0]} within the limits of the leak, but {does[1]} fidelity"
    elif all(j.may_leave is None for j in generators):
        why = "no audit says what the data reveal"
    elif leak and all(
        j.excess_low is not None and j.excess_low > leak.max_excess for j in generators
    ):
        why = "every generator leaks more than is unavoidable"
    else:
        why = "no generator passes the audit"
    return f"Nothing may leave: {why}{f'; for work inside, {fit}' if fit else ''}."


def worst_grades(uses: list[UseGrade]) -> dict[Use, Fitness]:
    """For each use the worse grade of all individuals and of the worst population."""
    found: dict[Use, Fitness] = {}
    for grade in uses:
        other = found.get(grade.use, Fitness.FIT)
        found[grade.use] = max(other, grade.fitness, key=WORST_LAST.index)
    return found


def _fit_words(judgements: list[Judgement]) -> str:
    """What each generator is fit for; of many, that of the one which is fit for most."""
    graded = {j.generator: worst_grades(j.uses) for j in judgements}
    graded = {name: g for name, g in graded.items() if set(g.values()) - {Fitness.NOT_RUN}}
    if len(graded) > MOST_NAMED:
        best = max(graded, key=lambda name: _fit_for_most(list(graded[name].values())))
        graded = {f"the best, {best},": graded[best]}
    alike: dict[str, list[str]] = {}
    for name, grades in graded.items():
        alike.setdefault(_uses_words(grades), []).append(name)
    words = [f"{_is(names)} fit for {uses}" for uses, names in alike.items()]
    return joined(words)


def _is(names: list[str]) -> str:
    return f"{joined(names)} {'is' if len(names) == 1 else 'are'}"


def _fit_for_most(grades: list[Fitness]) -> tuple[int, int]:
    return grades.count(Fitness.FIT), grades.count(Fitness.LIMITS)


def _uses_words(grades: dict[Use, Fitness]) -> str:
    fit = [SHORT_USES[use] for use, grade in grades.items() if grade is Fitness.FIT]
    limited = [SHORT_USES[use] for use, grade in grades.items() if grade is Fitness.LIMITS]
    if len(fit) == len(grades):
        return "every use"
    if fit:
        return joined(fit)
    return f"{joined(limited)}, with limits" if limited else "no use"


def sequence_headline(judgements: list[Judgement], metrics: list[Metric]) -> str:
    """One sentence on sequences: may something leave, and how much passes."""
    generators = [j for j in judgements if j.role == Role.GENERATOR]
    if not generators:
        return "Only baselines were judged."
    found: dict[str, list[str]] = {}
    for one in generators:
        found.setdefault(_leave_words(one), []).append(one.generator)
    sentence = "; ".join(words.format(joined(names)) for words, names in found.items())
    sentence = f"{sentence}; {_passed_words([j.generator for j in generators], metrics)}."
    return sentence.replace("whether", "Whether", 1) if sentence.startswith("whether") else sentence


def _leave_words(judgement: Judgement) -> str:
    """May its sequences leave? With a place for the name."""
    if judgement.may_leave is None:
        return "whether {} may leave is not known: the audit was not run or says nothing"
    if judgement.may_leave:
        return "{} may leave"
    if judgement.privacy == Verdict.PASS:
        return "{} should not leave, as fidelity fails"
    return "{} should not leave, as the audit does not pass"


def _passed_words(names: list[str], metrics: list[Metric]) -> str:
    counts = []
    for name in names[:MOST_NAMED]:
        own = [m.verdict for m in metrics if m.generator == name and m.metric != M.OVERALL]
        counts.append(f"{own.count(Verdict.PASS)} of {len(own)} metrics of {name}")
    return f"{joined(counts)} pass"
