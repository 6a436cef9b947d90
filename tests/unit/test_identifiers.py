"""What the code decides by is an identifier of an enum, never the text that a reader is shown."""

import ast
from pathlib import Path

import pytest

from genoloom.models import haplotype
from genoloom.privacy.attack_ids import AttackId, Measure
from genoloom.privacy.gate import fidelity_reasons, privacy_reasons
from genoloom.privacy.rows import PrivateAttackRow
from genoloom.privacy_config import ReleaseOptions
from genoloom.report.data import Judgement, as_attack
from genoloom.report.words import mosaics
from genoloom.report.words import privacy_reasons as report_reasons
from genoloom.validation.metric_ids import Better, MetricId, TaskId
from genoloom.validation.sequence_table import Measured
from genoloom.validation.uses import DEMANDS, UseMetric, judge_uses
from genoloom.validation.verdicts import Role, Verdict

# words that are also measures
ORDINARY = {"", "share", "ratio", "difference"}
SOURCE = Path(__file__).resolve().parents[2] / "src" / "genoloom"
TEXTS = {str(member) for kind in (Verdict, MetricId, AttackId, Better, Role) for member in kind}
TEXTS |= {text for known in (*MetricId, *TaskId, *AttackId) for text in (known.title, known.help)}
TEXTS |= {text for measure in Measure for text in (measure.value, measure.title)} - ORDINARY


def texts_compared(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines and texts of a source that something is compared with, looked up in, or begins or ends
    with.
    """
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            (".startswith", ".endswith")
        ):
            parts = node.args
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        else:
            continue
        several = [
            part.elts if isinstance(part, ast.Tuple | ast.List | ast.Set) else [part]
            for part in parts
        ]
        constants = (
            part.value for some in several for part in some if isinstance(part, ast.Constant)
        )
        found += [(node.lineno, value) for value in constants if isinstance(value, str)]
    return found


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_no_verdict_metric_or_attack_is_compared_by_its_text(path):
    compared = texts_compared(ast.parse(path.read_text()))
    assert [(line, text) for line, text in compared if text in TEXTS] == []


def test_comparisons_are_found():
    source = """
a == "x"
"y" in b
c.startswith("z")
match d:
    case "w":
        pass
e = "none"
f in ("u", "v")
g["key"] is None
"""
    assert {text for _, text in texts_compared(ast.parse(source))} == set("xyzwuv")


def judged() -> list:
    """Whatever is decided of a metric, an attack, a release or a use."""
    rows = [
        Measured(metric, value, 0.2, 0.1, 50).row("x", Role.GENERATOR, value)
        for metric in MetricId
        if metric.metric_type
        for value in (0.2, 0.9)
    ]
    attacks = [
        PrivateAttackRow(
            generator="x", role=Role.GENERATOR, attack=attack, n=40, verdict=verdict,
            measure=Measure.AUC, value=0.5, low=0.45, high=0.55,
            tpr_at_1_percent_fpr=0.01, tpr_reference=0.02,
        )
        for attack, verdict in zip(AttackId, [*Verdict] * len(AttackId), strict=False)
    ]  # fmt: skip
    release = ReleaseOptions()
    uses = [UseMetric(d.metric, "all", d.bins[0], 0.9, 1.0, 0.0) for d in DEMANDS]
    return [
        [row.verdict for row in rows],
        fidelity_reasons(rows[::2], "x", release),
        privacy_reasons(attacks, "x", 40, release),
        [(fit.use, fit.fitness, fit.limits) for fit in judge_uses(uses)],
        [report_reasons([as_attack(attack)]) == [] for attack in attacks],
    ]


def test_another_title_or_help_changes_no_verdict(monkeypatch):
    before = judged()
    for known in (*MetricId, *TaskId, *AttackId):
        for text in ("title", "help", "unit"):
            monkeypatch.setattr(known, text, "the same for all", raising=False)
    assert judged() == before
    assert len({verdict for verdict in before[0]}) > 2


def test_which_controls_copy_is_not_read_from_their_names():
    assert set(haplotype.COPYING) <= {*haplotype.BASELINES, *haplotype.COMPARED}
    assert {"mosaic", "mosaic_0.5cM", "matched_mosaic", "li_stephens"} <= haplotype.COPYING
    placed = {"classifier_auc": 0.6, "worst_attack": 0.6}
    rows = [
        Judgement.model_construct(generator=name, role=role, **placed)
        for name, role in (
            ("mosaic", Role.BASELINE),
            ("no_mosaic", Role.BASELINE),
            ("mosaic", Role.GENERATOR),
        )
    ]
    assert mosaics(rows) == rows[:1]
