"""Planted leaks: which the audit catches, and whether it accuses fresh individuals.

    python -m benchmarks planted_leaks --set dpyd-full --individuals 250 --seeds 1-3 \\
        --leaks none individuals:0.05

Each seed divides the individuals of a panel, by population, into fresh, held-out and training
individuals. The synthetic data are the fresh individuals, into whom a leak of the training
individuals is planted; the audit judges them as it judges any generator.

    none         nothing: the verdict should be a pass
    individuals  whole individuals copied in place of fresh ones, a share of the training
                 individuals, with and without mutations
    half         the first half of the region of as many individuals
    haplotypes   the same number of haplotypes, each into another individual
    population   everybody of one population copied
    rare         the rare alleles (at most 5 copies among the real individuals) of a share of the
                 training individuals

`--quick` runs only the tests for copies: a leak they catch, the audit catches. The last table has
the share of seeds by verdict: `caught` is `fail`. In the sets `mt` and `dpyd-haploid` everybody is
haploid, in `x` and `dpyd-x` males are.
"""

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.options import add_shared
from benchmarks.runner import Case, attack
from genoloom.panel import ArrayHaplotypes, Panel, by_ploidy, haplotype_columns
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.attacks import RAREST, Block
from genoloom.privacy.measures import Resampling
from genoloom.privacy.similarity import Similarities
from genoloom.privacy_config import AuditOptions
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import compare_by_ploidy
from genoloom.validation.verdicts import Verdict

STEP = 200  # sites read at a time, as in an audit with the default windows
COLUMNS = "individuals sites leak share mutation_rate verdict worst low high failed cpu_s"
SUMMARY = [
    "set",
    "leak",
    "share",
    "mutation_rate",
    "seeds",
    "caught",
    "weak",
    "passed",
    "not_run",
    "worst_median",
]
SUMMARY += ["by"]


@dataclass(frozen=True)
class Leak:
    """What is planted; see the module's docstring."""

    name: str
    share: float = 0.0
    mutation_rate: float = 0.0


