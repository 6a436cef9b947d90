"""What chance makes of a metric."""

import numpy as np
import pytest

from genoloom.validation.metric_table import LARGEST, departures_of


def test_departures_are_in_spreads_of_the_other_halvings():
    values = np.random.default_rng(3).normal(2.0, 0.5, 25)
    for i, departure in enumerate(departures_of(values, 0.0, centred=False)):
        others = np.delete(values, i)
        assert departure == pytest.approx(abs(values[i] - others.mean()) / others.std(ddof=1))


def test_what_the_tolerance_covers_is_no_departure_and_keeps_spreads_from_vanishing():
    off = np.zeros(20)
    off[3] = 0.004
    assert not departures_of(off, 0.005, centred=True).any()
    off[3] = 0.04
    beyond = departures_of(off, 0.005, centred=True)
    assert np.flatnonzero(beyond).tolist() == [3]
    assert beyond[3] == pytest.approx(0.04 / 0.00125)


def test_what_never_varies_is_bounded():
    off = np.zeros(20)
    assert not departures_of(off, 0.0, centred=True).any()
    off[3] = 1.0
    assert departures_of(off, 0.0, centred=True).max() == LARGEST
