"""Size histories from site frequency spectra: against theory, another program, and planted histories."""

import numpy as np
import pytest

from genoloom.popgen.demography import RATIOS, SAMPLE, TIMES, SizeHistory, expected_spectrum, fit_size_history, history_distance


@pytest.mark.parametrize("time", [0.01, 0.5, 3.0])
def test_constant_size_gives_one_over_the_copies(time):
    assert expected_spectrum(40, 1.0, time) == pytest.approx(1 / np.arange(1, 40), rel=1e-12)


# moments 1.6.1 (Jouganous et al. 2017): Demographics1D.two_epoch([ratio, time], [200]), projected to 8
@pytest.mark.parametrize(
    ("ratio", "time", "spectrum"),
    [
        (10, 0.1, [1.34781, 0.50592, 0.33345, 0.25, 0.2, 0.16667, 0.14286]),
        (0.1, 0.2, [0.14133, 0.09108, 0.07417, 0.06559, 0.06034, 0.05676, 0.05414]),
    ],
)
def test_spectrum_equals_that_of_moments(ratio, time, spectrum):
    assert expected_spectrum(8, ratio, time) == pytest.approx(spectrum, rel=1e-3)


def sites_of(ratio: float, time: float, n: int) -> np.ndarray:
    """Copies at as many sites as are expected of a large region."""
    often = np.rint(200_000 * expected_spectrum(n, ratio, time)).astype(int)
    return np.repeat(np.arange(1, n), often)


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize(("ratio", "time"), [(RATIOS[60], TIMES[35]), (RATIOS[30], TIMES[45])])
def test_a_planted_history_is_found(ratio, time, folded):
    found = fit_size_history(sites_of(ratio, time, SAMPLE), SAMPLE, folded)
    assert found.now / found.before == pytest.approx(ratio)
    assert found.changed / found.before == pytest.approx(time)
    assert found.before == pytest.approx(200_000, rel=0.001)


def test_samples_of_any_size_are_projected():
    few, many = (fit_size_history(sites_of(1.0, 0.1, n), n, folded=True) for n in (SAMPLE, 60))
    assert history_distance(few, many) < 0.05


def test_folding_does_not_ask_which_allele_is_derived():
    counts = sites_of(10.0, 0.2, SAMPLE)
    turned = np.where(np.arange(len(counts)) % 2, counts, SAMPLE - counts)
    assert fit_size_history(counts, SAMPLE, True) == fit_size_history(turned, SAMPLE, True)


def test_too_little_to_fit_is_no_history():
    assert fit_size_history(np.ones(50, dtype=int), SAMPLE - 2, True) is None
    assert fit_size_history(np.zeros(50, dtype=int), SAMPLE, True) is None


def test_distance_of_histories():
    one = SizeHistory(before=1.0, now=1.0, changed=0.1)
    assert history_distance(one, one) == 0
    assert history_distance(SizeHistory(2.0, 2.0, 0.5), one) == pytest.approx(np.log(2))
