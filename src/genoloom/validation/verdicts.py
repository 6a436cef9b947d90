"""When a metric passes. One rule for each kind of metric; the same for every generator and every data set.

`value` is what the synthetic data score against the held-out people, `floor` what other real people score against
them, `floor_sd` the spread of that score; `z` is the distance from what chance gives, in its spreads: the floor's, or those
of a permutation test (see `fidelity`).
A figure passes when its departure is small (so that it does not matter) *or* within chance (so that it is not shown):

kind          measured as                      small: pass                   larger, shown: weak         beyond: fail
----          -----------                      -----------                   -------------------         ------------
distance      value                            nfr <= 1.5                    nfr <= 3
similarity    1 - value                        nfr <= 1.5 and at most 5 %    nfr <= 3 and at most 15 %
                                               of the floor lost             of the floor lost
accuracy      |value - 0.5| + 0.5              excess <= 0.05                excess <= 0.15
level         |value - floor|                  within 10 %                   within 25 %
half          |value - 0.5|                    <= 0.10                       <= 0.20
copying       value                            nfr <= 1.1                    never: else `too close`
bits          value                            <= floor + 0.001              <= floor + 0.01 or z <= 2

Within chance means z <= `chance.passes`, and a failure needs z > `chance.fails` (both sides of it for levels and halves).
`Chance.single()`, 2 and 4, is for a figure on its own. A table of many figures uses `Chance.of_permutations`: the bound that
all figures of a perfect generator stay within, together, 99 times in 100, learnt from the permutations themselves.

A difference from the floor of at most `tolerance` always passes. Two-sided: a distance or similarity that is *better* than
real people are to each other (nfr < 0.5 and z < -3, or beyond the bound of the family), and a half below 0.4, is
`too close`: real rows sit on synthetic ones, which is how memorisation looks.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

KINDS = ("distance", "similarity", "accuracy", "level", "half", "copying", "bits")
ORDER = ("pass", "not run", "weak", "too close", "fail")
FAMILY_ERROR = 0.01
FEWEST_PERMUTATIONS = 10  # from which a law can be fitted to their largest departures


@dataclass(frozen=True)
class Chance:
    """How many spreads from the floor chance explains: `passes` and less is a pass, more than `fails` can fail."""

    passes: float
    fails: float
    too_close: float

    @classmethod
    def single(cls) -> "Chance":
        """For one figure on its own."""
        return cls(2.0, 4.0, 3.0)

    @classmethod
    def of_family(cls, figures: int, resplits: float = math.inf) -> "Chance":
        """For a table of `figures`, each normal, with a spread that is known or estimated from `resplits` halvings.

        Bonferroni's bound on Student's t, two-sided: real people pass all figures in 99 of 100 tables.
        """
        bound = float(t.isf(FAMILY_ERROR / (2 * max(figures, 1)), max(resplits - 1, 1)))
        return cls(bound, bound, bound)

    @classmethod
    def of_permutations(cls, departures: np.ndarray) -> "Chance":
        """For a table of figures that are not normal and depend on each other, from what permutations of the labels give.

        The largest departure of each permutation is what a perfect generator's would be (Westfall and Young 1993,
        Resampling-based multiple testing). Its 99 % point is that of Gumbel's law, fitted to the logarithms by L-moments
        (Hosking 1990, J R Stat Soc B 52:105-124). Never below `of_family`, which stands alone for few permutations.

        Parameters
        ----------
        departures : ndarray of float, shape (n_permutations, n_figures)
            Without sign, each in spreads of the other permutations.
        """
        permutations, figures = departures.shape
        normal = cls.of_family(figures, permutations)
        if permutations < FEWEST_PERMUTATIONS or not figures:
            return normal
        largest = np.sort(np.log(np.maximum(departures.max(axis=1), 1.0)))
        second_moment = 2 * (np.arange(permutations) * largest).sum() / (permutations * (permutations - 1)) - largest.mean()
        scale = second_moment / math.log(2)
        mode = largest.mean() - np.euler_gamma * scale
        bound = max(normal.passes, math.exp(mode - scale * math.log(-math.log(1 - FAMILY_ERROR))))
        return cls(bound, bound, bound)


@dataclass(frozen=True)
class Judgement:
    """Noise-floor ratio, z-score and verdict of one figure."""

    nfr: float
    z: float
    verdict: str


def judge(
    kind: str,
    value: float,
    floor: float,
    floor_sd: float,
    tolerance: float = 0.0,
    chance: Chance | None = None,
    z: float | None = None,
) -> Judgement:
    """Compare a figure with its floor; see the table in the module's docstring. A missing value is `not run`.

    `z` is the distance of the figure from chance, in spreads and with its sign, where that is not (value - floor) / floor_sd.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of metric '{kind}'")
    if math.isnan(value) or math.isnan(floor):
        return Judgement(math.nan, math.nan, "not run")
    near = abs(value - floor) <= tolerance
    lost = 0.0
    if kind == "similarity":
        lost = 1 - value / floor if floor > 0 else 0.0
        value, floor, z = 1 - value, 1 - floor, None if z is None else -z
    elif kind == "accuracy":
        value, floor = (abs(number - 0.5) + 0.5 for number in (value, floor))
    nfr = value / floor if floor > 0 else (1.0 if value == floor else math.inf)
    excess = value - floor
    if z is None:
        z = excess / floor_sd if floor_sd > 0 else (0.0 if excess == 0 else math.copysign(math.inf, excess))
    # a value that meets a decimal bound meets it: rounding errors of the subtraction do not count
    exact = (round(number, 9) for number in (value, nfr, z, excess, lost))
    verdict = "pass" if near else _verdict(kind, *exact, chance or Chance.single())
    return Judgement(nfr, z, verdict)


def _verdict(kind: str, value: float, nfr: float, z: float, excess: float, lost: float, chance: Chance) -> str:
    if kind == "half":
        off = round(abs(value - 0.5), 9)
        if off <= 0.1 or abs(z) <= chance.passes:
            return "pass"
        return "too close" if value < 0.5 else "weak" if off <= 0.2 or abs(z) <= chance.fails else "fail"
    if kind == "level":
        off = round(abs(nfr - 1), 9)
        return "pass" if off <= 0.1 or abs(z) <= chance.passes else "weak" if off <= 0.25 or abs(z) <= chance.fails else "fail"
    if kind == "accuracy":
        return "pass" if excess <= 0.05 or z <= chance.passes else "weak" if excess <= 0.15 or z <= chance.fails else "fail"
    if kind == "copying":
        return "pass" if nfr <= 1.1 or z <= chance.passes else "too close"
    if kind == "bits":
        return "pass" if excess <= 0.001 else "weak" if excess <= 0.01 or z <= chance.passes else "fail"
    if nfr < 0.5 and z < -chance.too_close:
        return "too close"
    if (nfr <= 1.5 and lost <= 0.05) or z <= chance.passes:
        return "pass"
    return "weak" if (nfr <= 3 and lost <= 0.15) or z <= chance.fails else "fail"


def worst(verdicts: list[str]) -> str:
    """The worst of some verdicts; `not run` is worse than `pass`."""
    return max(verdicts, key=ORDER.index) if verdicts else "not run"
