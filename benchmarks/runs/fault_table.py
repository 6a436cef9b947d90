"""Which metric sees which fault: known faults on real individuals, over many seeds.

    python -m benchmarks fault_table --set demo --individuals 99 --seeds 1-20

Each seed deals the real individuals of every population into training, held-out and fresh ones.
`known_faults.py` spoils the fresh ones in one way each, or makes generators of the training ones. A
cell counts in how many seeds a metric does not pass, over all individuals or in
any population, bin or window of it. The values of each seed are kept below `--work`, so that a run
can be continued, new metrics are added, and all is judged by the verdicts of today. The table is
`fault_table.NAME.tsv` in `--out`.
"""

import argparse
import json
from collections import defaultdict

import numpy as np

from benchmarks.known_faults import FAULTS, Material
from benchmarks.options import add_places, add_shared
from benchmarks.runner import Case, deal_panels
from benchmarks.several_samples import measure_together
from genoloom.config import ValidateOptions
from genoloom.formats.tables import write_table
from genoloom.panel import genetic_positions
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.validation.data import Part
from genoloom.validation.fidelity import fidelity_rows
from genoloom.validation.metric_table import TABLE, Measured, Metric
from genoloom.validation.verdicts import Verdict

FRESH = "fresh individuals"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1-20", individuals=99, sites=None)
    parser.add_argument(
        "--fresh-only",
        action="store_true",
        help="only fresh individuals: does a perfect generator pass?",
    )
    parser.add_argument(
        "--faults", nargs="*", choices=FAULTS, help="the faults to try (default: all)"
    )
    parser.add_argument("--skip", nargs="*", default=[], help="metrics to leave out")
    parser.add_argument("--only", nargs="*", default=[], help="the metrics to take (default: all)")
    add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.fresh_only:
        arguments.faults = [FRESH]
    columns = ["metric", *FAULTS]
    for data_set in arguments.set:
        name = arguments.name or data_set + (".fresh" if arguments.fresh_only else "")
        found = {seed: judged(kept_values(data_set, seed, name, arguments))
                 for seed in arguments.seeds}  # fmt: skip
        rows = table(found)
        write_table(arguments.out / f"fault_table.{name}.tsv", columns, rows)
        print(as_text(rows, columns))
    return 0


def kept_values(data_set: str, seed: int, name: str, arguments: argparse.Namespace) -> dict:
    """What was measured of a seed, now and before."""
    path = arguments.work / "fault_table" / name / f"{seed}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"metrics": [], "values": []}
    wanted = [m for m in TABLE if m.name not in {*arguments.skip, *kept["metrics"]}]
    wanted = [m for m in wanted if not arguments.only or m.name in arguments.only]
    if wanted:
        case = Case(data_set, seed, arguments, None)
        measured, kept["individuals"] = measure_faults(case, wanted)
        kept["values"] += [_kept(m) for m in measured]
        kept["metrics"] += [m.name for m in wanted]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept))
    return kept


def measure_faults(case: Case, metrics: list[Metric]) -> tuple[list[Measured], int]:
    """Every value of every fault, and the individuals per group."""
    arguments, seed = case.arguments, case.seed
    training, holdout, fresh = deal_panels(case, arguments.individuals, arguments.sites)
    sites = training.sites
    cm = genetic_positions(sites)
    known, new = (group.haplotypes.read(0, len(cm)) for group in (training, fresh))
    indel = np.array([len(ref) != len(alt) for ref, alt in zip(sites.ref, sites.alt, strict=True)])
    material = Material(known, new, cm, np.array(training.individuals.population), indel)
    synthetic = {
        name: make(material, np.random.default_rng(derive_seed(seed, "fault", name)))
        for name, make in FAULTS.items()
        if name in (arguments.faults or FAULTS)
    }
    options = ValidateOptions()
    measured = measure_together(
        synthetic,
        training,
        holdout,
        cm,
        options.n_permutations,
        options.ld_window,
        seed,
        tuple(metrics),
    )
    return measured, len(training.individuals)


def _kept(m: Measured) -> dict:
    return {
        "metric": m.metric.name, "population": m.part.population, "bin": m.part.bin,
        "values": m.values, "reference": m.reference,
        "null_sd": m.null_sd, "departures": m.departures.tolist(),
    }  # fmt: skip


def judged(kept: dict) -> dict[str, list[dict]]:
    """Rows of the fidelity table by fault, from what was kept of a seed, by the rules of today."""
    known = {metric.name: metric for metric in TABLE}
    measured = [
        Measured(
            known[m["metric"]],
            Part(m["population"], m["bin"]),
            m["values"],
            m["reference"],
            m["null_sd"],
            np.array(m["departures"]),
        )
        for m in kept["values"]
        if m["metric"] in known
    ]
    return {
        name: fidelity_rows(measured, name, "baseline", kept["individuals"], group=name)
        for name in measured[0].values
        if name != "T"
    }


def table(found: dict[int, dict[str, list[dict]]]) -> list[dict]:
    """Share of the seeds in which a metric does not pass; the last row is that of any metric."""
    off: dict = defaultdict(lambda: defaultdict(set))
    run: dict = defaultdict(set)
    for seed, faults in found.items():
        for fault, rows in faults.items():
            for row in rows:
                run[row.metric, fault].add(seed)
                if row.verdict not in (Verdict.PASS, Verdict.NOT_RUN):
                    off[row.metric][fault].add(seed)
    names = list(dict.fromkeys(metric for metric, _ in run))
    return [
        {"metric": name}
        | {
            fault: f"{len(off[name][fault])}/{len(run[name, fault])}"
            for fault in FAULTS
            if run[name, fault]
        }
        for name in names
    ]
