"""The trade-off plot of a table of `haplotypes`: classifier AUC against the worst attack.

    python -m benchmarks haplotypes --set dpyd-slice --individuals 300 --generators transformer \\
        --set-option transformer.steps=370
    python -m benchmarks haplotypes --set dpyd-slice --individuals 300 --generators mosaic \\
        --set-option mosaic.segment_cm=0.05 --append
    python -m benchmarks trade_off --set dpyd-slice --to trade_off.svg

Horizontal: AUC of the classifier between synthetic and held-out individuals; vertical: AUC of the
worst membership attack. A point is the median over the seeds of one generator with the same
options, bars reach from the smallest to the largest; a line joins a generator's points in the order
of the table. The dotted line is the median of what held-out real individuals score.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.datasets import RESULTS, SETS
from benchmarks.runner import REFERENCE
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.tables import read_table
from genoloom.models.haplotype import GENERATORS

# Okabe & Ito; all others are baselines, in greys
COLOURS = {"transformer": "#0072B2", "gan": "#D55E00"}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", choices=SETS, default="demo", help="data set (default: demo)")
    parser.add_argument(
        "--generators",
        nargs="+",
        choices=GENERATORS,
        default=list(GENERATORS),
        help="those to draw (default: all in the table)",
    )
    parser.add_argument(
        "--table",
        type=Path,
        nargs="+",
        default=[RESULTS / "haplotypes.tsv"],
        help="of `haplotypes` (default: its own)",
    )
    parser.add_argument("--to", type=Path, default=RESULTS / "trade_off.svg", help="SVG to write")


def run(arguments: argparse.Namespace) -> int:
    shown = {REFERENCE, *arguments.generators}
    rows = [row for path in arguments.table for row in read_table(path)]
    rows = [row for row in rows if row["set"] == arguments.set and row["generator"] in shown]
    if not any(row["worst_attack"] for row in rows):
        found, remedy = f"no rows of the set '{arguments.set}'", "run 'haplotypes' first"
        raise InputError(arguments.table[0], found, remedy=remedy)
    figure = draw(rows)
    with write_beside(arguments.to) as (temporary,):
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    return 0


def curves(rows: list[dict]) -> dict[str, dict[str, np.ndarray]]:
    """{generator: {options: float64 (n_seeds, 2), classifier AUC and worst attack AUC}}, both in
    the order of the table.
    """
    found: dict = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["worst_attack"]:
            found[row["generator"]][row["options"]].append(
                (float(row["classifier"]), float(row["worst_attack"]))
            )
    return {
        generator: {text: np.array(points) for text, points in of.items()}
        for generator, of in found.items()
    }


def draw(rows: list[dict]) -> Figure:
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    greys = iter(np.linspace(0.3, 0.7, 8).astype(str).tolist() * 2)
    markers = iter("osD^vPX*<>" * 2)
    for generator, options in curves(rows).items():
        middle = np.array([np.median(points, axis=0) for points in options.values()])
        reach = np.array(
            [
                [middle[i] - points.min(axis=0), points.max(axis=0) - middle[i]]
                for i, points in enumerate(options.values())
            ]
        )
        axes.errorbar(
            *middle.T, xerr=reach[:, :, 0].T, yerr=reach[:, :, 1].T, marker=next(markers), lw=1,
            elinewidth=0.7, ms=6,
            color=COLOURS.get(generator) or next(greys), label=generator,
            zorder=3 if generator in COLOURS else 2,
        )  # fmt: skip
        for text, at in zip(options, middle, strict=True):
            axes.annotate(
                text or "default", at, xytext=(5, 4), textcoords="offset points", fontsize=7
            )
    reference = [
        float(row["classifier"])
        for row in rows
        if row["generator"] == REFERENCE and row["classifier"]
    ]
    if reference:
        axes.axvline(
            float(np.median(reference)), color="0.4", ls=":", lw=1, label="held-out individuals"
        )
    axes.set_xlabel("classifier AUC, synthetic against held-out individuals")
    axes.set_ylabel("worst membership attack, AUC")
    axes.legend(fontsize=8)
    return figure
