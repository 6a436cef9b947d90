"""Association: planted traits, linear and logistic regression on each site, clumps."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

BLOCK = 256  # sites of logistic regressions at a time
MOST_STEPS = 25  # of Newton's method; it takes 4 or 5 where there is a finite maximum
RIDGE = 1e-9  # of the information of covariates that separate cases from controls without error


@dataclass(frozen=True)
class Scan:
    """Simple linear regressions of traits on sites, with an intercept.

    Attributes
    ----------
    effect : ndarray, float32, shape (n_traits, n_variants)
        Slope on the dosage, in the unit of the trait; 0 where a site does not vary.
    t : ndarray, float32, shape (n_traits, n_variants)
        Its t statistic, of n_individuals - 2 degrees of freedom.
    r2 : ndarray, float32, shape (n_variants, n_variants)
        Squared correlations of the dosages.
    """

    effect: np.ndarray
    t: np.ndarray
    r2: np.ndarray


def scan(dosage: np.ndarray, traits: np.ndarray) -> Scan:
    """Regress each trait on each site.

    Parameters
    ----------
    dosage : ndarray, float32, shape (n_variants, n_individuals)
    traits : ndarray, float32, shape (n_traits, n_individuals)
    """
    x = dosage - dosage.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("vn,vn->v", x, x))
    inverse = np.divide(1, length, out=np.zeros_like(length), where=length > 1e-6)
    x *= inverse[:, None]
    y = traits - traits.mean(axis=1, keepdims=True)
    product = y @ x.T
    r = product / np.maximum(np.sqrt(np.einsum("kn,kn->k", y, y)), 1e-12)[:, None]
    t = r * np.sqrt((dosage.shape[1] - 2) / np.maximum(1 - r * r, 1e-6))
    correlation = x @ x.T
    return Scan(product * inverse, t, np.multiply(correlation, correlation, out=correlation))


def linear_scan(
    dosage: np.ndarray, traits: np.ndarray, covariates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Regress each trait on each site, with an intercept and covariates in every regression.

    Sites and traits are first regressed on the covariates (Frisch and Waugh 1933,
    doi:10.2307/1907330), as `plink2 --glm` with the same covariates gives it.

    Parameters
    ----------
    dosage : ndarray, shape (n_variants, n_individuals)
    traits : ndarray, shape (n_traits, n_individuals)
    covariates : ndarray, shape (n_individuals, n_covariates)
        Linearly independent of each other and of an intercept.

    Returns
    -------
    (effect, t) : ndarray, float64, shape (n_traits, n_variants) each
        Slopes and t statistics, of n_individuals - 2 - n_covariates degrees of freedom; 0 where a
        site does not vary next to the covariates.
    """
    n = dosage.shape[1]
    design, _ = np.linalg.qr(np.column_stack([np.ones(n), covariates]))
    x, y = (values.astype(np.float64) for values in (dosage, traits))
    x, y = (values - values @ design @ design.T for values in (x, y))
    length = np.sqrt(np.einsum("vn,vn->v", x, x))
    inverse = np.divide(1, length, out=np.zeros_like(length), where=length > 1e-6)
    along = y @ x.T * inverse
    rest = np.einsum("kn,kn->k", y, y)[:, None] - along**2
    free = n - 1 - design.shape[1]
    return along * inverse, along * np.sqrt(free / np.maximum(rest, 1e-12))


