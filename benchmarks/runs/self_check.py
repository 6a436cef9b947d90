"""Verdicts on generators with known faults, over many seeds, on real individuals.

    python -m benchmarks self_check --set dpyd-slice --seeds 1-20
    python -m benchmarks self_check --individuals 99 --seeds 1-5 --verdicts fidelity \\
        --generators "fresh individuals"

Each seed deals the real individuals of every population into three groups: training, held-out, and
fresh individuals who take the place of a perfect generator. The generators are made from the
training group; `known_generators.py` says what each must get. A generator is judged
rightly when it passes where it must pass, and does not pass where it must not: `weak` is not a
pass, and stops a release like `fail`. The last table counts seeds by verdict.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.known_generators import KNOWN_GENERATORS, make_known_generators
from benchmarks.options import add_shared
from benchmarks.runner import Case, deal_panels
from benchmarks.several_samples import judge_together, measure_together
from genoloom.config import ValidateOptions
from genoloom.formats.tables import read_records
from genoloom.panel import ArrayHaplotypes, Panel, genetic_positions
from genoloom.panels.comparands import Comparands
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.rows import AttackRow
from genoloom.privacy_config import AuditOptions
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.stages.audit import audit
from genoloom.validation.rows import ALL
from genoloom.validation.verdicts import ORDER, Verdict

COLUMNS = "verdict generator expected found right reasons"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1-20", individuals=250, sites=None)
    parser.add_argument(
        "--chosen-by",
        choices=["training", "everybody"],
        default="training",
        help="whose rarer alleles must have two copies for a site to be used (default: training)",
    )
    names = list(KNOWN_GENERATORS)
    parser.add_argument(
        "--generators", nargs="+", choices=names, default=names, help="all by default"
    )
    both = ["fidelity", "privacy"]
    parser.add_argument("--verdicts", nargs="+", choices=both, default=both, help="both by default")


def measure(case: Case) -> Iterator[dict]:
    given = case.arguments
    everybody = given.chosen_by == "everybody"
    training, holdout, fresh = deal_panels(case, given.individuals, given.sites, everybody)
    cm = genetic_positions(training.sites)
    known, new = (group.haplotypes.read(0, len(cm)) for group in (training, fresh))
    rng = np.random.default_rng(derive_seed(case.seed, "controls"))
    synthetic = make_known_generators(
        known, new, cm, np.array(training.individuals.population), rng
    )
    synthetic = {name: alleles for name, alleles in synthetic.items() if name in given.generators}
    if "fidelity" in given.verdicts:
        yield from _fidelity(synthetic, training, holdout, case.seed)
    if "privacy" in given.verdicts:
        yield from _privacy(synthetic, training, holdout, case.seed)


def _fidelity(
    synthetic: dict[str, np.ndarray], training: Panel, holdout: Panel, seed: int
) -> Iterator[dict]:
    synthetic = {
        name: alleles
        for name, alleles in synthetic.items()
        if KNOWN_GENERATORS[name].faithful is not None
    }
    options, cm = ValidateOptions(), genetic_positions(training.sites)
    measured = measure_together(
        synthetic, training, holdout, cm, options.n_permutations, options.ld_window, seed
    )
    tables = judge_together(measured, synthetic, len(training.individuals))
    for name, table in tables.items():
        *rows, overall = table
        failed = [row for row in rows if row.verdict == overall.verdict]
        reasons = [f"{row.metric}/{row.population}/{row.bin}" for row in failed]
        yield _row("fidelity", name, KNOWN_GENERATORS[name].faithful, overall.verdict, reasons)


def _audit(
    name: str, alleles: np.ndarray, training: Panel, holdout: Panel, seed: int
) -> list[AttackRow]:
    """The audit's public rows of a sample in the order of the training individuals."""
    n = len(training.individuals)
    pairs = [
        (replace(training, haplotypes=ArrayHaplotypes(alleles)), holdout.joined_with(training))
    ]
    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder) / "privacy.tsv"
        audit(
            name=name, comparands=Comparands(pairs, ["holdout"] * n + ["train"] * n),
            baselines=[], out=Path(folder) / "private" / "audit.tsv", public=public,
            options=AuditOptions(), seed=seed,
        )  # fmt: skip
        return [row for row in read_records(public, AttackRow) if row.population == ALL]


def _privacy(
    synthetic: dict[str, np.ndarray], training: Panel, holdout: Panel, seed: int
) -> Iterator[dict]:
    for name, alleles in synthetic.items():
        if KNOWN_GENERATORS[name].private is None:
            continue
        table = _audit(name, alleles, training, holdout, seed)
        verdict = next(row.verdict for row in table if row.attack is AttackId.WORST)
        others = [row for row in table if row.attack is not AttackId.WORST]
        reasons = [row.name for row in others if row.verdict is verdict]
        yield _row("privacy", name, KNOWN_GENERATORS[name].private, verdict, reasons)


def _row(verdict: str, name: str, good: bool, found: Verdict, reasons: list[str]) -> dict:
    if found is Verdict.PASS:
        reasons = []
    return {
        "verdict": verdict, "generator": name, "expected": "pass" if good else "fail",
        "found": found, "right": (found is Verdict.PASS) == good, "reasons": " ".join(reasons[:6]),
    }  # fmt: skip


def summary(rows: list[dict]) -> str:
    """Seeds by verdict of each generator, as text."""
    keys, table = ["set", "verdict", "generator", "expected"], []
    for key in dict.fromkeys(tuple(row[k] for k in keys) for row in rows):
        own = [row for row in rows if tuple(row[k] for k in keys) == key]
        found = Counter(row["found"] for row in own)
        right = sum(str(row["right"]) == "True" for row in own)
        table.append(
            dict(zip(keys, key, strict=True))
            | {kind: found[kind] for kind in ORDER}
            | {"right": f"{right}/{len(own)}"}
        )
    return as_text(table, [*keys, *ORDER, "right"])
