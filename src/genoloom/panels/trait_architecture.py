"""The structural model of phenotypes, drawn on the individuals of a panel."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.phenotype_tables import SEX_CODES
from genoloom.formats.scoring_files import Weights, read_causal_sites, read_scoring_file
from genoloom.formats.trait_sheets import PlantedEffects, SiteTable
from genoloom.panel import Individuals, Sites, allele_counts
from genoloom.panels.genotypes import GenotypeFiles
from genoloom.popgen.phenotypes import (
    calibration,
    drawn_effects,
    individual_normals,
    individual_uniforms,
    liability_threshold,
    population_effects,
)
from genoloom.popgen.structure import top_components
from genoloom.seeds import derive_seed
from genoloom.traits import Trait, TraitSheet
from genoloom.validation.site_matching import match_to

log = logging.getLogger(__name__)

BLOCK = 2048  # sites read at a time
AXES_SITES, AXES_MAF = 2000, 0.05  # of the principal components: evenly spaced common sites


def dosage_blocks(
    files: GenotypeFiles, sites: SiteTable
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:  # fmt: skip
    """Alternate alleles at the sites of a table, block by block.

    Yields
    ------
    rows : ndarray of int, shape (n_rows,)
        Of the table.
    dosage : ndarray, float64, shape (n_rows, n_individuals)
        Twice the table's frequency where a call is missing or the files lack the site.
    there : ndarray of bool, shape (n_rows,)
        The files have the site.
    """
    by_contig: dict[str, list[int]] = defaultdict(list)
    for row, contig in enumerate(sites.contig):
        by_contig[contig].append(row)
    n = len(files.individuals)
    for contig, members in by_contig.items():
        every = np.array(members)
        index, swapped = np.full(len(every), -1), np.zeros(len(every), dtype=bool)
        panel = files.panels.get(contig)
        if panel is not None:
            match = match_to(_as_sites(contig, sites, every), panel.sites, files.alleles_unordered)
            index, swapped = match.index, match.swapped
        order = np.argsort(index, kind="stable")
        every, index, swapped = every[order], index[order], swapped[order]
        # the sites of a block are near each other in the file; those that it lacks come first
        block = np.where(index < 0, -1 - np.arange(len(every)) // BLOCK, index // BLOCK)
        for part in np.split(np.arange(len(every)), np.flatnonzero(np.diff(block)) + 1):
            rows, at = every[part], index[part]
            dosage = np.repeat(2 * sites.frequency[rows][:, None], n, axis=1)
            if at[0] >= 0:
                alleles = panel.haplotypes.read(int(at[0]), int(at[-1]) + 1)[at - at[0]]
                flip = swapped[part][:, None] & (alleles >= 0)
                alleles = np.where(flip, 1 - alleles, alleles)
                first, second = alleles[:, 0::2], alleles[:, 1::2]
                called = (first >= 0) & (second >= 0)
                dosage = np.where(called, first + second, dosage)
            yield rows, dosage, at >= 0


def _as_sites(contig: str, sites: SiteTable, rows: np.ndarray) -> Sites:
    texts = [np.array([column[i] for i in rows], dtype=object) for column in (sites.ref, sites.alt)]
    nothing = np.full(len(rows), np.nan)
    names = np.full(len(rows), ".", dtype=object)
    return Sites(contig, sites.position[rows], *texts, names, nothing)


def draw_planted_effects(
    files: GenotypeFiles, sheet: TraitSheet, path: Path, seed: int, columns: dict[str, np.ndarray]
) -> PlantedEffects:  # fmt: skip
    """Draw causal sites and effects, and scale them so that each trait has its heritability, and
    each pair its genetic correlation, among all individuals of the files.

    Parameters
    ----------
    path : Path
        Of the sheet; files that it names are relative to it.
    columns : dict of ndarray
        Covariates of the individuals, without principal components.

    Raises
    ------
    InputError
        Sites of a file are not in the panel, too few sites can be drawn, causal sites do not vary,
        or a file is of another build.
    """
    if len(files.individuals) < 2:
        expected = "two or more, on whom effects are scaled"
        raise InputError(files.label, "has one individual", expected=expected)
    whole = _all_sites(files)
    axes, loadings = _axes(files, whole, sheet.components)
    names = {name for trait in sheet.traits for name in trait.population_effects}
    shifted = {name for trait in sheet.traits for name in trait.environment}
    if strange := sorted((names | shifted) - set(files.individuals.population)):
        raise InputError(
            path, f"names the population '{strange[0]}', which nobody has",
            expected=", ".join(sorted(set(files.individuals.population))),
            remedy="give a sheet of the samples' populations with --samples",
        )  # fmt: skip
    shape = (len(sheet.traits), len(whole))
    effects = {name: np.zeros(shape) for name in ("", *sorted(names))}
    for group in sheet.groups():
        _draw_group(files, sheet, group, whole, effects, path, seed)
    kept = np.flatnonzero(np.any([(e != 0).any(axis=0) for e in effects.values()], axis=0))
    sites = _take(whole, kept)
    effects = {name: e[:, kept] for name, e in effects.items()}
    n = len(sheet.traits)
    planted = PlantedEffects(sheet, sites, effects, np.zeros(n), np.full(n, np.nan), axes, loadings)
    values, _ = genetic_values(files, sites, effects)
    for group in sheet.groups():
        spread = np.sqrt([sheet.traits[k].heritability for k in group])
        target = sheet.correlation("genetic")[np.ix_(group, group)] * np.outer(spread, spread)
        if target.max() == 0:
            for own in effects.values():
                own[group] = 0
            continue
        try:
            scale = calibration(values[group], target)
        except (ValueError, np.linalg.LinAlgError):
            named = ", ".join(sheet.traits[k].name for k in group)
            raise InputError(
                path, f"{named}: the causal sites do not vary enough in the panel",
                expected=f"at least {len(group)} causal sites that vary",
            ) from None  # fmt: skip
        for own in effects.values():
            own[group] = scale @ own[group]
    values, _ = genetic_values(files, sites, effects)
    planted.centre[:] = values.mean(axis=1)
    columns = columns | component_scores(files, axes, loadings)
    for k, trait in enumerate(sheet.traits):
        if trait.type == "binary":
            shift = [trait.environment.get(name, 0.0) for name in files.individuals.population]
            mean = values[k] - planted.centre[k] + covariate_part(trait, sheet, columns) + shift
            noise = np.sqrt(max(trait.noise_variance, 0.0))
            planted.threshold[k] = liability_threshold(mean, noise, trait.prevalence)
    return planted


def covariate_part(trait: Trait, sheet: TraitSheet, columns: dict[str, np.ndarray]) -> np.ndarray:
    """What covariates add to a liability: slopes on covariates in standard deviations of their
    model; float64, shape (n_individuals,).
    """
    total = np.zeros(len(columns["sex"]))
    for name, slope in trait.covariates.items():
        if name == "sex":
            standard = 2 * columns[name] - 3
        elif name in sheet.covariates:
            model = sheet.covariates[name]
            mean = model.mean if model.share is None else model.share
            sd = model.sd if model.share is None else np.sqrt(model.share * (1 - model.share))
            standard = (columns[name] - mean) / sd
        else:  # a principal component
            standard = columns[name]
        total += slope * standard
    return total


def _all_sites(files: GenotypeFiles) -> SiteTable:
    tables = []
    for contig, panel in files.panels.items():
        alternate, called = allele_counts(panel)
        frequency = alternate / np.maximum(called, 1)
        tables.append((contig, panel.sites, frequency))
    return SiteTable(
        [contig for contig, own, _ in tables for _ in range(len(own))],
        np.concatenate([own.position for _, own, _ in tables]),
        [str(text) for _, own, _ in tables for text in own.ref],
        [str(text) for _, own, _ in tables for text in own.alt],
        np.concatenate([frequency for _, _, frequency in tables]),
    )


def _take(sites: SiteTable, rows: np.ndarray) -> SiteTable:
    texts = ([column[i] for i in rows] for column in (sites.contig, sites.ref, sites.alt))
    contig, ref, alt = texts
    return SiteTable(contig, sites.position[rows], ref, alt, sites.frequency[rows])


def genetic_values(
    files: GenotypeFiles, sites: SiteTable, effects: dict[str, np.ndarray]
) -> tuple[np.ndarray, int]:  # fmt: skip
    """Genetic values by the effects of each individual's population, not centred, float64, shape
    (n_traits, n_individuals); and how many of the sites the files have.
    """
    values = {name: np.zeros((len(e), len(files.individuals))) for name, e in effects.items()}
    found = 0
    for rows, dosage, there in dosage_blocks(files, sites):
        found += int(there.sum())
        for name, own in effects.items():
            values[name] += own[:, rows] @ dosage
    population = files.individuals.population
    chosen = [values.get(p, values[""])[:, i] for i, p in enumerate(population)]
    return np.stack(chosen, axis=1), found


def _draw_group(
    files: GenotypeFiles, sheet: TraitSheet, group: list[int], whole: SiteTable,
    effects: dict[str, np.ndarray], path: Path, seed: int,
) -> None:  # fmt: skip
    """Fill in the effects of traits that are correlated, not yet scaled."""
    first = sheet.traits[group[0]]
    names = [sheet.traits[k].name for k in group]
    rng = np.random.default_rng(derive_seed(seed, "effects", *names))
    given = None
    if first.causal.file or first.causal.score:
        rows, given = _given(files, sheet, first, whole, path)
    else:
        rows = _drawn_sites(first, whole, path, rng)
    if given is not None and len(group) > 1:
        raise InputError(
            path, f"{first.name}: {first.causal.file} gives effects: no correlation can be drawn",
            remedy="leave out its column 'effect', or the correlation",
        )  # fmt: skip
    frequency = whole.frequency[rows]
    varies = (frequency > 0) & (frequency < 1)
    rows, frequency = rows[varies], frequency[varies]
    if given is not None:
        own = given[varies][None, :]
    else:
        correlation = sheet.correlation("genetic")[np.ix_(group, group)]
        own = drawn_effects(rng, frequency, first.alpha, correlation)
    for name, target in effects.items():
        for at, k in enumerate(group):
            r = sheet.traits[k].population_effects.get(name, 1.0)
            target[k, rows] = own[at] if r == 1 else population_effects(rng, own[at : at + 1], r)[0]


def _drawn_sites(
    trait: Trait, whole: SiteTable, path: Path, rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    causal = trait.causal
    maf = np.minimum(whole.frequency, 1 - whole.frequency)
    open_to = np.flatnonzero((maf >= causal.min_maf) & (maf <= causal.max_maf) & (maf > 0))
    number = causal.number or max(1, round(causal.share * len(open_to)))
    if number > len(open_to):
        raise InputError(
            path, f"{trait.name}: {number} causal sites are asked for, {len(open_to)} can be drawn",
            expected=f"sites with a MAF from {causal.min_maf:g} to {causal.max_maf:g}",
        )  # fmt: skip
    return np.sort(rng.choice(open_to, number, replace=False))


def _given(
    files: GenotypeFiles, sheet: TraitSheet, trait: Trait, whole: SiteTable, path: Path
) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows of the panel's sites that a file names, and effects on their alternate alleles."""
    causal = trait.causal
    file = path.parent / (causal.score or causal.file)
    weights = read_scoring_file(file) if causal.score else read_causal_sites(file)
    if causal.score:
        _check_build(file, weights, sheet, path)
    at: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row, place in enumerate(zip(whole.contig, whole.position.tolist(), strict=True)):
        at[place].append(row)
    counts: Counter = Counter()
    found: dict[int, float | None] = {}
    for weight in weights.rows:
        here = at.get((weight.contig, weight.position), [])
        match = None
        for row in here:
            pair = whole.ref[row].upper(), whole.alt[row].upper()
            if weight.effect_allele in pair:
                sign = 1 if weight.effect_allele == pair[1] else -1
                if weight.other_allele in (None, pair[0] if sign == 1 else pair[1]):
                    match = row, sign
                    break
        if match is None:
            counts["alleles" if here else "absent"] += 1
        elif match[0] in found:
            counts["twice"] += 1
        else:
            found[match[0]] = None if weight.weight is None else match[1] * weight.weight
    total = len(weights.rows) + weights.unplaced
    said = ", ".join(_reasons(counts, weights.unplaced)) or "all usable"
    if not found or len(found) / total < causal.min_overlap:
        raise InputError(
            file, f"{len(found)} of its {total} sites are in the panel ({said})",
            expected=f"a share of {causal.min_overlap:g}, the sheet's min_overlap",
            remedy="check the genome build of both, or lower min_overlap",
        )  # fmt: skip
    log.info("%s: %d of %d sites are in the panel; %s", file.name, len(found), total, said)
    rows = np.array(sorted(found))
    given = [found[row] for row in rows.tolist()]
    return rows, None if given[0] is None else np.array(given)


