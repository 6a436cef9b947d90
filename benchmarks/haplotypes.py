"""All haplotype generators side by side: fidelity, privacy, likelihood and speed, in one table.

    python benchmarks/haplotypes.py --set dpyd-slice --seeds 1 2 3
    python benchmarks/haplotypes.py --set demo --generators transformer matched_mosaic \
        --minutes 5 --set-option mosaic.segment_cm=0.03

Every figure comes from the package's own stages: `prepare`, `split` (individuals in halves,
seeded), `train`, `cohort`, `generate`, `validate`, `audit`; bits per site are the model's own
likelihood of the held-out individuals. The row `reference` is what held-out real individuals score;
the row `real` is the training individuals taken as if they were synthetic. Times are processor
seconds, so that other work on the machine does not count. Rows are written as they come, so a
stopped run leaves what it has; `--append` goes on.
"""

import argparse
import logging
import math
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from haplotype_sets import RESULTS, SETS, add_places, make_panel

from genoloom.config import (
    AuditOptions,
    CohortOptions,
    GenerateOptions,
    SplitOptions,
    ValidateOptions,
)
from genoloom.config_section import Section
from genoloom.errors import GenoLoomError
from genoloom.formats.models import read_description
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_table, write_table
from genoloom.logs import configure_logging
from genoloom.models.haplotype import GENERATORS
from genoloom.models.haplotype.base import SampleRequest
from genoloom.panel import Panel, Sites
from genoloom.privacy.attack_ids import WORST_ROWS, AttackId
from genoloom.report.summary import as_text
from genoloom.seeds import row_seeds
from genoloom.stages.audit import audit
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.inputs import open_comparands
from genoloom.stages.load import load_generator
from genoloom.stages.split import split
from genoloom.stages.train import train
from genoloom.stages.validate import validate
from genoloom.training_config import TrainSections
from genoloom.validation.cohorts import match_sites

log = logging.getLogger("benchmark")

# name in the table: metric of the fidelity table
METRICS = {
    "ld_r2": "ld_r2_correlation",
    "ld_decay": "ld_decay_error",
    "three_point": "three_point_correlation",
    "lost": "sites_lost",
    "distinct": "distinct_haplotypes",
    "pca": "pca_distance",
    "tstr": "population_tstr",
    "aats_truth": "aats_truth",
    "aats_synth": "aats_synthetic",
    "classifier": "classifier_auc",
}
COLUMNS = [
    "set",
    "seed",
    "generator",
    "sites",
    "individuals",
    "bits",
    *METRICS,
    "local_attack",
    "worst_attack",
    "attack",
    "train_cpu_s",
    "sample_M_s",
    "options",
]
SAMPLED = 1000  # haplotypes in the measurement of speed


