"""Public panels: registered once, in a folder, with what they are and under which terms."""

import logging
import os
from collections import Counter
from pathlib import Path

from genoloom.config import PrepareOptions
from genoloom.config_sheets import check_name
from genoloom.errors import InputError
from genoloom.evidence.bundle import made_beside
from genoloom.formats.models import file_digest
from genoloom.formats.pgen import open_panel, panel_files
from genoloom.formats.plink_tables import raw_files
from genoloom.formats.public_panels import (
    RECORD,
    PublicContig,
    PublicPanel,
    read_public_panel,
    write_public_panel,
)
from genoloom.formats.variants import list_contigs
from genoloom.panels.public_panels import registered
from genoloom.stages.prepare import prepare

log = logging.getLogger(__name__)


def add_panel(
    *,
    name: str,
    folder: Path,
    variants: list[Path],
    samples: Path,
    source: str,
    terms: str,
    contigs: list[str],
    options: PrepareOptions,
    reference: Path | None = None,
    genetic_map: Path | None = None,
) -> None:
    """Prepare a public panel and write it to `{folder}/{name}`: all of it or nothing.

    Parameters
    ----------
    variants : list of Path
        Phased VCF, BCF or .pgen of the same individuals; each contig in one file.
    samples : Path
        Sheet of individuals, with their populations.
    source, terms : str
        Where the data come from, and under which terms they may be used.
    contigs : list of str
        Those to take; all where it is empty.

    Raises
    ------
    InputError
        The name is taken or none; a text is empty; a contig is missing or is listed twice; contigs
        differ in their individuals; or as `prepare`.
    """
    check_name("NAME", name)
    for flag, text in (("--source", source), ("--terms", terms)):
        if not text.strip():
            raise InputError(flag, "is empty", expected="a text that a reader can check")
    out = folder / name
    if out.exists():
        raise InputError(
            out, "is there already", remedy="choose another name, or remove that folder first"
        )
    places = _places(variants, contigs)
    roles = [raw_files(path) for path in variants]
    raw = {
        f"{role}/{i}": file_digest(path)
        for i, files in enumerate(roles, 1)
        for role, path in files.items()
    }
    given = {"samples": samples, "reference": reference, "map": genetic_map}
    raw |= {role: file_digest(path) for role, path in given.items() if path}
    with made_beside(out) as scratch:
        part = scratch / name
        found: dict[str, PublicContig] = {}
        individuals = None
        for contig, path in places.items():
            prefix = part / contig
            prepare(
                variants=path, contig=contig, out=prefix, options=options, samples=samples,
                reference=reference, genetic_map=genetic_map,
            )  # fmt: skip
            panel = open_panel(prefix)
            if individuals is not None and individuals.id != panel.individuals.id:
                raise InputError(
                    path,
                    f"contig {contig} has other individuals than {next(iter(places))}",
                    expected="the same individuals on every contig",
                    remedy="take the same samples of every file: bcftools view -S",
                )
            individuals = panel.individuals
            digests = {file.name: file_digest(file) for file in panel_files(prefix)}
            found[contig] = PublicContig(
                sites=len(panel.sites), length=panel.sites.contig_length, files=digests
            )
        populations = dict(sorted(Counter(individuals.population).items()))
        record = PublicPanel(
            name=name, source=source, terms=terms, populations=populations, contigs=found, raw=raw
        )
        write_public_panel(part / RECORD, record)
        os.replace(part, out)
    log.info("%s", describe(record))


def _places(variants: list[Path], contigs: list[str]) -> dict[str, Path]:
    """The file of each contig."""
    places: dict[str, Path] = {}
    for path in variants:
        for contig in list_contigs(path):
            if contigs and contig not in contigs:
                continue
            check_name(str(path), contig)
            if contig in places:
                raise InputError(
                    path,
                    f"holds contig '{contig}' as well as {places[contig]}",
                    expected="one file per contig",
                )
            places[contig] = path
    lacking = sorted(set(contigs) - set(places))
    if lacking or not places:
        raise InputError(
            variants[0],
            f"holds no records of contig '{lacking[0]}'" if lacking else "holds no records",
            expected="genotypes of every contig that is asked for",
            remedy="see its contigs with: bcftools index -s",
        )
    return places


def list_panels(folder: Path) -> list[str]:
    """A line about each panel that is registered in `folder`."""
    records = sorted(path.parent for path in folder.glob(f"[!.]*/{RECORD}"))
    return [describe(read_public_panel(place)) for place in records] or [
        f"No public panel is registered in {folder}; see genoloom panel add --help"
    ]


def show_panel(name: str, folder: Path) -> str:
    """All that is recorded of a panel, after its files were compared with their digests."""
    record = registered(folder, name)
    length = {c: f", {p.length:,} bp" if p.length else "" for c, p in record.contigs.items()}
    return "\n".join(
        [
            describe(record),
            f"source: {record.source}",
            f"terms: {record.terms}",
            "populations: " + ", ".join(f"{p} {n}" for p, n in record.populations.items()),
            *(f"contig {c}: {p.sites:,} sites{length[c]}" for c, p in record.contigs.items()),
            "All files are as they were registered.",
        ]
    )


def describe(record: PublicPanel) -> str:
    """A panel in one line."""
    sites = sum(part.sites for part in record.contigs.values())
    return (
        f"{record.name}: {record.individuals:,} individuals of {len(record.populations)} "
        f"populations, {sites:,} sites on {len(record.contigs)} "
        f"contig{'s' if len(record.contigs) > 1 else ''}"
    )
