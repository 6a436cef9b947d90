"""Phenotypes for a panel: draw a structural model or take one that was drawn, and apply it."""

import logging
import tempfile
from pathlib import Path

import numpy as np

from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.phenotype_tables import PRIVATE, SEX_CODES, write_plink2, write_regenie
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
from genoloom.popgen.phenotypes import individual_normals, individual_uniforms
from genoloom.stages.genotypes import GenotypeFiles, labelled, read_genotypes, read_sheets
from genoloom.stages.trait_architecture import (
    component_scores,
    covariate_part,
    draw_planted_effects,
    genetic_values,
)
from genoloom.traits import TraitSheet

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


def covariates(individuals: Individuals, sheet: TraitSheet, seed: int) -> dict[str, np.ndarray]:
    """Sex (1 male, 2 female; drawn where it is not known) and the covariates of the sheet.

    Each individual has the same values whoever else is there.
    """
    drawn = individual_uniforms(seed, individuals.id, "covariate", "sex") < 0.5
    drawn = np.where(drawn, SEX_CODES["female"], SEX_CODES["male"])
    sex = [SEX_CODES.get(own, other) for own, other in zip(individuals.sex, drawn, strict=True)]
    columns = {"sex": np.array(sex)}
    for name, model in sheet.covariates.items():
        if model.share is None:
            normal = individual_normals(seed, individuals.id, "covariate", name)
            columns[name] = model.mean + model.sd * normal
        else:
            uniform = individual_uniforms(seed, individuals.id, "covariate", name)
            columns[name] = (uniform < model.share).astype(float)
    return columns


def centred_values(files: GenotypeFiles, planted: PlantedEffects, source: Path) -> np.ndarray:
    """Genetic values less the mean of the individuals that effects were drawn on.

    A missing call, and a site that the files lack, count as the mean dosage of those individuals.

    Returns
    -------
    ndarray, float64, shape (n_traits, n_individuals)

    Raises
    ------
    InputError
        The files have none of the sites.
    """
    values, found = genetic_values(files, planted.sites, planted.effects)
    total = len(planted.sites)
    if total and not found:
        raise InputError(
            files.label, f"has none of the {total} causal sites of {source.name}",
            expected="the contigs, positions and alleles that effects were drawn on",
            remedy="check that both are of the same genome build",
        )  # fmt: skip
    if found < total:
        log.warning("%d of %d causal sites are not in the panel", total - found, total)
    return values - planted.centre[:, None]


def realised(
    individuals: Individuals,
    planted: PlantedEffects,
    columns: dict[str, np.ndarray],
    genetic: np.ndarray,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Phenotypes by trait (cases 1, controls 0; nan is missing), and all parts of liabilities."""
    sheet = planted.sheet
    root = np.linalg.cholesky(sheet.correlation("environmental"))
    normal = root @ np.stack(
        [individual_normals(seed, individuals.id, "noise", t) for t in sheet.names]
    )
    values, parts = {}, {}
    for k, trait in enumerate(sheet.traits):
        shift = np.array([trait.environment.get(name, 0.0) for name in individuals.population])
        own = {
            "genetic": genetic[k],
            "covariates": covariate_part(trait, sheet, columns),
            "environment": shift,
            "noise": np.sqrt(max(trait.noise_variance, 0.0)) * normal[k],
        }
        own["liability"] = sum(own.values())
        parts |= {f"{trait.name}_{name}": part for name, part in own.items()}
        if trait.type == "binary":
            value = (own["liability"] > planted.threshold[k]).astype(float)
        else:
            value = trait.mean + trait.sd * own["liability"]
        lost = individual_uniforms(seed, individuals.id, "missing", trait.name) < trait.missing
        values[trait.name] = np.where(lost, np.nan, value)
    return values, parts


def _say(planted: PlantedEffects, parts: dict[str, np.ndarray], n: int) -> None:
    for trait in planted.sheet.traits:
        genetic, shift, whole = (
            parts[f"{trait.name}_{part}"] for part in ("genetic", "environment", "liability")
        )  # fmt: skip
        total = np.var(whole - shift)
        share = np.var(genetic) / total if total else 0.0
        log.info("%s: %s, realised heritability %.3f", trait.name, individuals_count(n), share)
