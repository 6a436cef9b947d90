"""Are planted leaks caught, and are fresh individuals not accused? Real individuals in place of a
generator.

    make bench-privacy
    python benchmarks/planted_leaks.py --set dpyd-full --individuals 250 --seeds 1 2 3 \
        --leaks none individuals:0.05 --append

Each seed divides the individuals of a panel, by population, into fresh, held-out and training
individuals. The synthetic data are the fresh individuals, into whom a leak of the training
individuals is planted; the audit judges them as it judges any generator.

    none         nothing: the verdict should be a pass individuals       whole individuals copied in
    place of fresh ones, a share of the training individuals, with and without flips half
    the first half of the region of as many individuals haplotypes   the same number of haplotypes,
    each into another individual population   everybody of one population copied rare         the
    rare alleles (at most 5 copies among the real individuals) of a share of the training
    individuals

`--quick` runs only the tests for copies: a leak they catch, the audit catches.

`caught` is the share of seeds with the verdict `fail`, `passed` with `pass`; the others are `weak`.
Rows are written seed by seed, so a stopped run leaves what it has; `--append` goes on.
"""

import argparse
import logging
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from haplotype_sets import RESULTS, SETS, add_places, make_panel

from genoloom.config import AuditOptions
from genoloom.errors import GenoLoomError
from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import read_table, write_table
from genoloom.logs import configure_logging
from genoloom.panel import (
    ArrayHaplotypes,
    Individuals,
    Panel,
    Sites,
    genetic_positions,
    haplotype_columns,
)
from genoloom.privacy.attack_ids import MUST_PASS, AttackId
from genoloom.privacy.attacks import RAREST, Block
from genoloom.privacy.audit import audit
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.measures import Resampling
from genoloom.privacy.similarity import Similarities
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import compare

log = logging.getLogger("benchmark")

STEP = 200  # sites read at a time, as in an audit with the default windows
COLUMNS = [
    "set",
    "individuals",
    "sites",
    "seed",
    "leak",
    "share",
    "flips",
    "verdict",
    "worst",
    "low",
    "high",
    "failed",
    "cpu_s",
]
SUMMARY = ["leak", "share", "flips", "seeds", "caught", "weak", "passed", "worst_median", "by"]


@dataclass(frozen=True)
class Leak:
    """What is planted; see the module's docstring."""

    kind: str
    share: float = 0.0
    flips: float = 0.0


LEAKS = [
    Leak("none"),
    *(Leak("individuals", share, flips) for share in (0.01, 0.05, 0.2) for flips in (0.0, 0.005)),
    *(Leak("half", share) for share in (0.1, 0.2)),
    *(Leak("haplotypes", share) for share in (0.05, 0.2)),
    Leak("population", 1.0),
    *(Leak("rare", share) for share in (0.2, 1.0)),
]


