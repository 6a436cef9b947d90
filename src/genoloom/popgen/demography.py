"""Size history from a site frequency spectrum: one change of size, by maximum likelihood over a grid.

The expected spectrum under any size history is exact (Polanski & Kimmel 2003, Genetics 165:427-436, equations 9 to 15): with
e_j the expected time to the first coalescence of j lineages and W their coefficients, xi_b = theta / 2 * sum_j W_bj e_j.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import hypergeom

SAMPLE = 40  # haplotypes a spectrum is projected to; the coefficients stay exact in double precision there
FEWEST = 2  # copies from which sites are used: rarer ones are missing from panels filtered by carriers
RATIOS = np.exp(np.linspace(np.log(0.01), np.log(100), 81))
TIMES = np.exp(np.linspace(np.log(0.003), np.log(4), 61))
HISTORY = np.exp(np.linspace(np.log(0.01), np.log(2), 60))


@dataclass(frozen=True)
class SizeHistory:
    """One change of size. Sizes are 4 N mu of the region; times run back from now, in mutations: 2 mu generations.

    Attributes
    ----------
    before, now : float
        Sizes before and after the change.
    changed : float
        When.
    """

    before: float
    now: float
    changed: float

    def sizes(self, times: np.ndarray) -> np.ndarray:
        """Size at each time, float, of the shape of `times`."""
        return np.where(times < self.changed, self.now, self.before)


@cache
def coefficients(n: int) -> np.ndarray:
    """W_bj for b = 1..n-1 and j = 2..n, float64, shape (n - 1, n - 1), by the recurrence over j."""
    b = np.arange(1, n)
    w = np.empty((n - 1, n - 1))
    w[:, 0] = 6 / (n + 1)
    if n > 2:
        w[:, 1] = 30 * (n - 2 * b) / ((n + 1) * (n + 2))
    for j in range(2, n - 1):
        before = (1 + j) * (3 + 2 * j) * (n - j) / (j * (2 * j - 1) * (n + j + 1))
        last = (3 + 2 * j) * (n - 2 * b) / (j * (n + j + 1))
        w[:, j] = last * w[:, j - 1] - before * w[:, j - 2]
    return w


def expected_spectrum(n: int, ratio: np.ndarray | float, time: np.ndarray | float) -> np.ndarray:
    """Expected sites by derived copies 1..n-1 among n haplotypes, for theta = 1 before the change, shape (..., n - 1).

    Parameters
    ----------
    ratio, time : float or ndarray
        Size since the change over that before, and how long ago it was, in units of twice the size before (generations).
    """
    ratio, time = (np.asarray(x, dtype=float)[..., None] for x in (ratio, time))
    j = np.arange(2, n + 1)
    pairs = j * (j - 1) / 2
    undisturbed = np.exp(-pairs * time / ratio)
    first = ratio / pairs * (1 - undisturbed) + undisturbed / pairs
    return first @ coefficients(n).T / 2


@cache
def _projection(n: int) -> np.ndarray:
    """Chance of k copies among `SAMPLE` of n haplotypes that hold c, float64, shape (n + 1, SAMPLE + 1)."""
    return hypergeom.pmf(np.arange(SAMPLE + 1)[None, :], n, np.arange(n + 1)[:, None], SAMPLE)


def _usable(spectrum: np.ndarray, folded: bool) -> np.ndarray:
    """Sites by copies 0..SAMPLE, shape (..., SAMPLE + 1): only the copies that are fitted, rarer alleles together if `folded`."""
    if not folded:
        return spectrum[..., FEWEST:SAMPLE]
    both = spectrum + spectrum[..., ::-1]
    both[..., SAMPLE // 2] /= 2
    return both[..., FEWEST : SAMPLE // 2 + 1]


@cache
def _grid(folded: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratios, times and expected sites of all histories of the grid."""
    ratio, time = (values.ravel() for values in np.meshgrid(RATIOS, TIMES, indexing="ij"))
    inner = expected_spectrum(SAMPLE, ratio, time)
    return ratio, time, _usable(np.pad(inner, ((0, 0), (1, 1))), folded)


def fit_size_history(counts: np.ndarray, n: int, folded: bool) -> SizeHistory | None:
    """The history of the grid with the highest multinomial likelihood; None with fewer than `SAMPLE` haplotypes or no usable site.

    Sites count as independent (a composite likelihood), so this compares samples of one region and is no estimate of a history.

    Parameters
    ----------
    counts : ndarray of int, shape (n_variants,)
        Alternate alleles among `n` haplotypes; derived ones unless `folded`.
    """
    if n < SAMPLE:
        return None
    observed = _usable(np.bincount(counts, minlength=n + 1) @ _projection(n), folded)
    if observed.sum() <= 0:
        return None
    ratio, time, expected = _grid(folded)
    best = int(np.argmax(np.log(expected / expected.sum(axis=1, keepdims=True)) @ observed))
    theta = observed.sum() / expected[best].sum()
    return SizeHistory(theta, theta * ratio[best], theta * time[best])


def history_distance(a: SizeHistory, b: SizeHistory) -> float:
    """Mean absolute difference of the log sizes over times on a log scale, from 0.01 to 2 of the geometric mean of b's sizes."""
    times = HISTORY * np.sqrt(b.before * b.now)
    return float(np.abs(np.log(a.sizes(times) / b.sizes(times))).mean())
