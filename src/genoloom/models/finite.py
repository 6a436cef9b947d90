"""Bounds of weights and of what networks give."""

import numpy as np

from genoloom.errors import InputError

# far above any that training makes, and far below those whose products overflow
LARGEST_WEIGHT = 1e6


def refuse_non_finite(chances) -> None:
    """Raise an `InputError` where an array or a tensor of probabilities or their logarithms, which
    a network gave, holds no numbers.
    """
    finite = np.isfinite(chances) if isinstance(chances, np.ndarray) else chances.isfinite()
    if not finite.all():
        raise InputError(
            "the model",
            "its weights give no probabilities",
            remedy="train it again, or copy its file again",
        )
