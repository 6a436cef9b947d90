"""The validator tells generators apart: fresh people, independent sites, copies."""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.errors import InputError
from genoloom.panel import People
from genoloom.validation.cohorts import compare, match_sites
from genoloom.validation.fidelity import Accumulator, Metrics, fidelity_rows, real_rows
from genoloom.validation.figures import figure_data

N = 50  # people a group


@pytest.fixture(scope="module")
def population():
    """Haplotypes of fresh, held-out and training people of one population, and one with independent sites."""
    rng = np.random.default_rng(8)
    alleles = founder_mosaic(600, 6 * N, rng, founders=30, switch=0.005)
    kept = np.minimum(alleles[:, 4 * N :].sum(axis=1), 2 * N - alleles[:, 4 * N :].sum(axis=1)) >= 2
    alleles = alleles[kept]
    fresh, real = alleles[:, : 2 * N], alleles[:, 2 * N :]
    independent = np.stack([rng.permutation(row) for row in fresh])
    return fresh, real, independent


def table(made, real):
    panel, truth = make_panel(made), make_panel(real)
    roles = ["holdout"] * N + ["train"] * N
    people = compare(panel.people, truth.people, roles, 6, seed=1)
    sums = Accumulator(people, ld_window=100, haplotype_window=20)
    sums.add(*match_sites(panel, truth))
    metrics = Metrics(sums, 4, seed=1)
    all_metrics = metrics.all()
    rows = {r["metric"]: r for r in fidelity_rows(all_metrics, "made", "generator") if r["population"] == r["bin"] == "all"}
    return rows, all_metrics, metrics


def test_fresh_people_pass(population):
    fresh, real, _ = population
    rows, all_metrics, _ = table(fresh, real)
    bad = {name: row["verdict"] for name, row in rows.items() if row["verdict"] in ("fail", "too close")}
    assert not bad
    assert rows["classifier_auc"]["value"] == pytest.approx(0.5, abs=0.12)
    assert not [r for r in real_rows(all_metrics) if r["bin"] == "all" and r["verdict"] in ("fail", "too close")]


def test_independent_sites_fail_linkage_but_not_frequencies(population):
    _, real, independent = population
    rows, *_ = table(independent, real)
    assert rows["frequency_error"]["verdict"] == "pass"
    for metric in ("ld_r2_correlation", "ld_decay_error", "distinct_haplotypes", "classifier_auc", "pairwise_distance_ks"):
        assert rows[metric]["verdict"] == "fail", metric
    assert rows["aats_truth"]["verdict"] == "fail"


def test_a_copy_of_the_holdout_is_too_close(population):
    _, real, _ = population
    rows, *_ = table(real[:, : 2 * N], real)
    assert rows["frequency_error"]["verdict"] == "too close"
    assert rows["aats_truth"]["verdict"] == "too close"


def test_lost_sites_are_counted(population):
    fresh, real, _ = population
    made = fresh.copy()
    made[::3] = 0
    rows, *_ = table(made, real)
    assert rows["sites_lost"]["value"] > 0.33
    assert rows["sites_lost"]["verdict"] == "fail"


def test_figures_hold_no_real_point(population):
    fresh, real, _ = population
    _, _, metrics = table(fresh, real)
    data = figure_data(metrics)
    assert set(data["pca"]) == {"real_ellipses", "synthetic_points"}
    assert [e["population"] for e in data["pca"]["real_ellipses"]] == ["POP"]
    assert len(data["pca"]["synthetic_points"]) == N
    assert sum(map(sum, data["frequency"]["sites"])) == data["sites"]


def test_groups_are_equal_and_stratified():
    real = People([f"R{i}" for i in range(30)], ["A"] * 20 + ["B"] * 10, ["unknown"] * 30)
    made = People([f"S{i}" for i in range(12)], ["A"] * 4 + ["B"] * 8, ["unknown"] * 12)
    people = compare(made, real, ["train", "holdout"] * 15, 3, seed=2)
    for rows in (people.synthetic, people.holdout, people.train):
        assert [(people.population[rows] == p).sum() for p in "AB"] == [4, 5]
    for a, b in people.halvings:
        assert len(a) == len(b) == people.n
        assert set(a) | set(b) == set(people.holdout) | set(people.train)


def test_no_common_population_is_an_error():
    real = People(["a", "b"], ["A", "A"], ["unknown"] * 2)
    with pytest.raises(InputError, match="no population"):
        compare(People(["s"], ["B"], ["unknown"]), real, ["train", "holdout"], 2, seed=1)


def test_unknown_sites_are_an_error(population):
    fresh, real, _ = population
    with pytest.raises(InputError, match="not in the panel, the first: 20:"):
        match_sites(make_panel(fresh), make_panel(real[:-5]))
