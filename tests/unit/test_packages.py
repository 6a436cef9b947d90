"""The packages that the code imports: those of the project, of its extras and of each rule's conda
environment.

Imports are read from the source, not run: from the command that a rule calls, through every module
that it reaches.
"""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from source_imports import MODULES, ROOT, imports_of, tree_of

# whoever imports this function may import any module next to it, by a generator's name
REGISTRY = "generator_class"
# conda's name of a package, where it is another one than that of the Python package index
CONDA = {"edlib": "python-edlib", "matplotlib": "matplotlib-base", "torch": "pytorch-cpu"}


# their functions import what one command needs
CLI = {"genoloom", *(module for module in MODULES if module.startswith("genoloom.cli"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def commands() -> dict[str, tuple[str, Path]]:
    """The command and the environment file of each rule that has one."""
    found = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for rule in re.split(r"^ *rule (?=\w+:)", path.read_text(), flags=re.MULTILINE)[1:]:
            environment = re.search(r'conda:\s+"(.*?)"', rule)
            if environment:
                command = re.search(r'"genoloom ((?:sequences |panel )?[\w-]+)', rule)
                found[rule.partition(":")[0]] = command[1], (path.parent / environment[1]).resolve()
    return found


COMMANDS = commands()


@cache
def imports_of_module(module: str) -> frozenset[tuple[str, bool]]:
    return frozenset(imports_of(tree_of(module), ast.FunctionDef if module in CLI else ()))


@cache
def distributions() -> dict[str, list[str]]:
    return packages_distributions()


def packages_of(imported: set[tuple[str, bool]]) -> tuple[set[str], set[str]]:
    """The distributions that imports reach: those that must be there, and those that the code goes
    on without.
    """
    waiting, seen, needed, optional = list(imported), set(), set(), set()
    while waiting:
        name, may_be_missing = waiting.pop()
        top, _, rest = name.partition(".")
        if top != "genoloom":  # the standard library has no distribution
            missing = may_be_missing and top not in sys.stdlib_module_names  # by its own name then
            found = {
                distribution.lower().replace("_", "-")
                for distribution in distributions().get(top, [top] if missing else [])
            }
            (optional if may_be_missing else needed).update(found)
            continue
        parts = (name if name in MODULES else name.rpartition(".")[0]).split(".")
        reached = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
        if rest.endswith(REGISTRY):
            reached |= {
                module for module in MODULES if module.rpartition(".")[0] == ".".join(parts)
            }
        for module in reached - seen:
            waiting += imports_of_module(module)
        seen |= reached
    return needed, optional - needed


def packages_of_command(command: str) -> tuple[set[str], set[str]]:
    ours = ["haplotypes", "evaluation", "medicine"]
    group = {"sequences": ["sequences"], "panel": ["panels"]}
    half = group.get(command.partition(" ")[0], ours) if " " in command else ours
    name = "command" if command.endswith("train") else re.sub("[ -]", "_", command)
    trees = [tree_of(f"genoloom.cli.{module}") for module in half]
    [function] = [
        n for t in trees for n in ast.walk(t) if isinstance(n, ast.FunctionDef) and n.name == name
    ]
    imported = {("genoloom.__main__", False), *imports_of(function)}
    for call in function.decorator_list:  # `calls` names the function that it imports
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "calls":
            imported.add((f"genoloom.{call.args[0].value.partition(':')[0]}", False))
            if any(keyword.arg == "opens" for keyword in call.keywords):
                imported.add(("genoloom.panels.comparands", False))
    return packages_of(imported)


def test_every_rule_has_what_its_command_imports():
    lacking = {}
    for rule, (command, path) in COMMANDS.items():
        there = {line.split()[0] for line in yaml.safe_load(path.read_text())["dependencies"]}
        needed, _ = packages_of_command(command)
        lacking[rule] = {CONDA.get(name, name) for name in needed} - there
    assert not {rule: names for rule, names in lacking.items() if names}


@pytest.mark.parametrize(
    "path", sorted({path for _, path in COMMANDS.values()}), ids=lambda path: path.stem
)
def test_no_environment_has_what_no_rule_imports(path):
    there = {line.split()[0] for line in yaml.safe_load(path.read_text())["dependencies"]} - {
        "python"
    }
    imported = [packages_of_command(command) for command, used in COMMANDS.values() if used == path]
    assert there <= {CONDA.get(name, name) for both in imported for names in both for name in names}


def named(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def test_the_project_asks_for_all_that_its_code_imports():
    needed, optional = packages_of({(module, False) for module in MODULES})
    extras = {
        name: lines
        for name, lines in PROJECT["optional-dependencies"].items()
        if name not in ("dev", "docs")
    }
    assert needed <= named(PROJECT["dependencies"])
    assert optional - needed == {package for lines in extras.values() for package in named(lines)}
    # `genoloom doctor` says of each whether it is there
    body = tree_of("genoloom.stages.doctor").body
    [said] = [
        n.value for n in body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "EXTRAS"
    ]
    assert ast.literal_eval(said) == {
        package: name for name, lines in extras.items() for package in named(lines)
    }


def test_the_reader_of_imports():
    text = """
import a.b, c
def f():
    from d import e
    try:
        import g
    except ImportError:
        pass
"""
    tree = ast.parse(text)
    assert set(imports_of(tree)) == {("a.b", False), ("c", False), ("d.e", False), ("g", True)}
    assert set(imports_of(tree, ast.FunctionDef)) == {("a.b", False), ("c", False)}


def test_both_containers_are_of_one_image_and_hold_all_that_runs(repository):
    definition = (repository / "containers/genoloom.def").read_text()
    recipe = (repository / "containers/Dockerfile").read_text()
    files = definition.partition("%files\n")[2].partition("\n\n")[0]
    held = {
        "definition": {word for line in files.splitlines() for word in line.split()[:-1]},
        "recipe": {
            word
            for line in re.findall(r"^COPY (.*)", recipe, re.MULTILINE)
            for word in line.split()[:-1]
        },
    }
    assert held["definition"] == held["recipe"]
    assert all((repository / name).exists() for name in held["recipe"])
    pins = {path.name for path in repository.glob("constraints-*.txt")}
    runs = {"Snakefile", "workflow", "src", "profiles", "config", "resources", "envs"}
    assert held["recipe"] == pins | runs | {"pyproject.toml", "README.md", "LICENSE"}
    assert (
        re.search(r"^From: (.*)", definition, re.MULTILINE)[1]
        == (re.search(r"^FROM (.*)", recipe, re.MULTILINE)[1])
    )
    assert definition.count("envs/install.sh python3") == recipe.count("envs/install.sh python3")
