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
`Chance.single()`, 2 and 4, is for a figure on its own. A table of many figures uses `Chance.of_family`: the bound that all
figures of a perfect generator would stay within, together, 99 times in 100, were they normal. The spread of a correlation
near 1 is far from normal, so permutations of one are compared on Fisher's scale, see `scaled`.

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
MOST_CORRELATED = 1 - 1e-12  # artanh is finite up to here


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
    def of_family(cls, figures: int, resplits: int) -> "Chance":
        """For a table of `figures`, each with a spread estimated from `resplits` halvings.

        Bonferroni's bound on Student's t, two-sided: with normal figures, real people pass all of them in 99 of 100 tables.
        """
        bound = float(t.isf(FAMILY_ERROR / (2 * max(figures, 1)), max(resplits - 1, 1)))
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
    null: tuple[float, float] | None = None,
) -> Judgement:
    """Compare a figure with its floor; see the table in the module's docstring. A missing value is `not run`.

    `null` is the mean and spread of the `scaled` figure that z is measured by, where they are not those of the floor.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of metric '{kind}'")
    if math.isnan(value) or math.isnan(floor):
        return Judgement(math.nan, math.nan, "not run")
    near = abs(value - floor) <= tolerance
    centre, spread = null or (floor, floor_sd)
    off = (float(scaled(kind, value)) if null else value) - centre
    lost = 0.0
    if kind == "similarity":
        lost = 1 - value / floor if floor > 0 else 0.0
        value, floor, off = 1 - value, 1 - floor, -off
    elif kind == "accuracy":
        value, floor, centre = (abs(number - 0.5) + 0.5 for number in (value, floor, centre))
        off = value - centre
    nfr = value / floor if floor > 0 else (1.0 if value == floor else math.inf)
    excess = value - floor
    z = off / spread if spread > 0 else (0.0 if off == 0 else math.copysign(math.inf, off))
    # a value that meets a decimal bound meets it: rounding errors of the subtraction do not count
    exact = (round(number, 9) for number in (value, nfr, z, excess, lost))
    verdict = "pass" if near else _verdict(kind, *exact, chance or Chance.single())
    return Judgement(nfr, z, verdict)


def scaled(kind: str, figures: np.ndarray | float) -> np.ndarray:
    """Figures on the scale on which their spread is nearly normal: correlations by Fisher's transform, artanh r.

    Fisher (1921), On the "probable error" of a coefficient of correlation, Metron 1:3-32. Others as they are.
    """
    figures = np.asarray(figures, dtype=float)
    return np.arctanh(np.clip(figures, -MOST_CORRELATED, MOST_CORRELATED)) if kind == "similarity" else figures


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
