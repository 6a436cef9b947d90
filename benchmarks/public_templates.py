"""Templates of public individuals for a private cohort: fidelity and leak, next to private
templates and the public individuals themselves.

    python benchmarks/public_templates.py --set dpyd-slice --seeds 1

The individuals of a set are dealt, by population, to a public panel and a private one, whose
individuals train or are held out in halves as everywhere. Figures as in `haplotypes.py`; attacks
ask for the private individuals who train. The row `public individuals` takes as many of them as if
they were synthetic: the reference of this mode.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from haplotype_sets import SETS, open_set
from haplotypes import compare, judge
from study import run_study

from genoloom.config import SplitOptions
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.tables import read_table
from genoloom.panel import Panel
from genoloom.seeds import derive_seed
from genoloom.stages.split import split
from genoloom.stages.train import train
from genoloom.training_config import CopyingNetworkOptions, TrainSections


def main() -> int:
    more = {"--private": {"type": int, "default": 1204, "help": "private individuals"}}
    return run_study("public_templates", __doc__, "dpyd-slice", _run_set, more)


def _run_set(name: str, seed: int, arguments: argparse.Namespace) -> list[dict]:
    place = arguments.work / name / f"seed{seed}"
    contig = SETS[name].contig
    private, public, table = (
        place / "private" / contig,
        place / "public" / contig,
        place / "split.tsv",
    )
    whole = open_set(name, arguments.data)
    ours = _dealt(whole.individuals.population, arguments.private, seed)
    _write(whole.take_individuals(np.flatnonzero(ours)), private)
    _write(whole.take_individuals(np.flatnonzero(~ours)), public)
    split(
        panels=[private], out=table, summary=place / "split.json", options=SplitOptions(), seed=seed
    )
    trained = Counter(row["population"] for row in read_table(table) if row["role"] == "train")
    n = sum(trained.values())
    sized = argparse.Namespace(**vars(arguments) | {"individuals": arguments.individuals or n})
    rows: list[dict] = []
    for kind in ("public", "private"):
        folder = place / f"{kind}_templates"
        model = folder / "model.safetensors"
        # both panels have the same sites and other individuals: there is nothing to match
        whose = {"panel": public, "split": None, "privacy_mode": "public"}
        train(
            **(whose if kind == "public" else {"panel": private, "split": table}),
            generator="copying_network", model=model, history=folder / "history.tsv",
            state=folder / "state", common=TrainSections().common, options=CopyingNetworkOptions(),
            seed=seed, threads=arguments.threads,
        )  # fmt: skip
        mix = ",".join(f"{name}:{n}" for name, n in sorted(trained.items()))
        given = {"mix": mix} if kind == "public" else {}
        found = judge("copying_network", model, private, table, seed, sized, **given)
        found[-1] |= {"options": f"templates={kind}"}
        rows += found if not rows else found[-1:]
    chosen = np.random.default_rng(derive_seed(seed, "shown")).permutation(int((~ours).sum()))[:n]
    shown = place / "shown" / contig
    _write(open_panel(public).take_individuals(np.sort(chosen)), shown)
    _, _, own = compare("public individuals", shown, private, table, seed, arguments)
    return [*rows, own]


def _dealt(population: list[str], private: int, seed: int) -> np.ndarray:
    """Who is private, bool (n_individuals,): this many, the same share of each population."""
    rng = np.random.default_rng(derive_seed(seed, "private"))
    names = np.array(population)
    rank = np.empty(len(names))
    for name in np.unique(names):
        members = rng.permutation(np.flatnonzero(names == name))
        rank[members] = (np.arange(len(members)) + rng.random()) / len(members)
    chosen = np.zeros(len(names), dtype=bool)
    chosen[np.argsort(rank, kind="stable")[:private]] = True
    return chosen


def _write(panel: Panel, prefix: Path) -> None:
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with PanelWriter(
        prefix, panel.individuals, panel.sites.contig, panel.sites.contig_length
    ) as writer:
        for start, stop, alleles in panel.blocks():
            writer.append(panel.sites.take(slice(start, stop)), alleles)
    summary = {"contig": panel.sites.contig, "records": len(panel.sites), "kept": len(panel.sites)}
    Path(f"{prefix}.summary.json").write_text(json.dumps(summary) + "\n")


if __name__ == "__main__":
    sys.exit(main())
