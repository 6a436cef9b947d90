"""Spectra, windows, linkage of pairs and triples, runs, kinship and copying: against scikit-allel,
scipy or a loop.
"""

from itertools import combinations

import allel
import numpy as np
import pytest
from scipy import stats

from genoloom.popgen.copying import CopyingLikelihood
from genoloom.popgen.distances import kernel_discrepancy, kolmogorov_smirnov, manifold_scores
from genoloom.popgen.diversity import hardy_weinberg_chi2, pairwise_differences, window_diversity
from genoloom.popgen.frequencies import bernoulli_kl, monomorphic
from genoloom.popgen.haplotypes import (
    PairwiseRuns,
    combine_ids,
    extended_homozygosity,
    garud,
    group_counts,
    window_ids,
)
from genoloom.popgen.linkage import PearsonSums, correlation, d_prime, three_point
from genoloom.popgen.relatedness import Kinship, RunsOfHomozygosity


@pytest.fixture
def alleles():
    rng = np.random.default_rng(12)
    return (rng.random((60, 50)) < rng.beta(0.6, 1.2, (60, 1))).astype(np.int8)


def counted(alleles):
    return allel.HaplotypeArray(alleles).count_alleles(max_allele=1)


def test_bernoulli_kl_is_scipys_entropy(alleles):
    p, q = alleles[:, :25].sum(axis=1), alleles[:, 25:].sum(axis=1)
    expected = [
        stats.entropy(*([(c + 0.5) / 26, 1 - (c + 0.5) / 26] for c in pair), base=2)
        for pair in zip(p, q, strict=True)
    ]
    assert bernoulli_kl(p, q, 25) == pytest.approx(np.mean(expected))
    assert bernoulli_kl(p, p, 25) == 0


def test_monomorphic_sites_have_one_allele():
    assert monomorphic(np.arange(13), 12).tolist() == [True, *[False] * 11, True]


def test_window_diversity_is_that_of_scikit_allel(alleles):
    counts = alleles.sum(axis=1)
    pi, theta, d = window_diversity(counts, 50, np.array([0, 20, 33]))
    for i, part in enumerate((slice(0, 20), slice(20, 33), slice(33, 60))):
        ac, position = counted(alleles[part]), np.arange(1, len(alleles[part]) + 1)
        span = position[-1]
        assert pi[i] == pytest.approx(allel.sequence_diversity(position, ac) * span)
        assert theta[i] == pytest.approx(allel.watterson_theta(position, ac) * span)
        assert d[i] == pytest.approx(allel.tajima_d(ac))
    assert np.isnan(window_diversity(np.array([0, 1, 2, 0]), 4, np.array([0]))[2][0])
    assert np.isfinite(window_diversity(np.array([1, 1, 2, 0]), 4, np.array([0]))[2][0])


def test_differences_are_those_of_scikit_allel(alleles):
    a = alleles[:, :20]
    np.testing.assert_allclose(
        pairwise_differences(a.sum(axis=1), 20), allel.mean_pairwise_difference(counted(a))
    )


def test_hardy_weinberg_is_the_chi_square_of_genotype_counts(alleles):
    dosage = alleles[:, 0::2] + alleles[:, 1::2]
    synthetic = hardy_weinberg_chi2((dosage == 1).sum(axis=1), dosage.sum(axis=1), 25)
    for row, value in zip(dosage, synthetic, strict=True):
        p = row.mean() / 2
        if 0 < p < 1:
            observed = np.bincount(row, minlength=3)
            assert value == pytest.approx(
                stats.chisquare(observed, 25 * np.array([(1 - p) ** 2, 2 * p * (1 - p), p * p]))[0]
            )
        else:
            assert value == 0


def test_correlation_has_the_sign_of_numpy(alleles):
    varies = alleles[alleles.std(axis=1) > 0]
    np.testing.assert_allclose(correlation(varies), np.corrcoef(varies.astype(float)), atol=1e-12)
    np.testing.assert_allclose(correlation(varies), correlation(1 - varies), atol=1e-12)


