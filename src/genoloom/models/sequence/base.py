"""What every sequence generator can do, and what it is given to do it with.

Bases are uint8: 0 A, 1 C, 2 G, 3 T, 4 anything else (N). Sequences of one set are rows of a matrix
of shape (n_sequences, max_length), padded with 4 on the right; `length` gives the true lengths.
"""

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from genoloom.declared import LONGEST_SEQUENCE, MOST_COUNTED, Declared, Description, Labels
from genoloom.errors import InputError
from genoloom.homology import hold_out
from genoloom.models.generator import Generator
from genoloom.seeds import derive_seed, row_seeds, row_uniforms
from genoloom.sequences import SequenceSet

LENGTH_DRAW = 2**40  # counter of the draw of label and length, far from the counters of the bases


@dataclass(frozen=True)
class TrainingSequences:
    """The training part of a sequence set.

    Attributes
    ----------
    bases : ndarray, uint8, shape (n_sequences, max_length)
    length : ndarray, int64, shape (n_sequences,)
    label : ndarray, int64, shape (n_sequences,)
        Index into `label_names`; all 0 where the set has no labels.
    label_names : list of str
    validation : ndarray, bool, shape (n_sequences,)
        Sequences of the validation set, which decides when training stops; whole homology clusters.
    cluster : ndarray, int64, shape (n_sequences,)
        Homology cluster of each sequence.
    stranded : bool
        Oriented sequences, such as promoters: the other strand is no example.
    """

    bases: np.ndarray
    length: np.ndarray
    label: np.ndarray
    label_names: list[str]
    validation: np.ndarray
    cluster: np.ndarray
    stranded: bool

    @classmethod
    def of(
        cls, sequences: SequenceSet, validation_fraction: float, seed: int, source: str | Path
    ) -> "TrainingSequences":
        """What a generator may see of a training set; whole clusters are marked as validation set.

        Raises
        ------
        InputError
            All are homologous, so that none can be the validation set; `source` is what messages
            call the set.
        """
        names = sorted(set(sequences.label))
        # the name of the seed is a former one: the same sequences are chosen
        rng = np.random.default_rng(derive_seed(seed, "watch"))
        validation = hold_out(sequences.cluster, validation_fraction, rng)
        if not validation.any():
            raise InputError(
                source,
                f"{len(sequences)} sequences in one homology cluster",
                expected="at least two clusters",
            )
        label = np.array([names.index(label) for label in sequences.label])
        return cls(
            sequences.bases, sequences.length, label, names, validation, sequences.cluster,
            sequences.stranded,
        )  # fmt: skip


@dataclass(frozen=True)
class SequenceRequest:
    """Which sequences to make: `length` and `label` int64, `seed` uint64, each of shape
    (n_sequences,).

    `label` is an index into the generator's `label_choices`.
    """

    length: np.ndarray
    label: np.ndarray
    seed: np.ndarray


@dataclass(frozen=True)
class Sampling:
    """How bases are drawn from a likelihood.

    Attributes
    ----------
    temperature : float
        Log-probabilities are divided by it; below 1 draws likelier bases.
    top_k : int
        Only the N likeliest bases, 1 to 4.
    top_p : float
        Only the likeliest bases that hold this much probability together, in (0, 1].
    guidance : float
        Classifier-free guidance: unlabelled + guidance * (labelled - unlabelled) logits. Ho &
        Salimans 2022, arXiv:2207.12598.
    prompt : ndarray, uint8
        Bases in 0..3 that every sequence begins with.
    candidates : int
        For a sequence, at most, where a label classifier chooses
        (`genoloom.models.sequence.label_classifier`); 0 leaves it out.
    """

    temperature: float = 1.0
    top_k: int = 4
    top_p: float = 1.0
    guidance: float = 1.0
    prompt: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint8))
    candidates: int = 32

    def shape(self, log_prob: np.ndarray) -> np.ndarray:
        """Probabilities, float64 (n, 4), to draw from, of log-probabilities (n, 4) up to a
        constant.
        """
        scaled = log_prob.astype(np.float64) / self.temperature
        probability = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probability /= probability.sum(axis=1, keepdims=True)
        if self.top_k == 4 and self.top_p == 1:
            return probability
        order = np.argsort(-probability, axis=1, kind="stable")
        ranked = np.take_along_axis(probability, order, axis=1)
        before = np.cumsum(ranked, axis=1) - ranked
        ranked[(np.arange(4) >= self.top_k) | (before >= self.top_p)] = 0
        np.put_along_axis(probability, order, ranked, axis=1)
        return probability / probability.sum(axis=1, keepdims=True)


