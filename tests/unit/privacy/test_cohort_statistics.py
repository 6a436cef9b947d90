"""What is made from noised sums: weights of public populations and haplotypes."""

import numpy as np
import pytest

from genoloom.privacy import cell_counts, cohort_statistics
from genoloom.privacy.accounting import mu_of
from genoloom.privacy.cohort_statistics import PublicScores
from genoloom.privacy.gaussian_mechanism import NoiseKey


@pytest.fixture
def public():
    """Three populations of 200 haplotypes along 20 directions of falling variance."""
    rng = np.random.default_rng(1)
    spread = np.geomspace(3, 0.3, 20)
    rows = rng.normal(size=(600, 20)) * spread
    rows[200:400, 0] += 4
    rows[400:, 1] += 4
    return PublicScores(rows, np.repeat(np.arange(3), 200), 3)


def measured(public, mean, epsilon, n=400, seed=1):
    """A population for which the first public one stands, n individuals about `mean`."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, 20)) * np.geomspace(3, 0.3, 20) * np.sqrt(2) + 2 * mean
    label, represented_by = np.zeros(n, dtype=int), np.array([0])
    key, mu = NoiseKey.of_seed(seed), mu_of(epsilon, 1e-5)
    found = cohort_statistics.measure(public, represented_by, scores, label, mu, key, "x")
    return found, cohort_statistics.estimate(public, represented_by, found)


def test_a_mix_of_public_populations_is_found(public):
    centres = public.centres()
    mean = 0.6 * centres[0] + 0.4 * centres[1]
    found, made_of = measured(public, mean, 8)
    assert made_of.weights[0] == pytest.approx([0.6, 0.4, 0], abs=0.12)
    assert found.counts[0] == pytest.approx(400, abs=15)
    assert made_of.weights.sum() == pytest.approx(1)


def test_drift_is_found_as_far_as_epsilon_lets_it_and_noise_is_not_taken_for_drift(public):
    centre, drift = public.centres()[0], np.zeros(20)
    drift[:5] = [0.8, -0.7, 0.6, -0.5, 0.4]
    far = []
    for epsilon in (0.1, 1, 8):
        found, made_of = measured(public, centre + drift, epsilon)
        guess = made_of.weights[0] @ public.centres() - centre
        guess[found.kept] += made_of.shift[0]
        far.append(np.linalg.norm(guess - drift) / np.linalg.norm(drift))
    assert far[2] < 0.35
    assert far[2] < far[0]
    assert max(far) < 1.3  # little epsilon leaves the public population, not noise
    still = [measured(public, centre, 1, seed=seed)[1] for seed in range(20)]
    assert np.mean([made_of.drift[0] == 0 for made_of in still]) > 0.4
    assert np.mean([np.linalg.norm(made_of.shift) for made_of in still]) < 0.4
    assert np.mean([made_of.weights[0, 0] for made_of in still]) > 0.95


def test_more_noise_means_fewer_directions(public):
    kept = [len(measured(public, public.centres()[0], epsilon)[0].kept) for epsilon in (0.3, 3, 30)]
    assert kept[0] < kept[1] <= kept[2] <= 20


def test_balanced_weights_have_the_mean_that_is_asked_for():
    rng = np.random.default_rng(2)
    scores, base = rng.normal(size=(500, 3)), np.full(500, 1 / 500)
    shift = np.array([0.3, -0.2, 0])
    weights = cohort_statistics.balanced(base, scores, shift)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() > 0
    assert weights @ scores - base @ scores == pytest.approx(shift, abs=0.01)
    assert cohort_statistics.balanced(base, scores, 0 * shift) == pytest.approx(base)
    # what no weights have is not asked of few haplotypes
    far = cohort_statistics.balanced(base, scores, 10 * shift)
    assert 1 / (far**2).sum() > 0.39 * 500
    assert far @ scores @ shift > weights @ scores @ shift
    half = np.where(np.arange(500) < 250, 1 / 250, 0)
    assert (cohort_statistics.balanced(half, scores, shift)[250:] == 0).all()


def test_directions_are_those_of_the_covariance_within_populations():
    rng = np.random.default_rng(3)
    alleles = (rng.random((40, 300)) < rng.random((40, 1))).astype(np.int8)
    alleles[10:20] = alleles[10]  # linked
    population = np.repeat([0, 1], 150)
    alleles[0, 150:] = 1
    found = cohort_statistics.directions(alleles, population, 5)
    assert found.T @ found == pytest.approx(np.eye(5), abs=1e-5)
    assert (found[10:20, 0] ** 2).sum() > 0.75
    assert abs(found[0]).max() < 0.5
    missing = alleles.copy()
    missing[3, :4] = -1
    fill = np.full(alleles.shape, 0.25)
    given = np.where(missing < 0, 0.25, alleles)
    assert cohort_statistics.scores(missing, found, fill) == pytest.approx(
        given.T @ found, abs=1e-5
    )


def test_cells_of_few_carriers_are_dropped_and_others_shrunk():
    known = np.array([3, 5, 9], dtype=np.uint32)
    blocks = np.array([3, 3] * 4 + [5, 9] * 6 + [7, 5], dtype=np.uint32)
    label = np.zeros(11, dtype=int)
    counts = cell_counts.cell_counts(blocks, label, 1, known)
    assert counts.tolist() == [[0, 7, 6]]  # four individuals carry 3, eight times
    place = np.array([0, 0, 1, 1, 2])
    base = np.array([0.5, 0.25, 0.25, 0, 0])
    weights = cell_counts.weighted(counts[0], place, base)
    frequency = np.bincount(place, weights)
    wanted = (counts[0] + 100 * np.array([0.75, 0.25, 0])) / 113
    assert frequency == pytest.approx(wanted)
    assert weights[3] == 0
    assert weights[4] > 0  # carried by nobody of the base
