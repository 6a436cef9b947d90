"""The planted trial, the learners and the scores against closed forms."""

import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from genoloom.errors import InputError
from genoloom.medicine_config import TrialOptions
from genoloom.treatment.learners import (
    FOLDS,
    OF_SCORES,
    causal_forest,
    cross_fitted_scores,
    doubly_robust_scores,
    estimates,
    fit_arms,
    fit_propensity,
    outcome_model,
    s_learner,
    t_learner,
    x_learner,
)
from genoloom.treatment.routes import copula_draw, factorised, joint, only_genotypes
from genoloom.treatment.sandbox import (
    FEATURES,
    Trial,
    draw_covariates,
    lost_activity,
    negative_controls,
    run_trial,
    true_effect,
)
from genoloom.treatment.scores import (
    calibration_slope,
    policy_value,
    qini,
    rank_agreement,
    regret,
    root_pehe,
    weighted_effects,
    weighted_policy_value,
)
from genoloom.treatment.study import Group, drawn_features


def genotypes(n, rng):
    return np.stack([rng.binomial(2, p, n) for p in (0.2, 0.02, 0.2)], axis=1).astype(float)


def trial(n, seed=1, **knobs):
    rng = np.random.default_rng(seed)
    x = np.hstack([genotypes(n, rng), draw_covariates(n, rng)])
    return run_trial(x, TrialOptions(**knobs), rng)


def test_the_truth_of_the_structural_model():
    x = np.zeros((4, len(FEATURES)))
    x[1, 0], x[2, 2], x[3, 4] = 2, 1, -1  # *2/*2, *1/*17, a low bmi
    assert lost_activity(x[:, :3]).tolist() == [0, 2, -0.5, 0]
    assert true_effect(x, 1.0).tolist() == [8, 32, 2, 5]
    assert true_effect(x, 0.0).tolist() == [8] * 4


def test_rare_events_are_taken_away_from_carriers_alone():
    synthetic = trial(200_000, outcome="events", overlap=0.5)
    assert set(synthetic.y) == {0, 100}
    carrier = synthetic.x[:, 0] > 0
    assert not synthetic.tau[~carrier].any()
    assert synthetic.tau[carrier].min() > 0
    for group in (carrier, ~carrier):
        means = [synthetic.y[group & (synthetic.t == arm)].mean() for arm in (0, 1)]
        error = synthetic.y.std() / np.sqrt(group.sum() / 4)
        assert means[1] - means[0] == pytest.approx(synthetic.tau[group].mean(), abs=3 * error)
    rng = np.random.default_rng(6)
    real = trial(2000, outcome="events")
    for route in (joint(real, 500, rng), factorised(real, genotypes(500, rng), rng, 1)):
        assert set(route.y) == {0, 100}
        assert route.y.mean() == pytest.approx(real.y.mean(), abs=5)


def test_a_randomised_trial_has_the_difference_of_means():
    synthetic = trial(100_000, overlap=0.5)
    assert (synthetic.propensity == 0.5).all()
    difference = synthetic.y[synthetic.t == 1].mean() - synthetic.y[synthetic.t == 0].mean()
    assert difference == pytest.approx(synthetic.tau.mean(), abs=0.3)


def test_knobs():
    synthetic = trial(20_000, overlap=0.2, confounding=3)
    assert synthetic.propensity.min() >= 0.2
    assert synthetic.propensity.max() <= 0.8
    naive = synthetic.y[synthetic.t == 1].mean() - synthetic.y[synthetic.t == 0].mean()
    assert naive < synthetic.tau.mean() - 1  # the sicker are treated
    assert np.ptp(trial(100, heterogeneity=0).tau) == 0

    def left_over(synthetic):
        """What remains of the bias with measured features accounted for."""
        return np.mean(cross_fitted_scores(synthetic, 1)) - synthetic.tau.mean()

    assert abs(left_over(trial(8000))) < 1
    assert left_over(trial(8000, hidden=1.0)) < -2


def test_doubly_robust_scores_are_unbiased_with_the_true_propensity():
    synthetic = trial(200_000, confounding=2)
    wrong = np.zeros(len(synthetic)), np.full(len(synthetic), 50.0)
    scores = doubly_robust_scores(synthetic.y, synthetic.t, synthetic.propensity, *wrong)
    for group in (synthetic.x[:, 0] == 0, synthetic.x[:, 0] > 0, synthetic.x[:, 5] == 1):
        error = scores[group].std() / np.sqrt(group.sum())
        assert scores[group].mean() == pytest.approx(synthetic.tau[group].mean(), abs=4 * error)


def test_doubly_robust_scores_are_exact_with_the_true_outcomes():
    y, t = np.array([3.0, 10.0]), np.array([0.0, 1.0])
    propensity, untreated, treated = np.array([[0.9, 0.2], [3.0, 4.0], [9.0, 10.0]])
    scores = doubly_robust_scores(y, t, propensity, untreated, treated)
    assert scores.tolist() == [6, 6]


