"""Tab-separated tables: every metrics table, sheet of results and history is written here."""

import csv
import gzip
import math
from pathlib import Path

from genoloom.formats.atomic import write_beside


def format_cell(value: object) -> str:
    """Text of one cell: floats with six significant digits, NaN and None as empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def write_table(path: str | Path, columns: list[str], rows: list[dict]) -> None:
    """Write `rows` as TSV with a header; gzip when the name ends in .gz. Nothing partial is left."""
    with write_beside(path) as [part]:
        handle = gzip.open(part, "wt", newline="") if str(path).endswith(".gz") else open(part, "w", newline="")
        with handle:
            writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([format_cell(row.get(c)) for c in columns] for row in rows)


def read_table(path: str | Path) -> list[dict[str, str]]:
    """Rows of a TSV written by `write_table`, all cells as text."""
    handle = gzip.open(path, "rt", newline="") if str(path).endswith(".gz") else open(path, newline="")
    with handle:
        return list(csv.DictReader(handle, delimiter="\t"))
