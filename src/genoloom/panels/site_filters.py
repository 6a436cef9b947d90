"""Which records of a genotype file become sites of a panel, and the account of all others."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.formats.reference import Reference
from genoloom.formats.variants import Record
from genoloom.formats.vcf_write import LAST_POSITION
from genoloom.panel import Sites, haplotype_columns, own_columns
from genoloom.ploidy import Interval
from genoloom.popgen.overlaps import CarriedTogether

log = logging.getLogger(__name__)

BLOCK = 1024  # sites handed to the writer at a time
IN_PAR = "in a pseudo-autosomal region"


@dataclass(frozen=True)
class Haploids:
    """Who is haploid on the contig (bool, of the individuals kept; None: nobody), and the regions
    where that does not hold.
    """

    individuals: np.ndarray | None = None
    pars: tuple[Interval, ...] = ()

    @cached_property
    def columns(self) -> np.ndarray:
        """The columns that are haplotypes."""
        return own_columns(self.individuals)


NOBODY = Haploids()


@dataclass(frozen=True)
class Site:
    """A biallelic site with its alleles, int8, shape (2 * n_individuals,)."""

    position: int
    id: str
    ref: str
    alt: str
    alleles: np.ndarray


@dataclass
class Account:
    """What became of the records; `write` (None: nowhere) takes the cells of each rejection."""

    contig: str
    write: Callable[[tuple], object] | None = None
    records: int = 0
    added_by_splitting: int = 0
    kept: int = 0
    half_missing_calls: int = 0
    lone_missing_calls: int = 0
    haploid_heterozygous: int = 0
    ambiguous_reference: int = 0
    unphased_calls: int = 0
    of_other_sets: int = 0
    first_unphased: int = 0
    rejected: Counter = field(default_factory=Counter)

    def reject(self, record: Record, alt: str, reason: str) -> None:
        self.rejected[reason] += 1
        if self.write is not None:
            self.write((self.contig, record.position, record.id, record.ref, alt, reason))

    def check(self) -> None:
        """Every record, and every site that splitting added, is kept or rejected."""
        accounted = self.kept + sum(self.rejected.values())
        if accounted != self.records + self.added_by_splitting:
            raise AssertionError(
                f"{self.records} records + {self.added_by_splitting} from splitting, {accounted} "
                "accounted for"
            )


def site_blocks(
    sites: Iterable[Site], contig: str, contig_length: int | None = None
) -> Iterator[tuple[Sites, np.ndarray]]:
    """`BLOCK` sites at a time with their alleles, int8 (n_sites, 2 * n_individuals); without
    genetic positions.
    """
    stream = iter(sites)
    while block := list(islice(stream, BLOCK)):
        columns = [
            np.array([getattr(s, name) for s in block], dtype=object)
            for name in ("ref", "alt", "id")
        ]
        position = np.array([s.position for s in block], dtype=np.int64)
        nowhere = np.full(len(block), np.nan)
        yield (
            Sites(contig, position, *columns, nowhere, contig_length),
            np.stack([s.alleles for s in block]),
        )


def accepted_sites(
    records: Iterable[Record],
    path: Path,
    keep: np.ndarray,
    options: PrepareOptions,
    fasta: Reference | None,
    account: Account,
    contig_length: int | None = None,
    haploids: Haploids = NOBODY,
) -> Iterator[Site]:
    """The sites that pass every check; the others go to the account. What is rejected cannot stop
    the run.

    Raises
    ------
    InputError
        A record that is wanted has no diploid genotypes or unphased ones, ends after the contig,
        or its REF is not that of the FASTA.
    """
    columns = None if keep.all() else haplotype_columns(np.flatnonzero(keep))
    here: set[tuple[str, str]] = set()  # alleles seen at the present position
    taken = CarriedTogether() if options.overlapping == "reject" else None
    last = 0
    spoken = time.monotonic()
    for record in records:
        account.records += 1
        if time.monotonic() - spoken > 10:
            spoken = time.monotonic()
            log.info(
                "%s: %d records read, at position %d",
                account.contig,
                account.records,
                record.position,
            )
        if record.position != last:
            last, here = record.position, set()
        sites = _sites_of(record, keep, columns, here, options, account, haploids)
        if sites:
            yield from _placed(record, sites, path, options, fasta, account, contig_length, taken)
    if account.unphased_calls:
        raise _unphased(path, account)


def _unphased(path: Path, account: Account) -> InputError:
    first = f"{account.contig}:{account.first_unphased}"
    tool = (
        "phase the file (SHAPEIT, Beagle, Eagle), or give --allow-unphased drop-sites or "
        "drop-individuals"
    )
    if account.of_other_sets:
        return InputError(
            path,
            f"{account.unphased_calls} heterozygous genotypes are not phased with the others of "
            f"their individual (FORMAT/PS names more than one phase set), the first at {first}",
            expected="one phase set for each individual and contig",
            remedy=tool,
        )
    return InputError(
        path,
        f"{account.unphased_calls} heterozygous genotypes are not phased, the first at {first}",
        expected="phased genotypes (0|1)", remedy=tool,
    )  # fmt: skip


def why_unwanted(
    record: Record, options: PrepareOptions, pars: tuple[Interval, ...] = ()
) -> str | None:
    """Why a record is rejected whatever its genotypes are, or None."""
    alts = [alt.upper() for alt in record.alts]
    if not alts:
        return "no alternate allele"
    if options.filters != "all" and set(record.filters or ["."]) - set(options.filters.split(",")):
        return f"FILTER {';'.join(record.filters)}"
    if len(alts) > 1 and options.multiallelic == "reject":
        return "multiallelic"
    if record.position < 1:
        return "position 0"
    if any(low <= record.position <= high for low, high in pars):
        return IN_PAR
    if not _is_sequence(record.ref):
        return "REF is no sequence"
    if len(set(alts)) < len(alts):
        return "an alternate allele is listed twice in the record"
    ref = record.ref.upper()
    if not any(_is_sequence(alt) and alt != ref for alt in alts):
        return "ALT is REF" if ref in alts else "symbolic or * allele"
    return None


def _sites_of(
    record: Record,
    keep: np.ndarray,
    columns: np.ndarray | None,
    here: set[tuple[str, str]],
    options: PrepareOptions,
    account: Account,
    haploids: Haploids,
) -> list[Site]:
    """The biallelic sites of one record that pass every check but the checks of their position."""
    if (reason := why_unwanted(record, options, haploids.pars)) is not None:
        account.reject(record, ",".join(record.alts) or ".", reason)
        return []
    ref, wanted = record.ref.upper(), []
    account.added_by_splitting += len(record.alts) - 1
    for index, alt in enumerate((alt.upper() for alt in record.alts), 1):
        if not _is_sequence(alt):
            account.reject(record, alt, "symbolic or * allele")
        elif alt == ref:
            account.reject(record, alt, "ALT is REF")
        elif (ref, alt) in here:
            account.reject(record, alt, "duplicate site")
        else:
            wanted.append((index, alt))
    if not wanted:
        return []
    alleles = record.alleles if columns is None else record.alleles[columns]
    unphased = record.unphased[keep] if record.unphased.any() else None
    incomplete = bool(alleles.min(initial=0) < 0)  # nearly never, and then much need not be done
    if incomplete:
        half = (alleles[0::2] < 0) != (alleles[1::2] < 0)
        account.half_missing_calls += int(half.sum())
        alleles = np.where(np.repeat(half, 2), -1, alleles)
    account.lone_missing_calls += record.lone_missing
    own, torn = slice(None), None
    if haploids.individuals is not None:
        own = haploids.columns
        torn = haploids.individuals & (alleles[0::2] != alleles[1::2])
        unphased = None if unphased is None else unphased & ~haploids.individuals
        account.haploid_heterozygous += int(torn.sum())
        if torn.any() and options.haploid_heterozygous == "missing":
            alleles, torn, incomplete = np.where(np.repeat(torn, 2), -1, alleles), None, True
    haplotypes = alleles[own].size
    missing = np.count_nonzero(alleles[own] < 0) if incomplete else 0
    sites = []
    for index, alt in wanted:
        if missing / haplotypes > options.max_missing:
            account.reject(record, alt, "too many missing calls")
            continue
        if torn is not None and torn.any():
            account.reject(record, alt, "heterozygous call of a haploid individual")
            continue
        here.add((ref, alt))
        carried = alleles == index
        biallelic = carried.view(np.int8)
        if missing:
            biallelic = np.where(alleles < 0, np.int8(-1), biallelic)
        ones = np.count_nonzero(carried[own])
        loose = (
            0 if unphased is None else int((unphased & (biallelic[0::2] != biallelic[1::2])).sum())
        )
        if min(ones, haplotypes - missing - ones) < options.min_mac:
            account.reject(record, alt, "minor allele too rare")
        elif loose and options.allow_unphased == "drop-sites":
            account.reject(record, alt, "unphased")
        else:
            if loose:
                account.first_unphased = account.first_unphased or record.position
                account.unphased_calls += loose
                account.of_other_sets += record.other_sets
            sites.append(Site(record.position, record.id, ref, alt, biallelic))
    return sites


def _placed(
    record: Record,
    sites: list[Site],
    path: Path,
    options: PrepareOptions,
    fasta: Reference | None,
    account: Account,
    contig_length: int | None,
    taken: CarriedTogether | None,
) -> Iterator[Site]:
    """The sites, where the record lies within the contig and its REF is that of the FASTA."""
    place, end = f"{account.contig}:{record.position}", record.position - 1 + len(record.ref)
    if contig_length is not None and end > contig_length:
        where = fasta.path if fasta else "its header (##contig)"
        raise InputError(
            path,
            f"{place}: the record ends at {end}, after the end of the contig",
            expected=f"at most {contig_length}, the length of {account.contig} in {where}",
            remedy="use the reference of the same genome build; write another length with: "
            "bcftools reheader --fai FAI",
        )
    if end > LAST_POSITION:
        raise InputError(
            path, f"{place}: the record ends at {end}", expected=f"at most {LAST_POSITION}"
        )
    verdict = (
        fasta.compare(account.contig, record.position, record.ref) if fasta is not None else "match"
    )
    account.ambiguous_reference += verdict == "ambiguous"
    if verdict == "mismatch" and options.reference_mismatch == "reject":
        for site in sites:
            account.reject(record, site.alt, "REF differs from the reference")
        return
    if verdict == "mismatch":
        bases = fasta.fetch(account.contig, record.position - 1, end)
        raise InputError(
            path,
            f"{place}: REF is {record.ref}",
            expected=f"{bases or 'nothing'}, as in {fasta.path}",
            remedy="use the reference of the same genome build, or give "
            "--reference-mismatch reject",
        )
    if taken is not None:
        fitting = []
        for site in sites:
            if taken.refuse(site.position, site.ref, site.alt, site.alleles):
                account.reject(record, site.alt, "carried together with an overlapping variant")
            else:
                fitting.append(site)
        sites = fitting
    account.kept += len(sites)
    if not account.unphased_calls:  # else the run has failed; only the count goes on
        yield from sites


def _is_sequence(allele: str) -> bool:
    return bool(allele) and not allele.upper().strip("ACGTN")
