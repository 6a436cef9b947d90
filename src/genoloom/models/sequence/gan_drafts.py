"""What the sequence GAN edits: samples of the adaptive Markov chain, or uniformly random bases for comparison."""

import numpy as np

from genoloom.models.sequence.adaptive import Counts, Ladder, LadderReader, Settings, choose
from genoloom.models.sequence.base import TrainingSequences
from genoloom.models.sequence.chain import draw
from genoloom.models.sequence.markov import pack_counts, read_settings, unpack_counts

CHAIN_ORDER = 10  # longest context of the chain
ROWS = 1024  # drafts made together


class Drafts:
    """The source of drafts; of uniformly random bases without a chain."""

    def __init__(self, settings: Settings | None = None, counts: Counts | None = None):
        self.settings, self.counts = settings, counts
        self.ladder = Ladder(settings, [counts]) if settings else None

    @classmethod
    def of_chain(cls, data: TrainingSequences) -> "Drafts":
        """The adaptive chain of the training sequences that are not watched."""
        settings, counts, _ = choose(data, CHAIN_ORDER)
        return cls(settings, counts)

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Bases, uint8 (n, T), from one uniform a base, float64 (n, T)."""
        if self.ladder is None:
            return (4 * uniform).astype(np.uint8)
        return np.concatenate([self._draw(uniform[low : low + ROWS]) for low in range(0, max(len(uniform), 1), ROWS)])

    def _draw(self, uniform: np.ndarray) -> np.ndarray:
        n, T = uniform.shape
        reader, bases = LadderReader(self.ladder, n, T), np.empty((n, T), dtype=np.uint8)
        for t in range(T):
            forecast, _ = reader.forecast()
            bases[:, t] = draw(np.exp(forecast[:, 0, -1]), uniform[:, t])
            reader.push(bases[:, t])
        return bases

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """Arrays and description, empty without a chain."""
        return (pack_counts(self.counts), {"chain": self.settings.described()}) if self.settings else ({}, {})

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "Drafts":
        """What `state` described."""
        return cls(read_settings(description), unpack_counts(arrays)) if "chain" in description else cls()
