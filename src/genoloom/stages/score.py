"""Log-likelihood of phased individuals under a model: per haplotype, per block, and where two
haplotypes may be joined wrongly.
"""

import logging
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from genoloom.errors import InputError
from genoloom.formats.tables import write_table
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.load import load_generator
from genoloom.panel import Panel
from genoloom.panels.aligned import aligned_panel, population_labels

log = logging.getLogger(__name__)

HAPLOTYPE_COLUMNS = [
    "individual", "haplotype", "population", "sites_called", "log_likelihood", "bits_per_site",
    "z",
]  # fmt: skip
BLOCK_COLUMNS = [
    "individual", "haplotype", "first", "last", "sites_called", "log_likelihood",
    "bits_per_site",
]  # fmt: skip
SWITCH_COLUMNS = ["individual", "position", "log_odds"]
MIN_REFERENCE = 10  # haplotypes of one population per z


def score(
    *,
    model: Path,
    variants: Path,
    out: Path,
    samples: Path | None = None,
    blocks: Path | None = None,
    switch_errors: Path | None = None,
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
    switch_errors : Path, optional
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
    if (blocks or switch_errors) and not generator.scores_blocks:
        raise InputError(
            model,
            f"is a '{name}', which scores whole haplotypes only",
            remedy="leave out --blocks and --switch-errors",
        )
    with tempfile.TemporaryDirectory(dir=_folder(out)) as folder:
        panel = aligned_panel(variants, sites, Path(folder) / "aligned")
        population = np.repeat(
            population_labels(samples, panel.individuals, generator, variants), 2
        )
        names = [*generator.population_names, "unlabelled"]
        called = sum((alleles >= 0).sum(axis=0) for _, _, alleles in panel.blocks())
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
        if switch_errors:
            _write(switch_errors, SWITCH_COLUMNS, list(_switch_rows(generator, panel, population)))
    log.info(
        "%s: %d haplotypes scored, median %.4f bits a called site",
        name,
        len(bits),
        float(np.median(bits)),
    )


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
