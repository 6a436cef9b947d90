"""Do labels mean on synthetic sequences what they mean on real ones?

*Fidelity*: an oracle that has seen one half of the held-out real sequences and nothing else reads
the labels of the synthetic ones; its ceiling is what it reads on the other half. *Transfer*: a
network trained on synthetic sequences reads held-out real ones, next to one trained on as many real
training sequences (train on synthetic, test on real: Esteban et al. 2017, arXiv:1706.02633). *GC
only*: how far the GC content alone predicts the label, learnt from the oracle's half; a generator
that moves nothing but GC with the label has only that. *Guidance*: fidelity and the GC content's
part in it, of sequences that were drawn under several weights of the label.

The score is the balanced accuracy of classes, and the Spearman correlation where the labels are
bins of a number.
"""

import re

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import spearmanr
from torch import nn

from genoloom.models.sequence.classifier import SequenceClassifier, classify, fit_classifier
from genoloom.seeds import derive_seed
from genoloom.sequences import SequenceSet, gc_content
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.sequence_table import Measured

FEWEST = 10  # sequences of each label on each side


def label_metrics(
    synthetic: SequenceSet, train: SequenceSet, holdout: SequenceSet, most: int, seed: int
) -> list[Measured]:
    """Label fidelity, transfer and GC alone; empty without usable labels.

    Parameters
    ----------
    most : int
        Sequences that a network is trained on, at most. The spread is the standard error of the
        reference over bootstrap resamples of its sequences.
    """
    names, sides = _usable([synthetic, train, holdout])
    if not names:
        return []
    rng = np.random.default_rng(derive_seed(seed, "labels"))
    (drawn, drawn_label), (known, known_label), (real, real_label) = (
        (side.take(order), label[order])
        for side, label in sides
        for order in [rng.permutation(len(side))]
    )
    ordered = _are_bins(names)
    half = len(real) // 2
    first, second = np.arange(half), np.arange(half, len(real))
    oracle = _network(
        real.take(first), real_label[first], len(names), most, derive_seed(seed, "oracle")
    )
    n = min(len(drawn), most)
    fidelity = _pair(
        oracle, (drawn, drawn_label), (real.take(second), real_label[second]), ordered, most
    )
    equal = min(len(drawn), len(known), most)
    networks = [
        _network(
            side.take(slice(equal)), label[:equal], len(names), most, derive_seed(seed, "transfer")
        )
        for side, label in ((drawn, drawn_label), (known, known_label))
    ]
    value, reference = (_score(_read(network, real), real_label, ordered) for network in networks)
    spread = _spread(_read(networks[1], real), real_label, ordered)
    read = real.take(first), real_label[first]
    gc = [_gc_reader(*read, side, len(names)) for side in (drawn, real.take(second))]
    second_label = real_label[second]
    return [
        Measured(M.LABEL_FIDELITY, *fidelity),
        Measured(M.LABEL_TRANSFER, value, reference, spread, len(real)),
        Measured(
            M.LABEL_GC_ONLY,
            _score(gc[0], drawn_label, ordered),
            _score(gc[1], second_label, ordered),
            _spread(gc[1], second_label, ordered),
            n,
        ),
    ]


def guidance_curve(
    synthetic: dict[float, SequenceSet], holdout: SequenceSet, most: int, seed: int
) -> dict:
    """What an oracle of held-out sequences reads from those that were drawn under each guidance
    weight; empty without usable labels.

    Parameters
    ----------
    synthetic : dict
        Synthetic sequences by weight.
    most : int
        Sequences that the oracle is trained on, and that it reads of each weight, at most.

    Returns
    -------
    dict
        "weight", "fidelity" and "gc_only", lists of equal length; "ceiling" and "real_gc_only", of
        the held-out sequences; "chance"; "measure", what the scores are.
    """
    names, sides = _usable([*synthetic.values(), holdout])
    if not names:
        return {}
    ordered, (real, real_label) = _are_bins(names), sides.pop()
    order = np.random.default_rng(derive_seed(seed, "halves of the holdout")).permutation(len(real))
    first, second = np.array_split(order, 2)
    oracle = _network(
        real.take(first), real_label[first], len(names), most, derive_seed(seed, "oracle")
    )
    known = real.take(first), real_label[first]
    sides = [(side.take(slice(most)), label[:most]) for side, label in sides]
    return {
        "weight": list(synthetic),
        "fidelity": [_score(_read(oracle, side), label, ordered) for side, label in sides],
        "gc_only": [
            _score(_gc_reader(*known, side, len(names)), label, ordered) for side, label in sides
        ],
        "ceiling": _score(_read(oracle, real.take(second)), real_label[second], ordered),
        "real_gc_only": _score(
            _gc_reader(*known, real.take(second), len(names)), real_label[second], ordered
        ),
        "chance": 0.0 if ordered else 1 / len(names),
        "measure": "Spearman correlation" if ordered else "balanced accuracy",
    }


