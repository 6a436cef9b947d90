"""Sheets of individuals and panels: tab-separated, `#` comments, as they are really saved
(CRLF, byte-order mark, blank lines).
"""

import re
from collections.abc import Container, Iterator
from pathlib import Path

from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.text import split_rows, text_lines, wrong_cells
from genoloom.panel import Individuals

# in lower case: nothing is known
NONE = ("", "0", "na", "n/a", "nan", "none", "null", "-", ".", "-9", "unknown")
SEX_WORDS = dict.fromkeys(("male", "m", "man", "1", "xy"), "male") | dict.fromkeys(
    ("female", "f", "woman", "2", "xx"), "female"
)
SEX_WORDS |= dict.fromkeys(NONE, "unknown")
# what others call our columns, in lower case; the first that is there is taken
ALIASES = {
    "individual": ("person", "sample", "sample_id", "sample name", "iid", "individual", "id"),
    "population": (
        "population",
        "pop",
        "population code",
        "super_pop",
        "superpopulation",
        "superpop",
    ),
    "superpopulation": ("superpopulation", "super_pop", "superpop", "superpopulation code"),
    "sex": ("sex", "gender"),
    "family": ("family", "family_id", "fid"),
}
# our own sheets had another name for a column in an earlier version
OWN_ALIASES = {"individual": ("individual", "person")}


def read_sheet(path: str | Path) -> list[tuple[int, dict[str, str]]]:
    """Rows of a sheet as (line number, {column: cell}); cells that are left out at the end of a row
    are empty.

    A header that begins with `#IID`, `#FID` or another word for an individual or family, as in
    PLINK 2, is a header; other lines that begin with `#` are comments.

    Raises
    ------
    InputError
        The file is missing, empty or no text, a row has more cells than the header, or a column
        is listed twice.
    """
    header: list[str] = []
    rows = []
    for number, cells in split_rows(path, _lines(path)):
        cells = [cell.strip() for cell in cells]
        while cells and not cells[-1]:
            cells.pop()
        if not header:
            header = cells
            for second, name in enumerate(header, 1):
                if (first := header.index(name) + 1) != second:
                    raise InputError(
                        path,
                        f"line {number}: columns {first} and {second} have the same name",
                        remedy="is the header missing? It comes first",
                    )
        elif len(cells) > len(header):
            raise wrong_cells(path, number, cells, header)
        elif cells:
            rows.append(
                (number, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True)))
            )
    if not header:
        raise InputError(path, "is empty", expected="a header line, and one row for each entry")
    return rows


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    begun = False
    for number, line in text_lines(path):
        if (
            line.startswith("#")
            and not begun
            and line[1:].split("\t")[0].lower() in ALIASES["individual"] + ALIASES["family"]
        ):
            line = line[1:]
        if line.strip() and not line.startswith("#"):
            begun = True
            yield number, line


