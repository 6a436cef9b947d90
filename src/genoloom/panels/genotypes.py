"""Genotype files of any tool, read once: a VCF or BCF through the checks of `prepare` into a
temporary PGEN, so that memory does not grow with the number of variants; PLINK file sets where they
are.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from genoloom.config import PrepareOptions
from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.names import check_individual_names
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.plink import SUFFIXES, open_plink
from genoloom.formats.sheets import read_individuals
from genoloom.formats.variant_header import NoVariants, real_path
from genoloom.formats.variants import Record, VcfFile
from genoloom.panel import Individuals, Panel
from genoloom.panels.site_filters import Account, accepted_sites, site_blocks

log = logging.getLogger(__name__)

EVERY_SITE = PrepareOptions(min_mac=0, max_missing=1.0, filters="all", overlapping="keep")
UNKNOWN = "unknown"
Sheet = dict[str, tuple[str, str, str, str]]  # as `read_individuals` gives it


@dataclass(frozen=True)
class GenotypeFiles:
    """Genotypes of the same individuals in one or more files of any tool.

    Attributes
    ----------
    label : str
        What messages call them.
    panels : dict
        By contig, without the prefix "chr".
    unphased : int
        Heterozygous calls whose phase is not given.
    unusable : Counter
        Records left out while reading, by reason.
    alleles_unordered : bool
        The files do not say which allele is the reference (PLINK 1).
    """

    label: str
    panels: dict[str, Panel]
    unphased: int = 0
    unusable: Counter = field(default_factory=Counter)
    alleles_unordered: bool = False

    @property
    def individuals(self) -> Individuals:
        return next(iter(self.panels.values())).individuals

    def with_individuals(self, individuals: Individuals) -> "GenotypeFiles":
        """The same genotypes with other labels of the same individuals."""
        return replace(
            self,
            panels={
                name: replace(panel, individuals=individuals) for name, panel in self.panels.items()
            },
        )

    def pooled(self) -> "GenotypeFiles":
        """The same with everybody in one population."""
        own = self.individuals
        return self.with_individuals(replace(own, population=[UNKNOWN] * len(own)))

    @property
    def n_sites(self) -> int:
        return sum(len(panel.sites) for panel in self.panels.values())


def read_genotypes(label: str, paths: list[Path], scratch: Path) -> GenotypeFiles:
    """Read VCF(.gz), BCF, .pgen or .bed files of the same individuals; one contig is in one
    file.

    Raises
    ------
    InputError
        A file is missing, damaged or of another format; files differ in their individuals; a contig
        is in two files.
    """
    panels: dict[str, Panel] = {}
    unusable: Counter = Counter()
    unphased, unordered = 0, False
    for number, path in enumerate(paths):
        path = real_path(path)
        if path.suffix in SUFFIXES:
            found, loose = open_plink(path)
            unordered |= path.suffix == ".bed"
        else:
            try:
                found, loose = _read_vcf(path, scratch / str(number), unusable)
            except NoVariants:
                raise InputError(
                    path, "is of no known format", expected="VCF, BCF, .pgen or .bed"
                ) from None
        unphased += loose
        for panel in found:
            # chr20 and 20 are the same in every build
            contig = panel.sites.contig.removeprefix("chr")
            if contig in panels:
                raise InputError(
                    path,
                    f"contig {panel.sites.contig} is in two files",
                    expected="each contig once",
                )
            if panels and panel.individuals.id != next(iter(panels.values())).individuals.id:
                raise InputError(
                    path,
                    f"has other individuals than {paths[0].name}",
                    expected="the same individuals in every file",
                )
            panels[contig] = replace(panel, sites=replace(panel.sites, contig=contig))
    if not panels:
        raise InputError(paths[0], "holds no usable site", expected="biallelic genotypes")
    individuals, sites = (
        next(iter(panels.values())).individuals,
        sum(len(panel.sites) for panel in panels.values()),
    )
    log.info("%s: %s, %d sites", label, individuals_count(len(individuals)), sites)
    return GenotypeFiles(label, panels, unphased, unusable, unordered)


def _read_vcf(path: Path, scratch: Path, unusable: Counter) -> tuple[list[Panel], int]:
    """The contigs of a VCF or BCF as temporary panels, and how many heterozygous calls are not
    phased.
    """
    file = VcfFile(path)
    check_individual_names(path, file.samples)
    individuals = Individuals(file.samples)
    everybody = np.ones(len(individuals), dtype=bool)
    panels, unphased = [], 0

    def without_phase(records: Iterator[Record]) -> Iterator[Record]:
        nonlocal unphased
        nobody = np.zeros(len(individuals), dtype=bool)
        for record in records:
            if record.fault is None:
                unphased += int(record.unphased.sum())
                record = replace(record, without_phase=nobody)
            yield record

    for number, (contig, records) in enumerate(file.contigs()):
        account = Account(contig)
        end = file.lengths.get(contig)
        sites = accepted_sites(
            without_phase(records), path, everybody, EVERY_SITE, None, account, end
        )
        blocks = site_blocks(sites, contig)
        first = next(blocks, None)
        if first is not None:
            prefix = scratch / str(number)
            with PanelWriter(prefix, individuals, contig, end) as writer:
                for block, alleles in chain([first], blocks):
                    writer.append(block, alleles)
            panels.append(open_panel(prefix))
        unusable += account.rejected
    return panels, unphased


def read_sheets(paths: list[Path]) -> Sheet:
    """The individuals of several sheets together."""
    sheet: Sheet = {}
    for path in paths:
        for individual, row in read_individuals(path).items():
            if sheet.setdefault(individual, row) != row:
                raise InputError(
                    path,
                    "says something else of an individual than an earlier sheet",
                    expected="one answer an individual",
                )
    return sheet


def labelled(files: GenotypeFiles, sheet: Sheet, complete: bool) -> GenotypeFiles:
    """`files` with what the sheet says of their individuals; a sheet that says nothing of them
    changes nothing.
    """
    individuals = files.individuals
    missing = [individual for individual in individuals.id if individual not in sheet]
    if not sheet or (len(missing) == len(individuals) and not complete):
        return files
    if missing:
        raise InputError(
            "--samples", f"some samples of the {files.label} files are in no sheet",
            expected="everybody" if complete else "all synthetic samples or none",
            remedy="add their rows",
        )  # fmt: skip
    columns = zip(*(sheet[individual] for individual in individuals.id), strict=True)
    return files.with_individuals(Individuals(individuals.id, *map(list, columns)))


def require_individuals(files: GenotypeFiles, fewest: int) -> None:
    """An InputError where there are fewer than `fewest`."""
    n = len(files.individuals)
    if n < fewest:
        raise InputError(files.label, f"has {individuals_count(n)}", expected=f"at least {fewest}")
