"""What data are fit for, from the rows of the fidelity table."""

from pathlib import Path

import pytest

from genoloom.validation.metric_ids import Better
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.uses import (
    DEMANDS,
    Demand,
    Fitness,
    Use,
    UseMetric,
    fitness_of,
    judge_uses,
)

LD = Demand(Use.LINKAGE, M.LD_R2_CORRELATION, 0.05, 0.15, "")
SLOPE = Demand(Use.LINKAGE, M.LD_SCORE_SLOPE, 0.1, 0.25, "")
LOST = Demand(Use.RARE, M.SITES_LOST, 0.02, 0.1, "", better=Better.LOWER)


def metric(demand, value, reference, sd=0.0, population="all", bin="all"):
    return UseMetric(demand.metric, population, bin, value, reference, sd)


@pytest.mark.parametrize(
    ("demand", "value", "reference", "sd", "expected"),
    [
        (LD, 0.99, 0.9, 0.0, "fit"), (LD, 0.86, 0.9, 0.0, "fit"),
        (LD, 0.84, 0.9, 0.0, "fit with limits"),
        (LD, 0.74, 0.9, 0.0, "not fit"), (LD, 0.84, 0.9, 0.021, "fit"),
        (LD, 0.74, 0.9, 0.041, "fit with limits"),
        (SLOPE, 0.5, 0.5, 0.0, "fit"), (SLOPE, 0.44, 0.5, 0.0, "fit with limits"),
        (SLOPE, 0.56, 0.5, 0.0, "fit with limits"),
        (SLOPE, 0.7, 0.5, 0.0, "not fit"), (SLOPE, 0.0007, 0.98, 0.04, "not fit"),
        (LOST, 0.0, 0.05, 0.0, "fit"), (LOST, 0.08, 0.05, 0.0, "fit with limits"),
        (LOST, 0.16, 0.05, 0.0, "not fit"),
        (LD, None, 0.9, 0.0, "not run"),
    ],
)  # fmt: skip
def test_shortfalls(demand, value, reference, sd, expected):
    assert fitness_of(demand, metric(demand, value, reference, sd)) == expected


def test_the_worst_figure_and_the_worst_population_decide():
    rows = [
        # this bin is not asked for
        metric(LD, 0.9, 0.9), metric(SLOPE, 0.44, 0.5), metric(LD, 0.5, 0.9, bin="5-20%"),
        metric(LD, 0.86, 0.9, population="A"), metric(LD, 0.8, 0.9, population="B"),
        metric(LD, 0.88, 0.9, population="C"),
    ]  # fmt: skip
    whole, part = judge_uses(rows, [LD, SLOPE])
    assert (whole.use, whole.population, whole.fitness, whole.limits) == (
        Use.LINKAGE,
        "all",
        Fitness.LIMITS,
        (SLOPE,),
    )
    assert (part.population, part.fitness, part.limits) == ("B", Fitness.LIMITS, (LD,))


def test_what_was_not_measured_is_not_fit_by_default():
    [fit] = judge_uses([metric(LD, None, None), metric(SLOPE, 0.5, 0.5)], [LD, SLOPE])
    assert fit.fitness is Fitness.NOT_RUN
    [fit] = judge_uses([metric(LD, None, None), metric(SLOPE, 0.0, 0.5)], [LD, SLOPE])
    assert fit.fitness is Fitness.NOT_FIT
    assert fit.limits == (SLOPE, LD)  # worst first
    assert judge_uses([], [LD]) == []


def test_every_demand_is_sourced_and_in_order():
    for demand in DEMANDS:
        assert 0 < demand.fit < demand.limit
        assert demand.why
    assert {demand.use for demand in DEMANDS} == set(Use)


def line_of(demand: Demand) -> str:
    """As the documentation gives it."""
    better = demand.better or demand.metric.better
    unit = " of the reference" if better is Better.REFERENCE else ""
    rows = "" if demand.bins == ("all",) else f" ({', '.join(demand.bins)})"
    return (
        f"| {demand.use.title} | `{demand.metric}`{rows} | {demand.fit:g}{unit} | "
        f"{demand.limit:g}{unit} | {demand.why} |"
    )


def test_the_documentation_gives_the_demands():
    text = (Path(__file__).parents[3] / "docs" / "validation.md").read_text()
    assert [line for line in map(line_of, DEMANDS) if line not in text] == []
