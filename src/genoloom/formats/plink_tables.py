"""The tables of PLINK file sets, as any tool writes them: .psam and .fam, .pvar (plain or
Zstandard) and .bim.

A .psam without a header has the columns of a .fam, a .pvar without one the columns of a .bim, as in
plink2. Cells are divided by tabs where the first line has a tab, else by white space.
"""

import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.sheets import ALIASES, NONE, SEX_WORDS, check_superpopulations
from genoloom.formats.text import real_number, text_lines, whole_number, wrong_cells
from genoloom.panel import Individuals, Sites
from genoloom.ploidy import Ploidy

log = logging.getLogger(__name__)

MOST_BASES = 2**31 - 1  # the last position that plink2 knows is a little below
_FAM = ["FID", "IID", "PAT", "MAT", "SEX"]
_BIM = {6: ["#CHROM", "ID", "CM", "POS", "ALT", "REF"], 5: ["#CHROM", "ID", "POS", "ALT", "REF"]}
_NEEDED = ("#CHROM", "POS", "ID", "REF", "ALT")
PLOIDY_LINE = "##genoloom_ploidy="  # of the panels that genoloom writes
_CHROMOSOME_CODES = {"23": "X", "24": "Y", "26": "MT"}

Rows = Iterator[tuple[int, list[str]]]


def tables_beside(path: Path) -> tuple[Path, Path]:
    """The tables of a .pgen: its .pvar (or .pvar.zst) and its .psam.

    Raises
    ------
    InputError
        One of the three files is missing.
    """
    stem = path.with_suffix("")
    variants = [p for p in (Path(f"{stem}.pvar"), Path(f"{stem}.pvar.zst")) if p.exists()]
    samples = Path(f"{stem}.psam")
    if not path.exists():
        raise InputError(
            path, "not found", remedy="check the path; it is relative to where the command runs"
        )
    if not variants or not samples.exists():
        expected = f"{stem.name}.pvar (or .pvar.zst) and {stem.name}.psam next to it"
        raise InputError(path, "lacks its companion files", expected=expected)
    return variants[0], samples


def raw_files(variants: Path) -> dict[str, Path]:
    """The files that `variants` consists of, by role: a .pgen has its sites and individuals next to
    it.
    """
    suffixes = (".pvar", ".pvar.zst", ".psam") if variants.suffix == ".pgen" else ()
    tables = {f"variants{suffix}": variants.with_suffix(suffix) for suffix in suffixes}
    return {"variants": variants} | {role: path for role, path in tables.items() if path.exists()}


def _table(path: Path, headers: tuple[str, ...]) -> tuple[list[str], list[tuple[int, str]], Rows]:
    """The header, if one begins with a word of `headers`; the lines before it that begin with `##`;
    and the rows.
    """
    lines = ((number, line) for number, line in text_lines(path) if line.strip())
    above: list[tuple[int, str]] = []
    first = next(lines, None)
    while first is not None and first[1].startswith("#") and first[1].split()[0] not in headers:
        above.append(first)
        first = next(lines, None)
    if first is None:
        raise InputError(
            path, "is empty", expected="a header, or one row for each variant or sample"
        )
    delimiter = "\t" if "\t" in first[1] else None

    def cells(numbered: tuple[int, str]) -> tuple[int, list[str]]:
        number, line = numbered
        found = line.split(delimiter)
        return number, [cell.strip() for cell in found] if " " in line else found

    header = cells(first)[1] if first[1].startswith("#") else []
    return header, above, map(cells, lines if header else chain([first], lines))


def read_psam(path: str | Path) -> Individuals:
    """The individuals of a .psam: ids, sexes, and population, superpopulation and family where
    there are such columns.

    Who an individual is, FID, IID and SID say together: where the IID alone is listed twice, the id
    is FID_IID, or FID_IID_SID.

    Raises
    ------
    InputError
        With the line: a row that is too short or too long, no id or the id 0, or the same
        individual twice.
    """
    path = Path(path)
    header, _, rows = _table(path, ("#FID", "#IID"))
    columns = [name.lstrip("#").upper() for name in header] or _FAM
    if "IID" not in columns:
        raise InputError(
            path, "has no column IID", expected="#IID, or #FID and IID, first in the header"
        )
    table = []
    for number, cells in rows:
        if len(cells) < len(columns) or (header and len(cells) > len(columns)):
            raise wrong_cells(path, number, cells, columns)
        table.append((number, dict(zip(columns, cells, strict=False))))
    return _individuals(path, table, named=bool(header))


