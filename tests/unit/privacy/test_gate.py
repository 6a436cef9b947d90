"""The gate's rules on tables and options: what is looser, of the wrong type or is listed twice
never passes.
"""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel
from hypothesis import given, settings
from hypothesis import strategies as st

from genoloom.audit_levels import FEWEST_RESAMPLES
from genoloom.config import SplitOptions, ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.tables import format_cell, read_exact_records, write_table
from genoloom.privacy.attack_ids import AttackId, Measure
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.gate import (
    LOOSER,
    fidelity_reasons,
    loosened_thresholds,
    model_reasons,
    option_reasons,
    privacy_reasons,
)
from genoloom.privacy.rows import PRIVATE_COLUMNS, PrivateAttackRow
from genoloom.privacy_config import AuditOptions, ReleaseOptions
from genoloom.validation.cohorts import compare
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import Role, Verdict

RELEASE = ReleaseOptions()
GOOD = AuditOptions(shadow_models=4, shadow_steps=1).model_dump()


@pytest.mark.parametrize("section", LOOSER)
def test_somebody_has_thought_about_every_option(section):
    assert set(LOOSER[section]) == set(section.model_fields)


def test_every_threshold_of_the_release_stands_in_the_readme():
    thresholds = loosened_thresholds(RELEASE)
    others = {"consensus", "canaries", "licence"}
    assert set(ReleaseOptions.model_fields) - {name for name, *_ in thresholds} == others
    assert not any(looser for *_, looser in thresholds)
    loose = ReleaseOptions(
        max_auc=0.61,
        max_excess=0.04,
        max_tpr=0.03,
        max_epsilon=9,
        shadow_models=False,
        fidelity="any",
        may_be_missing="phase",
        min_carriers=4,
        adapted_models=True,
    )
    assert all(looser for *_, looser in loosened_thresholds(loose))
    strict = ReleaseOptions(
        max_auc=0.5, max_excess=0.02, max_tpr=0.01, fidelity="pass", min_carriers=9
    )
    assert not any(looser for *_, looser in loosened_thresholds(strict))


def test_the_default_audit_with_shadow_models_is_no_reason():
    assert option_reasons("audit", AuditOptions, GOOD, RELEASE) == []
    assert (
        option_reasons("fidelity", ValidateOptions, ValidateOptions().model_dump(), RELEASE) == []
    )
    assert (
        option_reasons("split", SplitOptions, SplitOptions(holdout=0.3).model_dump(), RELEASE) == []
    )
    [reason] = option_reasons(
        "split", SplitOptions, SplitOptions(kinship=False).model_dump(), RELEASE
    )
    assert "made with split.kinship False, which is looser than the default True" in reason
    waived = GOOD | {"shadow_models": 0}
    assert option_reasons("audit", AuditOptions, waived, ReleaseOptions(shadow_models=False)) == []
    stricter = GOOD | {
        "windows": "100,200,400,800",
        "haplotype_windows": "100,20",
        "bootstrap": 5000,
        "max_auc": 0.55,
    }
    assert option_reasons("audit", AuditOptions, stricter, RELEASE) == []


@pytest.mark.parametrize(
    "change",
    [
        {"max_auc": 0.61}, {"max_auc": 1}, {"max_auc": "1"}, {"max_auc": None}, {"bootstrap": 999},
        {"bootstrap": 0}, {"bootstrap": 1e9},
        {"windows": "200,400"}, {"windows": ""}, {"windows": "all"}, {"windows": "800"},
        {"windows": "200,201,400,800"}, {"haplotype_windows": "20"},
        {"shadow_models": 2}, {"shadow_models": 3}, {"shadow_models": -4},
        {"shadow_models": "auto"}, {"shadow_models": 0},
        {"shadow_steps": 0.01}, {"more": 1}, {"bootstrap": float("nan")},
    ],
)  # fmt: skip
def test_looser_options_of_the_audit_are_reasons(change):
    # a number above the default is stricter: the one value here that is allowed
    expected = 0 if change == {"bootstrap": 1e9} else 1
    assert len(option_reasons("audit", AuditOptions, GOOD | change, RELEASE)) == expected


