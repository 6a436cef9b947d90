"""Shadow models: individuals are judged by what they score with and without having trained."""

import numpy as np
from sklearn.metrics import roc_auc_score

from genoloom.privacy.shadows import Shadow, calibrated


def test_scores_are_taken_from_the_middle_between_shadows_with_and_without_the_individual():
    target = {"a": np.array([1.0, 2.0, 3.0, 4.0])}
    shadows = [
        Shadow({"a": np.array([10.0, 1.0, 10.0, 1.0])}, np.array([True, False, True, False])),
        Shadow({"a": np.array([2.0, 10.0, 2.0, 10.0])}, np.array([False, True, False, True])),
        Shadow({"a": np.array([4.0, 10.0, 10.0, 3.0])}, np.array([False, True, True, False])),
    ]
    left_out, trained = np.array([3, 1, 2, 2]), 10
    assert (
        calibrated(target, shadows)[:, 0].tolist()
        == (target["a"] - (left_out + trained) / 2).tolist()
    )


def test_scores_of_haplotypes_become_those_of_individuals_and_nobody_needs_to_have_trained():
    shadow = Shadow({"a": np.array([1.0, 2.0, 3.0, 5.0])}, np.array([False, False]))
    assert calibrated({"a": np.array([0.0, 0.0])}, [shadow])[:, 0].tolist() == [-3, -8]


def test_a_leak_hidden_by_how_typical_individuals_are_is_seen():
    rng = np.random.default_rng(1)
    typical, member = 5 * rng.normal(size=400), np.arange(400) >= 200
    halves = [rng.permutation(400) < 200 for _ in range(4)]

    def scores(trained: np.ndarray) -> dict[str, np.ndarray]:
        return {"a": typical + trained + 0.5 * rng.normal(size=400)}

    target = scores(member)
    shadows = [Shadow(scores(half), half) for half in [*halves, *(~half for half in halves)]]
    assert roc_auc_score(member, target["a"]) < 0.65
    assert roc_auc_score(member, calibrated(target, shadows)[:, 0]) > 0.85
