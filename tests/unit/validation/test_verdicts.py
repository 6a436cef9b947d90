"""One rule for each type of metric."""

import math

import numpy as np
import pytest

from genoloom.validation.verdicts import ORDER, Chance, MetricType, Size, judge, worst


@pytest.mark.parametrize(
    ("metric_type", "value", "reference", "sd", "verdict"),
    [
        ("distance", 1.4, 1.0, 0.01, "pass"),
        ("distance", 1.9, 1.0, 0.5, "pass"),
        ("distance", 2.5, 1.0, 0.1, "weak"),
        ("distance", 9.0, 1.0, 0.1, "fail"),
        ("distance", 0.2, 1.0, 0.1, "overfitted"),
        ("distance", 0.2, 1.0, 0.9, "pass"),
        ("similarity", 0.99, 0.99, 0.001, "pass"),
        ("similarity", 0.90, 0.99, 0.001, "fail"),
        ("similarity", 0.0, 0.4, 0.01, "fail"),
        ("similarity", 0.36, 0.4, 0.01, "weak"),
        ("similarity", 0.999, 0.99, 0.001, "overfitted"),
        ("accuracy", 0.53, 0.49, 0.001, "pass"),
        ("accuracy", 0.62, 0.49, 0.02, "weak"),
        ("accuracy", 0.95, 0.49, 0.02, "fail"),
        ("level", 1.05, 1.0, 0.001, "pass"),
        ("level", 0.8, 1.0, 0.01, "weak"),
        ("level", 0.1, 1.0, 0.01, "fail"),
        ("level", 3.0, 1.0, 0.01, "fail"),
        ("adversarial accuracy", 0.55, 0.5, 0.01, "pass"),
        ("adversarial accuracy", 0.68, 0.5, 0.01, "weak"),
        ("adversarial accuracy", 0.95, 0.5, 0.01, "fail"),
        ("adversarial accuracy", 0.2, 0.5, 0.01, "overfitted"),
        ("adversarial accuracy", 0.35, 0.5, 0.1, "pass"),
        ("distance", math.nan, 1.0, 0.1, "not run"),
    ],
)
def test_rules(metric_type, value, reference, sd, verdict):
    assert judge(metric_type, value, reference, sd).verdict == verdict


def test_z_is_positive_where_a_similarity_is_too_small():
    found = judge("similarity", 0.9, 0.95, 0.025)
    assert found.z == pytest.approx(2.0)
    assert found.verdict == "pass"
    assert judge("similarity", 0.9, 0.95, 0.05 / 7).verdict == "weak"
    assert judge("similarity", 0.98, 0.95, 0.03 / 4.5).verdict == "overfitted"
    assert judge("distance", 4.0, 1.0, 3 / 1.9).verdict == "pass"
    assert judge("level", 0.5, 1.0, 0.5 / 4.1).verdict == "fail"


def random_row(rng, metric_type):
    """A reference, its spread and two metrics on the same side of it, the second at least as far
    off.
    """
    reference = {"adversarial accuracy": 0.5, "accuracy": 0.5}.get(
        metric_type, float(rng.choice([rng.uniform(0.01, 0.99), rng.uniform(0.5, 20), 0.0]))
    )
    if metric_type == "similarity":
        reference = float(rng.uniform(-0.2, 0.999))
    near, far = np.sort(rng.exponential(rng.choice([0.02, 0.3, 3.0]), 2) * max(reference, 0.1))
    side = 1 if metric_type in ("accuracy", "bits", "copying") else int(rng.choice([-1, 1]))
    if metric_type == "similarity":
        side = -1
    return (
        reference,
        float(rng.choice([0.0, rng.exponential(0.05), rng.exponential(2.0)])),
        reference + side * near,
        reference + side * far,
    )


@pytest.mark.parametrize("metric_type", list(MetricType))
def test_what_is_farther_off_never_has_a_better_verdict(metric_type):
    rng = np.random.default_rng(7)
    worse = 0
    for _ in range(3000):
        reference, sd, near, far = random_row(rng, metric_type)
        bound = float(rng.uniform(2, 9))
        chance = Chance.single() if rng.random() < 0.2 else Chance(bound, bound, bound)
        tolerance, unit = float(rng.choice([0.0, 0.02])), float(rng.uniform(0.05, 1))
        first, second = (
            judge(metric_type, value, reference, sd, tolerance, chance, unit=unit)
            for value in (near, far)
        )
        assert abs(second.z) >= abs(first.z)
        assert second.size >= first.size
        assert ORDER.index(second.verdict) >= ORDER.index(first.verdict), (
            metric_type,
            reference,
            sd,
            near,
            far,
        )
        worse += second.verdict != first.verdict
    assert worse > 100  # the rows are on both sides of the bounds


@pytest.mark.parametrize("metric_type", list(MetricType))
def test_five_spreads_and_a_large_size_are_never_green(metric_type):
    rng = np.random.default_rng(9)
    seen = 0
    for _ in range(3000):
        reference, sd, _, far = random_row(rng, metric_type)
        found = judge(metric_type, far, reference, sd, chance=Chance(9.0, 9.0, 9.0), unit=0.5)
        if found.size >= Size.LARGE and abs(found.z) > 5:
            seen += 1
            assert found.verdict != "pass"
        if found.size is Size.HUGE:
            assert found.verdict in ("fail", "overfitted")
    assert seen > 20 or metric_type == "copying"


def test_the_bound_of_a_table_is_the_99_percent_point_of_the_law_of_its_largest_departure():
    rng = np.random.default_rng(1)
    largest = np.exp(rng.gumbel(2.0, 0.3, (100_000, 1)))
    law = math.exp(2.0 - 0.3 * math.log(-math.log(0.99)))
    assert Chance.of_halvings(largest).passes == pytest.approx(law, rel=0.01)


def test_the_bound_of_a_table_holds_where_figures_are_not_normal():
    rng = np.random.default_rng(2)
    accused = {"halvings": 0, "normal": 0}
    tables, metrics, halvings = 1000, 60, 40
    for _ in range(tables):
        values = rng.standard_t(4, (halvings + 1, metrics))
        z = np.array(
            [off(values[i], np.delete(values, [i, halvings], axis=0)) for i in range(halvings)]
        )
        found = off(values[-1], values[:-1]).max()
        accused["halvings"] += found > Chance.of_halvings(z).passes
        accused["normal"] += found > Chance.of_family(metrics, halvings).passes
    assert accused["normal"] > 0.1 * tables
    assert 0.001 * tables < accused["halvings"] < 0.025 * tables


def off(values, others):
    return np.abs(values - others.mean(axis=0)) / others.std(axis=0, ddof=1)


def test_few_halvings_and_small_departures_leave_the_bound_of_normal_figures():
    small = np.full((9, 30), 50.0)
    assert Chance.of_halvings(small).passes == Chance.of_family(30, 9).passes
    # so few halvings do not tell what five spreads are
    assert Chance.of_halvings(small).large == math.inf
    assert Chance.of_halvings(np.ones((40, 30))) == Chance.of_family(30, 40)
    assert Chance.of_halvings(np.zeros((0, 0))).passes == Chance.of_family(0, 0).passes


def test_worst_puts_not_run_behind_pass():
    assert worst(["pass", "not run"]) == "not run"
    assert worst(["pass", "weak", "overfitted"]) == "overfitted"
    assert worst(["fail", "pass"]) == "fail"
    assert worst([]) == "not run"


def test_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="guess"):
        judge("guess", 1, 1, 1)
