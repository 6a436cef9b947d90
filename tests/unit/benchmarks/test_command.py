"""The one entry point: its runs, its options and its tables."""

import re
import shlex

import pytest
from helpers import call_benchmark

from benchmarks.__main__ import RUNS, module_of, parser_of
from benchmarks.datasets import SETS
from benchmarks.options import numbers
from benchmarks.table import PROVENANCE, Table, spread
from genoloom.formats.tables import read_table


def test_help_lists_every_run_with_a_sentence():
    done = call_benchmark("--help")
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_every_run_declares_its_options(name):
    module = module_of(name)
    assert module.__doc__.splitlines()[0].endswith(".")
    parser = parser_of(name, module)
    assert all(action.help is not None or action.choices for action in parser._actions)
    assert hasattr(module, "measure") == hasattr(module, "COLUMNS") != hasattr(module, "run")


def test_an_unknown_run_is_refused():
    done = call_benchmark("haplotype")
    assert done.returncode == 2
    assert "invalid choice: 'haplotype'" in done.stderr


def test_numbers_are_ranges():
    assert numbers("1-3,7") == [1, 2, 3, 7]


def test_rows_say_how_they_were_measured_and_no_path(tmp_path):
    words = ["haplotypes", "--seeds", "1-2", "--out", str(tmp_path), "--append"]
    path = tmp_path / "t.tsv"
    for seed in (1, 2):
        table = Table(path, ["seed", "value"], words, append=True)
        assert not table.has(seed=seed)
        table.add({"seed": seed, "value": 0.5 * seed})
        assert table.has(seed=seed, value=0.5 * seed)
    first, second = read_table(path)
    assert (first["seed"], second["value"]) == ("1", "1")
    assert list(first) == ["seed", "value", *PROVENANCE]
    assert first["command"] == "python -m benchmarks haplotypes --seeds 1-2"


def test_spread_is_the_median_with_the_range():
    rows = [{"g": "a", "v": str(v)} for v in (1, 5, 2)] + [{"g": "b", "v": "0.25"}, {"g": "c"}]
    assert spread(rows, ["g"], ["v"]) == [
        {"g": "a", "rows": "3", "v": "2 (1-5)"},
        {"g": "b", "rows": "1", "v": "0.25"},
        {"g": "c", "rows": "1", "v": ""},
    ]


def documented(repository):
    """(page, words) of every command of a benchmark in the documentation that is written whole."""
    made = {"haplotypes": "haplotypes", "sequences": "sequences", "privacy": "planted_leaks"}
    made |= {"validation": "statistics", "shadows": "shadow_models", "utility": "utility_tasks"}
    for path in [*(repository / "docs").rglob("*.md"), repository / "benchmarks" / "README.md"]:
        text = " ".join(path.read_text("utf-8").split())
        found = [shlex.split(m[1]) for m in re.finditer(r"`python -m benchmarks ([^`]+)`", text)]
        for m in re.finditer(r'`make bench-(\w+) BENCH="([^"]+)"', text):
            found.append([made[m[1]], *shlex.split(m[2])])
        yield from (
            (path.name, words) for words in found if "..." not in words and "S" not in words
        )


def test_every_documented_command_is_one_that_exists(repository):
    commands = list(documented(repository))
    assert len(commands) > 20
    for page, words in commands:
        try:
            parser_of(words[0], module_of(words[0])).parse_args(words[1:])
        except SystemExit:
            pytest.fail(f"{page}: python -m benchmarks {shlex.join(words)}")


@pytest.mark.parametrize("name", [name for name in SETS if SETS[name].labels])
def test_labels_of_a_set_have_the_columns_it_names(name, shared_data):
    chosen = SETS[name]
    header = (shared_data / chosen.labels).read_text().split("\n", 1)[0].split("\t")
    assert {chosen.individual, chosen.population} <= set(header)
