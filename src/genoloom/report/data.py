"""The numbers of the report, as they are in report.json; its JSON schema is generated from here.

Empty cells of the tables are null: not measured, or infinite. Numbers of individuals up to 20 are
null as well.
"""

import math
from dataclasses import fields
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from genoloom.disclosure import FEW
from genoloom.privacy.attack_ids import AttackId, Measure, Scored
from genoloom.privacy.rows import AttackRow
from genoloom.task_rows import EffectRow, StarRow, TaskRow
from genoloom.validation import verdicts
from genoloom.validation.metric_ids import Better, TaskId
from genoloom.validation.rows import MetricRow
from genoloom.validation.uses import Fitness, Use, UseMetric, judge_uses

Verdict = verdicts.Verdict | Literal[""]


TASK_TITLES = {
    "dosage_r2": "Imputed dosages, r²",
    "missing_r2_25": "Imputed calls, 25 % missing, r²",
    "missing_r2_50": "Imputed calls, 50 % missing, r²",
    "one_population_r2": "Imputed dosages with panels of one population, r²",
    "effect_slope": "Effects of planted traits, slope on the planted ones",
    "power": "Causal sites found",
    "false_positives": "Null sites with p < 0.05",
    "null_lambda": "Genomic inflation of null traits (λ)",
    "score_r2": "Polygenic scores, r² with the genetic values",
    "balanced_accuracy": "Ancestry, balanced accuracy",
    "recall": "Ancestry, recall",
    "projection_r2": "Projection on components, variance explained",
}