def main() -> int:
    arguments = _parse()
    configure_logging()
    if not arguments.verbose:
        logging.getLogger("genoloom").setLevel(logging.WARNING)
    done = read_table(arguments.out) if arguments.append and arguments.out.exists() else []
    for name in arguments.set:
        for seed in arguments.seeds:
            try:
                _run_set(name, seed, arguments, done)
            except GenoLoomError as error:
                log.error("%s", error)
                return error.exit_code
    print(as_text([{c: shorten(row.get(c)) for c in COLUMNS} for row in done], COLUMNS))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set",
        nargs="+",
        choices=SETS,
        default=["demo"],
        help="data sets (default: the shipped one)",
    )
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=list(GENERATORS))
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        default=[1],
        help="each seed splits, trains and samples anew",
    )
    parser.add_argument(
        "--minutes", type=float, help="length of the schedules of transformer and GAN"
    )
    parser.add_argument(
        "--individuals",
        type=int,
        help="synthetic individuals; fewer make the comparison faster (default: as many as "
        "trained)",
    )
    parser.add_argument(
        "--n-permutations",
        type=int,
        default=3,
        help="halvings of the real individuals behind the reference",
    )
    parser.add_argument(
        "--set-option",
        action="append",
        default=[],
        metavar="GENERATOR.KEY=VALUE",
        help="as in the configuration",
    )
    parser.add_argument("--threads", type=int, default=1)
    add_places(parser, "haplotypes.tsv")
    parser.add_argument(
        "--work", type=Path, default=RESULTS, help="panels, models, synthetic files"
    )
    parser.add_argument("--append", action="store_true", help="keep the rows of an earlier run")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def _run_set(name: str, seed: int, arguments: argparse.Namespace, done: list[dict]) -> None:
    """Every generator on one data set and one split; rows go to `done` and to the table."""
    place = arguments.work / name
    panel = place / SETS[name].contig
    make_panel(name, arguments.data, panel)
    table = place / f"seed{seed}" / "split.tsv"
    split(
        panels=[panel],
        out=table,
        summary=table.with_name("summary.json"),
        options=SplitOptions(),
        seed=seed,
    )
    have = {(row["set"], row["seed"], row["generator"], row["options"]) for row in done}
    for generator in arguments.generators:
        options, text = options_of(generator, arguments.set_option)
        if (name, str(seed), generator, text) in have:
            continue
        log.info("%s, seed %d: %s", name, seed, generator)
        rows = _run_generator(generator, options, panel, table, seed, arguments)
        for row in rows:
            row |= {
                "set": name,
                "seed": str(seed),
                "options": text if row["generator"] == generator else "",
            }
            if row["generator"] == generator or (name, str(seed), row["generator"], "") not in have:
                done.append({c: shorten(row.get(c)) for c in COLUMNS})
                have.add((name, str(seed), row["generator"], row["options"]))
        write_table(arguments.out, COLUMNS, done)


def options_of(generator: str, given: list[str]) -> tuple[Section, str]:
    """The options of a generator, checked by the configuration model, and what was given as
    text.
    """
    values = {}
    for item in given:
        key, _, value = item.partition("=")
        owner, _, field = key.partition(".")
        if owner == generator:
            values[field] = None if value.lower() in ("none", "null") else value
    section = type(getattr(TrainSections(), generator))
    return section(**values), ",".join(f"{k}={v}" for k, v in sorted(values.items()))


def _run_generator(
    generator: str,
    options: Section,
    panel: Path,
    table: Path,
    seed: int,
    arguments: argparse.Namespace,
) -> list[dict]:
    """Train, generate, validate and audit; the rows of this generator, of the reference and of the
    training individuals.
    """
    place = table.parent / generator
    shutil.rmtree(place, ignore_errors=True)
    model, common = place / "model.safetensors", TrainSections().common
    files = {
        "panel": panel,
        "split": table,
        "common": common,
        "seed": seed,
        "threads": arguments.threads,
    }
    if arguments.minutes and "minutes" in type(options).model_fields:
        options = type(options)(**options.model_dump() | {"minutes": arguments.minutes})
    started = time.process_time()
    train(
        generator=generator,
        model=model,
        history=place / "history.tsv",
        state=place / "state",
        options=options,
        **files,
    )
    seconds = time.process_time() - started
    rows = judge(generator, model, panel, table, seed, arguments)
    rows[-1] |= {"train_cpu_s": seconds}
    return rows


def judge(
    generator: str,
    model: Path,
    panel: Path,
    table: Path,
    seed: int,
    arguments: argparse.Namespace,
    mix: str = "panel",
) -> list[dict]:
    """Generate from a trained model, validate and audit; the rows of the reference, of the training
    individuals and of the model. `mix` is `CohortOptions.populations`.
    """
    place = model.parent
    cohort, out = place / "cohort.tsv", place / f"{panel.name}.bcf"
    make_cohort(
        model=model,
        split=table,
        out=cohort,
        options=CohortOptions(size=arguments.individuals, populations=mix),
        seed=seed,
    )
    generate(
        model=model,
        cohort=cohort,
        out=out,
        options=GenerateOptions(format="bcf"),
        seed=seed,
        threads=arguments.threads,
    )
    rows = compare(generator, place / panel.name, panel, table, seed, arguments)
    rows[-1] |= {"bits": _bits(model, panel, table), "sample_M_s": speed(model)}
    rows[-1]["sites"] = read_description(model, "haplotypes")["n_variants"]
    return rows


