"""The gate's rules on tables and options: what is looser, of the wrong type or is listed twice
never passes.
"""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel
from hypothesis import given, settings
from hypothesis import strategies as st

from genoloom.audit_levels import FEWEST_RESAMPLES
from genoloom.config import AuditOptions, ReleaseOptions, SplitOptions, ValidateOptions
from genoloom.formats.tables import format_cell
from genoloom.privacy.audit import audit
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.gate import (
    LOOSER,
    THRESHOLDS,
    fidelity_reasons,
    loosened_thresholds,
    model_reasons,
    number,
    option_reasons,
    privacy_reasons,
)
from genoloom.privacy.rows import PRIVATE_COLUMNS
from genoloom.validation.cohorts import compare
from genoloom.validation.rows import COLUMNS as FIDELITY_COLUMNS

RELEASE = ReleaseOptions()
GOOD = AuditOptions(shadow_models=4, shadow_steps=1).model_dump()


@pytest.mark.parametrize("section", LOOSER)
def test_somebody_has_thought_about_every_option(section):
    assert set(LOOSER[section]) == set(section.model_fields)


def test_every_threshold_of_the_release_stands_in_the_readme():
    assert set(ReleaseOptions.model_fields) - set(THRESHOLDS) == {
        "consensus",
        "canaries",
        "licence",
    }
    assert not any(looser for *_, looser in loosened_thresholds(RELEASE))
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
    rows = audit(data, "x", "generator", options.bootstrap, options.max_auc, seed).private
    table = [{column: format_cell(row.get(column)) for column in PRIVATE_COLUMNS} for row in rows]
    found = privacy_reasons(table, "x", individuals.n, release)
    found += option_reasons("audit", AuditOptions, options.model_dump(), release)
    assert found
    assert not [
        reason
        for reason in found
        if "not what can be there" in reason or "is listed twice" in reason
    ]


ROW = dict.fromkeys(PRIVATE_COLUMNS, "") | {
    "generator": "x", "role": "generator", "attack": "worst", "population": "all", "measure": "auc",
    "value": "0.5", "low": "0.4", "high": "0.55",
    "reference": "0.55", "n": "40", "verdict": "pass", "tpr_at_1_percent_fpr": "0.01",
    "tpr_reference": "0.02",
}  # fmt: skip
METRIC = dict.fromkeys(FIDELITY_COLUMNS, "") | {
    "generator": "x", "role": "generator", "metric": "m", "population": "all", "bin": "all",
    "value": "0.5", "nfr": "inf", "n": "40",
    "verdict": "pass",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"high": "x"}, {"high": "-5"}, {"high": "1.2"}, {"high": "inf"}, {"high": "nan"},
        {"high": "0.3"}, {"high": "0_1"}, {"high": " 0.5"},
        {"low": "٠"}, {"tpr_reference": "7"}, {"n": "40.0"}, {"n": ""}, {"n": "-1"},
        {"n": "9" * 30}, {"n": "²"}, {"verdict": "PASS"},
        {"verdict": ""}, {"population": ""}, {"attack": ""},
    ],
)  # fmt: skip
def test_cells_of_the_wrong_type_are_reasons(change):
    assert not [r for r in privacy_reasons([ROW], "x", 40, RELEASE) if "not what can be there" in r]
    assert "not what can be there" in privacy_reasons([ROW | change], "x", 40, RELEASE)[0]


def test_rows_that_stand_twice_are_reasons_even_if_they_agree():
    for second in (ROW, ROW | {"verdict": "fail"}):
        assert privacy_reasons([ROW, second], "x", 40, RELEASE) == [
            "privacy: x, worst, all: is listed twice; make the table again"
        ]
    assert fidelity_reasons([METRIC, METRIC | {"verdict": "fail"}], "x", RELEASE) == [
        "fidelity: x, m, all, all: is listed twice; make the table again"
    ]
    assert fidelity_reasons([METRIC], "x", RELEASE) == []
    assert "not what can be there" in fidelity_reasons([METRIC | {"z": "much"}], "x", RELEASE)[0]


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


def test_numbers_are_finite():
    assert number("0.5") == 0.5
    assert [number(text) for text in ("", "x", "inf", "nan", "1_0", "٣")] == [None] * 6
