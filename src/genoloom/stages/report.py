"""Write the public report and the summary that a run ends with. Nothing below results/private is
read.
"""

import logging
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.histories import read_history
from genoloom.formats.tables import read_records, write_table
from genoloom.formats.text import read_json
from genoloom.privacy.rows import AttackRow
from genoloom.report.collect import PanelData, SequenceData, collect
from genoloom.report.data import Attack, Metric
from genoloom.report.page import render
from genoloom.report.summary import (
    HAPLOTYPE_COLUMNS,
    SEQUENCE_COLUMNS,
    USE_COLUMNS,
    summarise_panel,
    summarise_set,
    summarise_uses,
    summary_text,
)
from genoloom.task_rows import EffectRow, StarRow, TaskRow
from genoloom.validation.rows import MetricRow, own_rows

log = logging.getLogger(__name__)

TASK_ROWS = {"utility": TaskRow, "effects": EffectRow, "star_alleles": StarRow}


def report(
    *,
    results: Path,
    panels: list[str],
    generators: list[str],
    sequence_sets: list[str],
    sequence_generators: list[str],
    out: Path,
    comparison: bool = False,
    utility: bool = False,
    effects: bool = False,
    star_alleles: bool = False,
) -> str:
    """Write `out` (HTML) and, next to it, the same numbers; returns the text of summary.txt.

    summary.txt                 what the page says first, as text
    summary.tsv                 the few metrics that a reader sees first
    uses.tsv                    what each generator's data are fit for
    metrics.tsv, attacks.tsv    every metric, with its reference
    report.json                 everything, as in report.schema.json of this package
    plots/                      the plots of the page as SVG files

    Parameters
    ----------
    results : Path
        Directory of the workflow's results, laid out as in docs/architecture.md.
    panels, generators, sequence_sets, sequence_generators : list of str
        What to show; baselines first.
    comparison : bool
        Also show what `genoloom panel compare` wrote of each panel.
    utility, effects, star_alleles : bool
        Also show what `genoloom utility`, `genoloom treatment-effects` and `genoloom star-alleles`
        wrote for each generator.

    Raises
    ------
    InputError
        A table is missing.
    """
    asked = {"utility": utility, "effects": effects, "star_alleles": star_alleles}
    tasks = {name: generators if wanted else [] for name, wanted in asked.items()}
    shown = [_panel(results, panel, generators, tasks, comparison) for panel in panels]
    sets = [_set(results, name, sequence_generators) for name in sequence_sets]
    numbers = collect(shown, sets)
    tables = [summarise_panel(panel.name, panel.fidelity, panel.privacy) for panel in shown]
    tables += [summarise_set(data.name, data.fidelity, data.privacy) for data in sets]
    blocks = [summary_text(own, rows) for own, rows in zip(numbers.data, tables, strict=True)]
    text = "\n\n".join(blocks) + "\n"
    uses = [
        {"panel": own.name} | row for own in numbers.data for row in summarise_uses(own.judgements)
    ]  # fmt: skip
    with write_beside(out, out.with_name("summary.txt"), out.with_name("report.json")) as [
        page,
        summary,
        data,
    ]:
        html, plots = render(numbers, shown, sets)
        page.write_text(html, encoding="utf-8")
        summary.write_text(text)
        data.write_text(numbers.model_dump_json(indent=1) + "\n")
    _write_plots(out.with_name("plots"), plots)
    columns = list(dict.fromkeys([*HAPLOTYPE_COLUMNS, *SEQUENCE_COLUMNS]))
    write_table(out.with_name("summary.tsv"), columns, [row for table in tables for row in table])
    write_table(out.with_name("uses.tsv"), ["panel", *USE_COLUMNS], uses)
    for name, part in (("metrics", Metric), ("attacks", Attack)):
        rows = [
            {"data": own.name} | row.model_dump()
            for own in numbers.data
            for row in getattr(own, name)
        ]
        write_table(out.with_name(f"{name}.tsv"), ["data", *part.model_fields], rows)
    log.info("report written")
    return text


def _write_plots(folder: Path, plots: dict[str, str]) -> None:
    """Write each plot; plots of an earlier report are removed."""
    for old in folder.rglob("*.svg"):
        old.unlink()
    for name, svg in plots.items():
        with write_beside(folder / name) as [part]:
            part.write_text(svg, encoding="utf-8")


def _panel(
    results: Path, panel: str, generators: list[str], tasks: dict[str, list[str]], comparison: bool
) -> PanelData:
    """`tasks`: by the name of its table, the generators that a task is shown of."""
    place = results / "validation" / panel
    fidelity = {name: _table(place / name / "fidelity.tsv", MetricRow) for name in generators}
    privacy = {name: _table(place / name / "privacy.tsv", AttackRow) for name in generators}
    if comparison:
        rows = _table(place / "comparison" / "fidelity.tsv", MetricRow)
        attacks = _table(place / "comparison" / "privacy.tsv", AttackRow)
        names = dict.fromkeys(row.generator for row in rows)
        fidelity |= {name: own_rows([rows], [name]) for name in names}
        privacy |= {name: own_rows([attacks], [name]) for name in names}
    tables = {
        task: {name: _table(place / name / f"{task}.tsv", TASK_ROWS[task]) for name in own}
        for task, own in tasks.items()
    }
    models = {name: results / "models" / panel / name for name in generators}
    return PanelData(
        name=panel,
        fidelity=fidelity,
        privacy=privacy,
        details={name: _json(place / name / "details.json") for name in generators},
        leak={name: _json(place / name / "leak.json") for name in generators},
        history={
            name: _first_history(sorted(path.glob("*.history.tsv")))
            for name, path in models.items()
        },
        models=[_json(path) for folder in models.values() for path in _descriptions(folder)],
        p_values={
            name: _json(place / name / "utility.json").get("p_values", {})
            for name in tasks["utility"]
        },
        **tables,
    )


def _set(results: Path, name: str, generators: list[str]) -> SequenceData:
    place, models = (
        results / "validation" / "sequences" / name,
        results / "models" / "sequences" / name,
    )
    return SequenceData(
        name=name,
        fidelity={one: _table(place / one / "fidelity.tsv", MetricRow) for one in generators},
        privacy={one: _table(place / one / "privacy.tsv", AttackRow) for one in generators},
        details={one: _json(place / one / "details.json") for one in generators},
        history={
            generator: _first_history([models / f"{generator}.history.tsv"])
            for generator in generators
        },
        models=[_json(models / f"{generator}.json") for generator in generators],
    )


def _descriptions(folder: Path) -> list[Path]:
    """The descriptions of a generator's models; their records of provenance are none."""
    return sorted(
        path for path in folder.glob("*.json") if not path.name.endswith(".provenance.json")
    )


def _first_history(paths: list[Path]) -> list[dict[str, float]]:
    """The training curve of the first contig; baselines have none."""
    return read_history(paths[0]) if paths and paths[0].exists() else []


def _table(path: Path, record: type) -> list:
    if not path.exists():
        raise InputError(
            path, "not found", remedy="run the workflow, or leave this generator out of the report"
        )
    return read_records(path, record, remedy="run the workflow again")


def _json(path: Path) -> dict:
    if not path.exists():
        raise InputError(
            path, "not found", remedy="run the workflow, or leave this generator out of the report"
        )
    return read_json(path, remedy="run the workflow again")