class Part(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(extra="forbid")


class Metric(Part):
    """One metric of fidelity, and its reference."""

    generator: str = Field(
        description="Generator; `real`: of the training individuals or sequences taken as if "
        "synthetic."
    )
    role: verdicts.Role
    metric: str
    title: str = Field(description="What the page calls the metric.")
    better: Better = Field(description="Which way is better.")
    unit: str = Field("", description="Of value and reference.")
    help: str = Field("", description="What the metric says, in one line.")
    population: str = Field(description="`all`, or one population.")
    bin: str = Field(
        description="`all`, or one bin of minor allele frequency, window, classifier or motif."
    )
    value: float | None
    reference: float | None = Field(
        description="The reference: what real data score against other real data."
    )
    null_sd: float | None = Field(
        description="Standard deviation of the reference over halvings of the real data."
    )
    nfr: float | None = Field(
        description="Noise-floor ratio: value over reference; similarities as 1 - value."
    )
    z: float | None = Field(description="Distance from the reference in its standard deviations.")
    n: int | None = Field(description="Individuals or sequences per group.")
    verdict: Verdict


class Attack(Part):
    """One privacy attack on one group of individuals."""

    generator: str
    role: verdicts.Role
    attack: AttackId = Field(description="`worst`: the strongest of those over all individuals.")
    window: int = Field(description="Sites of the windows compared; 0: no windows.")
    title: str = Field(description="What the page calls the attack.")
    better: Better = Field(description="Which way is better.")
    help: str = Field("", description="What the attack measures, in one line.")
    population: str
    measure: Measure
    value: float | None
    low: float | None = Field(
        description="Lower end of the 95 % bootstrap interval over individuals."
    )
    high: float | None
    reference: float | None = Field(description="The reference: what chance reaches, or the limit.")
    n: int | None
    verdict: Verdict
    note: str = Field("", description="Why it was not run.")


class TaskMetric(Part):
    """One metric of `genoloom utility`."""

    generator: str
    task: str
    metric: str
    title: str = Field(description="What the page calls the metric.")
    method: str = Field(
        description="What imputed, or logistic regression of binary traits; else empty."
    )
    population: str
    bin: str
    panel: str = Field(description="`real`, `synthetic`, `both`, `mosaic` or `model`.")
    value: float | None
    sd: float | None = Field(description="Spread over individuals or traits.")
    ratio: float | None = Field(description="Value over that of the real panel.")
    ratio_sd: float | None


class EffectMetric(Part):
    """One metric of `genoloom treatment-effects`."""

    generator: str
    data: str = Field(description="What learners were trained on; `truth`: the effects themselves.")
    learner: str
    metric: str
    group: str = Field(description="`all`, a phenotype, a diplotype or a population.")
    value: float | None
    sd: float | None = Field(description="Spread over trials.")


class StarMetric(Part):
    """One metric of `genoloom star-alleles`."""

    generator: str
    gene: str
    metric: str
    population: str
    data: str = Field(description="`synthetic`, or `real`: of the training individuals.")
    value: float | None


class UseGrade(Part):
    """How fit the data of a generator are for one use."""

    use: Use
    title: str = Field(description="What the page calls the use.")
    population: str = Field(description="`all`, or the population that fares worst.")
    fitness: Fitness
    limits: list[str] = Field(
        description="Titles of the metrics that are too far from the reference, worst first."
    )


class Judgement(Part):
    """What is said first of a generator."""

    generator: str
    role: verdicts.Role | Literal["", "real individuals", "real sequences"]
    fidelity: Verdict
    privacy: Verdict
    classifier_auc: float | None = Field(
        None,
        description="How well a classifier distinguishes synthetic from holdout data; 0.5: "
        "not at all.",
    )
    worst_attack: float | None = Field(None, description="AUC of the strongest attack.")
    worst_attack_low: float | None = None
    worst_attack_high: float | None = None
    unavoidable: float | None = Field(None, description="AUC that no faithful release can avoid.")
    excess: float | None = Field(None, description="AUC of the strongest attack beyond that.")
    excess_low: float | None = Field(None, description="Lower end of its 95 % interval.")
    excess_high: float | None = None
    may_leave: bool | None = Field(
        None,
        description="The audit passes and no metric of fidelity fails: what a release needs by "
        "default. `genoloom release` checks models and records too. null: not audited.",
    )
    beyond_copying: bool | None = Field(
        None,
        description="No mosaic of training haplotypes is both as faithful and as little exposed.",
    )
    indistinguishable: bool = Field(
        False, description="Every metric is within chance: the highest grade."
    )
    uses: list[UseGrade] = Field(
        [],
        description="What haplotypes are fit for, for all individuals and for the worst "
        "population.",
    )
    fidelity_reasons: list[str] = Field(description="What did not pass, in words, worst first.")
    privacy_reasons: list[str] = []


class ModeRow(Part):
    """What a generator, or a row to compare with, may reveal of the cohort's individuals, and how
    faithful it is.
    """

    generator: str
    help: str = Field(description="What it is, in one line.")
    epsilon: float | None = Field(
        None,
        description="Epsilon of differential privacy; 0: nothing of the genotypes of the cohort is "
        "in the data. null: no guarantee.",
    )
    delta: float | None = None
    permitted_auc: float | None = Field(
        None, description="Largest AUC that the guarantee permits to any attack."
    )
    permitted_rate: float | None = Field(
        None, description="The same of the true positives at 1 % false positives."
    )
    worst_attack: float | None = None
    worst_attack_low: float | None = None
    worst_attack_high: float | None = None
    classifier_auc: float | None = None
    ld_r2_correlation: float | None = None
    pca_distance: float | None = None
    fst_matrix_error: float | None = None


class Remedies(Part):
    """What would keep the unavoidable AUC within the limit, each alone; as in `genoloom plan`."""

    training_individuals: int = Field(description="For a release of as many synthetic ones.")
    training_individuals_any_release: int = Field(description="For a release of any size.")
    synthetic_individuals: int | None = Field(description="At most, of all releases; null: any.")
    epsilon: float = Field(description="Largest epsilon of noised statistics.")
    delta: float
    sentences: list[str] = Field(description="The same in words.")


class CohortLeak(Part):
    """The limits of the leak, and whether the cohort is large enough for a faithful release."""

    max_auc: float = Field(description="Limit of the worst attack's AUC.")
    max_excess: float = Field(description="Limit of what exceeds the unavoidable AUC.")
    training_individuals: int | None = Field(description="null for up to 20 and if not known.")
    effective_sites: float | None = Field(description="Independent sites that the panel is worth.")
    unavoidable: float | None = Field(description="AUC that no faithful release can avoid.")
    too_small: bool | None = Field(description="Its limit is below the unavoidable AUC.")
    sentence: str | None = Field(None, description="That the cohort is too small, in words.")
    what_would_pass: Remedies | None = Field(None, description="For a cohort that is too small.")


class Provenance(Part):
    """Where a model or a set of metrics comes from."""

    of: str = Field(description="Generator, or `plots of` one.")
    contig: str | None = None
    seed: int | None = None
    data_digest: str | None = None
    options_digest: str | None = None
    versions: dict[str, str] = {}


class DataSet(Part):
    """Everything about one panel of haplotypes or one set of sequences."""

    name: str
    data_type: Literal["haplotypes", "sequences"]
    individuals: int | None = Field(
        None, description="Individuals compared per group; null for sequences and for up to 20."
    )
    sites: int | None = None
    site_account: dict | None = Field(
        None, description="What became of the sites of files of other tools, by generator."
    )
    headline: str = Field("", description="One sentence: what may leave, and what it is fit for.")
    leak: CohortLeak | None = Field(None, description="Of haplotypes that were audited.")
    judgements: list[Judgement]
    metrics: list[Metric]
    attacks: list[Attack] = []
    utility: list[TaskMetric] = Field([], description="Where the tasks were run.")
    effects: list[EffectMetric] = Field([], description="Where planted trials were run.")
    star_alleles: list[StarMetric] = Field([], description="Where star alleles were called.")
    modes: list[ModeRow] = Field(
        [], description="Where data are of a privacy mode; the smallest epsilon first."
    )
    provenance: list[Provenance] = []


class ReportData(Part):
    """All numbers of a report."""

    format_version: Literal[2] = 2
    genoloom: str = Field(description="Version that wrote the report.")
    data: list[DataSet]


def number(value: float) -> float | None:
    """A finite number, or None."""
    return value if math.isfinite(value) else None


def count(n: int | None) -> int | None:
    """A number of individuals as it may be shown."""
    return n if n is not None and n > FEW else None


def as_metric(row: MetricRow) -> Metric:
    """A row of a fidelity table as the report shows it."""
    return Metric(
        title=row.metric.title, better=row.metric.better, unit=row.metric.unit,
        help=row.metric.help, n=count(row.n), **_shown(row, Metric)
    )  # fmt: skip


def as_attack(row: AttackRow) -> Attack:
    """A row of a privacy table as the report shows it."""
    attack = row.attack
    title = Scored(attack, row.window).named(attack.title)
    return Attack(
        title=title, better=attack.better, help=attack.help, n=count(row.n), **_shown(row, Attack)
    )


def _shown(row: object, part: type[Part]) -> dict:
    """What a part of the report has of a row: no infinite numbers, and no counts."""
    names = {one.name for one in fields(row)} & part.model_fields.keys() - {"n"}
    values = {name: getattr(row, name) for name in names}
    return {k: number(v) if isinstance(v, float) else v for k, v in values.items()}


def as_task(generator: str, row: TaskRow) -> TaskMetric:
    """A row of a table of utility as the report shows it."""
    title = TASK_TITLES.get(row.metric, row.metric.replace("_", " "))
    return TaskMetric(generator=generator, title=title, **_shown(row, TaskMetric))


def as_effect(generator: str, row: EffectRow) -> EffectMetric:
    """A row of a table of treatment effects as the report shows it."""
    return EffectMetric(generator=generator, **_shown(row, EffectMetric))


def as_star_metric(generator: str, row: StarRow) -> StarMetric:
    """A row of a table of star alleles as the report shows it."""
    return StarMetric(generator=generator, **_shown(row, StarMetric))


def use_grades(
    metrics: list[Metric], tasks: list[TaskMetric], effects: list[EffectMetric],
    stars: list[StarMetric],
) -> list[UseGrade]:  # fmt: skip
    """What the data are fit for, from the metrics of one generator."""
    used = [
        UseMetric(m.metric, m.population, m.bin, m.value, m.reference, m.null_sd) for m in metrics
    ]
    used += [
        UseMetric(f.metric, f.population, f.bin, f.ratio, 1.0, f.ratio_sd)
        for f in tasks if f.panel == "synthetic" and f.method in ("", "li_stephens")
        and f.ratio is not None
    ]  # fmt: skip
    used += _effect_metrics(effects) + _star_metrics(stars)
    return [
        UseGrade(
            use=fit.use, title=fit.use.title, population=fit.population, fitness=fit.fitness,
            limits=list(dict.fromkeys(demand.metric.title for demand in fit.limits)),
        )
        for fit in judge_uses(used)
    ]  # fmt: skip


def _effect_metrics(effects: list[EffectMetric]) -> list[UseMetric]:
    """Ratios to real data of a trial with synthetic genotypes; learners are as bins."""
    ratios = [
        UseMetric(TaskId.ROOT_PEHE, "all", f.learner, f.value, 1.0, f.sd)
        for f in effects if (f.data, f.metric) == ("genotypes", "root_pehe_ratio")
    ]  # fmt: skip
    distance = {(f.data, f.group): f.value for f in effects if f.metric == TaskId.DIPLOTYPE_TV}
    for (data, group), value in distance.items():
        real = distance.get(("real", group))
        if data == "synthetic" and value is not None and real:
            ratios.append(UseMetric(TaskId.DIPLOTYPE_TV, group, "all", value / real, 1.0, None))
    return ratios


def _star_metrics(stars: list[StarMetric]) -> list[UseMetric]:
    """Of all genes together: the mean distance of diplotypes over that of real individuals, by
    population; the largest share of haplotypes that no allele explains; alleles lost.
    """
    found = []
    for population in dict.fromkeys(f.population for f in stars):
        own = {
            data: [
                f.value for f in stars
                if (f.metric, f.population, f.data) == (TaskId.DIPLOTYPE_TV, population, data)
                and f.value is not None
            ]
            for data in ("synthetic", "real")
        }  # fmt: skip
        if sum(own["real"]) > 0:
            ratio = sum(own["synthetic"]) / sum(own["real"])
            found.append(UseMetric(TaskId.STAR_ALLELE_TV, population, "all", ratio, 1.0, None))
    for metric, over_genes in ((TaskId.UNMATCHED_HAPLOTYPES, max), (TaskId.ALLELES_LOST, sum)):
        values = [
            f.value for f in stars
            if (f.metric, f.data) == (metric, "synthetic") and f.value is not None
        ]  # fmt: skip
        if values:
            found.append(UseMetric(metric, "all", "all", over_genes(values), 0.0, None))
    return found
