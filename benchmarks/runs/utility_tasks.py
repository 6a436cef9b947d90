"""Imputation, association, scores and ancestry from synthetic haplotypes.

    python -m benchmarks utility_tasks --set chr15 --seeds 1-3

For each seed the individuals are split in half; generators are trained on one half, and `genoloom
utility` compares as many synthetic individuals with them, judged on the other half. `mosaic` and
`real` do not depend on the generator and are listed once; values of populations are left out but
for the imputation of all sites. `ratio` is that to real data. Synthetic files of an earlier run are
used again. With `--results` nothing is measured: the tables of a finished workflow run, whose panel
has the name of the set, are taken.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import add_shared
from benchmarks.runner import NO_FILES, Case, kept_samples
from benchmarks.table import spread
from genoloom.formats.tables import read_table
from genoloom.medicine_config import UtilityOptions
from genoloom.panels.comparands import open_comparands
from genoloom.report.summary import as_text
from genoloom.stages.utility import utility
from genoloom.utility.measures import REAL, SYNTHETIC

KEYS = ["task", "metric", "method", "population", "bin"]
COLUMNS = f"data {' '.join(KEYS)} value ratio"


def add_options(parser: argparse.ArgumentParser) -> None:
    chosen = ["independent", "markov", "matched_mosaic"]
    add_shared(parser, set=["dpyd-slice"], seeds="1-3", generators=chosen, minutes=None)
    add_shared(parser, steps=None, set_option=[])
    parser.add_argument("--results", type=Path, help="directory of a finished workflow run")
    parser.add_argument("--beagle", action="store_true", help="impute with Beagle too")
    parser.add_argument("--tasks", default=UtilityOptions().tasks, help="(default: %(default)s)")
    parser.add_argument("--panel-populations", help="as of genoloom utility")


def measure(case: Case) -> Iterator[dict]:
    for generator in case.arguments.generators:
        first = not case.has(data=REAL)
        label = {SYNTHETIC: generator, "both": f"real and {generator}"}
        for row in _rows(case, generator):
            if row["panel"] in label or first:
                data = label.get(row["panel"], row["panel"])
                yield {"data": data} | {key: row[key] for key in (*KEYS, "value", "ratio")}


def _rows(case: Case, generator: str) -> list[dict]:
    results = case.arguments.results
    out = (
        results / "validation" / case.set / generator / "utility.tsv"
        if results
        else _measured(case, *kept_samples(case, generator))
    )
    return [
        row
        for row in read_table(out)
        if row["population"] == "all"
        or row["metric"] == "one_population_r2"
        or (row["metric"], row["bin"]) == ("dosage_r2", "all")
    ]


def _measured(case: Case, table: Path, samples: Path) -> Path:
    out = samples.with_name("utility.tsv")
    given = case.arguments
    options = UtilityOptions(
        beagle="auto" if given.beagle else "none", tasks=given.tasks,
        panel_populations=given.panel_populations,
    )  # fmt: skip
    panels = {"synthetic": [samples], "panels": [case.prefix], "split": table}
    with open_comparands(**panels, **NO_FILES) as opened:
        utility(comparands=opened, out=out, details=None, options=options, seed=case.seed)
    return out


def summary(rows: list[dict]) -> str:
    """Medians over seeds, of all individuals and sites, as text."""
    shown = [row for row in rows if row["population"] == row["bin"] == "all"]
    keys = ["set", "data", *KEYS[:3]]
    return as_text(spread(shown, keys, ["value", "ratio"]), [*keys, "rows", "value", "ratio"])
