"""Options of the runs: each has one spelling, one type and one help text, whatever the run."""

import argparse
from pathlib import Path

from benchmarks.datasets import DATA, RESULTS, SETS
from genoloom.config_section import Section
from genoloom.models.haplotype import GENERATORS
from genoloom.training_config import TrainSections


def numbers(text: str) -> list[int]:
    """Whole numbers such as `1-3` or `1,2,7-9`."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


SHARED: dict[str, dict] = {
    "set": {"nargs": "+", "choices": SETS, "help": "data sets"},
    "seeds": {"type": numbers, "help": "such as 1-3 or 1,5; each divides and draws anew"},
    "generators": {"nargs": "+", "choices": GENERATORS, "help": "which generators"},
    "set-option": {
        "action": "append",
        "metavar": "GENERATOR.KEY=VALUE",
        "help": "an option of a generator, as in the configuration; repeat",
    },
    "individuals": {"type": int, "help": "individuals per group, at most"},
    "sites": {"type": int, "help": "the first N sites"},
    "steps": {"type": int, "help": "training steps, of generators that have them"},
    "minutes": {"type": float, "help": "length of training, of generators that have it"},
    "n-permutations": {"type": int, "help": "permutations of the reference value"},
    "threads": {"type": int, "help": "processor threads"},
}


def add_shared(parser: argparse.ArgumentParser, **defaults) -> None:
    """Declare options of `SHARED`, named with underscores, with the defaults of this run."""
    for name, default in defaults.items():
        word = name.replace("_", "-")
        told = dict(SHARED[word])
        shown = "all" if word == "generators" and default == list(GENERATORS) else default
        if word == "seeds":
            default = numbers(default)
        if default is not None and default != []:
            words = " ".join(shown) if isinstance(shown, list) else shown
            told["help"] += f" (default: {words})"
        parser.add_argument(f"--{word}", default=default, **told)


def add_places(parser: argparse.ArgumentParser) -> None:
    """The options of every run."""
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        help="directory of the table, RUN.tsv (default: %(default)s)",
    )
    parser.add_argument("--name", help="of the table, in place of the run's")
    parser.add_argument(
        "--append",
        action="store_true",
        help="keep the rows that are there; `haplotypes`, `planted_leaks` measure what is missing",
    )
    parser.add_argument("--data", type=Path, default=DATA, help="the development data")
    parser.add_argument(
        "--work", type=Path, default=RESULTS, help="directory of panels, models and samples"
    )


def options_of(generator: str, arguments: argparse.Namespace) -> tuple[Section, str]:
    """Options of a generator by `--set-option`, `--minutes` and `--steps`, checked as the options
    of the configuration are, and the first as text.
    """
    given = {}
    for item in getattr(arguments, "set_option", None) or []:
        key, _, value = item.partition("=")
        owner, _, field = key.partition(".")
        if owner == generator:
            given[field] = None if value.lower() in ("none", "null") else value
    section = type(getattr(TrainSections(), generator))
    length = {
        key: value
        for key in ("minutes", "steps")
        if key in section.model_fields and (value := getattr(arguments, key, None))
    }
    return section(**given | length), ",".join(f"{k}={v}" for k, v in sorted(given.items()))
