"""What synthetic haplotypes are worth for daily work: imputation, association, polygenic scores and
ancestry, next to real ones.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from genoloom.disclosure import FEW, individuals_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.tables import write_records
from genoloom.medicine_config import UtilityOptions
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.load import load_generator
from genoloom.panel import (
    ArrayHaplotypes,
    Individuals,
    Panel,
    Sites,
    genetic_positions,
    haplotype_columns,
    join_individuals,
)
from genoloom.panels.comparands import Comparands
from genoloom.panels.genotypes import GenotypeFiles
from genoloom.panels.trait_architecture import (
    centred_values,
    covariates,
    draw_planted_effects,
    realised,
)
from genoloom.popgen.frequencies import minor_frequency
from genoloom.programs.imputation import found_programs
from genoloom.records import shown
from genoloom.seeds import derive_seed
from genoloom.task_rows import TaskRow
from genoloom.traits import Causal, Trait, TraitSheet
from genoloom.utility.ancestry import measure_ancestry
from genoloom.utility.association import Binary, Study, measure_association, measure_scores
from genoloom.utility.imputation import (
    COMMON,
    Imputer,
    Window,
    by_copying,
    by_model,
    choose_targets,
    measure_imputation,
    measure_missing,
)
from genoloom.utility.measures import (
    ALL,
    BOTH,
    MODEL,
    MOSAIC,
    OTHER,
    PANELS,
    REAL,
    SYNTHETIC,
    Measure,
    rows,
)
from genoloom.validation.cohorts import Comparison, compare, read_rows
from genoloom.validation.mosaic import MIDDLE, mosaic, within_populations

log = logging.getLogger(__name__)

FEWEST = 50  # individuals in each role
WINDOW = 3000  # sites
SHIFT = 0.5  # largest shift of a null trait in a population, in standard deviations
HOLDOUT = "holdout"
MISSING_TARGETS = 30  # with calls missing at random: every site is one that is read
SOURCE = Path("planted traits")


def utility(
    *, comparands: Comparands, out: Path, details: Path | None, options: UtilityOptions, seed: int,
    models: Sequence[Path] = (), sources: Mapping[str, Path] | None = None,
) -> None:  # fmt: skip
    """Write the table of tasks, one row for each metric, population, bin and panel.

    Panels are as many training individuals as there are synthetic ones (`real`), these
    (`synthetic`), both together, and mosaics of the former; all tasks are tested on held-out
    individuals. Populations with up to 20 of them have no row of their own.

    Parameters
    ----------
    comparands : Comparands
        Of `open_comparands`.
    details : Path, optional
        JSON with quantiles of p-values, for the report.
    models : sequence of Path
        Models that impute by themselves, one for each contig.
    sources : mapping of str to Path, optional
        Of `source_files`: whose digests are recorded next to the table.

    Raises
    ------
    InputError
        Fewer than 50 individuals of a role in populations that all have, or too few common sites; a
        model that cannot impute, or none of a contig.
    """
    record = Making("utility", sources or {})
    synthetic, real = comparands.pairs[0]
    individuals = compare(synthetic.individuals, real.individuals, comparands.roles, 0, seed)
    if individuals.n < FEWEST:
        raise InputError(
            "comparison", f"there are {individuals_count(individuals.n)} of each kind in shared "
                          "populations",
            expected=f"at least {FEWEST} training, held-out and synthetic ones",
        )  # fmt: skip
    contigs = list(_contigs(comparands, individuals, options.sites, seed))
    population = individuals.population[individuals.holdout]
    size = Counter(population.tolist())
    names = [name for name in sorted(size) if size[name] > FEW]
    groups = {name: np.flatnonzero(population == name) for name in names}
    groups = groups if len(size) > 1 else {}
    tasks, measures, drawn = options.tasks.split(","), [], {}
    if "imputation" in tasks:
        if comparands.phased:
            made_by = _models(models, [own.sites.contig for own, _ in contigs])
            labels = _labels(individuals)
            sheet = real.individuals
            above = dict(zip(sheet.population, sheet.superpopulation, strict=True))
            above = {name: above[name] for name in size}
            measures += _imputation(contigs, labels, above, made_by, options, seed)
        else:
            log.warning("some calls are not phased: imputation is not run")
    if {"association", "scores", "ancestry"} & set(tasks):
        common = _common([own for own, _ in contigs])
    if {"association", "scores"} & set(tasks):
        studies, holdout, causal = _planted(common, comparands, individuals, options, seed)
    if "association" in tasks:
        number = min(options.binary_traits, options.traits)
        binary = Binary(number, options.prevalence, options.heritability)
        found, drawn["p_values"] = measure_association(studies, holdout, causal, binary)
        measures += found
    if "scores" in tasks:
        measures += measure_scores(studies, holdout, groups, options.heritability)
    if "ancestry" in tasks:
        x = {p: _dosages(common, p).T for p in (*PANELS, HOLDOUT)}
        labels = _labels(individuals)
        pairs = {p: (x[p], labels[p]) for p in PANELS}
        measures += measure_ancestry(
            pairs, (x[HOLDOUT], population), list(groups), derive_seed(seed, "ancestry") % 2**31
        )
    table = rows(measures, derive_seed(seed, "resamples"))
    out.parent.mkdir(parents=True, exist_ok=True)
    if details is not None:
        drawn |= {"individuals": individuals.n, "sites": sum(len(own.cm) for own, _ in contigs)}
        drawn["options"] = options.model_dump()
        with write_beside(details) as [part]:
            part.write_text(json.dumps(drawn) + "\n")
    write_records(out, TaskRow, table)
    record.write(record_path(out.with_suffix("")), [out], options, seed=seed)
    for row in table:
        if row.panel == SYNTHETIC and row.population == row.bin == ALL:
            cells = shown(row.value), shown(row.ratio)
            log.info("%s, %s: %s, of real %s", row.task, row.metric, *cells)


def _contigs(
    comparands: Comparands, individuals: Comparison, most: int, seed: int
) -> Iterator[tuple[Window, list[slice]]]:  # fmt: skip
    """The haplotypes of all panels on each contig, at no more than `most` sites in all: pieces of
    consecutive sites, evenly spread over the contigs, and where these pieces are.
    """
    shift = len(individuals.synthetic)
    rng = np.random.default_rng(derive_seed(seed, "mosaic"))
    label = individuals.population[individuals.train]
    pieces = [
        (k, start) for k, (_, real) in enumerate(comparands.pairs)
        for start in range(0, len(real.sites), WINDOW)
    ]  # fmt: skip
    chosen = np.linspace(0, len(pieces) - 1, min(len(pieces), -(-most // WINDOW)))
    taken = [pieces[i] for i in np.unique(chosen.round().astype(int))]
    for k, (synthetic, real) in enumerate(comparands.pairs):
        starts = [start for contig, start in taken if contig == k]
        if not starts:
            continue
        stops = [min(start + WINDOW, len(real.sites), start + most) for start in starts]
        spans = list(zip(starts, stops, strict=True))
        index = np.concatenate([np.arange(*span) for span in spans])
        own, train, holdout = (
            np.concatenate([read_rows(panel, members, *span) for span in spans])
            for panel, members in (
                (synthetic, individuals.synthetic_individuals[individuals.synthetic]),
                (real, individuals.real_individuals[individuals.train - shift]),
                (real, individuals.real_individuals[individuals.holdout - shift]),
            )
        )
        cm = np.maximum.accumulate(genetic_positions(real.sites))[index]
        copied = within_populations(train, label, partial(mosaic, cm=cm, length=MIDDLE, rng=rng))
        panels = {REAL: train, SYNTHETIC: own, BOTH: np.hstack([train, own]), MOSAIC: copied}
        edges = np.cumsum([0, *(stop - start for start, stop in spans)])
        window = Window(real.sites.take(index), cm, panels, holdout)
        yield window, [slice(*pair) for pair in pairwise(edges.tolist())]


def _labels(individuals: Comparison) -> dict[str, np.ndarray]:
    """Populations of the individuals of each panel, and of the held-out ones."""
    train, own = (
        individuals.population[individuals.train],
        individuals.population[individuals.synthetic],
    )
    holdout = individuals.population[individuals.holdout]
    both = np.concatenate([train, own])
    return {REAL: train, SYNTHETIC: own, BOTH: both, MOSAIC: train, HOLDOUT: holdout}


def _imputation(
    contigs: list[tuple[Window, list[slice]]], labels: dict[str, np.ndarray], above: dict[str, str],
    models: dict[str, tuple[HaplotypeGenerator, Sites]], options: UtilityOptions, seed: int,
) -> Iterator[Measure]:  # fmt: skip
    """Of targets of all populations with all panels; with calls missing at random; and of one
    population with panels of one population.

    Parameters
    ----------
    labels : dict of ndarray of str
        Populations of the individuals of each panel, and of the held-out ones.
    above : dict of str
        The superpopulation of each population, "" where there is none.
    """

    def pieces() -> Iterator[Window]:
        return (own.take(span) for own, spans in contigs for span in spans)

    def with_model(
        imputers: dict[tuple[str, str], Imputer], targets: np.ndarray
    ) -> dict[tuple[str, str], Imputer]:
        if not models:
            return imputers
        return imputers | {("li_stephens", MODEL): _by_models(models, population[targets], seed)}

    asked, population = options.panel_populations, labels[HOLDOUT]
    pair = None if asked is None else _asked_populations(asked, labels, above)
    rng = np.random.default_rng(derive_seed(seed, "targets"))
    targets = choose_targets(population, options.targets, rng)
    size = Counter(population[targets].tolist())
    own = [name for name in sorted(size) if size[name] > FEW and len(size) > 1]
    groups = {ALL: np.arange(len(targets))}
    groups |= {name: np.flatnonzero(population[targets] == name) for name in own}
    programs = {n: by for n, by in found_programs().items() if getattr(options, n) == "auto"}
    methods = {"li_stephens": by_copying} | programs
    imputers = {(name, panel): imputer for name, imputer in methods.items() for panel in PANELS}
    yield from measure_imputation(
        pieces(), targets, groups, with_model(imputers, targets), options.array_bp
    )
    some = targets[:: max(1, len(targets) // MISSING_TARGETS)]
    copying = {("li_stephens", panel): by_copying for panel in PANELS}
    for share in options.missing_shares:
        rng = np.random.default_rng(derive_seed(seed, "missing", share))
        yield from measure_missing(pieces(), some, with_model(copying, some), share, rng)
    if pair is not None:
        yield from _across(pieces(), labels, *pair, options, seed)


def _asked_populations(
    asked: str, labels: dict[str, np.ndarray], above: dict[str, str]
) -> list[list[str]]:
    """The populations of TARGET and of OTHER; more than 20 individuals of each are held out."""
    found = []
    for name in asked.split(":"):
        found.append([p for p in above if name in (p, above[p])])
        n = int(np.isin(labels[HOLDOUT], found[-1]).sum())
        if n <= FEW:
            raise InputError(
                "--panel-populations", f"of '{name}' there are {individuals_count(n)} held out",
                expected=f"more than {FEW}, of one of {', '.join(sorted(above))}, or of a "
                "superpopulation of the sheet",
            )  # fmt: skip
    return found


def _across(
    windows: Iterable[Window], labels: dict[str, np.ndarray], own: list[str], other: list[str],
    options: UtilityOptions, seed: int,
) -> Iterator[Measure]:  # fmt: skip
    """Targets of the populations `own`, with panels of these alone, and with real haplotypes of
    `other`.
    """
    columns = {
        panel: haplotype_columns(np.flatnonzero(np.isin(labels[panel], own))) for panel in PANELS
    }
    columns[OTHER] = haplotype_columns(np.flatnonzero(np.isin(labels[REAL], other)))
    holdout = np.flatnonzero(np.isin(labels[HOLDOUT], own))
    rng = np.random.default_rng(derive_seed(seed, "targets of one population"))
    targets = np.sort(rng.permutation(holdout)[: options.targets])
    restricted = (
        replace(
            window,
            panels={p: window.panels[REAL if p == OTHER else p][:, c] for p, c in columns.items()},
        )
        for window in windows
    )
    imputers = {("li_stephens", panel): by_copying for panel in columns}
    groups = {options.panel_populations.split(":")[0]: np.arange(len(targets))}
    yield from measure_imputation(
        restricted, targets, groups, imputers, options.array_bp, "one_population_r2"
    )


def _models(
    paths: Sequence[Path], contigs: list[str]
) -> dict[str, tuple[HaplotypeGenerator, Sites]]:  # fmt: skip
    """Models and their sites by contig."""
    found = {}
    for path in paths:
        generator, sites, description = load_generator(path)
        if not generator.scores_blocks:
            raise InputError(
                path, f"is a '{description['generator']}', which cannot impute",
                expected="such as a transformer",
            )  # fmt: skip
        found[sites.contig.removeprefix("chr")] = generator, sites
    lacking = [name for name in contigs if name.removeprefix("chr") not in found]
    if found and lacking:
        raise InputError("--model", f"there is no model of contig {lacking[0]}")
    return found


def _by_models(
    models: dict[str, tuple[HaplotypeGenerator, Sites]], population: np.ndarray, seed: int
) -> Imputer:  # fmt: skip
    """An imputer that asks the model of a window's contig."""
    own = {}
    for contig, (generator, sites) in models.items():
        names = generator.population_names
        label = [names.index(name) if name in names else -1 for name in population]
        own[contig] = by_model(generator, sites, np.repeat(label, 2), seed)
    return lambda window, *rest: own[window.sites.contig.removeprefix("chr")](window, *rest)