def _usable(sides: list[SequenceSet]) -> tuple[list[str], list[tuple[SequenceSet, np.ndarray]]]:
    """The labels of the last side, and of all sides the sequences that have one; none where a side
    has too few of a label.
    """
    names = sorted({name for name in sides[-1].label if name}, key=_bin_order)
    labelled = [_labelled(side, names) for side in sides]
    enough = len(names) > 1 and all(
        np.bincount(label, minlength=len(names)).min() >= FEWEST for _, label in labelled
    )
    return (names, labelled) if enough else ([], [])


def _are_bins(names: list[str]) -> bool:
    return all(re.fullmatch(r"bin\d+", name) for name in names)


def _bin_order(name: str) -> tuple[int, str]:
    return (int(name[3:]), "") if re.fullmatch(r"bin\d+", name) else (0, name)


def _labelled(sequences: SequenceSet, names: list[str]) -> tuple[SequenceSet, np.ndarray]:
    """The sequences that have one of the labels, and its index."""
    known = {name: i for i, name in enumerate(names)}
    index = [i for i, name in enumerate(sequences.label) if name in known]
    return sequences.take(np.array(index, dtype=np.int64)), np.array(
        [known[sequences.label[i]] for i in index], dtype=np.int64
    )


def _network(
    sequences: SequenceSet, label: np.ndarray, n_labels: int, most: int, seed: int
) -> SequenceClassifier:
    model, n = SequenceClassifier(n_labels), min(len(sequences), most)
    x, length = sequences.bases[:n], sequences.length[:n]
    fit_classifier(
        model,
        x,
        length,
        torch.from_numpy(label[:n]),
        nn.functional.cross_entropy,
        sequences.stranded,
        seed,
    )
    return model


def _read(model: SequenceClassifier, sequences: SequenceSet) -> np.ndarray:
    """Label probabilities, float64 (n, n_labels)."""
    return softmax(
        classify(model, sequences.bases, sequences.length, sequences.stranded).astype(np.float64),
        axis=1,
    )


def _gc_reader(
    real: SequenceSet, label: np.ndarray, sequences: SequenceSet, n_labels: int
) -> np.ndarray:
    """Label probabilities from the GC content alone: normal densities fitted to the real sequences
    of each label.
    """
    gc, known = gc_content(sequences.bases), gc_content(real.bases)
    mean = np.array([known[label == k].mean() for k in range(n_labels)])
    spread = np.array([known[label == k].std() + 1e-3 for k in range(n_labels)])
    density = (
        np.exp(-0.5 * ((gc[:, None] - mean) / spread) ** 2)
        / spread
        * np.bincount(label, minlength=n_labels)
        / len(label)
    )
    return density / np.maximum(density.sum(axis=1, keepdims=True), 1e-300)


def _pair(
    network, synthetic: tuple, holdout: tuple, ordered: bool, most: int
) -> tuple[float, float, float, int]:
    (sequences, label), (real, real_label) = synthetic, holdout
    n = min(len(sequences), most)
    reference = _read(network, real)
    value = _score(_read(network, sequences.take(slice(n))), label[:n], ordered)
    return value, _score(reference, real_label, ordered), _spread(reference, real_label, ordered), n


def _score(probability: np.ndarray, label: np.ndarray, ordered: bool) -> float:
    """Spearman correlation of the expected bin, or balanced accuracy."""
    if ordered:
        found = spearmanr(probability @ np.arange(probability.shape[1]), label).statistic
        return float(found) if np.isfinite(found) else 0.0
    right = probability.argmax(axis=1) == label
    return float(np.mean([right[label == k].mean() for k in np.unique(label)]))


def _spread(probability: np.ndarray, label: np.ndarray, ordered: bool) -> float:
    rows = np.random.default_rng(1).integers(0, len(label), (100, len(label)))
    return float(np.std([_score(probability[r], label[r], ordered) for r in rows], ddof=1))
