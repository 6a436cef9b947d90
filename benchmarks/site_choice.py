"""Which figures of real individuals depend on whose alleles the sites were chosen by?

    python benchmarks/site_choice.py --set demo
    python benchmarks/site_choice.py --set chr20 --seeds 3

Half of the real individuals are taken as if they were synthetic and compared with the other half,
at sites where the rarer allele has two carriers among the first half (as in the workflow), among
the other half, and among both (three carriers). A figure that does not pass in the first two and
passes in the last is about the choice of the sites, not about the individuals: the fidelity table
then has no such row for `real`.
"""

import argparse
import logging
import sys
from collections import defaultdict

import numpy as np
from haplotype_sets import SETS, add_places, open_set

from genoloom.config import ValidateOptions
from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.panel import Panel, genetic_positions
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.validation.accumulators import Collector
from genoloom.validation.cohorts import compare, halve
from genoloom.validation.data import Data
from genoloom.validation.fidelity import fidelity_rows
from genoloom.validation.metric_table import measure_all

CHOICES = {"training": 2, "held-out": 2, "both": 3}  # carriers among those individuals


def main() -> int:
    arguments = _parse()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.ERROR)
    panel = open_set(arguments.set, arguments.data)
    population = np.array(panel.individuals.population)
    found: dict = defaultdict(dict)
    for seed in range(1, arguments.seeds + 1):
        rng = np.random.default_rng(derive_seed(seed, "site choice"))
        halves = halve(np.arange(len(population)), population, sorted(set(population)), rng)
        training, held = (panel.take_individuals(np.sort(rows)) for rows in halves)
        for choice, rows in judge(training, held, seed).items():
            for row in rows:
                key = row.metric, row.population, row.bin
                found[key].setdefault(choice, []).append(row.verdict)
    table = [
        dict(zip(("metric", "population", "bin"), key, strict=True))
        | {c: _count(verdicts.get(c, [])) for c in CHOICES}
        for key, verdicts in found.items()
        if any(v != "pass" for choice in CHOICES for v in verdicts.get(choice, []))
    ]
    columns = ["metric", "population", "bin", *CHOICES]
    write_table(arguments.out, columns, table)
    print(as_text(table, columns))
    return 0


def judge(training: Panel, held: Panel, seed: int) -> dict[str, list[dict]]:
    """Rows of the training individuals, taken as if they were synthetic, by who chose the sites."""
    counts = [group.haplotypes.read(0, len(group.sites)).sum(axis=1) for group in (training, held)]
    sizes = [2 * len(group.individuals) for group in (training, held)]
    options, rows = ValidateOptions(), {}
    for choice, least in CHOICES.items():
        of = {"training": slice(0, 1), "held-out": slice(1, 2), "both": slice(0, 2)}[choice]
        carriers, n = sum(counts[of]), sum(sizes[of])
        kept = np.flatnonzero(np.minimum(carriers, n - carriers) >= least)
        real = held.beside(training).take_sites(kept)
        roles = ["holdout"] * len(held.individuals) + ["train"] * len(training.individuals)
        individuals = compare(
            training.individuals, real.individuals, roles, options.n_permutations, seed
        )
        collected = Collector(individuals, len(kept), options.ld_window, seed)
        collected.add(training.take_sites(kept), real, genetic_positions(real.sites))
        rows[choice] = fidelity_rows(
            measure_all(Data(collected, options.components, seed)),
            "real",
            "control",
            individuals.n,
            "T",
        )[:-1]
    return rows


def _count(verdicts: list[str]) -> str:
    return f"{sum(v == 'pass' for v in verdicts)}/{len(verdicts)} pass"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set", choices=SETS, default="demo", help="data set (default: the shipped one)"
    )
    parser.add_argument(
        "--seeds", type=int, default=5, help="divisions of the real individuals into halves"
    )
    add_places(parser, "site_choice.tsv")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
