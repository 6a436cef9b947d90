"""One rule for each kind of metric."""

import math

import numpy as np
import pytest

from genoloom.validation.verdicts import Chance, judge, worst


@pytest.mark.parametrize(
    ("kind", "value", "floor", "sd", "verdict"),
    [
        ("distance", 1.4, 1.0, 0.01, "pass"),
        ("distance", 1.9, 1.0, 0.5, "pass"),
        ("distance", 2.5, 1.0, 0.1, "weak"),
        ("distance", 9.0, 1.0, 0.1, "fail"),
        ("distance", 0.2, 1.0, 0.1, "too close"),
        ("distance", 0.2, 1.0, 0.9, "pass"),
        ("similarity", 0.99, 0.99, 0.001, "pass"),
        ("similarity", 0.90, 0.99, 0.001, "fail"),
        ("similarity", 0.0, 0.4, 0.01, "fail"),
        ("similarity", 0.36, 0.4, 0.01, "weak"),
        ("similarity", 0.999, 0.99, 0.001, "too close"),
        ("accuracy", 0.53, 0.49, 0.001, "pass"),
        ("accuracy", 0.62, 0.49, 0.02, "weak"),
        ("accuracy", 0.95, 0.49, 0.02, "fail"),
        ("level", 1.05, 1.0, 0.001, "pass"),
        ("level", 0.8, 1.0, 0.01, "weak"),
        ("level", 0.1, 1.0, 0.01, "fail"),
        ("level", 3.0, 1.0, 0.01, "fail"),
        ("half", 0.55, 0.5, 0.01, "pass"),
        ("half", 0.68, 0.5, 0.01, "weak"),
        ("half", 0.95, 0.5, 0.01, "fail"),
        ("half", 0.2, 0.5, 0.01, "too close"),
        ("half", 0.35, 0.5, 0.1, "pass"),
        ("distance", math.nan, 1.0, 0.1, "not run"),
    ],
)
def test_rules(kind, value, floor, sd, verdict):
    assert judge(kind, value, floor, sd).verdict == verdict


def test_a_z_from_permutations_takes_the_place_of_the_spread():
    found = judge("similarity", 0.9, 0.95, 0.001, z=-2.0)
    assert found.z == 2.0
    assert found.verdict == "pass"
    assert judge("similarity", 0.9, 0.95, 1.0, z=-7.0).verdict == "weak"
    assert judge("similarity", 0.98, 0.95, 1.0, z=4.5).verdict == "too close"
    assert judge("distance", 4.0, 1.0, 0.01, z=1.9).verdict == "pass"
    assert judge("level", 0.5, 1.0, 1.0, z=-4.1).verdict == "fail"


def test_the_bound_of_a_table_is_the_99_percent_point_of_the_law_of_its_largest_departure():
    rng = np.random.default_rng(1)
    largest = np.exp(rng.gumbel(2.0, 0.3, (100_000, 1)))
    law = math.exp(2.0 - 0.3 * math.log(-math.log(0.99)))
    assert Chance.of_permutations(largest).passes == pytest.approx(law, rel=0.01)


def test_the_bound_of_a_table_holds_where_figures_are_not_normal():
    rng = np.random.default_rng(2)
    accused = {"permutations": 0, "normal": 0}
    tables, figures, permutations = 1000, 60, 40
    for _ in range(tables):
        values = rng.standard_t(4, (permutations + 1, figures))
        z = np.array([off(values[i], np.delete(values, [i, permutations], axis=0)) for i in range(permutations)])
        found = off(values[-1], values[:-1]).max()
        accused["permutations"] += found > Chance.of_permutations(z).passes
        accused["normal"] += found > Chance.of_family(figures, permutations).passes
    assert accused["normal"] > 0.1 * tables
    assert 0.001 * tables < accused["permutations"] < 0.025 * tables


def off(values, others):
    return np.abs(values - others.mean(axis=0)) / others.std(axis=0, ddof=1)


def test_few_permutations_and_small_departures_leave_the_bound_of_normal_figures():
    small = np.full((9, 30), 50.0)
    assert Chance.of_permutations(small) == Chance.of_family(30, 9)
    assert Chance.of_permutations(np.ones((40, 30))) == Chance.of_family(30, 40)
    assert Chance.of_permutations(np.zeros((0, 0))) == Chance.of_family(0, 0)


def test_worst_puts_not_run_behind_pass():
    assert worst(["pass", "not run"]) == "not run"
    assert worst(["pass", "weak", "too close"]) == "too close"
    assert worst(["fail", "pass"]) == "fail"
    assert worst([]) == "not run"


def test_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="unknown kind"):
        judge("guess", 1, 1, 1)
