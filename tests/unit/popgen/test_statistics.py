"""Every statistic against scikit-allel, scipy, a closed form or a loop."""

import allel
import numpy as np
import pytest
from scipy import stats

from genoloom.popgen.distances import aats_halves, hamming, nearest
from genoloom.popgen.diversity import expected_heterozygosity, heterozygous_calls
from genoloom.popgen.frequencies import (
    folded_spectrum,
    frequency_bin,
    minor_frequency,
    spectrum_distance,
)
from genoloom.popgen.haplotypes import garud, window_ids
from genoloom.popgen.linkage import PearsonSums, r_squared
from genoloom.popgen.structure import Components, fst_matrix, sliced_wasserstein, top_components


@pytest.fixture
def alleles():
    rng = np.random.default_rng(11)
    return (rng.random((60, 50)) < rng.beta(0.6, 1.2, (60, 1))).astype(np.int8)


def test_folded_spectrum_is_that_of_scikit_allel(alleles):
    counts = allel.HaplotypeArray(alleles).count_alleles(max_allele=1)
    expected = allel.sfs_folded(counts)
    synthetic = folded_spectrum(alleles.sum(axis=1), 50)
    np.testing.assert_array_equal(synthetic[: len(expected)], expected)
    assert synthetic.sum() == 60


def test_spectrum_distance_closed_form():
    assert spectrum_distance(np.array([9, 1, 1]), np.array([0, 5, 5])) == 0
    assert spectrum_distance(np.array([0, 4, 0]), np.array([0, 0, 7])) == 1
    assert np.isnan(spectrum_distance(np.array([4, 0, 0]), np.array([0, 1, 1])))


def test_frequency_bins():
    assert frequency_bin(
        np.array([0.0, 0.004, 0.005, 0.006, 0.01, 0.05, 0.051, 0.2, 0.5])
    ).tolist() == [0, 0, 0, 1, 1, 2, 3, 3, 4]
    np.testing.assert_allclose(minor_frequency(np.array([0.1, 0.9, 0.5])), [0.1, 0.1, 0.5])


def test_r_squared_is_that_of_numpy(alleles):
    synthetic = r_squared(alleles)
    varies = alleles.std(axis=1) > 0
    expected = np.corrcoef(alleles[varies].astype(float)) ** 2
    np.testing.assert_allclose(synthetic[np.ix_(varies, varies)], expected, atol=1e-12)
    assert (synthetic[~varies] == 0).all()