def test_correlation_of_dosages_is_rogers_huff(alleles):
    dosage = alleles[:, 0::2] + alleles[:, 1::2]
    dosage = dosage[dosage.std(axis=1) > 0]
    upper = np.triu_indices(len(dosage), k=1)
    # scikit-allel works in single precision; the double-precision truth is numpy's
    np.testing.assert_allclose(correlation(dosage)[upper], allel.rogers_huff_r(dosage), atol=1e-5)
    np.testing.assert_allclose(correlation(dosage), np.corrcoef(dosage.astype(float)), atol=1e-12)


def test_d_prime_is_its_definition(alleles):
    r, p = correlation(alleles), alleles.mean(axis=1)
    for i, j in combinations(range(15), 2):
        d = (alleles[i] & alleles[j]).mean() - p[i] * p[j]
        bounds = (
            (p[i] * (1 - p[j]), (1 - p[i]) * p[j])
            if d >= 0
            else (p[i] * p[j], (1 - p[i]) * (1 - p[j]))
        )
        limit = min(bounds)
        expected = abs(d) / limit if limit > 0 else 0
        assert d_prime(r[[i], [j]], p[[i]], p[[j]])[0] == pytest.approx(expected, abs=1e-9)
    assert d_prime(np.array([0.0]), np.array([0.0]), np.array([0.5]))[0] == 0


def test_three_point_moments_are_a_mean_of_products(alleles):
    members = np.zeros((50, 2), dtype=np.float32)
    members[:20, 0] = members[20:, 1] = 1
    synthetic = three_point(alleles, 3, members)
    for g, part in enumerate((alleles[:, :20], alleles[:, 20:])):
        x = part - part.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(
            synthetic[:, g], (x[:-6] * x[3:-3] * x[6:]).mean(axis=1), atol=1e-6
        )


def test_window_ids_reach_beyond_64_sites(alleles):
    rng = np.random.default_rng(1)
    long = rng.integers(0, 2, (150, 6)).astype(np.int8)[:, [0, 1, 2, 0, 3, 4, 5, 5]]
    long[149, 3] ^= 1  # the copies differ at the last site only
    ids = window_ids(long)
    assert ids[6] == ids[7]
    assert len(np.unique(ids)) == 7
    joined = combine_ids(window_ids(alleles[:5]), window_ids(alleles[5:12]))
    assert (
        (joined[:, None] == joined)
        == (window_ids(alleles[:12])[:, None] == window_ids(alleles[:12]))
    ).all()


def test_garud_is_that_of_scikit_allel(alleles):
    members = np.zeros((50, 2))
    members[:30, 0] = members[20:, 1] = 1
    synthetic = garud(group_counts(window_ids(alleles[10:17]), members))
    for g, part in enumerate((alleles[10:17, :30], alleles[10:17, 20:])):
        h1, h12, _, h2_h1 = allel.garud_h(allel.HaplotypeArray(part))
        distinct = len(allel.HaplotypeArray(part).distinct_counts())
        np.testing.assert_allclose(synthetic[:, g], [distinct, h1, h12, h2_h1], atol=1e-12)
    assert garud(np.array([[7.0]])).ravel().tolist() == [1, 1, 1, 0]  # one haplotype only


def test_extended_homozygosity_is_that_of_scikit_allel():
    rng = np.random.default_rng(3)
    founders = rng.integers(0, 2, (20, 6)).astype(np.int8)
    x = founders[:, rng.integers(0, 6, 40)]
    x ^= (rng.random(x.shape) < 0.02).astype(np.int8)
    rarer = int(x[0].mean() <= 0.5)
    identical, pairs = extended_homozygosity(x, [1, 2, 5, 20], np.ones((40, 1)))
    expected = allel.ehh_decay(x[:, x[0] == rarer])
    np.testing.assert_allclose(identical[:, 0] / pairs[0], expected[[0, 1, 4, 19]], atol=1e-12)
    identical, pairs = extended_homozygosity(np.zeros((5, 4), dtype=np.int8), [2], np.ones((4, 1)))
    assert pairs[0] == 0


