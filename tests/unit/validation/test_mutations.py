"""The tests notice when the self-check is broken: every comparison of the verdicts, and
its reference, mutated.
"""

import ast
import inspect
import math
import types

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.validation import verdicts
from genoloom.validation.accumulators import Collector
from genoloom.validation.cohorts import compare, match_sites
from genoloom.validation.data import Data
from genoloom.validation.fidelity import fidelity_rows
from genoloom.validation.metric_table import TABLE, measure_all

NAN = math.nan
# metrics on both sides of every bound; references and spreads are powers of two where a bound must
# be met exactly
CASES = [
    # metric_type, value, reference, null_sd, tolerance, verdict
    ("distance", 1.5, 1.0, 0.0, 0.0, "pass"), ("distance", 1.501, 1.0, 0.0, 0.0, "weak"),
    ("distance", 3.0, 1.0, 0.0, 0.0, "weak"), ("distance", 3.001, 1.0, 0.0, 0.0, "fail"),
    ("distance", 5.0, 1.0, 2.0, 0.0, "pass"), ("distance", 5.001, 1.0, 2.0, 0.0, "weak"),
    ("distance", 5.0, 1.0, 1.0, 0.0, "weak"), ("distance", 5.001, 1.0, 1.0, 0.0, "fail"),
    ("distance", 0.5, 1.0, 0.0, 0.0, "pass"), ("distance", 0.499, 1.0, 0.0, 0.0, "overfitted"),
    ("distance", 0.25, 1.0, 0.25, 0.0, "pass"), ("distance", 0.249, 1.0, 0.25, 0.0, "overfitted"),
    ("distance", 0.0, 0.0, 0.0, 0.0, "pass"), ("distance", 0.1, 0.0, 0.0, 0.0, "fail"),
    ("distance", 0.5, 0.0, 0.0, 0.5, "pass"), ("distance", 0.501, 0.0, 0.0, 0.5, "weak"),
    ("similarity", 0.9375, 0.96875, 0.0, 0.0, "weak"),
    ("similarity", 0.954, 0.96875, 0.0, 0.0, "pass"),
    ("similarity", 0.475, 0.5, 0.0, 0.0, "pass"), ("similarity", 0.4749, 0.5, 0.0, 0.0, "weak"),
    ("similarity", 0.425, 0.5, 0.0, 0.0, "weak"), ("similarity", 0.4249, 0.5, 0.0, 0.0, "fail"),
    ("similarity", -0.5, 0.0, 0.0, 0.0, "pass"), ("similarity", -0.51, 0.0, 0.0, 0.0, "weak"),
    ("similarity", 0.984375, 0.96875, 0.0, 0.0, "pass"),
    ("similarity", 0.985, 0.96875, 0.0, 0.0, "overfitted"),
    # beyond these sizes no spread is an excuse, up to them it is
    ("distance", 10.0, 1.0, 100.0, 0.0, "pass"), ("distance", 10.01, 1.0, 100.0, 0.0, "fail"),
    ("distance", 0.55, 0.01, 100.0, 0.06, "pass"), ("distance", 0.551, 0.01, 100.0, 0.06, "fail"),
    ("similarity", 0.5, 1.0, 100.0, 0.0, "pass"), ("similarity", 0.49, 1.0, 100.0, 0.0, "fail"),
    ("similarity", 0.25, 0.5, 100.0, 0.0, "pass"), ("similarity", 0.2, 0.45, 100.0, 0.0, "pass"),
    ("similarity", 0.19, 0.45, 100.0, 0.0, "fail"),
    ("accuracy", 0.75, 0.5, 100.0, 0.0, "pass"), ("accuracy", 0.76, 0.5, 100.0, 0.0, "fail"),
    ("level", 4.0, 1.0, 100.0, 0.0, "pass"), ("level", 4.01, 1.0, 100.0, 0.0, "fail"),
    ("level", 0.25, 1.0, 100.0, 0.0, "pass"),
    ("level", 0.24, 1.0, 100.0, 0.0, "fail"), ("level", 0.5, 0.0, 100.0, 0.125, "pass"),
    ("level", 0.51, 0.0, 100.0, 0.125, "fail"),
    ("share", 9.0, 1.0, 100.0, 0.0, "pass"), ("share", 0.5, 1.0, 0.1, 0.0, "fail"),
    ("share", 0.5, 1.0, 0.2, 0.0, "weak"),
    ("level", -0.5, 0.0, 0.0, 0.0, "fail"),
    ("adversarial accuracy", 0.9, 0.5, 100.0, 0.0, "pass"),
    ("adversarial accuracy", 0.91, 0.5, 100.0, 0.0, "fail"),
    ("adversarial accuracy", 0.09, 0.5, 100.0, 0.0, "overfitted"),
    ("offset", 1.0, 2.0, 0.0, 0.0, "pass"), ("offset", 3.01, 2.0, 0.0, 0.0, "weak"),
    ("offset", 4.5, 2.0, 0.0, 0.0, "weak"),
    ("offset", -0.51, 2.0, 0.0, 0.0, "fail"), ("offset", -3.0, 2.0, 2.5, 0.0, "pass"),
    ("offset", -3.01, 2.0, 2.5, 0.0, "weak"),
    ("offset", 12.0, 2.0, 100.0, 0.0, "pass"), ("offset", 12.01, 2.0, 100.0, 0.0, "fail"),
    ("level", -1.0, 0.0, 0.0, 2.0, "pass"),
    ("accuracy", 0.55, 0.5, 0.0, 0.0, "pass"), ("accuracy", 0.551, 0.5, 0.0, 0.0, "weak"),
    ("accuracy", 0.449, 0.5, 0.0, 0.0, "weak"),
    ("accuracy", 0.65, 0.5, 0.0, 0.0, "weak"), ("accuracy", 0.651, 0.5, 0.0, 0.0, "fail"),
    ("accuracy", 0.75, 0.5, 0.125, 0.0, "pass"), ("accuracy", 0.7, 0.5, 0.099, 0.0, "weak"),
    ("accuracy", 0.75, 0.5, 0.0625, 0.0, "weak"), ("accuracy", 0.751, 0.5, 0.0625, 0.0, "fail"),
    ("level", 1.125, 1.0, 0.0625, 0.0, "pass"), ("level", 1.126, 1.0, 0.0625, 0.0, "weak"),
    ("level", 0.874, 1.0, 0.0625, 0.0, "weak"),
    ("level", 11.0, 10.0, 0.0, 0.0, "pass"), ("level", 11.01, 10.0, 0.0, 0.0, "weak"),
    ("level", 1.25, 1.0, 0.0, 0.0, "weak"), ("level", 1.251, 1.0, 0.0, 0.0, "fail"),
    ("level", 0.749, 1.0, 0.0, 0.0, "fail"),
    ("level", 1.5, 1.0, 0.125, 0.0, "weak"), ("level", 1.501, 1.0, 0.125, 0.0, "fail"),
    ("adversarial accuracy", 0.6, 0.5, 0.0, 0.0, "pass"),
    ("adversarial accuracy", 0.601, 0.5, 0.0, 0.0, "weak"),
    ("adversarial accuracy", 0.4, 0.5, 0.0, 0.0, "pass"),
    ("adversarial accuracy", 0.399, 0.5, 0.0, 0.0, "overfitted"),
    ("adversarial accuracy", 0.7, 0.5, 0.0, 0.0, "weak"),
    ("adversarial accuracy", 0.701, 0.5, 0.0, 0.0, "fail"),
    ("adversarial accuracy", 0.75, 0.5, 0.125, 0.0, "pass"),
    ("adversarial accuracy", 0.751, 0.5, 0.125, 0.0, "weak"),
    ("adversarial accuracy", 0.75, 0.5, 0.0625, 0.0, "weak"),
    ("adversarial accuracy", 0.751, 0.5, 0.0625, 0.0, "fail"),
    ("copying", 1.1, 1.0, 0.0, 0.0, "pass"), ("copying", 1.101, 1.0, 0.0, 0.0, "overfitted"),
    ("copying", 2.0, 1.0, 0.5, 0.0, "pass"), ("copying", 2.001, 1.0, 0.5, 0.0, "overfitted"),
    ("bits", 0.001, 0.0, 0.0, 0.0, "pass"), ("bits", 0.0011, 0.0, 0.0, 0.0, "weak"),
    ("bits", 0.01, 0.0, 0.0, 0.0, "weak"), ("bits", 0.0101, 0.0, 0.0, 0.0, "fail"),
    ("bits", 0.25, 0.0, 0.125, 0.0, "weak"), ("bits", 0.251, 0.0, 0.125, 0.0, "fail"),
    ("distance", NAN, 1.0, 0.1, 0.0, "not run"), ("level", 1.0, NAN, 0.1, 0.0, "not run"),
]  # fmt: skip


