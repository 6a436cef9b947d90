"""Treatment effects from synthetic genotypes: CYP2C19 in 2,504 real individuals.

    python -m benchmarks treatment_effects --seeds 1-3

For each seed the individuals are split in half; generators are trained on one half, and as many
synthetic individuals are drawn. Learners of a planted trial (`genoloom treatment-effects`) are
trained on the synthetic genotypes, on the real ones, and on negative controls, and judged on the
held-out real individuals. Rows of a generator's name have its genotypes and the true structural
model for all else; `factorised` and `joint` are the other routes to a synthetic trial, learnt from
the real one. `ratio` is the root PEHE over that of the same learner trained on real data. `tv` is
the largest total-variation distance of diplotype frequencies from the held-out individuals over the
populations; the row `real` has it for the training individuals. `bias_within` is the share of
diplotypes and phenotypes whose mean error is at most a tenth of their effect, or within two
spreads over draws of that of real data. Synthetic files of an earlier run are used again.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.options import add_shared
from benchmarks.runner import NO_FILES, Case, kept_samples
from benchmarks.table import spread
from genoloom.medicine_config import TrialOptions
from genoloom.panels.comparands import open_real
from genoloom.panels.genotypes import read_genotypes
from genoloom.report.summary import as_text
from genoloom.stages.treatment_effects import read_group
from genoloom.task_rows import EffectRow
from genoloom.treatment.study import CONTROLS, REAL, ROUTES, TRUTH, diplotype_rows, effect_rows

BUILD = "GRCh37"
METRICS = ["root_pehe", "ratio", "ate_error", "regret", "rank_agreement", "calibration_slope"]
COLUMNS = f"data learner {' '.join(METRICS)} bias_within tv unmatched"


def add_options(parser: argparse.ArgumentParser) -> None:
    chosen = ["independent", "markov", "matched_mosaic", "li_stephens"]
    add_shared(parser, set=["cyp2c19"], seeds="1-3", generators=chosen, minutes=None)
    add_shared(parser, steps=None, set_option=[])
    parser.add_argument("--draws", type=int, default=3, help="trials on the same genotypes")
    outcomes = ["inhibition", "events"]  # warfarin: `pharmacogenes`
    parser.add_argument("--outcome", choices=outcomes, default="inhibition", help="of the trials")


def measure(case: Case) -> Iterator[dict]:
    for number, name in enumerate(case.arguments.generators):
        table, samples = kept_samples(case, name)
        yield from _judge(case, name, table, samples, number == 0)


def _judge(case: Case, name: str, table: Path, samples: Path, first: bool) -> Iterator[dict]:
    """Rows of one generator; with the first one, also of real data and of negative controls."""
    with open_real(panels=[case.prefix], split=table, **NO_FILES) as real:
        synthetic = read_genotypes(
            "synthetic", [samples.with_suffix(".pgen")], samples.parent / "scratch"
        )
        files = {"train": real.train, "holdout": real.holdout, "synthetic": synthetic}
        groups = {role: read_group(own, BUILD)[0] for role, own in files.items()}
    options = TrialOptions(draws=case.arguments.draws, outcome=case.arguments.outcome)
    routes = ROUTES if first else ("genotypes", "factorised")
    found = effect_rows(**groups, options=options, seed=case.seed, routes=routes, controls=first)
    overall = [row for row in found if row.group == "all"]
    whole = {(row.data, row.learner, row.metric): row.value for row in overall}
    shares = diplotype_rows(**groups)
    data = {"genotypes": name, "factorised": f"{name}, factorised"}
    data |= {d: d for d in (REAL, "joint", *CONTROLS)} if first else {}
    for source, label in data.items():
        side = "synthetic" if source == "genotypes" else source
        tv = [r.value for r in shares if (r.data, r.metric) == (side, "diplotype_tv")]
        tv = tv[1:] or tv  # the first is that of all individuals
        unmatched = shares[-1].value if source == "genotypes" else None
        for learner in dict.fromkeys(key[1] for key in whole if key[0] == source):
            own = {m: whole.get((source, learner, m)) for m in METRICS}
            own["ratio"] = whole[source, learner, "root_pehe_ratio"]
            own["bias_within"] = bias_within(found, source, learner)
            more = {"tv": max(tv, default=None), "unmatched": unmatched}
            yield {"data": label, "learner": learner} | own | more


def bias_within(rows: list[EffectRow], data: str, learner: str) -> float:
    """Share of groups whose bias is small, or like that of real data."""
    effect = {r.group: r.value for r in rows if (r.data, r.metric) == (TRUTH, "effect")}
    bias = {
        (r.data, r.group): r
        for r in rows if (r.learner, r.metric) == (learner, "bias")
    }  # fmt: skip
    within = []
    for group, true in effect.items():
        own, real = bias[data, group].value, bias[REAL, group]
        near = abs(own - real.value) <= 2 * np.nan_to_num(real.sd)
        within.append(near or abs(own) <= 0.1 * abs(true))
    return float(np.mean(within))


def summary(rows: list[dict]) -> str:
    """Medians over seeds of each data set and learner, as text."""
    columns = COLUMNS.split()
    return as_text(spread(rows, columns[:2], columns[2:]), [*columns[:2], "rows", *columns[2:]])
