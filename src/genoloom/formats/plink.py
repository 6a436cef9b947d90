"""PLINK file sets of any tool as panels: PLINK 2 (.pgen, .pvar or .pvar.zst, .psam) and PLINK 1 (.bed, .bim, .fam).

A .bed knows neither phase nor which allele is the reference: A1, usually the rarer one, is read as the alternate allele,
as plink2 does. Where a .bim has no A1 (code 0), the site is monomorphic.
"""

from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.pgen import PgenHaplotypes, read_psam, read_pvar
from genoloom.formats.variant_header import check_samples
from genoloom.formats.variants import check_biallelic, pvar_candidates
from genoloom.panel import HaplotypeView, Panel, People, Sites

SUFFIXES = (".pgen", ".bed")
_SEX_WORDS = {"1": "male", "2": "female"}
_CHROMOSOME_CODES = {"23": "X", "24": "Y", "26": "MT"}


def open_plink(path: str | Path) -> tuple[list[Panel], int]:
    """The contigs of a file set, and how many heterozygous calls are not phased.

    Alleles are read when they are asked for; phase is counted now, in one pass.

    Raises
    ------
    InputError
        A file is missing or damaged, variants are multiallelic or unsorted, samples stand twice, files disagree.
    """
    path = Path(path)
    people, runs, table = _bed_tables(path) if path.suffix == ".bed" else _pgen_tables(path)
    check_samples(path, people.id)
    names = [run.contig for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(table, f"contig {name} stands in {names.count(name)} places", remedy="plink2 --sort-vars")
    total = sum(map(len, runs))
    haplotypes = PgenHaplotypes(path, len(people), total)
    panels, first = [], 0
    for run in runs:
        check_biallelic(table, run)
        panels.append(Panel(run, people, HaplotypeView(haplotypes, variants=np.arange(first, first + len(run)))))
        first += len(run)
    return panels, _count_unphased(haplotypes)


def _count_unphased(haplotypes: PgenHaplotypes, block: int = 1024) -> int:
    count = 0
    for start in range(0, haplotypes.n_variants, block):
        alleles, phased = haplotypes.read_with_phase(start, min(start + block, haplotypes.n_variants))
        count += int(((alleles[:, 0::2] != alleles[:, 1::2]) & ~phased).sum())
    return count


def _pgen_tables(path: Path) -> tuple[People, list[Sites], Path]:
    stem = path.with_suffix("")
    found = [p for p in pvar_candidates(stem) if p.exists()]
    psam = Path(f"{stem}.psam")
    if not path.exists() or not found or not psam.exists():
        raise InputError(
            path, "is no complete file set", expected=f"{stem.name}.pgen, .pvar (or .pvar.zst) and .psam side by side"
        )
    return read_psam(psam), read_pvar(found[0]), found[0]


def _bed_tables(path: Path) -> tuple[People, list[Sites], Path]:
    bim, fam = path.with_suffix(".bim"), path.with_suffix(".fam")
    missing = [p.name for p in (path, bim, fam) if not p.exists()]
    if missing:
        raise InputError(path, f"{', '.join(missing)} not found", expected=".bed, .bim and .fam side by side")
    with open(path, "rb") as handle:
        if handle.read(3) != b"\x6c\x1b\x01":
            raise InputError(path, "is no PLINK 1 .bed in variant-major order", remedy="plink2 --bfile OLD --make-bed --out NEW")
    return read_fam(fam), read_bim(bim), bim


def read_fam(path: Path) -> People:
    """The people of a .fam: family, person, father, mother, sex, phenotype, separated by white space."""
    rows = _fields(path, 5)
    return People(
        id=[row[1] for row in rows],
        population=["unknown"] * len(rows),
        sex=[_SEX_WORDS.get(row[4], "unknown") for row in rows],
        family=["" if row[0] in ("0", row[1]) else row[0] for row in rows],
    )


def read_bim(path: Path) -> list[Sites]:
    """The sites of a .bim, one `Sites` a run of one contig: A2 as REF, A1 as ALT; centimorgans where any are given."""
    rows = _fields(path, 6)
    names = [_CHROMOSOME_CODES.get(row[0], row[0]) for row in rows]
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    runs = []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        name, cm, position, a1, a2 = (np.array(column, dtype=object) for column in list(zip(*rows[start:stop], strict=True))[1:6])
        try:
            cm, position = cm.astype(float), position.astype(np.int64)
        except ValueError as error:
            raise InputError(path, f"lines {start + 1}-{stop}: {error}", expected="contig, id, cM, position, A1, A2") from None
        runs.append(Sites(names[start], position, a2, a1, name, cm if cm.any() else np.full(len(cm), np.nan)))
    return runs


def _fields(path: Path, least: int) -> list[list[str]]:
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(path, f"is no text (byte {error.start})") from None
    short = [i for i, row in enumerate(rows, 1) if len(row) < least]
    if short:
        raise InputError(path, f"line {short[0]}: too few fields", expected=f"at least {least}")
    if not rows:
        raise InputError(path, "is empty")
    return rows
