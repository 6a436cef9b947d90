"""From a genotype file to a panel, with every record accounted for."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from genoloom.config import PrepareOptions
from genoloom.disclosure import people_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.maps import GeneticMap, read_map
from genoloom.formats.names import check_person_names, without_spaces
from genoloom.formats.pgen import PanelWriter, panel_files
from genoloom.formats.plink_tables import raw_files
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.reference import Reference
from genoloom.formats.sheets import match_people
from genoloom.formats.tables import table_writer
from genoloom.formats.variants import NoRecords, Record, VariantFile, open_variants
from genoloom.formats.vcf_write import LAST_POSITION
from genoloom.panel import People, Sites, haplotype_columns
from genoloom.popgen.overlaps import CarriedTogether

log = logging.getLogger(__name__)

BLOCK = 1024  # sites handed to the writer at a time
MOST_CALLS = 10**8  # that `examine` looks at: some seconds
REJECTION_COLUMNS = ["contig", "position", "id", "ref", "alt", "reason"]


@dataclass(frozen=True)
class Site:
    """A biallelic site with its alleles, int8, shape (2 * n_people,)."""

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
            raise AssertionError(f"{self.records} records + {self.added_by_splitting} from splitting, {accounted} accounted for")


def prepare(
    *,
    variants: Path,
    contig: str,
    out: Path,
    options: PrepareOptions,
    people: Path | None = None,
    reference: Path | None = None,
    genetic_map: Path | None = None,
    region: tuple[int, int] | None = None,
) -> None:
    """Write the panel of one contig: `{out}.pgen/.pvar.zst/.psam`, `{out}.rejected.tsv.gz` and
    `{out}.summary.json`.

    Parameters
    ----------
    variants : Path
        VCF, BCF or .pgen; phased.
    out : Path
        Prefix of the files.
    people : Path, optional
        Sheet of people; without it populations and sexes are those of a .psam, else unknown.
    reference : Path, optional
        FASTA that REF alleles are compared with.
    genetic_map : Path, optional
        Gives each site its centimorgans.
    region : (start, end), optional
        1-based, both ends included.

    Raises
    ------
    InputError
        Whatever is wrong with the input, with the record and the remedy; nothing is written then.
    """
    made = Making("prepare", {**raw_files(variants), "people": people, "reference": reference, "map": genetic_map})
    given = _open(variants, contig, options, people, reference, genetic_map, region)
    account = Account(contig)
    close_directory(out.parent)
    with (
        table_writer(f"{out}.rejected.tsv.gz", REJECTION_COLUMNS) as account.write,
        PanelWriter(out, given.kept, contig, given.contig_length) as writer,
    ):
        for sites, alleles in given.blocks(account, options):
            writer.append(sites, alleles)
        account.check()
        given.refuse_nothing(account)
        _write_summary(out, account, given)
    made.write(record_path(out), [*panel_files(out), Path(f"{out}.summary.json")])
    log.info(
        "%s: %d sites of %d records kept, %d rejected", contig, account.kept, account.records, sum(account.rejected.values())
    )


def examine(
    *,
    variants: Path,
    contig: str,
    options: PrepareOptions,
    people: Path | None = None,
    reference: Path | None = None,
    genetic_map: Path | None = None,
    region: tuple[int, int] | None = None,
    most_calls: int = MOST_CALLS,
) -> bool:
    """Raise what `prepare` would raise for the same input, and write nothing.

    Parameters
    ----------
    most_calls : int
        Records are looked at until they have so many genotypes together, at least a thousand; then,
        where the file has an index, as many from the middle of the contig on: chromosome X begins
        with what men have twice.

    Returns
    -------
    bool
        Whether all records were looked at.

    Raises
    ------
    InputError
        As `prepare`.
    """
    given = _open(variants, contig, options, people, reference, genetic_map, region)
    account = Account(contig)
    most = max(1000, most_calls // len(given.everybody))
    for _ in given.blocks(account, options, most):
        pass
    if account.records < most:
        given.refuse_nothing(account)
        if given.points is not None:
            given.points.account()  # raises where the map is of another place
        return True
    if given.source.indexed and region is None and given.contig_length:
        middle = open_variants(variants, contig, (given.contig_length // 2, given.contig_length))
        with suppress(NoRecords):
            for _ in replace(given, source=middle).blocks(Account(contig), options, most):
                pass
    return False


@dataclass(frozen=True)
class _Inputs:
    """What `prepare` was given, opened and checked; `keep` is bool (n_people,)."""

    source: VariantFile
    everybody: People
    keep: np.ndarray
    fasta: Reference | None
    points: GeneticMap | None
    contig: str

    @property
    def contig_length(self) -> int | None:
        return self.source.contig_length or (self.fasta.lengths[self.contig] if self.fasta else None)

    @property
    def kept(self) -> People:
        return self.everybody.take(self.keep)

    def blocks(self, account: Account, options: PrepareOptions, most: int | None = None) -> Iterator[tuple[Sites, np.ndarray]]:
        """The sites that pass, with genetic positions, and their alleles; of the first `most`
        records.
        """
        records = islice(self.source.records(), most)
        end = self.fasta.lengths[self.contig] if self.fasta else self.source.contig_length
        accepted = accepted_sites(records, self.source.path, self.keep, options, self.fasta, account, end)
        for sites, alleles in site_blocks(accepted, self.contig, self.contig_length):
            cm = self.points.place(sites.position) if self.points else sites.cm
            yield replace(sites, cm=cm), alleles

    def refuse_nothing(self, account: Account) -> None:
        """Raise an InputError where no site is left."""
        if account.kept == 0:
            reasons = ", ".join(f"{n} {reason}" for reason, n in account.rejected.most_common())
            filters = "give --filters, " if any(reason.startswith("FILTER") for reason in account.rejected) else ""
            raise InputError(
                self.source.path, f"no site of {self.contig} is left of {account.records} records ({reasons})",
                remedy=f"{filters}loosen --min-mac or --max-missing, or check that the file has variants here",
            )  # fmt: skip


def _open(
    variants: Path,
    contig: str,
    options: PrepareOptions,
    people: Path | None,
    reference: Path | None,
    genetic_map: Path | None,
    region: tuple[int, int] | None,
) -> _Inputs:
    source = open_variants(variants, contig, region)
    check_person_names(variants, source.samples)
    nothing = ["unknown"] * len(source.samples)
    everybody = source.people or People(source.samples, nothing, nothing)
    if people is not None:
        everybody = match_people(people, variants, source.samples)
        if source.people is not None:
            log.info("%s: populations and sexes are those of %s; what the .psam says is not used", contig, people)
    families = ["_".join(family.split()) for family in everybody.family]
    everybody = replace(everybody, id=without_spaces(everybody.id), family=families)
    if everybody.id != source.samples:
        log.warning("%s: some names of samples have white space, which a .psam cannot hold; it is '_' in the panel", contig)
    fasta = None
    if reference is not None:
        fasta = Reference(reference)
        fasta.check_contig(contig, variants)
    points = None
    if genetic_map is not None:
        points = read_map(genetic_map, contig, (options.map_min_rate, options.map_max_rate))
    keep = np.ones(len(everybody), dtype=bool)
    if options.allow_unphased == "drop-people":
        for record in source.records():
            if _why_unwanted(record, options) is None:
                keep &= ~record.unphased
        if keep.sum() < 2:
            raise InputError(
                variants, f"{people_count(int(keep.sum()))} have no unphased call", expected="two or more",
                remedy="phase the file",
            )  # fmt: skip
    return _Inputs(source, everybody, keep, fasta, points, contig)


def site_blocks(sites: Iterable[Site], contig: str, contig_length: int | None = None) -> Iterator[tuple[Sites, np.ndarray]]:
    """`BLOCK` sites at a time with their alleles, int8 (n_sites, 2 * n_people); without genetic
    positions.
    """
    stream = iter(sites)
    while block := list(islice(stream, BLOCK)):
        columns = [np.array([getattr(s, name) for s in block], dtype=object) for name in ("ref", "alt", "id")]
        position = np.array([s.position for s in block], dtype=np.int64)
        nowhere = np.full(len(block), np.nan)
        yield Sites(contig, position, *columns, nowhere, contig_length), np.stack([s.alleles for s in block])


def accepted_sites(
    records: Iterable[Record],
    path: Path,
    keep: np.ndarray,
    options: PrepareOptions,
    fasta: Reference | None,
    account: Account,
    contig_length: int | None = None,
) -> Iterator[Site]:
    """The sites that pass every check; the others go to the account. What is rejected cannot stop
    the run.

    Raises
    ------
    InputError
        A record that is wanted has no diploid genotypes or unphased ones, ends behind the contig,
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
            log.info("%s: %d records read, at position %d", account.contig, account.records, record.position)
        if record.position != last:
            last, here = record.position, set()
        sites = _sites_of(record, keep, columns, here, options, account)
        if sites:
            yield from _placed(record, sites, path, options, fasta, account, contig_length, taken)
    if account.unphased_calls:
        raise _unphased(path, account)


