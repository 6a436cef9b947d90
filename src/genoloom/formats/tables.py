"""Tab-separated tables: every metrics table, sheet of results and history is written and read
here.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from enum import StrEnum
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.text import (
    create_text,
    real_number,
    split_rows,
    text_lines,
    whole_number,
    wrong_cells,
)
from genoloom.records import columns, required, values_of


def format_cell(value: object) -> str:
    """Text of one cell: floats with six significant digits, NaN and None as empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


@contextmanager
def table_writer(path: str | Path, columns: list[str]) -> Iterator[Callable[[Iterable], object]]:
    """Write a TSV row by row: yields a function that takes the cells of one; gzip when the name
    ends in .gz.

    The file appears when the block ends well; nothing partial is left.
    """
    with (
        write_beside(path) as [part],
        create_text(part, packed=str(path).endswith(".gz")) as handle,
    ):
        yield _writer(handle, columns)


def _writer(handle: io.TextIOBase, columns: list[str]) -> Callable[[Iterable], object]:
    writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    return lambda cells: writer.writerow([format_cell(cell) for cell in cells])


def write_table(path: str | Path, columns: list[str], rows: list[dict]) -> None:
    """Write `rows` as TSV with a header; gzip when the name ends in .gz. Nothing partial is
    left.
    """
    with table_writer(path, columns) as write:
        for row in rows:
            write([row.get(c) for c in columns])


def write_records(path: str | Path, record: type, rows: Sequence) -> None:
    """Write dataclasses of the class `record` as a table; see `genoloom.records`."""
    with table_writer(path, columns(record)) as write:
        for row in rows:
            write(_cells(row, record))


def _cells(row: object, record: type) -> list:
    words = {True: "yes", False: "no"}
    return [words[v] if isinstance(v, bool) else v for v in values_of(row, record)]


def records_text(record: type, rows: Sequence) -> str:
    """The text of the table that `write_records` writes."""
    handle = io.StringIO()
    write = _writer(handle, columns(record))
    for row in rows:
        write(_cells(row, record))
    return handle.getvalue()


class Row(dict[str, str]):
    """Cells by column, and the place they are at; a number is asked for with `number` or
    `integer`.
    """

    def __init__(self, source: str | Path, line: int, cells: dict[str, str]):
        super().__init__(cells)
        self.source, self.line = source, line

    def refuse(self, column: str, found: str, expected: str = "") -> InputError:
        """The error that says what is wrong with a cell, without the cell: it may be a name."""
        return InputError(
            self.source, f"line {self.line}: the column '{column}' {found}", expected=expected
        )

    def number(self, column: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number in [low, high].

        Raises
        ------
        InputError
        """
        try:
            value = real_number(self[column])
        except ValueError as error:
            raise self.refuse(column, str(error)) from None
        if not low <= value <= high:
            raise self.refuse(column, f"is not from {low:g} to {high:g}")
        return value

    def integer(self, column: str, low: int, high: int) -> int:
        """A whole number in [low, high]; raises as `number`."""
        try:
            return whole_number(self[column], low, high)
        except ValueError as error:
            raise self.refuse(column, str(error)) from None

    def cell(self, column: str, cell_type: type) -> str | bool | int | float | StrEnum:
        """A cell as `write_records` writes a value of `cell_type`; raises as `number`."""
        if issubclass(cell_type, StrEnum):
            if self[column] not in tuple(cell_type):
                raise self.refuse(column, "is a word of another version, or none")
            return cell_type(self[column])
        if cell_type is bool:
            return self.one_of(column, ("yes", "no")) == "yes"
        if cell_type is float:
            free = {"": math.nan, "inf": math.inf, "-inf": -math.inf}
            return free[self[column]] if self[column] in free else self.number(column)
        return self.integer(column, 0, 2**53) if cell_type is int else self[column]

    def one_of(self, column: str, words: tuple[str, ...]) -> str:
        """A cell that is one of `words`; raises as `number`."""
        if self[column] not in words:
            raise self.refuse(column, "holds another word", expected=", ".join(words))
        return self[column]


def read_table(
    path: str | Path, columns: tuple[str, ...] | list[str] = (), remedy: str = ""
) -> list[Row]:
    """Rows of a TSV written by `write_table`, all cells as text.

    Parameters
    ----------
    columns : tuple of str
        Those that must be there; others may be.
    remedy : str
        How such a table is made.

    Raises
    ------
    InputError
        The file is missing or no text, has no header, lacks a column or has one twice, or a row is
        shorter or longer than the header; with its line.
    """
    rows = split_rows(path, text_lines(path))
    _, header = next(rows, (0, []))
    lacking = [name for name in columns if name not in header]
    if not header or lacking:
        found = f"has no column '{lacking[0]}'" if header else "is empty"
        raise InputError(
            path,
            found,
            expected=f"the columns {', '.join(columns)}" if columns else "a table",
            remedy=remedy,
        )
    for second, name in enumerate(header):
        if (first := header.index(name)) != second:
            raise InputError(
                path, f"columns {first + 1} and {second + 1} have the same name", remedy=remedy
            )
    table = []
    for line, cells in rows:
        if len(cells) != len(header):
            raise wrong_cells(path, line, cells, header, remedy)
        table.append(Row(path, line, dict(zip(header, cells, strict=True))))
    return table


def read_records(path: str | Path, record: type, remedy: str = "") -> list:
    """The dataclasses of the class `record` in a table of `write_records`.

    Raises
    ------
    InputError
        As `read_table`; or a cell is not what its field can be.
    """
    return [_record(row, record) for row in read_table(path, required(record), remedy)]


def read_exact_records(path: str | Path, record: type) -> list:
    """The same of a table that must be just what `write_records` writes: for whoever judges by it.

    Raises
    ------
    InputError
        As `read_records` and `read_exact_table`.
    """
    return [_record(row, record) for row in read_exact_table(path, columns(record))]


def _record(row: Row, record: type) -> object:
    return record(**{f.name: row.cell(f.name, f.type) for f in fields(record) if f.name in row})


def read_exact_table(path: str | Path, columns: list[str]) -> list[Row]:
    """Rows of a table that must be just what `write_table` writes: for whoever judges by it.

    Raises
    ------
    InputError
        As `read_table`; or there are other columns, no rows, or a cell that cannot be printed.
    """
    rows = read_table(path, columns)
    if not rows or list(rows[0]) != columns:
        found = "has other columns" if rows else "has no rows"
        raise InputError(path, found, expected=f"the columns {', '.join(columns)}")
    for row in rows:
        if not all(cell.isprintable() for cell in row.values()):
            raise InputError(path, f"line {row.line}: a cell holds what cannot be printed")
    return rows
