"""How long networks are trained where no number of steps is given. Known without torch, for
estimates of time.
"""

import logging
import math

from genoloom.training_config import GanOptions, TransformerOptions

log = logging.getLogger(__name__)

# how often a schedule of automatic length shows each block of each row of a large cohort
EPOCHS, MOST_STEPS = 28, 8000
LARGE = 1000  # haplotypes
LEAST_GAN_STEPS = 1200
# Tokens of the GAN are counted on haplotypes that are drawn; with a quarter of these the chance in
# that was larger than what it mends.
CALIBRATION_ROWS = 4096


def epochs(n_rows: int) -> float:
    """How often a row is used: rows of a small cohort are soon memorised, so fewer rows are
    also shown less often.
    """
    return EPOCHS * min(1.0, math.sqrt(n_rows / LARGE))


def automatic_steps(n_rows: int, n_blocks: int, options: TransformerOptions | GanOptions) -> int:
    """Steps after which each block of each training row has been in a batch `epochs(n_rows)` times,
    at most `MOST_STEPS`.

    Warns where `MOST_STEPS` are less than half of those, and no schedule in minutes takes their
    place.
    """
    length = min(options.context, n_blocks)
    positions = (
        n_blocks + length - 1
    )  # where a window may start, as in `TransformerTraining._batch`
    wanted = math.ceil(epochs(n_rows) * n_rows * positions / length / options.batch)
    if wanted > 2 * MOST_STEPS and options.minutes is None:
        log.warning(
            "many haplotypes or blocks: %d steps are %.1f epochs instead "
            "of %.0f; 'steps: %d' shows them all, and 'minutes' takes what time there is",
            MOST_STEPS,
            epochs(n_rows) * MOST_STEPS / wanted,
            epochs(n_rows),
            wanted,
        )
    return min(MOST_STEPS, wanted)
