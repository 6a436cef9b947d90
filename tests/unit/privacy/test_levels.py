"""A test that cannot fail must not pass: whatever the options, nothing but copies of training
individuals never passes.
"""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel
from hypothesis import given, settings
from hypothesis import strategies as st

from genoloom.audit_levels import COPY_LEVEL, FEWEST_RESAMPLES, fewest_resamples
from genoloom.errors import GenoLoomError
from genoloom.privacy.attack_ids import MUST_PASS, AttackId
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.copies import Neighbours, near_copies
from genoloom.privacy.measures import Resampling
from genoloom.privacy_config import AuditOptions
from genoloom.validation.cohorts import compare

POPULATIONS = {1: ("A",), 2: ("A", "B"), 3: ("A", "B", "C")}
REAL = founder_mosaic(300, 4 * 48, np.random.default_rng(11), founders=300, switch=0.02)


def judged(
    synthetic, real, populations, windows, haplotype_windows, resamples, max_auc, phased=True
):
    n = real.shape[1] // 4
    panel, real_panel = make_panel(synthetic, populations), make_panel(real, populations)
    individuals = compare(
        panel.individuals, real_panel.individuals, ["holdout"] * n + ["train"] * n, 0, seed=1
    )
    data = AuditData(individuals, windows, haplotype_windows)
    data.add(panel, real_panel, real_panel.sites.cm)
    found = Auditor(
        data, "synthetic", "generator", resamples, max_auc, seed=1, phased=phased
    ).audit()
    return {row.attack: row for row in found.rows if row.population == "all"}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    n=st.sampled_from([3, 12, 24, 48]),
    populations=st.sampled_from([1, 2, 3]),
    windows=st.lists(st.integers(10, 400), min_size=1, max_size=3).map(
        lambda sizes: [10 * (s // 10) for s in sizes]
    ),
    haplotype_windows=st.lists(st.integers(10, 200), min_size=1, max_size=2),
    resamples=st.integers(1, 400),
    max_auc=st.sampled_from([0.0, 0.5, 0.6, 0.9, 0.999, 1.0]),
    phased=st.booleans(),
    collapsed=st.booleans(),
)
def test_nothing_but_copies_never_passes(
    n, populations, windows, haplotype_windows, resamples, max_auc, phased, collapsed
):
    real = np.concatenate([REAL[:, : 2 * n], REAL[:, -2 * n :]], axis=1)
    synthetic = real[:, 2 * n :]
    if collapsed:  # everybody is one training individual
        synthetic = np.tile(synthetic[:, :2], n)
    rows = judged(
        synthetic,
        real,
        POPULATIONS[populations],
        windows,
        haplotype_windows,
        resamples,
        max_auc,
        phased,
    )
    assert rows[AttackId.WORST].verdict != "pass"
    if not collapsed:
        passed = {name for name in MUST_PASS if name in rows and rows[name].verdict == "pass"}
        assert passed <= {AttackId.COMPARABLE}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_handful_of_individuals_have_too_few_labellings_for_copies(seed):
    """Two individuals per role and population are dealt to what they were in 1 of 36 shuffles:
    fresh individuals do not pass.
    """
    fresh = founder_mosaic(200, 24, np.random.default_rng(seed))
    rows = judged(fresh[:, 16:], fresh[:, :16], POPULATIONS[2], [50], [20], 400, 0.6)
    tests = {name: row for name, row in rows.items() if name.startswith("near copies")}
    assert len(tests) == 3
    assert {row.verdict for row in tests.values()} == {"not run"}


def test_the_fewest_resamples_follow_from_the_strictest_level():
    assert fewest_resamples(0.005) == 199
    assert 1 / (1 + FEWEST_RESAMPLES) <= COPY_LEVEL < 1 / FEWEST_RESAMPLES
    assert AuditOptions(bootstrap=FEWEST_RESAMPLES)
    with pytest.raises((GenoLoomError, ValueError)):
        AuditOptions(bootstrap=FEWEST_RESAMPLES - 1)


@pytest.mark.parametrize("shuffles", [FEWEST_RESAMPLES - 1, FEWEST_RESAMPLES])
def test_too_few_shuffles_are_not_run(shuffles):
    rng = np.random.default_rng(1)
    distance = rng.uniform(10, 11, (80, 40))
    distance[np.arange(40, 80), np.arange(40)] = 0.1
    member = np.arange(80) >= 40
    shuffled = np.array([rng.permutation(member) for _ in range(shuffles)])
    verdict = near_copies(Neighbours.of(np.log(distance), 1), member, shuffled).verdict
    assert verdict == ("fail" if shuffles == FEWEST_RESAMPLES else "not run")


def test_rows_that_are_all_alike_are_not_run():
    rng = np.random.default_rng(2)
    distance = np.tile(rng.uniform(10, 11, (80, 1)), 40)  # one haplotype, forty times
    member = np.arange(80) >= 40
    shuffled = np.array([rng.permutation(member) for _ in range(999)])
    assert near_copies(Neighbours.of(np.log(distance), 1), member, shuffled).verdict == "not run"
    # no neighbour at all
    assert near_copies(Neighbours.of(np.ones((80, 40)), 1), member, shuffled).verdict == "not run"


def test_few_individuals_have_few_labellings():
    rng = np.random.default_rng(3)
    assert Resampling(np.repeat("A", 6), 3, 1000, rng).least_p == pytest.approx(1 / 20)
    assert Resampling(np.tile(["A", "B"], 3), 3, 1000, rng).least_p == pytest.approx(1 / 9)
    assert Resampling(np.repeat("A", 200), 100, 1000, rng).least_p == pytest.approx(1 / 1001)
