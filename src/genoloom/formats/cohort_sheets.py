"""Sheets of synthetic individuals: who they are, and what their haplotypes follow from."""

import math
from pathlib import Path

from genoloom.cohort import Cohort
from genoloom.errors import InputError
from genoloom.formats.tables import Row, read_table
from genoloom.formats.text import real_number
from genoloom.panel import Individuals

COLUMNS = [
    "individual", "population", "sex", "seed", "ancestry", "generations", "inbreeding",
    "meioses", "family", "father", "mother",
]  # fmt: skip
MAKE = "make it with `genoloom cohort`"
MOST_REDRAWN = 1e6  # a Morgan: beyond one in a hundred base pairs nothing is a tract


def read_cohort(path: str | Path) -> Cohort:
    """The synthetic individuals of a cohort sheet.

    Raises
    ------
    InputError
        The file is missing or is no cohort sheet; with the line.
    """
    rows = read_table(path, COLUMNS, MAKE)
    if not rows:
        raise InputError(path, "names nobody", remedy=MAKE)
    lines: dict[str, int] = {}
    sex: dict[str, str] = {}
    for row in rows:
        _check_parents(row, sex)
        sex[row["individual"]] = row["sex"]
        if (
            not row["individual"]
            or (line := lines.setdefault(row["individual"], row.line)) != row.line
        ):
            found = (
                f"the individual of line {line} again"
                if row["individual"]
                else "an individual without a name"
            )
            raise InputError(
                path, f"line {row.line}: {found}", expected="one row per individual", remedy=MAKE
            )
        if row["individual"] == "0" or row["individual"] != "".join(row["individual"].split()):
            raise row.refuse(
                "individual",
                "is no name that PLINK files can hold",
                expected="no white space, not 0",
            )
        if row["family"] != "".join(row["family"].split()):
            raise row.refuse("family", "has white space", expected="a name, or nothing")
    individuals = Individuals(
        [row["individual"] for row in rows],
        [row["population"] for row in rows],
        [row.one_of("sex", ("female", "male", "unknown")) for row in rows],
        [row["family"] for row in rows],
    )
    return Cohort(
        individuals,
        seed=[row.integer("seed", 0, 2**63 - 1) for row in rows],
        ancestry=[_ancestry(row) for row in rows],
        generations=[row.number("generations", 0, MOST_REDRAWN) for row in rows],
        inbreeding=[row.number("inbreeding", 0, 1) for row in rows],
        meioses=[row.number("meioses", 0, MOST_REDRAWN) for row in rows],
        parents=[(row["father"], row["mother"]) for row in rows],
    )


def _check_parents(row: Row, sex: dict[str, str]) -> None:
    """Raise unless the parents are a man and a woman of `sex`, the rows before, or there are
    none.
    """
    if not row["father"] and not row["mother"]:
        return
    for role, needed in (("father", "male"), ("mother", "female")):
        if sex.get(row[role]) != needed:
            raise row.refuse(
                role, f"names no {needed} individual of an earlier line",
                expected="both parents on lines before their children, or neither",
            )  # fmt: skip
    if row.number("inbreeding", 0, 1) > 0:
        raise row.refuse(
            "inbreeding", "is that of somebody who has parents",
            expected="0: it follows from the parents",
        )  # fmt: skip


def _ancestry(row: Row) -> dict[str, float]:
    """Shares of populations, scaled to sum to one; empty for an individual who is not admixed."""
    pairs = [part.rsplit(":", 1) for part in row["ancestry"].split(",") if part]
    try:
        shares = {name: real_number(number) for name, number in pairs}
    except ValueError:
        raise row.refuse(
            "ancestry", "is no list of shares", expected="such as EUR:0.8,AFR:0.2"
        ) from None
    total = sum(shares.values())
    if pairs and (len(shares) < len(pairs) or min(shares.values()) < 0 or not 0 < total < math.inf):
        raise row.refuse(
            "ancestry",
            "is no list of shares",
            expected="each population once, with a share from 0 on",
        )
    return {name: share / total for name, share in shares.items()}
