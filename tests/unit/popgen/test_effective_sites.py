"""The effective number of sites against simulated truth and a direct sum."""

import numpy as np
import pytest

from genoloom.popgen.effective_sites import EffectiveSites, effective_number, whitened_products

N = 400


def genotypes(m: int, repeats: int = 1, n: int = N, seed: int = 1) -> np.ndarray:
    """Independent sites, each `repeats` times, int8 (m * repeats, n)."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.1, 0.5, m)[:, None]
    return np.repeat(rng.binomial(2, frequency, (m, n)).astype(np.int8), repeats, axis=0)


def estimate(dosage, population=None, cuts=(1,), step=97, ridges=()) -> list[tuple[int, float]]:
    population = np.zeros(dosage.shape[1]) if population is None else population
    found = EffectiveSites(population, list(cuts))
    for start in range(0, len(dosage), step):
        found.add(dosage[start : start + step])
    return found.estimates(ridges)


@pytest.mark.parametrize("repeats", [1, 4])
def test_equal_sites_count_once(repeats):
    [(sites, effective)] = estimate(genotypes(500, repeats))
    assert sites == 500 * repeats
    assert effective == pytest.approx(500, rel=0.05)


def test_equals_the_direct_sum_of_adjusted_squared_correlations():
    dosage = genotypes(60, 2, n=80)
    dosage[1::2, :40] = genotypes(60, n=40, seed=2)
    r2 = np.corrcoef(dosage) ** 2
    off = ~np.eye(len(r2), dtype=bool)
    adjusted = r2[off] - (1 - r2[off]) / (80 - 2)
    [(sites, effective)] = estimate(dosage)
    assert effective == pytest.approx(sites**2 / (sites + adjusted.sum()), rel=1e-4)


def test_population_structure_is_not_linkage():
    population = np.repeat([0, 1], N // 2)
    rng = np.random.default_rng(3)
    frequency = np.stack([rng.uniform(0.05, 0.4, 500), rng.uniform(0.6, 0.95, 500)], axis=1)
    dosage = rng.binomial(2, frequency[:, population]).astype(np.int8)
    assert estimate(dosage)[0][1] < 10
    assert estimate(dosage, population)[0][1] == pytest.approx(500, rel=0.06)


def test_cuts_count_copies_of_the_rarer_allele():
    dosage = np.zeros((3, 50), dtype=np.int8)
    dosage[0, :2] = 1  # 2 copies
    dosage[1, :] = 2
    dosage[1, :7] = 1  # 7 copies of the reference allele
    dosage[2, ::2] = 2  # 50 copies
    assert [sites for sites, _ in estimate(dosage, cuts=(1, 5, 20, 60))] == [3, 2, 1, 0]


def test_a_site_that_does_not_vary_within_populations_does_not_count():
    population = np.repeat([0, 1], 25)
    dosage = np.tile(2 * population, (4, 1)).astype(np.int8)
    assert estimate(dosage, population)[0][0] == 0


@pytest.mark.parametrize("ridge", [1.0, 0.1])
def test_who_takes_linkage_off_sees_what_the_true_correlations_say(ridge):
    m, n = 300, 600
    rng = np.random.default_rng(5)
    true = 0.9 ** np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    z = np.linalg.cholesky(true) @ rng.normal(size=(m, n))
    reference, fresh = np.arange(n // 2), np.arange(n // 2, n)
    r = z[:, reference]
    penalty = ridge * (r * r).sum() / n * 2
    weighed = true @ np.linalg.inv(r @ r.T / penalty + np.eye(m))
    expected = np.trace(weighed) ** 2 / np.trace(weighed @ weighed)
    found = effective_number(whitened_products(z.T @ z, reference, fresh, ridge), n // 2)
    assert found == pytest.approx(expected, rel=0.05)
    assert expected > 1.2 * m**2 / (true**2).sum()


def test_the_strongest_attacker_counts_and_few_individuals_have_none():
    population = np.repeat([0, 1], N // 2)
    linked = np.repeat(genotypes(100), 5, axis=0)
    flipped = linked ^ (np.random.default_rng(4).random(linked.shape) < 0.05)
    plain, strongest = (estimate(flipped, population, ridges=r)[0][1] for r in ((), (1.0, 0.1)))
    assert 1.1 * plain < strongest <= 500
    few = slice(0, 90)  # halves of 45
    plain, same = (estimate(flipped[:, few], ridges=r)[0][1] for r in ((), (1.0, 0.1)))
    assert plain == same