def _unphased(path: Path, account: Account) -> InputError:
    first = f"{account.contig}:{account.first_unphased}"
    tool = "phase the file (SHAPEIT, Beagle, Eagle), or give --allow-unphased drop-sites or drop-people"
    if account.of_other_sets:
        return InputError(
            path, f"{account.unphased_calls} heterozygous genotypes are not phased with the others of their individual (FORMAT/PS "
            f"names more than one phase set), the first at {first}",
            expected="one phase set for each individual and contig", remedy=tool,
        )  # fmt: skip
    return InputError(
        path, f"{account.unphased_calls} heterozygous genotypes are not phased, the first at {first}",
        expected="phased genotypes (0|1)", remedy=tool,
    )  # fmt: skip


def _why_unwanted(record: Record, options: PrepareOptions) -> str | None:
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
    if not _is_sequence(record.ref):
        return "REF is no sequence"
    if len(set(alts)) < len(alts):
        return "an alternate allele stands twice in the record"
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
) -> list[Site]:
    """The biallelic sites of one record that pass every check but those of their place."""
    if (reason := _why_unwanted(record, options)) is not None:
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
    half = (alleles[0::2] < 0) != (alleles[1::2] < 0)
    if half.any():
        account.half_missing_calls += int(half.sum())
        alleles = np.where(np.repeat(half, 2), -1, alleles)
    account.lone_missing_calls += record.lone_missing
    missing = float((alleles < 0).mean())
    sites = []
    for index, alt in wanted:
        if missing > options.max_missing:
            account.reject(record, alt, "too many missing calls")
            continue
        here.add((ref, alt))
        biallelic = (
            (alleles == index).view(np.int8) if missing == 0 else np.where(alleles < 0, -1, alleles == index).astype(np.int8)
        )
        ones = int((biallelic == 1).sum())
        loose = 0 if unphased is None else int((unphased & (biallelic[0::2] != biallelic[1::2])).sum())
        if min(ones, int((biallelic == 0).sum())) < options.min_mac:
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
            path, f"{place}: the record ends at {end}, behind the end of the contig",
            expected=f"at most {contig_length}, the length of {account.contig} in {where}",
            remedy="use the reference of the same genome build; write another length with: bcftools reheader --fai FAI",
        )  # fmt: skip
    if end > LAST_POSITION:
        raise InputError(path, f"{place}: the record ends at {end}", expected=f"at most {LAST_POSITION}")
    verdict = fasta.compare(account.contig, record.position, record.ref) if fasta is not None else "match"
    account.ambiguous_reference += verdict == "ambiguous"
    if verdict == "mismatch" and options.reference_mismatch == "reject":
        for site in sites:
            account.reject(record, site.alt, "REF differs from the reference")
        return
    if verdict == "mismatch":
        bases = fasta.fetch(account.contig, record.position - 1, end)
        raise InputError(
            path, f"{place}: REF is {record.ref}", expected=f"{bases or 'nothing'}, as in {fasta.path}",
            remedy="use the reference of the same genome build, or give --reference-mismatch reject",
        )  # fmt: skip
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
    return bool(allele) and not set(allele.upper()) - set("ACGTN")


def _write_summary(out: Path, account: Account, given: _Inputs) -> None:
    summary = {
        "contig": account.contig,
        "records": account.records,
        "added_by_splitting": account.added_by_splitting,
        "kept": account.kept,
        "rejected": dict(sorted(account.rejected.items())),
        "half_missing_calls_set_missing": account.half_missing_calls,
        "calls_of_a_lone_dot": account.lone_missing_calls,
        "ambiguous_reference_bases": account.ambiguous_reference,
        "people_in_input": len(given.everybody),
        "people_in_panel": int(given.keep.sum()),
        "genetic_map": given.points and given.points.account(),
        "reference_checked": given.fasta is not None,
    }
    with write_beside(f"{out}.summary.json") as [part]:
        part.write_text(json.dumps(summary, indent=2) + "\n")