LEAKS = [
    Leak("none"),
    *(
        Leak("individuals", share, mutation_rate)
        for share in (0.01, 0.05, 0.2)
        for mutation_rate in (0.0, 0.005)
    ),
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
    alleles, n = fresh.copy(), len(population)
    train = real[:, 2 * n :]
    if leak.name == "none":
        return alleles
    who = rng.permutation(n)[: max(1, round(leak.share * n))]
    if leak.name == "population":
        names, counts = np.unique(population, return_counts=True)
        who = np.flatnonzero(population == names[counts.argmax()])
    columns = haplotype_columns(who)
    if leak.name == "rare":
        alternate = real.sum(axis=1, dtype=np.int64)
        rare = np.minimum(alternate, 4 * n - alternate) <= RAREST
        minor = (alternate <= 2 * n).astype(np.int8)[rare, None]
        copied = alleles[np.ix_(rare, columns)]
        alleles[np.ix_(rare, columns)] = np.where(
            train[np.ix_(rare, columns)] == minor, minor, copied
        )
        return alleles
    if leak.name == "half":
        alleles[: len(alleles) // 2, columns] = train[: len(alleles) // 2, columns]
        return alleles
    if leak.name == "haplotypes":
        columns = 2 * rng.permutation(n)[: 2 * len(who)] + rng.integers(0, 2, 2 * len(who))
    flipped = rng.random((len(alleles), len(columns))) < leak.mutation_rate
    alleles[:, columns] = train[:, columns] ^ flipped
    return alleles


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


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["dpyd-full"], seeds="1-20", individuals=250)
    parser.add_argument(
        "--leaks", nargs="+", metavar="LEAK[:SHARE]", help="which leaks (default: all)"
    )
    parser.add_argument("--quick", action="store_true", help="only the tests for copies")


def measure(case: Case) -> Iterator[dict]:
    wanted = set(case.arguments.leaks or [leak.name for leak in LEAKS])
    for leak in LEAKS:
        told = {"leak": leak.name, "share": leak.share, "mutation_rate": leak.mutation_rate}
        if {leak.name, f"{leak.name}:{leak.share:g}"} & wanted and not case.has(**told):
            individuals, quick = case.arguments.individuals, case.arguments.quick
            yield judge(case.panel, leak, individuals, case.seed, AuditOptions(), quick)


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
    labels = np.array(by_ploidy(panel.individuals, panel.sites.ploidy).population)
    fresh, holdout, train = thirds(labels, individuals, rng)
    everybody = panel.haplotypes.read(0, len(panel.sites))
    # missing calls, which synthetic data do not have, as in an audit
    everybody = np.where(everybody < 0, (everybody.mean(axis=1, keepdims=True) > 0.5), everybody)
    everybody, population = everybody.astype(np.int8), labels[fresh]
    n, real = len(fresh), everybody[:, haplotype_columns(np.concatenate([holdout, train]))]
    rng = np.random.default_rng(
        derive_seed(seed, "plant", leak.name, leak.share, leak.mutation_rate)
    )
    alleles = plant(leak, everybody[:, haplotype_columns(fresh)], real, population, rng)
    haploid = panel.haploid[fresh]
    alleles[:, 1::2][:, haploid] = alleles[:, 0::2][:, haploid]
    about = {
        "individuals": n, "sites": len(panel.sites), "leak": leak.name,
        "share": leak.share, "mutation_rate": leak.mutation_rate,
    }  # fmt: skip
    started = time.process_time()
    if quick:
        haploid = panel.haploid[np.concatenate([fresh, holdout, train])]
        found = _near_copies(alleles, real, haploid, population, seed, options)
    else:
        synthetic_panel = _as_panel(panel, alleles, fresh)
        real_panel = _as_panel(panel, real, np.concatenate([holdout, train]))
        found = _audit(synthetic_panel, real_panel, options, seed)
    return about | found | {"cpu_s": time.process_time() - started}


def _near_copies(
    alleles: np.ndarray,
    real: np.ndarray,
    haploid: np.ndarray,
    population: np.ndarray,
    seed: int,
    options: AuditOptions,
) -> dict:
    n = len(population)
    similarities = Similarities(n)
    similarities.choose_rare(0)
    for start in range(0, len(alleles), STEP):
        similarities.add(
            Block(
                alleles[start : start + STEP], real[start : start + STEP], None, None, None, haploid
            )
        )
    rng = np.random.default_rng(derive_seed(seed, "audit"))
    resampling = Resampling(np.tile(population, 2), n, options.bootstrap, rng)
    tests = similarities.tests(
        resampling.labels, np.tile(population, 3), np.random.default_rng(derive_seed(seed, "roles"))
    )
    failed = [name for name, test in tests.items() if test.verdict is Verdict.FAIL]
    ran = all(test.verdict is not Verdict.NOT_RUN for test in tests.values())
    verdict = Verdict.FAIL if failed else Verdict.PASS if ran else Verdict.NOT_RUN
    return {"verdict": verdict, "worst": None, "failed": "; ".join(failed)}


def _as_panel(panel: Panel, alleles: np.ndarray, rows: np.ndarray) -> Panel:
    named = replace(panel.individuals.take(rows), id=[f"P{i}" for i in range(len(rows))])
    return Panel(panel.sites, named, ArrayHaplotypes(alleles))


def _audit(synthetic_panel: Panel, real_panel: Panel, options: AuditOptions, seed: int) -> dict:
    n = len(synthetic_panel.individuals)
    roles = ["holdout"] * n + ["train"] * n
    individuals = compare_by_ploidy((synthetic_panel, real_panel), roles, seed)
    rows = attack(synthetic_panel, real_panel, individuals, options, seed)
    worst = rows[AttackId.WORST]
    failed = [name for name, row in rows.items() if name.must_pass and row.verdict is Verdict.FAIL]
    failed += ["worst attack"] if worst.low > options.max_auc else []
    return {
        "verdict": worst.verdict, "worst": worst.value, "low": worst.low,
        "high": worst.high, "failed": "; ".join(failed),
    }  # fmt: skip


def summary(rows: list[dict]) -> str:
    """One row per leak, as text."""
    return as_text(summarise(rows), SUMMARY)


def summarise(rows: list[dict]) -> list[dict]:
    """One row per leak: how often it was caught, and by what."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        key = (row["set"], row["leak"], float(row["share"]), float(row["mutation_rate"]))
        groups[key].append(row)
    found = []
    for key, own in groups.items():
        by = Counter(n for row in own for n in filter(None, (row["failed"] or "").split("; ")))
        verdicts = Counter(row["verdict"] for row in own)
        worst = [float(row["worst"]) for row in own if row["worst"]]
        shares = {v: verdicts[v] / len(own) for v in ("fail", "weak", "pass", "not run")}
        found.append(
            dict(zip(("set", "leak", "share", "mutation_rate"), key, strict=True))
            | {
                "seeds": len(own),
                "caught": shares["fail"],
                "weak": shares["weak"],
                "passed": shares["pass"],
                "not_run": shares["not run"],
                "worst_median": float(np.median(worst)) if worst else None,
                "by": ", ".join(f"{name} {count}" for name, count in by.most_common()),
            }
        )
    return found
