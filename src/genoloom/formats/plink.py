"""PLINK file sets of any tool as panels: PLINK 2 (.pgen, .pvar or .pvar.zst, .psam) and PLINK 1
(.bed, .bim, .fam).

A .bed knows neither phase nor which allele is the reference: A1, usually the rarer one, is read as
the alternate allele, as plink2 does. Where a .bim has no A1 (code 0), the site is monomorphic.
"""

from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.pgen import PgenHaplotypes
from genoloom.formats.plink_tables import read_bim, read_fam, read_psam, read_pvar, tables_beside
from genoloom.formats.variant_header import check_samples
from genoloom.formats.variants import check_biallelic
from genoloom.panel import HaplotypeView, Individuals, Panel, Sites
from genoloom.ploidy import Ploidy

SUFFIXES = (".pgen", ".bed")
BLOCK = 1024  # variants read at a time


def open_plink(path: str | Path) -> tuple[list[Panel], int]:
    """The contigs of a file set, and how many heterozygous calls are not phased.

    Alleles are read when they are asked for; phase is counted now, in one pass.

    Raises
    ------
    InputError
        A file is missing or damaged, variants are multiallelic or unsorted, samples are listed
        twice, files disagree.
    """
    path = Path(path)
    individuals, runs, table = _bed_tables(path) if path.suffix == ".bed" else _pgen_tables(path)
    check_samples(path, individuals.id)
    names = [run.contig for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                table,
                f"contig {name} is in {names.count(name)} places",
                remedy="plink2 --sort-vars",
            )
    total = sum(map(len, runs))
    haplotypes = PgenHaplotypes(path, len(individuals), total)
    panels, first = [], 0
    for run in runs:
        check_biallelic(table, run)
        if run.ploidy is not Ploidy.DIPLOID:
            raise InputError(
                table,
                f"contig {run.contig} is {run.ploidy}: individuals are haploid on it",
                expected="contigs of which everybody has two haplotypes",
                remedy="leave it out; `genoloom validate` and `audit` know haploid individuals "
                "where they are given a panel and its split",
            )
        panels.append(
            Panel(
                run,
                individuals,
                HaplotypeView(haplotypes, variants=np.arange(first, first + len(run))),
            )
        )
        first += len(run)
    return panels, _count_unphased(haplotypes)


def _count_unphased(haplotypes: PgenHaplotypes) -> int:
    count = 0
    for start in range(0, haplotypes.n_variants, BLOCK):
        stop = min(start + BLOCK, haplotypes.n_variants)
        alleles, phased = haplotypes.read_with_phase(start, stop)
        count += int(((alleles[:, 0::2] != alleles[:, 1::2]) & ~phased).sum())
    return count


def _pgen_tables(path: Path) -> tuple[Individuals, list[Sites], Path]:
    pvar, psam = tables_beside(path)
    return read_psam(psam), read_pvar(pvar), pvar


def _bed_tables(path: Path) -> tuple[Individuals, list[Sites], Path]:
    bim, fam = path.with_suffix(".bim"), path.with_suffix(".fam")
    missing = [p.name for p in (path, bim, fam) if not p.exists()]
    if missing:
        raise InputError(
            path, f"{', '.join(missing)} not found", expected=".bed, .bim and .fam side by side"
        )
    with open(path, "rb") as handle:
        if handle.read(3) != b"\x6c\x1b\x01":
            raise InputError(
                path,
                "is no PLINK 1 .bed in variant-major order",
                remedy="plink2 --bfile OLD --make-bed --out NEW",
            )
    return read_fam(fam), read_bim(bim), bim
