"""Treatment effects from synthetic genotypes: CYP2C19 in 2,504 real individuals.

    python -m benchmarks treatment_effects --seeds 1-3

For each seed the individuals are split in half; generators are trained on one half, and as many
synthetic individuals are drawn. Learners of a planted trial (`genoloom treatment-effects`) are
trained on the synthetic genotypes, on the real ones, and on negative controls, and judged on the
held-out real individuals. Rows of a generator's name have its genotypes and the true structural
model for all else; `factorised` and `joint` are the other routes to a synthetic trial, learnt from
the real one. `ratio` is the root PEHE over that of the same learner trained on real data. `tv` is
the largest total-variation distance of diplotype frequencies from the held-out individuals over the
populations; the row `real` has it for the training individuals. Rows with a `group` have the mean
error of one diplotype, its mean true effect, or the distance in one population. Synthetic files of
an earlier run are used again.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import add_shared
from benchmarks.runner import NO_FILES, Case, kept_samples
from benchmarks.table import spread
from genoloom.medicine_config import TrialOptions
from genoloom.panels.comparands import open_real
from genoloom.panels.genotypes import read_genotypes
from genoloom.report.summary import as_text
from genoloom.stages.treatment_effects import read_group
from genoloom.task_rows import EffectRow
from genoloom.treatment.study import (
    ALL,
    CONTROLS,
    REAL,
    ROUTES,
    SYNTHETIC,
    TRUTH,
    diplotype_rows,
    effect_rows,
)

BUILD = "GRCh37"
METRICS = ["root_pehe", "ratio", "ate_error", "regret", "rank_agreement", "calibration_slope"]
COLUMNS = f"data learner group {' '.join(METRICS)} bias effect tv unmatched"
LEARNERS = ("S", "T", "X", "DR")


def add_options(parser: argparse.ArgumentParser) -> None:
    chosen = ["independent", "markov", "matched_mosaic", "li_stephens"]
    add_shared(parser, set=["cyp2c19"], seeds="1-3", generators=chosen, minutes=None)
    add_shared(parser, steps=None, set_option=[])
    add_size(parser)
    outcomes = ["inhibition", "events"]  # warfarin: `pharmacogenes`
    parser.add_argument("--outcome", choices=outcomes, default="inhibition", help="of the trials")


def add_size(parser: argparse.ArgumentParser) -> None:
    """How many trials, of how many individuals."""
    parser.add_argument("--draws", type=int, default=3, help="trials on the same genotypes")
    text = "of each training set, drawn with replacement; as many as there are by default"
    parser.add_argument("--individuals", type=int, help=text)


def measure(case: Case) -> Iterator[dict]:
    for name in case.arguments.generators:
        yield from _judge(case, name, *kept_samples(case, name))


def _judge(case: Case, name: str, table: Path, samples: Path) -> Iterator[dict]:
    """Rows of one generator; with the first one, also of real data and of negative controls."""
    first = not case.has(data=REAL)
    with open_real(panels=[case.prefix], split=table, **NO_FILES) as real:
        synthetic = read_genotypes(
            "synthetic", [samples.with_suffix(".pgen")], samples.parent / "scratch"
        )
        files = {"train": real.train, "holdout": real.holdout, "synthetic": synthetic}
        groups = {role: read_group(own, BUILD)[0] for role, own in files.items()}
    asked = case.arguments
    options = TrialOptions(
        draws=asked.draws, outcome=asked.outcome, individuals=asked.individuals
    )  # fmt: skip
    routes = ROUTES if first else ("genotypes", "factorised")
    found = effect_rows(**groups, options=options, seed=case.seed, routes=routes, controls=first)
    overall = [row for row in found if row.group == ALL]
    whole = {(row.data, row.learner, row.metric): row.value for row in overall}
    data = {"genotypes": name, "factorised": f"{name}, factorised"}
    data |= {d: d for d in (REAL, "joint", *CONTROLS)} if first else {}
    shares = diplotype_rows(**groups)
    for source, label in data.items():
        side = SYNTHETIC if source == "genotypes" else source
        tv = {r.group: r.value for r in shares if (r.data, r.metric) == (side, "diplotype_tv")}
        tv.pop(ALL, None)
        unmatched = shares[-1].value if source == "genotypes" else None
        for learner in dict.fromkeys(key[1] for key in whole if key[0] == source):
            own = {m: whole.get((source, learner, m)) for m in METRICS}
            own["ratio"] = whole[source, learner, "root_pehe_ratio"]
            more = {"tv": max(tv.values(), default=None), "unmatched": unmatched}
            yield {"data": label, "learner": learner} | own | more
        for population, distance in tv.items():
            yield {"data": label, "group": population, "tv": distance}
    labels = {source: label for source, label in data.items() if source in ("genotypes", REAL)}
    labels |= {TRUTH: TRUTH} if first else {}
    for row in of_diplotypes(found):
        if row.data in labels:
            own = {"learner": row.learner, "group": row.group, row.metric: row.value}
            yield {"data": labels[row.data]} | own


def of_diplotypes(rows: list[EffectRow]) -> list[EffectRow]:
    """Mean errors of the learners of individual effects by diplotype, and the true effects."""
    return [
        row for row in rows
        if "/" in row.group
        and (row.metric == "effect" or (row.metric == "bias" and row.learner in LEARNERS))
    ]  # fmt: skip


def summary(rows: list[dict]) -> str:
    """Medians over seeds of each data set and learner, as text."""
    keys, columns = COLUMNS.split()[:2], [*METRICS, "tv", "unmatched"]
    rows = [row for row in rows if not row.get("group")]
    return as_text(spread(rows, keys, columns), [*keys, "rows", *columns])
