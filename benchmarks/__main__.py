"""Measure generators, audit, verdicts, utility and speed on real data.

    python -m benchmarks RUN --set demo --seeds 1-3 --out benchmarks/results/
    python -m benchmarks RUN --help

A run writes one table, RUN.tsv: a row for each data set, seed and whatever else it compares, with
the commit, the machine, the versions and the command. Rows are written as they come, so that a run
that was stopped leaves what it has; `--append` keeps them.
"""

import argparse
import ast
import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.options import add_places
from benchmarks.runner import Case
from benchmarks.table import Table
from genoloom.errors import GenoLoomError
from genoloom.logs import configure_logging

GROUPS = {
    "generators": (
        "haplotypes",
        "gan_embeddings",
        "sequences",
        "infilling",
        "adaptation",
        "switch_errors",
    ),
    "audit": ("planted_leaks", "shadow_models", "leak_budget", "dp", "private_weights"),
    "verdicts": ("self_check", "fault_table", "relatives"),
    "utility": (
        "treatment_effects",
        "pharmacogenes",
        "utility_tasks",
        "rare_imputation",
        "augmentation",
    ),
    "speed": (
        "statistics",
        "transformer_speed",
        "mosaic_speed",
        "sequence_speed",
        "scale",
        "peers_speed",
    ),
    "peers": ("published_10ksnp", "yardsticks"),
    "pages": ("tables",),
}
RUNS = [name for group in GROUPS.values() for name in group]
log = logging.getLogger("benchmarks")


def main(words: list[str]) -> int:
    """Run one benchmark; returns the exit code."""
    if not words or words[0] not in RUNS:
        overview().parse_args(words)
    name, module = words[0], module_of(words[0])
    arguments = parser_of(name, module).parse_args(words[1:])
    configure_logging()
    if not arguments.verbose:
        logging.getLogger("genoloom").setLevel(logging.ERROR)
    try:
        return measure(name, module, arguments, words)
    except GenoLoomError as error:
        log.error("%s", error)
        return error.exit_code


def measure(name: str, module: ModuleType, arguments: argparse.Namespace, words: list[str]) -> int:
    """Every data set and seed of a run, into one table."""
    if not hasattr(module, "COLUMNS"):
        return module.run(arguments)
    keys = [key for key in ("set", "seed") if hasattr(arguments, "seeds" if key == "seed" else key)]
    path = arguments.out / f"{arguments.name or name}.tsv"
    table = Table(path, [*keys, *module.COLUMNS.split()], words, arguments.append)
    for data_set in getattr(arguments, "set", [""]):
        for seed in getattr(arguments, "seeds", [1]):
            log.info("%s", " ".join(filter(None, (name, data_set, f"seed {seed}"))))
            case = Case(data_set, seed, arguments, table)
            own = {"set": data_set, "seed": seed}
            for row in module.measure(case):
                table.add({key: own[key] for key in keys} | row)
    print(module.summary(table.rows) if hasattr(module, "summary") else table.text())
    return 0


def module_of(name: str) -> ModuleType:
    """The module of a run."""
    return importlib.import_module(f"benchmarks.runs.{name}")


def parser_of(name: str, module: ModuleType) -> argparse.ArgumentParser:
    """The options of a run."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_options(parser)
    if hasattr(module, "COLUMNS"):
        add_places(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show the package's log")
    return parser


def first_line(name: str) -> str:
    """What a run is about; it is not imported for that."""
    path = Path(__file__).parent / "runs" / f"{name}.py"
    return ast.get_docstring(ast.parse(path.read_text())).splitlines()[0]


def overview() -> argparse.ArgumentParser:
    """The help that lists the runs."""
    lines = []
    for group, names in GROUPS.items():
        lines += ["", f"{group}:"]
        lines += [f"  {name:<18} {first_line(name)}" for name in names]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="\n".join(lines[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", choices=RUNS)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
