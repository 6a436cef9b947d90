"""What synthetic haplotypes are worth for imputation, association, scores and ancestry.

    python benchmarks/utility_tasks.py --set chr15 --seeds 1 2 3

For each seed the individuals are split in half; generators are trained on one half, and `genoloom
utility` compares as many synthetic individuals with them, judged on the other half. The table has
the median, the least and the largest value over seeds of each figure, and of its ratio to real
data; `mosaic` and `real` do not depend on the generator and are listed once. Figures of populations
are left out but for the imputation of all sites. Synthetic files of an earlier run are used again.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
from haplotype_sets import RESULTS, SETS, add_places, make_panel
from utility import make_split, make_synthetic

from genoloom.formats.tables import read_table, write_table
from genoloom.logs import configure_logging
from genoloom.medicine_config import UtilityOptions
from genoloom.models.haplotype import GENERATORS
from genoloom.report.summary import as_text
from genoloom.stages.inputs import open_comparands
from genoloom.stages.utility import utility
from genoloom.utility.measures import SYNTHETIC

log = logging.getLogger("benchmark")

KEYS = ["set", "data", "task", "metric", "method", "population", "bin"]
COLUMNS = [*KEYS, "seeds", "value", "value_low", "value_high", "ratio", "ratio_low", "ratio_high"]


def main() -> None:
    arguments = _parse()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.WARNING)
    found: dict[tuple, list[tuple]] = {}
    for name in arguments.set:
        prefix = RESULTS / name / SETS[name].contig
        make_panel(name, arguments.data, prefix)
        for seed in arguments.seeds:
            place = RESULTS / name / f"utility.{seed}"
            table = make_split(prefix, place, seed)
            for number, generator in enumerate(arguments.generators):
                log.info("%s, seed %d: %s", name, seed, generator)
                made = place / generator / prefix.name
                if not made.with_suffix(".bcf").exists():
                    make_synthetic(
                        generator, prefix, table, place / generator, seed, arguments.minutes
                    )
                for row in _measure(prefix, table, made, seed, arguments):
                    data = {SYNTHETIC: generator, "both": f"real and {generator}"}
                    if row["panel"] not in data and number:
                        continue
                    label = data.get(row["panel"], row["panel"])
                    key = (name, label, *(row[k] for k in KEYS[2:]))
                    found.setdefault(key, []).append((row["value"], row["ratio"]))
                write_table(arguments.out, COLUMNS, _medians(found))
    shown = [row for row in _medians(found) if row["population"] == row["bin"] == "all"]
    cells = [
        {c: f"{v:.3g}" if isinstance(v, float) else str(v) for c, v in r.items()} for r in shown
    ]
    print(as_text(cells, [c for c in COLUMNS if c not in ("population", "bin")]))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_places(parser, "utility_tasks.tsv")
    parser.add_argument("--set", nargs="+", choices=SETS, default=["dpyd-slice"])
    chosen = ["independent", "markov", "matched_mosaic"]
    parser.add_argument("--generators", nargs="+", choices=list(GENERATORS), default=chosen)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--minutes", type=float, help="length of training, where there is one")
    parser.add_argument("--beagle", action="store_true", help="impute with Beagle too")
    return parser.parse_args()


def _measure(
    prefix: Path, table: Path, made: Path, seed: int, arguments: argparse.Namespace
) -> list[dict]:  # fmt: skip
    out = made.parent / "utility.tsv"
    options = UtilityOptions(beagle="auto" if arguments.beagle else "none")
    nothing = {"train": [], "holdout": [], "samples": [], "genetic_map": None}
    with open_comparands(synthetic=[made], panels=[prefix], split=table, **nothing) as opened:
        utility(comparands=opened, out=out, figures=None, options=options, seed=seed)
    return [
        row for row in read_table(out)
        if row["population"] == "all" or (row["metric"], row["bin"]) == ("dosage_r2", "all")
    ]  # fmt: skip


def _medians(found: dict[tuple, list[tuple]]) -> list[dict]:
    rows = []
    for key, pairs in found.items():
        row: dict = dict(zip(KEYS, key, strict=True)) | {"seeds": len(pairs)}
        for name, cells in zip(("value", "ratio"), zip(*pairs, strict=True), strict=True):
            known = np.array([float(cell) for cell in cells if cell])
            if len(known):
                low, middle, high = np.quantile(known, [0, 0.5, 1]).tolist()
                row |= {name: middle, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
