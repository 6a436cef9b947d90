"""Do the verdicts tell good from bad? Eight control generators with known faults, over many seeds,
on real individuals.

    python benchmarks/self_check.py --set dpyd-slice --seeds 20
    python benchmarks/self_check.py --set demo --individuals 99 --seeds 5 --verdicts fidelity
    python benchmarks/self_check.py --set demo --individuals 99 --seeds 100 --verdicts fidelity \
        --controls "fresh individuals"

Each seed deals the real individuals of every population into three groups: training, held-out, and
fresh individuals who take the place of a perfect generator. The controls are made from the training
group; `validation/controls.py` says what each must get. The table counts seeds by verdict. A
control is judged rightly when it passes where it must pass, and does not pass where it must not:
`weak` is not a pass, and stops a release like `fail`.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from haplotype_sets import SETS, add_places, open_set

from genoloom.config import AuditOptions, ValidateOptions
from genoloom.formats.tables import read_table, write_table
from genoloom.logs import configure_logging
from genoloom.panel import ArrayHaplotypes, Panel, genetic_positions
from genoloom.privacy.attack_ids import AttackId
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.stages.audit import audit
from genoloom.stages.inputs import Comparands
from genoloom.validation.controls import CONTROLS, make_controls
from genoloom.validation.self_check import deal, judge_together

log = logging.getLogger("self_check")
COLUMNS = ["seed", "verdict", "control", "expected", "found", "right", "reasons"]
MIN_CARRIERS = 2  # of the rarer allele, as in training


def main() -> int:
    arguments = _parse()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.ERROR)
    panel = open_set(arguments.set, arguments.data)
    rows = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        started = time.process_time()
        rows += judge_seed(panel, seed, arguments)
        log.info("seed %d: %.0f s", seed, time.process_time() - started)
        write_table(arguments.out, COLUMNS, rows)
    print(as_text(*summary(rows)))
    wrong = [row for row in rows if row["expected"] and not row["right"]]
    print(f"{len(wrong)} wrong of {sum(bool(row['expected']) for row in rows)} verdicts")
    return 0


def judge_seed(panel: Panel, seed: int, arguments: argparse.Namespace) -> list[dict]:
    """A row for each control and verdict."""
    training, held, fresh = deal_panels(
        panel, arguments.individuals, arguments.sites, arguments.chosen_by, seed
    )
    cm = genetic_positions(training.sites)
    known, new = (group.haplotypes.read(0, len(cm)) for group in (training, fresh))
    rng = np.random.default_rng(derive_seed(seed, "controls"))
    made = make_controls(known, new, cm, np.array(training.individuals.population), rng)
    made = {name: alleles for name, alleles in made.items() if name in arguments.controls}
    rows = []
    if "fidelity" in arguments.verdicts:
        rows += _fidelity(made, training, held, cm, seed)
    if "privacy" in arguments.verdicts:
        rows += _privacy(made, training, held, seed)
    return [{"seed": seed, **row} for row in rows]


def deal_panels(
    panel: Panel, individuals: int, sites: int | None, chosen_by: str, seed: int
) -> list[Panel]:
    """Training, held-out and fresh individuals, at the first sites that vary enough among the
    training individuals, or everybody.
    """
    rng = np.random.default_rng(derive_seed(seed, "referee"))
    groups = [
        panel.take_individuals(rows)
        for rows in deal(np.array(panel.individuals.population), individuals, rng)
    ]
    choosing = groups[:1] if chosen_by == "training" else groups
    counts = sum(group.haplotypes.read(0, len(panel.sites)).sum(axis=1) for group in choosing)
    n = 2 * len(groups[0].individuals) * len(choosing)
    kept = np.flatnonzero(np.minimum(counts, n - counts) >= MIN_CARRIERS)[:sites]
    return [group.take_sites(kept) for group in groups]


def _fidelity(
    made: dict[str, np.ndarray], training: Panel, held: Panel, cm: np.ndarray, seed: int
) -> list[dict]:
    made = {name: alleles for name, alleles in made.items() if CONTROLS[name].faithful is not None}
    options = ValidateOptions()
    rows = []
    for name, table in judge_together(
        made, training, held, cm, options.n_permutations, options.ld_window, seed
    ).items():
        verdict = table[-1].verdict
        reasons = [f"{r.metric}/{r.population}/{r.bin}" for r in table[:-1] if r.verdict == verdict]
        rows.append(_row("fidelity", name, CONTROLS[name].faithful, verdict, reasons))
    return rows


def _privacy(made: dict[str, np.ndarray], training: Panel, held: Panel, seed: int) -> list[dict]:
    n = len(training.individuals)
    real = held.beside(training)
    roles = ["holdout"] * n + ["train"] * n
    rows = []
    for name, alleles in made.items():
        if CONTROLS[name].private is None:
            continue
        pairs = [(replace(training, haplotypes=ArrayHaplotypes(alleles)), real)]
        with tempfile.TemporaryDirectory() as folder:
            public = Path(folder) / "privacy.tsv"
            audit(
                name=name, comparands=Comparands(pairs, roles), baselines=[],
                out=Path(folder) / "private" / "audit.tsv",
                public=public, options=AuditOptions(), seed=seed,
            )  # fmt: skip
            table = [row for row in read_table(public) if row["population"] == "all"]
        verdict = next(row["verdict"] for row in table if row["attack"] == AttackId.WORST)
        reasons = [
            row["attack"]
            for row in table
            if row["verdict"] == verdict and row["attack"] != AttackId.WORST
        ]
        rows.append(_row("privacy", name, CONTROLS[name].private, verdict, reasons))
    return rows


def _row(verdict: str, control: str, good: bool, found: str, reasons: list[str]) -> dict:
    if found == "pass":
        reasons = []
    return {
        "verdict": verdict, "control": control, "expected": "pass" if good else "fail",
        "found": found,
        "right": (found == "pass") == good, "reasons": " ".join(reasons[:6]),
    }  # fmt: skip


def summary(rows: list[dict]) -> tuple[list[dict], list[str]]:
    """Seeds by verdict of each control."""
    kinds = ["pass", "not run", "weak", "overfitted", "fail"]
    table = []
    for key in dict.fromkeys((row["verdict"], row["control"], row["expected"]) for row in rows):
        own = [row for row in rows if (row["verdict"], row["control"], row["expected"]) == key]
        found = Counter(row["found"] for row in own)
        right = sum(row["right"] for row in own)
        counts = {kind: found[kind] for kind in kinds}
        table.append(
            dict(zip(("verdict", "control", "must"), key, strict=True))
            | counts
            | {"right": f"{right}/{len(own)}"}
        )
    return table, ["verdict", "control", "must", *kinds, "right"]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set", choices=SETS, default="demo", help="data set (default: the shipped one)"
    )
    parser.add_argument(
        "--individuals", type=int, default=250, help="individuals per group, at most"
    )
    parser.add_argument("--sites", type=int, help="the first N sites (default: all)")
    parser.add_argument(
        "--chosen-by",
        choices=["training", "everybody"],
        default="training",
        help="whose rarer alleles must have two carriers for a site to be used: in the workflow, "
        "those of the training individuals",
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument(
        "--controls",
        nargs="+",
        choices=list(CONTROLS),
        default=list(CONTROLS),
        help="all by default",
    )
    parser.add_argument(
        "--verdicts", nargs="+", choices=["fidelity", "privacy"], default=["fidelity", "privacy"]
    )
    add_places(parser, "self_check.tsv")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