def test_pairwise_runs_are_a_loop():
    rng = np.random.default_rng(6)
    x = (rng.random((80, 6)) < 0.2).astype(np.int8)
    position = np.cumsum(rng.random(80))
    runs = PairwiseRuns(6, minimum=3.0)
    for contig in (slice(0, 50), slice(50, 80)):
        runs.begin(position[contig][0])
        for part in np.array_split(np.arange(80)[contig], 3):
            runs.add(x[part], position[part])
        runs.end(position[contig][-1])
    for i, j in combinations(range(6), 2):
        lengths = []
        for contig in (slice(0, 50), slice(50, 80)):
            at = position[contig]
            ends = [at[0], *at[x[contig, i] != x[contig, j]], at[-1]]
            lengths += np.diff(ends).tolist()
        assert runs.longest()[i, j] == pytest.approx(max(lengths), rel=1e-5)
        assert runs.in_segments()[i, j] == pytest.approx(
            sum(v for v in lengths if v >= 3.0), rel=1e-5
        )
        assert runs.in_segments()[j, i] == runs.in_segments()[i, j]


def test_runs_of_homozygosity_are_a_loop():
    rng = np.random.default_rng(7)
    heterozygous = rng.random((60, 5)) < 0.2
    position = np.cumsum(rng.random(60))
    runs = RunsOfHomozygosity(5, minimum=2.0)
    runs.begin(position[0])
    for part in np.array_split(np.arange(60), 4):
        runs.add(heterozygous[part], position[part])
    runs.end(position[-1])
    for i in range(5):
        lengths = np.diff([position[0], *position[heterozygous[:, i]], position[-1]])
        assert runs.longest[i] == pytest.approx(lengths.max())
        assert runs.in_runs[i] == pytest.approx(lengths[lengths >= 2.0].sum())


def test_kinship_is_kings_formula():
    rng = np.random.default_rng(8)
    dosage = rng.binomial(2, rng.random((200, 1)), (200, 6))
    dosage[:, 5] = dosage[:, 4]
    kinship = Kinship(6)
    for part in np.split(np.arange(200), [70, 90]):
        kinship.add(dosage[part])
    synthetic = kinship.coefficients(np.arange(6), np.arange(6))
    for i in range(6):
        for j in range(6):
            a, b = dosage[:, i], dosage[:, j]
            het = min((a == 1).sum(), (b == 1).sum())
            # equation 9 with the smaller heterozygosity
            expected = 0.5 - ((a - b) ** 2).sum() / (4 * het)
            assert synthetic[i, j] == pytest.approx(expected, abs=1e-5)
    assert synthetic[4, 5] == pytest.approx(0.5)
    none = Kinship(2)
    none.add(np.zeros((5, 2), dtype=np.int8))
    assert np.isnan(none.coefficients(np.array([0]), np.array([1]))[0, 0])


def test_kinship_of_parent_and_child_is_a_quarter():
    rng = np.random.default_rng(9)
    frequency = rng.beta(1, 1, (20_000, 1))
    parents = (rng.random((20_000, 4)) < frequency).astype(int)
    dosage = np.stack(
        [
            parents[:, 0] + parents[:, 1],
            parents[:, 2] + parents[:, 3],
            parents[:, 0] + parents[:, 2],
        ],
        axis=1,
    )
    kinship = Kinship(3)
    kinship.add(dosage)
    synthetic = kinship.coefficients(np.arange(3), np.arange(3))
    assert synthetic[0, 2] == pytest.approx(0.25, abs=0.02)
    assert synthetic[0, 1] == pytest.approx(0.0, abs=0.03)


def test_copying_likelihood_is_that_of_a_dense_hidden_markov_model():
    rng = np.random.default_rng(10)
    x = rng.integers(0, 2, (12, 9)).astype(np.int8)
    cm = np.cumsum(rng.random(12)) * 0.01
    queries, templates = np.array([[0, 1], [2, 3]]), np.array([[4, 5, 6], [6, 7, 8]])
    model = CopyingLikelihood(queries, templates, switch_per_cm=300.0, error=0.01)
    model.begin()
    for part in (slice(0, 5), slice(5, 12)):
        model.add(x[part], cm[part])
    for panel in range(2):
        for q, query in enumerate(queries[panel]):
            state = np.full(3, 1 / 3)
            for v in range(12):
                if v:
                    jump = 1 - np.exp(-300.0 / 3 * (cm[v] - cm[v - 1]))
                    state = state @ ((1 - jump) * np.eye(3) + jump / 3)
                state = state * np.where(x[v, templates[panel]] == x[v, query], 0.99, 0.01)
            assert model.bits[panel, q] == pytest.approx(-np.log2(state.sum()), rel=1e-4)
    assert model.bits_per_site().tolist() == pytest.approx(
        (np.median(model.bits, axis=1) / 12).tolist()
    )


