"""A label classifier, and samples that it agrees with.

A causal model applies a label in hundreds of small steps, and weakens it; networks that see
whole sequences, trained on the same ones, read labels better. Both together are the generator

    P(x | label)  proportional to  P(x) P(label | x)^w

with P(x) the model's own, its labels as frequent as in training, P(label | x) the classifier's, and
w the guidance (1: as it is read). It is drawn by rejection: a candidate of P(x) is kept with the
chance that the classifier gives to the label asked for, so with w = 1 there are as many candidates
for a sequence as labels, on average. (Dhariwal & Nichol 2021, arXiv:2105.05233, steer by a
classifier too, but by its gradient.)

Letters in shapes: B rows, T bases, L labels.
"""

import logging
from collections.abc import Callable

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax
from torch import nn

from genoloom.declared import LONGEST_SEQUENCE, Declared, Description
from genoloom.models.layers import declare_network, load_network
from genoloom.models.sequence.base import SequenceRequest, TrainingSequences
from genoloom.models.sequence.classifier import SequenceClassifier, classify, fit_classifier
from genoloom.seeds import attempt_seeds, derive_seed, row_uniforms
from genoloom.sequences import OTHER

log = logging.getLogger(__name__)

NETWORKS, EPOCHS, SHIFT = 3, 20, 4
FEWEST = 10  # sequences of each label among those that are in the validation set
LENGTHS = 10  # classes of length, of which each has its own mix of labels
TEMPERATURES = (0.1, 10.0)
LABEL_DRAW, KEEP_DRAW = 2**41, 2**41 + 1  # counters far from the counters of the bases


class ClassifierDescription(Description):
    """The words of `LabelClassifier.state`."""

    temperature: float = Field(ge=TEMPERATURES[0], le=TEMPERATURES[1])
    stranded: bool


