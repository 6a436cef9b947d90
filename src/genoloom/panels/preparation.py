"""Genotypes of one contig with all that checks them: what becomes a panel."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genoloom.config import PrepareOptions
from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.maps import GeneticMap, read_map
from genoloom.formats.names import check_individual_names, without_spaces
from genoloom.formats.reference import Reference
from genoloom.formats.sheets import match_individuals
from genoloom.formats.variants import NoRecords, VariantFile, open_variants
from genoloom.panel import Individuals, Sites
from genoloom.panels.site_filters import (
    IN_PAR,
    Account,
    Haploids,
    accepted_sites,
    site_blocks,
    why_unwanted,
)
from genoloom.ploidy import Interval, Ploidy, build_of, ploidy_of, pseudo_autosomal

log = logging.getLogger(__name__)

MOST_CALLS = 10**8  # that `examine` looks at: some seconds


class Examined(NamedTuple):
    """Whether all records of a contig were looked at, and its ploidy."""

    whole: bool
    ploidy: Ploidy


def examine(**inputs) -> Examined:
    """Raise what `prepare` would raise for the same input, and write nothing.

    Records are looked at until they have `MOST_CALLS` genotypes together, at least a thousand;
    then, where the file has an index, as many from the middle of the contig on: chromosome X
    begins with what men have twice.

    Parameters
    ----------
    **inputs
        Of `open_preparation`.

    Returns
    -------
    Examined

    Raises
    ------
    InputError
        As `prepare`.
    """
    given = open_preparation(**inputs)
    account = Account(given.contig)
    most = max(1000, MOST_CALLS // len(given.everybody))
    for _ in given.blocks(account, most):
        pass
    if account.records < most:
        given.refuse_nothing(account)
        if given.points is not None:
            given.points.account()  # raises where the map is of another place
        return Examined(True, given.ploidy)
    length = given.contig_length
    if given.source.indexed and inputs.get("region") is None and length:
        middle = open_variants(inputs["variants"], given.contig, (length // 2, length))
        middle.may_be_haploid = given.source.may_be_haploid
        with suppress(NoRecords):
            for _ in replace(given, source=middle).blocks(Account(given.contig), most):
                pass
    return Examined(False, given.ploidy)


@dataclass(frozen=True)
class Preparation:
    """What `prepare` was given, opened and checked; `keep` is bool (n_individuals,)."""

    options: PrepareOptions
    source: VariantFile
    everybody: Individuals
    keep: np.ndarray
    fasta: Reference | None
    points: GeneticMap | None
    contig: str
    ploidy: Ploidy
    haploids: Haploids

    @property
    def contig_length(self) -> int | None:
        return self.source.contig_length or (
            self.fasta.lengths[self.contig] if self.fasta else None
        )

    @property
    def kept(self) -> Individuals:
        return self.everybody.take(self.keep)

    def blocks(
        self, account: Account, most: int | None = None
    ) -> Iterator[tuple[Sites, np.ndarray]]:
        """The sites that pass, with genetic positions, and their alleles; of the first `most`
        records.
        """
        records = islice(self.source.records(), most)
        end = self.fasta.lengths[self.contig] if self.fasta else self.source.contig_length
        accepted = accepted_sites(
            records,
            self.source.path,
            self.keep,
            self.options,
            self.fasta,
            account,
            end,
            self.haploids,
        )
        for sites, alleles in site_blocks(accepted, self.contig, self.contig_length):
            cm = self.points.place(sites.position) if self.points else sites.cm
            yield replace(sites, cm=cm), alleles

    def refuse_nothing(self, account: Account) -> None:
        """Raise an InputError where no site is left."""
        if account.kept == 0:
            reasons = ", ".join(f"{n} {reason}" for reason, n in account.rejected.most_common())
            filters = (
                "give --filters, "
                if any(reason.startswith("FILTER") for reason in account.rejected)
                else ""
            )
            pars = (
                "take a pseudo-autosomal region alone with --region START-END, "
                if IN_PAR in account.rejected
                else ""
            )
            raise InputError(
                self.source.path,
                f"no site of {self.contig} is left of {account.records} records ({reasons})",
                remedy=f"{filters}{pars}loosen --min-mac or --max-missing, or check that the file "
                "has variants here",
            )


def open_preparation(
    variants: Path,
    contig: str,
    options: PrepareOptions,
    samples: Path | None = None,
    reference: Path | None = None,
    genetic_map: Path | None = None,
    region: tuple[int, int] | None = None,
) -> Preparation:
    """Open what `prepare` is given, and check all but the records.

    Raises
    ------
    InputError
        A file is missing or damaged, or they do not belong together.
    """
    source = open_variants(variants, contig, region)
    check_individual_names(variants, source.samples)
    everybody = source.individuals or Individuals(source.samples)
    if samples is not None:
        everybody = match_individuals(samples, variants, source.samples)
        if source.individuals is not None:
            log.info(
                "%s: populations and sexes come from %s; what the .psam says is not used",
                contig,
                samples,
            )
    families = ["_".join(family.split()) for family in everybody.family]
    everybody = replace(everybody, id=without_spaces(everybody.id), family=families)
    if everybody.id != source.samples:
        log.warning(
            "%s: some names of samples have white space, which a .psam cannot hold; it is '_' in "
            "the panel",
            contig,
        )
    fasta = None
    if reference is not None:
        fasta = Reference(reference)
        fasta.check_contig(contig, variants)
    points = None
    if genetic_map is not None:
        points = read_map(genetic_map, contig, (options.map_min_rate, options.map_max_rate))
    length = source.contig_length or (fasta.lengths[contig] if fasta else None)
    ploidy, pars = _ploidy(options, contig, length, region, variants, everybody.sex)
    haploid = ploidy.haploid(everybody.sex)
    keep = np.ones(len(everybody), dtype=bool)
    if ploidy.needs_sex:
        _check_sexes(samples or variants, contig, ploidy, everybody)
    if ploidy is not Ploidy.DIPLOID:
        log.info("%s: %s; %s are haploid", contig, ploidy, individuals_count(int(haploid.sum())))
        source.may_be_haploid = haploid
    if ploidy is Ploidy.Y_LINKED:
        keep, source.may_be_haploid = haploid, np.ones(len(everybody), dtype=bool)
    if options.allow_unphased == "drop-individuals":
        for record in source.records():
            if why_unwanted(record, options, pars) is None:
                keep = keep & ~(record.unphased & ~haploid)
        if keep.sum() < 2:
            raise InputError(
                variants, f"{individuals_count(int(keep.sum()))} have no unphased call",
                expected="two or more",
                remedy="phase the file",
            )  # fmt: skip
    haploids = Haploids(haploid[keep] if haploid[keep].any() else None, pars)
    return Preparation(options, source, everybody, keep, fasta, points, contig, ploidy, haploids)


def _ploidy(
    options: PrepareOptions,
    contig: str,
    length: int | None,
    region: Interval | None,
    variants: Path,
    sex: list[str],
) -> tuple[Ploidy, tuple[Interval, ...]]:
    """Who is haploid on the contig, and the regions of it where that does not hold.

    Raises
    ------
    InputError
        It is an X of males, and neither its ploidy nor the build is known.
    """
    build = build_of(contig, length) if options.build == "auto" else options.build
    if options.ploidy != "auto":
        ploidy = Ploidy(options.ploidy)
    else:
        ploidy = ploidy_of(contig, build, region)
        if build is None and contig.removeprefix("chr") == "X":
            if "male" in sex:
                raise InputError(
                    variants,
                    f"the length of contig {contig} ({length or 'not given'}) tells no genome "
                    "build, so where males are haploid is not known",
                    expected="the length of X in GRCh37 or GRCh38, in the header or a FASTA",
                    remedy="give --build GRCh37 or GRCh38; or, whatever the build, --ploidy "
                    "x-linked or diploid",
                )
            log.warning(
                "%s: neither genome build nor sexes are known: everybody is taken as diploid; see "
                "--build, --ploidy and --samples",
                contig,
            )
    return ploidy, pseudo_autosomal(contig, build) if ploidy.needs_sex else ()


def _check_sexes(path: Path, contig: str, ploidy: Ploidy, individuals: Individuals) -> None:
    """Raise an InputError unless the sex of everybody is known, and there are males where they
    alone have the contig.
    """
    if unknown := individuals.sex.count("unknown"):
        raise InputError(
            path,
            f"the sex of {individuals_count(unknown)} is not known, and contig {contig} is "
            f"{ploidy}: males are haploid",
            expected="male or female for everybody",
            remedy="give a sheet with the column sex (--samples), or --ploidy diploid where "
            "everybody has two haplotypes, as in a pseudo-autosomal region",
        )
    if ploidy is Ploidy.Y_LINKED and individuals.sex.count("male") < 2:
        raise InputError(
            path,
            "fewer than two individuals are male",
            expected=f"males, who alone have contig {contig}",
        )
