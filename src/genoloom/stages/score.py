"""Log-likelihood of phased individuals under a model: per haplotype, per block, and where two
haplotypes may be joined wrongly.
"""

import logging
import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.names import check_individual_names
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.sheets import read_individuals
from genoloom.formats.tables import write_table
from genoloom.formats.variants import open_variants
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.load import load_generator
from genoloom.panel import Individuals, Panel, Sites

log = logging.getLogger(__name__)

HAPLOTYPE_COLUMNS = [
    "individual",
    "haplotype",
    "population",
    "sites_called",
    "log_likelihood",
    "bits_per_site",
    "z",
]
BLOCK_COLUMNS = [
    "individual",
    "haplotype",
    "first",
    "last",
    "sites_called",
    "log_likelihood",
    "bits_per_site",
]
SWITCH_COLUMNS = ["individual", "position", "log_odds"]
WRITE_SITES = 1024  # sites handed to the panel writer at a time
MIN_REFERENCE = 10  # haplotypes of one population behind a z


def score(
    *,
    model: Path,
    variants: Path,
    out: Path,
    samples: Path | None = None,
    blocks: Path | None = None,
    switches: Path | None = None,
    threads: int = 1,
) -> None:
    """Write the tables of scores. They name individuals and are closed to others (mode 0600).

    Sites of the model that the file lacks, and missing calls, are summed over; variants that the
    model does not know are counted and left out.

    Parameters
    ----------
    model : Path
        A model with a likelihood.
    variants : Path
        Phased VCF, BCF or .pgen that holds the model's contig. Heterozygous calls without phase
        count as missing.
    out : Path
        One row per haplotype; `z` is how far its bits a called site lie from the median of its
        population in the file, in robust standard deviations.
    samples : Path, optional
        Sheet of individuals, for their populations; a model that can score the unlabelled needs
        none.
    blocks : Path, optional
        One row per haplotype and block (`first`, `last`: 1-based positions).
    switches : Path, optional
        One row per individual and place between blocks (`position`, 1-based, begins the later
        block) at which both sides are heterozygous: the log-odds that the haplotypes are exchanged
        there.
    """
    torch.set_num_threads(threads)
    generator, sites, description = load_generator(model)
    name = description["generator"]
    if not generator.has_likelihood:
        raise InputError(
            model, f"is a '{name}', which has no likelihood", expected="such as a transformer"
        )
    if (blocks or switches) and not generator.scores_blocks:
        raise InputError(
            model,
            f"is a '{name}', which scores whole haplotypes only",
            remedy="leave out --blocks and --switches",
        )
    with tempfile.TemporaryDirectory(dir=_folder(out)) as folder:
        panel = aligned_panel(variants, sites, Path(folder) / "aligned")
        population = np.repeat(
            population_labels(samples, panel.individuals, generator, variants), 2
        )
        names = [*generator.population_names, "unlabelled"]
        called = _called(panel)
        total = np.zeros(2 * len(panel.individuals))
        if generator.scores_blocks:
            block_rows = []
            for where, scores in generator.block_log_likelihood(panel.haplotypes, population):
                total += scores
                if blocks:
                    block_rows += _block_rows(panel, where, scores)
            if blocks:
                _write(blocks, BLOCK_COLUMNS, block_rows)
        else:
            total = generator.log_likelihood(panel.haplotypes, population)
        bits = -total / np.maximum(called, 1) / math.log(2)
        z = robust_z(bits, population)
        rows = [
            {
                "individual": individual,
                "haplotype": h + 1,
                "population": names[population[2 * i + h]],
                "sites_called": called[2 * i + h],
                "log_likelihood": float(total[2 * i + h]),
                "bits_per_site": float(bits[2 * i + h]),
                "z": float(z[2 * i + h]),
            }
            for i, individual in enumerate(panel.individuals.id)
            for h in (0, 1)
        ]
        _write(out, HAPLOTYPE_COLUMNS, rows)
        if switches:
            _write(switches, SWITCH_COLUMNS, list(_switch_rows(generator, panel, population)))
    log.info(
        "%s: %d haplotypes scored, median %.4f bits a called site",
        name,
        len(bits),
        float(np.median(bits)),
    )


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
    individuals = Individuals(
        source.samples, ["unknown"] * len(source.samples), ["unknown"] * len(source.samples)
    )
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


def robust_z(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Distance from the group's median in units of 1.4826 x the median absolute deviation; nan in
    groups that are too small.
    """
    z = np.full(len(values), np.nan)
    for name in np.unique(group):
        inside = group == name
        centre = np.median(values[inside])
        spread = 1.4826 * np.median(np.abs(values[inside] - centre))
        if inside.sum() >= MIN_REFERENCE and spread > 0:
            z[inside] = (values[inside] - centre) / spread
    return z


def _called(panel: Panel) -> np.ndarray:
    """Called sites of each haplotype."""
    called = np.zeros(panel.haplotypes.n_haplotypes, dtype=np.int64)
    for _, _, alleles in panel.blocks():
        called += (alleles >= 0).sum(axis=0)
    return called


def _block_rows(panel: Panel, where: slice, scores: np.ndarray) -> list[dict]:
    called = (panel.haplotypes.read(where.start, where.stop) >= 0).sum(axis=0)
    first, last = (int(panel.sites.position[i]) for i in (where.start, where.stop - 1))
    return [
        {
            "individual": panel.individuals.id[i // 2],
            "haplotype": i % 2 + 1,
            "first": first,
            "last": last,
            "sites_called": int(called[i]),
            "log_likelihood": float(score),
            "bits_per_site": float(-score / called[i] / math.log(2)) if called[i] else None,
        }
        for i, score in enumerate(scores)
    ]


def _switch_rows(
    generator: HaplotypeGenerator, panel: Panel, population: np.ndarray
) -> Iterator[dict]:
    for variant, log_odds in generator.switch_log_odds(panel.haplotypes, population):
        for i in np.flatnonzero(log_odds):
            yield {
                "individual": panel.individuals.id[i],
                "position": int(panel.sites.position[variant]),
                "log_odds": float(log_odds[i]),
            }


def _folder(out: Path) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    return out.parent


def _write(path: Path, columns: list[str], rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, columns, rows)
    path.chmod(0o600)
