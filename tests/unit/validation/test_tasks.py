"""The work itself: planted traits, imputation and filters, on real and on faulty haplotypes."""

import numpy as np
import pytest
from helpers import founder_mosaic

from genoloom.panel import haplotype_columns
from genoloom.popgen.association import scan
from genoloom.popgen.frequencies import filters_alike
from genoloom.popgen.imputation import impute
from genoloom.validation.accumulators import Groups
from genoloom.validation.accumulators_association import Association
from genoloom.validation.accumulators_imputation import Imputation
from genoloom.validation.accumulators_populations import Populations

N, SITES = 150, 500  # individuals per group


@pytest.fixture(scope="module")
def groups():
    """Alleles of fresh, held-out and training individuals: sites with some doubles each."""
    rng = np.random.default_rng(11)
    alleles = founder_mosaic(SITES, 6 * N, rng, founders=12, switch=0.02)
    frequency = alleles.mean(axis=1)
    alleles = alleles[(frequency > 0.08) & (frequency < 0.92)]
    alleles = alleles.repeat(rng.integers(1, 12, len(alleles)), axis=0)[:SITES]
    return [alleles[:, i * 2 * N : (i + 1) * 2 * N] for i in range(3)]


def grouped(sizes, same=False, populations=("A",)):
    """Groups S, H and T of the given sizes in this order; S are the held-out individuals, if
    `same`.
    """
    edges = np.cumsum([0, *sizes])
    rows = {name: np.arange(*edges[i : i + 2]) for i, name in enumerate(("S", "H", "T"))}
    if same:
        rows["S"] = rows["H"]
    pairs = [("S", "H"), ("T", "H")]
    labels = np.resize(populations, edges[-1])
    return Groups(rows, pairs, ["S"], [("T", "H")], labels, list(populations))


def test_the_same_individuals_have_the_same_associations(groups):
    fresh, holdout, training = groups
    found = Association(grouped((N, N, N), same=True), seed=5, windows=2)
    found.add(np.concatenate([fresh, holdout, training], axis=1)[:150])
    assert [found.overlap(0), found.effect_slope(0), found.heritability_ratio(0)] == [1, 1, 1]
    assert 0.5 < found.overlap(1) < 1


def test_independent_sites_have_no_hits_no_effects_and_no_heritability(groups):
    fresh, holdout, training = groups
    independent = np.random.default_rng(12).permuted(fresh, axis=1)
    found = {}
    for name, synthetic in {"fresh": fresh, "independent": independent}.items():
        association = Association(grouped((N, N, N)), seed=5, windows=2)
        for start in (0, 150):
            association.add(
                np.concatenate([synthetic, holdout, training], axis=1)[start : start + 150]
            )
        found[name] = [
            association.overlap(0),
            association.effect_slope(0),
            association.heritability_ratio(0),
        ]
    assert min(found["fresh"]) > 0.6
    assert found["independent"] == pytest.approx([0, 0, 0], abs=0.1)


def test_how_many_individuals_are_synthetic_does_not_change_the_traits_of_real_ones(groups):
    fresh, holdout, training = groups
    metrics = []
    for n in (10, N):  # of them
        found = Association(grouped((n, N, N)), seed=5, windows=2)
        found.add(np.concatenate([fresh[:, : 2 * n], holdout, training], axis=1)[:150])
        metrics.append((found.overlap(1), found.effect_slope(1), found.heritability_ratio(1)))
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-4)


