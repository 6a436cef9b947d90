"""When a metric passes. One rule for each type of metric; the same for every generator and data
set.

`value` is what the synthetic data score against the held-out individuals. `reference` is what other
real individuals score against them, and `null_sd` the spread of that score. `z` is the distance of
the value from the reference in these spreads (see `fidelity`).

A departure from the reference has a size, which depends on the metric and its reference alone:

type       measured as                            small        large: beyond  huge: beyond
----       -----------                            -----        -------------  ------------
distance   excess, as a share of the reference    0.5          2              9
similarity the same of 1 - value; and the         0.5 and 5 %  2 or 15 %      half of the reference,
           share of the reference that is lost                                and 0.25
accuracy   |value - 0.5| + 0.5, excess            0.05         0.15           0.25
level      |value - reference| / reference        10 %         25 %           a factor of 4
share      the same                               10 %         25 %           never: few haplotypes
                                                                              with many rare
                                                                              alleles decide it
offset     |value - reference| / unit             1            2.5            10
adversarial accuracy  |value - 0.5|                          0.10         0.20           0.40
copying    value / reference - 1                  0.1          never: `overfitted`
bits       value - reference                      0.001        0.01

It also has a significance: beyond `chance.passes` spreads it is not chance.

- A small departure passes.
- A medium one passes when chance explains it, and is `weak` otherwise.
- A large one fails when it is more than `chance.fails` spreads off. Chance explains at most
  `LARGE_BOUND` spreads of it, however many metrics the table has.
- A huge one fails whatever the spread.

So a metric that is farther from the reference, in size and in spreads, never has a better verdict.

`Chance.single()`, 2 and 4, is for a metric on its own. A table of many metrics uses
`Chance.of_halvings`: all metrics of a perfect generator stay within this bound together, 99 times
in 100. It is learnt from halvings of the real individuals.

A difference from the reference of at most `tolerance` always passes, and ratios are taken to at
least the tolerance. Verdicts are two-sided. A distance or similarity that is *better* than real
individuals are to each other (half the reference, and z < -3 or beyond the bound of the table), and
a half below 0.4, is `overfitted`: real rows lie on synthetic ones, as they do after memorisation.
"""

import math
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Self

import numpy as np
from scipy.special import stdtrit

FAMILY_ERROR = 0.01
FEWEST_HALVINGS = 10  # from which a law can be fitted to their largest departures
MANY_HALVINGS = 20  # from which a spread is known well enough to be counted in five of
LARGE_BOUND = 5.0  # spreads that chance explains of a large departure, at most


class Verdict(StrEnum):
    """Of a metric, of a part of the table, or of a generator; from the best to the worst."""

    PASS = "pass"
    NOT_RUN = "not run"
    WEAK = "weak"
    OVERFITTED = "overfitted"
    FAIL = "fail"


ORDER = tuple(Verdict)


REAL = "real"  # the row of real individuals, judged as if they were synthetic


class Role(StrEnum):
    """What a row of a table is of; the value is what the column `role` holds."""

    GENERATOR = "generator"
    BASELINE = "baseline"
    COMPARISON = "comparison"


class ComparisonRow(StrEnum):
    """What is shown next to data of a privacy mode; `help` says what it is."""

    help: str

    def __new__(cls, value: str, help_text: str) -> Self:
        member = str.__new__(cls, value)
        member._value_, member.help = value, help_text
        return member

    PUBLIC = (
        "public_individuals",
        "Individuals of the public populations that represent the cohort's, as if they were "
        "synthetic.",
    )
    NEAREST = (
        "nearest_population",
        "Individuals of the public populations that are nearest to the cohort's by FST, as if they "
        "were synthetic; missing where these are the ones that represent it.",
    )
    MOSAIC = (
        "public_mosaic",
        "Mosaics of these public individuals: pieces of their haplotypes (matched_mosaic).",
    )
    TWIN = (
        "private_twin",
        "Without privacy: the same network, whose templates are the training individuals (mode "
        "none).",
    )


class MetricType(StrEnum):
    """How a metric is measured; see the module's docstring."""

    DISTANCE = "distance"
    SIMILARITY = "similarity"
    ACCURACY = "accuracy"
    LEVEL = "level"
    SHARE = "share"
    OFFSET = "offset"
    ADVERSARIAL = "adversarial accuracy"
    COPYING = "copying"
    BITS = "bits"


