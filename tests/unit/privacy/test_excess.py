"""The worst attack as unavoidable leak and excess."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.privacy.attack_ids import AttackId, Measure
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.excess import LeakBasis, split_rows
from genoloom.privacy.leak_budget import unavoidable
from genoloom.privacy.rows import PrivateAttackRow
from genoloom.validation.cohorts import compare
from genoloom.validation.verdicts import Role, Verdict

WORST = PrivateAttackRow(
    generator="x",
    role=Role.GENERATOR,
    attack=AttackId.WORST,
    measure=Measure.AUC,
    value=0.62,
    low=0.58,
    high=0.66,
    n=200,
    verdict=Verdict.FAIL,
)


def test_the_parts_add_up():
    basis = LeakBasis(effective_sites=80, training=1000, compared=200)
    unavoided, excess = split_rows(WORST, basis, max_auc=0.6, max_excess=0.03)
    assert unavoided.value == pytest.approx(unavoidable(80, 1000, 200, 200).auc)
    assert unavoided.value + excess.value == pytest.approx(0.62)
    assert excess.high - excess.low == pytest.approx(0.08)
    assert (unavoided.verdict, excess.verdict) == ("pass", "fail")


@pytest.mark.parametrize(("max_excess", "verdict"), [(0.2, "pass"), (0.1, "weak"), (0.01, "fail")])
def test_the_limit_is_an_option(max_excess, verdict):
    _, excess = split_rows(WORST, LeakBasis(50, 1000, 200), 0.6, max_excess)
    assert excess.verdict == verdict


def test_what_could_not_fail_is_not_run():
    _, excess = split_rows(WORST, LeakBasis(50, 1000, 200), 0.6, 0.5)
    assert excess.verdict == "not run"


def test_a_cohort_that_is_too_small_is_told():
    unavoided, excess = split_rows(WORST, LeakBasis(200, 100, 100), 0.6, 0.03)
    assert unavoided.verdict == "fail"
    assert excess.verdict == "pass"


def test_what_cannot_be_told_is_not_run():
    assert {r.verdict for r in split_rows(WORST, LeakBasis(float("nan"), 9, 9), 0.6, 0.03)} == {
        "not run"
    }
    assert {r.verdict for r in split_rows(WORST, LeakBasis(0.0, 9, 9), 0.6, 0.03)} == {"not run"}
    _, excess = split_rows(
        replace(WORST, verdict=Verdict.NOT_RUN), LeakBasis(50, 1000, 200), 0.6, 0.03
    )
    assert excess.verdict == "not run"


def test_facts_of_few_individuals_are_not_public():
    assert LeakBasis(80.0, 20, 20).public_facts() == {
        "training_individuals": None,
        "effective_sites": None,
    }
    assert LeakBasis(float("nan"), 99, 99).public_facts() == {
        "training_individuals": None,
        "effective_sites": None,
    }
    assert LeakBasis(80.0, 21, 20).public_facts() == {
        "training_individuals": 21,
        "effective_sites": 80.0,
    }


@pytest.mark.parametrize(("copied", "verdicts"), [(False, {"pass", "weak"}), (True, {"fail"})])
def test_an_audit_tells_excess_from_what_is_unavoidable(copied, verdicts):
    """Fresh individuals in place of synthetic ones leak less than is unavoidable; copies of the
    training individuals more.
    """
    n, sites = 60, 400
    alleles = founder_mosaic(sites, 6 * n, np.random.default_rng(8), founders=80, switch=0.05)
    real = make_panel(alleles[:, : 4 * n])
    first = 2 * n if copied else 4 * n
    synthetic = make_panel(alleles[:, first : first + 2 * n])
    individuals = compare(
        synthetic.individuals, real.individuals, ["holdout"] * n + ["train"] * n, 0, 1
    )
    data = AuditData(individuals, [100], [20])
    data.add(synthetic, real, real.sites.cm)
    found = Auditor(data, "x", "generator", 400, 0.6, 1, max_excess=0.03, training=n).audit()
    rows = {row.attack: row for row in found.rows if row.population == "all"}
    reference = rows[AttackId.UNAVOIDABLE].value
    assert reference == pytest.approx(unavoidable(data.effective_sites, n, n, n).auc)
    assert rows[AttackId.EXCESS].verdict in verdicts
    assert rows[AttackId.EXCESS].value == pytest.approx(rows[AttackId.WORST].value - reference)


def test_public_data_pass_within_chance_and_only_there():
    """Nothing is unavoidable there, and too few individuals show no more than chance does."""
    basis = LeakBasis(80, 1000, 200, public=True)
    for reference, verdict in ((0.63, "pass"), (0.61, "fail")):
        unavoided, excess = split_rows(replace(WORST, reference=reference), basis, 0.6, 0.03)
        assert unavoided.value == 0.5
        assert excess.value == pytest.approx(0.12)
        assert excess.verdict == verdict
    _, excess = split_rows(
        replace(WORST, reference=0.63, verdict=Verdict.NOT_RUN), basis, 0.6, 0.03
    )
    assert excess.verdict == "not run"
