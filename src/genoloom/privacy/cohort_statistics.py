"""Noised statistics of a private cohort: how it differs from public haplotypes.

Select, measure, generate. *Selected* are directions along which public haplotypes vary most, window
by window of a contig; public haplotypes, the noise and noised counts decide which, and nothing else
of the cohort does. *Measured* is, for each population of the cohort, the sum of individuals along
these directions, under one Gaussian mechanism. What is *generated* from that sees the noised sums
alone:

- weights of a population over the public ones, where their mix explains the sums beyond noise;
- what remains, shrunk: a population that has drifted away from the public ones has done so along
  each direction in proportion to its variance, by a share that all directions tell together
  (empirical Bayes); noise, and the chance of who was sampled, are taken off in the same proportion;
- weights of the public haplotypes in each window, so that their mean is the wanted one
  (entropy balancing: Hainmueller 2012, doi:10.1093/pan/mpr025). Frequencies of sites and of blocks
  are as in the weighted haplotypes: near the public ones wherever the sums say nothing.

Letters in shapes: N public haplotypes, n private individuals, R directions, L populations of the
cohort, P public ones, W windows.
"""

from dataclasses import dataclass

import numpy as np

from genoloom.privacy.accounting import rest
from genoloom.privacy.gaussian_mechanism import NoiseKey, noised_sum

WINDOW = 1024  # sites
MOST_DIRECTIONS, PER_WINDOW = 4096, 8  # in all, and of a window
FOR_COUNTS = 0.1  # of mu^2
EXPECTED_DRIFT = 0.01  # share of a direction's variance, to decide how many are measured
CLIPPED = 0.1  # of the public individuals would be
FEWEST = 5.0  # individuals that a noised count is taken for at least
DRIFTS = np.append(0.0, np.geomspace(1e-5, 1.0, 51))
# in the balance of weights: ridge, of the variance; of the effective number of haplotypes, what
# must be left: few of large weight would be copied
RIDGE, LEAST_EFFECTIVE = 0.01, 0.4
ROUNDS = 50


@dataclass(frozen=True)
class PublicScores:
    """Public haplotypes along the candidate directions.

    Attributes
    ----------
    scores : ndarray, float, shape (N, R)
        Both haplotypes of an individual in neighbouring rows.
    population : ndarray of int, shape (N,)
    n_populations : int
    """

    scores: np.ndarray
    population: np.ndarray
    n_populations: int

    def centres(self) -> np.ndarray:
        """Means of the populations, float64 (P, R)."""
        groups = [self.scores[self.population == p] for p in range(self.n_populations)]
        return np.stack([rows.mean(axis=0, dtype=np.float64) for rows in groups])

    def variances(self, p: int) -> np.ndarray:
        """Of the haplotypes of a population, float64 (R,)."""
        return self.scores[self.population == p].var(axis=0, dtype=np.float64)

    def lengths(self, p: int, order: np.ndarray) -> np.ndarray:
        """Length of a population's individuals about their mean along the first 1, 2, ... of some
        directions, float64 (individuals, len(order)).
        """
        own = self.scores[self.population == p][:, order].astype(np.float64)
        both = (own - own.mean(axis=0)).reshape(-1, 2, len(order)).sum(axis=1)
        return np.sqrt(np.cumsum(both**2, axis=1))


@dataclass(frozen=True)
class Measured:
    """What is known of a cohort.

    Attributes
    ----------
    kept : ndarray of int, shape (R,)
        The directions that were measured, of the candidates.
    lengths : ndarray, float64, shape (L,)
        Largest length of an individual's vector: the sensitivity of a population's sum.
    counts : ndarray, float64, shape (L,)
        Noised numbers of individuals.
    sums : ndarray, float64, shape (L, R)
        Noised sums of individuals, about twice the mean of the population that represents each.
    spread : ndarray, float64, shape (L,)
        Standard deviation of the noise on each number of `sums`.
    """

    kept: np.ndarray
    lengths: np.ndarray
    counts: np.ndarray
    sums: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """What the haplotypes of a cohort's populations are taken for.

    Attributes
    ----------
    weights : ndarray, float64, shape (L, P)
        Of each population over the public ones; rows sum to one.
    shift : ndarray, float64, shape (L, R)
        Of the mean haplotype, from the mean of that mix, along the directions that were measured.
    drift : ndarray, float64, shape (L,)
        Share of a direction's variance that the shift is expected to have.
    """

    weights: np.ndarray
    shift: np.ndarray
    drift: np.ndarray


