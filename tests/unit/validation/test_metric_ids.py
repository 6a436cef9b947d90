"""Every metric that a table can hold has a name for readers and a direction."""

from genoloom.validation.metric_ids import Better, MetricId
from genoloom.validation.metric_table import TABLE
from genoloom.validation.sequence_table import METRIC_TYPES
from genoloom.validation.verdicts import MetricType

WAYS = {
    MetricType.DISTANCE: Better.LOWER, MetricType.SIMILARITY: Better.HIGHER, MetricType.LEVEL: Better.REFERENCE,
    MetricType.SHARE: Better.REFERENCE,
    MetricType.OFFSET: Better.REFERENCE, MetricType.ACCURACY: Better.HALF, MetricType.ADVERSARIAL: Better.HALF,
}  # fmt: skip


def test_titles_differ_and_directions_are_those_of_the_kinds():
    assert len({metric.title for metric in MetricId}) == len(MetricId)
    for metric in TABLE:
        one_sided = metric.name is MetricId.IMPOSSIBLE_HAPLOTYPES  # real individuals have none
        assert metric.name.better is (Better.LOWER if one_sided else WAYS[metric.metric_type]), (
            metric.name
        )


def test_every_metric_of_sequences_says_how_it_is_judged_and_what_it_says():
    for metric, metric_type in METRIC_TYPES.items():
        assert metric.help
        copying = metric_type is MetricType.COPYING
        assert metric.better is (
            Better.LOWER if copying else WAYS.get(metric_type, Better.LOWER)
        ), metric
