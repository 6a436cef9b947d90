"""Every metric that a table can hold has a name for readers and a direction."""

from genoloom.validation.metric_ids import Better, MetricId
from genoloom.validation.metric_table import TABLE
from genoloom.validation.sequence_table import KINDS
from genoloom.validation.verdicts import Kind

WAYS = {
    Kind.DISTANCE: Better.LOWER, Kind.SIMILARITY: Better.HIGHER, Kind.LEVEL: Better.REFERENCE,
    Kind.SHARE: Better.REFERENCE,
    Kind.OFFSET: Better.REFERENCE, Kind.ACCURACY: Better.HALF, Kind.ADVERSARIAL: Better.HALF,
}  # fmt: skip


def test_titles_differ_and_directions_are_those_of_the_kinds():
    assert len({metric.title for metric in MetricId}) == len(MetricId)
    for metric in TABLE:
        one_sided = metric.name is MetricId.IMPOSSIBLE_HAPLOTYPES  # real individuals have none
        assert metric.name.better is (Better.LOWER if one_sided else WAYS[metric.kind]), metric.name


def test_every_metric_of_sequences_says_how_it_is_judged_and_what_it_says():
    for metric, kind in KINDS.items():
        assert metric.help
        copying = kind is Kind.COPYING
        assert metric.better is (Better.LOWER if copying else WAYS.get(kind, Better.LOWER)), metric
