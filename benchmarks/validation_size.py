"""What validation and audit of a whole cohort cost: CPU seconds and memory on one thread.

    python benchmarks/validation_size.py --set dpyd-26

Half of everybody trains, the other half is held out, and a mosaic of the training individuals takes
the place of a generator, at the sites that at least two training copies of the rarer allele choose.
Each of the two runs in a process of its own.
"""

import argparse
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from haplotype_sets import SETS, add_places, open_set

from genoloom.config import AuditOptions, ValidateOptions
from genoloom.panel import ArrayHaplotypes, Panel, genetic_positions
from genoloom.seeds import derive_seed
from genoloom.stages.audit import audit
from genoloom.stages.inputs import Comparands
from genoloom.validation.controls import mosaic
from genoloom.validation.self_check import judge_together

MIN_CARRIERS, PIECE_CM = 2, 0.1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=SETS, default="dpyd-26")
    parser.add_argument("--seed", type=int, default=1)
    add_places(parser, "validation_size.tsv")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    for work in (validate, audit_it):
        process = multiprocessing.Process(target=measure, args=(work, arguments))
        process.start()
        process.join()
        if process.exitcode:
            return process.exitcode
    return 0


def measure(work, arguments: argparse.Namespace) -> None:
    training, held, made = halves(open_set(arguments.set, arguments.data), arguments.seed)
    started = time.process_time()
    work(training, held, made, arguments.seed)
    spent, memory = (
        time.process_time() - started,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    )
    print(
        f"{work.__name__.split('_')[0]}: {len(training.individuals)} individuals per group, "
        f"{len(training.sites)} sites, {spent:.0f} CPU s, {memory:.1f} GB",
        flush=True,
    )


def halves(panel: Panel, seed: int) -> tuple[Panel, Panel, np.ndarray]:
    """Training and held-out individuals, equally many of each population, and the mosaic."""
    rng = np.random.default_rng(derive_seed(seed, "halves"))
    population = np.array(panel.individuals.population)
    groups: tuple[list[int], list[int]] = ([], [])
    for name in np.unique(population):
        members = rng.permutation(np.flatnonzero(population == name))
        half = len(members) // 2
        groups[0].extend(members[:half].tolist())
        groups[1].extend(members[half : 2 * half].tolist())
    training, held = (panel.take_individuals(np.array(rows)) for rows in groups)
    copies, n = (
        training.haplotypes.read(0, len(panel.sites)).sum(axis=1),
        2 * len(training.individuals),
    )
    kept = np.flatnonzero(np.minimum(copies, n - copies) >= MIN_CARRIERS)
    training, held = training.take_sites(kept), held.take_sites(kept)
    made = mosaic(
        training.haplotypes.read(0, len(kept)), genetic_positions(training.sites), PIECE_CM, rng
    )
    return training, held, made


def validate(training: Panel, held: Panel, made: np.ndarray, seed: int) -> None:
    options = ValidateOptions()
    judge_together(
        {"mosaic": made},
        training,
        held,
        genetic_positions(training.sites),
        options.n_permutations,
        options.ld_window,
        seed,
    )


def audit_it(training: Panel, held: Panel, made: np.ndarray, seed: int) -> None:
    n = len(training.individuals)
    comparands = Comparands(
        [(replace(training, haplotypes=ArrayHaplotypes(made)), held.beside(training))],
        ["holdout"] * n + ["train"] * n,
    )
    with tempfile.TemporaryDirectory() as folder:
        audit(
            name="mosaic", comparands=comparands, baselines=[],
            out=Path(folder) / "private" / "audit.tsv",
            public=Path(folder) / "privacy.tsv", options=AuditOptions(), seed=seed,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
