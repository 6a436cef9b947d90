"""Draws that keep the frequencies of tokens: what a sampler's chances drift away from along a
contig is taken back.

Chances of tokens that are a little wrong at each block add up: frequencies of alleles drift, rare
alleles die out. Before the tokens of a block are drawn, the mean chance of each token among the
rows of a population is scaled, a few rounds, to a wanted frequency (iterative proportional fitting:
Deming & Stephan 1940, doi:10.1214/aoms/1177731829). The factors are found once, on a pilot cohort
that is drawn with them, and kept in the model: so a haplotype does not depend on who else is drawn.

Letters in shapes: P populations, K blocks, C tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genoloom.declared import Declared

ROUNDS = 6
LEAST = 1e-4  # added to frequencies before they are divided
MOST = (1 + 1 / LEAST) ** ROUNDS  # factors cannot be larger
POOLED = 1.0  # haplotypes of the pooled frequency in that of a population
PILOT_ROWS, LEAST_ROWS = 2000, 200  # haplotypes of a pilot cohort, and least of a population


def wanted_frequencies(
    token: np.ndarray, population: np.ndarray, n_populations: int, vocabulary_size: int
) -> np.ndarray:
    """Frequencies of the tokens of one block in each population, a little shrunk to the pooled
    ones; float64 (P, C).

    Parameters
    ----------
    token : ndarray of int, shape (n,)
        Of each haplotype; those below 0 or from `vocabulary_size` on are no tokens and do not
        count.
    population : ndarray of int, shape (n,)
    """
    known = (token >= 0) & (token < vocabulary_size)
    flat = population[known].astype(np.int64) * vocabulary_size + token[known]
    counts = (
        np.bincount(flat, minlength=n_populations * vocabulary_size)
        .reshape(n_populations, vocabulary_size)
        .astype(np.float64)
    )
    pooled = counts.sum(axis=0) / max(counts.sum(), 1)
    return (counts + POOLED * pooled) / (counts.sum(axis=1, keepdims=True) + POOLED)


def weighted_frequencies(token: np.ndarray, weights: np.ndarray, n_tokens: int) -> np.ndarray:
    """Frequencies of the tokens of one block among weighted haplotypes, float64 (L, C).

    Parameters
    ----------
    token : ndarray of int, shape (n,)
        Of each haplotype; those from `n_tokens` on are no tokens and do not count.
    weights : ndarray, float64, shape (L, n)
        Rows sum to one.
    """
    known = np.flatnonzero(token < n_tokens)
    counts = np.stack([np.bincount(token[known], row[known], n_tokens) for row in weights])
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)


def anchor_factors(chance: np.ndarray, population: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Factors of the chances that bring their means within populations to wanted frequencies;
    float32 (P, C).

    Parameters
    ----------
    chance : ndarray, float, shape (n, C)
        Chances of the tokens for each row; rows sum to one.
    population : ndarray of int, shape (n,)
    wanted : ndarray, float, shape (P, C)
    """
    factors = np.ones(wanted.shape, dtype=np.float32)
    for p in np.unique(population):
        rows = chance[population == p]
        for _ in range(ROUNDS):
            scaled = rows * factors[p]
            mean = (scaled / scaled.sum(axis=1, keepdims=True)).mean(axis=0)
            factors[p] *= (wanted[p] + LEAST) / (mean + LEAST)
    return factors


def pilot_populations(
    population: np.ndarray, rng: np.random.Generator, rows: int = PILOT_ROWS
) -> np.ndarray:
    """Populations of a pilot cohort: `rows` in the mix of `population`, and at least `LEAST_ROWS`
    of each; int64, shuffled.
    """
    size = np.bincount(population)
    wanted = np.where(
        size > 0, np.maximum(np.round(rows * size / size.sum()), LEAST_ROWS), 0
    ).astype(np.int64)
    return rng.permutation(np.repeat(np.arange(len(size)), wanted))


class Pilot:
    """Chances of a pilot cohort, scaled block by block to wanted frequencies; remembers the
    factors.

    Parameters
    ----------
    wanted : callable
        Frequencies of the tokens of a block in each population, float64 (P, C).
    """

    def __init__(self, wanted: Callable[[int], np.ndarray]):
        self.wanted, self.found = wanted, []
        self.order: np.ndarray | None = None  # of the rows, by population and past

    def even(self, uniforms: np.ndarray, population: np.ndarray) -> np.ndarray:
        """Numbers in [0, 1) for the rows of a block (n,), in place of independent `uniforms`.

        They are evenly spaced among rows of one population whose last blocks are alike, so that
        what is drawn is as frequent as its chances say: factors that met the luck of the pilot
        cohort would be wrong for any other (array-RQMC: L'Ecuyer, Lecot & Tuffin 2008,
        doi:10.1287/opre.1070.0453).
        """
        if self.order is None:
            self.order = np.argsort(population, kind="stable")
            digits = (np.arange(len(population))[:, None] >> np.arange(32)) & 1
            self.spaced = digits @ 0.5 ** np.arange(1, 33)  # van der Corput's
        even = np.empty(len(population))
        even[self.order] = (self.spaced + uniforms[0]) % 1
        return even

    def follow(self, block: np.ndarray, population: np.ndarray) -> None:
        """Sort the rows by what was drawn (n,) last."""
        order = self.order[np.argsort(block[self.order], kind="stable")]
        self.order = order[np.argsort(population[order], kind="stable")]

    def find(self, k: int, chance: np.ndarray, population: np.ndarray) -> np.ndarray:
        """Factors of the chances (n, C) of block `k`, float32 (P, C)."""
        self.found.append(anchor_factors(chance, population, self.wanted(k)))
        return self.found[-1]

    def __call__(self, k: int, chance: np.ndarray, population: np.ndarray) -> np.ndarray:
        """Scaled chances (n, C) of block `k`; they need not sum to one."""
        return chance * self.find(k, chance, population)[population]

    def anchors(self, vocabulary_size: int) -> "Anchors":
        """What the blocks so far were scaled by, 1 for tokens that a block does not have."""
        factors = np.ones((len(self.found), len(self.found[0]), vocabulary_size), dtype=np.float32)
        for k, found in enumerate(self.found):
            factors[k, :, : found.shape[1]] = found
        return Anchors(factors)


@dataclass(frozen=True)
class Anchors:
    """Chances of any haplotypes, scaled by what a pilot cohort needed.

    Attributes
    ----------
    factors : ndarray, float32, shape (K, P, C)
    """

    factors: np.ndarray

    @classmethod
    def declare(cls, arrays: Declared, *shape: int | None) -> None:
        """Declare the factors."""
        arrays.expect("anchors", "float32", *shape, low=0, high=MOST)

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Anchors | None":
        """The factors of a model's arrays; None where it has none."""
        return cls(arrays["anchors"]) if "anchors" in arrays else None

    def __call__(self, k: int, chance: np.ndarray, population: np.ndarray) -> np.ndarray:
        """Scaled chances (n, C) of block `k`; they need not sum to one."""
        return chance * self.factors[k, population, : chance.shape[1]]


# block, chances (n, C), populations (n,) to chances
Scale = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
