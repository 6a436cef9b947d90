"""Which metric sees which fault? Known faults on real individuals, over many seeds.

    python benchmarks/fault_table.py --set demo --individuals 99 --seeds 20
    python benchmarks/fault_table.py --docs

Each seed deals the real individuals of every population into training, held-out and fresh ones.
`validation/known_faults.py` spoils the fresh ones in one way each, or makes generators of the
training ones. A cell counts in how many seeds a metric does not pass, over all individuals or in
any population, bin or window of it. The figures of each seed are kept
(results/benchmark/fault_table/), so that a run can be continued, new metrics are added, and all is
judged by the verdicts of today; the table goes to benchmarks/results/.
"""

import argparse
import json
import logging
import sys
import time
from collections import defaultdict

import numpy as np
from haplotype_sets import ROOT, SETS, add_places, open_set
from self_check import deal_panels

from genoloom.config import ValidateOptions
from genoloom.formats.tables import read_table, write_table
from genoloom.logs import configure_logging
from genoloom.panel import Panel, genetic_positions
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.validation.data import Part
from genoloom.validation.fidelity import fidelity_rows
from genoloom.validation.known_faults import FAULTS, Material
from genoloom.validation.metric_table import TABLE, Measured, Metric
from genoloom.validation.self_check import measure_together
from genoloom.validation.verdicts import Verdict

log = logging.getLogger("fault_table")
FRESH = "fresh individuals"
TABLES = ROOT / "benchmarks" / "results"
METRICS = "classifier_auc nsl_correlation ihs_correlation"
SLOW = f"--skip {METRICS}"
OF_LARGE_SETS = (
    "joint_spectrum_distance pi_error dxy_matrix_error heterozygosity_ratio hardy_weinberg"
    " homozygous_runs fst_matrix_error population_tstr ancestry_error"
)
FAULTS_OF_LARGE_SETS = (
    '"fresh individuals" "labels shuffled" "heterozygotes thinned" "10 % inbred" "one population '
    'missing"'
)
FAULTS_OF_LARGE_SLICE = (
    '"fresh individuals" "independent sites" "labels shuffled" "one population missing" "indels '
    'dropped"'
)
OF_SLOW = '"fresh individuals" "independent sites" "order-4 Markov"'
RUNS = {  # what is shown, and the options that made it
    "demo": (
        "The shipped region, 98 individuals per group, three populations",
        f"--set demo --individuals 99 --seeds 20 {SLOW}",
    ),
    "demo.fresh": (
        "The shipped region, 98 individuals per group",
        f"--set demo --individuals 99 --fresh-only --first-seed 101 --seeds 20 {SLOW}",
    ),
    "demo.slow": (
        "The three slow metrics, on the shipped region",
        f"--set demo --individuals 99 --seeds 20 --name demo.slow --only {METRICS} --faults "
        f"{OF_SLOW}",
    ),
    "dpyd-slice": (
        "DPYD, 1,000 sites, 300 individuals per group, five super-populations",
        f"--set dpyd-slice --individuals 300 --sites 1000 --seeds 20 {SLOW}",
    ),
    "dpyd-slice.fresh": (
        "DPYD, 1,000 sites, 300 individuals per group",
        "--set dpyd-slice --individuals 300 --sites 1000 --fresh-only --first-seed 101 --seeds 20 "
        f"{SLOW}",
    ),
    "dpyd-slice.large": (
        "DPYD, all 2,053 sites, 800 individuals per group: what needs more of them",
        "--set dpyd-slice --individuals 800 --seeds 20 --name dpyd-slice.large"
        f" --only impossible_haplotypes population_tstr --faults {FAULTS_OF_LARGE_SLICE}",
    ),
    "chr15": (
        "chr15, 3,000 sites, 800 individuals per group: what needs more individuals, or groups "
        "that are farther apart",
        f"--set chr15 --individuals 800 --sites 3000 --seeds 20 --only {OF_LARGE_SETS} --faults "
        f"{FAULTS_OF_LARGE_SETS}",
    ),
    "chr15.fresh": (
        "chr15, 3,000 sites, 500 individuals per group",
        "--set chr15 --individuals 500 --sites 3000 --fresh-only --first-seed 101 --seeds 20 "
        f"{SLOW}",
    ),
}