def read_individuals(
    path: str | Path,
    wanted: Container[str] | None = None,
    odd_sexes: list[int] | None = None,
    foreign: bool = False,
) -> dict[str, tuple[str, str, str, str]]:
    """The sheet of individuals as {individual: (population, sex, family, superpopulation)}.

    Columns: `individual` and `population`; optional `sex` (male, female, M, F, 1, 2, XY, XX,
    unknown), `family` and `superpopulation`.

    Parameters
    ----------
    wanted : container of str, optional
        The individuals whose rows count; the others are left alone.
    odd_sexes : list of int, optional
        Takes the lines whose sex is not understood, which is then unknown; without it, they are an
        error.
    foreign : bool
        The columns may have the names that others give them, see `ALIASES`.

    Raises
    ------
    InputError
        With the line, and without what it holds: a column is missing, an individual is named twice
        or has no name or no population, a sex is not understood, or a population has two
        superpopulations.
    """
    rows = read_sheet(path)
    if not rows:
        raise InputError(path, "has no rows", expected="one row for each individual")
    columns = {column.lower() if foreign else column: column for column in rows[0][1]}
    known = ALIASES if foreign else {name: (name,) for name in ALIASES} | OWN_ALIASES
    found = {
        ours: next((columns[a] for a in names if a in columns), None)
        for ours, names in known.items()
    }
    for column in ("individual", "population"):
        if found[column] is None:
            raise InputError(
                path,
                f"has no column '{column}' among the {len(columns)} of its header",
                expected="a header with individual, population[, sex][, family][, "
                "superpopulation], divided by tabs",
                remedy="put such a line first, rename the columns, or let `genoloom init "
                "--samples` make the sheet",
            )
    if found["superpopulation"] == found["population"]:  # the sheet has no finer label
        found["superpopulation"] = None
    individuals: dict[str, tuple[str, str, str, str]] = {}
    lines: dict[str, int] = {}
    for number, cells in rows:
        individual, population, sex, family, above = (
            cells[found[column]] if found[column] else ""
            for column in ("individual", "population", "sex", "family", "superpopulation")
        )
        if wanted is not None and individual and individual not in wanted:
            continue
        if not individual or not population:
            raise InputError(
                path,
                f"line {number}: individual or population is empty",
                expected="both in every row",
            )
        if individual in individuals:
            raise InputError(
                path,
                f"line {number}: names the individual of another line again (line "
                f"{lines[individual]})",
                expected="one row per individual",
            )
        if sex.lower() not in SEX_WORDS and odd_sexes is None:
            # it may be a name
            word = (
                f"sex '{sex}'" if re.fullmatch("[a-z]{1,8}", sex) else "the sex is not understood"
            )
            raise InputError(
                path,
                f"line {number}: {word}",
                expected="male, female, M, F, 1, 2, XY, XX or unknown",
            )
        if sex.lower() not in SEX_WORDS:
            odd_sexes.append(number)
        lines[individual] = number
        family = "" if family.lower() in NONE else family
        individuals[individual] = (population, SEX_WORDS.get(sex.lower(), "unknown"), family, above)
    populations, _, _, above = (
        map(list, zip(*individuals.values(), strict=True)) if individuals else ([], [], [], [])
    )
    check_superpopulations(path, list(lines.values()), populations, above)
    return individuals


def check_superpopulations(
    path: str | Path, lines: list[int], populations: list[str], above: list[str]
) -> None:
    """Raise an InputError unless the individuals of each population have one superpopulation."""
    said: dict[str, tuple[str, int]] = {}
    for number, population, superpopulation in zip(lines, populations, above, strict=True):
        first, line = said.setdefault(population, (superpopulation, number))
        if superpopulation != first:
            raise InputError(
                path,
                f"line {number}: the population is of another superpopulation than on line {line}",
                expected="one superpopulation for each population",
            )  # fmt: skip


def match_individuals(path: str | Path, source: str | Path, samples: list[str]) -> Individuals:
    """The individuals of a genotype file, in its order, with what the sheet at `path` says of them.

    Raises
    ------
    InputError
        A sample is not in the sheet, or an individual of the sheet is not among the samples.
    """
    sheet = read_individuals(path)
    check_listed(path, source, samples, sheet)
    known = set(samples)
    absent = [number for number, name in enumerate(sheet, 1) if name not in known]
    if absent:
        raise InputError(
            path,
            f"{individuals_count(len(absent))} are not in {source}, the first is the sheet's "
            f"individual {absent[0]} (counted from 1)",
            remedy="remove their rows from the sheet",
        )
    columns = zip(*(sheet[name] for name in samples), strict=True)
    return Individuals(samples, *map(list, columns))


def check_listed(
    path: str | Path, source: str | Path, samples: list[str], listed: Container[str]
) -> None:
    """Raise an InputError unless all `samples` of `source` are among those that the sheet lists."""
    lacking = [number for number, name in enumerate(samples, 1) if name not in listed]
    if lacking:
        raise InputError(
            path,
            f"{individuals_count(len(lacking), 'samples')} of {source} are missing, the first is "
            f"its sample {lacking[0]} (counted from 1)",
            remedy="add them to the sheet, or take them out of the genotype file "
            "(bcftools view -S)",
        )
