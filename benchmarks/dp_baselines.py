"""Simple generators with differential privacy, to compare with at the same epsilon and delta.

Each is made from the training individuals alone, without public haplotypes: sites by themselves, a
Markov chain over neighbouring sites, block haplotypes, and rows whose alleles were flipped by
chance. The unit is an individual, with both haplotypes; neighbouring cohorts have one individual
more or fewer, and how many individuals a population has is taken for known.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from genoloom.panel import ArrayHaplotypes, Individuals, Panel
from genoloom.privacy.accounting import mu_of
from genoloom.privacy.gaussian_mechanism import NoiseKey, noised_sum

BLOCK = 4  # sites of a histogram: of more, most cells are noise


@dataclass(frozen=True)
class _Rows:
    """The training haplotypes of one population, and what may be disclosed of them.

    Attributes
    ----------
    alleles : ndarray of 0/1, int8, shape (n_sites, 2 n)
        Both haplotypes of an individual side by side.
    """

    alleles: np.ndarray
    epsilon: float
    delta: float
    key: NoiseKey
    name: str

    @property
    def individuals(self) -> int:
        return self.alleles.shape[1] // 2

    def sums(self, vectors: np.ndarray, length: float) -> np.ndarray:
        """Noised sum of rows (n, D), none of them longer than `length`."""
        return noised_sum(vectors, length, mu_of(self.epsilon, self.delta), self.key, self.name)

    def frequencies(self, cells: np.ndarray, n_cells: int) -> np.ndarray:
        """Noised frequencies of `n_cells` cells at each of K places, float64 (K, n_cells).

        Parameters
        ----------
        cells : ndarray of int, shape (K, 2 n)
            Which one each haplotype is in.
        """
        K = len(cells)
        held = np.eye(n_cells)[cells].reshape(K, -1, 2, n_cells).sum(axis=2)
        # about equal shares: an individual in one cell twice is the farthest from them
        held -= 2 / n_cells
        length = 2 * np.sqrt(K * (1 - 1 / n_cells))
        found = self.sums(held.transpose(1, 0, 2).reshape(self.individuals, -1), length)
        shares = found.reshape(K, n_cells) / (2 * self.individuals) + 1 / n_cells
        shares = np.maximum(shares, 0)
        return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)


def independent_sites(rows: _Rows, rng: np.random.Generator) -> np.ndarray:
    """Each site by its noised frequency."""
    frequency = rows.frequencies(rows.alleles, 2)[:, 1]
    return (rng.random(rows.alleles.shape) < frequency[:, None]).astype(np.int8)


def markov_chain(rows: _Rows, rng: np.random.Generator) -> np.ndarray:
    """Each allele by the one before it: noised counts of the four pairs of neighbouring alleles."""
    pairs = rows.frequencies(2 * rows.alleles[:-1] + rows.alleles[1:], 4)
    synthetic = np.empty_like(rows.alleles)
    synthetic[0] = rng.random(synthetic.shape[1]) < pairs[0, 2:].sum()
    for j, share in enumerate(pairs.reshape(-1, 2, 2), 1):
        total = share.sum(axis=1)
        chance = np.where(total > 0, share[:, 1] / np.maximum(total, 1e-300), share[:, 1].sum())
        synthetic[j] = rng.random(synthetic.shape[1]) < chance[synthetic[j - 1]]
    return synthetic


def block_histogram(rows: _Rows, rng: np.random.Generator) -> np.ndarray:
    """Blocks of `BLOCK` sites by the noised counts of all their haplotypes, each on its own."""
    n_sites, n = rows.alleles.shape
    whole = -(-n_sites // BLOCK)
    padded = np.zeros((whole * BLOCK, n), dtype=np.int8)
    padded[:n_sites] = rows.alleles
    power = 2 ** np.arange(BLOCK)
    cells = np.einsum("kbn,b->kn", padded.reshape(whole, BLOCK, n), power)
    share = rows.frequencies(cells, 2**BLOCK).cumsum(axis=1)
    drawn = np.stack([
        np.searchsorted(row / row[-1], rng.random(n), side="right") for row in share
    ])  # fmt: skip
    return ((drawn[:, None] // power[:, None]) % 2).reshape(-1, n)[:n_sites].astype(np.int8)


def randomised_response(rows: _Rows, rng: np.random.Generator) -> np.ndarray:
    """Rows whose alleles are flipped by chance, each then drawn again by what it and the repaired
    frequency of its site say (Warner 1965, doi:10.1080/01621459.1965.10480775).
    """
    changed = flip_chance(rows.epsilon, rows.delta, 2 * len(rows.alleles))
    noised = rows.alleles ^ (rng.random(rows.alleles.shape) < changed)
    frequency = np.clip((noised.mean(axis=1) - changed) / (1 - 2 * changed), 0, 1)[:, None]
    one = frequency * np.where(noised == 1, 1 - changed, changed)
    zero = (1 - frequency) * np.where(noised == 1, changed, 1 - changed)
    chance = one / np.maximum(one + zero, 1e-300)
    return (rng.random(noised.shape) < chance).astype(np.int8)


def flip_chance(epsilon: float, delta: float, bits: int) -> float:
    """The least chance with which each of `bits` bits has to be flipped so that all together are
    (epsilon, delta)-differentially private, whatever they were before.

    The loss of k changed bits is exact: of the bits that come out as they were there are
    Binomial(k, 1 - changed) (Kairouz, Oh & Viswanath 2017, doi:10.1109/TIT.2017.2685505).
    """
    kept = np.arange(bits + 1)

    def excess(changed: float) -> float:
        ours = binom.logpmf(kept, bits, 1 - changed)
        others = binom.logpmf(kept, bits, changed)
        more = ours > others + epsilon
        tail = np.exp(ours[more]) * -np.expm1(others[more] + epsilon - ours[more])
        return float(tail.sum()) - delta

    return float(brentq(excess, 1e-9, 0.5 - 1e-9))


BASELINES: dict[str, Callable[[_Rows, np.random.Generator], np.ndarray]] = {
    "noised independent sites": independent_sites,
    "noised Markov chain": markov_chain,
    "noised block histogram": block_histogram,
    "randomised response": randomised_response,
}


def draw_baseline(kind: str, trains: Panel, epsilon: float, delta: float, seed: int) -> Panel:
    """As many individuals of each population as there are in a panel without missing calls."""
    alleles = trains.haplotypes.read(0, len(trains.sites))
    population = np.array(trains.individuals.population)
    synthetic, rng = np.empty_like(alleles), np.random.default_rng(seed)
    for name in np.unique(population):
        inside = np.repeat(population == name, 2)
        key = NoiseKey.of_seed(seed)
        rows = _Rows(alleles[:, inside], epsilon, delta, key, f"{kind} {name}")
        synthetic[:, inside] = BASELINES[kind](rows, rng)
    names = [f"S{i}" for i in range(len(population))]
    individuals = Individuals(names, population.tolist(), ["unknown"] * len(names))
    return Panel(trains.sites, individuals, ArrayHaplotypes(synthetic))
