"""The few figures that a reader sees first, as rows and as plain text."""

from genoloom.privacy.attack_ids import AttackId
from genoloom.report.data import DataSet, Judgement
from genoloom.report.words import with_interval
from genoloom.validation.metric_ids import Better
from genoloom.validation.verdicts import worst

HAPLOTYPE_COLUMNS = [
    "panel", "generator", "kind", "sites_lost", "ld_r2_correlation", "classifier_auc", "aats_truth",
    "aats_synthetic",
    "worst_attack", "worst_attack_low", "worst_attack_high", "fidelity", "privacy",
]  # fmt: skip
SEQUENCE_COLUMNS = [
    "set", "generator", "kind", "bits_per_base", "gc_distance", "kmer6_auc", "cnn_auc",
    "nearest_identity", "verdict",
]  # fmt: skip
KEY_METRICS = ("sites_lost", "ld_r2_correlation", "classifier_auc", "aats_truth", "aats_synthetic")
LEAK_COLUMNS = ["generator", "kind", "worst_attack", "unavoidable", "excess", "audit"]
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
    """Which way each figure of `columns` is better, and its reference, what real data score."""
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
            "kind": j.kind,
            "worst_attack": with_interval(j.worst_attack, j.worst_attack_low, j.worst_attack_high),
            "unavoidable": with_interval(j.unavoidable),
            "excess": with_interval(j.excess, j.excess_low, j.excess_high),
            "audit": j.privacy,
        }
        for j in judgements
        if j.worst_attack is not None
    ]


def summary_text(data: DataSet, rows: list[dict]) -> str:
    """What `genoloom report` prints of a data set: the first screen, then the figures `rows`."""
    lines = [f"{data.name} ({data.kind})", data.headline]
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
    made = summarise_uses([j for j in data.judgements if j.kind == "generator"])
    if made:
        lines += ["", "Fit for (limits: figures too far from the reference)"]
        lines.append(as_text(made, USE_COLUMNS))
    columns = HAPLOTYPE_COLUMNS[1:] if data.kind == "haplotypes" else SEQUENCE_COLUMNS[1:]
    figures = as_text([*guide_rows(data, columns), *rows], columns)
    return "\n".join([*lines, "", "Figures", figures])


def number(text: str | None) -> float | None:
    """A cell of a table as a number; None where it is empty."""
    return float(text) if text else None


def pick(rows: list[dict], **wanted: str) -> dict | None:
    """The first row whose cells are as wanted."""
    return next(
        (row for row in rows if all(row.get(key) == value for key, value in wanted.items())), None
    )


def summarise_panel(
    panel: str, fidelity: dict[str, list[dict]], privacy: dict[str, list[dict]]
) -> list[dict]:
    """One row for each generator, and one for real individuals.

    Parameters
    ----------
    fidelity, privacy : dict
        Tables (rows of text cells) by generator.

    Returns
    -------
    list of dict
        Keys of `HAPLOTYPE_COLUMNS`; figures as numbers or None.
    """
    summary = [
        _panel_row(panel, name, table, privacy.get(name, [])) for name, table in fidelity.items()
    ]
    some = next(iter(fidelity.values()), [])
    if any(row["row"] == "real" for row in some):
        summary.append(_panel_row(panel, "real", some, []) | {"kind": "real individuals"})
    return summary


def _panel_row(panel: str, name: str, table: list[dict], attacks: list[dict]) -> dict:
    own = [row for row in table if row["row"] == name and row["population"] == row["bin"] == "all"]
    attack = pick(attacks, row=name, attack=AttackId.WORST, population="all") or {}
    figures = {
        metric: number((pick(own, metric=metric) or {}).get("value")) for metric in KEY_METRICS
    }
    return {
        "panel": panel,
        "generator": name,
        "kind": own[0]["kind"] if own else "",
        **figures,
        "worst_attack": number(attack.get("value")),
        "worst_attack_low": number(attack.get("low")),
        "worst_attack_high": number(attack.get("high")),
        "fidelity": worst([row["verdict"] for row in table if row["row"] == name]),
        "privacy": attack.get("verdict", "not run" if name != "real" else ""),
    }


def summarise_set(name: str, tables: dict[str, list[dict]]) -> list[dict]:
    """One row for each sequence generator, and one for real sequences; keys of
    `SEQUENCE_COLUMNS`.
    """
    rows = [_set_row(name, generator, table) for generator, table in tables.items()]
    some = next(iter(tables.values()), [])
    if any(row["row"] == "real" for row in some):
        rows.append(_set_row(name, "real", some) | {"kind": "real sequences"})
    return rows


def _set_row(name: str, generator: str, table: list[dict]) -> dict:
    own = [row for row in table if row["row"] == generator and row["bin"] == "all"]

    def value(metric: str) -> float | None:
        return number((pick(own, metric=metric) or {}).get("value"))

    return {
        "set": name,
        "generator": generator,
        "kind": own[0]["kind"] if own else "",
        "bits_per_base": value("bits_per_base"),
        "gc_distance": value("gc_distance"),
        "kmer6_auc": value("kmer6_auc"),
        "cnn_auc": value("cnn_auc"),
        "nearest_identity": value("nearest_identity"),
        "verdict": worst([row["verdict"] for row in own]),
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
