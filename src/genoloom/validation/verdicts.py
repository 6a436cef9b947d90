"""When a metric passes. One rule for each kind of metric; the same for every generator and every data set.

`value` is what the synthetic data score against the held-out people, `floor` what other real people score against
them, `floor_sd` the spread of that score over random halvings of the real people.

kind          perfect      measured as                      pass                          weak
----          -------      -----------                      ----                          ----
distance      the floor    value                            nfr <= 1.5 or z <= 2          nfr <= 3 or z <= 4
similarity    the floor    1 - value                        nfr <= 1.5 and 5 % of the     nfr <= 3 and 15 % of the
                                                            floor lost, or z <= 2         floor lost, or z <= 4
accuracy      the floor    |value - 0.5| + 0.5              excess <= 0.05 or z <= 2      excess <= 0.15 or z <= 4
level         the floor    |value - floor|                  within 10 % or |z| <= 2       within 25 % or |z| <= 4
half          0.5          |value - 0.5|                    <= 0.10 or |z| <= 2           <= 0.20 or |z| <= 4
copying       the floor    value                            nfr <= 1.1 or z <= 2          never: else `too close`
bits          the floor    value                            <= floor + 0.001              <= floor + 0.01 or z <= 2

Two-sided: a distance or similarity that is *better* than real people are to each other (nfr < 0.5 and z < -3), and a
half below 0.4, is `too close`: real rows sit on synthetic ones, which is how memorisation looks.
"""

import math
from dataclasses import dataclass

KINDS = ("distance", "similarity", "accuracy", "level", "half", "copying", "bits")
ORDER = ("pass", "not run", "weak", "too close", "fail")


@dataclass(frozen=True)
class Judgement:
    """Noise-floor ratio, z-score and verdict of one figure."""

    nfr: float
    z: float
    verdict: str


def judge(kind: str, value: float, floor: float, floor_sd: float) -> Judgement:
    """Compare a figure with its floor; see the table in the module's docstring. A missing value is `not run`."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of metric '{kind}'")
    if math.isnan(value) or math.isnan(floor):
        return Judgement(math.nan, math.nan, "not run")
    lost = 0.0
    if kind == "similarity":
        lost = 1 - value / floor if floor > 0 else 0.0
        value, floor = 1 - value, 1 - floor
    elif kind == "accuracy":
        value, floor = abs(value - 0.5) + 0.5, abs(floor - 0.5) + 0.5
    nfr = value / floor if floor > 0 else (1.0 if value == floor else math.inf)
    excess = value - floor
    z = excess / floor_sd if floor_sd > 0 else (0.0 if excess == 0 else math.copysign(math.inf, excess))
    return Judgement(nfr, z, _verdict(kind, value, nfr, z, excess, lost))


def _verdict(kind: str, value: float, nfr: float, z: float, excess: float, lost: float) -> str:
    if kind == "half":
        off = abs(value - 0.5)
        if off <= 0.1 or abs(z) <= 2:
            return "pass"
        return "too close" if value < 0.5 else "weak" if off <= 0.2 or abs(z) <= 4 else "fail"
    if kind == "level":
        off = abs(nfr - 1)
        return "pass" if off <= 0.1 or abs(z) <= 2 else "weak" if off <= 0.25 or abs(z) <= 4 else "fail"
    if kind == "accuracy":
        return "pass" if excess <= 0.05 or z <= 2 else "weak" if excess <= 0.15 or z <= 4 else "fail"
    if kind == "copying":
        return "pass" if nfr <= 1.1 or z <= 2 else "too close"
    if kind == "bits":
        return "pass" if excess <= 0.001 else "weak" if excess <= 0.01 or z <= 2 else "fail"
    if nfr < 0.5 and z < -3:
        return "too close"
    if (nfr <= 1.5 and lost <= 0.05) or z <= 2:
        return "pass"
    return "weak" if (nfr <= 3 and lost <= 0.15) or z <= 4 else "fail"


def worst(verdicts: list[str]) -> str:
    """The worst of some verdicts; `not run` is worse than `pass`."""
    return max(verdicts, key=ORDER.index) if verdicts else "not run"