def test_options_that_are_not_recorded_are_reasons():
    for name in GOOD:
        assert option_reasons(
            "audit", AuditOptions, {k: v for k, v in GOOD.items() if k != name}, RELEASE
        )
    assert option_reasons(
        "audit", AuditOptions, GOOD | {"max_auc": 0.6}, ReleaseOptions(max_auc=0.55)
    )
    assert option_reasons("audit", AuditOptions, GOOD, ReleaseOptions(max_excess=0.01))
    # than the default
    assert option_reasons(
        "audit", AuditOptions, GOOD | {"max_auc": 0.65}, ReleaseOptions(max_auc=0.7)
    )


@pytest.fixture(scope="module")
def leaking():
    """Forty individuals a role; most synthetic haplotypes are pieces of training individuals."""
    alleles = founder_mosaic(240, 160, np.random.default_rng(5), founders=60)
    real = make_panel(alleles)
    synthetic = alleles[:, 80:].copy()
    synthetic[:120, ::2] = alleles[:120, :80:2]
    individuals = compare(
        make_panel(synthetic).individuals,
        real.individuals,
        ["holdout"] * 40 + ["train"] * 40,
        0,
        seed=1,
    )
    return make_panel(synthetic), real, individuals


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    windows=st.sets(st.sampled_from([50, 100, 200, 400, 800]), min_size=1),
    haplotype_windows=st.sets(st.sampled_from([10, 20, 50, 100]), min_size=1),
    bootstrap=st.sampled_from([FEWEST_RESAMPLES, 500, 1000, 1500]),
    max_auc=st.sampled_from([0.5, 0.6, 0.75, 0.9, 1.0]),
    shadow_models=st.sampled_from([0, 2, 4]),
    seed=st.integers(1, 3),
)
def test_no_option_of_the_audit_turns_a_gate_that_fails_into_a_pass(leaking, seed, **drawn):
    synthetic, real, individuals = leaking
    drawn = {
        name: ",".join(map(str, sorted(v))) if isinstance(v, set) else v
        for name, v in drawn.items()
    }
    options = AuditOptions(**drawn)
    release = ReleaseOptions(shadow_models=False)
    windows, haplotype_windows = (
        [int(s) for s in text.split(",")] for text in (options.windows, options.haplotype_windows)
    )
    data = AuditData(individuals, windows, haplotype_windows)
    data.add(synthetic, real, real.sites.position / 1e4)
    rows = Auditor(data, "x", Role.GENERATOR, options.bootstrap, options.max_auc, seed).audit().rows
    found = privacy_reasons(rows, "x", individuals.n, release)
    found += option_reasons("audit", AuditOptions, options.model_dump(), release)
    assert found
    assert not [
        reason
        for reason in found
        if "not what can be there" in reason or "is listed twice" in reason
    ]


ROW = PrivateAttackRow(
    generator="x",
    role=Role.GENERATOR,
    attack=AttackId.WORST,
    measure=Measure.AUC,
    value=0.5,
    low=0.4,
    high=0.55,
    reference=0.55,
    n=40,
    verdict=Verdict.PASS,
    tpr_at_1_percent_fpr=0.01,
    tpr_reference=0.02,
)
METRIC = MetricRow(
    "x", Role.GENERATOR, MetricId.PI_ERROR, "all", "all", 0.5, nan, nan, inf, nan, 40, Verdict.PASS
)


@pytest.mark.parametrize(
    "change",
    [
        {"high": "x"}, {"high": "-5"}, {"high": "1.2"}, {"high": "inf"}, {"high": "nan"},
        {"high": "0.3"}, {"high": "0_1"}, {"low": "٠"}, {"tpr_reference": "7"}, {"n": "40.0"},
        {"n": ""}, {"n": "-1"}, {"n": "9" * 30}, {"n": "²"}, {"verdict": "PASS"}, {"verdict": ""},
        {"population": ""}, {"attack": ""}, {"attack": "worst attack"}, {"window": ""},
        {"measure": "AUC"}, {"role": "x"}, {"value": "0.5\x07"},
    ],
)  # fmt: skip
def test_cells_that_no_audit_writes_are_no_pass(tmp_path, change):
    path = tmp_path / "audit.tsv"
    row = {name: format_cell(getattr(ROW, name)) for name in PRIVATE_COLUMNS}

    def judged(cells):
        write_table(path, PRIVATE_COLUMNS, [cells])
        try:
            rows = read_exact_records(path, PrivateAttackRow)
        except InputError as error:
            return [str(error)]
        return privacy_reasons(rows, "x", 40, RELEASE)

    told = ("not what can be there", "line 2")
    assert not [reason for reason in judged(row) if any(word in reason for word in told)]
    assert any(word in judged(row | change)[0] for word in told)


