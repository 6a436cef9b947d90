"""Three ways to a synthetic trial: only genotypes are synthetic; all columns are drawn jointly; or
one factor after the other, P(X) P(T | X) P(Y | X, T).
"""

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from genoloom.medicine_config import TrialOptions
from genoloom.treatment.learners import fit_outcome, fit_propensity
from genoloom.treatment.sandbox import (
    COVARIATES,
    DISCRETE,
    FEATURES,
    GENOTYPE,
    Trial,
    draw_covariates,
    draw_events,
    run_trial,
)


def only_genotypes(genotype: np.ndarray, options: TrialOptions, rng: np.random.Generator) -> Trial:
    """Synthetic genotypes, shape (n, 3); all else comes from the true structural model."""
    x = np.hstack([genotype, draw_covariates(len(genotype), rng)])
    return run_trial(x, options, rng)


def copula_draw(
    table: np.ndarray, discrete: list[bool], n: int, rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """Rows of a Gaussian copula with the margins of `table`, float64, shape (n, n_columns).

    Ties are ranked at random. Discrete columns take values of the table; the others lie between its
    order statistics.
    """
    rows, width = table.shape
    jitter = rng.random(table.shape)
    ranks = [rankdata(np.lexsort((jitter[:, j], table[:, j])).argsort()) for j in range(width)]
    normal = ndtri((np.stack(ranks, axis=1) - 0.5) / rows)
    drawn = ndtr(rng.multivariate_normal(np.zeros(width), np.corrcoef(normal.T), n, method="eigh"))
    methods = ["inverted_cdf" if own else "linear" for own in discrete]
    columns = [
        np.quantile(table[:, j], drawn[:, j], method=method) for j, method in enumerate(methods)
    ]  # fmt: skip
    return np.stack(columns, axis=1)


def joint(trial: Trial, n: int, rng: np.random.Generator) -> Trial:
    """All columns from one Gaussian copula: it knows no interaction of two columns on a third."""
    table = np.column_stack([trial.x, trial.t, trial.y])
    discrete = [name in DISCRETE for name in FEATURES] + [True, _events(trial.y)]
    drawn = copula_draw(table, discrete, n, rng)
    return Trial(drawn[:, :-2], drawn[:, -2], drawn[:, -1])


def factorised(
    trial: Trial, genotype: np.ndarray, rng: np.random.Generator, seed: int
) -> Trial:  # fmt: skip
    """Synthetic genotypes, shape (n, 3), next to covariates of a copula; then `draw_outcomes`."""
    own = trial.x[:, len(GENOTYPE) :]
    discrete = [name in DISCRETE for name in COVARIATES]
    x = np.hstack([genotype, copula_draw(own, discrete, len(genotype), rng)])
    return draw_outcomes(trial, x, rng, seed)


def draw_outcomes(
    trial: Trial, x: np.ndarray, rng: np.random.Generator, seed: int
) -> Trial:  # fmt: skip
    """For features of other individuals, shape (n, n_features), treatments of a propensity that is
    fitted on a trial, and outcomes of a regression for each treatment: its mean and normal
    residuals, or events (outcomes of 0 and 100) with this chance.
    """
    t = (rng.random(len(x)) < fit_propensity(trial.x, trial.t)(x)).astype(float)
    y = np.empty(len(x))
    for arm in (0, 1):
        rows = trial.t == arm
        predict = fit_outcome(trial.x[rows], trial.y[rows], seed)
        there = t == arm
        if _events(trial.y):
            y[there] = draw_events(predict(x[there]), rng)
            continue
        spread = _residual_spread(trial.x[rows], trial.y[rows], seed)
        y[there] = predict(x[there]) + spread * rng.standard_normal(int(there.sum()))
    return Trial(x, t, y)


def _events(y: np.ndarray) -> bool:
    return bool(np.isin(y, (0, 100)).all())


def _residual_spread(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Standard deviation of residuals of individuals that the regression did not see."""
    half = np.arange(len(y)) % 2 == 0
    folds = ((half, ~half), (~half, half))
    residuals = [y[a] - fit_outcome(x[b], y[b], seed)(x[a]) for a, b in folds]
    return float(np.concatenate(residuals).std())