def plant(
    leak: Leak,
    fresh: np.ndarray,
    real: np.ndarray,
    population: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Fresh haplotypes with a leak of the training individuals.

    Parameters
    ----------
    fresh, real : ndarray, int8, shapes (n_sites, 2 n) and (n_sites, 4 n)
        `real`: held-out individuals, then training individuals.
    population : ndarray of str, shape (n,)
        The same for individual `i` of each group.
    """
    made, n = fresh.copy(), len(population)
    train = real[:, 2 * n :]
    if leak.kind == "none":
        return made
    who = rng.permutation(n)[: max(1, round(leak.share * n))]
    if leak.kind == "population":
        names, counts = np.unique(population, return_counts=True)
        who = np.flatnonzero(population == names[counts.argmax()])
    columns = haplotype_columns(who)
    if leak.kind == "rare":
        alternate = real.sum(axis=1, dtype=np.int64)
        rare = np.minimum(alternate, 4 * n - alternate) <= RAREST
        minor = (alternate <= 2 * n).astype(np.int8)[rare, None]
        copied = made[np.ix_(rare, columns)]
        made[np.ix_(rare, columns)] = np.where(train[np.ix_(rare, columns)] == minor, minor, copied)
        return made
    if leak.kind == "half":
        made[: len(made) // 2, columns] = train[: len(made) // 2, columns]
        return made
    if leak.kind == "haplotypes":
        columns = 2 * rng.permutation(n)[: 2 * len(who)] + rng.integers(0, 2, 2 * len(who))
    flipped = rng.random((len(made), len(columns))) < leak.flips
    made[:, columns] = train[:, columns] ^ flipped
    return made


def thirds(
    population: np.ndarray, individuals: int | None, rng: np.random.Generator
) -> list[np.ndarray]:
    """Three groups of as many individuals of each population, in the same order of populations."""
    names, counts = np.unique(population, return_counts=True)
    share = 1.0 if individuals is None else min(1.0, 3 * individuals / len(population))
    groups: list[list[int]] = [[], [], []]
    for name, count in zip(names, counts, strict=True):
        size = int(share * count / 3)
        members = rng.permutation(np.flatnonzero(population == name))
        for g in range(3):
            groups[g] += members[g * size : (g + 1) * size].tolist()
    return [np.array(group) for group in groups]


def judge(
    panel: Panel,
    leak: Leak,
    individuals: int | None,
    seed: int,
    options: AuditOptions,
    quick: bool = False,
) -> dict:
    """Plant a leak, audit, and say what was found."""
    rng = np.random.default_rng(derive_seed(seed, "thirds"))
    fresh, holdout, train = thirds(np.array(panel.individuals.population), individuals, rng)
    everybody = panel.haplotypes.read(0, len(panel.sites))
    population = np.array(panel.individuals.population)[fresh]
    n, real = len(fresh), everybody[:, haplotype_columns(np.concatenate([holdout, train]))]
    rng = np.random.default_rng(derive_seed(seed, "plant", leak.kind, leak.share, leak.flips))
    made = plant(leak, everybody[:, haplotype_columns(fresh)], real, population, rng)

    about = {
        "individuals": n, "sites": len(panel.sites), "seed": seed, "leak": leak.kind,
        "share": leak.share, "flips": leak.flips,
    }  # fmt: skip
    started = time.process_time()
    found = (
        _near_copies(made, real, population, seed, options)
        if quick
        else _audit(panel.sites, made, real, population, seed, options)
    )
    return about | found | {"cpu_s": time.process_time() - started}


def _near_copies(
    made: np.ndarray, real: np.ndarray, population: np.ndarray, seed: int, options: AuditOptions
) -> dict:
    n = len(population)
    similarities = Similarities(n)
    similarities.choose_rare(0)
    for start in range(0, len(made), STEP):
        similarities.add(
            Block(made[start : start + STEP], real[start : start + STEP], None, None, None)
        )
    rng = np.random.default_rng(derive_seed(seed, "audit"))
    resampling = Resampling(np.tile(population, 2), n, options.bootstrap, rng)
    tests = similarities.tests(
        resampling.labels, np.tile(population, 3), np.random.default_rng(derive_seed(seed, "roles"))
    )
    failed = [name for name, test in tests.items() if test.verdict == "fail"]
    return {"verdict": "fail" if failed else "pass", "worst": "nan", "failed": "; ".join(failed)}


def _audit(
    sites: Sites,
    made: np.ndarray,
    real: np.ndarray,
    population: np.ndarray,
    seed: int,
    options: AuditOptions,
) -> dict:
    n = len(population)

    def as_panel(alleles: np.ndarray, labels: list[str]) -> Panel:
        named = Individuals(
            [f"P{i}" for i in range(len(labels))], labels, ["unknown"] * len(labels)
        )
        return Panel(sites, named, ArrayHaplotypes(alleles))

    synthetic, truth = (
        as_panel(made, population.tolist()),
        as_panel(real, [*population, *population]),
    )
    groups = compare(
        synthetic.individuals, truth.individuals, ["holdout"] * n + ["train"] * n, 0, seed
    )
    sizes, haplotype_sizes = (
        [int(s) for s in text.split(",")] for text in (options.windows, options.haplotype_windows)
    )
    data = AuditData(groups, sizes, haplotype_sizes)
    data.add(synthetic, truth, genetic_positions(sites))
    found = audit(data, "planted", "generator", options.bootstrap, options.max_auc, seed)
    rows = {row["attack"]: row for row in found.private if row["population"] == "all"}
    worst = rows[AttackId.WORST]
    failed = [name for name, row in rows.items() if name in MUST_PASS and row["verdict"] == "fail"]
    failed += ["worst attack"] if worst["low"] > options.max_auc else []
    return {
        "verdict": worst["verdict"], "worst": worst["value"], "low": worst["low"],
        "high": worst["high"],
        "failed": "; ".join(failed),
    }  # fmt: skip


def summarise(rows: list[dict]) -> list[dict]:
    """One row per leak: how often it was caught, and by what."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        groups[row["leak"], float(row["share"]), float(row["flips"])].append(row)
    summary = []
    for (kind, share, flips), own in groups.items():
        by: dict[str, int] = defaultdict(int)
        for row in own:
            for name in filter(None, (row["failed"] or "").split("; ")):
                by[name] += 1
        shares = {
            verdict: sum(row["verdict"] == verdict for row in own) / len(own)
            for verdict in ("fail", "weak", "pass")
        }
        summary.append(
            {
                "leak": kind,
                "share": share,
                "flips": flips,
                "seeds": len(own),
                "caught": shares["fail"],
                "weak": shares["weak"],
                "passed": shares["pass"],
                "worst_median": float(np.median([float(row["worst"]) for row in own])),
                "by": ", ".join(
                    f"{name} {count}"
                    for name, count in sorted(by.items(), key=lambda item: -item[1])
                ),
            }
        )
    return summary


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=SETS, default="dpyd-full", help="data set")
    parser.add_argument(
        "--individuals",
        type=int,
        default=250,
        help="individuals per group; a third of the panel at most",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        default=list(range(1, 21)),
        help="each divides the individuals anew",
    )
    parser.add_argument(
        "--leaks", nargs="+", metavar="KIND[:SHARE]", help="which leaks (default: all)"
    )
    add_places(parser, "planted_leaks.tsv")
    parser.add_argument("--work", type=Path, default=RESULTS, help="where panels are kept")
    parser.add_argument("--quick", action="store_true", help="only the tests for copies")
    parser.add_argument("--append", action="store_true", help="keep the rows of an earlier run")
    arguments = parser.parse_args()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.WARNING)
    prefix = arguments.work / arguments.set / SETS[arguments.set].contig
    try:
        make_panel(arguments.set, arguments.data, prefix)
        panel = open_panel(prefix)
    except GenoLoomError as error:
        log.error("%s", error)
        return error.exit_code
    done = read_table(arguments.out) if arguments.append and arguments.out.exists() else []
    have = {
        (row["set"], row["seed"], row["leak"], float(row["share"]), float(row["flips"]))
        for row in done
    }
    options = AuditOptions()
    wanted = set(arguments.leaks or [leak.kind for leak in LEAKS])
    for seed in arguments.seeds:
        for leak in LEAKS:
            asked = {leak.kind, f"{leak.kind}:{leak.share:g}"} & wanted
            if not asked or (arguments.set, str(seed), leak.kind, leak.share, leak.flips) in have:
                continue
            row = judge(panel, leak, arguments.individuals, seed, options, arguments.quick) | {
                "set": arguments.set
            }
            done.append({key: str(value) for key, value in row.items()})
            write_table(arguments.out, COLUMNS, done)
        log.info("seed %d is done", seed)
    print(as_text(summarise(done), SUMMARY))
    return 0


if __name__ == "__main__":
    sys.exit(main())