def test_learners_beat_a_constant_effect():
    train, judge = trial(2000, noise=4), trial(2000, seed=2)
    found = estimates(train, judge.x, 3)
    errors = {name: root_pehe(tau, judge.tau) for name, tau in found.items()}
    assert errors["zero effect"] == pytest.approx(np.sqrt(np.mean(judge.tau**2)))
    # the best constant has the standard deviation of the truth as its error
    assert errors["constant effect"] == pytest.approx(judge.tau.std(), rel=0.02)
    for name in ("S", "T", "X", "DR"):
        assert errors[name] < errors["constant effect"] / 2, name
        assert rank_agreement(found[name], judge.tau) > 0.9


def test_one_seed_gives_one_estimate():
    synthetic = trial(150)
    first, second = (estimates(synthetic, synthetic.x, 3) for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_a_propensity_of_nobody_treated():
    x = np.zeros((10, 2))
    assert fit_propensity(x, np.zeros(10))(x) == pytest.approx(0.05)


def test_a_rare_haplotype_does_not_decide_the_propensity():
    """All of six carriers are treated: one more carrier is not certain to be."""
    rng = np.random.default_rng(7)
    x, t = np.zeros((1000, 2)), (rng.random(1000) < 0.5).astype(float)
    x[:6, 0], t[:6] = 1, 1
    assert fit_propensity(x, t)(np.array([[1.0, 0.0]]))[0] < 0.85


def test_negative_controls_lose_what_they_should():
    synthetic = trial(4000)
    rng = np.random.default_rng(4)
    controls = negative_controls(synthetic, TrialOptions(), rng)
    assert set(controls) == {"genotype decoupled", "main effects only", "treatment shuffled"}
    decoupled = controls["genotype decoupled"]
    assert abs(np.corrcoef(decoupled.x[:, 0], synthetic.x[:, 0])[0, 1]) < 0.06
    assert (decoupled.x[:, 3:] == synthetic.x[:, 3:]).all()
    assert np.ptp(controls["main effects only"].tau) == 0
    assert controls["treatment shuffled"].t.sum() == synthetic.t.sum()


def test_scores_of_known_estimators():
    tau = np.array([-4.0, 2.0, 8.0, 14.0])
    assert root_pehe(tau + 3, tau) == 3
    assert root_pehe(np.full(4, tau.mean()), tau) == pytest.approx(tau.std())
    assert policy_value(tau, tau > 5, cost=5) == (3 + 9) / 4
    assert regret(tau, tau > 5, cost=5) == 0
    assert regret(tau, np.ones(4, dtype=bool), cost=5) == (9 + 3) / 4
    assert calibration_slope(2 * tau + 7, tau) == pytest.approx(0.5)
    assert np.isnan(calibration_slope(np.ones(4), tau))
    assert rank_agreement(tau**3, tau) == pytest.approx(1)
    assert np.isnan(rank_agreement(np.ones(4), tau))


def test_qini_of_rankings():
    effects = np.array([4.0, 3.0, 2.0, 1.0])
    # curve 1, 1.75, 2.25, 2.5 against 0.625, 1.25, 1.875, 2.5
    assert qini(effects, effects) == pytest.approx((0.375 + 0.5 + 0.375) / 4)
    assert qini(-effects, effects) == pytest.approx(-(0.375 + 0.5 + 0.375) / 4)
    assert qini(np.ones(4), effects) == pytest.approx(0)


def test_what_a_user_sees_is_unbiased():
    synthetic = trial(200_000)
    effects = weighted_effects(synthetic.y, synthetic.t, synthetic.propensity)
    assert effects.mean() == pytest.approx(synthetic.tau.mean(), abs=0.5)
    assert qini(synthetic.tau, effects) == pytest.approx(
        qini(synthetic.tau, synthetic.tau), rel=0.1
    )
    treat = synthetic.tau > 10
    seen = weighted_policy_value(synthetic.y, synthetic.t, synthetic.propensity, treat, 10)
    assert seen == pytest.approx(policy_value(synthetic.tau, treat, 10), abs=0.4)


def test_copula_keeps_margins_and_correlation():
    rng = np.random.default_rng(5)
    normal = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 5000)
    table = np.column_stack([np.exp(normal[:, 0]), normal[:, 1] > 1])
    drawn = copula_draw(table, [False, True], 5000, rng)
    assert set(drawn[:, 1]) == {0, 1}
    assert drawn[:, 1].mean() == pytest.approx(table[:, 1].mean(), abs=0.02)
    quantiles = np.linspace(0.1, 0.9, 9)
    expected = np.quantile(table[:, 0], quantiles)
    assert np.quantile(drawn[:, 0], quantiles) == pytest.approx(expected, rel=0.1)
    assert drawn[drawn[:, 1] == 1, 0].mean() > 1.5 * drawn[drawn[:, 1] == 0, 0].mean()


