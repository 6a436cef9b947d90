"""Genetic architectures and phenotypes: effects, liabilities and thresholds."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from genoloom.seeds import row_seeds, row_uniforms

LEAST_RANK = 1e-9  # of genetic covariance, relative to its largest eigenvalue


def drawn_effects(
    rng: np.random.Generator, frequency: np.ndarray, alpha: float, correlation: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Effects of correlated traits on the alternate allele of each causal site.

    Normal, with variance [2 p (1 - p)]^alpha (Speed et al. 2012, doi:10.1016/j.ajhg.2012.10.010).

    Parameters
    ----------
    frequency : ndarray, float64, shape (n_sites,)
        Of the alternate allele, strictly between 0 and 1.
    correlation : ndarray, float64, shape (n_traits, n_traits)

    Returns
    -------
    ndarray, float64, shape (n_traits, n_sites)
    """
    size = (2 * frequency * (1 - frequency)) ** (alpha / 2)
    drawn = rng.standard_normal((len(correlation), len(frequency)))
    return np.linalg.cholesky(correlation) @ drawn * size


def population_effects(
    rng: np.random.Generator, effects: np.ndarray, correlation: float
) -> np.ndarray:  # fmt: skip
    """Effects in another population that have this correlation with `effects`, site by site.

    The remainder is normal, with the size of the site's own effect in root mean square over the
    traits, so that large effects stay large (Brown et al. 2016, doi:10.1016/j.ajhg.2016.05.001,
    for the correlation of effects between populations).
    """
    size = np.sqrt((effects**2).mean(axis=0))
    other = rng.standard_normal(effects.shape) * size
    return correlation * effects + np.sqrt(1 - correlation**2) * other


def calibration(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The linear map of traits that gives genetic values the covariance `target`.

    Parameters
    ----------
    values : ndarray, float64, shape (n_traits, n_individuals)
    target : ndarray, float64, shape (n_traits, n_traits)

    Returns
    -------
    ndarray, float64, shape (n_traits, n_traits)
        Lower triangular.

    Raises
    ------
    ValueError
        The values do not vary, or traits are multiples of each other.
    """
    covariance = np.atleast_2d(np.cov(values, bias=True))
    eigenvalues = np.linalg.eigvalsh(covariance)
    if eigenvalues[-1] <= 0 or eigenvalues[0] < LEAST_RANK * eigenvalues[-1]:
        raise ValueError("genetic values do not vary independently")
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    return np.linalg.cholesky(target) @ inverse


def liability_threshold(mean: np.ndarray, sd: float, prevalence: float) -> float:
    """The liability above which individuals are cases, so that the expected prevalence is right.

    Individuals have normal liabilities with the means `mean`, shape (n,), and the standard
    deviation `sd`. With standard normal liabilities it is the normal quantile (Falconer 1965,
    doi:10.1111/j.1469-1809.1965.tb00500.x).
    """
    if sd < 1e-6:
        return float(np.quantile(mean, 1 - prevalence))

    def excess(threshold: float) -> float:
        return float(ndtr((mean - threshold) / sd).mean()) - prevalence

    reach = sd * abs(float(ndtri(prevalence))) + sd
    return float(brentq(excess, mean.min() - reach, mean.max() + reach, xtol=1e-12))


def individual_uniforms(seed: int, individuals: list[str], *purpose: object) -> np.ndarray:
    """A uniform number in (0, 1) for each individual and purpose, float64, shape (n,).

    It does not depend on who else is there.
    """
    uniform = row_uniforms(row_seeds(seed, individuals, "phenotypes", *purpose), 0)
    return np.clip(uniform, 2.0**-54, 1 - 2.0**-53)


def individual_normals(seed: int, individuals: list[str], *purpose: object) -> np.ndarray:
    """As `individual_uniforms`, standard normal."""
    return ndtri(individual_uniforms(seed, individuals, *purpose))
