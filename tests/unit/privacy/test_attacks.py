"""Membership attacks: planted leaks are caught, fresh people are not accused."""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel
from sklearn.metrics import roc_auc_score

from genoloom.privacy.attacks import NearestNeighbours, auc, bootstrap_auc, per_person, true_positive_rate
from genoloom.privacy.audit import PUBLIC_COLUMNS, AuditData, audit
from genoloom.validation.cohorts import compare

N = 60


def test_auc_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    members, others = rng.integers(0, 9, 40) + 1.0, rng.integers(0, 9, 30) + 0.0
    label = np.repeat([1, 0], [40, 30])
    assert auc(members, others) == pytest.approx(roc_auc_score(label, np.concatenate([members, others])))
    low, high = bootstrap_auc(members, others, 200, rng)
    assert low < auc(members, others) < high


def test_true_positive_rate_closed_form():
    others = np.arange(100.0)
    assert true_positive_rate(np.array([200.0, 300, -1, -2]), others) == 0.5
    assert true_positive_rate(others, others) <= 0.01


def test_local_scores_are_a_loop():
    rng = np.random.default_rng(2)
    distances = rng.integers(0, 9, (7, 4, 3)).astype(np.float32)  # seven steps of ten sites; windows of 20: the last one short
    attack = NearestNeighbours(4, 3, [10, 20])
    for step in distances[:6]:
        attack.add(step, 10)
    attack.add(distances[6], 5)
    attack.end_contig()
    scores = attack.scores()
    np.testing.assert_allclose(scores["nearest, whole haplotype"], -distances.sum(axis=0).min(axis=1))
    np.testing.assert_allclose(scores["nearest, windows of 10"], -distances.min(axis=2).sum(axis=0))
    pairs = [distances[0:2], distances[2:4], distances[4:6], distances[6:]]
    np.testing.assert_allclose(scores["nearest, windows of 20"], -sum(p.sum(axis=0).min(axis=1) for p in pairs))


def test_person_scores_add_both_haplotypes():
    assert per_person(np.array([1.0, 2, 3, 4])).tolist() == [3, 7]


@pytest.fixture(scope="module")
def population():
    alleles = founder_mosaic(800, 6 * N, np.random.default_rng(4), founders=400, switch=0.01)
    return alleles[:, : 2 * N], alleles[:, 2 * N :]


def measure(made, real):
    panel, truth = make_panel(made), make_panel(real)
    people = compare(panel.people, truth.people, ["holdout"] * N + ["train"] * N, 0, seed=1)
    data = AuditData(people, [50, 100], seed=1)
    data.add(panel, truth, truth.sites.cm)
    found = audit(data, "made", "generator", 200, 0.6, seed=1)
    return {row["attack"]: row for row in found.public if row["population"] == "all"}, found


def test_fresh_people_are_not_accused(population):
    fresh, real = population
    rows, _ = measure(fresh, real)
    assert rows["worst"]["verdict"] != "fail"
    assert rows["worst"]["low"] < 0.5 < rows["worst"]["high"] or rows["worst"]["value"] < 0.6
    assert rows["privacy loss (AATS)"]["verdict"] == "pass"
    assert rows["longest shared run"]["value"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("share", "flips"), [(1.0, 0.0), (1.0, 0.005), (0.5, 0.0)])
def test_planted_copies_are_caught(population, share, flips):
    fresh, real = population
    rng = np.random.default_rng(5)
    made = fresh.copy()
    copied = int(share * 2 * N)
    made[:, :copied] = real[:, 2 * N : 2 * N + copied] ^ (rng.random((len(real), copied)) < flips)
    rows, _ = measure(made, real)
    assert rows["worst"]["verdict"] == "fail"
    assert rows["worst"]["value"] > 0.65
    assert rows["longest shared run"]["verdict"] == "fail" or share < 1


def test_mosaics_are_caught_by_local_windows(population):
    _, real = population
    rng = np.random.default_rng(6)
    source = np.repeat(rng.integers(2 * N, 4 * N, (len(real) // 50, 2 * N)), 50, axis=0)
    rows, _ = measure(np.take_along_axis(real, source, axis=1), real)
    assert rows["nearest, windows of 50"]["value"] > rows["nearest, whole haplotype"]["value"] + 0.1
    assert rows["worst"]["verdict"] == "fail"


def test_a_leak_of_the_holdout_does_not_accuse_the_training_people(population):
    _, real = population
    rows, _ = measure(real[:, : 2 * N], real)
    assert rows["worst"]["value"] < 0.2
    assert rows["privacy loss (AATS)"]["value"] < 0


def test_public_rows_hold_groups_only(population):
    fresh, real = population
    _, found = measure(fresh, real)
    for row in found.public:
        assert set(row) == set(PUBLIC_COLUMNS)
        assert row["n"] >= 20
    assert {row["role"] for row in found.people} == {"holdout", "train"}
    assert all(isinstance(row["index"], int) for row in found.people)