def _common(contigs: list[Window]) -> list[Window]:
    """The common sites of each contig.

    Raises
    ------
    InputError
        There are hardly any.
    """
    kept = [np.flatnonzero(minor_frequency(own.frequency) >= COMMON) for own in contigs]
    total = sum(map(len, kept))
    if total < FEWEST:
        raise InputError(
            "comparison", f"there are {total} common sites", expected=f"at least {FEWEST}",
            remedy="give more variants, or --tasks imputation",
        )  # fmt: skip
    return [own.take(index) for own, index in zip(contigs, kept, strict=True) if len(index)]


def _dosages(common: list[Window], panel: str) -> np.ndarray:
    """Alternate alleles, float32, shape (n_sites, n_individuals)."""
    alleles = np.concatenate(
        [own.holdout if panel == HOLDOUT else own.panels[panel] for own in common]
    )
    return (alleles[:, 0::2] + alleles[:, 1::2]).astype(np.float32)


def _members(comparands: Comparands, individuals: Comparison) -> dict[str, Individuals]:
    """The individuals of each panel, and the held-out ones."""
    synthetic, real = (panel.individuals for panel in comparands.pairs[0])
    shift = len(individuals.synthetic)
    own = synthetic.take(individuals.synthetic_individuals[individuals.synthetic])
    train, holdout = (
        real.take(individuals.real_individuals[rows - shift])
        for rows in (individuals.train, individuals.holdout)
    )
    copies = replace(train, id=[f"mosaic {i}" for i in range(len(train))])
    return {
        REAL: train,
        SYNTHETIC: own,
        BOTH: join_individuals(train, own),
        MOSAIC: copies,
        HOLDOUT: holdout,
    }


