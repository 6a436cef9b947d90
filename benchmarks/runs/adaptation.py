"""A model of a larger panel adapted to a small cohort, against training from scratch and mosaics.

    python -m benchmarks adaptation --base CEU FIN IBS TSI --target GBR --train 60 --seeds 1-3

The base model is trained on all individuals of the base populations. Of the target population
`--train` individuals train and the others are held out; a seed is one such division. All rows are
at the sites that the base model knows. Columns are as in `haplotypes`; `base` is the other model
as it is, without a step of adaptation.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.options import add_shared
from benchmarks.runner import JUDGED, Case, judge_model, train_model, variable_sites, write_panel
from genoloom.formats.splits import write_split
from genoloom.panel import Panel
from genoloom.seeds import derive_seed
from genoloom.training_config import (
    CopyingNetworkOptions,
    LiStephensOptions,
    MosaicOptions,
    TransformerOptions,
)

COLUMNS = f"case {JUDGED}"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["dpyd-26"], seeds="1-3", sites=600, individuals=None)
    add_shared(parser, n_permutations=3, threads=1)
    parser.add_argument("--base", nargs="+", required=True, help="populations of the base model")
    parser.add_argument("--base-steps", type=int, help="training steps of the base model")
    parser.add_argument("--target", required=True, help="population of the small cohort")
    parser.add_argument("--train", type=int, default=60, help="its individuals who train")
    parser.add_argument("--cases", nargs="+", help="which cases, by name (default: all)")


def measure(case: Case) -> Iterator[dict]:
    given = case.arguments
    place = given.work / "adaptation" / case.set
    panel = case.panel.take_sites(np.arange(len(case.panel.sites))[: given.sites])
    others = panel.take_individuals(np.flatnonzero(np.isin(case.population, given.base)))
    known = variable_sites(others)
    base = place / "base" / "model" / "model.safetensors"
    if case.seed == given.seeds[0]:
        whose = divided(others.take_sites(known), place / "base" / case.prefix.name, None)
        train_model(
            case, "transformer", TransformerOptions(steps=given.base_steps), base.parent, **whose
        )
    target = np.flatnonzero(case.population == given.target)
    shuffled = np.random.default_rng(derive_seed(case.seed, "division")).permutation(target)
    trains = np.isin(np.sort(target), shuffled[: given.train])
    own = panel.take_individuals(np.sort(target)).take_sites(known)
    own = own.take_sites(variable_sites(own.take_individuals(np.flatnonzero(trains))))
    place /= f"seed{case.seed}"
    whose = divided(own, place / case.prefix.name, trains)
    reference = True
    for name, generator, options in cases(base):
        if given.cases and name not in given.cases:
            continue
        model = train_model(case, generator, options, place / name, **whose)
        *real, judged = judge_model(case, generator, model, whose["panel"], whose["split"])
        if reference:
            yield from ({"case": row["generator"]} | row for row in real)
        reference = False
        yield {"case": name} | judged


def cases(base: Path) -> Iterator[tuple]:
    """Names, generators and options."""
    start = {"init_from": str(base)}
    yield "base", "transformer", TransformerOptions(**start, steps=1, learning_rate=1e-12)
    yield "adapted", "transformer", TransformerOptions(**start)
    yield "scratch", "transformer", TransformerOptions()
    yield "copying_network", "copying_network", CopyingNetworkOptions()
    yield "li_stephens", "li_stephens", LiStephensOptions()
    for segment in (0.1, 0.03, 0.01):
        yield f"mosaic {segment} cM", "mosaic", MosaicOptions(segment_cm=segment)


def divided(panel: Panel, prefix: Path, trains: np.ndarray | None) -> dict[str, Path]:
    """Write a panel and who trains, everybody by default; what training reads."""
    write_panel(panel, prefix)
    table = prefix.with_name("split.tsv")
    trains = np.ones(len(panel.individuals), dtype=bool) if trains is None else trains
    write_split(table, panel.individuals, ["train" if t else "holdout" for t in trains])
    return {"panel": prefix, "split": table}
