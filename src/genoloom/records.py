"""Rows of tables as typed records: the fields of a dataclass are the columns of its table.

A field is a text, a whole number, yes or no, a number (nan where it was not measured) or a member
of an enumeration, whose value is the cell. One with a default may be missing in a table.
"""

from dataclasses import MISSING, fields
from importlib.resources import files
from math import isnan


def columns(record: type) -> list[str]:
    """The columns of a record, in their order."""
    return [one.name for one in fields(record)]


def required(record: type) -> list[str]:
    """The columns that no table of such records is without."""
    return [one.name for one in fields(record) if one.default is MISSING]


def values_of(row: object, kind: type) -> list:
    """What a record, or one with further columns, has in the columns of a `kind`."""
    return [getattr(row, name) for name in columns(kind)]


def package_table(package: str, name: str) -> list[list[str]]:
    """Cells of the rows of a table that is part of the package, without its header."""
    _, *lines = (files(package) / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def shown(value: float) -> str:
    """A number as logs show it."""
    return "-" if isnan(value) else f"{value:.6g}"
