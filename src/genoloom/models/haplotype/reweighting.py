"""Template haplotypes that represent populations which are not among them, by weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reweighting:
    """Weights of the training haplotypes for populations of another cohort, place by place.

    Attributes
    ----------
    stands_for : dict of str to str
        Each population of the cohort, and the training population that it is drawn as.
    starts : ndarray of int, shape (W,)
        First variant of each window, rising from 0.
    weights : callable
        From a window's number to weights, float64 (L, N): of the populations in their order, over
        the training haplotypes; rows sum to one.
    """

    stands_for: dict[str, str]
    starts: np.ndarray
    weights: Callable[[int], np.ndarray]

    def window(self, variant: int) -> int:
        """The window that a variant is in."""
        return int(np.searchsorted(self.starts, variant, side="right")) - 1
