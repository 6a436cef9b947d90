"""Histories of training runs as tables: one row per evaluation."""

from pathlib import Path

from genoloom.formats.tables import read_table, write_table


def write_history(path: str | Path, rows: list[dict]) -> None:
    """The history of a run as TSV; columns in the order in which they first appear. Without times:
    these are never the same twice.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "seconds")) or [
        "step"
    ]
    write_table(
        path,
        columns,
        [{key: value for key, value in row.items() if key != "seconds"} for row in rows],
    )


def read_history(path: str | Path) -> list[dict[str, float]]:
    """Rows of a history table as numbers; empty cells are left out.

    Raises
    ------
    InputError
        The file is no table, or a cell is no number; with its line.
    """
    return [
        {name: row.number(name) for name, cell in row.items() if cell}
        for row in read_table(path, ("step",))
    ]