class Size(IntEnum):
    """How far a metric is from its reference, whatever chance makes of it."""

    SMALL = 0
    MEDIUM = 1
    LARGE = 2
    HUGE = 3


@dataclass(frozen=True)
class Bounds:
    """Largest departures that are small, medium and large."""

    small: float
    medium: float
    large: float = math.inf

    def size(self, departure: float) -> Size:
        # rounding errors of a subtraction do not count
        return Size(
            sum(round(departure, 9) > bound for bound in (self.small, self.medium, self.large))
        )


SIZES = {
    MetricType.DISTANCE: Bounds(0.5, 2.0, 9.0),
    MetricType.ACCURACY: Bounds(0.05, 0.15, 0.25),
    MetricType.LEVEL: Bounds(0.1, 0.25),
    MetricType.SHARE: Bounds(0.1, 0.25),
    MetricType.OFFSET: Bounds(1.0, 2.5, 10.0),
    MetricType.ADVERSARIAL: Bounds(0.1, 0.2, 0.4),
    MetricType.COPYING: Bounds(0.1, math.inf),
    MetricType.BITS: Bounds(0.001, 0.01),
}
NOISE, LOST, GONE = Bounds(0.5, 2.0), Bounds(0.05, 0.15, 0.5), 0.25  # of similarities
FACTOR = 4.0  # between a level and its reference: huge
BETTER = -0.5  # a distance by this much of its reference below it is too small


@dataclass(frozen=True)
class Chance:
    """How many spreads chance explains: at most `passes` is a pass, more than `fails` can fail.

    Of a large departure chance explains at most `large`, however many metrics the table has.
    """

    passes: float
    fails: float
    overfitted: float
    large: float = LARGE_BOUND

    @classmethod
    def single(cls) -> "Chance":
        """For one metric on its own."""
        return cls(2.0, 4.0, 3.0)

    @classmethod
    def of_family(cls, n_metrics: int, halvings: float = math.inf) -> "Chance":
        """For a table of normal `n_metrics`, whose spreads are known or estimated from `halvings`.

        Bonferroni's bound on Student's t, two-sided: real individuals pass all metrics in 99 of 100
        tables.
        """

        bound = float(-stdtrit(max(halvings - 1, 1), FAMILY_ERROR / (2 * max(n_metrics, 1))))
        return cls(bound, bound, bound)

    @classmethod
    def of_halvings(cls, departures: np.ndarray) -> "Chance":
        """For a table of dependent metrics that are not normal, from halvings of real individuals.

        The largest departure of each halving is what a perfect generator's would be (Westfall and
        Young 1993, Resampling-based multiple testing). Its 99 % point is that of Gumbel's law,
        fitted to the logarithms by L-moments (Hosking 1990, J R Stat Soc B 52:105-124). The bound
        is never below `of_family`, which is used alone for few halvings.

        Parameters
        ----------
        departures : ndarray of float, shape (n_halvings, n_metrics)
            Without sign, each in spreads of the other halvings.
        """
        halvings, n_metrics = departures.shape
        normal = cls.of_family(n_metrics, halvings)
        if halvings < FEWEST_HALVINGS or not n_metrics:
            return replace(normal, large=math.inf)
        largest = np.sort(np.log(np.maximum(departures.max(axis=1), 1.0)))
        second_moment = (
            2 * (np.arange(halvings) * largest).sum() / (halvings * (halvings - 1)) - largest.mean()
        )
        scale = second_moment / math.log(2)
        mode = largest.mean() - np.euler_gamma * scale
        bound = max(normal.passes, math.exp(mode - scale * math.log(-math.log(1 - FAMILY_ERROR))))
        return cls(bound, bound, bound, LARGE_BOUND if halvings >= MANY_HALVINGS else math.inf)


@dataclass(frozen=True)
class Judgement:
    """Noise-floor ratio, z-score, size and verdict of one metric."""

    nfr: float
    z: float
    size: Size
    verdict: Verdict