def test_heritability_is_by_regression_on_the_scores_of_the_reference(groups, monkeypatch):
    scans = []
    monkeypatch.setattr(
        "genoloom.validation.accumulators_association.scan",
        lambda *args: scans.append(scan(*args)) or scans[-1],
    )
    found = Association(grouped((N, N, N)), seed=5, windows=2)
    alleles = np.concatenate(groups, axis=1)
    for window in (slice(0, 200), slice(200, 350)):
        found.add(alleles[window])
    of_group = [[scans[i], scans[i + 3]] for i in range(3)]  # S, H and T are scanned in turn
    score = np.concatenate([s.r2.sum(axis=1) for s in of_group[1]])
    slopes = []
    for own in of_group[:2]:
        chi2 = np.concatenate([(s.t[len(s.t) // 2 :] ** 2).mean(axis=0) for s in own])
        slopes.append(np.polyfit(score, chi2, 1)[0])
    assert found.heritability_ratio(0) == pytest.approx(slopes[0] / slopes[1], rel=1e-3)


def test_evenly_spread_windows_have_traits_where_there_are_many(groups, monkeypatch):
    scans = []
    monkeypatch.setattr(
        "genoloom.validation.accumulators_association.scan",
        lambda x, y: scans.append(len(x)) or scan(x, y),
    )
    found = Association(grouped((N, N, N)), seed=5, windows=120)
    alleles = np.concatenate(groups, axis=1)
    for n in range(2, 9):
        found.add(alleles[:n])
    assert scans == [n for n in (2, 5, 8) for _ in range(3)]


def test_imputation_hides_what_is_not_on_the_array(groups):
    alleles = np.concatenate(groups, axis=1)
    position, cm = 1000 * np.arange(1, len(alleles) + 1), 1e-3 * np.arange(len(alleles))
    frequency = alleles[:, 2 * N :].mean(axis=1)
    imputation = Imputation(grouped((N, N, N)), 5, len(alleles))
    for start in range(0, len(alleles), 100):
        block = slice(start, start + 100)
        own = frequency[block]
        imputation.add(alleles[block], position[block], cm[block], own, own)
    imputation.end_contig()
    observed = []
    for piece in np.unique(position // 4000):
        inside = position // 4000 == piece
        common = np.flatnonzero(inside & (np.abs(frequency - 0.5) <= 0.45))
        observed += common[:1].tolist()
    hidden = np.setdiff1d(np.arange(len(alleles)), observed)
    n = max(48, 12_000 // len(observed))
    targets = alleles[:, imputation.targets[0][:n]]
    synthetic = impute(
        alleles[:, imputation.templates[0]], targets[observed], np.array(observed), cm
    )
    x, y = ((values[hidden] - frequency[hidden, None]).ravel() for values in (synthetic, targets))
    assert imputation.r2(0) == pytest.approx((x @ y) ** 2 / (x @ x * (y @ y)), rel=1e-4)
    assert imputation.r2(0) > 0.8


def test_nothing_is_imputed_where_every_site_is_on_the_array(groups):
    alleles = np.concatenate(groups, axis=1)
    n = len(alleles)
    frequency = alleles[:, 2 * N :].mean(axis=1)
    imputation = Imputation(grouped((N, N, N)), 5, n)
    imputation.add(alleles, 10_000 * np.arange(1, n + 1), 0.01 * np.arange(n), frequency, frequency)
    imputation.end_contig()
    assert not imputation.sums.any()
    assert np.isnan(imputation.r2(0))


def test_evenly_spread_windows_are_imputed_of_many_sites(groups, monkeypatch):
    monkeypatch.setattr("genoloom.validation.accumulators_imputation.WINDOW", 20)
    read = []
    imputation = Imputation(grouped((N, N, N)), 5, 200)
    imputation._impute = lambda: read.append([p for block in imputation._waiting for p in block[1]])
    alleles, zero = np.zeros((10, 6 * N), dtype=np.int8), np.zeros(10)
    for start in range(0, 200, 10):
        imputation.add(alleles, np.arange(start, start + 10), zero, zero, zero)
    imputation.end_contig()
    assert [(part[0], len(part)) for part in read] == [(0, 20), (60, 20), (120, 20), (180, 20)]


def test_filters_are_decided_by_the_rarer_allele_and_counted_by_population(groups):
    p, q = np.array([0.02, 0.97, 0.004]), np.array([0.98, 0.7, 0.06])
    np.testing.assert_allclose(filters_alike(p, q, 200), [1, 0.5, 0])
    np.testing.assert_allclose(filters_alike(p, q, 100), [1, 0, 0])  # one allele is 1 %
    np.testing.assert_allclose(filters_alike(p, q, np.array([101, 10, 10])), [1, 0, 0])
    fresh, holdout, training = groups
    grouping = grouped((N, N, N), populations=("A", "B"))
    sums = Populations(grouping)
    alleles = np.concatenate(
        [np.where(np.random.default_rng(2).random(fresh.shape) < 0.6, 0, fresh), holdout, training],
        axis=1,
    )
    sums.add(alleles.astype(np.int8), alleles[:, 2 * N :].mean(axis=1))
    columns = haplotype_columns(np.arange(1, N, 2))
    alike = 0.0
    for a, b in zip(
        alleles[:, columns].mean(axis=1), holdout[:, columns].mean(axis=1), strict=True
    ):
        for least in (0.01, 0.05):
            alike += 0.5 * ((min(a, 1 - a) >= least) == (min(b, 1 - b) >= least))
    assert sums.alike[0, 1] == pytest.approx(alike)
    assert alike < len(alleles)