def read_identities(path: Path) -> list[tuple[str, str]]:
    """FID and IID of each sample of a .psam or .fam that can be read; FID 0 where there is none."""
    if path.suffix == ".fam":
        cells = (line.split() for _, line in text_lines(path))
        return [(row[0], row[1]) for row in cells if row]
    header, _, rows = _table(path, ("#FID", "#IID"))
    columns = [name.lstrip("#").upper() for name in header] or _FAM
    named = (dict(zip(columns, row, strict=False)) for _, row in rows)
    return [(row.get("FID", "0"), row["IID"]) for row in named]


def read_fam(path: str | Path) -> Individuals:
    """The individuals of a .fam: family, individual, father, mother, sex, phenotype; raises as
    `read_psam`.
    """
    path = Path(path)
    table = []
    for number, line in text_lines(path):
        cells = line.split()
        if len(cells) < len(_FAM) and cells:
            raise InputError(
                path,
                f"line {number}: {len(cells)} cells",
                expected="family, individual, father, mother, sex, phenotype",
            )
        if cells:
            table.append((number, dict(zip(_FAM, cells, strict=False))))
    return _individuals(path, table, named=False)


def _individuals(path: Path, table: list[tuple[int, dict[str, str]]], named: bool) -> Individuals:
    if not table:
        raise InputError(path, "names nobody", expected="one row for each sample")
    for number, row in table:
        if row["IID"] in ("", "0"):
            raise InputError(
                path, f"line {number}: the IID is {'0' if row['IID'] else 'empty'}",
                expected="an id, which 0 is not",
                remedy="rename the sample: plink2 --update-ids",
            )  # fmt: skip
        if not named and row["IID"].upper() == "IID":
            raise InputError(
                path,
                f"line {number}: is a header that does not begin with '#'",
                expected="#FID or #IID first",
            )

    def cells(ours: str, otherwise: str) -> list[str]:
        found = next((name.upper() for name in ALIASES[ours] if name.upper() in table[0][1]), None)
        values = (row[found] if found else "" for _, row in table)
        return [otherwise if value.lower() in NONE else value for value in values]

    population = cells("population", "unknown")
    above = [
        s if p != "unknown" else ""
        for s, p in zip(cells("superpopulation", ""), population, strict=True)
    ]
    if all(s in (p, "") for s, p in zip(above, population, strict=True)):  # there is no finer label
        above = [""] * len(above)
    check_superpopulations(path, [number for number, _ in table], population, above)
    ids = _ids(path, table)
    return Individuals(
        id=ids,
        population=population,
        sex=[SEX_WORDS.get(row.get("SEX", "").lower(), "unknown") for _, row in table],
        family=["" if row.get("FID", "0") in ("0", row["IID"]) else row["FID"] for _, row in table],
        superpopulation=above,
    )


def _ids(path: Path, table: list[tuple[int, dict[str, str]]]) -> list[str]:
    """Names of the individuals, from as few of IID, FID and SID as distinguish them."""
    ids: list[str] = []
    for columns in (["IID"], ["FID", "IID"], ["FID", "IID", "SID"]):
        ids = ["_".join(row[c] for c in columns if row.get(c, "0") != "0") for _, row in table]
        if len(set(ids)) == len(ids):
            if len(columns) > 1:
                log.info(
                    "%s: samples are named by %s, since IIDs are listed several times",
                    path,
                    "_".join(columns),
                )
            return ids
    lines: dict[str, int] = {}
    first, again = next(
        (line, number)
        for (number, _), name in zip(table, ids, strict=True)
        if (line := lines.setdefault(name, number)) != number
    )
    raise InputError(
        path, f"line {again}: the sample of line {first} again",
        expected="each FID, IID and SID once",
        remedy="rename one: plink2 --update-ids",
    )  # fmt: skip


