"""The mechanism of mode `statistics` as a claim: whoever is in or out cannot be told better than
epsilon says, and builds that are broken are told from it.

One run each with canary individuals that were in or out by fair coins (Steinke, Nasr & Jagielski
2023). The worst canaries have a direction of their own; the attacker knows everything but the coins
and the noise.
"""

import numpy as np
import pytest
from oracles import audited_epsilon
from scipy.stats import kstest
from sklearn.metrics import roc_auc_score

from genoloom.privacy import cohort_statistics, gaussian_mechanism
from genoloom.privacy.accounting import epsilon_of, largest_auc, mu_of
from genoloom.privacy.gaussian_mechanism import STEPS, NoiseKey, clipped, noised_sum

CANARIES, EPSILON, DELTA = 2000, 3.0, 1e-5
MU, LENGTH = mu_of(EPSILON, DELTA), 2.0


def haplotypes(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Both haplotypes of each canary, float64 (CANARIES, 2, D); together longer than is allowed."""
    if kind == "worst":
        each = np.repeat(np.eye(CANARIES)[:, None], 2, axis=1)
        return 3 * LENGTH * each
    return rng.normal(size=(CANARIES, 2, 500))


def built(vectors: np.ndarray, key: NoiseKey) -> np.ndarray:
    return noised_sum(vectors.sum(axis=1), LENGTH, MU, key, "audit")


def without_clipping(vectors: np.ndarray, key: NoiseKey) -> np.ndarray:
    noise = noised_sum(0 * vectors.sum(axis=1), LENGTH, MU, key, "audit")
    return vectors.sum(axis=(0, 1)) + noise


def clipping_haplotypes(vectors: np.ndarray, key: NoiseKey) -> np.ndarray:
    return noised_sum(vectors.reshape(-1, vectors.shape[2]), LENGTH, MU, key, "audit")


def with_less_noise(vectors: np.ndarray, key: NoiseKey) -> np.ndarray:
    return noised_sum(vectors.sum(axis=1), LENGTH, MU / 0.3, key, "audit")


def with_everybody_sampled_twice(vectors: np.ndarray, key: NoiseKey) -> np.ndarray:
    return noised_sum(np.repeat(vectors.sum(axis=1), 2, axis=0), LENGTH, MU, key, "audit")


def with_a_budget_that_restarts(vectors: np.ndarray, key: NoiseKey) -> np.ndarray:
    """Ten runs that were resumed, each of which believes that nothing was spent."""
    whole = vectors.sum(axis=1)
    return np.mean([noised_sum(whole, LENGTH, MU, key, f"run {k}") for k in range(10)], axis=0)


def shown(build, kind: str, seed: int) -> tuple[float, float]:
    """What a run of a build shows: a lower bound of epsilon, and one of the attack's AUC."""
    rng = np.random.default_rng(seed)
    vectors = haplotypes(kind, rng)
    inside = rng.random(CANARIES) < 0.5
    released = build(vectors[inside], NoiseKey.of_seed(seed))
    whole = vectors.sum(axis=1)
    scores = (whole / np.linalg.norm(whole, axis=1, keepdims=True)) @ released
    order = np.argsort(scores, kind="stable")
    best = 0.0
    for guesses in (50, 100, 200, 400, 1000):  # as many are guessed on either side
        right = inside[order[-guesses:]].sum() + (~inside[order[:guesses]]).sum()
        bound = audited_epsilon(2 * guesses, int(right), DELTA, CANARIES, confidence=0.99)
        best = max(best, bound)
    auc = roc_auc_score(inside, scores)
    return best, auc - 4 * 0.5 / np.sqrt(CANARIES / 2)


def test_canaries_show_no_more_than_the_claim():
    found = {kind: shown(built, kind, seed) for seed in range(3) for kind in ("worst", "random")}
    for epsilon, auc in found.values():
        assert epsilon < EPSILON
        assert auc < largest_auc(MU)
    assert found["worst"][0] > 0.3  # the attack is one


@pytest.mark.parametrize(
    "build",
    [
        without_clipping,
        clipping_haplotypes,
        with_less_noise,
        with_everybody_sampled_twice,
        with_a_budget_that_restarts,
    ],
    ids=lambda build: build.__name__,
)
def test_broken_builds_are_caught(build):
    """They show more than the best attack on the mechanism finds."""
    epsilon, auc = shown(build, "worst", 1)
    assert auc > largest_auc(MU)
    if build is without_clipping:  # who is six times as long as allowed
        assert epsilon > EPSILON


def test_noise_is_normal_secret_and_of_its_purpose():
    key = NoiseKey(bytes(range(32)), True)
    noise = key.gaussian("a", 20_000)
    assert kstest(noise, "norm").pvalue > 0.01
    assert np.array_equal(noise[:10], key.gaussian("a", 10))
    others = [key.gaussian("b", 20_000), NoiseKey.of_seed(1).gaussian("a", 20_000)]
    for other in others:
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.03
    assert not NoiseKey.of_seed(1).secret


def test_nobody_moves_the_sum_by_more_than_the_sensitivity():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 30)) * rng.lognormal(1, 2, size=(50, 1))
    vectors[0] = 0
    steps = clipped(vectors, LENGTH)
    assert np.linalg.norm(steps, axis=1).max() <= STEPS
    key = NoiseKey.of_seed(3)
    whole = noised_sum(vectors, LENGTH, 1.0, key, "x")
    for row in range(0, 50, 7):
        less = noised_sum(np.delete(vectors, row, axis=0), LENGTH, 1.0, key, "x")
        assert np.linalg.norm(whole - less) <= LENGTH * (1 + 1e-12)
    # noise as large as was asked for
    spread = np.std([noised_sum(vectors, LENGTH, 0.5, key, str(k))[0] for k in range(2000)])
    assert spread == pytest.approx(LENGTH / 0.5, rel=0.06)


def test_statistics_of_a_cohort_cost_what_they_claim(monkeypatch):
    """All that `measure` asks of the mechanism, added up: every sum that an individual is in."""
    asked = []

    def spied(vectors, length, mu, key, purpose):
        asked.append((purpose, mu, len(vectors)))
        return gaussian_mechanism.noised_sum(vectors, length, mu, key, purpose)

    monkeypatch.setattr(cohort_statistics, "noised_sum", spied)
    rng = np.random.default_rng(4)
    public = cohort_statistics.PublicScores(rng.normal(size=(80, 12)), np.repeat([0, 1], 40), 2)
    label = np.repeat([0, 1, 2], 20)
    represented_by = np.array([0, 1, 1])
    private = rng.normal(size=(60, 12))
    measured = cohort_statistics.measure(
        public, represented_by, private, label, MU, NoiseKey.of_seed(1), "x"
    )
    # an individual is in the counts and in the sum of one population
    own = {purpose: mu for purpose, mu, _ in asked}
    assert [n for *_, n in asked] == [60, 20, 20, 20]
    for k in range(3):
        cost = np.hypot(own["x counts"], own[f"x sums {k}"])
        assert epsilon_of(cost, DELTA) == pytest.approx(EPSILON, rel=1e-6)
    assert measured.sums.shape == (3, len(measured.kept))
    assert measured.spread == pytest.approx(measured.lengths / own["x sums 0"])
    assert len({purpose for purpose, *_ in asked}) == 4  # noise of its own for each
