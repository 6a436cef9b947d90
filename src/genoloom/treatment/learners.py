"""Estimators of individual treatment effects: S-, T-, X- and DR-learner on gradient boosting.

Kuenzel et al. 2019, doi:10.1073/pnas.1804597116 (S, T, X); Kennedy 2023, doi:10.1214/23-EJS2157
(DR).
"""

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from genoloom.errors import InputError
from genoloom.treatment.sandbox import Trial

FOLDS = 3  # of cross-fitting
FOREST = 400  # trees
TRIM = 0.05  # propensities are kept this far from 0 and 1
LEAVES = 8  # of a tree
OF_SCORES = 4  # doubly robust scores vary far more than outcomes: smaller trees
# as many trees as lower the loss of a validation set
MOST_TREES, PATIENCE, VALIDATION_SHARE = 400, 20, 0.1
FEWEST, FEW_TREES = 50, 60  # fewer individuals have no validation set
Predict = Callable[[np.ndarray], np.ndarray]


def fit_outcome(x: np.ndarray, y: np.ndarray, seed: int, leaves: int = LEAVES) -> Predict:
    """A regression of `y` on `x`, with small trees: cohorts have hundreds to thousands of rows."""
    return outcome_model(len(y), seed, leaves).fit(x, y).predict


def outcome_model(n: int, seed: int, leaves: int = LEAVES) -> HistGradientBoostingRegressor:
    """The regression of `fit_outcome` for n individuals, not fitted; how many trees help depends on
    the noise.
    """
    decided = n >= FEWEST
    return HistGradientBoostingRegressor(
        max_iter=MOST_TREES if decided else FEW_TREES, max_leaf_nodes=leaves,
        min_samples_leaf=max(1, min(10, n // 10)), l2_regularization=1.0, early_stopping=decided,
        validation_fraction=VALIDATION_SHARE, n_iter_no_change=PATIENCE, random_state=seed % 2**32,
    )  # fmt: skip


def fit_propensity(x: np.ndarray, t: np.ndarray) -> Predict:
    """Probability of treatment 1 by logistic regression, trimmed.

    Features are not scaled, being in about one unit: the penalty then keeps the coefficients of
    rare haplotypes small, of which all carriers in a fold may have one treatment.
    """
    if len(np.unique(t)) < 2:
        return lambda rows: np.full(len(rows), np.clip(t.mean(), TRIM, 1 - TRIM))
    model = LogisticRegression(max_iter=1000).fit(x, t)
    return lambda rows: np.clip(model.predict_proba(rows)[:, 1], TRIM, 1 - TRIM)


def s_learner(trial: Trial, target: np.ndarray, seed: int) -> np.ndarray:
    """One regression with the treatment as a feature."""
    predict = fit_outcome(np.column_stack([trial.x, trial.t]), trial.y, seed)
    given = (np.full(len(target), t) for t in (0.0, 1.0))
    untreated, treated = (predict(np.column_stack([target, t])) for t in given)
    return treated - untreated


def fit_arms(trial: Trial, seed: int) -> tuple[Predict, Predict]:
    """Regressions of the outcome among those with treatment 0, and with treatment 1."""
    of = [trial.t == arm for arm in (0, 1)]
    untreated, treated = (fit_outcome(trial.x[rows], trial.y[rows], seed) for rows in of)
    return untreated, treated


def t_learner(arms: tuple[Predict, Predict], target: np.ndarray) -> np.ndarray:
    """The difference of two regressions, one for each treatment."""
    untreated, treated = arms
    return treated(target) - untreated(target)


def x_learner(
    trial: Trial, arms: tuple[Predict, Predict], target: np.ndarray, seed: int
) -> np.ndarray:  # fmt: skip
    """Effects imputed with the regression of the other treatment, regressed in both arms, and
    weighted by the propensity.
    """
    untreated, treated = arms
    one = trial.t == 1
    gain = fit_outcome(trial.x[one], trial.y[one] - untreated(trial.x[one]), seed)
    loss = fit_outcome(trial.x[~one], treated(trial.x[~one]) - trial.y[~one], seed)
    weight = fit_propensity(trial.x, trial.t)(target)
    return weight * loss(target) + (1 - weight) * gain(target)


def doubly_robust_scores(
    y: np.ndarray, t: np.ndarray, propensity: np.ndarray, untreated: np.ndarray, treated: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Pseudo-outcomes whose mean given features is the effect, if the propensity or both
    regressions are right (Robins and Rotnitzky 1995, doi:10.1080/01621459.1995.10476494).
    """
    fitted = np.where(t == 1, treated, untreated)
    weight = (t - propensity) / (propensity * (1 - propensity))
    return treated - untreated + weight * (y - fitted)


def cross_fitted_scores(trial: Trial, seed: int) -> np.ndarray:
    """Doubly robust scores, each from models that did not see the individual; shape (n,)."""
    scores = np.empty(len(trial))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed % 2**32)
    for fit, out in folds.split(trial.x, trial.t):
        part = Trial(trial.x[fit], trial.t[fit], trial.y[fit])
        untreated, treated = fit_arms(part, seed)
        rows = trial.x[out]
        propensity = fit_propensity(part.x, part.t)(rows)
        known = trial.y[out], trial.t[out], propensity
        scores[out] = doubly_robust_scores(*known, untreated(rows), treated(rows))
    return scores


def causal_forest(trial: Trial, target: np.ndarray, seed: int) -> np.ndarray:
    """A causal forest on residuals of outcome and treatment (Athey et al. 2019,
    doi:10.1214/18-AOS1709), by econml.

    Raises
    ------
    InputError
        econml is not installed.
    """
    try:
        from econml.dml import CausalForestDML
    except ImportError:
        raise InputError(
            "--causal-forest", "needs econml, which is not installed",
            remedy="pip install 'genoloom[ite]', or do without",
        ) from None  # fmt: skip
    model = CausalForestDML(
        model_y=outcome_model(len(trial), seed), model_t=LogisticRegression(max_iter=1000),
        discrete_treatment=True, cv=FOLDS, n_estimators=FOREST, min_samples_leaf=10, n_jobs=1,
        random_state=seed % 2**31,
    )  # fmt: skip
    return model.fit(trial.y, trial.t, X=trial.x).effect(target).ravel()


def estimates(
    trial: Trial, target: np.ndarray, seed: int, forest: bool = False
) -> dict[str, np.ndarray]:  # fmt: skip
    """Effects of the individuals `target`, shape (n, n_features), by each learner, the causal
    forest if asked; float64, shape (n,) each.

    `constant effect` gives everybody the mean of the doubly robust scores, `zero effect` none: what
    a learner must beat.
    """
    arms, scores = fit_arms(trial, seed), cross_fitted_scores(trial, seed)
    return {
        "S": s_learner(trial, target, seed),
        "T": t_learner(arms, target),
        "X": x_learner(trial, arms, target, seed),
        "DR": fit_outcome(trial.x, scores, seed, OF_SCORES)(target),
        **({"causal forest": causal_forest(trial, target, seed)} if forest else {}),
        "constant effect": np.full(len(target), scores.mean()),
        "zero effect": np.zeros(len(target)),
    }