def test_manifold_scores_on_a_line():
    real, synthetic = np.array([0.0, 1, 2, 3, 10]), np.array([0.5, 1.5, 2.5, 40, 41])

    def between(a, b):
        return np.abs(a[:, None] - b[None, :])

    scores = manifold_scores(
        between(real, real), between(synthetic, synthetic), between(real, synthetic), k=1
    )
    assert scores["precision"] == 3 / 5  # 40 and 41 are nobody's neighbours
    assert scores["density"] == 6 / 5  # each of the first three lies within reach of two real rows
    # the nearest synthetic row of 10 is 7.5 away, its real neighbour 7
    assert scores["coverage"] == 4 / 5
    assert scores["recall"] == 4 / 5  # 10 lies in the reach of no synthetic row


def test_kernel_discrepancy_is_its_definition():
    rng = np.random.default_rng(11)
    x = rng.standard_normal((12, 2))
    kernel = np.exp(-((x[:, None] - x[None, :]) ** 2).sum(axis=2))
    sign = np.zeros((12, 1))
    sign[:4], sign[4:8] = 1, -1
    a, b = slice(0, 4), slice(4, 8)
    expected = kernel[a, a].mean() + kernel[b, b].mean() - 2 * kernel[a, b].mean()
    assert kernel_discrepancy(kernel, sign)[0] == pytest.approx(np.sqrt(expected))


def test_bounds_belong_to_the_longer_runs():
    """A run of exactly the minimal length is a segment."""
    # differences at 1.0 and 3.0; the contig ends at 5.0
    x = np.array([[0, 1], [0, 0], [1, 0], [0, 0]], dtype=np.int8)
    position = np.array([1.0, 2.0, 3.0, 5.0])
    for minimum, expected in ((2.0, 4.0), (2.001, 0.0)):
        runs = PairwiseRuns(2, minimum)
        runs.begin(1.0)
        runs.add(x, position)
        runs.end(5.0)
        assert runs.in_segments()[0, 1] == expected
        individuals = RunsOfHomozygosity(1, minimum)
        individuals.begin(1.0)
        individuals.add(x[:, :1] != x[:, 1:], position)
        individuals.end(5.0)
        assert individuals.in_runs[0] == expected


def test_the_alternate_allele_is_focal_when_both_are_equally_frequent():
    x = np.array([[0, 0, 1, 1], [0, 1, 1, 1]], dtype=np.int8)
    identical, pairs = extended_homozygosity(x, [2], np.ones((4, 1)))
    assert identical[0, 0] == pairs[0] == 2


def test_neighbourhoods_hold_their_edge():
    real, synthetic = np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 9.0])

    def between(a, b):
        return np.abs(a[:, None] - b[None, :])

    scores = manifold_scores(
        between(real, real), between(synthetic, synthetic), between(real, synthetic), k=1
    )
    assert scores["precision"] == 1  # 2 is exactly as far from 1 as 0 is; 3 and 9 are within 4 of 5
    # 1 is exactly as far from 2 as 3 is; 5 is within 6 of 9; 0 is not
    assert scores["recall"] == 2 / 3


def test_two_values_have_a_correlation_and_one_has_none():
    sums = PearsonSums()
    sums.add(np.array([1.0]), np.array([2.0]))
    assert np.isnan(sums.correlation())
    sums.add(np.array([2.0]), np.array([4.0]))
    assert sums.correlation() == pytest.approx(1)


def test_kolmogorov_smirnov_is_that_of_scipy():
    rng = np.random.default_rng(13)
    x, y = rng.poisson(20, 300), rng.poisson(23, 200).astype(np.float32)
    assert kolmogorov_smirnov(x, y) == pytest.approx(stats.ks_2samp(x, y).statistic)
    assert kolmogorov_smirnov(np.array([0]), np.array([5])) == 1
    assert np.isnan(kolmogorov_smirnov(x, y[:0]))