def main() -> int:
    arguments = _parse()
    if arguments.docs:
        (ROOT / "docs" / "fault_table.md").write_text(as_page())
        return 0
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.ERROR)
    folder = arguments.out.with_suffix("") / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    panel = None
    for seed in seeds:
        path = folder / f"{seed}.json"
        kept = json.loads(path.read_text()) if path.exists() else {"metrics": [], "figures": []}
        wanted = [m for m in TABLE if m.name not in {*arguments.skip, *kept["metrics"]}]
        wanted = [m for m in wanted if not arguments.only or m.name in arguments.only]
        if wanted:
            panel = panel or open_set(arguments.set, arguments.data)
            started = time.process_time()
            measured, kept["individuals"] = measure_seed(panel, seed, arguments, wanted)
            kept["figures"] += [_kept(m) for m in measured]
            kept["metrics"] += [m.name for m in wanted]
            path.write_text(json.dumps(kept))
            log.info("seed %d: %.0f s", seed, time.process_time() - started)
    found = {seed: judged(json.loads((folder / f"{seed}.json").read_text())) for seed in seeds}
    rows = table(found)
    columns = ["metric", *FAULTS]
    write_table(TABLES / f"fault_table.{arguments.name}.tsv", columns, rows)
    print(as_text(rows, columns))
    return 0


def measure_seed(
    panel: Panel, seed: int, arguments: argparse.Namespace, metrics: list[Metric]
) -> tuple[list[Measured], int]:
    """Every value of every fault, and the individuals per group."""
    training, held, fresh = deal_panels(
        panel, arguments.individuals, arguments.sites, "training", seed
    )
    sites = training.sites
    cm = genetic_positions(sites)
    known, new = (group.haplotypes.read(0, len(cm)) for group in (training, fresh))
    indel = np.array([len(ref) != len(alt) for ref, alt in zip(sites.ref, sites.alt, strict=True)])
    material = Material(known, new, cm, np.array(training.individuals.population), indel)
    made = {
        name: make(material, np.random.default_rng(derive_seed(seed, "fault", name)))
        for name, make in FAULTS.items()
        if name in (arguments.faults or FAULTS)
    }
    options = ValidateOptions()
    measured = measure_together(
        made, training, held, cm, options.n_permutations, options.ld_window, seed, tuple(metrics)
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
        for m in kept["figures"]
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


def as_page() -> str:
    """The tables of benchmarks/results as a page of the documentation."""
    lines = [
        "# Which metric sees which fault",
        "",
        "Generated by `python benchmarks/fault_table.py --docs` from",
        "`benchmarks/results/fault_table.*.tsv`. A cell is the number of seeds in which the metric "
        "does",
        "not pass, over all individuals or in any population, bin or window, of the seeds in which "
        "it",
        "was measured; a dot is none. The options of each run are given with it.",
        "",
        "## Fresh individuals alone",
        "",
        "Does a perfect generator pass? Seeds in which any figure of the table does not pass:",
        "",
        "| data | seeds | command: `python benchmarks/fault_table.py` and |",
        "|---|---|---|",
    ]
    tables = {name: read_table(TABLES / f"fault_table.{name}.tsv") for name in RUNS}
    for name in (name for name in RUNS if name.endswith(".fresh")):
        title, options = RUNS[name]
        lines.append(f"| {title} | {tables[name][-1][FRESH]} | `{options}` |")
    for name in (name for name in RUNS if not name.endswith(".fresh")):
        rows, (title, options) = tables[name], RUNS[name]
        columns = [column for column in rows[0] if any(row[column] for row in rows)]
        lines += [
            "",
            f"## {title}",
            "",
            f"`{options}`",
            "",
            "| " + " | ".join(columns) + " |",
            "|" + "---|" * len(columns),
            *(
                "| "
                + " | ".join("·" if row[c].startswith("0/") else row[c] for c in columns)
                + " |"
                for row in rows
            ),
        ]
    return "\n".join([*lines, ""])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set", choices=SETS, default="demo", help="data set (default: the shipped one)"
    )
    parser.add_argument(
        "--individuals", type=int, default=99, help="individuals per group, at most"
    )
    parser.add_argument("--sites", type=int, help="the first N sites (default: all)")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
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
    parser.add_argument("--name", help="of the table (default: that of the set)")
    parser.add_argument(
        "--docs",
        action="store_true",
        help="write docs/fault_table.md from the tables that are there",
    )
    add_places(parser, "fault_table.tsv")
    arguments = parser.parse_args()
    if arguments.fresh_only:
        arguments.faults = [FRESH]
    arguments.name = arguments.name or arguments.set + (".fresh" if arguments.fresh_only else "")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
