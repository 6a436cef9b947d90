"""What the modules of the package import, read from the source: nothing is run."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in (ROOT / "src").rglob("*.py")}


def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def imports_of(
    node: ast.AST, skip: type | tuple = (), optional: bool = False
) -> Iterator[tuple[str, bool]]:
    """What a piece of source imports, `skip` left out, and whether it goes on without that."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, optional) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from ((f"{child.module}.{alias.name}", optional) for alias in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue  # for readers of types
        elif not isinstance(child, skip):
            caught = isinstance(child, ast.Try) and any(
                "ImportError" in ast.unparse(h) for h in child.handlers
            )
            yield from imports_of(child, skip, optional or caught)
