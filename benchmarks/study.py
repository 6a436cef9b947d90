"""What small benchmarks of generators share: options, one run per set and seed, one table."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from haplotype_sets import RESULTS, SETS, add_places
from haplotypes import COLUMNS, shorten

from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.report.summary import as_text

Run = Callable[[str, int, argparse.Namespace], list[dict]]


def run_study(name: str, doc: str, default: str, run: Run, more: dict[str, dict]) -> int:
    """Run `run(set, seed, options)` for each set and seed; its rows go to a table after each.

    Parameters
    ----------
    name : str
        Of the table and of the working directory.
    default : str
        Data set where none is named.
    more : dict of str to dict
        Further options, and what `argparse` is told of them.
    """
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=raw)
    parser.add_argument("--set", nargs="+", choices=SETS, default=[default])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument(
        "--individuals", type=int, help="synthetic individuals (default: as many as train)"
    )
    parser.add_argument("--n-permutations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    for flag, told in more.items():
        parser.add_argument(flag, **told)
    add_places(parser, f"{name}.tsv")
    parser.add_argument("--work", type=Path, default=RESULTS / name)
    options = parser.parse_args()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.WARNING)
    done: list[dict] = []
    for data_set in options.set:
        for seed in options.seeds:
            rows = run(data_set, seed, options)
            labelled = (row | {"set": data_set, "seed": seed} for row in rows)
            done += [{column: shorten(row.get(column)) for column in COLUMNS} for row in labelled]
            write_table(options.out, COLUMNS, done)
    print(as_text(done, COLUMNS))
    return 0