def _reasons(counts: Counter, unplaced: int) -> list[str]:
    named = {
        "at positions that it lacks": counts["absent"], "with other alleles": counts["alleles"],
        "twice": counts["twice"], "without position": unplaced,
    }  # fmt: skip
    return [f"{n} {what}" for what, n in named.items() if n]


def _check_build(file: Path, weights: Weights, sheet: TraitSheet, path: Path) -> None:
    if sheet.build is None:
        raise InputError(
            path, "uses a scoring file and does not say the genome build of the panel",
            expected="build: GRCh37 or build: GRCh38",
        )  # fmt: skip
    if weights.build != sheet.build:
        raise InputError(
            file, f"is of {weights.build or 'no named build'}, the trait sheet of {sheet.build}",
            expected="one build", remedy=f"take the catalog's file for {sheet.build}",
        )  # fmt: skip


def _axes(files: GenotypeFiles, whole: SiteTable, components: int) -> tuple[SiteTable, np.ndarray]:
    """Sites and loadings of principal components: scores have variance 1 in these individuals."""
    maf = np.minimum(whole.frequency, 1 - whole.frequency)
    common = np.flatnonzero(maf >= AXES_MAF)
    if components == 0:
        return _take(whole, common[:0]), np.zeros((0, 0))
    spread_evenly = np.linspace(0, len(common), AXES_SITES, endpoint=False).astype(int)
    rows = common[np.unique(spread_evenly)] if len(common) else common
    axes = _take(whole, rows)
    x = np.zeros((len(axes), len(files.individuals)))
    for block, dosage, _ in dosage_blocks(files, axes):
        x[block] = dosage - 2 * axes.frequency[block, None]
    spread = np.maximum(x.std(axis=1), 1e-9)
    standard = x / spread[:, None]
    values, vectors = top_components(standard.T @ standard, components)
    if len(values) < components:
        raise InputError(
            files.label, f"has only {len(values)} principal components at common sites",
            expected=f"{components}, the components of the trait sheet",
        )  # fmt: skip
    loadings = (standard @ vectors / values * np.sqrt(len(files.individuals))) / spread[:, None]
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(components)]
    return axes, (loadings * np.sign(largest)).T


def component_scores(
    files: GenotypeFiles, axes: SiteTable, loadings: np.ndarray
) -> dict[str, np.ndarray]:  # fmt: skip
    """Scores on the principal components of the individuals that effects were drawn on."""
    scores = np.zeros((len(loadings), len(files.individuals)))
    for rows, dosage, _ in dosage_blocks(files, axes) if len(loadings) else ():
        scores += loadings[:, rows] @ (dosage - 2 * axes.frequency[rows, None])
    return {f"PC{i + 1}": score for i, score in enumerate(scores)}


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