def directions(alleles: np.ndarray, population: np.ndarray, most: int) -> np.ndarray:
    """Directions along which the haplotypes of one population vary most, float32 (n_sites, r).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_sites, N)
        Of public haplotypes, without missing calls.
    population : ndarray of int, shape (N,)
        Means of populations are taken off.
    most : int
        Directions at most.
    """
    centred = alleles.astype(np.float32)
    for p in np.unique(population):
        inside = population == p
        centred[:, inside] -= centred[:, inside].mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    chosen = np.argsort(-values, kind="stable")[: min(most, len(values))]
    return vectors[:, chosen].astype(np.float32)


def scores(alleles: np.ndarray, vectors: np.ndarray, fill: np.ndarray | None = None) -> np.ndarray:
    """Haplotypes along directions, float32 (n_haplotypes, r).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_sites, n_haplotypes)
        -1 is missing.
    fill : ndarray, float, shape (n_sites, n_haplotypes), optional
        What replaces missing calls.
    """
    values = alleles.astype(np.float32)
    if fill is not None:
        values = np.where(alleles < 0, fill, values).astype(np.float32)
    return values.T @ vectors


def measure(
    public: PublicScores,
    represented_by: np.ndarray,
    private: np.ndarray,
    label: np.ndarray,
    mu: float,
    key: NoiseKey,
    purpose: str,
) -> Measured:
    """The noised statistics of a cohort: mu-Gaussian differentially private, the unit being an
    individual.

    Parameters
    ----------
    represented_by : ndarray of int, shape (L,)
        Which public population represents each of the cohort's.
    private : ndarray, float, shape (n, R)
        Sums over both haplotypes of each individual.
    label : ndarray of int, shape (n,)
        Population of each individual, an index into the cohort's populations.
    purpose : str
        Says what is measured of whom: see `NoiseKey`.
    """
    L = len(represented_by)
    mu_counts = mu * np.sqrt(FOR_COUNTS)
    mu_sums = rest(mu, [mu_counts])
    here = np.eye(L)[label]  # an individual counts in one population alone
    counts = noised_sum(here, 1.0, mu_counts, key, f"{purpose} counts")
    counts = np.maximum(counts, FEWEST)
    kept, lengths = select(public, represented_by, counts, mu_sums)
    centres = public.centres()[:, kept]
    sums = np.stack([
        noised_sum(
            private[label == k][:, kept] - 2 * centres[s], lengths[k], mu_sums, key,
            f"{purpose} sums {k}",
        )
        for k, s in enumerate(represented_by)
    ])  # fmt: skip
    return Measured(kept, lengths, counts, sums, lengths / mu_sums)


def select(
    public: PublicScores, represented_by: np.ndarray, counts: np.ndarray, mu: float
) -> tuple[np.ndarray, np.ndarray]:
    """The directions to measure, the largest variance first, and the length at which an
    individual of each population is clipped.

    More directions are more to know, and more noise on each. As many are taken as leave the least
    error in all, where a population has drifted as expected.
    """
    variances = np.stack([public.variances(s) for s in represented_by])
    order = np.argsort(-variances.mean(axis=0), kind="stable")
    error, lengths = 0.0, []
    for k, s in enumerate(represented_by):
        length = np.quantile(public.lengths(s, order), 1 - CLIPPED, axis=0)
        drifted = EXPECTED_DRIFT * variances[k, order]
        noise = (length / (2 * mu * counts[k])) ** 2
        left = np.append(0.0, np.cumsum(drifted[::-1]))[::-1][1:]
        # the first r directions have the noise of r
        known = np.array([
            (drifted[: r + 1] * noise[r] / (drifted[: r + 1] + noise[r] + 1e-300)).sum()
            for r in range(len(order))
        ])  # fmt: skip
        error = error + (known + left) / max(drifted.sum(), 1e-300)
        lengths.append(np.maximum(length, 1e-9))
    best = int(np.argmin(error)) + 1
    return order[:best], np.array([length[best - 1] for length in lengths])


