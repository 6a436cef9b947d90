"""The validator tells generators apart: fresh individuals, independent sites, copies."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.errors import InputError
from genoloom.panel import Individuals, haplotype_columns
from genoloom.popgen.linkage import r_squared
from genoloom.validation.accumulators import Collector
from genoloom.validation.cohorts import compare, match_sites
from genoloom.validation.data import Data
from genoloom.validation.fidelity import fidelity_rows, real_rows
from genoloom.validation.metric_table import TABLE, measure_all
from genoloom.validation.plot_data import plot_data

N = 50  # individuals per group


@pytest.fixture(scope="module")
def population():
    """Haplotypes of fresh, held-out and training individuals of one population, and one with
    independent sites.
    """
    rng = np.random.default_rng(8)
    alleles = founder_mosaic(600, 6 * N, rng, founders=30, switch=0.005)
    kept = np.minimum(alleles[:, 4 * N :].sum(axis=1), 2 * N - alleles[:, 4 * N :].sum(axis=1)) >= 2
    alleles = alleles[kept]
    fresh, real = alleles[:, : 2 * N], alleles[:, 2 * N :]
    independent = np.stack([rng.permutation(row) for row in fresh])
    return fresh, real, independent


def collected(synthetic, real, n_permutations=20):
    panel, real_panel = make_panel(synthetic), make_panel(real)
    individuals = compare(
        panel.individuals,
        real_panel.individuals,
        ["holdout"] * N + ["train"] * N,
        n_permutations,
        seed=1,
    )
    sums = Collector(individuals, len(synthetic), block=100, seed=1)
    sums.add(*match_sites(panel, real_panel), real_panel.sites.cm)
    return Data(sums, 4, seed=1)


def table(synthetic, real, classifiers=False):
    """Rows over all populations and bins, the baseline's rows, and the data; classifiers cost most
    of the time.
    """
    data = collected(synthetic, real)
    measured = measure_all(
        data, tuple(m for m in TABLE if classifiers or m.name != "classifier_auc")
    )
    rows = fidelity_rows(measured, "made", "generator", N)
    return (
        {r.metric: r for r in rows if r.population == r.bin == "all"},
        real_rows(measured, N),
        data,
    )


@pytest.mark.slow
def test_fresh_individuals_pass(population):
    fresh, real, _ = population
    rows, baseline, _ = table(fresh, real, classifiers=True)
    assert not {name: row.verdict for name, row in rows.items() if row.verdict != "pass"}
    assert rows["classifier_auc"].value == pytest.approx(0.5, abs=0.12)
    assert baseline[-1].metric == "overall"
    assert baseline[-1].verdict in ("pass", "weak")


@pytest.mark.slow
def test_independent_sites_fail_linkage_but_not_frequencies(population):
    _, real, independent = population
    rows, *_ = table(independent, real, classifiers=True)
    assert rows["frequency_error"].verdict == "pass"
    for metric in (
        "ld_r2_correlation",
        "ld_decay_error",
        "distinct_haplotypes",
        "classifier_auc",
        "coverage",
    ):
        assert rows[metric].verdict == "fail", metric
    assert rows["aats_holdout"].verdict == "fail"


def test_a_copy_of_the_holdout_is_too_close(population):
    _, real, _ = population
    rows, *_ = table(real[:, : 2 * N], real)
    assert rows["frequency_error"].verdict == "overfitted"
    assert rows["aats_holdout"].verdict == "overfitted"


def test_haplotypes_that_cannot_be_are_counted(population):
    """Sites 0 and 1 exclude each other and are never together in real individuals; 2 and 3 are, at
    one training individual.
    """
    fresh, real, _ = population
    panels = [
        make_panel(np.concatenate([np.zeros((4, alleles.shape[1]), dtype=np.int8), alleles]))
        for alleles in (fresh, real)
    ]
    synthetic, real_panel = panels
    synthetic.haplotypes.alleles[:4, 3:8] = 1
    real_panel.haplotypes.alleles[0, :20], real_panel.haplotypes.alleles[1, 20:] = 1, 1
    real_panel.haplotypes.alleles[2:4, [5, 150]] = 1
    position, alt = synthetic.sites.position.copy(), synthetic.sites.alt.copy()
    position[[1, 3]], alt[[1, 3]] = position[[0, 2]], "G"
    synthetic, real_panel = (
        replace(panel, sites=replace(panel.sites, position=position, alt=alt)) for panel in panels
    )
    individuals = compare(
        synthetic.individuals, real_panel.individuals, ["holdout"] * N + ["train"] * N, 4, seed=1
    )
    sums = Collector(individuals, len(synthetic.sites), block=100, seed=1)
    sums.add(*match_sites(synthetic, real_panel), real_panel.sites.cm)
    [measured] = measure_all(
        Data(sums, 4, seed=1), tuple(m for m in TABLE if m.name == "impossible_haplotypes")
    )
    assert (measured.values["S"], measured.reference) == (5 / (2 * N), 0.0)
    [row] = fidelity_rows([measured], "made", "generator", N)[:1]
    assert row.verdict == "fail"


def test_lost_sites_are_counted(population):
    fresh, real, _ = population
    synthetic = fresh.copy()
    synthetic[::3] = 0
    rows, *_ = table(synthetic, real)
    assert rows["sites_lost"].value > 0.33
    assert rows["sites_lost"].verdict == "fail"


def test_figures_hold_no_real_point(population):
    fresh, real, _ = population
    data = plot_data(collected(fresh, real, n_permutations=2))
    assert set(data["pca"]) == {"real_ellipses", "synthetic_points"}
    assert [e["population"] for e in data["pca"]["real_ellipses"]] == ["POP"]
    assert len(data["pca"]["synthetic_points"]) == N
    assert sum(map(sum, data["frequency"]["sites"])) == data["sites"]


def test_groups_are_equal_and_stratified():
    real = Individuals([f"R{i}" for i in range(30)], ["A"] * 20 + ["B"] * 10, ["unknown"] * 30)
    synthetic = Individuals([f"S{i}" for i in range(12)], ["A"] * 4 + ["B"] * 8, ["unknown"] * 12)
    individuals = compare(synthetic, real, ["train", "holdout"] * 15, 3, seed=2)
    for rows in (individuals.synthetic, individuals.holdout, individuals.train):
        assert [(individuals.population[rows] == p).sum() for p in "AB"] == [4, 5]
    for a, b in individuals.halvings:
        assert len(a) == len(b) == individuals.n
        assert set(a) | set(b) == set(individuals.holdout) | set(individuals.train)


def test_no_common_population_is_an_error():
    real = Individuals(["a", "b"], ["A", "A"], ["unknown"] * 2)
    with pytest.raises(InputError, match="no population"):
        compare(Individuals(["s"], ["B"], ["unknown"]), real, ["train", "holdout"], 2, seed=1)


def test_unknown_sites_are_an_error(population):
    fresh, real, _ = population
    with pytest.raises(InputError, match="not in the panel, the first: 20:"):
        match_sites(make_panel(fresh), make_panel(real[:-5]))


def test_tiny_samples_are_measured_as_far_as_they_go():
    """Four individuals per group and 45 sites: no classifier, no scan, no long windows, and no pass
    over all.
    """
    alleles = founder_mosaic(45, 24, np.random.default_rng(3))
    panel, real_panel = make_panel(alleles[:, :8]), make_panel(alleles[:, 8:])
    individuals = compare(
        panel.individuals, real_panel.individuals, ["holdout"] * 4 + ["train"] * 4, 3, seed=1
    )
    sums = Collector(individuals, 45, block=200, seed=1)
    sums.add(panel, real_panel, real_panel.sites.cm)
    rows = fidelity_rows(measure_all(Data(sums, 4, seed=1)), "made", "generator", 4)
    found = {row.metric: row.verdict for row in rows if row.bin == "all"}
    assert {"classifier_auc", "nsl_correlation", "ehh_error"} <= {
        metric for metric, v in found.items() if v == "not run"
    }
    assert found["frequency_error"] == "pass"
    assert found["overall"] != "pass"


def test_linkage_within_a_population_is_that_of_its_individuals_alone(population):
    """Two populations, one with its linkage destroyed: only its own row fails."""
    fresh, real, independent = population
    synthetic = np.where(np.repeat(np.arange(N) % 2, 2) == 0, fresh, independent)
    panel, real_panel = make_panel(synthetic, ("A", "B")), make_panel(real, ("A", "B"))
    individuals = compare(
        panel.individuals, real_panel.individuals, ["holdout"] * N + ["train"] * N, 6, seed=1
    )
    sums = Collector(individuals, len(synthetic), block=len(synthetic), seed=1)  # one window
    sums.add(panel, real_panel, real_panel.sites.cm)
    d = Data(sums, 4, seed=1)
    rows = fidelity_rows(
        measure_all(d, tuple(m for m in TABLE if m.name == "ld_r2_correlation")),
        "made",
        "generator",
        N,
    )
    found = {
        row.population: row.value
        for row in rows
        if row.bin == "all" and row.metric == "ld_r2_correlation"
    }
    of_b = d.groups.of_population("S", 2), d.groups.of_population("H", 2)
    kept = np.flatnonzero(np.minimum(real.mean(axis=1), 1 - real.mean(axis=1)) >= 0.05)
    alleles = np.concatenate([synthetic, real], axis=1)[kept]
    upper = np.triu_indices(len(kept), k=1)
    direct = np.corrcoef(*(r_squared(alleles[:, haplotype_columns(rows)])[upper] for rows in of_b))[
        0, 1
    ]
    assert found["B"] == pytest.approx(direct, abs=1e-9)
    assert found["B"] < 0.1 < 0.2 < found["A"]
