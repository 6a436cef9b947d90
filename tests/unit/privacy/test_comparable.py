"""What is not comparable is no pass, and the reason says what it looks like."""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.comparable import correlation, reasons_against
from genoloom.validation.cohorts import compare

RNG = np.random.default_rng(1)
REAL = RNG.beta(0.3, 1.0, 400)
ALLELES = founder_mosaic(400, 6 * 24, np.random.default_rng(3), founders=200)


@pytest.mark.parametrize(
    ("synthetic", "unmatched", "said"),
    [
        (REAL + 0.01 * RNG.standard_normal(400), 0.0, []),
        (1 - REAL, 0.0, ["0 and 1 look exchanged"]),
        (np.roll(REAL, 1), 0.0, ["shifted by 1 site"]),
        (np.roll(REAL, -2), 0.0, ["shifted by 2 sites"]),
        (1 - np.roll(REAL, 1), 0.0, ["shifted by 1 site"]),
        (RNG.permutation(REAL), 0.0, ["correlate by"]),
        (np.zeros(400), 0.0, ["correlate by nan"]),
        (REAL, 0.06, ["6% of the synthetic sites are not in the real files"]),
        (REAL, 0.05, []),
    ],
)
def test_reasons(synthetic, unmatched, said):
    found = reasons_against({"20": np.stack([synthetic, REAL])}, unmatched)
    assert len(found) == len(said)
    for reason, part in zip(found, said, strict=True):
        assert part in reason


def test_few_sites_are_a_reason():
    [reason] = reasons_against({"20": np.stack([REAL[:49], REAL[:49]])}, 0.0)
    assert "only 49 sites" in reason
    assert correlation(REAL[:1], REAL[:1]) != correlation(REAL[:1], REAL[:1])  # NaN


def test_one_contig_of_several_is_enough():
    large, small = np.tile(REAL, (2, 3)), np.stack([1 - REAL[:60], REAL[:60]])
    assert correlation(*np.concatenate([large, small], axis=1)) > 0.8
    [reason] = reasons_against({"20": large, "21": small}, 0.0)
    assert reason.startswith("contig 21: allele frequencies")
    assert "0 and 1 look exchanged" in reason
    assert reasons_against({"20": large, "21": small[:, :49]}, 0.0) == []


@pytest.mark.parametrize("change", ["none", "complement", "shift", "unmatched"])
def test_an_audit_of_what_is_not_comparable_does_not_pass(change):
    fresh, real = ALLELES[:, :48], ALLELES[:, 48:]
    synthetic = {"complement": 1 - fresh, "shift": np.roll(fresh, 1, axis=0)}.get(change, fresh)
    panel, real_panel = make_panel(synthetic), make_panel(real)
    individuals = compare(
        panel.individuals, real_panel.individuals, ["holdout"] * 24 + ["train"] * 24, 0, seed=1
    )
    data = AuditData(individuals, [50], [20])
    data.add(panel, real_panel, real_panel.sites.cm)
    found = Auditor(
        data,
        "synthetic",
        "generator",
        200,
        0.9,
        seed=1,
        unmatched=0.2 if change == "unmatched" else 0.0,
    ).audit()
    rows = {row.attack: row for row in found.rows if row.population == "all"}
    assert rows[AttackId.COMPARABLE].verdict == ("pass" if change == "none" else "not run")
    assert bool(found.not_comparable) == (change != "none")
    assert change == "none" or rows[AttackId.WORST].verdict != "pass"
