"""The few metrics that a reader sees first, as rows and as plain text."""

from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.rows import AttackRow
from genoloom.report.data import DataSet, Judgement, number
from genoloom.report.words import with_interval
from genoloom.validation.metric_ids import Better, MetricId
from genoloom.validation.rows import ALL, MetricRow
from genoloom.validation.verdicts import REAL, Role, Verdict, worst

HAPLOTYPE_METRICS = (
    MetricId.SITES_LOST,
    MetricId.LD_R2_CORRELATION,
    MetricId.CLASSIFIER_AUC,
    MetricId.AATS_HOLDOUT,
    MetricId.AATS_SYNTHETIC,
)
SEQUENCE_METRICS = (
    MetricId.BITS_PER_BASE,
    MetricId.GC_DISTANCE,
    MetricId.KMER6_AUC,
    MetricId.CNN_AUC,
)
VERDICT_COLUMNS = ["worst_attack", "worst_attack_low", "worst_attack_high", "fidelity", "privacy"]
HAPLOTYPE_COLUMNS = ["panel", "generator", "role", *HAPLOTYPE_METRICS, *VERDICT_COLUMNS]
SEQUENCE_COLUMNS = ["set", "generator", "role", *SEQUENCE_METRICS, *VERDICT_COLUMNS]
LEAK_COLUMNS = ["generator", "role", "worst_attack", "unavoidable", "excess", "audit"]
SHORT = {
    Better.HIGHER: "higher",
    Better.LOWER: "lower",
    Better.REFERENCE: "near reference",
    Better.HALF: "near 0.5",
}
USE_COLUMNS = ["generator", "use", "all_individuals", "worst_population", "limits"]


def summarise_uses(judgements: list[Judgement]) -> list[dict]:
    """A row for each generator and use; keys of `USE_COLUMNS`. `limits` are of all individuals,
    else of the population.
    """
    rows = []
    for judgement in judgements:
        whole = {grade.use: grade for grade in judgement.uses if grade.population == "all"}
        parts = {grade.use: grade for grade in judgement.uses if grade.population != "all"}
        for use, grade in whole.items():
            part = parts.get(use)
            rows.append(
                {
                    "generator": judgement.generator, "use": grade.title,
                    "all_individuals": grade.fitness,
                    "worst_population": f"{part.fitness} ({part.population})" if part else "",
                    "limits": "; ".join(grade.limits or (part.limits if part else [])),
                }
            )  # fmt: skip
    return rows


def guide_rows(data: DataSet, columns: list[str]) -> list[dict]:
    """Which way each metric of `columns` is better, and its reference, what real data score."""
    better, reference = {"generator": "better"}, {"generator": "reference"}
    whole = {m.metric: m for m in reversed(data.metrics) if m.population == m.bin == "all"}
    attack = next((a for a in data.attacks if a.attack == AttackId.WORST), None)
    whole |= {"worst_attack": attack} if attack else {}
    for name, row in whole.items():
        if name in columns:
            better[name], reference[name] = SHORT[row.better], row.reference
    return [better, reference]


def leak_rows(judgements: list[Judgement]) -> list[dict]:
    """A row for each audited generator and baseline, with intervals; keys of `LEAK_COLUMNS`."""
    return [
        {
            "generator": j.generator,
            "role": j.role,
            "worst_attack": with_interval(j.worst_attack, j.worst_attack_low, j.worst_attack_high),
            "unavoidable": with_interval(j.unavoidable),
            "excess": with_interval(j.excess, j.excess_low, j.excess_high),
            "audit": j.privacy,
        }
        for j in judgements
        if j.worst_attack is not None
    ]


