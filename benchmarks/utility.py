"""What synthetic genotypes are worth for treatment effects: CYP2C19 in 2,504 real individuals.

    python benchmarks/utility.py --seeds 1 2 3

For each seed the individuals are split in half; generators are trained on one half, and as many
synthetic individuals are drawn. Learners of a planted trial (`genoloom treatment-effects`) are
trained on the synthetic genotypes, on the real ones, and on negative controls, and judged on the
held-out real individuals. Rows of a generator's name have its genotypes and the true structural
model for all else; `factorised` and `joint` are the other routes to a synthetic trial, learnt from
the real one. `ratio` is the root PEHE over that of the same learner trained on real data. `tv` is
the largest total-variation distance of diplotype frequencies from the held-out individuals over the
populations; the row `real` has it for the training individuals. Synthetic files that an earlier run
made are used again.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
from haplotype_sets import RESULTS, SETS, add_places, make_panel

from genoloom.config import CohortOptions, GenerateOptions, SplitOptions
from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.medicine_config import TrialOptions
from genoloom.models.haplotype import GENERATORS
from genoloom.report.summary import as_text
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.genotypes import read_genotypes
from genoloom.stages.inputs import open_real
from genoloom.stages.split import split
from genoloom.stages.train import train
from genoloom.stages.treatment_effects import read_group
from genoloom.training_config import TrainSections
from genoloom.treatment.study import CONTROLS, REAL, ROUTES, diplotype_rows, effect_rows

log = logging.getLogger("benchmark")

SET, BUILD = "cyp2c19", "GRCh37"
METRICS = ("root_pehe", "ratio", "ate_error", "regret", "rank_agreement", "calibration_slope")
COLUMNS = ["seed", "data", "learner", *METRICS, "tv", "unmatched"]


def main() -> None:
    arguments = _parse()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.WARNING)
    prefix = RESULTS / SET / SETS[SET].contig
    make_panel(SET, arguments.data, prefix)
    rows: list[dict] = []
    for seed in arguments.seeds:
        place = RESULTS / SET / f"utility.{seed}"
        table = make_split(prefix, place, seed)
        for number, name in enumerate(arguments.generators):
            log.info("seed %d: %s", seed, name)
            if not (place / name / f"{prefix.name}.bcf").exists():
                make_synthetic(name, prefix, table, place / name, seed, arguments.minutes)
            rows += _judge(name, prefix, table, place / name, seed, arguments, number == 0)
            write_table(arguments.out, COLUMNS, rows)
    print(as_text(_medians(rows), COLUMNS[1:]))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_places(parser, "utility.tsv")
    chosen = ["independent", "markov", "matched_mosaic", "li_stephens"]
    parser.add_argument("--generators", nargs="+", choices=list(GENERATORS), default=chosen)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--draws", type=int, default=3, help="trials on the same genotypes")
    parser.add_argument("--outcome", choices=["inhibition", "events"], default="inhibition")
    parser.add_argument("--minutes", type=float, help="length of training, where there is one")
    return parser.parse_args()


def make_split(panel: Path, place: Path, seed: int) -> Path:
    """The split of a panel into halves, unless it is there."""
    table = place / "split.tsv"
    if not table.exists():
        options = SplitOptions(holdout=0.5, kinship=False)
        split(panels=[panel], out=table, summary=place / "s.json", options=options, seed=seed)
    return table


def make_synthetic(
    name: str, panel: Path, table: Path, place: Path, seed: int, minutes: float | None
) -> None:  # fmt: skip
    """Train, and draw as many individuals as trained."""
    options = getattr(TrainSections(), name)
    if minutes and "minutes" in type(options).model_fields:
        options = type(options)(**options.model_dump() | {"minutes": minutes})
    place.mkdir(parents=True, exist_ok=True)
    model, cohort = place / "model.safetensors", place / "cohort.tsv"
    train(
        generator=name, panel=panel, split=table, model=model, history=place / "history.tsv",
        state=place / "state", common=TrainSections().common, options=options, seed=seed, threads=1,
    )  # fmt: skip
    make_cohort(model=model, split=table, out=cohort, options=CohortOptions(), seed=seed)
    out, form = place / f"{panel.name}.bcf", GenerateOptions(format="bcf")
    generate(model=model, cohort=cohort, out=out, options=form, seed=seed, threads=1)


def _judge(
    name: str, panel: Path, table: Path, place: Path, seed: int, arguments: argparse.Namespace,
    first: bool,
) -> list[dict]:  # fmt: skip
    """Rows of one generator; with the first one, those of real data and of negative controls."""
    nothing = {"train": [], "holdout": [], "samples": [], "genetic_map": None}
    with open_real(panels=[panel], split=table, **nothing) as real:
        made = read_genotypes("synthetic", [place / f"{panel.name}.pgen"], place / "scratch")
        files = {"train": real.train, "holdout": real.holdout, "made": made}
        groups = {role: read_group(own, BUILD)[0] for role, own in files.items()}
    options = TrialOptions(draws=arguments.draws, outcome=arguments.outcome)
    routes = ROUTES if first else ("genotypes", "factorised")
    found = effect_rows(**groups, options=options, seed=seed, routes=routes, controls=first)
    overall = [row for row in found if row["group"] == "all"]
    whole = {(row["data"], row["learner"], row["metric"]): row["value"] for row in overall}
    shares = diplotype_rows(**groups)
    data = {"genotypes": name, "factorised": f"{name}, factorised"}
    data |= {d: d for d in (REAL, "joint", *CONTROLS)} if first else {}
    rows = []
    for source, label in data.items():
        side = "synthetic" if source == "genotypes" else source
        tv = [r["value"] for r in shares if (r["data"], r["metric"]) == (side, "diplotype_tv")]
        tv = tv[1:] or tv  # the first is that of all individuals
        unmatched = shares[-1]["value"] if source == "genotypes" else None
        for learner in dict.fromkeys(key[1] for key in whole if key[0] == source):
            own = {m: whole.get((source, learner, m)) for m in METRICS}
            own["ratio"] = whole[source, learner, "root_pehe_ratio"]
            more = {"tv": max(tv, default=None), "unmatched": unmatched}
            rows.append({"seed": seed, "data": label, "learner": learner} | own | more)
    return rows


def _medians(rows: list[dict]) -> list[dict]:
    """The median over seeds of each data set and learner."""
    keys = dict.fromkeys((row["data"], row["learner"]) for row in rows)
    table = []
    for data, learner in keys:
        own = [r for r in rows if (r["data"], r["learner"]) == (data, learner)]
        row: dict = {"data": data, "learner": learner}
        for column in COLUMNS[3:]:
            values = [r[column] for r in own if r.get(column) is not None]
            row[column] = f"{float(np.median(values)):.3g}" if values else ""
        table.append(row)
    return table


if __name__ == "__main__":
    main()
