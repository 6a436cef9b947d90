"""Levels of the audit's tests, and how many resamples they need: a test that cannot fail must not
pass.
"""

from math import ceil

INTERVAL = 0.95  # of the bootstrap intervals
CHANCE_LEVEL = (
    0.975  # the reference of an attack is what chance alone exceeds in one of forty audits
)
# the same for rates and small groups: what chance exceeds in one of a hundred audits
RARE_LEVEL = 0.99
COPY_LEVEL = 0.005  # chance that a test for near copies fails fresh individuals
FEWEST_SHADOW_MODELS = 4  # for a release; as many are fitted where an estimate decides


def fewest_resamples(level: float) -> int:
    """The smallest number of shuffles or resamples that can reach a tail of `level`: 1 / (1 +
    number) <= level.
    """
    return ceil(round(1 / level, 9)) - 1


FEWEST_RESAMPLES = max(
    fewest_resamples(level)
    for level in (COPY_LEVEL, 1 - CHANCE_LEVEL, 1 - RARE_LEVEL, (1 - INTERVAL) / 2)
)
