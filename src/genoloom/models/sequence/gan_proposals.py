"""What the sequence GAN edits: samples of the context mixture, or uniformly random bases for
comparison.
"""

import numpy as np

from genoloom.models.sequence.base import Sampling, TrainingSequences
from genoloom.models.sequence.context_mixing import ContextMixture, Counts, Settings, choose
from genoloom.models.sequence.markov import (
    pack_counts,
    read_settings,
    sample_component,
    unpack_counts,
)

CHAIN_ORDER = 10  # longest context of the chain
ROWS = 1024  # proposals made together


class Proposals:
    """The source of proposals; of uniformly random bases without a chain."""

    def __init__(self, settings: Settings | None = None, counts: Counts | None = None):
        self.settings, self.counts = settings, counts
        self.mixture = ContextMixture(settings, [counts]) if settings else None

    @classmethod
    def of_chain(cls, data: TrainingSequences) -> "Proposals":
        """The context mixture of the training sequences that are not in the validation set."""
        settings, counts, _ = choose(data, CHAIN_ORDER)
        return cls(settings, counts)

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Bases, uint8 (n, T), from one uniform per base, float64 (n, T)."""
        if self.mixture is None:
            return (4 * uniform).astype(np.uint8)
        parts = (uniform[low : low + ROWS] for low in range(0, max(len(uniform), 1), ROWS))
        return np.concatenate(
            [
                sample_component(self.mixture, self.mixture.components - 1, part, Sampling())
                for part in parts
            ]
        )

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """Arrays and description, empty without a chain."""
        return (
            (pack_counts(self.counts), {"chain": self.settings.described()})
            if self.settings
            else ({}, {})
        )

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "Proposals":
        """What `state` described."""
        return (
            cls(read_settings(description), unpack_counts(arrays))
            if "chain" in description
            else cls()
        )