def judge(
    metric_type: MetricType,
    value: float,
    reference: float,
    null_sd: float,
    tolerance: float = 0.0,
    chance: Chance | None = None,
    unit: float = 1.0,
) -> Judgement:
    """Compare a metric with its reference; see the table in the module's docstring.

    Parameters
    ----------
    value, reference : float
        nan where it was not measured: the verdict is `not run`.
    null_sd : float
        Spread of what real individuals score.
    tolerance : float
        A difference that never matters.
    chance : Chance, optional
        Without one, `Chance.single()`.
    unit : float
        Of an offset: the difference that begins to matter.

    Raises
    ------
    ValueError
        The type is none of `MetricType`.
    """
    metric_type = MetricType(metric_type)
    if math.isnan(value) or math.isnan(reference):
        return Judgement(math.nan, math.nan, Size.SMALL, Verdict.NOT_RUN)
    size, better = _size(metric_type, value, reference, tolerance, unit)
    near = abs(value - reference) <= tolerance
    if metric_type is MetricType.SIMILARITY:
        value, reference = 1 - value, 1 - reference
    elif metric_type is MetricType.ACCURACY:
        value, reference = (abs(number - 0.5) + 0.5 for number in (value, reference))
    nfr = value / reference if reference > 0 else (1.0 if value == reference else math.inf)
    excess = value - reference
    without_spread = math.copysign(math.inf, excess) if excess else 0.0
    z = excess / null_sd if null_sd > 0 else without_spread
    verdict = (
        Verdict.PASS
        if near
        else _verdict(metric_type, size, better, round(z, 9), chance or Chance.single())
    )
    return Judgement(nfr, z, Size.SMALL if near else size, verdict)


def _size(
    metric_type: MetricType, value: float, reference: float, tolerance: float, unit: float
) -> tuple[Size, bool]:
    """Size of a departure, and whether it is nearer than real individuals are to each other."""
    if metric_type is MetricType.SIMILARITY:
        noise = (reference - value) / max(1 - reference, tolerance, 1e-12)
        lost = (reference - value) / reference if reference > 0 else 0.0
        share = LOST.size(lost)
        if share is Size.HUGE and reference - value <= GONE:
            share = Size.LARGE
        return max(NOISE.size(noise), share), noise < BETTER
    excess, base = value - reference, max(reference, tolerance, 1e-12)
    if metric_type is MetricType.LEVEL:
        low, high = sorted((value, reference))
        if high > FACTOR * max(low, tolerance):
            return Size.HUGE, False
    relative = abs(excess) / base
    departure = {
        MetricType.DISTANCE: excess / base,
        MetricType.ACCURACY: abs(value - 0.5) - abs(reference - 0.5),
        MetricType.LEVEL: relative,
        MetricType.SHARE: relative,
        MetricType.OFFSET: abs(excess) / unit,
        MetricType.ADVERSARIAL: abs(value - 0.5),
        MetricType.COPYING: excess / base,
        MetricType.BITS: excess,
    }[metric_type]
    better = {MetricType.DISTANCE: departure < BETTER, MetricType.ADVERSARIAL: value < 0.5}.get(
        metric_type, False
    )
    return SIZES[metric_type].size(departure), better


TWO_SIDED = (MetricType.LEVEL, MetricType.SHARE, MetricType.OFFSET, MetricType.ADVERSARIAL)


def _verdict(
    metric_type: MetricType, size: Size, better: bool, z: float, chance: Chance
) -> Verdict:
    if better and metric_type in (MetricType.DISTANCE, MetricType.SIMILARITY):
        return Verdict.OVERFITTED if z < -chance.overfitted else Verdict.PASS
    if metric_type is MetricType.BITS:
        # cost a base is exact to many digits: what chance explains is weak
        failed = size > Size.MEDIUM and z > chance.passes
        return Verdict.PASS if size is Size.SMALL else Verdict.FAIL if failed else Verdict.WEAK
    off = abs(z) if metric_type in TWO_SIDED else z
    explained = min(chance.passes, chance.large) if size is Size.LARGE else chance.passes
    if size is Size.SMALL or (size is not Size.HUGE and off <= explained):
        return Verdict.PASS
    if metric_type is MetricType.COPYING or (metric_type is MetricType.ADVERSARIAL and better):
        return Verdict.OVERFITTED
    failed = size is Size.HUGE or (size is Size.LARGE and off > min(chance.fails, chance.large))
    return Verdict.FAIL if failed else Verdict.WEAK


def worst(verdicts: list[str]) -> Verdict:
    """The worst of some verdicts; `not run` is worse than `pass`."""
    return max(map(Verdict, verdicts), key=ORDER.index) if verdicts else Verdict.NOT_RUN
