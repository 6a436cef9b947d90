"""The metrics of haplotype fidelity: one function (in `validation.metrics`) and one line here for each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genoloom.validation.data import WHOLE, Data, Part
from genoloom.validation.metrics import frequencies, haplotypes, linkage, people, structure, two_sample
from genoloom.validation.scales import arcsine, fisher, plain, started_log

LARGEST = 100.0  # spreads; what hardly varies among permutations can be no further off


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


def each_of_several_populations(d: Data) -> list[Part]:
    return [WHOLE, *d.parts_by_population()] if len(d.groups.populations) > 1 else []


@dataclass(frozen=True)
class Metric:
    """A line of the table.

    Attributes
    ----------
    name, kind : str
        The kind is one of `verdicts.KINDS`.
    figure : callable
        Of a pair, (data, a, b, part) -> float: how a compares with the reference b. Of a level, (data, group, part) -> float.
    parts : callable
        Which parts (populations, bins) have a row.
    single : bool
        A level: its floor is the held-out people's own figure. Else the floor is the mean over halvings of the real people.
    resplits : int or None
        Halvings behind the floor; None takes all.
    floor : callable or None
        (data, b, part) -> float: for pairs whose floor is a figure of the reference.
    null : callable or None
        (data, group or None, part) -> list of float: the figure of permutations of a synthetic group and the held-out
        people, or of halvings of the real people, in place of those that are collected.
    spread : callable or None
        (data) -> float: the standard deviation where theory gives it; z is then measured from the floor, without permutations.
    tolerance : float
        Differences from the floor that never matter.
    phase : bool
        Needs phased haplotypes; `not run` without.
    ascertained : bool
        Sites are chosen by what training people carry, so the training people themselves have no row.
    scale : callable or None
        (figures) -> figures on the scale on which permutations are compared; None takes Fisher's for similarities, else none.
    """

    name: str
    kind: str
    figure: Callable
    parts: Callable = whole
    single: bool = False
    resplits: int | None = None
    floor: Callable | None = None
    null: Callable | None = None
    spread: Callable | None = None
    tolerance: float = 0.0
    phase: bool = False
    ascertained: bool = False
    scale: Callable | None = None

    @property
    def scaled(self) -> Callable:
        """The scale on which permutations are compared."""
        return self.scale or (fisher if self.kind == "similarity" else plain)


def pair(name: str, kind: str, figure: Callable, parts: Callable = whole, **more) -> Metric:
    return Metric(name, kind, figure, parts, **more)


def level(name: str, figure: Callable, parts: Callable = whole, **more) -> Metric:
    return Metric(name, "level", figure, parts, single=True, **more)


few = started_log(0.005)

TABLE = (
    # frequencies
    pair("frequency_correlation", "similarity", frequencies.correlation),
    pair("frequency_error", "distance", frequencies.error, and_both),
    pair("frequency_divergence", "distance", frequencies.divergence, and_bins),
    pair("spectrum_distance", "distance", frequencies.spectrum_shape),
    pair("joint_spectrum_distance", "distance", frequencies.joint_spectrum_shape, between_populations),
    pair("size_history_distance", "distance", frequencies.size_history_distance, tolerance=0.05),
    level("sites_lost", frequencies.sites_lost, and_both, tolerance=0.005, ascertained=True, scale=few),
    pair("sites_new", "level", frequencies.sites_new, and_bins, floor=frequencies.sites_new_floor, tolerance=0.005, ascertained=True, scale=few),
    level("singletons", frequencies.singletons, tolerance=0.005, ascertained=True, scale=few),
    level("private_alleles", frequencies.private_alleles, each_of_several_populations, tolerance=0.005, ascertained=True, scale=few),
    # diversity along the genome
    pair("pi_error", "distance", frequencies.pi_error),
    pair("watterson_error", "distance", frequencies.theta_error, ascertained=True),
    pair("tajima_d_error", "distance", frequencies.tajima_error),
    level("pi", frequencies.pi),
    level("tajima_d", frequencies.tajima),
    pair("dxy", "level", frequencies.dxy_between, and_populations),
    pair("dxy_matrix_error", "distance", frequencies.dxy_matrix_error, between_populations, tolerance=0.005),
    # linkage
    pair("ld_r2_correlation", "similarity", linkage.r2_correlation, linkage.r2_parts, phase=True),
    pair("ld_r2_correlation", "similarity", linkage.r2_correlation_within, each_population, phase=True),
    pair("ld_r_correlation", "similarity", linkage.r_correlation, phase=True),
    pair("ld_d_prime_correlation", "similarity", linkage.d_prime_correlation, phase=True),
    pair("ld_decay_error", "distance", linkage.decay_error, tolerance=0.005, phase=True),
    pair("ld_decay_error_cm", "distance", linkage.decay_error_cm, tolerance=0.005, phase=True),
    pair("ld_score_slope", "level", linkage.score_slope, phase=True),
    pair("three_point_correlation", "similarity", linkage.three_point_correlation, linkage.three_point_parts, phase=True),
    pair("ehh_error", "distance", linkage.ehh_error, tolerance=0.005, phase=True),
    pair("nsl_correlation", "similarity", two_sample.nsl_agreement, phase=True),
    pair("ihs_correlation", "similarity", two_sample.ihs_agreement, phase=True),
    # haplotypes
    level("distinct_haplotypes", haplotypes.distinct, haplotypes.window_parts, phase=True),
    level("haplotype_homozygosity", haplotypes.h1, haplotypes.window_parts, phase=True),
    level("haplotype_h12", haplotypes.h12, haplotypes.window_parts, phase=True),
    level("haplotype_h2_h1", haplotypes.h2_h1, haplotypes.window_parts, phase=True),
    pair("haplotype_distance", "distance", haplotypes.difference, haplotypes.window_parts, phase=True),
    pair("haplotype_spectrum_distance", "distance", haplotypes.spectrum, haplotypes.window_parts, phase=True, ascertained=True),
    pair("longest_shared_run", "level", haplotypes.longest_run, phase=True),
    pair("shared_segments", "level", haplotypes.segments, tolerance=0.0005, phase=True),
    pair("copying_bits", "level", haplotypes.copying_bits, phase=True),
    # people
    pair("heterozygosity_distance", "distance", people.heterozygosity_distance, tolerance=0.05),
    level("heterozygosity_ratio", people.heterozygosity_ratio),
    level("heterozygous_sites", people.heterozygous_sites, each_population),
    level("inbreeding_spread", people.inbreeding_spread, tolerance=0.005),
    level("hardy_weinberg", people.hardy_weinberg, tolerance=0.02),
    level("homozygous_runs", people.homozygous_share, and_populations, tolerance=0.005),
    pair("longest_homozygous_run", "distance", people.longest_homozygous_run, tolerance=0.02),
    pair("kinship_distance", "distance", people.kinship_within, tolerance=0.01),
    pair("closest_kin", "level", people.closest_kin),
    pair("pairwise_distance_ks", "distance", people.pairwise_distance, and_populations, tolerance=0.01),
    # structure
    pair("pca_distance", "distance", structure.pca_distance, and_populations),
    pair("pca_alignment", "similarity", structure.pca_alignment, tolerance=0.02),
    pair("fst_matrix_error", "distance", structure.fst_matrix_error, between_populations, tolerance=0.001),
    pair("fst_from_real", "distance", structure.fst_between, each_population, tolerance=0.002),
    pair("population_tstr", "level", structure.train_on_synthetic, between_populations, tolerance=0.02, scale=arcsine),
    pair("population_trts", "level", structure.train_on_real, between_populations, tolerance=0.02, scale=arcsine),
    pair("ancestry_error", "distance", structure.ancestry_error, between_populations, tolerance=0.02),
    pair("precision", "level", structure.precision, scale=arcsine),
    pair("recall", "level", structure.recall, scale=arcsine),
    pair("density", "level", structure.density),
    pair("coverage", "level", structure.coverage, and_populations, scale=arcsine),
    # two-sample tests
    pair("aats_truth", "half", structure.aats_truth),
    pair("aats_synthetic", "half", structure.aats_synthetic),
    pair("mmd", "distance", structure.discrepancy, null=structure.permuted_discrepancies),
    pair("classifier_auc", "accuracy", two_sample.classifier_auc, two_sample.classifier_parts, resplits=2, spread=two_sample.chance_spread),
)  # fmt: skip


@dataclass(frozen=True)
class Permuted:
    """What chance makes of a figure when the labels mean nothing.

    Attributes
    ----------
    z : float
        The figure's distance from the mean of the permutations, in their standard deviations, with its sign.
    departures : ndarray of float, shape (n_permutations,)
        The same of each permutation among the others, without sign; 0 where the tolerance covers it. Empty where the
        spread is known without permutations.
    """

    z: float
    departures: np.ndarray


@dataclass(frozen=True)
class Measured:
    """One figure of every generator and of the training people, its floor, and what chance makes of it.

    Attributes
    ----------
    floor, floor_sd : float
        Of real people.
    permuted : dict of str to Permuted
        For each synthetic group and for "T"; empty where the spread is known without permutations: `floor_sd`.
    """

    metric: Metric
    part: Part
    values: dict[str, float]
    floor: float
    floor_sd: float
    permuted: dict[str, Permuted]


def measure(metric: Metric, part: Part, d: Data) -> Measured:
    """Take one figure of all groups, and its floor; nan throughout where it needs a phase that is not known."""
    groups = [*d.groups.synthetic, "T"]
    nothing = float("nan")
    if metric.phase and not d.phased:
        return Measured(metric, part, dict.fromkeys(groups, nothing), nothing, nothing, {})
    score = {g: float(metric.figure(d, g, part)) for g in d.groups.rows} if metric.single else {}

    def compared(a: str, b: str) -> tuple[float, float]:
        """The figure of a, and what it should be if a is like b."""
        if metric.single:
            return score[a], score[b]
        return float(metric.figure(d, a, b, part)), float(metric.floor(d, b, part)) if metric.floor else 0.0

    def halves(pairs: list[tuple[str, str]], group: str | None) -> np.ndarray:
        """The same of halves that differ by chance, shape (n_halvings, 2)."""
        if metric.null:
            return np.array([(figure, 0.0) for figure in metric.null(d, group, part)])
        return np.array([compared(a, b) for a, b in pairs[: metric.resplits]])

    found = {g: compared(g, "H") for g in groups}
    real = halves(d.groups.halvings, None)
    own_floor = metric.single or metric.floor
    floor = found["T"][1] if own_floor else float(real[:, 0].mean())
    floor_sd = float((real[:, 0] - real[:, 1]).std(ddof=1))
    values = {g: value for g, (value, _) in found.items()}
    if metric.spread:
        return Measured(metric, part, values, floor, max(metric.spread(d), floor_sd), {})
    permuted = {"T": real} | {g: halves(d.groups.permutations[g], g) for g in d.groups.synthetic}
    return Measured(metric, part, values, floor, floor_sd, {g: measure_permuted(metric, found[g], permuted[g]) for g in groups})


def measure_permuted(metric: Metric, found: tuple[float, float], permutations: np.ndarray) -> Permuted:
    """Of a figure and what it should be, and the same of halves that differ by chance, shape (n_permutations, 2)."""
    own_floor = metric.single or metric.floor
    scaled = metric.scaled

    def departure(pairs: np.ndarray) -> np.ndarray:
        return scaled(pairs[..., 0]) - (scaled(pairs[..., 1]) if own_floor else 0.0)

    raw = permutations[:, 0] - permutations[:, 1]
    expected = found[1] if own_floor else raw.mean()
    towards = -1 if metric.kind == "similarity" else 1
    least = abs(scaled(expected + towards * metric.tolerance) - scaled(expected)) / 4  # no spread is smaller
    by_chance = departure(permutations)
    n, mean = len(by_chance), by_chance.mean()
    z = _spreads(departure(np.array(found)) - mean, by_chance.var(ddof=1), least)
    off = by_chance - mean
    from_others = off * n / (n - 1)  # from their mean, and below their variance
    variance = np.maximum((off**2).sum() - off * from_others, 0) / max(n - 2, 1)
    matters = np.abs(raw - (0.0 if own_floor else expected)) > metric.tolerance
    return Permuted(float(z), np.where(matters, np.abs(_spreads(from_others, variance, least)), 0.0))


def _spreads(off: np.ndarray, variance: np.ndarray, least: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.clip(off / np.sqrt(variance + least**2), -LARGEST, LARGEST)
    return np.where(np.abs(off) > 1e-12, z, 0.0 * off)


def measure_all(d: Data, table: tuple[Metric, ...] = TABLE) -> list[Measured]:
    """Every metric of the table, in its order."""
    return [measure(metric, part, d) for metric in table for part in metric.parts(d)]