class SequenceDescription(Description):
    """What every sequence generator says of itself in a model file; a subclass adds its options and
    what else it needs.
    """

    label_names: Labels


def declare_shapes(arrays: Declared, words: SequenceDescription) -> None:
    """Declare the table of labels and lengths that is in the file of every sequence model."""
    (n,) = arrays.expect("shapes.label", "int64", None, low=0, high=len(words.label_names) - 1)
    arrays.expect("shapes.length", "int64", n, low=1, high=LONGEST_SEQUENCE)
    arrays.expect("shapes.count", "int64", n, low=1, high=MOST_COUNTED)


class SequenceGenerator(Generator):
    """`fit` on training sequences, `sample` new ones; `log_likelihood` where the model has one."""

    common_words = ("label_names",)
    heeds_guidance: ClassVar[bool] = False
    samples_infill: bool = False  # whether this one has `sample_infill`

    label_names: list[str]

    @property
    def label_choices(self) -> list[str]:
        """What may be asked for; the labels themselves come first. The label of a request is an
        index into it.
        """
        return self.label_names

    def labels_within(self, choice: str) -> np.ndarray:
        """The labels, as indices into `label_names`, that one of `label_choices` leaves
        possible.
        """
        return np.array([self.label_names.index(choice)])

    @abstractmethod
    def fit(self, data: TrainingSequences, run) -> None:
        """Learn from `data`; `run` is a `genoloom.training.run.TrainingRun`."""

    @abstractmethod
    def sample(self, request: SequenceRequest, sampling: Sampling = Sampling()) -> np.ndarray:
        """Bases, uint8 in 0..3 (4 after the end), shape (n_sequences, max(request.length)).

        Only generators with a likelihood heed `sampling`, and only those that say so its guidance.
        """

    def log_likelihood(
        self, bases: np.ndarray, length: np.ndarray, label: np.ndarray
    ) -> np.ndarray:
        """Natural-log likelihood of each sequence, float64; unknown bases (4) are not scored."""
        raise TypeError(f"generator '{self.name}' has no likelihood")

    def likelihood_of(self, sequences: SequenceSet) -> np.ndarray:
        """The same of each sequence under its own label; under an unknown one where the model does
        not have that.
        """
        known = {label: i for i, label in enumerate(self.label_names)}
        label = np.array([known.get(word, -1) for word in sequences.label])
        return self.log_likelihood(sequences.bases, sequences.length, label)

    def sample_infill(
        self, prefix: np.ndarray, size: int, suffix: np.ndarray, label: int, seeds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Candidates for a gap given both of its sides, and the natural logarithm of the
        probability of drawing each.

        Parameters
        ----------
        prefix, suffix : ndarray, uint8 in 0..3
            The left one may be empty.
        size : int
            Bases of the gap.
        label : int
            Index into `label_names`, -1 for none.
        seeds : ndarray, uint64, shape (n,)

        Returns
        -------
        bases : ndarray, uint8, shape (n, size)
        log_probability : ndarray, float64, shape (n,)
        """
        raise TypeError(f"generator '{self.name}' does not sample between two sides")


def check_label(generator: SequenceGenerator, label: str) -> None:
    """Raise `InputError` where a generator cannot be asked for a label."""
    if label not in generator.label_choices:
        raise InputError(
            "--label",
            f"'{label}' is not known",
            expected=f"one of {', '.join(generator.label_choices)}",
        )


def draw_request(shapes: dict[str, np.ndarray], names: list[str], seed: int) -> SequenceRequest:
    """What to ask for under each name: labels and lengths as often together as in training;
    `shapes` are from the model file.
    """
    seeds = row_seeds(seed, names, "sequence")
    cumulated = np.cumsum(shapes["count"]) / shapes["count"].sum()
    drawn = np.searchsorted(cumulated, row_uniforms(seeds, LENGTH_DRAW), side="right")
    return SequenceRequest(shapes["length"][drawn], shapes["label"][drawn], seeds)
