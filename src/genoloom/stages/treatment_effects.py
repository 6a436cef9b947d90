"""How well individual treatment effects are learned from synthetic individuals: a planted trial."""

import json
import logging
from collections import Counter
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.tables import write_records
from genoloom.medicine_config import TrialOptions
from genoloom.panels.comparands import open_roles
from genoloom.panels.genotypes import GenotypeFiles, require_individuals
from genoloom.panels.star_alleles import call_gene, carriers, without_variants
from genoloom.task_rows import EffectRow
from genoloom.treatment.cyp2c19 import GENE, NAMES, VARIANTS, call_diplotypes, plant
from genoloom.treatment.star_alleles import read_genes
from genoloom.treatment.study import CONTROLS, REAL, Group, diplotype_rows, effect_rows
from genoloom.treatment.warfarin import WarfarinGenotypes

log = logging.getLogger(__name__)

FEWEST = 100  # individuals in each role


def treatment_effects(
    *, comparands: dict, build: str | None, out: Path, summary: Path | None, options: TrialOptions,
    seed: int,
) -> None:  # fmt: skip
    """Write the table of scores, one row for each data set, learner, metric and group.

    Parameters
    ----------
    comparands : dict
        Real and synthetic files, as `open_comparands` takes them.
    build : str, optional
        GRCh37 or GRCh38, of all files; not needed where the options plant a modifier.
    summary : Path, optional
        JSON: options, defining variants that the synthetic files have and lack, and phenotype
        frequencies of the synthetic individuals.

    Raises
    ------
    InputError
        The files have no defining variant of CYP2C19, or lack the planted one; there are fewer than
        100 individuals; or neither a build nor a modifier is given.
    """
    warfarin = options.outcome == "warfarin"
    if warfarin and options.modifier is not None:
        raise InputError(
            "--modifier", "cannot be given with --outcome warfarin",
            expected="one of both: doses follow from CYP2C9 and VKORC1",
        )  # fmt: skip
    if build is None and options.modifier is None:
        raise InputError(
            "options", "neither --build nor --modifier is given",
            expected="the build, for CYP2C19, or a variant to plant",
        )  # fmt: skip
    with open_roles(**comparands) as files:
        groups, known = {}, {}
        for role, own in files.items():
            if warfarin:
                groups[role], known[role] = read_warfarin(own, build)
            elif options.modifier:
                groups[role], known[role] = read_planted(own, options.modifier)
            else:
                groups[role], known[role] = read_group(own, build)
    rows = effect_rows(**groups, options=options, seed=seed)
    rows += diplotype_rows(**groups)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_records(out, EffectRow, rows)
    if summary is not None:
        counts = Counter(groups["synthetic"].diplotypes.phenotype)
        total = len(groups["synthetic"].diplotypes)
        content = {
            "gene": "CYP2C9, VKORC1" if warfarin else None if options.modifier else GENE.name,
            "build": build, "seed": seed,
            "options": options.model_dump(), "variants_found": known["synthetic"],
            "variants_lost": [name for name in known["train"] if name not in known["synthetic"]],
            "synthetic_phenotypes": {k: n / total for k, n in sorted(counts.items())},
        }  # fmt: skip
        with write_beside(summary) as [part]:
            part.write_text(json.dumps(content, indent=2) + "\n")
    _say(rows)


def read_group(files: GenotypeFiles, build: str) -> tuple[Group, list[str]]:
    """The star alleles of everybody, and the defining variants that the files have.

    Raises
    ------
    InputError
        There is none, or there are fewer than 100 individuals.
    """
    require_individuals(files, FEWEST)
    carried, known = carriers(files, GENE.contig, VARIANTS[build])
    if not known.any():
        raise without_variants(files, GENE, build)
    if files.unphased:
        log.warning("%s: calls without phase are taken in the order of the file", files.label)
    names = [name for name, there in zip(NAMES, known, strict=True) if there]
    log.info("%s: %d of %d variants of %s", files.label, len(names), len(NAMES), GENE.name)
    called = call_diplotypes(carried, known)
    return Group(called, files.individuals.population), names


def read_warfarin(files: GenotypeFiles, build: str) -> tuple[Group, list[str]]:
    """Star alleles of CYP2C9 and VKORC1 of everybody, and the defining variants of the files.

    Raises
    ------
    InputError
        Of a gene there is none, or there are fewer than 100 individuals.
    """
    require_individuals(files, FEWEST)
    calls, names = [], []
    for name in ("CYP2C9", "VKORC1"):
        gene = read_genes()[name]
        called, found = call_gene(files, gene, build)
        if not found:
            raise without_variants(files, gene, build)
        calls.append(called)
        names += found
    return Group(WarfarinGenotypes.of(*calls), files.individuals.population), names


def read_planted(files: GenotypeFiles, modifier: str) -> tuple[Group, list[str]]:
    """Copies of a planted variant of everybody, and its name.

    Raises
    ------
    InputError
        The files do not have it, or there are fewer than 100 individuals.
    """
    require_individuals(files, FEWEST)
    contig, position, ref, alt = modifier.split(":")
    panel = files.panels.get(contig.removeprefix("chr"))
    rows = {} if panel is None else {key: i for i, key in enumerate(panel.sites.keys())}
    straight, swapped = ((int(position), *pair) for pair in ((ref, alt), (alt, ref)))
    row = rows.get(straight, rows.get(swapped))
    if row is None:
        raise InputError(
            files.label, f"has no variant {modifier}", expected="the planted variant in all files",
            remedy="give another --modifier",
        )  # fmt: skip
    alleles = panel.haplotypes.read(row, row + 1)[0]
    carried = alleles == (1 if straight in rows else 0)
    return Group(plant(carried), files.individuals.population), [modifier]


def _say(rows: list[EffectRow]) -> None:
    for row in rows:
        if row.metric == "root_pehe_ratio" and row.data != REAL:
            name = row.data + (" (negative control)" if row.data in CONTROLS else "")
            log.info("%s, %s: root PEHE %.2f of real", name, row.learner, row.value)
