"""The leak that no release faithful to its sample can avoid, in closed form.

A release with the allele frequencies of n training individuals distinguishes members from
others through the sampling error of these frequencies. The linear form of the likelihood ratio, x'
W (f_synthetic - f_reference) with standardised genotypes and an attacker's weights W, separates
them by d' standard deviations, where

    d'^2 = (m_e / n) / (1 + n/r + n/K + n s^2 / w^2)

with m_e effective independent sites (`popgen.effective_sites`), r reference individuals of the
attacker, K synthetic individuals, s^2 the variance of added noise at a site in units of p (1 - p),
and w the weight of the sample against a public prior. The case of unlimited K and r is Sankararaman
et al. 2009, doi:10.1038/ng.436; docs/leak_budget.md derives the rest and compares it with real
individuals.
"""

from dataclasses import dataclass
from math import exp, inf, sqrt

from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

FALSE_POSITIVE_RATE = 0.01

CAUTIONS = (
    "It is a lower bound of the worst attack on a release that is faithful to the sample: a larger "
    "reference to take off linkage with, rare alleles, copied segments and shadow models do "
    "better.",
    "It holds for more than 30 individuals and at least 5 copies of the minor allele; singletons "
    "leak by presence.",
    "Whoever is copied into a small release is exposed, whatever the average says.",
    "Unknown structure in the attacker's reference lowers the power; relatives of the individuals "
    "raise it.",
    "A measured leak below it is not good by itself: noise, bias, dropped sites or memorised "
    "subsets do that too.",
    "Populations differ: the number of effective sites is largest in African ancestry.",
    "Contigs and repeated releases of the same individuals add up.",
)


@dataclass(frozen=True)
class Leak:
    """What an attacker learns from one release, or from several together.

    Attributes
    ----------
    separation : float
        d'^2; separations of contigs and of releases add up.
    """

    separation: float

    @property
    def auc(self) -> float:
        """Chance that a member scores above a non-member."""
        return float(ndtr(sqrt(self.separation / 2)))

    def true_positive_rate(self, false_positive_rate: float = FALSE_POSITIVE_RATE) -> float:
        """Share of the members found while `false_positive_rate` of the others are."""
        return float(ndtr(sqrt(self.separation) + ndtri(false_positive_rate)))

    def __add__(self, other: "Leak") -> "Leak":
        return Leak(self.separation + other.separation)


def unavoidable(
    effective_sites: float,
    individuals: float,
    reference: float = inf,
    synthetic: float = inf,
    noise: float = 0.0,
    weight: float = 1.0,
) -> Leak:
    """The leak of a release of `synthetic` individuals that is faithful to `individuals`.

    Parameters
    ----------
    effective_sites : float
        m_e, see `popgen.effective_sites`; add up the contigs'.
    individuals : float
        n, of the training set.
    reference : float
        r, those that the attacker knows not to be of the training set.
    synthetic : float
        K. Rows must carry the linkage of the sample: independent sites average this term out.
    noise : float
        s^2, variance of the noise on a frequency over p (1 - p).
    weight : float
        w, weight of the sample's frequencies; the rest is public.
    """
    n = individuals
    spread = 1 + n / reference + n / synthetic + n * noise / weight**2
    return Leak(effective_sites / n / spread)


def individuals_needed(
    effective_sites: float,
    max_auc: float,
    reference_ratio: float = inf,
    synthetic_ratio: float = inf,
) -> float:
    """The smallest training set whose unavoidable AUC is at most `max_auc`.

    The ratios are of reference and synthetic individuals to training individuals.
    """
    needed = effective_sites / _largest_separation(max_auc)
    return needed / (1 + 1 / reference_ratio + 1 / synthetic_ratio)


def synthetic_allowed(
    effective_sites: float, individuals: float, max_auc: float, reference: float = inf
) -> float:
    """The most synthetic individuals that keep the unavoidable AUC within `max_auc`; inf without
    limit.
    """
    n = individuals
    needed = effective_sites / _largest_separation(max_auc)
    missing = needed - n - n * n / reference
    return n * n / missing if missing > 0 else inf


def epsilon_allowed(max_auc: float, delta: float) -> float:
    """The largest epsilon of a Gaussian mechanism that keeps every attack's AUC within `max_auc`.

    Gaussian differential privacy with parameter mu bounds the AUC of any attack by Phi(mu / sqrt 2)
    and is (epsilon, delta)-differentially private with delta = Phi(-epsilon/mu + mu/2) -
    e^epsilon Phi(-epsilon/mu - mu/2) (Dong, Roth & Su 2022, doi:10.1111/rssb.12454, corollary 1).
    """
    mu = sqrt(_largest_separation(max_auc))

    def excess(epsilon: float) -> float:
        return (
            ndtr(-epsilon / mu + mu / 2) - exp(epsilon + log_ndtr(-epsilon / mu - mu / 2)) - delta
        )

    if excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, 1000.0 * max(mu, 1.0)))


def _largest_separation(max_auc: float) -> float:
    """d'^2 at which the AUC is `max_auc`, which is above one half."""
    return 2 * ndtri(max_auc) ** 2
