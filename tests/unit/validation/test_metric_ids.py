"""Every metric that a table can hold has a title, a direction, a unit and a help line."""

import pytest

from genoloom.validation.metric_ids import Better, MetricId, TaskId
from genoloom.validation.metric_table import TABLE
from genoloom.validation.verdicts import MetricType

WAYS = {
    MetricType.DISTANCE: Better.LOWER,
    MetricType.SIMILARITY: Better.HIGHER,
    MetricType.LEVEL: Better.REFERENCE,
    MetricType.SHARE: Better.REFERENCE,
    MetricType.OFFSET: Better.REFERENCE,
    MetricType.ACCURACY: Better.HALF,
    MetricType.ADVERSARIAL: Better.HALF,
    MetricType.BITS: Better.LOWER,
}


@pytest.mark.parametrize("metric", [*MetricId, *TaskId])
def test_a_metric_says_all_of_itself_in_its_own_line(metric):
    assert metric.value == metric.name.lower()
    assert all((metric.title, metric.unit, metric.help))
    assert len(metric.help) < 90
    assert metric.reference or metric.better is Better.LOWER


def test_titles_differ_and_directions_are_those_of_the_types():
    assert len({metric.title for metric in MetricId}) == len(MetricId)
    for metric in set(MetricId) - {MetricId.OVERALL}:
        one_sided = metric is MetricId.IMPOSSIBLE_HAPLOTYPES  # real individuals have none
        assert metric.better is (Better.LOWER if one_sided else WAYS[metric.metric_type]), metric


def test_the_reference_of_a_level_is_the_held_out_individuals_own():
    for metric in TABLE:
        expected = "held-out individuals" if metric.single else "halvings of real individuals"
        assert metric.name.reference == expected, metric.name