def read_pvar(path: str | Path) -> list[Sites]:
    """The sites of a .pvar or .pvar.zst, one `Sites` for each run of one contig, in the order of
    the file.

    Multiallelic rows keep their comma-separated alternates in `alt`; it is the caller's to look.
    Centimorgans are kept where they are not all 0 and rise within their run.

    Raises
    ------
    InputError
        With the line: a row that is too short, or a position or centimorgan that is none.
    """
    path = Path(path)
    header, above, rows = _table(path, ("#CHROM",))
    lengths: dict[str, int] = dict(filter(None, (_contig_line(line) for _, line in above)))
    if header and (lacking := [name for name in _NEEDED if name not in header]):
        raise InputError(
            path, f"has no column {', '.join(lacking)}", expected="a PLINK 2 .pvar header"
        )
    if header:
        runs, ploidy = _runs(path, header, rows, lengths), _ploidy_line(path, above)
        return runs if ploidy is Ploidy.DIPLOID else [replace(r, ploidy=ploidy) for r in runs]
    first = next(rows)
    if len(first[1]) not in _BIM:
        raise InputError(
            path, f"line {first[0]}: {len(first[1])} cells and no header",
            expected="a header that begins with #CHROM, or the 5 or 6 columns of a .bim",
        )  # fmt: skip
    return _named(_runs(path, _BIM[len(first[1])], chain([first], rows), lengths))


def read_filters(path: str | Path) -> list[str]:
    """The column FILTER of a .pvar, row by row; empty where there is none. Raises as `read_pvar`,
    which reads it first.
    """
    header, _, rows = _table(Path(path), ("#CHROM",))
    if "FILTER" not in header:
        return []
    at = header.index("FILTER")
    return [sys.intern(cells[at]) for _, cells in rows]


def read_bim(path: str | Path) -> list[Sites]:
    """The sites of a .bim, one `Sites` a run of one contig: A2 as REF, A1 as ALT; raises as
    `read_pvar`.
    """
    rows = ((number, line.split()) for number, line in text_lines(path) if line.strip())
    return _named(_runs(Path(path), _BIM[6], rows, {}))


def _named(runs: list[Sites]) -> list[Sites]:
    """Chromosomes by name where they are as the numbers of PLINK 1."""
    return [replace(run, contig=_CHROMOSOME_CODES.get(run.contig, run.contig)) for run in runs]


def _runs(path: Path, columns: list[str], rows: Rows, lengths: dict[str, int]) -> list[Sites]:
    at = [columns.index(name) for name in _NEEDED]
    cm_at = columns.index("CM") if "CM" in columns else None
    # alleles and contigs recur: one object each
    known: dict[str, str] = {}
    runs: list[tuple[str, list[tuple]]] = []
    for number, cells in rows:
        if len(cells) < len(columns):
            raise wrong_cells(path, number, cells, columns)
        contig, position, name, ref, alt = (cells[i] for i in at)
        if not contig or not ref or not alt:
            raise InputError(path, f"line {number}: contig or alleles are empty")
        if not runs or runs[-1][0] != contig:
            runs.append((contig, []))
        try:
            what = "POS"
            place = whole_number(position, 0, MOST_BASES)
            what = "CM"
            cm = real_number(cells[cm_at]) if cm_at is not None else 0.0
        except ValueError as error:
            raise InputError(path, f"line {number}: {what} {error}") from None
        runs[-1][1].append(
            (place, known.setdefault(ref, ref), known.setdefault(alt, alt), name, cm)
        )
    if not runs:
        raise InputError(path, "holds no variant")
    return [_sites(path, contig, run, lengths.get(contig)) for contig, run in runs]


def _sites(path: Path, contig: str, run: list[tuple], length: int | None) -> Sites:
    position, ref, alt, name, cm = zip(*run, strict=True)
    cm = np.array(cm, dtype=np.float64)
    if (np.diff(cm) < 0).any():
        log.warning("%s: the centimorgans of contig %s fall; they are not used", path, contig)
        cm[:] = 0
    if not cm.any():
        cm[:] = np.nan
    texts = (np.array(column, dtype=object) for column in (ref, alt, name))
    return Sites(contig, np.array(position, dtype=np.int64), *texts, cm, length)


def _ploidy_line(path: Path, above: list[tuple[int, str]]) -> Ploidy:
    for number, line in above:
        if line.startswith(PLOIDY_LINE):
            word = line.removeprefix(PLOIDY_LINE).strip()
            if word not in list(Ploidy):
                raise InputError(
                    path, f"line {number}: '{word}'", expected=f"one of {', '.join(Ploidy)}"
                )
            return Ploidy(word)
    return Ploidy.DIPLOID


def _contig_line(line: str) -> tuple[str, int] | None:
    if not line.startswith("##contig=<"):
        return None
    fields = dict(part.split("=", 1) for part in line[10:].rstrip(">").split(",") if "=" in part)
    try:
        return fields.get("ID", ""), whole_number(fields.get("length", ""), 1, MOST_BASES)
    except ValueError:
        return None
