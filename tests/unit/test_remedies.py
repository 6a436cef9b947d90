"""What messages tell individuals to do can be done: every command and option that a remedy names is
there.
"""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

import genoloom
from genoloom.cli import genoloom as cli

SOURCES = sorted(Path(genoloom.__file__).parent.rglob("*.py"))
TOOLS = ("bcftools", "samtools", "plink2", "bgzip", "tabix")
SNAKEMAKE = {"--profile", "--cores", "--sdm", "--unlock", "--rerun-incomplete"}


def words(node: ast.AST) -> str:
    """The text of all strings of an expression, with X where a value is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value) if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "X"
    return " ; ".join(filter(None, map(words, ast.iter_child_nodes(node))))


def remedies() -> list[tuple[str, str]]:
    """(file:line, text) of each remedy: the keyword, the fourth argument of an InputError, and
    constants so used.
    """
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: words(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            given = [keyword.value for keyword in call.keywords if keyword.arg == "remedy"]
            if isinstance(call.func, ast.Name) and call.func.id == "InputError":
                given += call.args[3:4]
            for value in given:
                names = [node.id for node in ast.walk(value) if isinstance(node, ast.Name)]
                text = " ; ".join([words(value), *(constants.get(name, "") for name in names)])
                found.append((f"{path.name}:{call.lineno}", text))
    return found


def commands(group: click.Group = cli, before: str = "genoloom") -> dict[str, set[str]]:
    """Options of every command, by its whole name."""
    table = {before: set()}
    for name, command in group.commands.items():
        whole = f"{before} {name}"
        if isinstance(command, click.Group):
            table |= commands(command, whole)
        else:
            table[whole] = {
                option
                for parameter in command.params
                for option in (*parameter.opts, *parameter.secondary_opts)
            }
    return table


REMEDIES = remedies()
COMMANDS = commands()


def test_there_are_remedies():
    assert len(REMEDIES) > 100


@pytest.mark.parametrize(
    ("place", "text"), [r for r in REMEDIES if re.search(r"genoloom [a-z]", r[1])]
)
def test_commands_of_ours(place, text):
    for found in re.finditer(r"genoloom ((?:[a-z]+[a-z-]*)(?: [a-z]+)?)([^`;]*)", text):
        two = f"genoloom {found[1]}"
        name = (
            two if two in COMMANDS else two.rsplit(" ", 1)[0] if len(found[1].split()) > 1 else two
        )
        assert name in COMMANDS, f"{place}: {name}"
        if name != "genoloom run":
            lacking = (
                set(re.findall(r"(?<![\w-])--?[a-z][a-z-]+", found[2].split(" then ")[0]))
                - COMMANDS[name]
            )
            assert not lacking, f"{place}: {name} {lacking}"


def test_options_of_ours():
    known = set.union(*COMMANDS.values()) | SNAKEMAKE
    for place, text in REMEDIES:
        if not re.search("|".join([*TOOLS, "snakemake", "pip", "git", "awk", "crypt4gh"]), text):
            lacking = {
                option
                for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
                if option not in known
            }
            assert not lacking, f"{place}: {lacking}"


@pytest.mark.parametrize("tool", ["bcftools", "samtools"])
def test_commands_of_htslib(tool):
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([tool, "--help"], capture_output=True, text=True, check=False)
    known = set(re.findall(r"^\s+([a-z]+)\s", done.stdout + done.stderr, re.MULTILINE))
    for place, text in REMEDIES:
        for name in re.findall(rf"{tool} ([a-z]+)", text):
            assert name in known, f"{place}: {tool} {name}"


def test_options_of_plink2():
    if not shutil.which("plink2"):
        pytest.skip("plink2 is not installed")
    for place, text in REMEDIES:
        for found in re.finditer(r"plink2 ([^;)`]*)", text):
            for option in re.findall(r"--[a-z0-9-]+", found[1]):
                done = subprocess.run(
                    ["plink2", "--help", option.lstrip("-")],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert "No help entry" not in done.stdout, f"{place}: plink2 {option}"
