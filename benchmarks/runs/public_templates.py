"""Templates of public individuals for a private cohort: fidelity and leak.

    python -m benchmarks public_templates --set dpyd-slice --seeds 1

The individuals of a set are dealt, by population, to a public panel and a private one, whose
individuals train or are held out in halves as everywhere. Columns are those of `haplotypes`;
attacks ask for the private individuals who train. The row `public individuals` takes as many of
them as if they were synthetic: the reference of this mode.
"""

import argparse
from collections import Counter
from collections.abc import Iterator

import numpy as np

from benchmarks.options import add_shared
from benchmarks.runner import (
    JUDGED,
    Case,
    divide,
    judge_model,
    judge_samples,
    train_model,
    write_panel,
)
from genoloom.config import SplitOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import read_table
from genoloom.seeds import derive_seed
from genoloom.training_config import CopyingNetworkOptions

COLUMNS = JUDGED


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["dpyd-slice"], seeds="1", n_permutations=3, threads=1)
    parser.add_argument(
        "--individuals", type=int, help="synthetic individuals (default: as many as trained)"
    )
    parser.add_argument("--private", type=int, default=1204, help="private individuals")


def measure(case: Case) -> Iterator[dict]:
    place, contig = case.arguments.work / "public_templates" / case.set, case.prefix.name
    place = place / f"seed{case.seed}"
    private, public, shown = (place / n / contig for n in ("private", "public", "shown"))
    table = place / "split.tsv"
    ours = _dealt(case.population, case.arguments.private, case.seed)
    write_panel(case.panel.take_individuals(np.flatnonzero(ours)), private)
    write_panel(case.panel.take_individuals(np.flatnonzero(~ours)), public)
    divide(private, table, SplitOptions(), case.seed)
    trained = Counter(row["population"] for row in read_table(table) if row["role"] == "train")
    n, options = sum(trained.values()), CopyingNetworkOptions()
    mix = ",".join(f"{name}:{count}" for name, count in sorted(trained.items()))
    # both panels have the same sites and other individuals: there is nothing to match
    whose = {
        "public": {"panel": public, "split": None, "privacy_mode": "public"},
        "private": {"panel": private, "split": table},
    }
    for kind, files in whose.items():
        model = train_model(case, "copying_network", options, place / f"{kind}_templates", **files)
        sampled = {"size": case.arguments.individuals or n}
        sampled |= {"mix": mix} if kind == "public" else {}
        *others, own = judge_model(
            case, "copying_network", model, panel=private, table=table, **sampled
        )
        if kind == "public":
            yield from others
        yield own | {"options": f"templates={kind}"}
    rng = np.random.default_rng(derive_seed(case.seed, "shown"))
    chosen = np.sort(rng.permutation(int((~ours).sum()))[:n])
    write_panel(open_panel(public).take_individuals(chosen), shown)
    yield judge_samples(case, "public individuals", shown, panel=private, table=table)[-1]


def _dealt(population: np.ndarray, private: int, seed: int) -> np.ndarray:
    """Who is private, bool (n_individuals,): this many, the same share of each population."""
    rng = np.random.default_rng(derive_seed(seed, "private"))
    rank = np.empty(len(population))
    for name in np.unique(population):
        members = rng.permutation(np.flatnonzero(population == name))
        rank[members] = (np.arange(len(members)) + rng.random()) / len(members)
    chosen = np.zeros(len(population), dtype=bool)
    chosen[np.argsort(rank, kind="stable")[:private]] = True
    return chosen