def test_r_squared_of_haplotypes_is_rogers_huff_of_homozygotes(alleles):
    # a homozygous individual per haplotype turns the genotype estimate of scikit-allel into the
    # haplotype r
    dosage = 2 * alleles[alleles.std(axis=1) > 0]
    expected = allel.rogers_huff_r(dosage) ** 2
    upper = np.triu_indices(len(dosage), k=1)
    np.testing.assert_allclose(r_squared(dosage // 2)[upper], expected, atol=1e-5)


def test_correlation_in_pieces():
    rng = np.random.default_rng(1)
    x, y = rng.random(100), rng.random(100)
    sums = PearsonSums()
    for part in np.split(np.arange(100), [7, 50]):
        sums.add(x[part], y[part])
    assert sums.correlation() == pytest.approx(np.corrcoef(x, y)[0, 1])
    constant = PearsonSums()
    constant.add(np.ones(4), np.arange(4.0))
    assert np.isnan(constant.correlation())


def test_fst_is_that_of_scikit_allel(alleles):
    a, b = alleles[:, :20], alleles[:, 20:]
    numerator, denominator = allel.hudson_fst(
        *(allel.HaplotypeArray(part).count_alleles(max_allele=1) for part in (a, b))
    )
    found = fst_matrix(np.stack([a.sum(axis=1), b.sum(axis=1)], axis=1), np.array([20, 30]))
    assert found[0, 1] == pytest.approx(np.nansum(numerator) / np.nansum(denominator))


def test_heterozygosity_is_that_of_scikit_allel(alleles):
    genotypes = allel.HaplotypeArray(alleles).to_genotypes(ploidy=2)
    np.testing.assert_array_equal(heterozygous_calls(alleles), genotypes.count_het(axis=0))
    frequency = alleles.mean(axis=1)
    expected = allel.heterozygosity_expected(
        np.stack([1 - frequency, frequency], axis=1), ploidy=2
    ).sum()
    assert expected_heterozygosity(frequency) == pytest.approx(expected)


def test_window_haplotypes_are_those_of_scikit_allel(alleles):
    window = allel.HaplotypeArray(alleles[:8])
    distinct, h1, *_ = garud(np.bincount(window_ids(alleles[:8]))[:, None])[:, 0]
    assert distinct == len(window.distinct_counts())
    assert h1 == pytest.approx(allel.garud_h(window)[0])


def test_hamming_is_a_loop(alleles):
    a, b = alleles[:, :10], alleles[:, 10:]
    expected = [[(a[:, i] != b[:, j]).sum() for j in range(40)] for i in range(10)]
    np.testing.assert_array_equal(hamming(a, b), expected)


def test_nearest_leaves_out_the_diagonal():
    distances = np.array([[0.0, 2, 5], [2, 0, 1], [5, 1, 0]])
    assert nearest(distances).tolist() == [0, 0, 0]
    assert nearest(distances, same_rows=True).tolist() == [2, 1, 1]


def test_aats_on_toys():
    rng = np.random.default_rng(3)
    real = rng.integers(0, 2, (200, 30)).astype(np.int8)

    def halves(synthetic):
        return aats_halves(
            hamming(real, real), hamming(synthetic, synthetic), hamming(real, synthetic)
        )

    assert halves(real) == (0.0, 0.0)  # a copy: each row's nearest is its copy
    # one row again and again, far away
    near_real, synthetic = halves(np.ones((200, 30), dtype=np.int8) - real[:, :1])
    assert near_real > 0.95
    assert synthetic == 1.0
    # fresh rows of the same kind: one half each, within noise
    near_real, synthetic = np.mean(
        [halves(rng.integers(0, 2, (200, 30)).astype(np.int8)) for _ in range(20)], axis=0
    )
    assert near_real == pytest.approx(0.5, abs=0.08)
    assert synthetic == pytest.approx(0.5, abs=0.08)


def test_aats_counts_ties_one_half():
    zeros = np.zeros((3, 3))
    assert aats_halves(zeros, zeros, zeros) == (0.5, 0.5)


def test_components_are_pca():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((30, 3)) @ rng.standard_normal((3, 12)) + 5
    reference, other = np.arange(20), np.arange(20, 30)
    fitted = Components(x @ x.T, reference, 3)
    centred = x - x[:20].mean(axis=0)
    _, s, vt = np.linalg.svd(centred[:20], full_matrices=False)
    expected = centred @ vt[:3].T / s[:3] * np.sqrt(20)
    np.testing.assert_allclose(np.abs(fitted.scores), np.abs(expected[:20]), atol=1e-8)
    np.testing.assert_allclose(np.abs(fitted.project(other)), np.abs(expected[20:]), atol=1e-8)
    np.testing.assert_allclose(fitted.scores.var(axis=0), 1)


def test_components_are_those_of_scikit_allel(alleles):
    dosage = alleles[:, 0::2] + alleles[:, 1::2]
    dosage = dosage[dosage.std(axis=1) > 0]
    # integers it centres in half precision
    scores, _ = allel.pca(dosage.astype(float), n_components=3, scaler=None)
    x = dosage - dosage.mean(axis=1, keepdims=True)
    values, vectors = top_components((x.T @ x).astype(float), 3)
    np.testing.assert_allclose(
        np.abs(vectors * np.sqrt(values)), np.abs(scores), rtol=1e-4, atol=1e-4
    )


def test_few_components_of_a_large_kernel_are_the_largest():
    x = np.random.default_rng(9).standard_normal((150, 40))
    values, vectors = top_components(x @ x.T, 4)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(x @ x.T)[::-1][:4])
    np.testing.assert_allclose(x @ x.T @ vectors, vectors * values, atol=1e-6)


def test_alignment_is_one_for_the_same_plane_and_none_for_another():
    rng = np.random.default_rng(4)
    plane, other = np.split(np.linalg.qr(rng.standard_normal((12, 4)))[0].T, 2)
    x = np.concatenate(
        [
            rng.standard_normal((20, 2)) @ plane,
            rng.standard_normal((20, 2)) @ plane,
            rng.standard_normal((20, 2)) @ other,
        ]
    )
    first, second, third = (Components(x @ x.T, np.arange(20) + start, 2) for start in (0, 20, 40))
    assert first.alignment(second) == pytest.approx(1)
    assert first.alignment(third) == pytest.approx(0, abs=1e-12)


def test_fst_matrix_is_that_of_scikit_allel(alleles):
    parts = np.split(alleles, [10, 26], axis=1)
    counts = [allel.HaplotypeArray(part).count_alleles(max_allele=1) for part in parts]
    synthetic = fst_matrix(
        np.stack([part.sum(axis=1) for part in parts], axis=1), np.array([10, 16, 24])
    )
    for i in range(3):
        for j in range(i):
            numerator, denominator = allel.hudson_fst(counts[i], counts[j])
            assert synthetic[i, j] == pytest.approx(
                np.nansum(numerator) / np.nansum(denominator), abs=1e-6
            )
            assert synthetic[i, j] == synthetic[j, i]
    assert np.isnan(fst_matrix(np.zeros((4, 2)), np.array([4, 4]))[0, 1])


def test_sliced_wasserstein_in_one_dimension_is_that_of_scipy():
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((50, 1)), rng.standard_normal((50, 1)) + 1
    assert sliced_wasserstein(a, b, rng) == pytest.approx(
        stats.wasserstein_distance(a[:, 0], b[:, 0])
    )
    assert sliced_wasserstein(a, a[::-1], rng) == 0
