"""Sheets of people: tab-separated, `#` comments, as people really save them (CRLF, byte-order mark, blank lines)."""

from pathlib import Path

from genoloom.disclosure import people_count
from genoloom.errors import InputError
from genoloom.panel import People

SEX_WORDS = {
    "male": "male",
    "m": "male",
    "1": "male",
    "female": "female",
    "f": "female",
    "2": "female",
    "unknown": "unknown",
    "na": "unknown",
    "0": "unknown",
    "": "unknown",
}


def read_sheet(path: str | Path) -> list[tuple[int, dict[str, str]]]:
    """Rows of a sheet as (line number, {column: cell}); a UTF-8 byte-order mark and CRLF line ends are no matter.

    Raises
    ------
    InputError
        The file is missing, empty or no text, a row has more cells than the header, or a column stands twice.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(path, "not found", remedy="check the path; it is relative to where the command runs") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"is no UTF-8 text (byte {error.start})", remedy="save the sheet as tab-separated UTF-8") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        raise InputError(path, "is empty", expected="a header line and one row a person")
    header = [name.strip() for name in lines[0][1].rstrip("\t").split("\t")]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(path, f"line {lines[0][0]}: the column '{twice[0]}' stands twice")
    rows = []
    for number, line in lines[1:]:
        cells = [cell.strip() for cell in line.rstrip("\t").split("\t")]
        if len(cells) > len(header):
            raise InputError(path, f"line {number}: {len(cells)} cells", expected=f"{len(header)}, as in the header")
        rows.append((number, dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=True))))
    return rows


def read_people(path: str | Path) -> dict[str, tuple[str, str, str, str]]:
    """The sheet of people as {person: (population, sex, family, superpopulation)}.

    Columns: `person` and `population`; optional `sex` (male, female, M, F, 1, 2, unknown), `family` and
    `superpopulation`.

    Raises
    ------
    InputError
        A column is missing, a person is named twice or has no name or no population, a sex is not understood, or a
        population has two superpopulations.
    """
    people: dict[str, tuple[str, str, str, str]] = {}
    above: dict[str, tuple[str, int]] = {}  # superpopulation of each population, and the line that says so
    rows = read_sheet(path)
    for column in ("person", "population"):
        if rows and column not in rows[0][1]:
            found = ", ".join(rows[0][1])
            raise InputError(
                path,
                f"has no column '{column}'",
                expected=f"person, population[, sex][, family]; found {found}",
                remedy="rename the columns, or let `genoloom init` make the sheet",
            )
    for number, row in rows:
        person, population, sex = row["person"], row["population"], row.get("sex", "").lower()
        if not person or not population:
            raise InputError(path, f"line {number}: person or population is empty")
        if person in people:
            raise InputError(path, f"line {number}: names the person of another line again", expected="one row a person")
        if sex not in SEX_WORDS:
            raise InputError(path, f"line {number}: sex '{row['sex']}'", expected="male, female, M, F, 1, 2 or unknown")
        superpopulation = row.get("superpopulation", "")
        said, line = above.setdefault(population, (superpopulation, number))
        if superpopulation != said:
            raise InputError(
                path, f"line {number}: population '{population}' is of superpopulation '{superpopulation}', but of '{said}' on line {line}",
                expected="one superpopulation for each population",
            )  # fmt: skip
        people[person] = (population, SEX_WORDS[sex], row.get("family", ""), superpopulation)
    return people


def match_people(path: str | Path, source: str | Path, samples: list[str]) -> People:
    """The people of a genotype file, in its order, with what the sheet at `path` says of them.

    Raises
    ------
    InputError
        A sample is not in the sheet, or a person of the sheet is not among the samples.
    """
    sheet = read_people(path)
    unlisted = [number for number, name in enumerate(samples, 1) if name not in sheet]
    absent = [number for number, name in enumerate(sheet, 1) if name not in set(samples)]
    if unlisted:
        raise InputError(
            path,
            f"{people_count(len(unlisted), 'samples')} of {source} are missing, the first is its sample {unlisted[0]} (counted from 1)",
            remedy="add them to the sheet, or take them out of the genotype file (bcftools view -S)",
        )
    if absent:
        raise InputError(
            path,
            f"{people_count(len(absent))} are not in {source}, the first is the sheet's person {absent[0]} (counted from 1)",
            remedy="remove their rows from the sheet",
        )
    columns = zip(*(sheet[name] for name in samples), strict=True)
    return People(samples, *map(list, columns))