def summary_text(data: DataSet, rows: list[dict]) -> str:
    """What `genoloom report` prints of a data set: the first screen, then the metrics `rows`."""
    lines = [f"{data.name} ({data.data_type})", data.headline]
    leak = data.leak
    if leak and leak.sentence:
        lines.append(leak.sentence)
    if leak and leak.what_would_pass:
        lines.append("What would pass, each alone:")
        lines += [f"- {sentence}" for sentence in leak.what_would_pass.sentences]
    if leak:
        limits = f"limit {leak.max_auc:g}, of the excess {leak.max_excess:g}"
        lines += ["", f"Leak (AUC; lower is better, 0.5 learns nothing; {limits})"]
        lines.append(as_text(leak_rows(data.judgements), LEAK_COLUMNS))
    uses = summarise_uses([j for j in data.judgements if j.role == Role.GENERATOR])
    if uses:
        lines += ["", "Fit for (limits: metrics too far from the reference)"]
        lines.append(as_text(uses, USE_COLUMNS))
    haplotypes = data.data_type == "haplotypes"
    columns = (HAPLOTYPE_COLUMNS if haplotypes else SEQUENCE_COLUMNS)[1:]
    lines += ["", "Metrics", as_text([*guide_rows(data, columns), *rows], columns), ""]
    shown = HAPLOTYPE_METRICS if haplotypes else SEQUENCE_METRICS
    return "\n".join(lines + [f"{m}: {m.help[:1].lower() + m.help[1:]} ({m.unit})" for m in shown])


def summarise_panel(
    panel: str, fidelity: dict[str, list[MetricRow]], privacy: dict[str, list[AttackRow]]
) -> list[dict]:
    """One row for each generator, and one for real individuals.

    Parameters
    ----------
    fidelity, privacy : dict
        Tables by generator.

    Returns
    -------
    list of dict
        Keys of `HAPLOTYPE_COLUMNS`; numbers or None.
    """
    rows = _summary_rows(HAPLOTYPE_METRICS, "individuals", fidelity, privacy)
    return [{"panel": panel} | row for row in rows]


def summarise_set(
    name: str, fidelity: dict[str, list[MetricRow]], privacy: dict[str, list[AttackRow]]
) -> list[dict]:
    """The same of sequences; keys of `SEQUENCE_COLUMNS`."""
    rows = _summary_rows(SEQUENCE_METRICS, "sequences", fidelity, privacy)
    return [{"set": name} | row for row in rows]


def _summary_rows(
    metrics: tuple[str, ...],
    what: str,
    fidelity: dict[str, list[MetricRow]],
    privacy: dict[str, list[AttackRow]],
) -> list[dict]:
    rows = [
        _summary_row(name, metrics, table, privacy.get(name, []))
        for name, table in fidelity.items()
    ]
    some = next(iter(fidelity.values()), [])  # real data are in all tables alike
    if any(row.generator == REAL for row in some):
        rows.append(_summary_row(REAL, metrics, some, []) | {"role": f"real {what}"})
    return rows


def _summary_row(
    name: str, metrics: tuple[str, ...], table: list[MetricRow], attacks: list[AttackRow]
) -> dict:
    own = [row for row in table if row.generator == name]
    value = {row.metric: number(row.value) for row in reversed(own) if row.of_all}
    attack = next(
        (
            a
            for a in attacks
            if (a.generator, a.attack, a.population) == (name, AttackId.WORST, ALL)
        ),
        None,
    )
    role = own[0].role if own else ""
    # nothing to attack: real individuals are the yardstick, public ones are not of the cohort
    without = name == REAL or role == Role.COMPARISON
    audited = attack.verdict if attack else "" if without else Verdict.NOT_RUN
    return {
        "generator": name,
        "role": role,
        **{metric: value.get(metric) for metric in metrics},
        "worst_attack": number(attack.value) if attack else None,
        "worst_attack_low": number(attack.low) if attack else None,
        "worst_attack_high": number(attack.high) if attack else None,
        "fidelity": worst([row.verdict for row in own]),
        "privacy": audited,
    }


def as_text(rows: list[dict], columns: list[str]) -> str:
    """Rows as an aligned plain-text table."""
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _cell(value) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