def _planted(
    common: list[Window], comparands: Comparands, individuals: Comparison, options: UtilityOptions,
    seed: int,
) -> tuple[dict[str, Study], Study, np.ndarray]:  # fmt: skip
    """Planted and null traits of every panel, of the held-out individuals, and the causal sites,
    bool, shape (n_traits, n_sites).

    Effects are drawn once, on the training and held-out individuals. Null traits have other means
    in each population, for which scans are adjusted.
    """
    members = _members(comparands, individuals)
    names = sorted(set(individuals.population.tolist()))
    shift = np.linspace(-SHIFT, SHIFT, len(names)) if len(names) > 1 else [0.0]
    causal = Causal(number=options.causal, min_maf=COMMON)
    heritability = options.heritability
    with_effect = [
        Trait(name=f"planted{i}", heritability=heritability, causal=causal)
        for i in range(options.traits)
    ]
    environment = dict(zip(names, map(float, shift), strict=True))
    null = [
        Trait(name=f"null{i}", heritability=0, causal=causal, environment=environment)
        for i in range(options.traits)
    ]
    sheet = TraitSheet(traits=with_effect + null)

    def files(*panels: str) -> GenotypeFiles:
        whole = join_individuals(*(members[panel] for panel in panels))
        found = {}
        for own in common:
            parts = [own.holdout if panel == HOLDOUT else own.panels[panel] for panel in panels]
            panel = Panel(own.sites, whole, ArrayHaplotypes(np.hstack(parts)))
            found[own.sites.contig.removeprefix("chr")] = panel
        return GenotypeFiles(" and ".join(panels), found)

    everybody = files(REAL, HOLDOUT)
    columns = covariates(everybody.individuals, sheet, seed)
    planted = draw_planted_effects(everybody, sheet, SOURCE, derive_seed(seed, "effects"), columns)

    def study(panel: str) -> Study:
        own = files(panel)
        genetic = centred_values(own, planted, SOURCE)
        columns = covariates(own.individuals, sheet, seed)
        values, _ = realised(own.individuals, planted, columns, genetic, seed)
        y = np.stack(list(values.values()))
        population = np.array(own.individuals.population)
        inside = (population[:, None] == np.array(names[1:])).astype(float)
        n = options.traits
        return Study(_dosages(common, panel), inside, y[:n], y[n:], genetic[:n])

    where = {
        (own.sites.contig.removeprefix("chr"), *key): i
        for i, (own, key) in enumerate((own, key) for own in common for key in own.sites.keys())
    }
    sites = planted.sites
    keys = zip(sites.contig, sites.position.tolist(), sites.ref, sites.alt, strict=True)
    caused = np.zeros((options.traits, sum(len(own.cm) for own in common)), dtype=bool)
    caused[:, [where[key] for key in keys]] = planted.effects[""][: options.traits] != 0
    return {panel: study(panel) for panel in PANELS}, study(HOLDOUT), caused
