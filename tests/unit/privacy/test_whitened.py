"""The whitened frequency ratio against the formula written out, on leaks that linkage hides, and on
none.
"""

import numpy as np
import pytest
from helpers import founder_mosaic

from genoloom.privacy.measures import auc
from genoloom.privacy.whitened import FOLDS, RIDGES, WhitenedFrequencies

N = 60


def haplotypes(m: int, seed: int) -> np.ndarray:
    """Held-out, training and fresh individuals with linkage, int8 (m, 6 N)."""
    return founder_mosaic(m, 6 * N, np.random.default_rng(seed), founders=60, switch=0.05)


def attack(synthetic: np.ndarray, real: np.ndarray) -> list[np.ndarray]:
    found = WhitenedFrequencies(N)
    for start in range(0, len(real), 70):
        found.add(synthetic[start : start + 70], real[start : start + 70])
    scores = list(found.scores().values())
    assert len(scores) == len(RIDGES)
    return scores


def test_equals_the_discriminant_with_a_ridge():
    h = haplotypes(150, 1)
    real, synthetic = h[:, : 4 * N], h[:, 4 * N :]
    dosage = (np.concatenate([real, synthetic], axis=1).reshape(150, -1, 2)).sum(axis=2)
    p = dosage.mean(axis=1, keepdims=True) / 2
    kept = ((p > 0) & (p < 1))[:, 0]
    z = ((dosage - 2 * p)[kept] / np.sqrt(2 * p * (1 - p))[kept]).T
    fold = np.arange(N) % FOLDS
    for ridge, scores in zip(RIDGES, attack(synthetic, real), strict=True):
        for own in range(FOLDS):
            reference = z[:N][fold != own]
            x = z - reference.mean(axis=0)
            r = reference - reference.mean(axis=0)
            n = len(r)
            penalty = ridge * np.trace(r @ r.T) / n
            weights = np.linalg.solve(
                r.T @ r + penalty * np.eye(r.shape[1]), x[2 * N :].mean(axis=0)
            )
            asked = np.flatnonzero(np.tile(fold == own, 2))
            expected = penalty * x[asked] @ weights
            np.testing.assert_allclose(
                scores[asked], expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()
            )


@pytest.mark.parametrize("seed", [1, 2])
def test_finds_members_whom_their_frequencies_hide(seed):
    """Frequencies of the training half, released as independent sites of many individuals."""
    h = haplotypes(1500, seed)
    real = h[:, : 4 * N]
    rng = np.random.default_rng(seed)
    columns = rng.integers(2 * N, 4 * N, (len(h), 2 * N))
    synthetic = np.take_along_axis(h, columns, axis=1)
    _, sharp = attack(synthetic, real)
    assert auc(sharp[N:], sharp[:N]) > 0.62


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fresh_individuals_give_nobody_away(seed):
    h = haplotypes(1500, seed)
    for scores in attack(h[:, 4 * N :], h[:, : 4 * N]):
        assert 0.36 < auc(scores[N:], scores[:N]) < 0.64
