"""The table of a run: rows go to a TSV as they come, the first with how they were measured."""

import os
import platform
import re
import shlex
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from genoloom.formats.tables import format_cell, read_table, write_table
from genoloom.report.summary import as_text

PROVENANCE = ["commit", "machine", "versions", "command"]
PACKAGES = ("numpy", "numba", "torch")
PATHS = (
    "--out",
    "--data",
    "--work",
    "--results",
)  # of this machine: no part of the command that is told
ROOT = Path(__file__).resolve().parent.parent


class Table:
    """Rows of one run, in a file that is complete after each of them.

    Parameters
    ----------
    columns : list of str
        Without the columns of `PROVENANCE`, which the first row of a run gets, for all of them.
    words : list of str
        The command line, from the name of the run on.
    append : bool
        Keep the rows that are in the file.
    """

    def __init__(self, path: Path, columns: list[str], words: list[str], append: bool = False):
        self.path, self.columns, self.made = path, columns, provenance(words)
        self.rows = [*read_table(path)] if append and path.exists() else []
        self.kept = len(self.rows)

    def has(self, **cells) -> bool:
        """Whether a row has these cells."""
        wanted = {key: format_cell(value) for key, value in cells.items()}
        return any(all(row.get(k) == v for k, v in wanted.items()) for row in self.rows)

    def add(self, row: dict) -> None:
        """Append a row, and write the file."""
        row = row | (self.made if len(self.rows) == self.kept else {})
        self.rows.append({key: format_cell(value) for key, value in row.items()})
        write_table(self.path, [*self.columns, *PROVENANCE], self.rows)

    def text(self) -> str:
        """What was measured, with four digits, for the screen."""
        rows = [{c: shorten(row.get(c, "")) for c in self.columns} for row in self.rows]
        return as_text(rows, self.columns)


def provenance(words: list[str]) -> dict[str, str]:
    """How the rows of a command are measured, by the columns of `PROVENANCE`."""
    told, skip = [], False
    for word in words:
        skip, hidden = word in PATHS, skip
        if not (hidden or skip or word in ("--append", "-v", "--verbose")):
            told.append(word)
    versions = [f"python {platform.python_version()}", *(f"{p} {version(p)}" for p in PACKAGES)]
    command = f"python -m benchmarks {shlex.join(told)}"
    return dict(zip(PROVENANCE, (commit(), machine(), ", ".join(versions), command), strict=True))


def commit() -> str:
    """The commit of this checkout, with `+` where files differ from it; empty without git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=7", "--exclude=*"]
    done = subprocess.run([*command, "--dirty=+"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def machine() -> str:
    """Cores and processor."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"model name\s*: (.*)", text)
    name = found[1].strip() if found else platform.processor() or platform.machine()
    return f"{os.cpu_count()} cores, {name}"


def shorten(cell: str) -> str:
    """A number with four significant digits, other text as it is."""
    try:
        return f"{float(cell):.4g}" if "." in cell or "e" in cell else cell
    except ValueError:
        return cell


def spread(rows: Iterable[dict], keys: list[str], values: list[str]) -> list[dict]:
    """The median of each value with the smallest and the largest, as text, by `keys`."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(k, "") for k in keys), []).append(row)
    return [
        dict(zip(keys, key, strict=True))
        | {"rows": str(len(own))}
        | {value: _spread([row.get(value, "") for row in own]) for value in values}
        for key, own in groups.items()
    ]


def _spread(cells: list[str]) -> str:
    known = [float(cell) for cell in cells if cell]
    if not known:
        return ""
    low, middle, high = np.quantile(known, [0, 0.5, 1])
    return f"{middle:.4g}" + (f" ({low:.4g}-{high:.4g})" if low < high else "")
