"""From a genotype file to a panel, with every record accounted for."""

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from genoloom.config import PrepareOptions
from genoloom.disclosure import people_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.maps import read_map
from genoloom.formats.pgen import PanelWriter, panel_files
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.reference import Reference
from genoloom.formats.sheets import match_people
from genoloom.formats.tables import write_table
from genoloom.formats.variants import Record, open_variants, pvar_candidates
from genoloom.panel import People, Sites, haplotype_columns

log = logging.getLogger(__name__)

BLOCK = 1024  # sites handed to the writer at a time
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
    """What became of the records; `rows` (None: not kept) has one for each rejection."""

    contig: str
    records: int = 0
    added_by_splitting: int = 0
    kept: int = 0
    half_missing_calls: int = 0
    ambiguous_reference: int = 0
    rejected: Counter = field(default_factory=Counter)
    rows: list[dict] | None = field(default_factory=list)

    def reject(self, position: int, name: str, ref: str, alt: str, reason: str) -> None:
        self.rejected[reason] += 1
        if self.rows is None:
            return
        values = (self.contig, position, name, ref, alt, reason)
        self.rows.append(dict(zip(REJECTION_COLUMNS, values, strict=True)))

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
    """Write the panel of one contig: `{out}.pgen/.pvar.zst/.psam`, `{out}.rejected.tsv.gz` and `{out}.summary.json`.

    Parameters
    ----------
    variants : Path
        VCF, BCF or .pgen; phased.
    out : Path
        Prefix of the files.
    people : Path, optional
        Sheet of people; without it everybody is of the population "unknown".
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
    made = Making("prepare", {**_raw_files(variants), "people": people, "reference": reference, "map": genetic_map})
    source = open_variants(variants, contig, region)
    everybody = People(source.samples, ["unknown"] * len(source.samples), ["unknown"] * len(source.samples))
    if people is not None:
        everybody = match_people(people, variants, source.samples)
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
            keep &= ~record.unphased
        if keep.sum() < 2:
            raise InputError(
                variants,
                f"{people_count(int(keep.sum()))} have no unphased call",
                expected="two or more",
                remedy="phase the file",
            )
        source = open_variants(variants, contig, region)
    kept_people = everybody.take(keep)
    contig_length = source.contig_length or (fasta.lengths[contig] if fasta else None)

    account = Account(contig)
    sites = accepted_sites(source.records(), source.path, keep, options, fasta, account)
    close_directory(out.parent)
    with PanelWriter(out, kept_people, contig, contig_length) as writer:
        for block, alleles in site_blocks(sites, contig, contig_length):
            cm = points.place(block.position) if points else block.cm
            writer.append(replace(block, cm=cm), alleles)
        account.check()
        if account.kept == 0:
            reasons = ", ".join(f"{n} {reason}" for reason, n in account.rejected.most_common())
            raise InputError(
                variants, f"no site of {contig} is left of {account.records} records ({reasons})",
                remedy="loosen --min-mac or --max-missing, or check that the file has variants here",
            )  # fmt: skip
        _write_account(out, account, len(everybody), kept_people, points and points.account(), reference is not None)
    made.write(record_path(out), [*panel_files(out), Path(f"{out}.summary.json")])
    log.info(
        "%s: %d sites of %d records kept, %d rejected", contig, account.kept, account.records, sum(account.rejected.values())
    )


def _raw_files(variants: Path) -> dict[str, Path]:
    """The files behind `variants`, by role: a .pgen has its sites and people beside it."""
    beside = [p for p in (*pvar_candidates(variants.with_suffix("")), variants.with_suffix(".psam")) if p.exists()]
    parts = beside if variants.suffix == ".pgen" else []
    return {"variants": variants} | {f"variants{part.name.removeprefix(variants.stem)}": part for part in parts}


def site_blocks(sites: Iterable[Site], contig: str, contig_length: int | None = None) -> Iterator[tuple[Sites, np.ndarray]]:
    """`BLOCK` sites at a time with their alleles, int8 (n_sites, 2 * n_people); without genetic positions."""
    stream = iter(sites)
    while block := list(islice(stream, BLOCK)):
        columns = [np.array([getattr(s, name) for s in block], dtype=object) for name in ("ref", "alt", "id")]
        position = np.array([s.position for s in block], dtype=np.int64)
        nowhere = np.full(len(block), np.nan)
        yield Sites(contig, position, *columns, nowhere, contig_length), np.stack([s.alleles for s in block])


def accepted_sites(
    records: Iterable[Record], path: Path, keep: np.ndarray, options: PrepareOptions, fasta: Reference | None, account: Account
) -> Iterator[Site]:
    """The sites that pass every check; the others go to the account."""
    columns = None if keep.all() else haplotype_columns(np.flatnonzero(keep))
    here: set[tuple[str, str]] = set()  # alleles seen at the present position
    last, unphased_calls, first_unphased = 0, 0, ""
    spoken = time.monotonic()
    for record in records:
        account.records += 1
        if time.monotonic() - spoken > 10:
            spoken = time.monotonic()
            log.info("%s: %d records read, at position %d", account.contig, account.records, record.position)
        if record.position != last:
            last, here = record.position, set()
        if options.allow_unphased == "no" and record.unphased.any():
            first_unphased = first_unphased or f"{account.contig}:{record.position}"
            unphased_calls += int(record.unphased.sum())
            continue
        if unphased_calls:
            continue  # the run has failed; only the count goes on
        yield from _sites_of(record, columns, here, options, fasta, account, path)
    if unphased_calls:
        raise InputError(
            path, f"{unphased_calls} heterozygous genotypes are not phased, the first at {first_unphased}",
            expected="phased genotypes (0|1)",
            remedy="phase the file (SHAPEIT, Beagle, Eagle), or give --allow-unphased drop-sites or drop-people",
        )  # fmt: skip


def _sites_of(
    record: Record,
    columns: np.ndarray | None,
    here: set[tuple[str, str]],
    options: PrepareOptions,
    fasta: Reference | None,
    account: Account,
    path: Path,
) -> Iterator[Site]:
    """The biallelic sites of one record that pass."""

    def reject(alt: str, reason: str) -> None:
        account.reject(record.position, record.id, record.ref, alt, reason)

    all_alts = ",".join(record.alts) or "."
    if not record.alts:
        return reject(all_alts, "no alternate allele")
    if options.allow_unphased == "drop-sites" and record.unphased.any():
        return reject(all_alts, "unphased")
    if len(record.alts) > 1 and options.multiallelic == "reject":
        return reject(all_alts, "multiallelic")
    if not _is_sequence(record.ref):
        return reject(all_alts, "REF is no sequence")
    if fasta is not None:
        verdict = fasta.compare(account.contig, record.position, record.ref)
        account.ambiguous_reference += verdict == "ambiguous"
        if verdict == "mismatch" and options.reference_mismatch == "reject":
            return reject(all_alts, "REF differs from the reference")
        if verdict == "mismatch":
            bases = fasta.fetch(account.contig, record.position - 1, record.position - 1 + len(record.ref))
            raise InputError(
                path, f"{account.contig}:{record.position}: REF is {record.ref}", expected=f"{bases or 'nothing'}, as in {fasta.path}",
                remedy="use the reference of the same genome build, or give --reference-mismatch reject",
            )  # fmt: skip
    alleles = record.alleles if columns is None else record.alleles[columns]
    account.added_by_splitting += len(record.alts) - 1
    half = (alleles[0::2] < 0) != (alleles[1::2] < 0)
    if half.any():
        account.half_missing_calls += int(half.sum())
        alleles = np.where(np.repeat(half, 2), -1, alleles)
    missing = float((alleles < 0).mean())
    for index, alt in enumerate(record.alts, 1):
        if not _is_sequence(alt):
            reject(alt, "symbolic or * allele")
        elif (record.ref, alt) in here:
            reject(alt, "duplicate site")
        elif missing > options.max_missing:
            reject(alt, "too many missing calls")
        else:
            here.add((record.ref, alt))
            biallelic = np.where(alleles < 0, -1, alleles == index).astype(np.int8)
            ones = int((biallelic == 1).sum())
            if min(ones, int((biallelic == 0).sum())) < options.min_mac:
                reject(alt, "minor allele too rare")
            else:
                account.kept += 1
                yield Site(record.position, record.id, record.ref, alt, biallelic)
    return None


def _is_sequence(allele: str) -> bool:
    return bool(allele) and not set(allele.upper()) - set("ACGTN")


def _write_account(out: Path, account: Account, n_people: int, kept: People, used_map: dict | None, has_reference: bool) -> None:
    write_table(f"{out}.rejected.tsv.gz", REJECTION_COLUMNS, account.rows)
    summary = {
        "contig": account.contig,
        "records": account.records,
        "added_by_splitting": account.added_by_splitting,
        "kept": account.kept,
        "rejected": dict(sorted(account.rejected.items())),
        "half_missing_calls_set_missing": account.half_missing_calls,
        "ambiguous_reference_bases": account.ambiguous_reference,
        "people_in_input": n_people,
        "people_in_panel": len(kept),
        "genetic_map": used_map,
        "reference_checked": has_reference,
    }
    with write_beside(f"{out}.summary.json") as [part]:
        part.write_text(json.dumps(summary, indent=2) + "\n")
