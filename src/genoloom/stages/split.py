"""Divide the individuals of a panel, once for all its contigs."""

import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from genoloom.config import SplitOptions
from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.pgen import open_panel, panel_files, read_psam
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.splits import write_split
from genoloom.formats.text import read_json
from genoloom.panel import Individuals, refuse_mixed_ploidies
from genoloom.panels.relatives import pedigree_pairs, relatives_of
from genoloom.ploidy import Ploidy
from genoloom.popgen.relatives import groups
from genoloom.splits import split_individuals

log = logging.getLogger(__name__)


def split(
    *, panels: list[Path], out: Path, summary: Path, options: SplitOptions, seed: int
) -> None:
    """Write the split table and the summary of the whole panel.

    Parameters
    ----------
    panels : list of Path
        Panel prefixes, one a contig; all must hold the same individuals in the same order.
    out, summary : Path
        The table, and the contigs' summaries in one JSON.

    Raises
    ------
    InputError
        The contigs differ in their individuals, or a population is too small.
    """
    pedigree = Path(options.pedigree) if options.pedigree else None
    read = {
        f"panel/{p.name}": p
        for prefix in panels
        for p in (*panel_files(prefix), Path(f"{prefix}.summary.json"))
    }
    read |= {"pedigree": pedigree} if pedigree else {}
    record = Making("split", read)
    sheets = [read_psam(panel_files(prefix)[2]) for prefix in panels]
    for prefix, sheet in zip(panels, sheets, strict=True):
        if sheet.id != sheets[0].id:
            raise InputError(
                panel_files(prefix)[2],
                f"has other individuals than {panel_files(panels[0])[2]}",
                expected="the same individuals on every contig",
                remedy="take the same samples on every contig: bcftools view -S; with "
                "drop-individuals, drop them from all files",
            )
    individuals = sheets[0]
    families, related = _families(panels, individuals, options.kinship, pedigree)
    roles = split_individuals(replace(individuals, family=families), options.holdout, seed)
    remedy = "make the panel again with `genoloom prepare`"
    contigs = [
        read_json(f"{prefix}.summary.json", ("records", "kept"), remedy) for prefix in panels
    ]
    counts = Counter(zip(individuals.population, roles, strict=True))
    merged = {
        "individuals": len(individuals),
        "roles": dict(sorted(Counter(roles).items())),
        "populations": {
            p: {r: counts[p, r] for r in ("train", "holdout")}
            for p in sorted(set(individuals.population))
        },
        "relatives": related,
        "records": sum(c["records"] for c in contigs),
        "sites": sum(c["kept"] for c in contigs),
        "contigs": contigs,
    }
    close_directory(summary.parent)
    close_directory(out.parent)
    with write_beside(summary) as [part]:
        part.write_text(json.dumps(merged, indent=2) + "\n")
    write_split(out, individuals, roles)
    named = options.model_copy(update={"pedigree": None})  # a path, which its digest replaces
    record.write(record_path(out.with_suffix("")), [out, summary], named, seed=seed)
    log.info(
        "%s train, %s are held out",
        individuals_count(roles.count("train")),
        individuals_count(roles.count("holdout")),
    )


def _families(
    panels: list[Path], individuals: Individuals, kinship: bool, pedigree: Path | None
) -> tuple[list[str], dict[str, str]]:
    """The family of each individual ("" for none), of sheet, pedigree and genotypes together.

    Also what is said of it: counts as they may be shown.
    """
    n, pairs, related = len(individuals), [], {}
    first: dict[str, int] = {}
    pairs += [(first.setdefault(name, i), i) for i, name in enumerate(individuals.family) if name]
    nodes = n
    if pedigree is not None:
        nodes, of_pedigree = pedigree_pairs(pedigree, individuals.id)
        pairs += of_pedigree
    opened = [open_panel(prefix, haploids=True) for prefix in panels]
    refuse_mixed_ploidies(panel_files(panels[0])[1], opened)
    if kinship and opened[0].sites.ploidy is not Ploidy.DIPLOID:
        log.info("split: no relatives are looked for: individuals are haploid")
    elif kinship and (found := relatives_of(opened, "split")):
        pairs += found.pairs.tolist()
        related["pairs_found_by_genotypes"] = individuals_count(len(found.pairs), "pairs")
    group = groups(nodes, pairs)[:n]
    size = np.bincount(group, minlength=nodes)[group]
    if (size > 1).any():
        related["individuals_with_relatives"] = individuals_count(int((size > 1).sum()))
        log.info(
            "split: %s have relatives in the panel and stay on one side with them",
            related["individuals_with_relatives"],
        )
    return [
        f"group {g}" if k > 1 else "" for g, k in zip(group.tolist(), size.tolist(), strict=True)
    ], related
