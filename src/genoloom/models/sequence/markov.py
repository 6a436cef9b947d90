"""Interpolated Markov chain over bases: the baseline that every learned generator must beat."""

import logging
import time

import numpy as np

from genoloom.config import SequenceMarkovOptions
from genoloom.models.sequence.base import SequenceGenerator, SequenceRequest, TrainingSequences
from genoloom.models.sequence.chain import (
    base_log_probabilities,
    choose_escapes,
    compact,
    context_counts,
    probabilities,
    sample_chain,
    shortest_good_order,
)
from genoloom.seeds import row_uniforms
from genoloom.sequences import OTHER, reverse_complement

log = logging.getLogger(__name__)


def both_strands(data: TrainingSequences, rows: np.ndarray) -> np.ndarray:
    """The sequences at `rows`, and behind them their other strands where these are as good."""
    forward = data.bases[rows]
    if not data.reverse_complement:
        return forward
    return np.concatenate([forward, reverse_complement(forward, data.length[rows])])


class MarkovGenerator(SequenceGenerator):
    """Interpolated chain; its order and escape weights are those with the fewest bits a base on the watched sequences.

    All training sequences are counted once these are chosen. Labels are not modelled: every label has the same chain.
    """

    name = "markov"
    has_likelihood = True

    def __init__(self, options: SequenceMarkovOptions):
        self.options = options

    def fit(self, data: TrainingSequences, run) -> None:
        started = time.monotonic()
        self.label_names = list(data.label_names)
        counts = context_counts(both_strands(data, ~data.watch), self.options.max_order)
        escapes, bits = choose_escapes(counts, data.bases[data.watch])
        order = shortest_good_order(bits)
        self.escapes = escapes[: order + 1]
        self.counts = context_counts(both_strands(data, np.ones(len(data.length), dtype=bool)), order)
        self.tables = probabilities(self.counts, self.escapes)
        seconds = time.monotonic() - started
        run.history = [
            {"step": k, "seconds": seconds, "order": k, "escape": escape, "bits": figure}
            for k, (escape, figure) in enumerate(zip(escapes, bits, strict=True))
        ]
        log.info("%s: order %d, %.4f bits a base on the watched sequences", run.label, order, bits[order])

    @property
    def order(self) -> int:
        """The longest context used, in bases."""
        return len(self.escapes) - 1

    def sample(self, request: SequenceRequest) -> np.ndarray:
        longest = int(request.length.max(initial=0))
        bases = sample_chain(self.tables, row_uniforms(request.seed, np.arange(longest)))
        bases[np.arange(longest) >= request.length[:, None]] = OTHER
        return bases

    def log_likelihood(self, bases: np.ndarray, length: np.ndarray, label: np.ndarray) -> np.ndarray:
        return base_log_probabilities(self.tables, bases).sum(axis=1)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = {f"counts.{k}": compact(table) for k, table in enumerate(self.counts)}
        description = {"options": self.options.model_dump(), "label_names": self.label_names, "escapes": self.escapes}
        return arrays, description

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "MarkovGenerator":
        generator = cls(SequenceMarkovOptions(**description["options"]))
        generator.label_names, generator.escapes = description["label_names"], description["escapes"]
        generator.counts = [arrays[f"counts.{k}"].astype(np.int64) for k in range(len(generator.escapes))]
        generator.tables = probabilities(generator.counts, generator.escapes)
        return generator
