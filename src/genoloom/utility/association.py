"""Association scans of planted traits in each panel, against the planted effects, and polygenic
scores.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, norm
from scipy.stats import t as student

from genoloom.popgen.association import linear_scan, logistic_scan
from genoloom.utility.measures import ALL, REAL, Measure, quotient

FAMILY = 0.05  # chance of any false hit among the sites that are scanned
LEVEL = 0.05
BINS = 2000  # of p-values, for medians
QUANTILES = 200  # of a plot
MEDIAN = chi2.isf(0.5, 1)
LOGISTIC = "logistic"  # method of binary traits; that of the others has no name


@dataclass(frozen=True)
class Study:
    """Individuals of a panel with planted traits.

    Attributes
    ----------
    dosage : ndarray, float32, shape (n_sites, n_individuals)
    covariates : ndarray, float64, shape (n_individuals, n_covariates)
    planted, null : ndarray, float64, shape (n_traits, n_individuals)
        Traits with causal sites, and without.
    genetic : ndarray, float64, shape (n_traits, n_individuals)
        True genetic values of the planted traits.
    """

    dosage: np.ndarray
    covariates: np.ndarray
    planted: np.ndarray
    null: np.ndarray
    genetic: np.ndarray


@dataclass(frozen=True)
class Binary:
    """How traits are made binary: the first `number` of them, cases above the normal quantile of
    `prevalence`; `heritability` says what of the liability is no noise.
    """

    number: int
    prevalence: float
    heritability: float

    def cases(self, liability: np.ndarray) -> np.ndarray:
        return (liability[: self.number] > norm.isf(self.prevalence)).astype(float)

    def risk(self, genetic: np.ndarray) -> np.ndarray:
        """Probabilities of being a case."""
        excess = genetic[: self.number] - norm.isf(self.prevalence)
        return norm.cdf(excess / np.sqrt(1 - self.heritability))


def measure_association(
    studies: dict[str, Study], holdout: Study, causal: np.ndarray, binary: Binary
) -> tuple[list[Measure], dict]:  # fmt: skip
    """Slope of estimated against planted effects, power, and false positives and lambda of null
    traits; and quantiles of p-values for a plot. Of all traits by linear regression, and of
    binary ones by logistic regression.

    The true effect of a site is that of the genetic value on it, without noise: linkage is part of
    it. Of a binary trait it is the log odds ratio of the probabilities of being a case. The slope
    is that of estimates on it, through 0, over all sites, so that none is selected by
    what was found. True effects are those among held-out individuals, whose sampling would bias a
    regression downwards; so those among the training individuals are the instrument: the sum of
    products of estimates and true effects over that of both true effects (Wald 1940,
    doi:10.1214/aoms/1177731868).

    Parameters
    ----------
    causal : ndarray of bool, shape (n_traits, n_sites)
    """
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES
    at = np.concatenate([10.0 ** -np.arange(5, 2, -0.25), at])
    measures, drawn = [], {"expected": at.tolist()}
    true_effect, in_training = (
        linear_scan(study.dosage, study.genetic, study.covariates)[0]
        for study in (holdout, studies[REAL])
    )
    for panel, study in studies.items():
        effect, t = linear_scan(study.dosage, study.planted, study.covariates)
        _, t0 = linear_scan(study.dosage, study.null, study.covariates)
        free = study.dosage.shape[1] - 2 - study.covariates.shape[1]
        p, p0 = (2 * student.sf(np.abs(x), free) for x in (t, t0))
        # sites that do not vary here were not tested
        varies = np.ptp(study.dosage, axis=1) > 0
        measures += _measures(panel, "", effect, true_effect, in_training, causal, p, p0[:, varies])
        for name, ps in (("null", p0), ("planted", p)):
            drawn.setdefault(name, {})[panel] = np.quantile(ps[:, varies], at).tolist()
    if not binary.number:
        return measures, drawn
    causal = causal[: binary.number]
    true_effect, in_training = (
        logistic_scan(study.dosage, binary.risk(study.genetic), study.covariates)[0]
        for study in (holdout, studies[REAL])
    )
    for panel, study in studies.items():
        effect, z = logistic_scan(study.dosage, binary.cases(study.planted), study.covariates)
        _, z0 = logistic_scan(study.dosage, binary.cases(study.null), study.covariates)
        p, p0 = (2 * norm.sf(np.abs(x)) for x in (z, z0))
        tested = (z0 != 0).all(axis=0)
        wanted = np.where(
            z != 0, true_effect, 0.0
        )  # the slope is over sites with a finite estimate
        measures += _measures(
            panel, LOGISTIC, effect, wanted, in_training, causal, p, p0[:, tested]
        )
        drawn.setdefault("null, binary", {})[panel] = np.quantile(p0[:, tested], at).tolist()
    return measures, drawn


def _measures(
    panel: str, method: str, effect: np.ndarray, true_effect: np.ndarray, in_training: np.ndarray,
    causal: np.ndarray, p: np.ndarray, p0: np.ndarray,
) -> Iterator[Measure]:  # fmt: skip
    """From effects and p-values of planted traits, and p-values of null traits at the sites that
    were tested.
    """
    slope = np.stack(
        [np.sum(effect * true_effect, 1), np.sum(in_training * true_effect, 1)], axis=1
    )
    found = (p < FAMILY / len(true_effect[0])) & causal
    power = np.stack([found.sum(axis=1), causal.sum(axis=1)], axis=1)
    false = np.stack([(p0 < LEVEL).sum(axis=1), np.full(len(p0), p0.shape[1])], axis=1)
    counts = np.stack([np.histogram(row, BINS, (0, 1))[0] for row in p0])
    for metric, units, value in (
        ("effect_slope", slope, quotient), ("power", power, quotient),
        ("false_positives", false, quotient), ("null_lambda", counts, lambda_of_counts),
    ):  # fmt: skip
        yield Measure("association", metric, panel, units.astype(float), value, method=method)


def lambda_of_counts(counts: np.ndarray) -> np.ndarray:
    """Genomic inflation: the median chi-square over the expected one (Devlin and Roeder 1999,
    doi:10.1111/j.0006-341X.1999.00997.x), from counts of p-values in equal bins of 0 to 1, shape
    (..., n_bins); within the bin of the median they count as spread evenly.
    """
    share = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    below = np.cumsum(share, axis=-1)
    at = (below >= 0.5).argmax(axis=-1)[..., None]
    own = np.take_along_axis(share, at, axis=-1)
    rest = 0.5 - (np.take_along_axis(below, at, axis=-1) - own)
    median = (at + rest / np.maximum(own, 1e-300))[..., 0] / counts.shape[-1]
    return chi2.isf(np.clip(median, 1e-12, 1 - 1e-12), 1) / MEDIAN


def polygenic_scores(
    dosage: np.ndarray, traits: np.ndarray, target: np.ndarray, heritability: float
) -> np.ndarray:  # fmt: skip
    """Best linear unbiased predictions from all sites: ridge regression on standardised dosages
    (Meuwissen et al. 2001, doi:10.1093/genetics/157.4.1819), with the penalty that the heritability
    implies.

    Parameters
    ----------
    dosage, target : ndarray, shape (n_sites, n_individuals), (n_sites, n_targets)
    traits : ndarray, shape (n_traits, n_individuals)

    Returns
    -------
    ndarray, float64, shape (n_traits, n_targets)
    """
    mean, spread = dosage.mean(axis=1, keepdims=True), dosage.std(axis=1, keepdims=True)
    inverse = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-6)
    x, new = (dosage - mean) * inverse, (target - mean) * inverse
    sites = max(int((inverse > 0).sum()), 1)
    kernel = (x.T @ x).astype(np.float64) / sites
    kernel[np.diag_indices_from(kernel)] += (1 - heritability) / heritability
    centred = traits - traits.mean(axis=1, keepdims=True)
    weight = np.linalg.solve(kernel, centred.T)
    return (x @ weight).T @ new / sites


def measure_scores(
    studies: dict[str, Study], holdout: Study, groups: dict[str, np.ndarray], heritability: float
) -> Iterator[Measure]:  # fmt: skip
    """Squared correlation of scores with the true genetic values of held-out individuals, for all
    and within each of `groups` (rows of them).
    """
    everybody = {ALL: np.arange(holdout.dosage.shape[1]), **groups}
    for panel, study in studies.items():
        scores = polygenic_scores(study.dosage, study.planted, holdout.dosage, heritability)
        for name, own in everybody.items():
            x, y = (_standard(values[:, own]) for values in (scores, holdout.genetic))
            r = np.sum(x * y, axis=1)
            units = np.stack([np.maximum(r, 0) ** 2, np.ones_like(r)], axis=1)
            yield Measure("scores", "score_r2", panel, units, quotient, name)


def _standard(rows: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1; 0 where nothing varies."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-12)
