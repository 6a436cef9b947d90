"""Markov chains over bases: the baselines that every learned generator must beat."""

import logging
import time
from typing import ClassVar

import numpy as np

from genoloom.declared import COUNTS, MOST_COUNTED, DeclarationError, Declared
from genoloom.models.sequence.base import (
    Sampling,
    SequenceDescription,
    SequenceGenerator,
    SequenceRequest,
    TrainingSequences,
)
from genoloom.models.sequence.chain import compact, draw
from genoloom.models.sequence.context_mixing import (
    LONGEST_ALIGNED,
    POSITION_ORDER,
    ContextMixture,
    Counts,
    MixtureState,
    Settings,
    SettingsDescription,
    choose,
    count,
    picked,
)
from genoloom.seeds import row_uniforms
from genoloom.sequence_config import SequenceMarkovOptions
from genoloom.sequences import OTHER, reverse_complement

log = logging.getLogger(__name__)

SCORE_ROWS = 256


def with_other_strand(data: TrainingSequences, rows: np.ndarray) -> np.ndarray:
    """The sequences at `rows`, and after them their other strands unless they are stranded."""
    forward = data.bases[rows]
    if data.stranded:
        return forward
    return np.concatenate([forward, reverse_complement(forward, data.length[rows])])


def pack_counts(counts: Counts) -> dict[str, np.ndarray]:
    """Counts as arrays of a model file."""
    named = [(f"counts.{k}", table) for k, table in enumerate(counts.contexts)]
    named += [(f"positions.{j}", table) for j, table in enumerate(counts.positions)]
    return {name: compact(table) for name, table in named}


def unpack_counts(arrays: dict[str, np.ndarray]) -> Counts:
    """The counts that `pack_counts` packed."""
    parts = []
    for kind in ("counts", "positions"):
        n = sum(name.startswith(f"{kind}.") for name in arrays)
        parts.append([arrays[f"{kind}.{k}"].astype(np.int64) for k in range(n)])
    return Counts(*parts)


def declare_counts(arrays: Declared, chain: SettingsDescription) -> None:
    """Declare the arrays of `pack_counts`."""
    for k in range(chain.order + 1):
        arrays.expect(f"counts.{k}", COUNTS, 4**k, 4, high=MOST_COUNTED)
    has_positions, T = arrays.names("positions."), None
    for j in range(POSITION_ORDER + 1) if has_positions else ():
        T = arrays.expect(f"positions.{j}", COUNTS, T, 4**j, 4, high=MOST_COUNTED)[0]
    if has_positions and T > LONGEST_ALIGNED:
        raise DeclarationError(f"{T} positions, more than {LONGEST_ALIGNED}")


def read_settings(description: dict) -> Settings:
    """The settings in a model's description."""
    words = SettingsDescription(**description["chain"]).model_dump()
    return Settings(**{**words, "memory_weights": tuple(words["memory_weights"])})


def sample_component(
    mixture: ContextMixture,
    component: int,
    uniform: np.ndarray,
    sampling: Sampling,
    remembers: bool = True,
) -> np.ndarray:
    """Bases, uint8 (n, T), drawn from one component of a mixture with one uniform per base, float64
    (n, T); `remembers` as `MixtureState`.
    """
    state = MixtureState(mixture, *uniform.shape, remembers=remembers)
    bases = np.empty(uniform.shape, dtype=np.uint8)
    for t in range(uniform.shape[1]):
        forecast, _ = state.forecast()
        bases[:, t] = draw(sampling.shape(forecast[:, 0, component]), uniform[:, t])
        if t < len(sampling.prompt):
            bases[:, t] = sampling.prompt[t]
        state.push(bases[:, t])
    return bases


class MarkovDescription(SequenceDescription):
    """The words of such a model."""

    options: SequenceMarkovOptions
    chain: SettingsDescription


class MarkovGenerator(SequenceGenerator):
    """The tuned Markov chain: interpolated orders, strand weight and position, all chosen on the
    validation sequences.

    All training sequences are counted once these are chosen. Labels are not modelled: every label
    has the same chain.
    """

    name: ClassVar[str] = "markov"
    description_class = MarkovDescription
    options_class = SequenceMarkovOptions
    has_likelihood = True
    # whether the sequence's own past counts next to its last bases
    remembers: ClassVar[bool] = False

    def fit(self, data: TrainingSequences, run) -> None:
        started = time.monotonic()
        self.label_names = list(data.label_names)
        self.settings, _, bits = choose(data, self.options.max_order)
        if not self.remembers:
            bits = bits[: self.settings.order + 2]
        everything = np.ones(len(data.length), dtype=bool)
        self.counts = count(data, everything, self.settings.order, self.settings.strand_quarters)
        self.mixture = ContextMixture(self.settings, [self.counts])
        seconds = time.monotonic() - started
        run.history = [
            {"step": k, "seconds": seconds, "bits": value} for k, value in enumerate(bits)
        ]
        log.info(
            "%s: order %d, %.4f bits per base on the validation sequences",
            run.label,
            self.settings.order,
            bits[-1],
        )

    @property
    def component(self) -> int:
        """The component of the mixture that this generator is."""
        return self.mixture.components - 1 if self.remembers else self.mixture.markov

    def sample(self, request: SequenceRequest, sampling: Sampling = Sampling()) -> np.ndarray:
        longest = int(request.length.max(initial=0))
        bases = sample_component(
            self.mixture,
            self.component,
            row_uniforms(request.seed, np.arange(longest)),
            sampling,
            self.remembers,
        )
        bases[np.arange(longest) >= request.length[:, None]] = OTHER
        return bases

    def log_likelihood(
        self, bases: np.ndarray, length: np.ndarray, label: np.ndarray
    ) -> np.ndarray:
        return self.component_scores(bases)[:, self.component]

    def component_scores(self, bases: np.ndarray) -> np.ndarray:
        """Natural-log likelihood of each sequence under every component of the mixture, float64 (n,
        components).
        """
        scores = np.empty((len(bases), self.mixture.components))
        for low in range(0, len(bases), SCORE_ROWS):
            part = bases[low : low + SCORE_ROWS]
            scores[low : low + SCORE_ROWS] = picked(self.mixture.forecast_bases(part)[0], part).sum(
                axis=1
            )
        return scores

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        return pack_counts(self.counts), self._words() | {"chain": self.settings.described()}

    @classmethod
    def declare(cls, arrays: Declared, words: MarkovDescription) -> None:
        declare_counts(arrays, words.chain)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "MarkovGenerator":
        generator = cls._described(description)
        generator.settings = read_settings(description)
        generator.counts = unpack_counts(arrays)
        generator.mixture = ContextMixture(generator.settings, [generator.counts])
        return generator


class ContextMixingGenerator(MarkovGenerator):
    """The context mixture: the tuned chain, and what the sequence's own past adds."""

    name: ClassVar[str] = "context_mixing"
    remembers: ClassVar[bool] = True