class LabelClassifier:
    """P(label | sequence) as the mean of a few convolutional networks, calibrated on the validation
    sequences.

    Attributes
    ----------
    temperature : float
        By which the log-probabilities are divided (Guo et al. 2017, arXiv:1706.04599).
    longest : ndarray, int64, shape (n_classes,)
        The longest sequence of each class of length.
    mix : ndarray, float64, shape (n_classes, L)
        How frequent the labels are in each.
    """

    def __init__(self, n_labels: int, stranded: bool):
        self.stranded, self.temperature = stranded, 1.0
        self.networks = [SequenceClassifier(n_labels).eval() for _ in range(NETWORKS)]

    @classmethod
    def fit(cls, data: TrainingSequences, seed: int) -> "LabelClassifier | None":
        """Trained on the sequences that are not in the validation set; None where labels are too
        few to learn or to calibrate.
        """
        n_labels = len(data.label_names)
        validation = np.flatnonzero(data.validation)
        if n_labels < 2 or np.bincount(data.label[validation], minlength=n_labels).min() < FEWEST:
            return None
        classifier, rows = cls(n_labels, data.stranded), np.flatnonzero(~data.validation)
        classifier.longest = np.unique(
            np.quantile(data.length, np.arange(1, LENGTHS + 1) / LENGTHS, method="higher")
        )
        classifier.mix = np.zeros((len(classifier.longest), n_labels))
        np.add.at(
            classifier.mix, (np.searchsorted(classifier.longest, data.length), data.label), 1.0
        )
        classifier.mix /= classifier.mix.sum(axis=1, keepdims=True)
        for i, network in enumerate(classifier.networks):
            log.info(
                "the label classifier: network %d of %d, %d sequences", i + 1, NETWORKS, len(rows)
            )
            label = torch.from_numpy(data.label[rows])
            fit_classifier(
                network,
                classifier._padded(data.bases[rows], data.length[rows]),
                data.length[rows],
                label,
                nn.functional.cross_entropy,
                classifier.stranded,
                derive_seed(seed, "label reader", i),
                EPOCHS,
                SHIFT,
            )
        classifier._calibrate(
            classifier.log_probabilities(data.bases[validation], data.length[validation]),
            data.label[validation],
        )
        return classifier

    def _calibrate(self, found: np.ndarray, true_label: np.ndarray) -> None:
        """Choose the temperature at which true labels (B,) have the probability, on average, that
        labels drawn by these would have.

        Then labels are as plain on the sequences that it agrees with as on real ones. `found` (B,
        L) are log-probabilities.
        """

        def excess(temperature: float) -> float:
            p = softmax(found / temperature, axis=1)
            return float(
                p[np.arange(len(true_label)), true_label].mean() - (p**2).sum(axis=1).mean()
            )

        low, high = TEMPERATURES
        if excess(low) < 0 < excess(high):
            self.temperature = float(brentq(excess, low, high))
        else:  # it knows everything, or nothing
            self.temperature = low if excess(low) >= 0 else high

    def log_probabilities(self, bases: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Natural-log P(label | sequence), float64 (B, L), of bases uint8 (B, T); what they are
        padded with does not matter.
        """
        outputs = [
            classify(network, self._padded(bases, length), length, self.stranded).astype(np.float64)
            for network in self.networks
        ]
        mean = np.logaddexp.reduce(log_softmax(np.stack(outputs), axis=2), axis=0)
        return log_softmax(mean / self.temperature, axis=1)

    def _padded(self, bases: np.ndarray, length: np.ndarray) -> np.ndarray:
        """As wide as the longest training sequence: the networks read by segments of the whole
        width.
        """
        width = max(self.longest[-1], length.max())
        return np.pad(bases, ((0, 0), (0, max(0, width - bases.shape[1]))), constant_values=OTHER)[
            :, :width
        ]

    def draw_labels(self, length: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Labels as frequent as in training among sequences of like length, int64 (B,)."""
        mix = self.mix[np.searchsorted(self.longest[:-1], length)]
        return (uniform[:, None] >= mix.cumsum(axis=1)[:, :-1]).sum(axis=1)

    def draw(
        self,
        sample: Callable[[SequenceRequest], np.ndarray],
        request: SequenceRequest,
        within: Callable[[int], np.ndarray],
        guidance: float,
        most: int,
        at_once: int,
    ) -> np.ndarray:
        """Sequences that the classifier agrees with, uint8 (B, T); a row depends on its own request
        alone.

        Parameters
        ----------
        sample : callable
            Draws from the model, bases uint8 of a request.
        request : SequenceRequest
        within : callable
            The labels that the label of a request leaves possible.
        guidance : float
        most : int
            Candidates for a sequence; when all are refused it is what the model draws for the label
            by itself.
        at_once : int
            Sequences that the model draws in one go; the last few rows try several candidates in
            each.
        """
        B, T = len(request.seed), int(request.length.max(initial=0))
        asked = np.zeros((B, self.mix.shape[1]), dtype=bool)
        for label in np.unique(request.label):
            asked[np.ix_(request.label == label, within(label))] = True
        bases, waiting, tried = np.full((B, T), OTHER, dtype=np.uint8), np.arange(B), 0
        while len(waiting) and tried < most:
            tries = min(max(1, at_once // len(waiting)), most - tried)
            rows = np.repeat(waiting, tries)
            attempt = np.tile(tried + np.arange(tries), len(waiting))
            length, seed = request.length[rows], attempt_seeds(request.seed[rows], attempt)
            candidates = sample(
                SequenceRequest(
                    length, self.draw_labels(length, row_uniforms(seed, LABEL_DRAW)), seed
                )
            )
            chance = softmax(guidance * self.log_probabilities(candidates, length), axis=1)
            kept = row_uniforms(seed, KEEP_DRAW) < (chance * asked[rows]).sum(axis=1)
            kept = kept.reshape(-1, tries)
            found, first = kept.any(axis=1), kept.argmax(axis=1)
            width = candidates.shape[1]
            bases[waiting[found], :width] = candidates.reshape(len(waiting), tries, width)[
                found, first[found]
            ]
            waiting, tried = waiting[~found], tried + tries
        if len(waiting):
            log.info(
                "the label classifier agreed with none of %d candidates for %.1f%% of the "
                "sequences; the model drew these for their label by itself",
                most,
                100 * len(waiting) / B,
            )
            remaining = SequenceRequest(
                request.length[waiting], request.label[waiting], request.seed[waiting]
            )
            alone = sample(remaining)
            bases[waiting, : alone.shape[1]] = alone
        return bases

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """Arrays and a JSON-ready description for `from_state`."""
        arrays = {
            f"{i}.{name}": value.numpy()
            for i, network in enumerate(self.networks)
            for name, value in network.state_dict().items()
        }
        arrays |= {"longest": self.longest, "mix": self.mix}
        return arrays, {"temperature": self.temperature, "stranded": self.stranded}

    @classmethod
    def declare(cls, arrays: Declared, remaining: str, n_labels: int) -> None:
        """Declare the arrays of `state` under their names after `remaining`."""
        (n,) = arrays.expect(
            f"{remaining}longest", "int64", None, low=1, high=LONGEST_SEQUENCE, least_step=1
        )
        arrays.expect(f"{remaining}mix", "float64", n, n_labels, low=0, high=1, shares=True)
        for i in range(NETWORKS):
            declare_network(arrays, f"{remaining}{i}.", lambda: SequenceClassifier(n_labels))

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "LabelClassifier":
        """The classifier that `state` described."""
        classifier = cls(arrays["mix"].shape[1], description["stranded"])
        classifier.temperature = description["temperature"]
        classifier.longest = arrays["longest"]
        classifier.mix = arrays["mix"]
        for i, network in enumerate(classifier.networks):
            load_network(network, arrays, f"{i}.")
        return classifier


def cross_entropy(log_probability: np.ndarray, label: np.ndarray) -> np.ndarray:
    """-ln P(label) of each row, float64 (B,), of log-probabilities (B, L) and labels (B,)."""
    return -log_probability[np.arange(len(label)), label]
