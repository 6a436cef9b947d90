"""Rows of tables as typed records: the fields of a dataclass are the columns of its table.

A field is a text, a whole number, a number (nan where it was not measured) or a member of an
enumeration, whose value is the cell. One with a default may be missing in a table.
"""

from dataclasses import MISSING, fields
from math import isnan


def columns(record: type) -> list[str]:
    """The columns of a record, in their order."""
    return [one.name for one in fields(record)]


def required(record: type) -> list[str]:
    """The columns that no table of such records is without."""
    return [one.name for one in fields(record) if one.default is MISSING]


def shown(value: float) -> str:
    """A number as logs show it."""
    return "-" if isnan(value) else f"{value:.6g}"