@pytest.mark.parametrize("value", [-inf, inf, nan])
def test_what_is_no_number_is_no_pass(value):
    excess = replace(ROW, attack=AttackId.EXCESS, measure=Measure.DIFFERENCE, low=nan, high=value)
    found = privacy_reasons([ROW, excess], "x", 40, RELEASE)
    assert "privacy: the audit does not say what exceeds the leak that no" in "\n".join(found)
    found = privacy_reasons([replace(ROW, low=nan, high=value)], "x", 40, RELEASE)
    expected = "not what can be there" if value in (inf, -inf) else "has no upper bound"
    assert expected in "\n".join(found)


def test_rows_that_stand_twice_are_reasons_even_if_they_agree():
    for second in (ROW, replace(ROW, verdict=Verdict.FAIL)):
        assert privacy_reasons([ROW, second], "x", 40, RELEASE) == [
            "privacy: x, worst, 0, all: is listed twice; make the table again"
        ]
    assert fidelity_reasons([METRIC, replace(METRIC, verdict=Verdict.FAIL)], "x", RELEASE) == [
        "fidelity: x, pi_error, all, all: is listed twice; make the table again"
    ]
    assert fidelity_reasons([METRIC], "x", RELEASE) == []
    bin_fails = replace(METRIC, bin="1-5%", verdict=Verdict.FAIL)
    assert fidelity_reasons([METRIC, bin_fails], "x", RELEASE) == []
    assert fidelity_reasons([METRIC, bin_fails], "x", RELEASE, parts=True) == [
        "fidelity: pi_error 1-5%: fail"
    ]
    overall = replace(METRIC, metric=MetricId.OVERALL, verdict=Verdict.FAIL)
    assert fidelity_reasons([METRIC, bin_fails, overall], "x", RELEASE) == [
        "fidelity: overall: fail (pi_error 1-5%)"
    ]
    many = [replace(bin_fails, population=f"P{k}") for k in range(7)]
    [reason] = fidelity_reasons([METRIC, *many, overall], "x", RELEASE)
    assert "(pi_error P0 1-5%, " in reason
    assert reason.endswith("P4 1-5% and 2 more)")
    assert (
        "not what can be there"
        in fidelity_reasons([replace(METRIC, population="")], "x", RELEASE)[0]
    )


@pytest.mark.parametrize("fewest", [None, "5", 5.0, True, 0, float("nan"), []])
def test_a_model_that_does_not_say_how_few_individuals_is_a_reason(fewest):
    assert model_reasons([{"min_carriers": fewest}], RELEASE) == [
        "model: there is no description of the model that can be read"
    ]
    assert model_reasons([], RELEASE)
    assert "as few as 1" in model_reasons([{"min_carriers": 1}], RELEASE)[0]
    assert "no description" in model_reasons([{}], RELEASE)[0]
    public = {"min_carriers": 4, "privacy": {"mode": "public"}}  # the list of sites is the cohort's
    assert "as few as 4" in model_reasons([public], RELEASE)[0]


def test_who_trained_the_base_of_an_adapted_model_is_not_known():
    """Held-out individuals may have: both roles then leak alike, and no attack tells them apart."""
    models = [
        {"min_carriers": 5, "adapted_from": None},
        {"min_carriers": 5, "adapted_from": "0" * 64},
    ]
    assert model_reasons(models[:1], RELEASE) == []
    [reason] = model_reasons(models, RELEASE)
    assert "was adapted from another model" in reason
    assert model_reasons(models, ReleaseOptions(adapted_models=True)) == []
