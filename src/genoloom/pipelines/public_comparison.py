"""Rows that a report shows next to data in modes `public` and `statistics`: what public individuals
are worth by themselves, and what the same network makes of the cohort's own haplotypes.
"""

import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genoloom.audit_levels import FEWEST_RESAMPLES
from genoloom.cohort import parse_labels
from genoloom.config import ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_records, write_records
from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.training_data import overlaps_of, training_haplotypes
from genoloom.models.load import load_generator
from genoloom.panel import Individuals, Panel, allele_counts
from genoloom.panels.comparands import Comparands, open_pairs
from genoloom.panels.public_panels import labels_fit
from genoloom.pipelines.drawn_panels import draw_panel, fit_and_draw
from genoloom.popgen.structure import fst_matrix
from genoloom.privacy.rows import AttackRow
from genoloom.privacy_config import AuditOptions
from genoloom.seeds import derive_seed
from genoloom.stages.audit import audit
from genoloom.stages.validate import validate
from genoloom.training_config import MatchedMosaicOptions
from genoloom.validation.cohorts import match_sites
from genoloom.validation.reference_values import REFERENCE_VALUES
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import ComparisonRow, Role

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Contig:
    """Real and public individuals of a contig, at the sites of the synthetic ones."""

    model: Path
    real: Panel
    public: Panel


def compare_public(
    *,
    synthetic: list[Path],
    panels: list[Path],
    split: Path,
    templates: list[Path],
    models: list[Path],
    out: Path,
    public: Path,
    rows: list[str],
    populations: str | None,
    reference_values: Path | None,
    validate_options: ValidateOptions,
    audit_options: AuditOptions,
    seed: int,
) -> None:
    """Write a fidelity table of the rows of `ComparisonRow`, and one of the attacks on the twin.

    Each row has as many individuals of each population as there are synthetic ones, or as there are
    public ones. Nothing of the cohort is in the public rows, so there is nothing to attack. Which
    public population is nearest is found by FST from held-out individuals, from whom all fidelity
    is measured; the row is left out where the public individuals are of these populations anyway.

    Parameters
    ----------
    synthetic, panels, templates : list of Path
        Prefixes, a contig each: synthetic individuals, the cohort, and public individuals of
        `genoloom panel match`.
    models : list of Path
        That the synthetic individuals were drawn from.
    rows : list of str
        Which: values of `ComparisonRow`.
    populations : str, optional
        See `genoloom.cohort.parse_labels`.
    reference_values : Path, optional
        Of the synthetic individuals; see `genoloom.stages.validate`.

    Raises
    ------
    InputError
        Files do not belong together, or a population of the cohort has no counterpart.
    """
    pairs = open_pairs(synthetic, panels)
    opened = {panel.sites.contig: panel for panel in map(open_panel, templates)}
    of_contig = dict(map(_contig_of, models))
    contigs = []
    for own, real in pairs:
        contig = own.sites.contig
        for flag, known in (("--templates", opened), ("--model", of_contig)):
            if contig not in known:
                raise InputError(
                    flag, f"nothing of contig {contig}", expected="one for each contig"
                )
        _, theirs = match_sites(own, opened[contig])
        contigs.append(_Contig(of_contig[contig], real, theirs))
    like = pairs[0][0].individuals
    roles = read_roles(split, pairs[0][1].individuals)
    known = sorted(set(contigs[0].public.individuals.population))
    labels = parse_labels(populations, known)
    labels_fit(labels, set(like.population), dict.fromkeys(known, 1), templates[0])
    fidelity: list[MetricRow] = []
    attacks: list[AttackRow] = []
    with tempfile.TemporaryDirectory(prefix="genoloom-") as folder:
        scratch = Path(folder)
        study = _Study(contigs, like, roles, labels, scratch, seed)
        for row in map(ComparisonRow, rows):
            made = study.made(row)
            if made is None:
                log.info("the public populations that were named are the nearest ones by FST")
                continue
            matched = [match_sites(own, c.real) for own, c in zip(made, contigs, strict=True)]
            common = {
                "name": row.value, "role": Role.COMPARISON, "baselines": [], "seed": seed,
                "comparands": Comparands(matched, roles),
            }  # fmt: skip
            table, shown = scratch / row / "fidelity.tsv", scratch / row / "privacy.tsv"
            validate(
                **common, out=table, details=None, options=validate_options,
                reference_values=reference_values,
            )  # fmt: skip
            reference_values = reference_values or table.with_name(REFERENCE_VALUES)
            fidelity += [r for r in read_records(table, MetricRow) if r.generator == row]
            if row is ComparisonRow.TWIN:
                private = scratch / row / "private" / "audit.tsv"
                fewer = {"shadow_models": 0, "bootstrap": FEWEST_RESAMPLES}
                without = audit_options.model_copy(update=fewer)
                audit(**common, out=private, public=shown, options=without)
                attacks += read_records(shown, AttackRow)
    write_records(out, MetricRow, fidelity)
    write_records(public, AttackRow, attacks)


