"""Doses of hand-made individuals, and the trial of guided against fixed doses."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from genoloom.medicine_config import TrialOptions
from genoloom.treatment.sandbox import draw_covariates, run_trial
from genoloom.treatment.star_alleles import call_star_alleles, read_genes
from genoloom.treatment.study import Group, diplotype_rows, effect_rows
from genoloom.treatment.warfarin import (
    FIXED,
    IN_RANGE,
    SPREAD,
    WIDTH,
    WarfarinGenotypes,
    fixed_and_gained,
    needed_dose,
    time_in_range,
    weekly_dose,
    within_20,
)


def test_the_guided_dose_is_that_of_the_consortium():
    """A man of 60, 175 cm and 82.6875 kg; a woman of 84, 162 cm and 81.34992 kg."""
    x = np.zeros((4, 7))
    x[1, :3], x[2, :3] = (2, 1, 0), (1, 1, 1)
    x[3] = 0, 0, 2, 2, 1, 1, 1
    base = 5.6044 - 0.2614 * 6 + 0.0087 * 175 + 0.0128 * 82.6875
    woman = 5.6044 - 0.2614 * 8 + 0.0087 * 162 + 0.0128 * 81.3564 - 2.3312
    expected = [base, base - 1.6974 - 0.5211, base - 0.8677 - 1.9206, woman]
    np.testing.assert_allclose(weekly_dose(x), np.square(expected), rtol=1e-6)


def test_time_in_range_is_an_integral():
    guided = np.array([20.0, 35.0, 60.0])
    found = time_in_range(FIXED, guided)
    for mean, value in zip(np.log(FIXED / guided), found, strict=True):
        kept, _ = quad(
            lambda z, m=mean: np.exp(-abs(m - SPREAD * z) / WIDTH) * norm.pdf(z), -8, 8,
            points=[mean / SPREAD],
        )  # fmt: skip
        assert value == pytest.approx(IN_RANGE * kept, abs=1e-6)
    x = np.zeros((1, 7))
    x[0, 0] = 2
    fixed, gained = fixed_and_gained(x)
    assert fixed[0] + gained[0] == pytest.approx(found[1])  # the guided dose, whatever it is
    drawn = needed_dose(np.repeat(x, 20_000, axis=0), np.random.default_rng(1))
    times = IN_RANGE * np.exp(-np.abs(np.log(FIXED / drawn)) / WIDTH)
    assert times.mean() == pytest.approx(fixed[0], rel=0.02)


def test_shares_within_a_fifth():
    found = within_20(np.array([10.0, 25, 40, 90]), np.array([12.0, 20, 40, 60]))
    assert found == {
        "all": (0.5, 4), "low dose": (0.5, 2), "intermediate dose": (1.0, 1), "high dose": (0.0, 1),
    }  # fmt: skip


def group(rng, n, sensitive=0.4):
    """Individuals with VKORC1 -1639A, CYP2C9*2 and *3."""
    calls = []
    for name, share in (
        ("CYP2C9", {96702047: 0.15, 96741053: 0.1}),
        ("VKORC1", {31107689: sensitive}),
    ):
        gene = read_genes()[name]
        variants = gene.variants("GRCh37")
        drawn = rng.random(2 * n)
        carried, low = np.zeros((len(variants), 2 * n), dtype=bool), 0.0
        for position, own in share.items():
            row = next(i for i, v in enumerate(variants) if v[0] == position)
            carried[row] = (drawn >= low) & (drawn < low + own)
            low += own
        calls.append(call_star_alleles(gene, "GRCh37", carried))
    return Group(WarfarinGenotypes.of(*calls), ["A", "B"] * (n // 2))


def test_genotypes_and_effects():
    genotypes = group(np.random.default_rng(2), 400).diplotypes
    features, names = genotypes.features, genotypes.names
    assert features.shape == (400, 3)
    assert features.max(axis=0).tolist() == [2, 2, 2]
    for row, name in zip(features.tolist(), names, strict=True):
        vkorc1, cyp2c9 = name.split()
        assert vkorc1.count("A") == row[0]
        assert (cyp2c9.count("*2"), cyp2c9.count("*3")) == (row[1], row[2])
    options = TrialOptions(outcome="warfarin", noise=0.001)
    x = np.hstack([features, draw_covariates(400, np.random.default_rng(3))])
    trial = run_trial(x, options, np.random.default_rng(4))
    np.testing.assert_allclose(trial.tau, fixed_and_gained(x)[1])
    flat = run_trial(x, TrialOptions(outcome="warfarin", heterogeneity=0), np.random.default_rng(4))
    assert np.ptp(flat.tau) == 0
    assert (trial.tau >= 0).all()


def test_the_study_tells_right_from_wrong_genotypes():
    rng = np.random.default_rng(5)
    train, holdout, synthetic = (group(rng, 600) for _ in range(3))
    options = TrialOptions(outcome="warfarin", draws=1)
    rows = effect_rows(train, holdout, synthetic, options, 7)
    value = {(r.data, r.learner, r.metric, r.group): r.value for r in rows}
    for learner in ("T", "X", "DR"):
        assert value["genotypes", learner, "root_pehe_ratio", "all"] < 1.5
    assert value["genotype decoupled", "DR", "root_pehe_ratio", "all"] > 1.3
    share = {key: v for key, v in value.items() if key[2] == "dose_within_20"}
    for who in (("real", "dose regression"), ("genotypes", "dose regression")):
        assert share[*who, "dose_within_20", "all"] > 0.35
    algorithm = share["truth", "algorithm", "dose_within_20", "all"]
    # of a log-normal factor
    right = norm.cdf(np.log(1 / 0.8) / SPREAD) - norm.cdf(np.log(1 / 1.2) / SPREAD)
    assert algorithm == pytest.approx(right, abs=0.06)
    assert algorithm > share["truth", "fixed dose", "dose_within_20", "all"] + 0.1
    tv = {r.metric: r.value for r in diplotype_rows(train, holdout, synthetic)}
    assert tv["diplotype_tv"] < 0.2
