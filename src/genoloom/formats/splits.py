"""The split table: person, family, population, superpopulation, sex, role."""

from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.tables import read_table, write_table
from genoloom.panel import People

COLUMNS = ["person", "family", "population", "superpopulation", "sex", "role"]


def write_split(path: str | Path, people: People, roles: list[str]) -> None:
    """Write the role of everybody."""
    cells = zip(people.id, people.family, people.population, people.superpopulation, people.sex, roles, strict=True)
    write_table(path, COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in cells])


def read_roles(path: str | Path, people: People) -> list[str]:
    """The role of each of `people`, in their order.

    Raises
    ------
    InputError
        The table is missing, or does not name exactly these people.
    """
    if not Path(path).exists():
        raise InputError(path, "not found", remedy="make it with `genoloom split`")
    role_of = {row["person"]: row["role"] for row in read_table(path)}
    if set(role_of) != set(people.id):
        raise InputError(path, "names other people than the panel holds", remedy="split the panel again")
    return [role_of[name] for name in people.id]
