"""The sheets that a configuration names: panels, sequence sets, samples."""

import re
from dataclasses import dataclass
from pathlib import Path

from genoloom.errors import ConfigError, InputError
from genoloom.formats.sheets import read_sheet
from genoloom.renamed_keys import RENAMED_COLUMNS

PANEL_COLUMNS = {
    "panel": "Name of the panel: letters, digits, `_`, `-`, `.`. Rows of one panel hold the same "
    "individuals.",
    "contig": "Contig to take, as named in the file.",
    "variants": "Phased VCF(.gz), BCF or PLINK 2 .pgen.",
    "samples": "Sheet of samples (below); empty or `-`: everybody is of the population `unknown`.",
    "reference": "FASTA, plain or bgzip; empty: REF is not checked and no personal FASTA is "
    "written.",
    "map": "Genetic map (SHAPEIT, HapMap, Eagle, deCODE or PLINK form); empty: 1 cM per megabase.",
    "region": "START-END, 1-based, both included; empty: the whole contig. Needs an index.",
}
SEQUENCE_COLUMNS = {
    "set": "Name of the set: letters, digits, `_`, `-`, `.`.",
    "source": "FASTA, labelled FASTA, CSV/TSV with a `seq` column, or one sequence per line.",
    "regions": "BED of intervals of a FASTA source, with label and strand; empty: windows over "
    "everything.",
}
INDIVIDUALS_COLUMNS = {
    "individual": "Sample name, as in the genotype file.",
    "population": "Population label; models are conditional on it.",
    "superpopulation": "Group of populations, such as EUR; the column may be absent. Shares of a "
    "cohort may name it.",
    "sex": "male, female, M, F, 1, 2 or unknown; the column may be absent.",
    "family": "Individuals of one family are never divided between training and holdout; the "
    "column may be absent.",
}
# directories of results/ that a panel of this name would collide with
RESERVED = {"sequences", "private"}
EMPTY = ("", "-")  # cells of a sheet that hold nothing


@dataclass(frozen=True)
class PanelRow:
    """One contig of one panel; None for an empty cell."""

    panel: str
    contig: str
    variants: str
    samples: str | None
    reference: str | None
    map: str | None
    region: str | None

    @property
    def interval(self) -> tuple[int, int] | None:
        """The region, 1-based, both ends included."""
        if not self.region:
            return None
        start, end = self.region.replace(",", "").split("-")
        return int(start), int(end)


@dataclass(frozen=True)
class SequenceRow:
    """One sequence set."""

    set: str
    source: str
    regions: str | None


def read_panel_sheet(
    path: str | Path, directory: str | Path = ".", with_files: bool = True
) -> list[PanelRow]:
    """The rows of a sheet of panels; paths are relative to `directory`, and `with_files` must be
    there.

    Raises
    ------
    ConfigError
        Lists every problem: bad names, missing files, repeated contigs.
    """
    rows = _rows(path, PANEL_COLUMNS, 3)
    problems = _file_problems(
        rows, ("variants", "samples", "reference", "map") if with_files else (), directory
    )
    seen = set()
    for number, row in rows:
        problems += _name_problems(number, "panel", row["panel"]) + _name_problems(
            number, "contig", row["contig"]
        )
        if (row["panel"], row["contig"]) in seen:
            problems.append(
                (f"line {number}", f"{row['panel']} {row['contig']}", "is listed twice")
            )
        seen.add((row["panel"], row["contig"]))
        if row["region"] and not re.fullmatch(r"[\d,]+-[\d,]+", row["region"]):
            problems.append((f"line {number} region", row["region"], "is not START-END"))
    if problems:
        raise ConfigError(path, problems)
    return [PanelRow(**row) for _, row in rows]


def read_sequence_sheet(path: str | Path, directory: str | Path = ".") -> list[SequenceRow]:
    """The rows of a sheet of sequence sets; see `read_panel_sheet`."""
    rows = _rows(path, SEQUENCE_COLUMNS, 2)
    problems = _file_problems(rows, ("source", "regions"), directory)
    names = [row["set"] for _, row in rows]
    for number, row in rows:
        problems += _name_problems(number, "set", row["set"])
        if names.count(row["set"]) > 1:
            problems.append((f"line {number} set", row["set"], "is listed twice"))
    if problems:
        raise ConfigError(path, problems)
    return [SequenceRow(**row) for _, row in rows]


def _rows(path: str | Path, columns: dict[str, str], n_required: int) -> list[tuple[int, dict]]:
    rows = read_sheet(path)
    if not rows:
        raise InputError(path, "has no rows")
    required = list(columns)[:n_required]
    lacking = [name for name in required if name not in rows[0][1]]
    strange = [name for name in rows[0][1] if name not in columns]
    if lacking or strange:
        found = (
            f"lacks the column '{lacking[0]}'"
            if lacking
            else f"has an unknown column '{strange[0]}'"
        )
        new = RENAMED_COLUMNS.get(strange[0]) if strange else None
        remedy = f"rename it: it is called '{new}' now" if new in columns else ""
        raise InputError(path, found, expected=", ".join(columns), remedy=remedy)
    filled = [
        (n, {name: None if row.get(name, "") in EMPTY else row[name] for name in columns})
        for n, row in rows
    ]
    empty = [
        (f"line {n} {name}", "", "is empty")
        for n, row in filled
        for name in required
        if row[name] is None
    ]
    if empty:
        raise ConfigError(path, empty)
    return filled


def wildcard_in(path: str | Path) -> str:
    """The part of a path that Snakemake would take for a wildcard; it has no way of saying that it
    is none.
    """
    found = re.search(r"\{\s*\w+\s*(,[^}]*)?\}", str(path))
    return found.group() if found else ""


def _file_problems(
    rows: list[tuple[int, dict]], columns: tuple[str, ...], directory: str | Path
) -> list[tuple[str, str, str]]:
    named = [
        (f"line {number} {name}", row[name])
        for number, row in rows
        for name in columns
        if row[name]
    ]
    wild = [
        (
            place,
            path,
            f"{wildcard_in(path)} would be a wildcard of the workflow: rename it, or link to it",
        )
        for place, path in named
        if wildcard_in(path)
    ]
    return wild + [
        (f"line {number} {name}", row[name], f"not found (looked in {Path(directory).resolve()})")
        for number, row in rows
        for name in columns
        if row[name] and not (Path(directory) / row[name]).is_file()
    ]


def _name_problems(number: int, column: str, name: str) -> list[tuple[str, str, str]]:
    fault = _name_fault(name)
    return [(f"line {number} {column}", name, fault)] if fault else []


def _name_fault(name: str) -> str:
    """Why `name` cannot be part of the paths of results; empty when it can."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        return "may hold letters, digits, '_', '.' and '-' only"
    return "is a reserved name" if name in RESERVED else ""


def check_name(source: str, name: str) -> None:
    """Raise an InputError that names `source` unless `name` can be part of the paths of results."""
    fault = _name_fault(name)
    if fault:
        raise InputError(source, f"'{name}' {fault}")
