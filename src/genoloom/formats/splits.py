"""The split table: individual, family, population, superpopulation, sex, role."""

from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.tables import Row, read_table, write_table
from genoloom.panel import Individuals

COLUMNS = ["individual", "family", "population", "superpopulation", "sex", "role"]
ROLES = ("train", "holdout")
MAKE = "make it with `genoloom split`"


def write_split(path: str | Path, individuals: Individuals, roles: list[str]) -> None:
    """Write the role of everybody."""
    cells = zip(
        individuals.id,
        individuals.family,
        individuals.population,
        individuals.superpopulation,
        individuals.sex,
        roles,
        strict=True,
    )
    write_table(path, COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in cells])


def read_split(path: str | Path) -> list[Row]:
    """The rows of a split table.

    Raises
    ------
    InputError
        The table is missing or is none; with the line: nobody's name, an individual named twice, or
        a role that is none.
    """
    rows = read_table(path, ("individual", "population", "role"), MAKE)
    lines: dict[str, int] = {}
    for row in rows:
        row.one_of("role", ROLES)
        if not row["individual"] or not row["population"]:
            raise InputError(
                path, f"line {row.line}: individual or population is empty", remedy=MAKE
            )
        if (line := lines.setdefault(row["individual"], row.line)) != row.line:
            raise InputError(
                path,
                f"line {row.line}: the individual of line {line} again",
                expected="one row per individual",
                remedy=MAKE,
            )
    if not rows:
        raise InputError(path, "names nobody", remedy=MAKE)
    return rows


def read_roles(path: str | Path, individuals: Individuals) -> list[str]:
    """The role of each of `individuals`, in their order.

    Raises
    ------
    InputError
        As `read_split`; or the table does not name exactly these individuals.
    """
    role_of = {row["individual"]: row["role"] for row in read_split(path)}
    if set(role_of) != set(individuals.id):
        raise InputError(
            path, "names other individuals than the panel holds", remedy="split the panel again"
        )
    return [role_of[name] for name in individuals.id]
