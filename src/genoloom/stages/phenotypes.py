"""Phenotypes for a panel: draw a structural model or take one that was drawn, and apply it."""

import logging
import tempfile
from pathlib import Path

import numpy as np

from genoloom.disclosure import individuals_count
from genoloom.formats.phenotype_tables import PRIVATE, write_plink2, write_regenie
from genoloom.formats.plink import SUFFIXES
from genoloom.formats.plink_tables import read_identities
from genoloom.formats.private_directories import PRIVATE as PRIVATE_PLACES
from genoloom.formats.private_directories import close_directory
from genoloom.formats.tables import write_table
from genoloom.formats.trait_sheets import (
    PlantedEffects,
    read_planted_effects,
    read_trait_sheet,
    write_planted_effects,
)
from genoloom.formats.variant_header import real_path
from genoloom.panel import Individuals
from genoloom.panels.genotypes import labelled, read_genotypes, read_sheets
from genoloom.panels.trait_architecture import (
    centred_values,
    component_scores,
    covariates,
    draw_planted_effects,
    realised,
)

log = logging.getLogger(__name__)


def phenotypes(
    *, variants: list[Path], effects: Path, out: Path, traits: Path | None = None,
    samples: list[Path] | None = None, seed: int = 1,
) -> None:  # fmt: skip
    """Write phenotypes and covariates of all individuals of `variants`, and how they came about.

    Parameters
    ----------
    variants : list of Path
        VCF, BCF, .pgen or .bed; one contig is in one file.
    effects : Path
        Effects to write where `traits` is given, else to take.
    out : Path
        Prefix: .pheno and .covar (plink2), .regenie.pheno and .regenie.covar, .truth.tsv. They name
        individuals and are closed to others (mode 0600).
    traits : Path, optional
        Trait sheet; effects are drawn on these individuals.
    samples : list of Path, optional
        Sheets with populations, sexes and families.
    seed : int
        Of effects, covariates, noise and missing values.

    Raises
    ------
    InputError, ConfigError
        A file is missing or damaged, the sheet has problems, or its sites are not in the panel.
    """
    source = effects if traits is None else traits
    planted = read_planted_effects(effects) if traits is None else None
    sheet = read_trait_sheet(traits) if planted is None else planted.sheet
    with tempfile.TemporaryDirectory(prefix="genoloom-") as folder:
        files = read_genotypes("panel", variants, Path(folder) / "panel")
        files = labelled(files, read_sheets(samples or []), complete=bool(samples))
        columns = covariates(files.individuals, sheet, seed)
        if planted is None:
            planted = draw_planted_effects(files, sheet, source, seed, columns)
        columns |= component_scores(files, planted.axes, planted.loadings)
        genetic = centred_values(files, planted, source)
    individuals = files.individuals
    if any(place.name in PRIVATE_PLACES for place in out.absolute().parents):
        close_directory(out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    if traits is not None:
        effects.parent.mkdir(parents=True, exist_ok=True)
        write_planted_effects(effects, planted)
    values, parts = realised(individuals, planted, columns, genetic, seed)
    names = identities(variants[0], individuals)
    binary = {trait.name for trait in planted.sheet.traits if trait.type == "binary"}
    write_plink2(Path(f"{out}.pheno"), names, values, binary)
    write_regenie(Path(f"{out}.regenie.pheno"), names, values)
    write_plink2(Path(f"{out}.covar"), names, columns, set())
    write_regenie(Path(f"{out}.regenie.covar"), names, columns)
    named = zip(individuals.id, individuals.population, strict=True)
    rows = [
        {"individual": name, "population": population}
        | {key: float(x[i]) for key, x in parts.items()}
        for i, (name, population) in enumerate(named)
    ]
    table = Path(f"{out}.truth.tsv")
    write_table(table, ["individual", "population", *parts], rows)
    table.chmod(PRIVATE)
    _say(planted, parts, len(individuals))


def identities(variants: Path, individuals: Individuals) -> list[tuple[str, str]]:
    """FID and IID of each individual, as plink2 takes them: FID 0 where there is none."""
    path = real_path(variants)
    if path.suffix not in SUFFIXES:
        return [("0", name) for name in individuals.id]
    return read_identities(path.with_suffix(".fam" if path.suffix == ".bed" else ".psam"))


def _say(planted: PlantedEffects, parts: dict[str, np.ndarray], n: int) -> None:
    for trait in planted.sheet.traits:
        genetic, shift, whole = (
            parts[f"{trait.name}_{part}"] for part in ("genetic", "environment", "liability")
        )  # fmt: skip
        total = np.var(whole - shift)
        share = np.var(genetic) / total if total else 0.0
        log.info("%s: %s, realised heritability %.3f", trait.name, individuals_count(n), share)
