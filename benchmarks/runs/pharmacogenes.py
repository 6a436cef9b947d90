"""Star alleles of several genes, and doses of warfarin, in 2,504 real individuals.

    python -m benchmarks pharmacogenes --set cyp2c9 tpmt --seeds 1-3

For each seed the individuals are split in half; generators are trained on one half, and as many
synthetic individuals are drawn. `genoloom star-alleles` compares their diplotypes with the
diplotypes of the held-out individuals; rows of the data `real` are of the training individuals.
With the set `cyp2c9` VKORC1 is drawn as well, and the trial of guided against fixed doses of
warfarin is run: `root_pehe_ratio` is over that of the same learner trained on real data,
`dose_within_20` the share of held-out individuals with a right dose. Synthetic files of an
earlier run are used again.
"""

import argparse
from collections.abc import Iterator

from benchmarks.options import add_shared
from benchmarks.runner import Case, kept_samples
from benchmarks.runs.treatment_effects import add_size, of_diplotypes
from benchmarks.table import spread
from genoloom.formats.tables import read_records, read_table
from genoloom.medicine_config import TrialOptions
from genoloom.report.summary import as_text
from genoloom.stages.star_alleles import star_alleles
from genoloom.stages.treatment_effects import treatment_effects
from genoloom.task_rows import EffectRow
from genoloom.treatment.study import REAL, TRUTH

BUILD = "GRCh37"
KEYS = ["data", "gene", "learner", "metric", "population"]
COLUMNS = f"{' '.join(KEYS)} value"
TRIAL = ("root_pehe_ratio", "dose_within_20")


def add_options(parser: argparse.ArgumentParser) -> None:
    chosen = ["independent", "markov", "matched_mosaic"]
    sets = ["cyp2c9", "cyp3a5", "tpmt", "nudt15"]
    add_shared(parser, set=sets, seeds="1-3", generators=chosen, minutes=None)
    add_shared(parser, steps=None, set_option=[])
    add_size(parser)


def measure(case: Case) -> Iterator[dict]:
    cases = [case]
    if case.set == "cyp2c9":
        cases.append(Case("vkorc1", case.seed, case.arguments, case.table))
    for name in case.arguments.generators:
        first = not case.has(data=REAL)
        table, samples = zip(*(kept_samples(own, name) for own in cases), strict=True)
        comparands = {
            "synthetic": list(samples), "panels": [own.prefix for own in cases],
            "split": table[0], "train": [], "holdout": [], "samples": [], "genetic_map": None,
        }  # fmt: skip
        out = samples[0].parent / "table.tsv"
        star_alleles(comparands=comparands, build=BUILD, genes=None, out=out, calls=None)
        labels = {"synthetic": name} | ({REAL: REAL} if first else {})
        for row in read_table(out):
            if row["data"] in labels:
                own = {key: row[key] for key in ("gene", "metric", "population", "value")}
                yield {"data": labels[row["data"]], "learner": ""} | own
        if len(cases) > 1:
            options = TrialOptions(
                outcome="warfarin", draws=case.arguments.draws,
                individuals=case.arguments.individuals,
            )  # fmt: skip
            treatment_effects(
                comparands=comparands, build=BUILD, out=out, summary=None, options=options,
                seed=case.seed,
            )  # fmt: skip
            yield from _trial(read_records(out, EffectRow), name, first)


def _trial(rows: list[EffectRow], name: str, first: bool) -> Iterator[dict]:
    """Metrics of the trial; those without a generator come with the first one."""
    of = {"genotypes": name, "factorised": f"{name}, factorised"}
    errors = [r for r in of_diplotypes(rows) if r.data in ("genotypes", REAL, TRUTH)]
    for row in [*(row for row in rows if row.metric in TRIAL), *errors]:
        if row.data in of or first:
            own = {"learner": row.learner, "metric": row.metric, "value": row.value}
            data = of.get(row.data, row.data)
            yield {"data": data, "gene": "warfarin", "population": row.group} | own


def summary(rows: list[dict]) -> str:
    """Medians over seeds, as text."""
    return as_text(spread(rows, KEYS, ["value"]), [*KEYS, "rows", "value"])
