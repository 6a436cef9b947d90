"""One rule for each kind of metric."""

import math

import pytest

from genoloom.validation.verdicts import judge, scaled, worst


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


def test_permutations_of_a_correlation_are_compared_on_fishers_scale():
    # at n = 103 artanh r has the standard deviation 0.1; 0.9 stays within two of it from 0.95, though not in 1 - r
    null = (math.atanh(0.95), 0.1)
    found = judge("similarity", math.tanh(math.atanh(0.95) - 0.2), 0.95, 0.0, null=null)
    assert found.z == pytest.approx(2)
    assert found.verdict == "pass"
    assert judge("similarity", math.tanh(math.atanh(0.95) - 0.7), 0.95, 0.0, null=null).verdict == "fail"
    assert judge("similarity", math.tanh(math.atanh(0.95) + 0.45), 0.95, 0.0, null=null).verdict == "too close"
    assert math.isfinite(scaled("similarity", 1.0))
    assert scaled("distance", 0.3) == 0.3


def test_worst_puts_not_run_behind_pass():
    assert worst(["pass", "not run"]) == "not run"
    assert worst(["pass", "weak", "too close"]) == "too close"
    assert worst(["fail", "pass"]) == "fail"
    assert worst([]) == "not run"


def test_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="unknown kind"):
        judge("guess", 1, 1, 1)