def right(module) -> bool:
    """Does this version of the verdicts give every case what is due?"""
    try:
        found = [module.judge(metric_type, *numbers).verdict for metric_type, *numbers, _ in CASES]
        ratios = [module.judge("distance", 3.0, reference, 0.0).nfr for reference in (2.0, 0.0)]
    except (ZeroDivisionError, ValueError):
        return False
    return ratios == [1.5, math.inf] and found == [case[-1] for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts_at_their_bounds(case):
    metric_type, *numbers, verdict = case
    assert verdicts.judge(metric_type, *numbers).verdict == verdict


JUDGING = ("judge", "_verdict", "_size", "size")
NEIGHBOURS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
REVERSED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}


def comparisons(tree) -> list[ast.Compare]:
    inside = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in JUDGING
    ]
    return [
        c
        for function in inside
        for c in ast.walk(function)
        if isinstance(c, ast.Compare) and type(c.ops[0]) in NEIGHBOURS
    ]


def mutants():
    source = inspect.getsource(verdicts)
    for change in (NEIGHBOURS, REVERSED):
        for i in range(len(comparisons(ast.parse(source)))):
            tree = ast.parse(source)
            node = comparisons(tree)[i]
            before = ast.unparse(node)
            node.ops[0] = change[type(node.ops[0])]()
            yield before, ast.unparse(node), tree


