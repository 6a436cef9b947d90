"""Names and sentences of the report. A metric or attack without a name here is shown by its own."""

from genoloom.models.haplotype import COPYING
from genoloom.popgen.frequencies import BIN_NAMES
from genoloom.privacy.attack_ids import MODEL_ROWS, SPLIT_ROWS, WORST_ROWS, AttackId, Measure
from genoloom.report.data import Attack, Judgement, Metric
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.rows import ALL
from genoloom.validation.verdicts import ORDER, Role, Verdict

VERDICTS = {
    Verdict.WEAK: "clearly outside the noise of real data",
    Verdict.FAIL: "far outside the noise of real data",
    Verdict.OVERFITTED: "closer to real data than real data are to each other",
    Verdict.NOT_RUN: "not measured",
}
MOST_REASONS = 5
MOST_NAMES = 6


def metric_name(metric: Metric) -> str:
    """What the page calls a metric, with the bin or window that it is of."""
    if metric.bin == "all":
        return metric.title
    return f"{metric.title}; {'MAF ' if metric.bin in BIN_NAMES else ''}{metric.bin}"


def format_value(value: float | None) -> str:
    """A number as the page shows it; a dash where there is none."""
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def with_interval(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """An AUC, or a difference of two, with its interval; "" where there is none."""
    if value is None:
        return ""
    interval = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"{value:.3f}{interval}"


def reference(row: Metric | Attack) -> float | None:
    """What a metric is compared with; an AUC of an attack without another one with 0.5."""
    if row.reference is None and isinstance(row, Attack) and row.measure is Measure.AUC:
        return 0.5
    return row.reference


def fidelity_reasons(metrics: list[Metric]) -> list[str]:
    """Sentences about what did not pass: how many, then the worst; `metrics` are of one
    generator.
    """
    metrics = [m for m in metrics if m.metric != MetricId.OVERALL]
    bad = sorted(
        (m for m in metrics if m.verdict in (Verdict.WEAK, Verdict.OVERFITTED, Verdict.FAIL)),
        key=_worst_first,
    )
    not_run = sorted({m.title for m in metrics if m.verdict == Verdict.NOT_RUN})
    if not bad and not not_run:
        return []
    counts = [
        f"{n} {verdict}"
        for verdict in reversed(ORDER[1:])
        if (n := sum(m.verdict == verdict for m in metrics))
    ]
    sentences = [
        f"Of {len(metrics)} metrics, {sum(m.verdict == Verdict.PASS for m in metrics)} pass: "
        f"{', '.join(counts)}."
    ]
    sentences += [_fidelity_sentence(m) for m in bad[:MOST_REASONS]]
    if not_run:
        some = (
            f"{', '.join(not_run[:MOST_NAMES])}{' and others' if len(not_run) > MOST_NAMES else ''}"
        )
        sentences.append(f"Not measured, which is no pass: {some}.")
    return sentences


def _worst_first(metric: Metric) -> tuple:
    """By verdict, metrics over all individuals before metrics of a part, then by distance from the
    reference.
    """
    return (
        -ORDER.index(metric.verdict),
        metric.population != "all" or metric.bin != "all",
        -abs(metric.z or 0),
    )


def _fidelity_sentence(metric: Metric) -> str:
    spread = f" ± {metric.null_sd:.2g}" if metric.null_sd is not None else ""
    where = "" if metric.population == "all" else f" in {metric.population}"
    return (
        f"{metric_name(metric)}{where}: {format_value(metric.value)}, real data "
        f"{format_value(metric.reference)}{spread}; {VERDICTS[metric.verdict]}."
    )


def privacy_reasons(attacks: list[Attack]) -> list[str]:
    """Sentences about the worst attack and whatever else did not pass; `attacks` are those on one
    generator.
    """
    everybody = [a for a in attacks if a.population == ALL]
    by_id = {a.attack: a for a in everybody}
    whole = [a for a in everybody if a.attack not in (AttackId.WORST, *SPLIT_ROWS)]
    aside = (*WORST_ROWS, *MODEL_ROWS)
    single = [
        a
        for a in whole
        if a.measure is Measure.AUC and a.value is not None and a.attack not in aside
    ]
    worst_row, (unavoidable, excess) = by_id.get(AttackId.WORST), map(by_id.get, SPLIT_ROWS)
    sentences = []
    if worst_row is not None and worst_row.value is not None:
        chance = (
            f", chance alone reaches {format_value(worst_row.reference)}"
            if worst_row.reference is not None
            else ""
        )
        interval = f"{format_value(worst_row.low)} to {format_value(worst_row.high)}"
        sentences.append(
            f"Worst attack: AUC {format_value(worst_row.value)} ({interval}); 0.5 learns "
            f"nothing{chance}."
        )
    if unavoidable is not None and unavoidable.value is not None and excess is not None:
        beyond = with_interval(excess.value, excess.low, excess.high)
        sentences.append(
            "Unavoidable for any faithful release of this cohort: "
            f"{with_interval(unavoidable.value)}, {unavoidable.verdict}; excess over it: {beyond}, "
            f"{excess.verdict}."
        )
    if single:
        top = max(single, key=lambda a: a.value)
        failed = sum(a.verdict == Verdict.FAIL for a in single)
        sentences.append(
            f"Strongest of {len(single)} attacks by its own metric: {top.title}, "
            f"{format_value(top.value)}; {failed} of them fail."
        )
    other = [
        a
        for a in whole
        if a not in single and a.verdict in (Verdict.WEAK, Verdict.OVERFITTED, Verdict.FAIL)
    ]
    sentences += [
        f"{a.title}: {a.measure.title} {format_value(a.value)}; {a.verdict}." for a in other
    ]
    not_run = [a.title for a in whole if a.verdict == Verdict.NOT_RUN and not a.note]
    sentences += [f"Not tried: {a.title} ({a.note})." for a in whole if a.note]
    if not_run:
        sentences.append(f"Not run, which is no pass: {', '.join(not_run)}.")
    parts = sorted(
        {a.population for a in attacks if a.population != "all" and a.verdict == Verdict.FAIL}
    )
    if parts:
        sentences.append(f"Attacks fail in these groups: {', '.join(parts)}.")
    return sentences


def copying_sentence(judgement: Judgement, copying: list[Judgement]) -> str | None:
    """Whether the generator does what no mosaic does, in words; None where that was not
    measured.
    """
    if judgement.beyond_copying is None:
        return None
    if judgement.beyond_copying:
        sentence = (
            "Beyond the Pareto front of the mosaics: no mosaic of real haplotypes is both as "
            "faithful and as little exposed"
        )
        high = (
            judgement.worst_attack_high
            if judgement.worst_attack_high is not None
            else judgement.worst_attack
        )
        near = [
            m.generator
            for m in copying
            if dominates(m, judgement.model_copy(update={"worst_attack": high}))
        ]
        return (
            f"{sentence}, but {', '.join(near)} is within the interval of its worst attack."
            if near
            else f"{sentence}."
        )
    better = next(m.generator for m in copying if dominates(m, judgement))
    return f"Copying does as well: {better} is at least as faithful and no more exposed."


def placed(judgements: list[Judgement]) -> list[Judgement]:
    """Those that have both coordinates of the trade-off plot."""
    return [j for j in judgements if j.classifier_auc is not None and j.worst_attack is not None]


def mosaics(judgements: list[Judgement]) -> list[Judgement]:
    """The placed baselines that copy haplotypes in pieces."""
    return [j for j in placed(judgements) if j.role == Role.BASELINE and j.generator in COPYING]


def unfaithfulness(judgement: Judgement) -> float:
    """The horizontal axis of the trade-off plot: classifier AUC, and as much when it is below one
    half.
    """
    return abs(judgement.classifier_auc - 0.5) + 0.5


def dominates(a: Judgement, b: Judgement) -> bool:
    """Whether `a` is at least as faithful and as little exposed as `b`."""
    return unfaithfulness(a) <= unfaithfulness(b) and a.worst_attack <= b.worst_attack