def compare(
    name: str, synthetic: Path, panel: Path, table: Path, seed: int, arguments: argparse.Namespace
) -> list[dict]:
    """Validate and audit the individuals at the prefix `synthetic`; the rows of the reference, of
    the training individuals and of them.
    """
    place = synthetic.parent
    fidelity, privacy = place / "fidelity.tsv", place / "privacy.tsv"
    files = {"synthetic": [synthetic], "panels": [panel], "split": table}
    with open_comparands(**files, train=[], holdout=[], samples=[], genetic_map=None) as comparands:
        compared = {"name": name, "comparands": comparands, "baselines": [], "seed": seed}
        validate(
            **compared,
            out=fidelity,
            figures=None,
            options=ValidateOptions(n_permutations=arguments.n_permutations),
        )
        audit(
            **compared,
            out=place / "private" / "audit.tsv",
            public=privacy,
            options=AuditOptions(bootstrap=200),
        )
    rows = read_table(fidelity)
    own = (
        {"generator": name, "individuals": _compared(rows)}
        | _figures(rows, name, "value")
        | _attacks(read_table(privacy))
    )
    reference = {"generator": "reference (held out)"} | _figures(rows, name, "reference")
    real = {"generator": "real (training)"} | _figures(rows, "real", "value")
    return [reference, real, own]


def _bits(model: Path, panel: Path, table: Path) -> float:
    """Bits per site of the held-out individuals under the model; nan for generators without
    likelihood.
    """
    generator, sites, _ = load_generator(model)
    if not generator.has_likelihood:
        return math.nan
    real, population = held_out(sites, generator.population_names, panel, table)
    total = generator.log_likelihood(real.haplotypes, population).sum()
    return float(-total / math.log(2) / (len(sites) * len(population)))


def held_out(
    sites: Sites, population_names: list[str], panel: Path, table: Path
) -> tuple[Panel, np.ndarray]:
    """The held-out individuals at the sites of a model, and the index of the population of each of
    their haplotypes.
    """
    whole = open_panel(panel)
    held = whole.take_individuals(
        np.array([role == "holdout" for role in read_roles(table, whole.individuals)])
    )
    _, real = match_sites(Panel(sites, held.individuals, held.haplotypes), held)
    return real, np.repeat([population_names.index(p) for p in real.individuals.population], 2)


def speed(model: Path) -> float:
    """Millions of haplotype-variants sampled a second of processor time, without writing them."""
    generator, _, _ = load_generator(model)
    names = [str(i) for i in range(SAMPLED)]
    population = np.arange(SAMPLED) % len(generator.population_names)
    request = SampleRequest(population, row_seeds(1, names))
    started = time.process_time()
    alleles = sum(block.size for block in generator.sample(request))
    return alleles / (time.process_time() - started) / 1e6


def _figures(rows: list[dict], row: str, column: str) -> dict:
    own = {r["metric"]: r for r in rows if r["row"] == row and r["population"] == r["bin"] == "all"}
    return {
        short: float(own[metric][column] or "nan")
        for short, metric in METRICS.items()
        if metric in own
    }


def _attacks(rows: list[dict]) -> dict:
    """The corrected worst attack and which one is strongest, and the strongest of the local
    nearest-neighbour attacks.
    """
    overall = {
        r["attack"]: float(r["value"])
        for r in rows
        if r["population"] == "all" and r["measure"] == "auc" and r["value"]
    }
    single = {name: value for name, value in overall.items() if name not in WORST_ROWS}
    local = [value for name, value in single.items() if name.startswith("nearest, windows")]
    return {
        "worst_attack": overall[AttackId.WORST],
        "attack": max(single, key=single.get),
        "local_attack": max(local),
    }


def _compared(rows: list[dict]) -> int:
    return int(next(r["n"] for r in rows if r["metric"] == "ld_r2_correlation"))


def shorten(value) -> str:
    """A cell: three decimals are what the spread between seeds allows; bits get four significant
    digits.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
