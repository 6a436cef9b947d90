"""What the plan says of privacy modes, next to what the mechanism does."""

import numpy as np
import pytest

from genoloom.privacy.accounting import largest_auc, mu_of, rest
from genoloom.privacy.cohort_statistics import FOR_COUNTS, PublicScores, estimate, measure
from genoloom.privacy.gaussian_mechanism import NoiseKey
from genoloom.privacy.mode_plan import kept_share, plan_modes

ASKED = {
    "unavoidable_auc": 0.7, "unavoidable_tpr": 0.06, "effective_sites": 30.0, "individuals": 100,
    "epsilon": 3.0, "delta": 1e-5, "max_auc": 0.6, "spent": [],
}  # fmt: skip


@pytest.mark.parametrize(("epsilon", "drift"), [(3, 0.2), (8, 0.1), (1, 0.5)])
def test_the_share_that_is_kept_is_what_the_mechanism_keeps(epsilon, drift):
    """Of a population that has drifted along directions of equal variance."""
    m, n, mu = 40, 150, mu_of(epsilon, 1e-5)
    rng = np.random.default_rng(1)
    public = PublicScores(rng.normal(size=(4000, m)), np.zeros(4000, dtype=int), 1)
    shares = []
    for seed in range(8):
        moved = rng.normal(size=m) * np.sqrt(drift)
        private = rng.normal(size=(n, m)) * np.sqrt(2) + 2 * moved
        zeros, key = np.zeros(n, dtype=int), NoiseKey.of_seed(seed)
        found = measure(public, np.array([0]), private, zeros, mu, key, "x")
        guess = np.zeros(m)
        guess[found.kept] = estimate(public, np.array([0]), found).shift[0]
        shares.append(1 - ((guess - moved) ** 2).sum() / (moved**2).sum())
    sums = rest(mu, [mu * np.sqrt(FOR_COUNTS)])
    assert np.mean(shares) == pytest.approx(kept_share(m, n, sums, drift), abs=0.15)


def test_modes_are_recommended_by_what_they_give():
    assert plan_modes(**ASKED).recommended == "statistics"
    assert plan_modes(**ASKED | {"individuals": 10}).recommended == "public"
    assert plan_modes(**ASKED | {"unavoidable_auc": 0.55}).recommended == "none"
    assert plan_modes(**ASKED | {"epsilon": None}).recommended == "public"
    spent = plan_modes(**ASKED | {"spent": [mu_of(3, 1e-5)]})
    assert spent.recommended == "public"
    assert "3 of it is spent" in "\n".join(spent.lines())


def test_what_is_guaranteed_is_next_to_what_is_kept():
    rows = {row.mode: row for row in plan_modes(**ASKED).rows}
    assert list(rows) == ["none", "public", "statistics, epsilon 3", "statistics, epsilon null"]
    noised = rows["statistics, epsilon 3"]
    assert noised.auc == pytest.approx(largest_auc(mu_of(3, 1e-5)))
    assert 0 < noised.kept[0] < noised.kept[1] < 1
    assert rows["public"].auc == 0.5
    assert rows["statistics, epsilon null"].auc is None
    assert "no guarantee" in rows["statistics, epsilon null"].text()
