"""What the code decides by is an identifier of an enum, never the text that a reader is shown."""

import ast
from pathlib import Path

import pytest

from genoloom.models import haplotype
from genoloom.privacy.attack_ids import AttackId
from genoloom.report.data import Judgement
from genoloom.report.words import mosaics
from genoloom.validation.metric_ids import Better, MetricId
from genoloom.validation.verdicts import Role, Verdict

SOURCE = Path(__file__).resolve().parents[2] / "src" / "genoloom"
TEXTS = {str(member) for kind in (Verdict, MetricId, AttackId, Better) for member in kind}
TEXTS |= {metric.title for metric in MetricId}


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