def logistic_scan(
    dosage: np.ndarray, traits: np.ndarray, covariates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Logistic regression of each binary trait on each site, with an intercept and covariates in
    every regression: maximum likelihood by Newton's method, Wald statistics, as
    `plink2 --glm no-firth` with the same covariates gives it.

    Parameters
    ----------
    dosage : ndarray, shape (n_variants, n_individuals)
    traits : ndarray, shape (n_traits, n_individuals)
        1 cases, 0 controls; or probabilities in between.
    covariates : ndarray, shape (n_individuals, n_covariates)
        Linearly independent of each other and of an intercept.

    Returns
    -------
    (effect, z) : ndarray, float64, shape (n_traits, n_variants) each
        Log odds ratios of one copy, and what they are over their standard errors; 0 where a site
        does not vary next to the covariates, or parts cases from controls so that there is no
        finite estimate.
    """
    n = dosage.shape[1]
    design, _ = np.linalg.qr(np.column_stack([np.ones(n), covariates]))
    effect, z = np.zeros((2, len(traits), len(dosage)))
    left = dosage.astype(np.float64)
    left -= left @ design @ design.T
    varies = np.flatnonzero(np.einsum("vn,vn->v", left, left) > 1e-12 * n)
    for k, y in enumerate(np.asarray(traits, dtype=np.float64)):
        if y.min() == y.max():
            continue
        null = _newton(np.zeros((1, n)), y, design, np.zeros(design.shape[1]))[1][0]
        for at in range(0, len(varies), BLOCK):
            sites = varies[at : at + BLOCK]
            # of the rest, so that few steps are needed; the estimate is the same
            found, _, error, settled = _newton(left[sites], y, design, null)
            effect[k, sites] = np.where(settled, found, 0.0)
            z[k, sites] = np.where(settled, found / error, 0.0)
    return effect, z


def _newton(
    x: np.ndarray, y: np.ndarray, design: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Slopes of logistic regressions on a column x of their own, shape (n_fits, n), next to shared
    ones, (n, n_shared), whose coefficients start at `start`; these coefficients; standard errors of
    the slopes; and whether each fit settled.
    """
    n_fits, shared = len(x), design.shape[1]
    pairs = np.triu_indices(shared)
    products = design[:, pairs[0]] * design[:, pairs[1]]
    beta = np.concatenate([np.zeros((n_fits, 1)), np.tile(start, (n_fits, 1))], axis=1)
    error, settled = np.ones(n_fits), np.zeros(n_fits, dtype=bool)
    for _ in range(MOST_STEPS):
        rows = np.flatnonzero(~settled)
        if not len(rows):
            break
        own = x[rows]
        mean = expit(beta[rows, 1:] @ design.T + beta[rows, :1] * own)
        weight, rest = mean * (1 - mean), y - mean
        weighted = weight * own
        information = np.empty((len(rows), 1 + shared, 1 + shared))
        information[:, 0, 0] = np.einsum("fn,fn->f", weighted, own)
        information[:, 0, 1:] = information[:, 1:, 0] = weighted @ design
        information[:, 1 + pairs[0], 1 + pairs[1]] = weight @ products
        information[:, 1 + pairs[1], 1 + pairs[0]] = information[:, 1 + pairs[0], 1 + pairs[1]]
        inverse = np.linalg.inv(information + RIDGE * np.eye(1 + shared))
        score = np.column_stack([np.einsum("fn,fn->f", own, rest), rest @ design])
        step = np.einsum("fij,fj->fi", inverse, score)
        beta[rows] += step
        errors = np.sqrt(np.maximum(np.diagonal(inverse, axis1=1, axis2=2), 1e-300))
        error[rows] = errors[:, 0]
        # steps shrink with their square: what is left is far below this. Without a finite maximum
        # errors grow and the slope goes on by about 1
        small = (np.abs(step) < 1e-4 * errors).all(axis=1)
        settled[rows] = small & (np.abs(step[:, 0]) < 1e-2)
    return beta[:, 0], beta[:, 1:], error, settled


def first_clump(
    t: np.ndarray, r2: np.ndarray, index: float, member: float, linked: float
) -> np.ndarray:  # fmt: skip
    """The strongest association of each trait, and what is linked with it: bool, as `t`.

    As `plink --clump` makes its first clump: the site of the largest |t|, at least `index`; and
    all sites with |t| of at least `member` whose r2 with it is at least `linked`. Empty without an
    index site.
    """
    size = np.abs(t)
    lead = size.argmax(axis=1)
    found = size.max(axis=1) >= index
    clump = (size >= member) & (r2[lead] >= linked)
    clump[np.arange(len(lead)), lead] = True  # also where rounding takes it away
    return clump & found[:, None]


def one_cause(
    dosage: np.ndarray, real: np.ndarray, cause: np.ndarray, share: float, noise: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Traits of one causal site each, which explains a share of the variance of the real
    individuals.

    Parameters
    ----------
    dosage : ndarray, float32, shape (n_variants, n_individuals)
    real : ndarray of int
        The individuals who define effects; all others have the same effects.
    cause : ndarray of int, shape (n_traits,)
    noise : ndarray, shape (n_traits, n_individuals)
        Standard normal.
    """
    return np.sqrt(share) * _standard(dosage[cause], real) + np.sqrt(1 - share) * noise


def many_causes(
    dosage: np.ndarray, real: np.ndarray, effect: np.ndarray, share: float, noise: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Traits of many causal sites; see `one_cause`.

    Parameters
    ----------
    effect : ndarray, shape (n_traits, n_variants)
        On dosages in standard deviations of the real individuals; 0 where a site is not causal.
    """
    genetic = effect @ _standard(dosage, real)
    return np.sqrt(share) * _standard(genetic, real) + np.sqrt(1 - share) * noise


def _standard(rows: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Rows in standard deviations of the real individuals, from their mean."""
    own = rows[:, real]
    spread = np.maximum(own.std(axis=1, keepdims=True), 1e-6)
    return (rows - own.mean(axis=1, keepdims=True)) / spread
