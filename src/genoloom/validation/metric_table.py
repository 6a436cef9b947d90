"""The metrics of haplotype fidelity: one function (in `validation.metrics`) and one line here for
each.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from genoloom.validation.cohorts import Group
from genoloom.validation.data import WHOLE, Data, Part
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.metrics import (
    frequencies,
    haplotypes,
    individuals,
    linkage,
    structure,
    tasks,
    two_sample,
)
from genoloom.validation.reference_values import RealScore

CLASSIFIER_HALVINGS = 8
# What a few rare haplotypes decide varies more between two draws of individuals than between
# halvings of one: a haplotype that ten individuals carry is in both halves, and easily in only one
# of two draws.
RARE_SPREAD = 2.0
LARGEST = 100.0  # spreads: the most that a halving counts, where a metric hardly varies


def whole(d: Data) -> list[Part]:
    return [WHOLE]


def and_bins(d: Data) -> list[Part]:
    return [WHOLE, *d.parts_by_bin()]


def and_populations(d: Data) -> list[Part]:
    return [WHOLE, *d.parts_by_population()]


def and_both(d: Data) -> list[Part]:
    return [WHOLE, *d.parts_by_population(), *d.parts_by_bin()]


def each_population(d: Data) -> list[Part]:
    return d.parts_by_population()


def between_populations(d: Data) -> list[Part]:
    return [WHOLE] if len(d.groups.populations) > 1 else []


@dataclass(frozen=True)
class Metric:
    """A line of the table.

    Attributes
    ----------
    name : MetricId
    statistic : callable
        Of a pair, (data, a, b, part) -> float: how a compares with the reference b. Of a level,
        (data, group, part) -> float.
    parts : callable
        Which parts (populations, bins) have a row.
    single : bool
        A level: its reference is the held-out individuals' own metric. Else the reference is the
        mean over halvings of the real individuals.
    n_permutations : int or None
        Permutations used for the reference; None takes all.
    null : callable or None
        (data, part) -> list of float: the metric of halvings of the real individuals, in place of
        those that are collected.
    spread : callable or None
        (data) -> float: the least standard deviation in theory, where the halvings are few.
    tolerance : float
        Differences from the reference that never matter.
    phase : bool
        Needs phased haplotypes; `not run` without.
    genotypes : bool
        Needs both haplotypes of an individual; where others are haploid, and rows are pairs of
        them, it is measured on those who have two, or `not run`.
    ascertained : bool
        Sites are chosen by what training individuals carry, so the training individuals themselves
        have no row.
    unit : float
        Of an offset: the difference from the reference that begins to matter.
    """

    name: MetricId
    statistic: Callable
    parts: Callable = whole
    single: bool = False
    n_permutations: int | None = None
    null: Callable | None = None
    spread: Callable | None = None
    tolerance: float = 0.0
    phase: bool = False
    genotypes: bool = False
    ascertained: bool = False
    unit: float = 1.0


pair, level = Metric, partial(Metric, single=True)


TABLE = (
    # frequencies
    pair(M.FREQUENCY_CORRELATION, frequencies.correlation),
    pair(M.FREQUENCY_ERROR, frequencies.error, and_both),
    pair(M.FREQUENCY_DIVERGENCE, frequencies.divergence, and_bins),
    pair(M.JOINT_SPECTRUM_DISTANCE, frequencies.joint_spectrum_shape, between_populations),
    level(M.SITES_LOST, frequencies.sites_lost, and_both, tolerance=0.02, ascertained=True),
    # diversity along the genome
    pair(M.PI_ERROR, frequencies.pi_error),
    pair(M.WATTERSON_ERROR, frequencies.theta_error, ascertained=True),
    pair(M.TAJIMA_D_ERROR, frequencies.tajima_error),
    level(M.TAJIMA_D, frequencies.tajima, unit=0.25),
    pair(M.DXY_MATRIX_ERROR, frequencies.dxy_matrix_error, between_populations, tolerance=0.005),
    # linkage
    pair(M.LD_R2_CORRELATION, linkage.r2_correlation, linkage.r2_parts, phase=True),
    pair(M.LD_R2_CORRELATION, linkage.r2_correlation_within, each_population, phase=True),
    pair(M.LD_R_CORRELATION, linkage.r_correlation, phase=True),
    pair(M.LD_D_PRIME_CORRELATION, linkage.d_prime_correlation, phase=True),
    pair(M.LD_DECAY_ERROR, linkage.decay_error, tolerance=0.005, phase=True),
    pair(M.LD_DECAY_ERROR_CM, linkage.decay_error_cm, tolerance=0.005, phase=True),
    pair(M.LD_SCORE_SLOPE, linkage.score_slope, phase=True),
    pair(
        M.THREE_POINT_CORRELATION,
        linkage.three_point_correlation,
        linkage.three_point_parts,
        phase=True,
    ),
    pair(M.EHH_ERROR, linkage.ehh_error, tolerance=0.005, phase=True),
    pair(M.NSL_CORRELATION, two_sample.nsl_agreement, phase=True),
    pair(M.IHS_CORRELATION, two_sample.ihs_agreement, phase=True),
    # haplotypes
    level(M.DISTINCT_HAPLOTYPES, haplotypes.distinct, haplotypes.window_parts, phase=True),
    level(M.HAPLOTYPE_HOMOZYGOSITY, haplotypes.h1, haplotypes.window_parts, phase=True),
    level(M.HAPLOTYPE_H12, haplotypes.h12, haplotypes.window_parts, phase=True),
    level(M.HAPLOTYPE_H2_H1, haplotypes.h2_h1, haplotypes.window_parts, phase=True),
    pair(M.HAPLOTYPE_DISTANCE, haplotypes.difference, haplotypes.window_parts, phase=True),
    pair(
        M.HAPLOTYPE_SPECTRUM_DISTANCE,
        haplotypes.spectrum,
        haplotypes.window_parts,
        phase=True,
        ascertained=True,
    ),
    pair(M.LONGEST_SHARED_RUN, haplotypes.longest_run, null=haplotypes.resampled_runs, phase=True),
    pair(
        M.SHARED_SEGMENTS,
        haplotypes.segments,
        null=haplotypes.resampled_segments,
        tolerance=0.0005,
        phase=True,
    ),
    pair(M.COPYING_BITS, haplotypes.copying_bits, phase=True),
    level(
        M.IMPOSSIBLE_HAPLOTYPES,
        haplotypes.impossible,
        tolerance=0.001,
        phase=True,
        ascertained=True,
    ),
    # individuals
    pair(
        M.HETEROZYGOSITY_DISTANCE,
        individuals.heterozygosity_distance,
        tolerance=0.05,
        genotypes=True,
    ),
    level(M.HETEROZYGOSITY_RATIO, individuals.heterozygosity_ratio, unit=0.03, genotypes=True),
    level(M.INBREEDING_SPREAD, individuals.inbreeding_spread, tolerance=0.005, genotypes=True),
    level(M.HARDY_WEINBERG, individuals.hardy_weinberg, tolerance=0.02, genotypes=True),
    level(M.HOMOZYGOUS_RUNS, individuals.homozygous_share, tolerance=0.01, genotypes=True),
    level(M.REPEATED_INDIVIDUALS, individuals.repeated_individuals, tolerance=0.02, genotypes=True),
    pair(
        M.LONGEST_HOMOZYGOUS_RUN, individuals.longest_homozygous_run, tolerance=0.02, genotypes=True
    ),
    pair(M.KINSHIP_DISTANCE, individuals.kinship_within, tolerance=0.01, genotypes=True),
    pair(
        M.CLOSEST_KIN,
        individuals.closest_kin,
        null=individuals.resampled_kin,
        unit=0.03,
        genotypes=True,
    ),
    pair(M.PAIRWISE_DISTANCE_KS, individuals.pairwise_distance, and_populations, tolerance=0.01),
    # structure
    pair(M.PCA_DISTANCE, structure.pca_distance, and_populations),
    pair(M.PCA_ALIGNMENT, structure.pca_alignment, tolerance=0.02),
    pair(M.FST_MATRIX_ERROR, structure.fst_matrix_error, between_populations, tolerance=0.001),
    pair(M.FST_FROM_REAL, structure.fst_between, each_population, tolerance=0.002),
    pair(M.POPULATION_TSTR, structure.train_on_synthetic, between_populations, tolerance=0.02),
    pair(M.POPULATION_TRTS, structure.train_on_real, between_populations, tolerance=0.02),
    pair(M.ANCESTRY_ERROR, structure.ancestry_error, between_populations, tolerance=0.02),
    pair(M.PRECISION, structure.precision),
    pair(M.RECALL, structure.recall),
    pair(M.DENSITY, structure.density),
    pair(M.COVERAGE, structure.coverage, and_populations),
    # the work itself; that of ancestry is the population classifier
    pair(M.FREQUENCY_FILTERS, tasks.frequency_filters, and_populations),
    pair(M.ASSOCIATION_HITS, tasks.association_hits, tasks.hits_parts, null=tasks.widened_hits),
    pair(M.ASSOCIATION_EFFECTS, tasks.association_effects, tasks.effects_parts),
    pair(M.LDSC_HERITABILITY, tasks.ldsc_heritability, tasks.heritability_parts),
    pair(M.IMPUTATION_R2, tasks.imputation_r2, tasks.imputed_parts, phase=True),
    # two-sample tests
    pair(M.AATS_HOLDOUT, structure.aats_holdout),
    pair(M.AATS_SYNTHETIC, structure.aats_synthetic),
    pair(M.MMD, structure.discrepancy, null=structure.halved_discrepancies),
    pair(
        M.CLASSIFIER_AUC,
        two_sample.classifier_auc,
        two_sample.classifier_parts,
        n_permutations=CLASSIFIER_HALVINGS,
        spread=two_sample.chance_spread,
    ),
)


OF_GENOTYPES = tuple(metric for metric in TABLE if metric.genotypes)


@dataclass(frozen=True)
class Measured:
    """One metric of every generator and of the training individuals, its reference, and what chance
    makes of it.

    Attributes
    ----------
    values : dict of str to float
        For each synthetic group and for "T".
    reference, null_sd : float
        Of real individuals; the spread is at least a quarter of the tolerance.
    departures : ndarray of float, shape (n_halvings,)
        How far each halving of the real individuals is from the others, in their spreads, without
        sign; 0 where the tolerance covers it. Empty where theory has a part in the spread.
    n : int, optional
        Individuals per group, where they are not those of the other metrics.
    """

    metric: Metric
    part: Part
    values: dict[str, float]
    reference: float
    null_sd: float
    departures: np.ndarray
    n: int | None = None

    def real_score(self) -> RealScore:
        """What does not depend on the synthetic individuals."""
        return RealScore(
            metric=self.metric.name.value,
            population=self.part.population,
            bin=self.part.bin,
            training=self.values[Group.TRAIN],
            reference=self.reference,
            null_sd=self.null_sd,
            departures=self.departures.tolist(),
        )


def can(metric: Metric, d: Data) -> bool:
    """Whether the data have the phase and the genotypes that a metric needs."""
    return (d.phased or not metric.phase) and (d.diploid or not metric.genotypes)


def measure(metric: Metric, part: Part, d: Data) -> Measured:
    """One metric of all groups, and its reference; nan where it needs a phase that is not known."""
    groups = [*d.groups.synthetic, Group.TRAIN]
    nothing = float("nan")
    if not can(metric, d):
        return Measured(metric, part, dict.fromkeys(groups, nothing), nothing, nothing, np.empty(0))
    score = {g: float(metric.statistic(d, g, part)) for g in d.groups.rows} if metric.single else {}

    def compared(a: str, b: str) -> tuple[float, float]:
        """The metric of a, and what it should be if a is like b."""
        if metric.single:
            return score[a], score[b]
        return float(metric.statistic(d, a, b, part)), 0.0

    halvings = d.groups.halvings[: metric.n_permutations]
    found = {g: compared(g, Group.HOLDOUT) for g in groups}
    values = {g: value for g, (value, _) in found.items()}
    pairs = (
        np.array([compared(a, b) for a, b in halvings])
        if metric.null is None
        else _nulls(metric.null(d, part))
    )
    reference = found[Group.TRAIN][1] if metric.single else float(pairs[:, 0].mean())
    off = pairs[:, 0] - pairs[:, 1]
    spread = math.hypot(
        float(off.std(ddof=1)) * (RARE_SPREAD if metric.ascertained else 1.0), metric.tolerance / 4
    )
    if metric.spread:
        return Measured(metric, part, values, reference, max(metric.spread(d), spread), np.empty(0))
    return Measured(
        metric, part, values, reference, spread, departures_of(off, metric.tolerance, metric.single)
    )


def _nulls(values: list[float]) -> np.ndarray:
    return np.stack([values, np.zeros(len(values))], axis=1)


def departures_of(off: np.ndarray, tolerance: float, centred: bool) -> np.ndarray:
    """How far each halving is from the others; see `Measured`.

    Parameters
    ----------
    off : ndarray of float, shape (n_halvings,)
        The metric of each halving, less what it should be where that is known (`centred`).
    """
    n, mean = len(off), off.mean()
    from_mean = off - mean
    from_others = from_mean * n / (n - 1)  # from their mean, and below their variance
    variance = np.maximum((from_mean**2).sum() - from_mean * from_others, 0) / max(n - 2, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.minimum(np.abs(from_others) / np.sqrt(variance + (tolerance / 4) ** 2), LARGEST)
    matters = np.abs(off - (0.0 if centred else mean)) > max(tolerance, 1e-12)
    return np.where(matters, z, 0.0 * off)


def measure_all(d: Data, table: tuple[Metric, ...] = TABLE) -> list[Measured]:
    """Every metric of the table, in its order."""
    return [measure(metric, part, d) for metric in table for part in metric.parts(d)]


def measure_synthetic(
    d: Data, scores: list[RealScore], table: tuple[Metric, ...] = TABLE
) -> list[Measured]:
    """The same of the synthetic groups alone, where it is known what real individuals score.

    Parameters
    ----------
    scores : list of RealScore
        Of `Measured.real_score`, with the same individuals and the same options.
    """
    known = {(score.metric, score.population, score.bin): score for score in scores}
    measured = []
    for metric in table:
        for part in metric.parts(d):
            real = known.get((metric.name, part.population, part.bin))
            if (
                real is None
            ):  # a part that is not shown: it varies too much between real individuals
                continue
            values = {Group.TRAIN: real.training}
            for g in d.groups.synthetic:
                compared = (g,) if metric.single else (g, Group.HOLDOUT)
                values[g] = (
                    float(metric.statistic(d, *compared, part)) if can(metric, d) else math.nan
                )
            departures = np.array(real.departures)
            measured.append(
                Measured(metric, part, values, real.reference, real.null_sd, departures)
            )
    return measured