def _contig_of(model: Path) -> tuple[str, Path]:
    words = read_description(model, "haplotypes")
    if words["generator"] != "copying_network":
        raise InputError(model, f"is a '{words['generator']}'", expected="a 'copying_network'")
    return words["contig"], model


@dataclass(frozen=True)
class _Study:
    """What rows are made of; `like` are the synthetic individuals, `labels` which public population
    represents which.
    """

    contigs: list[_Contig]
    like: Individuals
    roles: list[str]
    labels: dict[str, str]
    scratch: Path
    seed: int

    def made(self, row: ComparisonRow) -> list[Panel] | None:
        """The individuals of a row, a panel for each contig; None where it repeats another row."""
        if row is ComparisonRow.PUBLIC:
            return self._individuals(self._drawn_as)
        if row is ComparisonRow.NEAREST:
            nearest = self._nearest()
            return None if nearest == self._drawn_as else self._individuals(nearest)
        draw = self._mosaic if row is ComparisonRow.MOSAIC else self._twin
        return [
            draw(contig, self.scratch / row / contig.real.sites.contig) for contig in self.contigs
        ]

    @property
    def _drawn_as(self) -> dict[str, str]:
        return {p: self.labels.get(p, p) for p in sorted(set(self.like.population))}

    def _with_role(self, role: str, contig: _Contig) -> Panel:
        return contig.real.take_individuals(np.flatnonzero(np.array(self.roles) == role))

    def _individuals(self, drawn_as: dict[str, str]) -> list[Panel]:
        """Public individuals under the cohort's labels, of each population as many as synthetic
        ones, or as there are, and nobody twice.
        """
        rng = np.random.default_rng(derive_seed(self.seed, "public individuals"))
        population = np.array(self.contigs[0].public.individuals.population)
        chosen, label = [], []
        for name in sorted(set(drawn_as.values())):
            members = rng.permutation(np.flatnonzero(population == name))
            wanted = rng.permutation([p for p in self.like.population if drawn_as[p] == name])
            label += wanted[: len(members)].tolist()
            chosen.append(members[: len(wanted)])
        who = Individuals([f"P{i}" for i in range(len(label))], label, ["unknown"] * len(label))
        index = np.concatenate(chosen)
        return [replace(c.public.take_individuals(index), individuals=who) for c in self.contigs]

    def _nearest(self) -> dict[str, str]:
        compared = [self._with_role("holdout", contig) for contig in self.contigs]
        asked = [p for p in self._drawn_as if p in compared[0].individuals.population]
        public = [contig.public for contig in self.contigs]
        return self._drawn_as | nearest_populations(compared, public, asked)

    def _mosaic(self, contig: _Contig, prefix: Path) -> Panel:
        mosaic = generator_class("matched_mosaic")(MatchedMosaicOptions())
        others = replace(self.like, population=[self._drawn_as[p] for p in self.like.population])
        made = fit_and_draw(mosaic, contig.public, others, prefix, self.seed)
        return replace(made, individuals=self.like)

    def _twin(self, contig: _Contig, prefix: Path) -> Panel:
        own = self._with_role("train", contig)
        network, _, _ = load_generator(contig.model)
        seed = derive_seed(self.seed, "twin", own.sites.contig)
        twin = network.over(training_haplotypes(own, 0.1, self.seed), seed)
        twin.overlaps = overlaps_of(own)
        return draw_panel(twin, own.sites, self.like, prefix, self.seed)


def nearest_populations(
    cohort: list[Panel], public: list[Panel], labels: list[str]
) -> dict[str, str]:
    """The public population of the least FST from each of a cohort's, all contigs together.

    Parameters
    ----------
    cohort, public : list of Panel
        Contig by contig, at the same sites.
    labels : list of str
        Populations of the cohort that are asked for.
    """
    names = sorted(set(public[0].individuals.population))
    groups = [(cohort, label) for label in labels] + [(public, name) for name in names]
    counts, sizes = [], []
    for panels, name in groups:
        inside = np.flatnonzero(np.array(panels[0].individuals.population) == name)
        found = [allele_counts(panel.take_individuals(inside)) for panel in panels]
        alternate, called = (np.concatenate(parts) for parts in zip(*found, strict=True))
        sizes.append(2 * len(inside))
        counts.append(alternate / np.maximum(called, 1) * sizes[-1])
    apart = fst_matrix(np.stack(counts, axis=1), np.array(sizes))[: len(labels), len(labels) :]
    return {label: names[p] for label, p in zip(labels, apart.argmin(axis=1), strict=True)}
