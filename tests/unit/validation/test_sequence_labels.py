"""Labels on synthetic sequences, and the convolutional two-sample test."""

import numpy as np
import pytest

from genoloom.sequences import SequenceSet
from genoloom.stages.prepare_sequences import binned
from genoloom.validation.label_fidelity import label_metrics
from genoloom.validation.sequence_classifier import cnn_auc

MOTIF = np.array([0, 3, 0, 3, 0, 0, 0], dtype=np.uint8)


def motif_set(
    rng, n: int, moved: bool = False, shuffled: bool = False, labels=("no", "yes")
) -> SequenceSet:
    """Random bases; the second label has a motif at place 10 (or, moved, at 40). GC does not depend
    on the label.
    """
    bases = rng.integers(0, 4, (n, 60)).astype(np.uint8)
    label = np.arange(n) % 2
    at = 40 if moved else 10
    bases[label == 1, at : at + 7] = MOTIF
    bases[label == 1, at + 8 : at + 15] = 1 + rng.integers(0, 2, ((label == 1).sum(), 7))
    names = rng.permutation(label) if shuffled else label
    return SequenceSet(
        [str(i) for i in range(n)],
        bases,
        np.full(n, 60),
        [labels[k] for k in names],
        np.arange(n),
        True,
    )


@pytest.mark.parametrize("labels", [("no", "yes"), ("bin1", "bin2")])
def test_labels_that_mean_the_same_are_read_and_shuffled_ones_are_not(labels):
    rng = np.random.default_rng(1)
    train, holdout, good = (motif_set(rng, 300, labels=labels) for _ in range(3))
    bad = motif_set(rng, 300, shuffled=True, labels=labels)
    right, wrong = (
        {m.metric: m for m in label_metrics(synthetic, train, holdout, 300, 1)}
        for synthetic in (good, bad)
    )
    chance = 0.5 if labels[0] == "no" else 0.0
    assert right["label_fidelity"].reference > chance + 0.3  # the ceiling
    assert right["label_fidelity"].value == pytest.approx(
        right["label_fidelity"].reference, abs=0.15
    )
    assert right["label_transfer"].value > chance + 0.3
    assert abs(wrong["label_fidelity"].value - chance) < 0.2
    assert wrong["label_transfer"].value < right["label_transfer"].value - 0.2
    assert right["label_gc_only"].value < right["label_fidelity"].value


def test_without_labels_there_is_nothing_to_read():
    rng = np.random.default_rng(2)
    some, none = motif_set(rng, 60), motif_set(rng, 60, labels=("", ""))
    assert label_metrics(none, some, some, 100, 1) == []
    assert label_metrics(some, some, none, 100, 1) == []


def test_network_sees_a_motif_at_another_place_and_not_a_real_sample():
    rng = np.random.default_rng(3)
    real, other, moved = motif_set(rng, 200), motif_set(rng, 200), motif_set(rng, 200, moved=True)
    assert abs(cnn_auc(other, real, 1) - 0.5) < 0.12
    assert cnn_auc(moved, real, 1) > 0.65


def test_numbers_become_bins_that_are_equally_full_on_the_training_side():
    value = np.random.default_rng(4).normal(size=100)
    counted = np.arange(100) < 80
    labels, edges = binned([f"{v:.5f}" for v in value] + [""], np.append(counted, True), 4)
    assert [labels[:80].count(f"bin{k}") for k in (1, 2, 3, 4)] == [20] * 4
    assert labels[100] == ""
    np.testing.assert_allclose(edges, np.quantile(value[:80], [0.25, 0.5, 0.75]), atol=1e-4)
    assert all((v >= edges[0]) == (name != "bin1") for v, name in zip(value, labels, strict=False))
    assert binned(["a", "1"], np.ones(2, dtype=bool), 2) == (["a", "1"], [])
    assert binned(["1", "2", "1"], np.ones(3, dtype=bool), 2) == (["1", "2", "1"], [])
