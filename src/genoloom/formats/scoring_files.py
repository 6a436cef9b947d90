"""Weights of alleles: scoring files of the PGS Catalog, and tables of causal sites."""

import re
from dataclasses import dataclass
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.sheets import NONE
from genoloom.formats.tables import Row, read_table
from genoloom.formats.text import split_rows, text_lines, wrong_cells

BUILDS = {"grch37": "GRCh37", "hg19": "GRCh37", "grch38": "GRCh38", "hg38": "GRCh38"}
MOST_BASES = 2**31 - 1
TRUE = ("true", "1", "yes")
# columns that say that an allele is not simply counted
NOT_ADDITIVE = ("is_dominant", "is_recessive", "is_haplotype", "is_diplotype", "is_interaction")
HARMONISED = "take the harmonised file of the catalog, PGS......_hmPOS_GRCh37.txt.gz or _GRCh38"


@dataclass(frozen=True)
class Weight:
    """The weight of one allele of a site.

    Attributes
    ----------
    contig : str
        Without "chr".
    position : int, 1-based
    effect_allele : str
    other_allele : str or None
    weight : float or None
        None where a table of causal sites gives no effects.
    """

    contig: str
    position: int
    effect_allele: str
    other_allele: str | None
    weight: float | None


@dataclass(frozen=True)
class Weights:
    """What a file says: `build` is None where it does not say; `unplaced` has no position."""

    rows: list[Weight]
    build: str | None
    unplaced: int = 0


def read_scoring_file(path: str | Path) -> Weights:
    """A scoring file of the PGS Catalog, format 2.0, harmonised or with positions of its own.

    Harmonised positions (`hm_chr`, `hm_pos`, build in the header `HmPOS_build`) are taken where
    they are; else `chr_name` and `chr_position`, of `genome_build`. The format:
    https://www.pgscatalog.org/downloads/

    Raises
    ------
    InputError
        With the line: no header of the catalog, an unknown build, a column is missing, a cell is no
        allele, position or weight, or the weight is not additive.
    """
    header: dict[str, str] = {}
    lines = text_lines(path)
    rows = []
    for number, line in lines:
        if line.startswith("#"):
            key, equals, value = line.lstrip("#").partition("=")
            if equals:
                header[key.strip()] = value.strip()
        elif line.strip():
            rows.append((number, line))
            break
    if not rows or not ({"pgs_id", "genome_build", "HmPOS_build"} & set(header)):
        raise InputError(
            path, "is no scoring file of the PGS Catalog",
            expected="lines such as #pgs_id=PGS000001 and #HmPOS_build=GRCh38 at its top",
        )  # fmt: skip
    cells = split_rows(path, _from(rows, lines))
    _, columns = next(cells)
    harmonised = "hm_chr" in columns and "hm_pos" in columns
    contig, position = ("hm_chr", "hm_pos") if harmonised else ("chr_name", "chr_position")
    for name in (contig, position, "effect_allele", "effect_weight"):
        if name not in columns:
            raise InputError(path, f"has no column '{name}'", remedy=HARMONISED)
    build = _build(path, header.get("HmPOS_build" if harmonised else "genome_build", ""))
    found, unplaced = [], 0
    for number, values in cells:
        if len(values) != len(columns):
            raise wrong_cells(path, number, values, columns)
        row = Row(path, number, dict(zip(columns, values, strict=True)))
        if odd := [name for name in NOT_ADDITIVE if row.get(name, "").lower() in TRUE]:
            raise InputError(
                path, f"line {number}: the weight is not additive ({odd[0]})",
                expected="weights of single alleles, which are counted",
            )  # fmt: skip
        if row[contig].lower() in NONE or row[position].lower() in NONE:
            unplaced += 1
            continue
        other = next(
            (row[c] for c in ("other_allele", "hm_inferOtherAllele")
             if row.get(c, "").lower() not in NONE), None,
        )  # fmt: skip
        other = _allele(row, "other_allele", other) if other and "/" not in other else None
        found.append(
            Weight(
                row[contig].removeprefix("chr"),
                row.integer(position, 1, MOST_BASES),
                _allele(row, "effect_allele", row["effect_allele"]),
                other,
                row.number("effect_weight"),
            )
        )
    if not found:
        raise InputError(path, "has no weight with a position", remedy=HARMONISED)
    return Weights(found, build, unplaced)


def _from(first, rest):
    yield from first
    yield from ((number, line) for number, line in rest if line.strip())


def _build(path: str | Path, text: str) -> str | None:
    if text.lower() in ("", "nr", "na"):
        return None
    if text.lower() not in BUILDS:
        raise InputError(path, "the header names another genome build", expected="GRCh37 or GRCh38")
    return BUILDS[text.lower()]


def _allele(row: Row, column: str, text: str) -> str:
    if not re.fullmatch("[ACGTNacgtn]+", text):
        raise row.refuse(column, "is no allele", expected="A, C, G and T")
    return text.upper()


def read_causal_sites(path: str | Path) -> Weights:
    """A table of causal sites: contig, position (1-based), ref, alt, and perhaps effect, that of
    the alternate allele.

    Raises
    ------
    InputError
        As `read_table`, or with the line: a cell is no allele, position or number.
    """
    found = []
    for row in read_table(path, ("contig", "position", "ref", "alt")):
        effect = row.number("effect") if "effect" in row else None
        alleles = (_allele(row, column, row[column]) for column in ("alt", "ref"))
        place = row["contig"].removeprefix("chr"), row.integer("position", 1, MOST_BASES)
        found.append(Weight(*place, *alleles, effect))
    if not found:
        raise InputError(path, "names no site", expected="one row for each causal site")
    return Weights(found, None)
