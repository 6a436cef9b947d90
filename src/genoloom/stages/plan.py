"""Compute before any training what a cohort can release."""

import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from genoloom.config import Config
from genoloom.config_files import load_study
from genoloom.errors import GenoLoomError, InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.leak_ledger import LEDGER, read_ledger
from genoloom.formats.privacy_budget import BUDGET, read_budget
from genoloom.models.haplotype.windows import cut
from genoloom.panel import HaplotypeView, Panel, fill_missing, haplotype_columns
from genoloom.panels.genotypes import GenotypeFiles, labelled, read_genotypes, read_sheets
from genoloom.popgen.effective_sites import EffectiveSites
from genoloom.privacy.leak_budget import Leak
from genoloom.privacy.leak_plan import (
    MIN_INDIVIDUALS,
    Group,
    Plan,
    Question,
    expected_sites,
    leak_rows,
    remedies,
)
from genoloom.seeds import derive_seed

log = logging.getLogger(__name__)

SAMPLED = 2000  # individuals of whom correlations are taken; memory grows with their square
BLOCK = 2048  # sites
AT_ONCE = 20 << 20  # bytes of input that `init` and `doctor` read for it
CUTS = (5, 10, 25, 50, 100, 200)  # copies of the minor allele that may be asked for instead


@dataclass
class Estimates:
    """Effective sites of a cohort and its populations, added up over contigs."""

    cuts: list[int]
    whole: np.ndarray
    populations: dict[str, tuple[int, np.ndarray]] = field(default_factory=dict)


def plan(
    *,
    files: list[Path],
    samples: list[Path],
    holdout: float,
    question: Question,
    ledger: Path | None,
    out: Path | None,
    parts: dict[str, tuple[int, int] | None] | None = None,
    budget: Path | None = None,
    config: Config | None = None,
) -> Plan:
    """The plan of a cohort whose genotypes are there.

    Parameters
    ----------
    files : list of Path
        VCF(.gz), BCF, .pgen or .bed; one contig in one file.
    samples : list of Path
        Sheets with the individuals' populations; without one they are of one population.
    holdout : float
        Share of the individuals that will not train.
    ledger : Path, optional
        Earlier releases of the same individuals.
    out : Path, optional
        JSON to write.
    parts : dict, optional
        Contigs that are taken, with a region (1-based, both ends included) or None; all otherwise.
    budget : Path, optional
        What was measured of the same individuals with noise.
    config : Config, optional
        Of the study: how many jobs its contigs become.
    """
    earlier = _earlier(ledger)
    with tempfile.TemporaryDirectory(prefix="genoloom-") as scratch:
        genotypes = read_genotypes("cohort", files, Path(scratch))
        if samples:
            genotypes = labelled(genotypes, read_sheets(samples), complete=True)
        if parts is not None:
            genotypes = replace(genotypes, panels=_parts(genotypes.panels, parts))
        found = _estimate(genotypes, holdout, question)
    if not found.whole[0, 1] > 0:
        raise InputError(
            "cohort",
            "too few individuals or sites to compute what a release can be",
            expected="genotypes of at least 4 individuals",
        )
    n = _training(len(genotypes.individuals), holdout)
    groups = [Group("all", n, int(found.whole[0, 0]), (float(found.whole[0, 1]),) * 2)]
    for name, (size, values) in sorted(found.populations.items()):
        groups.append(
            Group(name, _training(size, holdout), int(values[0]), (float(values[1]),) * 2)
        )
    cuts = [(cut, float(m)) for cut, (_, m) in zip(found.cuts, found.whole, strict=True)]
    jobs = _jobs(genotypes.panels, question.synthetic or n, config) if config else []
    return _finish(groups, cuts, question, earlier, out, budget, jobs)


def plan_by_numbers(
    *,
    individuals: int,
    sites: int,
    megabases: float | None,
    question: Question,
    ledger: Path | None,
    out: Path | None,
    budget: Path | None = None,
) -> Plan:
    """The plan of `individuals` training individuals of whom no genotypes are there yet."""
    group = Group("all", individuals, sites, expected_sites(sites, megabases))
    return _finish([group], [], question, _earlier(ledger), out, budget)


def _earlier(ledger: Path | None) -> Leak:
    """What all releases of a ledger have given away together."""
    return Leak(float(sum(read_ledger(ledger).values()))) if ledger else Leak(0.0)


def plan_study(*, directory: Path, panel: str | None) -> dict[str, Plan]:
    """The plan of each panel of a study (or of one), with the options of its configuration."""
    study = load_study(directory / "config" / "config.yaml", directory)
    names = sorted({row.panel for row in study.panels})
    if panel is not None and panel not in names:
        raise InputError(
            "--panel", f"no panel '{panel}'", expected=" or ".join(names) or "a panel of the sheet"
        )
    plans = {}
    for name in [panel] if panel else names:
        rows = [row for row in study.panels if row.panel == name]
        plans[name] = plan(
            files=[directory / row.variants for row in rows],
            samples=sorted({directory / row.samples for row in rows if row.samples}),
            holdout=study.config.split.holdout,
            question=Question(
                synthetic=study.config.cohort.size,
                max_auc=study.config.audit.max_auc,
                min_mac=study.config.train.common.min_mac,
                epsilon=study.config.privacy.epsilon,
                delta=study.config.privacy.delta,
            ),
            ledger=directory / "results" / LEDGER.format(name),
            budget=directory / "results" / BUDGET.format(name),
            out=None,
            parts={row.contig: row.interval for row in rows},
            config=study.config,
        )
    return plans


