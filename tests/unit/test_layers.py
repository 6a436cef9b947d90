"""Imports run one way, from the commands down, and only some layers open files: see
docs/architecture.md.
"""

import ast

from source_imports import MODULES, imports_of, tree_of

# from the top down; packages of one layer do not import each other
LAYERS = (
    {"__main__"},
    {"cli"},
    {""},  # the package itself hands out the functions of `api` when they are asked for
    {"api"},
    {"sequence_api"},
    {"pipelines"},
    {"stages"},
    {"evidence", "programs"},
    {"panels", "config_files"},
    {"report"},
    {"privacy"},
    {"validation"},
    {"utility"},
    {"models"},
    {"training"},
    {"config_sheets"},
    {"formats"},
    {"treatment", "popgen", "logs"},
    {"faults", "homology", "splits", "cohort", "traits", "config", "run_crate"},
    {"privacy_config"},
    {"training_config", "medicine_config", "sequence_config"},
    {"config_section", "panel"},
    {
        "audit_levels", "declared", "disclosure", "errors", "ploidy", "records", "renamed_keys",
        "seeds", "sequences", "task_rows", "tracts",
    },
)  # fmt: skip
OPEN_FILES = {
    "formats", "panels", "programs", "evidence", "stages", "pipelines", "api", "sequence_api",
    "cli", "config_files", "config_sheets", "logs",
}  # fmt: skip
# and these, of which others may know no file
ALSO = {
    "models.load": "reads models",
    "models.haplotype.compiled": "keeps machine code",
    "training.checkpoint": "saves the state of a training",
    "training.run": "writes its history",
    "training.trained": "writes what was trained",
    "training.processes": "a place where the processes of one training meet",
    "report.page": "templates of the package",
    "records": "tables of the package",
    "privacy.leak_scan.files": "opens what is about to leave",
}
OPENS = {
    "open", "read_text", "write_text", "read_bytes", "write_bytes", "memmap", "fromfile", "tofile",
    "mkdir", "unlink", "rmtree", "TemporaryDirectory", "mkdtemp",
}  # fmt: skip


def package(module: str) -> str:
    return module.removeprefix("genoloom").removeprefix(".").partition(".")[0]


def imported_modules(module: str) -> set[str]:
    names = {name for name, _ in imports_of(tree_of(module))}
    found = {name if name in MODULES else name.rpartition(".")[0] for name in names}
    return (found & set(MODULES)) - {"genoloom"}  # its version


IMPORTS = {module: imported_modules(module) for module in MODULES}
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def test_every_module_has_a_layer():
    assert {package(module) for module in MODULES} == set(RANK)


def test_no_import_runs_upward():
    found = [
        (module, other)
        for module, imported in IMPORTS.items()
        for other in imported
        if package(other) != package(module) and RANK[package(other)] <= RANK[package(module)]
    ]
    assert not found


def test_no_stage_imports_another():
    found = [
        (module, other)
        for module, imported in IMPORTS.items()
        for other in imported
        if package(module) == package(other) == "stages"
    ]
    assert not found


def test_no_modules_import_each_other():
    left = dict(IMPORTS)
    while leaves := {module for module, imported in left.items() if not imported & set(left)}:
        left = {module: imported for module, imported in left.items() if module not in leaves}
    assert not left


def opened_in(module: str) -> list[str]:
    """Calls that open files, and imports of what does."""
    calls = (node.func for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call))
    names = (getattr(call, "attr", getattr(call, "id", "")) for call in calls)
    formats = (other for other in IMPORTS[module] if package(other) == "formats")
    return [*OPENS.intersection(names), *formats]


def test_only_some_layers_open_files():
    others = {module for module in MODULES if package(module) not in OPEN_FILES}
    assert {m.removeprefix("genoloom.") for m in others if opened_in(m)} == set(ALSO)
