"""What chance makes of a figure."""

import math

import numpy as np
import pytest

from genoloom.validation.metric_table import LARGEST, Metric, measure_permuted
from genoloom.validation.scales import arcsine, fisher, started_log


def metric(**more) -> Metric:
    return Metric("figure", more.pop("kind", "distance"), lambda d, a, b, part: 0.0, **more)


def test_scales():
    assert metric(kind="similarity").scaled(np.array([0.95, -0.2])) == pytest.approx([math.atanh(0.95), math.atanh(-0.2)])
    assert np.isfinite(metric(kind="similarity").scaled(np.array([1.0]))).all()
    assert metric().scaled(np.array([0.3])) == [0.3]
    assert arcsine(np.array([0.0, 0.25, 1.0])) == pytest.approx([0, math.pi / 6, math.pi / 2])
    assert started_log(0.005)(np.array([0.0, 0.1])) == pytest.approx([math.log(0.005), math.log(0.105)])


@pytest.mark.parametrize(
    ("scale", "draw"),
    [
        (arcsine, lambda rng, size, p: rng.binomial(200, p, size) / 200),
        (fisher, lambda rng, size, p: correlations(rng, size, p)),
    ],
)
def test_spreads_on_a_scale_do_not_depend_on_the_level(scale, draw):
    rng = np.random.default_rng(5)
    spreads = [scale(draw(rng, 4000, p)).std() for p in (0.3, 0.6, 0.9)]
    assert max(spreads) < 1.1 * min(spreads)


def correlations(rng, size, r):
    x = rng.normal(size=(size, 50))
    y = r * x + math.sqrt(1 - r * r) * rng.normal(size=x.shape)
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)])


def test_departures_are_in_spreads_of_the_other_permutations():
    figures = np.random.default_rng(3).normal(2.0, 0.5, 25)
    found = measure_permuted(metric(), (4.0, 0.0), np.stack([figures, np.zeros(25)], axis=1))
    assert found.z == pytest.approx((4.0 - figures.mean()) / figures.std(ddof=1))
    for i, departure in enumerate(found.departures):
        others = np.delete(figures, i)
        assert departure == pytest.approx(abs(figures[i] - others.mean()) / others.std(ddof=1))


def test_levels_are_departures_from_the_other_half():
    rng = np.random.default_rng(4)
    pairs = rng.uniform(0.02, 0.2, (30, 2))
    found = measure_permuted(metric(kind="level", single=True, scale=started_log(0.005)), (0.1, 0.05), pairs)
    ratio = np.log((pairs[:, 0] + 0.005) / (pairs[:, 1] + 0.005))
    assert found.z == pytest.approx((math.log(0.105 / 0.055) - ratio.mean()) / ratio.std(ddof=1))


def test_what_the_tolerance_covers_is_no_departure_and_keeps_spreads_from_vanishing():
    level = {"kind": "level", "single": True}
    pairs = np.zeros((20, 2))
    pairs[3, 0] = 0.004
    assert not measure_permuted(metric(**level, tolerance=0.005), (0.0, 0.0), pairs).departures.any()
    pairs[3, 0] = 0.04
    beyond = measure_permuted(metric(**level, tolerance=0.005), (0.0, 0.0), pairs)
    assert np.flatnonzero(beyond.departures).tolist() == [3]
    assert beyond.departures[3] == pytest.approx(0.04 / 0.00125)


def test_what_never_varies_is_bounded():
    pairs = np.zeros((20, 2))
    assert measure_permuted(metric(kind="level", single=True), (0.5, 0.0), pairs).z == LARGEST
    assert measure_permuted(metric(kind="level", single=True), (0.0, 0.0), pairs).z == 0.0