def say_verdicts(directory: Path) -> None:
    """Log one sentence per panel of a study; of a large one, the command that finds out."""
    study = load_study(directory / "config" / "config.yaml", directory)
    for name in sorted({row.panel for row in study.panels}):
        rows = [row for row in study.panels if row.panel == name]
        size = sum((directory / row.variants).stat().st_size for row in rows)
        if size > AT_ONCE:
            log.info("%s: genoloom plan -C %s shows what a release can be", name, directory)
            continue
        try:
            [planned] = plan_study(directory=directory, panel=name).values()
            log.info("%s: %s More: genoloom plan -C %s", name, planned.verdict, directory)
        except GenoLoomError as error:
            log.warning(
                "%s: what a release can be is not known (%s)", name, " ".join(str(error).split())
            )


def _parts(panels: dict[str, Panel], parts: dict[str, tuple[int, int] | None]) -> dict[str, Panel]:
    """The panels of some contigs, cut to their regions."""
    found = {}
    for contig, region in parts.items():
        panel = panels.get(contig.removeprefix("chr"))
        if panel is None:
            raise InputError("sheet of panels", f"contig '{contig}' has no usable site")
        start, stop = region or (1, np.iinfo(np.int64).max)
        inside = (panel.sites.position >= start) & (panel.sites.position <= stop)
        found[contig] = panel.take_sites(inside)
    return found


def _jobs(panels: dict[str, Panel], individuals: int, config: Config) -> list[dict]:
    """How many jobs each contig becomes where jobs share it; of all its sites, so at most.

    `training` is of a transformer.
    """
    found = []
    for contig, panel in panels.items():
        sites, scale = len(panel.sites), config.scale
        of_consensus = min(individuals, config.consensus.individuals)
        found.append(
            {
                "contig": contig,
                "sites": sites,
                "training": len(cut(panel.sites.position.astype(float), config.train.transformer)),
                "generate": config.generate.jobs or scale.jobs(sites, individuals),
                "consensus": config.consensus.jobs or scale.jobs(sites, of_consensus),
                "validation": config.validate_.windows(sites),
            }
        )
    return found


def _training(n: int, holdout: float) -> int:
    return max(1, round(n * (1 - holdout)))


def _finish(
    groups: list[Group],
    cuts: list,
    question: Question,
    spent: Leak,
    out: Path | None,
    budget: Path | None,
    jobs: Sequence[dict] = (),
) -> Plan:
    whole = groups[0]
    if whole.individuals < MIN_INDIVIDUALS:
        log.warning("fewer than %d training individuals: the numbers are rough", MIN_INDIVIDUALS)
    rows = [
        row
        for group in groups
        for row in leak_rows(
            group, question.released(group.individuals, whole.individuals), question
        )
    ]
    measured = tuple(read_budget(budget).values()) if budget else ()
    planned = Plan(question, groups, rows, remedies(whole, cuts, question), spent, measured, jobs)
    if out is not None:
        with write_beside(out) as [part]:
            part.write_text(json.dumps(planned.record(), indent=2) + "\n")
    return planned


def _estimate(genotypes: GenotypeFiles, holdout: float, question: Question) -> Estimates:
    """Effective sites from a random part of the individuals; one pass over the sites."""
    everybody = genotypes.individuals
    rng = np.random.default_rng(derive_seed(1, "plan"))
    chosen = np.sort(rng.permutation(len(everybody))[:SAMPLED])
    population = np.array(everybody.population)[chosen]
    cuts = [question.min_mac, *(cut for cut in CUTS if cut > question.min_mac)]
    sizes = {name: everybody.population.count(name) for name in np.unique(population)}
    large = {
        name: np.flatnonzero(population == name)
        for name, size in sizes.items()
        if _training(size, holdout) >= MIN_INDIVIDUALS
        and (population == name).sum() >= MIN_INDIVIDUALS
    }
    if len(sizes) == 1:
        large = {}  # it is the whole cohort
    share = _training(len(everybody), holdout) / len(chosen)
    found = Estimates(
        cuts, np.zeros((len(cuts), 2)), {name: (sizes[name], np.zeros(2)) for name in large}
    )
    for panel in genotypes.panels.values():
        whole = EffectiveSites(population, cuts, share)
        parts = {
            name: EffectiveSites(population[inside], [question.min_mac], share)
            for name, inside in large.items()
        }
        source = HaplotypeView(panel.haplotypes, haplotypes=haplotype_columns(chosen))
        for start in range(0, source.n_variants, BLOCK):
            alleles = fill_missing(source.read(start, min(start + BLOCK, source.n_variants)))
            dosage = alleles[:, 0::2] + alleles[:, 1::2]
            whole.add(dosage)
            for name, inside in large.items():
                parts[name].add(dosage[:, inside])
        found.whole += np.array(whole.estimates())
        for name, part in parts.items():
            found.populations[name][1][:] += part.estimates()[0]
    return found
