"""Which diplotypes have a small bias, in the benchmark of treatment effects."""

from math import nan

from benchmarks.runs.treatment_effects import bias_within
from genoloom.task_rows import EffectRow


def row(data, metric, group, value, sd=nan, learner="S"):
    return EffectRow(data, learner, metric, group, value, sd)


def test_a_bias_is_small_or_like_that_of_real_data():
    rows = [row("truth", "effect", g, 20.0, learner="") for g in ("*1/*1", "*1/*2", "*2/*2")]
    for group, real, own in (("*1/*1", 0.5, 1.9), ("*1/*2", 3.0, 3.8), ("*2/*2", 0.0, 3.0)):
        rows += [row("real", "bias", group, real, 0.5), row("synthetic", "bias", group, own)]
    # a tenth of 20; within two spreads of real data; neither
    assert bias_within(rows, "synthetic", "S") == 2 / 3