def estimate(public: PublicScores, represented_by: np.ndarray, found: Measured) -> Estimate:
    """What noised sums say, as far as they say anything beyond noise. Sees nothing else of the
    cohort.
    """
    centres = public.centres()[:, found.kept]
    weights = np.zeros((len(represented_by), public.n_populations))
    shift, drift = np.zeros_like(found.sums), np.zeros(len(represented_by))
    for k, s in enumerate(represented_by):
        variance = public.variances(s)[found.kept]
        haplotypes = 2 * found.counts[k]
        mean = found.sums[k] / haplotypes
        chance = (found.spread[k] / haplotypes) ** 2 + variance / haplotypes
        weights[k] = _mix(mean, centres - centres[s], chance)
        weights[k, s] += 1 - weights[k].sum()
        apart = mean - weights[k] @ (centres - centres[s])
        fits = [
            -0.5 * (np.log(t * variance + chance) + apart**2 / (t * variance + chance)).sum()
            for t in DRIFTS
        ]
        drift[k] = DRIFTS[int(np.argmax(fits))]
        shift[k] = apart * drift[k] * variance / (drift[k] * variance + chance)
    return Estimate(weights, shift, drift)


def _mix(mean: np.ndarray, others: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Weights, at least 0 and at most 1 together, with which `others` (P, R) explain a mean (R,)
    beyond chance of this variance: least squares with the penalty that noise alone does not reach
    (Donoho & Johnstone 1994, doi:10.1093/biomet/81.3.425).
    """
    scaled = others / np.sqrt(variance)
    gram, fit = scaled @ scaled.T, scaled @ (mean / np.sqrt(variance))
    size = np.sqrt(np.diag(gram))
    penalty = np.sqrt(2 * np.log(max(2, len(others)))) * size
    weights = np.zeros(len(others))
    for _ in range(ROUNDS * 10):
        for p in np.flatnonzero(size > 0):
            rest_of = fit[p] - gram[p] @ weights + gram[p, p] * weights[p]
            weights[p] = max(0.0, (rest_of - penalty[p]) / gram[p, p])
    return weights / max(1.0, weights.sum())


def balanced(base: np.ndarray, scores: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Weights of haplotypes, nearest to `base` and of a mean that is shifted, float64 (N,), summing
    to one.

    Parameters
    ----------
    base : ndarray, float, shape (N,)
        Sums to one.
    scores : ndarray, float, shape (N, r)
    shift : ndarray, float, shape (r,)
        As far as there are such weights that do not rest on few haplotypes: a ridge sees to that.
    """
    inside = np.flatnonzero(base)
    own = scores[inside].astype(np.float64)
    own = own - base[inside] @ own
    spread = (own * base[inside, None]).T @ own
    spread += 1e-9 * (np.trace(spread) + 1e-9) * np.eye(len(shift))
    ridge, whole = RIDGE, np.zeros(len(base))
    least = LEAST_EFFECTIVE / (base**2).sum()
    while True:
        weight = _tilted(np.log(base[inside]), own, shift, ridge * spread)
        if 1 / (weight**2).sum() >= least:
            break
        ridge *= 2
    whole[inside] = weight
    return whole


def _tilted(
    log_base: np.ndarray, own: np.ndarray, shift: np.ndarray, ridge: np.ndarray
) -> np.ndarray:
    """Weights of haplotypes, by Newton's method for the tilt that balances them."""

    def at(tilt: np.ndarray) -> tuple[float, np.ndarray]:
        logs = log_base + own @ tilt
        top = logs.max()
        weight = np.exp(logs - top)
        total = weight.sum()
        loss = top + np.log(total) - tilt @ shift + tilt @ ridge @ tilt / 2
        return float(loss), weight / total

    tilt = np.zeros(len(shift))
    loss, weight = at(tilt)
    for _ in range(ROUNDS):
        mean = weight @ own
        slope = mean - shift + ridge @ tilt
        curve = (own * weight[:, None]).T @ own - np.outer(mean, mean) + ridge
        step, length = np.linalg.solve(curve, slope), 1.0
        while (new := at(tilt - length * step))[0] > loss and length > 1e-6:
            length /= 2
        if new[0] > loss - 1e-10:
            break
        tilt = tilt - length * step
        loss, weight = new
    return weight
