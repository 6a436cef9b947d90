"""Several generators against the same individuals, at the same sites, in one table and one
report.
"""

import logging
import re
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from genoloom.config import ValidateOptions
from genoloom.errors import InputError
from genoloom.models.haplotype import COMPARED, generator_class
from genoloom.panel import Individuals
from genoloom.panels.comparands import RealFiles, open_real, source_files
from genoloom.panels.genotypes import UNKNOWN, GenotypeFiles
from genoloom.pipelines.drawn_panels import fit_and_draw
from genoloom.privacy_config import AuditOptions
from genoloom.seeds import derive_seed
from genoloom.stages.audit import audit
from genoloom.stages.report import report
from genoloom.stages.validate import validate
from genoloom.training_config import TrainSections
from genoloom.validation.reference_values import REFERENCE_VALUES
from genoloom.validation.verdicts import REAL, Role

log = logging.getLogger(__name__)

NAME = "comparison"  # of the panel in the tables


def compare(
    *,
    real: dict,
    generators: dict[str, list[Path]],
    labels: dict[str, list[Path]],
    baselines: bool,
    out: Path,
    validate_options: ValidateOptions,
    audit_options: AuditOptions,
    seed: int,
) -> str:
    """Validate and audit every generator, and write tables and report; returns the summary as text.

    All are compared at the sites that every file has, with equally many individuals of each
    population.

    Parameters
    ----------
    real : dict
        Arguments of `open_real`: a split panel, or files of training and held-out individuals.
    generators : dict
        Files of synthetic individuals, in any format, by generator.
    labels : dict
        Sheets of the synthetic individuals, where generators have their own.
    baselines : bool
        Also make the baselines; they copy haplotypes, so they need phased training individuals.
    out : Path
        Directory: report/ (public), validation/ (public tables), private/ (mode 0700).

    Raises
    ------
    InputError
        A name cannot be used; no site or no population is in all files; or see `open_real`.
    """
    _check_names(generators, labels)
    with open_real(**real) as files:
        synthetic = {
            name: files.read(name, paths, labels.get(name)) for name, paths in generators.items()
        }
        files, synthetic = _same_labels(files, synthetic)
        within = _same_sites(files, synthetic)
        synthetic = _same_individuals(synthetic, seed)
        if baselines and files.train.unphased:
            log.warning("the training individuals are not phased: no baselines are made")
        elif baselines:
            size = next(iter(synthetic.values())).individuals
            synthetic = make_baselines(files, within, size, seed) | synthetic
        known = None
        for name, own in synthetic.items():
            comparands = files.against(own, within)
            role = Role.BASELINE if name in COMPARED else Role.GENERATOR
            place = out / "validation" / NAME / name
            sources = source_files(synthetic=generators.get(name, []), **real)
            common = {
                "name": name,
                "role": role,
                "comparands": comparands,
                "baselines": [],
                "seed": seed,
                "sources": sources,
            }
            validate(
                **common,
                out=place / "fidelity.tsv",
                details=place / "details.json",
                options=validate_options,
                reference_values=known,
            )
            known = known or place / REFERENCE_VALUES
            private = out / "private" / NAME / name / "audit.tsv"
            public = {"public": place / "privacy.tsv", "leak": place / "leak.json"}
            audit(**common, out=private, **public, options=audit_options)
    (out / "private").chmod(0o700)
    page = out / "report" / "index.html"
    return report(
        results=out,
        panels=[NAME],
        generators=list(synthetic),
        sequence_sets=[],
        sequence_generators=[],
        out=page,
    )


def _check_names(generators: dict[str, list[Path]], labels: dict[str, list[Path]]) -> None:
    for name in [*generators, *labels]:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise InputError(
                "--generator", f"the name '{name}'", expected="letters, digits, '.', '_' and '-'"
            )
        if name in {*COMPARED, REAL}:
            raise InputError(
                "--generator",
                f"the name '{name}' is that of a baseline",
                remedy="call it otherwise",
            )
        if name not in generators:
            raise InputError(
                "--labels",
                f"no generator is called '{name}'",
                expected=f"one of {', '.join(generators)}",
            )


def _same_labels(
    files: RealFiles, synthetic: dict[str, GenotypeFiles]
) -> tuple[RealFiles, dict[str, GenotypeFiles]]:
    """Everybody in one population when somebody has none: else generators would be compared with
    other individuals.
    """
    groups = [files.train, files.holdout, *synthetic.values()]
    found = {label for group in groups for label in group.individuals.population}
    if UNKNOWN not in found:
        return files, synthetic
    if found != {UNKNOWN}:
        log.warning(
            "not everybody has a population: all are compared as one population; see --samples and "
            "--labels"
        )
    files = replace(files, train=files.train.pooled(), holdout=files.holdout.pooled())
    return files, {name: group.pooled() for name, group in synthetic.items()}


def _same_sites(files: RealFiles, synthetic: dict[str, GenotypeFiles]) -> dict[str, np.ndarray]:
    """Which sites of the training files are in every file, bool by contig."""
    within: dict[str, np.ndarray] = {
        contig: np.ones(len(p.sites), dtype=bool) for contig, p in files.train.panels.items()
    }
    for group in synthetic.values():
        shared = files.shared(group)
        within = {
            contig: inside & shared[contig] for contig, inside in within.items() if contig in shared
        }
    if not any(inside.any() for inside in within.values()):
        for group in synthetic.values():
            files.against(group)  # names the first generator that shares no site at all
        raise InputError(
            "--generator",
            "no site is in the files of every generator",
            remedy="compare them one by one",
        )
    return within


def _same_individuals(synthetic: dict[str, GenotypeFiles], seed: int) -> dict[str, GenotypeFiles]:
    """As many individuals of each population for every generator as the smallest has."""
    counts = {name: Counter(group.individuals.population) for name, group in synthetic.items()}
    names = sorted(set.union(*(set(count) for count in counts.values())))
    size = {population: min(count[population] for count in counts.values()) for population in names}
    if not any(size.values()):
        raise InputError(
            "--generator", "the generators have no population in common", expected=", ".join(names)
        )
    chosen = {}
    for name, group in synthetic.items():
        rng = np.random.default_rng(derive_seed(seed, "people", name))
        population = np.array(group.individuals.population)
        rows = [
            rng.choice(np.flatnonzero(population == p), n, replace=False) for p, n in size.items()
        ]
        index = np.sort(np.concatenate(rows))
        chosen[name] = replace(
            group,
            panels={
                contig: panel.take_individuals(index) for contig, panel in group.panels.items()
            },
        )
    return chosen


def make_baselines(
    files: RealFiles, within: dict[str, np.ndarray], like: Individuals, seed: int
) -> dict[str, GenotypeFiles]:
    """Synthetic individuals of every baseline, of the populations of `like`, at the sites
    `within`.
    """
    individuals = Individuals(
        [f"BASELINE{i}" for i in range(len(like))], like.population, ["unknown"] * len(like)
    )
    synthetic = {}
    for name, (method, options) in COMPARED.items():
        panels = {}
        folder = Path(tempfile.mkdtemp(dir=files.scratch))
        for contig, inside in within.items():
            training = files.training_panel(contig, np.flatnonzero(inside))
            generator = generator_class(method)(
                TrainSections.model_fields[method].annotation(**options)
            )
            panels[contig] = fit_and_draw(
                generator, training, individuals, folder / contig, derive_seed(seed, name, contig)
            )
        synthetic[name] = GenotypeFiles(name, panels)
        log.info("%s: %d individuals made", name, len(individuals))
    return synthetic