def test_every_mutated_comparison_is_noticed(monkeypatch):
    assert right(verdicts)
    survivors, tried = [], 0
    for before, after, tree in mutants():
        module = types.ModuleType("mutant")
        # dataclasses look their module up
        monkeypatch.setitem(__import__("sys").modules, "mutant", module)
        exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), module.__dict__)
        tried += 1
        if right(module):
            survivors.append((before, after))
    assert tried >= 30
    # a half of exactly 0.5 has passed before this line
    assert survivors == [("value < 0.5", "value <= 0.5")]


N = 40
FAST = tuple(
    m
    for m in TABLE
    if m.name
    in (
        "frequency_error",
        "ld_r2_correlation",
        "distinct_haplotypes",
        "aats_holdout",
        "haplotype_distance",
    )
)


@pytest.fixture(scope="module")
def population():
    return founder_mosaic(400, 6 * N, np.random.default_rng(21), founders=25, switch=0.01)


def judged(synthetic, real, roles, table=FAST):
    panel, real_panel = make_panel(synthetic), make_panel(real)
    individuals = compare(panel.individuals, real_panel.individuals, roles, 8, seed=1)
    sums = Collector(individuals, len(synthetic), block=100, seed=1)
    sums.add(*match_sites(panel, real_panel), real_panel.sites.cm)
    measured = measure_all(Data(sums, 4, seed=1), table)
    return {(r.metric, r.bin): r for r in fidelity_rows(measured, "made", "generator", N)}


def test_swapped_roles_are_noticed(population):
    roles = ["holdout"] * N + ["train"] * N
    swapped = ["train"] * N + ["holdout"] * N
    copy_of_holdout = population[:, : 2 * N]
    real = population[:, : 4 * N]
    assert judged(copy_of_holdout, real, roles)["aats_holdout", "all"].verdict == "overfitted"
    assert judged(copy_of_holdout, real, swapped)["aats_holdout", "all"].verdict == "pass"


def test_a_dropped_reference_is_noticed(population, monkeypatch):
    roles = ["holdout"] * N + ["train"] * N
    fresh, real = population[:, 4 * N :], population[:, : 4 * N]
    assert judged(fresh, real, roles)["overall", "all"].verdict == "pass"
    judge = verdicts.judge

    def without_reference(metric_type, value, reference, null_sd, tolerance, chance, unit):
        perfect = {"similarity": 1.0, "distance": 0.0}.get(metric_type, reference)
        return judge(metric_type, value, perfect, null_sd, tolerance, chance, unit=unit)

    monkeypatch.setattr("genoloom.validation.fidelity.judge", without_reference)
    assert judged(fresh, real, roles)["overall", "all"].verdict == "fail"


def test_the_bound_of_a_table_grows_with_its_figures_and_shrinks_with_the_halvings():
    one, many = verdicts.Chance.of_family(1, 20), verdicts.Chance.of_family(100, 20)
    # two-sided 1 % of Student's t with 19 degrees of freedom
    assert one.passes == pytest.approx(2.861, abs=1e-3)
    assert many.passes > one.passes
    assert (
        verdicts.Chance.of_family(100, 3).passes
        > many.passes
        > verdicts.Chance.of_family(100, 10**6).passes
    )
    assert many.passes < verdicts.LARGE_BOUND
    assert verdicts.judge("distance", 4.0, 1.0, 1.0, chance=many).verdict == "pass"
    assert verdicts.judge("distance", 9.0, 1.0, 1.0, chance=many).verdict == "fail"
    # of a table with heavy tails: it explains small departures, and not large ones
    wide = verdicts.Chance(7.0, 7.0, 7.0)
    assert verdicts.judge("distance", 2.5, 1.0, 0.25, chance=wide).verdict == "pass"
    assert verdicts.judge("distance", 3.5, 1.0, 0.5, chance=wide).verdict == "pass"
    assert verdicts.judge("distance", 3.75, 1.0, 0.5, chance=wide).verdict == "fail"
