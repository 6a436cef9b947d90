"""Redraw synthetic individuals who come too close to a training individual, before their files are
written.

Works on the cohort sheet: an individual who is too close gets another seed, derived from the old
one and the attempt, so that the same sheet and models always end with the same individuals, and
`generate` makes of the new sheet what it makes of any.
"""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from genoloom.cohort import Cohort
from genoloom.config import RedrawOptions
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.cohort_sheets import COLUMNS, read_cohort
from genoloom.formats.pgen import open_panel, panel_files
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_table, write_table
from genoloom.models.haplotype.admixture import check_populations, make_plan
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.load import load_generator
from genoloom.panel import Panel, Sites
from genoloom.privacy.redraw import closest_allowed, squared_distances
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import match_sites, read_rows

log = logging.getLogger(__name__)

SHARD = 500  # individuals sampled at a time
SITES = 4096


def redraw(
    *,
    models: list[Path],
    cohort: Path,
    panels: list[Path],
    split: Path,
    out: Path,
    summary: Path,
    options: RedrawOptions,
    threads: int,
) -> None:
    """Write the cohort sheet `out`, in which nobody is too close, and what was redrawn (JSON).

    Too close: nearer to a training individual, over all contigs together, than all but
    `options.closer_than` of the training individuals are to their nearest other training
    individual. The holdout is not looked at.

    Raises
    ------
    InputError
        Somebody is still too close after `options.attempts` draws; a contig has no panel; or files
        do not belong together.
    """
    read = {f"model/{path.name}": path for path in models}
    read |= {f"panel/{path.name}": path for prefix in panels for path in panel_files(prefix)}
    record = Making("redraw", read | {"cohort": cohort, "split": split})
    torch.set_num_threads(threads)
    asked, rows = read_cohort(cohort), read_table(cohort)
    if asked.has_families:
        raise InputError(
            cohort, "has families, which cannot be redrawn", expected="unrelated individuals",
            remedy="make it with `genoloom cohort --children 0`",
        )  # fmt: skip
    contigs = _open(models, panels, split)
    for path, (generator, _, _) in zip(models, contigs, strict=True):
        check_populations(path, asked, generator)
    limit = _limit(contigs, options.closer_than)
    seeds, redrawn, draws = list(asked.seed), set(), 0
    pending = np.arange(len(rows))
    for attempt in range(options.attempts + 1):
        nearest = _nearest(_of(asked, seeds, pending), contigs)
        pending = pending[nearest < limit]
        if len(pending) == 0:
            break
        if attempt == options.attempts:
            raise InputError(
                cohort,
                f"{len(pending)} synthetic individuals are too close to training individuals after "
                f"{attempt} more draws",
                expected="models that do not repeat training individuals",
                remedy="train with more regularisation, or allow more attempts",
            )
        for i in pending:
            seeds[i] = derive_seed(asked.seed[i], "redraw", attempt + 1)
        redrawn.update(pending.tolist())
        draws += len(pending)
    with write_beside(summary) as [part]:
        found = {
            "individuals": len(rows),
            "redrawn": len(redrawn),
            "draws": draws,
            "options": options.model_dump(),
        }
        part.write_text(json.dumps(found, indent=2) + "\n")
    write_table(out, COLUMNS, [row | {"seed": seed} for row, seed in zip(rows, seeds, strict=True)])
    facts = {"individuals": len(rows), "redrawn": len(redrawn)}
    record.write(record_path(out.with_suffix("")), [out, summary], options, facts=facts)
    log.info(
        "%d of %d synthetic individuals were too close and redrawn, in %d draws",
        len(redrawn),
        len(rows),
        draws,
    )


# a model, its sites, and the training individuals at them
Contig = tuple[HaplotypeGenerator, Sites, Panel]


def _open(models: list[Path], panels: list[Path], split: Path) -> list[Contig]:
    real_of = {panel.sites.contig: panel for panel in map(open_panel, panels)}
    contigs = []
    for path in models:
        generator, sites, _ = load_generator(path)
        if sites.contig not in real_of:
            raise InputError(
                path,
                f"there is no panel of contig {sites.contig}",
                expected=f"one of {', '.join(real_of)}",
            )
        real = real_of[sites.contig]
        _, matched = match_sites(Panel(sites, real.individuals, real.haplotypes), real)
        roles = read_roles(split, real.individuals)
        contigs.append(
            (
                generator,
                sites,
                matched.take_individuals(np.array([role == "train" for role in roles])),
            )
        )
    return contigs


def _limit(contigs: list[Contig], share: float) -> float:
    individuals = contigs[0][2].individuals
    within = np.zeros((len(individuals), len(individuals)), dtype=np.float32)
    for _, sites, training in contigs:
        for start in range(0, len(sites), SITES):
            alleles = read_rows(
                training, np.arange(len(individuals)), start, min(start + SITES, len(sites))
            )
            within += squared_distances(alleles, alleles)
    return closest_allowed(within, individuals.family, share)


def _of(asked: Cohort, seeds: list[int], individuals: np.ndarray) -> Cohort:
    """Some individuals of the cohort, with the seeds they have now."""
    return replace(asked, seed=seeds).take(individuals)


def _nearest(asked: Cohort, contigs: list[Contig]) -> np.ndarray:
    """Squared distance of each synthetic individual to the nearest training individual, float32,
    shape (n_individuals,).
    """
    n = len(asked.seed)
    everybody = np.arange(len(contigs[0][2].individuals))
    nearest = np.empty(n, dtype=np.float32)
    plans = [make_plan(asked, sites, generator) for generator, sites, _ in contigs]
    for low in range(0, n, SHARD):
        high = min(low + SHARD, n)
        distance = np.zeros((high - low, len(everybody)), dtype=np.float32)
        for (generator, _, training), plan in zip(contigs, plans, strict=True):
            start = 0
            for alleles in plan.sample(generator, 2 * low, 2 * high):
                distance += squared_distances(
                    alleles, read_rows(training, everybody, start, start + len(alleles))
                )
                start += len(alleles)
        nearest[low:high] = distance.min(axis=1)
    return nearest
