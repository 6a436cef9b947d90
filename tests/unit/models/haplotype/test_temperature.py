import numpy as np
import pytest

from genoloom.models.haplotype.temperature import LOWEST, balanced_temperature

N_SITES, N_ROWS = 300, 120


def rows(noise: float, seed: int) -> np.ndarray:
    """Rows around six founders, each allele mutated with a chance of `noise`; int8 (n_sites, n)."""
    rng = np.random.default_rng(seed)
    founders = np.random.default_rng(0).integers(0, 2, (6, N_SITES))
    mutations = rng.random((N_ROWS, N_SITES)) < noise
    return (founders[np.arange(N_ROWS) % 6] ^ mutations).T.astype(np.int8)


@pytest.mark.parametrize("wanted", [0.7, 0.8, 0.9])
def test_it_is_where_synthetic_rows_are_as_far_from_each_other_as_real_ones(wanted):
    found = balanced_temperature(lambda t: rows(0.1 * t / wanted, seed=2), rows(0.1, seed=1))
    assert found == pytest.approx(wanted, abs=0.03)


def test_it_stays_in_its_range():
    assert balanced_temperature(lambda t: rows(0.3, seed=2), rows(0.1, seed=1)) == pytest.approx(
        LOWEST, abs=0.02
    )
    assert balanced_temperature(lambda t: rows(0.01, seed=2), rows(0.1, seed=1)) == pytest.approx(
        1.0, abs=0.02
    )
    assert balanced_temperature(
        lambda t: rows(0.3, seed=2), rows(0.1, seed=1), lowest=0.9
    ) == pytest.approx(0.9, abs=0.005)
