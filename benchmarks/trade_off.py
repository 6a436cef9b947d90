"""The fidelity-privacy plane of a table of benchmarks/haplotypes.py: the curve of each generator
over its options.

    python benchmarks/haplotypes.py --set dpyd-slice --individuals 300 --generators transformer \
        --set-option transformer.steps=370
    python benchmarks/haplotypes.py --set dpyd-slice --individuals 300 --generators mosaic \
        --set-option mosaic.segment_cm=0.05 --append
    python benchmarks/trade_off.py --set dpyd-slice --out trade_off.svg

Horizontal: AUC of the classifier between synthetic and held-out individuals; vertical: AUC of the
worst membership attack. A point is the median over the seeds of one generator with the same
options, bars reach from the least to the largest; a line joins a generator's points in the order of
the table. The dotted line is the median of what held-out real individuals score.
"""

import argparse
import logging
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from haplotype_sets import RESULTS, SETS
from matplotlib.figure import Figure

from genoloom.errors import GenoLoomError, InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.tables import read_table
from genoloom.logs import configure_logging
from genoloom.models.haplotype import GENERATORS

log = logging.getLogger("benchmark")
REFERENCE = "reference (held out)"
# Okabe & Ito; all others are controls, in greys
COLOURS = {"transformer": "#0072B2", "gan": "#D55E00"}


def main() -> int:
    arguments = _parse()
    configure_logging()
    try:
        rows = [
            row
            for path in arguments.table
            for row in read_table(path)
            if row["set"] == arguments.set
        ]
        rows = [
            row
            for row in rows
            if row["generator"] in (REFERENCE, *(arguments.generators or GENERATORS))
        ]
        if not any(row["worst_attack"] for row in rows):
            raise InputError(
                arguments.table[0],
                f"no rows of the set '{arguments.set}'",
                remedy="run benchmarks/haplotypes.py first",
            )
        figure = draw(rows)
        with write_beside(arguments.out) as (temporary,):
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
    except GenoLoomError as error:
        log.error("%s", error)
        return error.exit_code
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


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set", choices=SETS, default="demo", help="data set (default: the shipped one)"
    )
    parser.add_argument(
        "--generators",
        nargs="+",
        choices=GENERATORS,
        help="those to draw (default: all in the table)",
    )
    parser.add_argument("--table", type=Path, nargs="+", default=[RESULTS / "haplotypes.tsv"])
    parser.add_argument("--out", type=Path, default=RESULTS / "trade_off.svg")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
