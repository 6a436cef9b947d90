"""The individuals of a genotype file as a model sees them: its sites and its populations."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.names import check_individual_names
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.sheets import read_individuals
from genoloom.formats.variants import open_variants
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import Individuals, Panel, Sites

log = logging.getLogger(__name__)

WRITE_SITES = 1024  # sites handed to the panel writer at a time


def aligned_panel(variants: Path, sites: Sites, prefix: Path) -> Panel:
    """The individuals of a genotype file at the sites of a model, kept at `prefix`; -1 at sites
    that the file lacks.

    Raises
    ------
    InputError
        The file cannot be read, or shares no site with the model.
    """
    source = open_variants(variants, sites.contig)
    check_individual_names(variants, source.samples)
    individuals = Individuals(source.samples)
    shared = unphased = 0
    with PanelWriter(prefix, individuals, sites.contig, sites.contig_length) as writer:
        for start in range(0, len(sites), WRITE_SITES):
            part = sites.take(slice(start, start + WRITE_SITES))
            if start == 0:
                rows = _matching_rows(source, sites, 2 * len(individuals))
            block = [next(rows) for _ in range(len(part))]
            shared += sum(found for _, found, _ in block)
            unphased += sum(n for _, _, n in block)
            writer.append(part, np.stack([alleles for alleles, _, _ in block]))
    if shared == 0:
        raise InputError(
            variants, f"shares no site of {sites.contig} with the model",
            expected="the positions and alleles that it was trained on"
        )  # fmt: skip
    log.info("%s: %d of the model's %d sites are in the file", sites.contig, shared, len(sites))
    if unphased:
        log.warning(
            "%s: %d heterozygous calls have no phase and count as missing", sites.contig, unphased
        )
    return open_panel(prefix)


def _matching_rows(
    source, sites: Sites, n_haplotypes: int
) -> Iterator[tuple[np.ndarray, bool, int]]:
    """For each site: alleles int8 (n_haplotypes,), whether the file has it, and its unphased
    heterozygous calls.
    """
    missing = np.full(n_haplotypes, -1, dtype=np.int8)
    records = source.records()
    here: list = []  # records at the present position
    ahead = next(records, None)
    for position, ref, alt in sites.keys():
        if not here or here[0].position != position:
            here = []
        while ahead is not None and ahead.position <= position:
            if ahead.position == position:
                # a panel is in upper case, and so is the model
                alts = [alt.upper() for alt in ahead.alts]
                here.append(replace(ahead, ref=ahead.ref.upper(), alts=alts))
            ahead = next(records, None)
        match = next((record for record in here if record.ref == ref and alt in record.alts), None)
        if match is None:
            yield missing, False, 0
            continue
        unknown = (match.alleles < 0) | np.repeat(match.unphased, 2)
        unknown |= np.repeat(unknown[0::2] | unknown[1::2], 2)  # a PGEN knows no half-missing call
        alleles = (match.alleles == 1 + match.alts.index(alt)).astype(np.int8)
        yield np.where(unknown, np.int8(-1), alleles), True, int(match.unphased.sum())


def population_labels(
    sheet: Path | None, individuals: Individuals, generator: HaplotypeGenerator, variants: Path
) -> np.ndarray:
    """Index of each individual's population in the model, -1 where it is not known."""
    known = generator.known_populations
    listed = read_individuals(sheet) if sheet is not None else {}
    named = [
        listed[individual][0] if individual in listed else None for individual in individuals.id
    ]
    labels = np.array([known.get(name, -1) for name in named])
    if len(generator.population_names) == 1 and sheet is None:
        labels[:] = 0
    strange = int((labels < 0).sum())
    if strange and not generator.scores_unlabelled:
        raise InputError(
            sheet or variants, f"{individuals_count(strange)} have no population that the model "
                               "knows",
            expected=f"one of {', '.join(known)}", remedy="give a sheet of individuals with "
                                                          "--samples",
        )  # fmt: skip
    if strange and sheet is not None:
        log.warning(
            "%s have no population that the model knows; they are scored without label",
            individuals_count(strange),
        )
    return labels
