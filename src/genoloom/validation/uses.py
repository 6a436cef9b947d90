"""What synthetic data are fit for: for each use, some metrics and how near each must be.

A use needs some metrics, and those only as near to the reference as the use itself is exact.
`DEMANDS` is the whole of it. `indistinguishable`, every metric of the table within chance, is a
higher grade, and no use needs it.

A shortfall is measured by what is better for the metric: a difference for similarities and
distances, a share of the reference for levels. Up to `fit` it does not matter for the use. Up to
`limit` results hold with a limit that the report names; beyond, they do not hold. What chance
explains (three spreads of real individuals, four for the limit) is no shortfall.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from genoloom.validation.metric_ids import Better, MetricId, TaskId
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.metric_ids import TaskId as T


class Use(StrEnum):
    """What data are used for; the value is the identifier, `title` what the report says."""

    title: str

    def __new__(cls, value: str, title: str) -> Self:
        member = str.__new__(cls, value)
        member._value_, member.title = value, title
        return member

    SOFTWARE = "software", "pipeline and software testing"
    FREQUENCIES = "frequencies", "allele-frequency resources"
    LINKAGE = "linkage", "linkage and GWAS method development"
    IMPUTATION = "imputation", "imputation reference panel"
    ANCESTRY = "ancestry", "ancestry and PCA"
    HAPLOTYPES = "haplotypes", "haplotype and selection methods"
    RARE = "rare", "rare-variant work"
    SCORES = "scores", "polygenic scores"
    TREATMENT = "treatment", "treatment-effect studies"
    PHARMACOGENES = "pharmacogenes", "star alleles of pharmacogenes"


class Fitness(StrEnum):
    """From the best to the worst; what was not measured is no fitness."""

    FIT = "fit"
    LIMITS = "fit with limits"
    NOT_RUN = "not run"
    NOT_FIT = "not fit"


WORST_LAST = tuple(Fitness)
# Spreads of real individuals that are no shortfall, for `fit` and for `limit`. More than two, as a
# use asks for several metrics.
BY_CHANCE = (3.0, 4.0)


@dataclass(frozen=True)
class Demand:
    """How near a metric must be.

    Attributes
    ----------
    use : Use
    metric : MetricId or TaskId
    fit, limit : float
        Largest shortfalls; of levels as a share of the reference, else in the unit of the metric.
    why : str
        Where the numbers come from.
    bins : tuple of str
        The rows asked for; frequency bins that the panel does not have ask for nothing.
    better : Better, optional
        Where only one side of a level matters for the use: its shortfall is then a difference.
    """

    use: Use
    metric: MetricId | TaskId
    fit: float
    limit: float
    why: str
    bins: tuple[str, ...] = ("all",)
    better: Better | None = None


@dataclass(frozen=True)
class UseMetric:
    """A row of the fidelity table."""

    metric: str
    population: str
    bin: str
    value: float | None
    reference: float | None
    null_sd: float | None


@dataclass(frozen=True)
class Fit:
    """How fit data are for one use.

    Attributes
    ----------
    population : str
        "all", or the population that fares worst.
    limits : tuple of Demand
        What was not met, worst first.
    """

    use: Use
    population: str
    fitness: Fitness
    limits: tuple[Demand, ...]


ANY = "order of magnitude, so that code paths run; the project's choice"
ACMG = "a tenth and two fifths of the 5 % cut-off for benign variants (Richards et al. 2015)"
LOST = "a variant that is absent cannot be looked up; the project's choice"
POWER = "a study needs 1 / r2 times the sample at a linked marker (Pritchard and Przeworski 2001)"
LDSC = "LD score regression: heritability is off by as much (Bulik-Sullivan et al. 2015)"
COPY = (
    "how well real haplotypes explain synthetic ones by copying (Li and Stephens 2003); measured "
    "on mosaics"
)
PCA = (
    "the task itself: ancestry of real individuals called by a model of synthetic ones, and the "
    "other way"
)
FILTER = (
    "the task itself: sites kept at 1 and 5 %; frequencies noised by 2 % change 2 to 8 % of the "
    "decisions"
)
HITS = (
    "the task itself: clumps of PLINK's defaults (Chang et al. 2015); a short mosaic loses 0.3 to "
    "0.4"
)
EFFECTS = "the task itself: effects, and what is computed from them, are off by as much"
HERITABILITY = (
    "the task itself: heritability by LD score regression is off by as much (Bulik-Sullivan et al. "
    "2015)"
)
IMPUTED = "the task itself: power goes with dosage r2 (Pritchard and Przeworski 2001)"
SHAPE = (
    "components that studies correct for (Price et al. 2006); measured on the faults of "
    "docs/validation.md"
)
SCAN = "the task itself: the same scan on synthetic and on real haplotypes (Voight et al. 2006)"
SWEEP = (
    "H12 and related statistics distinguish sweeps (Garud et al. 2015); measured on the faults of "
    "docs/validation.md"
)
BURDEN = "burden and spectrum tests count these alleles (Lee et al. 2014); the project's choice"
TASK = "the task itself, over the same task with as many real individuals; the project's choice"
IMPOSSIBLE = "at most 0.0003 in the 1000 Genomes Project; the project's choice"
RARE_BINS = ("<0.5%", "0.5-1%", "1-5%")

DEMANDS = (
    Demand(Use.SOFTWARE, M.FREQUENCY_ERROR, 0.05, 0.15, ANY),
    Demand(Use.SOFTWARE, M.HETEROZYGOSITY_RATIO, 0.2, 0.5, ANY),
    Demand(Use.SOFTWARE, M.SITES_LOST, 0.2, 0.5, ANY, better=Better.LOWER),
    Demand(Use.FREQUENCIES, M.FREQUENCY_ERROR, 0.005, 0.02, ACMG),
    Demand(Use.FREQUENCIES, M.FREQUENCY_ERROR, 0.005, 0.02, ACMG, bins=RARE_BINS),
    Demand(Use.FREQUENCIES, M.FREQUENCY_CORRELATION, 0.005, 0.02, ACMG),
    Demand(Use.FREQUENCIES, M.SITES_LOST, 0.02, 0.1, LOST, better=Better.LOWER),
    Demand(Use.FREQUENCIES, M.FREQUENCY_FILTERS, 0.01, 0.05, FILTER),
    Demand(Use.LINKAGE, M.ASSOCIATION_HITS, 0.1, 0.25, HITS),
    Demand(Use.LINKAGE, M.ASSOCIATION_EFFECTS, 0.05, 0.15, EFFECTS),
    Demand(Use.LINKAGE, M.LDSC_HERITABILITY, 0.1, 0.25, HERITABILITY),
    Demand(Use.LINKAGE, M.LD_R2_CORRELATION, 0.05, 0.15, POWER),
    Demand(Use.LINKAGE, M.LD_R_CORRELATION, 0.05, 0.15, POWER),
    Demand(Use.LINKAGE, M.LD_DECAY_ERROR, 0.02, 0.05, POWER),
    Demand(Use.LINKAGE, M.LD_SCORE_SLOPE, 0.1, 0.25, LDSC),
    Demand(Use.LINKAGE, M.FREQUENCY_ERROR, 0.01, 0.05, POWER),
    Demand(Use.IMPUTATION, M.IMPUTATION_R2, 0.03, 0.1, IMPUTED),
    Demand(Use.IMPUTATION, M.IMPUTATION_R2, 0.1, 0.25, IMPUTED, bins=RARE_BINS),
    Demand(Use.IMPUTATION, M.COPYING_BITS, 0.02, 0.08, COPY, better=Better.LOWER),
    Demand(Use.IMPUTATION, M.LONGEST_SHARED_RUN, 0.15, 0.4, COPY),
    Demand(Use.IMPUTATION, M.HAPLOTYPE_DISTANCE, 0.05, 0.15, COPY, bins=("all", "50 sites")),
    Demand(Use.IMPUTATION, M.SITES_LOST, 0.02, 0.1, LOST, better=Better.LOWER),
    Demand(Use.ANCESTRY, M.POPULATION_TSTR, 0.05, 0.15, PCA, better=Better.HIGHER),
    Demand(Use.ANCESTRY, M.POPULATION_TRTS, 0.05, 0.15, PCA, better=Better.HIGHER),
    Demand(Use.ANCESTRY, M.FST_MATRIX_ERROR, 0.005, 0.02, SHAPE),
    Demand(Use.ANCESTRY, M.FST_FROM_REAL, 0.005, 0.02, SHAPE),
    Demand(Use.ANCESTRY, M.PCA_DISTANCE, 0.1, 0.25, SHAPE),
    Demand(Use.HAPLOTYPES, M.NSL_CORRELATION, 0.1, 0.3, SCAN),
    Demand(Use.HAPLOTYPES, M.IHS_CORRELATION, 0.1, 0.3, SCAN),
    Demand(Use.HAPLOTYPES, M.EHH_ERROR, 0.03, 0.1, SCAN),
    Demand(Use.HAPLOTYPES, M.HAPLOTYPE_H12, 0.1, 0.3, SWEEP, bins=("all", "50 sites")),
    Demand(Use.HAPLOTYPES, M.DISTINCT_HAPLOTYPES, 0.15, 0.5, SWEEP),
    Demand(Use.RARE, M.SITES_LOST, 0.02, 0.1, BURDEN, better=Better.LOWER),
    Demand(Use.RARE, M.SITES_LOST, 0.05, 0.2, BURDEN, bins=RARE_BINS, better=Better.LOWER),
    Demand(Use.RARE, M.FREQUENCY_ERROR, 0.002, 0.01, BURDEN, bins=RARE_BINS),
    # asked for only where the tasks were run
    Demand(Use.LINKAGE, T.EFFECT_SLOPE, 0.05, 0.15, TASK),
    Demand(Use.IMPUTATION, T.DOSAGE_R2, 0.03, 0.1, TASK, bins=("5-20%", "20-50%")),
    Demand(Use.IMPUTATION, T.DOSAGE_R2, 0.1, 0.25, TASK, bins=("0.5-1%", "1-5%")),
    Demand(Use.ANCESTRY, T.BALANCED_ACCURACY, 0.03, 0.1, TASK),
    Demand(Use.ANCESTRY, T.PROJECTION_R2, 0.05, 0.15, TASK),
    Demand(Use.SCORES, T.SCORE_R2, 0.05, 0.15, TASK),
    Demand(Use.TREATMENT, T.ROOT_PEHE, 0.1, 0.5, TASK, bins=("S", "T", "X", "DR")),
    Demand(Use.TREATMENT, T.DIPLOTYPE_TV, 1.0, 3.0, TASK),
    Demand(Use.PHARMACOGENES, T.STAR_ALLELE_TV, 1.0, 3.0, TASK),
    Demand(Use.PHARMACOGENES, T.UNMATCHED_HAPLOTYPES, 0.0005, 0.01, IMPOSSIBLE),
    Demand(Use.PHARMACOGENES, T.ALLELES_LOST, 0.5, 1.0, LOST),
)


def fitness_of(demand: Demand, metric: UseMetric) -> Fitness:
    """How well one metric meets a demand."""
    value, reference, sd = metric.value, metric.reference, metric.null_sd or 0.0
    if value is None or reference is None:
        return Fitness.NOT_RUN
    shortfall, scale = value - reference, 1.0
    better = demand.better or demand.metric.better
    if better is Better.HIGHER:
        shortfall = -shortfall
    elif better is Better.REFERENCE:
        shortfall, scale = abs(shortfall), max(abs(reference), 1e-12)
    by_chance, most = BY_CHANCE
    if shortfall <= max(demand.fit * scale, by_chance * sd):
        return Fitness.FIT
    return Fitness.LIMITS if shortfall <= max(demand.limit * scale, most * sd) else Fitness.NOT_FIT


def judge_uses(metrics: Sequence[UseMetric], demands: Iterable[Demand] = DEMANDS) -> list[Fit]:
    """For each use: the grade of all individuals, then of the worst population.

    The second is there where metrics by population are asked for. A row that the table does not
    have (a bin that the panel lacks, a single population) asks for nothing; an empty one is
    `not run`.
    """
    demands = list(demands)
    populations = sorted({f.population for f in metrics} - {"all"})
    found = []
    for use in Use:
        own = [demand for demand in demands if demand.use is use]
        whole = _judged(use, "all", own, metrics)
        parts = [_judged(use, population, own, metrics) for population in populations]
        found += [
            fit for fit in (whole, max(filter(None, parts), key=_badness, default=None)) if fit
        ]
    return found


def _judged(
    use: Use, population: str, demands: list[Demand], metrics: Sequence[UseMetric]
) -> Fit | None:
    graded = [
        (demand, fitness_of(demand, metric))
        for demand in demands
        for metric in metrics
        if metric.metric == demand.metric
        and metric.population == population
        and metric.bin in demand.bins
    ]
    if not graded:
        return None
    off = sorted(
        (pair for pair in graded if pair[1] is not Fitness.FIT),
        key=lambda pair: -WORST_LAST.index(pair[1]),
    )
    return Fit(
        use,
        population,
        off[0][1] if off else Fitness.FIT,
        tuple(dict.fromkeys(demand for demand, _ in off)),
    )


def _badness(fit: Fit) -> tuple[int, int]:
    return WORST_LAST.index(fit.fitness), len(fit.limits)