def modified(synthetic):
    """Difference of the effect between carriers of a haplotype without function and others."""
    carrier = synthetic.x[:, 0] > 0

    def effect(rows):
        return (
            synthetic.y[rows & (synthetic.t == 1)].mean()
            - synthetic.y[rows & (synthetic.t == 0)].mean()
        )

    return effect(carrier) - effect(~carrier)


def test_routes():
    options, rng = TrialOptions(), np.random.default_rng(6)
    real = trial(6000)
    own = genotypes(6000, rng)
    first = only_genotypes(own, options, rng)
    third = factorised(real, own, rng, 1)
    second = joint(real, 6000, rng)
    assert (first.x[:, :3] == own).all()
    assert (third.x[:, :3] == own).all()
    assert third.t.mean() == pytest.approx(real.t.mean(), abs=0.03)
    assert third.y.std() == pytest.approx(real.y.std(), rel=0.1)
    assert second.x.mean(axis=0) == pytest.approx(real.x.mean(axis=0), abs=0.06)
    expected = modified(real)
    assert expected > 10
    assert modified(first) == pytest.approx(expected, abs=2.5)
    assert modified(third) == pytest.approx(expected, abs=2.5)
    assert abs(modified(second)) < expected / 2  # a copula knows no interaction


def test_features_have_names():
    assert isinstance(trial(10), Trial)
    assert trial(10).x.shape == (10, len(FEATURES))


@pytest.fixture(scope="module")
def for_econml():
    """A trial in which effects differ, and whom to estimate them of."""
    pytest.importorskip("econml")
    rng = np.random.default_rng(41)
    options = TrialOptions(noise=3.0)
    x = np.hstack([rng.binomial(1, 0.3, (900, 3)), draw_covariates(900, rng)])
    return run_trial(x[:600], options, rng), x[600:]


def test_meta_learners_are_those_of_econml(for_econml):
    from econml.dr import DRLearner
    from econml.metalearners import SLearner, TLearner, XLearner

    made, target = for_econml
    arms = fit_arms(made, 5)
    counts = [int((made.t == arm).sum()) for arm in (0, 1)]
    models = [outcome_model(n, 5) for n in counts]
    theirs = TLearner(models=models).fit(made.y, made.t, X=made.x).effect(target)
    np.testing.assert_allclose(t_learner(arms, target), theirs, rtol=1e-9)
    propensity = LogisticRegression(max_iter=1000)
    theirs = XLearner(models=models, propensity_model=propensity)
    theirs = theirs.fit(made.y, made.t, X=made.x).effect(target)
    assert np.corrcoef(x_learner(made, arms, target, 5), theirs)[0, 1] > 0.99
    theirs = SLearner(overall_model=outcome_model(600, 5)).fit(made.y, made.t, X=made.x)
    assert np.corrcoef(s_learner(made, target, 5), theirs.effect(target))[0, 1] > 0.98
    theirs = DRLearner(
        model_propensity=propensity, model_regression=outcome_model(600, 5),
        model_final=outcome_model(600, 5, OF_SCORES), cv=FOLDS, min_propensity=0.05, random_state=1,
    ).fit(made.y, made.t, X=made.x)  # fmt: skip
    own = estimates(made, target, 5)["DR"]
    assert np.corrcoef(own, theirs.effect(target))[0, 1] > 0.9  # other folds


def test_the_causal_forest_finds_effects(for_econml):
    made, target = for_econml
    found = estimates(made, target, 5, forest=True)
    truth = true_effect(target, 1.0)
    assert root_pehe(found["causal forest"], truth) < root_pehe(found["constant effect"], truth) / 2


def test_a_causal_forest_without_econml_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "econml.dml", None)
    made = run_trial(np.zeros((50, 7)), TrialOptions(), np.random.default_rng(1))
    with pytest.raises(InputError, match="needs econml") as error:
        causal_forest(made, made.x, 1)
    assert "genoloom[ite]" in error.value.remedy


def test_imbalance_of_ancestry_thins_the_other_populations():
    class Known:
        features = np.repeat([[0.0], [1.0], [2.0]], [600, 300, 100], axis=0)

    group = Group(Known(), ["A"] * 600 + ["B"] * 300 + ["C"] * 100)

    def shares(imbalance):
        rng = np.random.default_rng(1)
        drawn = drawn_features(group, 20_000, ("A", imbalance), rng)[:, 0].astype(int)
        return np.bincount(drawn, minlength=3) / len(drawn)

    assert shares(0) == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    assert shares(0.75) == pytest.approx([6 / 7, 0.75 / 7, 0.25 / 7], abs=0.02)
    assert shares(1).tolist() == [1, 0, 0]
    with pytest.raises(InputError, match="nobody of X"):
        drawn_features(group, 10, ("X", 1.0), np.random.default_rng(1))
