"""Pedigrees: who is whose child, from PLINK .fam, .ped or .psam files and tables with a header."""

from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.sheets import NONE
from genoloom.formats.text import text_lines
from genoloom.panel import Individuals

NAMES = {
    "individual": ("iid", "individual", "individual_id", "sample", "sample_id", "sampleid", "id"),
    "father": ("pat", "father", "paternal", "paternal_id", "fatherid"),
    "mother": ("mat", "mother", "maternal", "maternal_id", "motherid"),
}


def read_pedigree(path: str | Path) -> list[tuple[str, str, str]]:
    """(individual, father, mother) of each row; "" for a parent that is not given.

    Columns are separated by white space. A first line that names the columns is understood;
    without one they are family, individual, father, mother, as PLINK writes them.

    Raises
    ------
    InputError
        The file is no pedigree; names the line.
    """
    rows = [(number, line.split()) for number, line in text_lines(path) if line.split()]
    rows = [(number, cells) for number, cells in rows if not cells[0].startswith("##")]
    expected = (
        "a header with individual, father and mother, or PLINK's family, individual, father, mother"
    )
    if not rows:
        raise InputError(path, "is empty", expected=expected)
    header = [cell.lower().lstrip("#") for cell in rows[0][1]]
    at = [
        next((header.index(name) for name in names if name in header), None)
        for names in NAMES.values()
    ]
    if None not in at:
        rows = rows[1:]
    elif header[0] in ("fid", "iid", "family", *NAMES["individual"]):
        raise InputError(
            path, f"line {rows[0][0]}: no column of father and mother", expected=expected
        )
    else:
        at = [1, 2, 3]
    found = []
    for number, cells in rows:
        if len(cells) <= max(at):
            raise InputError(path, f"line {number}: {len(cells)} columns", expected=expected)
        found.append(tuple("" if cells[i].lower() in NONE else cells[i] for i in at))
    return found


def write_pedigree(
    path: str | Path, individuals: Individuals, parents: list[tuple[str, str]]
) -> None:
    """Write a PLINK .fam: family, individual, father, mother, sex (1 male, 2 female), phenotype
    -9; 0 for what there is not.

    Parameters
    ----------
    parents : list of (father, mother)
        "" for a parent who is not known.
    """
    sex_codes = {"male": 1, "female": 2}
    columns = zip(individuals.family, individuals.id, parents, individuals.sex, strict=True)
    with write_beside(path) as [part]:
        part.write_text(
            "".join(
                f"{family or 0}\t{name}\t{father or 0}\t{mother or 0}\t"
                f"{sex_codes.get(sex, 0)}\t-9\n"
                for family, name, (father, mother), sex in columns
            )
        )
