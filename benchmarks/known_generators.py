"""Eight generators whose faults are known: what the verdicts must distinguish.

Each is a function of training haplotypes alone, except the fresh individuals, who are real and take
no part in training. A verdict that passes an unfaithful one, or clears one that memorises, is
wrong; so is one that fails fresh individuals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genoloom.panel import haplotype_columns
from genoloom.validation.mosaic import MIDDLE, mosaic, within_populations

LONG, SHORT = 0.3, 0.01  # mean length of a copied piece, centimorgans
MUTATION_RATE = 0.005
ORDER = 4


def bootstrap_copy(alleles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Individuals drawn with replacement from the training individuals.

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, 2 * n_individuals)
    """
    individuals = rng.integers(0, alleles.shape[1] // 2, alleles.shape[1] // 2)
    return alleles[:, haplotype_columns(individuals)]


def mutated_copy(
    alleles: np.ndarray, rng: np.random.Generator, mutation_rate: float = MUTATION_RATE
) -> np.ndarray:
    """A bootstrap copy with a share of all alleles mutated."""
    copied = bootstrap_copy(alleles, rng)
    return copied ^ (rng.random(copied.shape) < mutation_rate).astype(np.int8)


def markov(alleles: np.ndarray, rng: np.random.Generator, order: int = ORDER) -> np.ndarray:
    """A Markov chain: each allele is drawn from the training haplotypes that agree at the preceding
    `order` sites.
    """
    n = alleles.shape[1]
    synthetic = np.empty_like(alleles)
    # the last alleles as binary numbers
    context, drawn = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    mask = (1 << order) - 1
    for v, row in enumerate(alleles):
        total = np.bincount(context, minlength=mask + 1)
        ones = np.bincount(context, weights=row, minlength=mask + 1)
        # a context that was made from training contexts exists in training
        synthetic[v] = rng.random(n) * total[drawn] < ones[drawn]
        context = ((context << 1) | row) & mask
        drawn = ((drawn << 1) | synthetic[v]) & mask
    return synthetic


def independent_sites(alleles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every site permuted over the training haplotypes: right frequencies, no linkage."""
    return rng.permuted(alleles, axis=1)


@dataclass(frozen=True)
class KnownGenerator:
    """A generator with known faults.

    Attributes
    ----------
    make : callable or None
        (alleles, cm, rng) -> synthetic alleles; None for fresh real individuals.
    faithful, private : bool or None
        Whether the verdict must be a pass (True) or a failure (False); None where either is right.
    """

    make: Callable | None
    faithful: bool | None
    private: bool | None


KNOWN_GENERATORS = {
    "fresh individuals": KnownGenerator(None, True, True),
    "bootstrap copy": KnownGenerator(lambda x, cm, rng: bootstrap_copy(x, rng), None, False),
    "copy with mutations": KnownGenerator(lambda x, cm, rng: mutated_copy(x, rng), None, False),
    "mosaic, long": KnownGenerator(lambda x, cm, rng: mosaic(x, cm, LONG, rng), None, False),
    "mosaic, middle": KnownGenerator(lambda x, cm, rng: mosaic(x, cm, MIDDLE, rng), None, False),
    "mosaic, short": KnownGenerator(lambda x, cm, rng: mosaic(x, cm, SHORT, rng), False, None),
    "markov": KnownGenerator(lambda x, cm, rng: markov(x, rng), False, None),
    "independent": KnownGenerator(lambda x, cm, rng: independent_sites(x, rng), False, None),
}


def make_known_generators(
    training: np.ndarray,
    fresh: np.ndarray,
    cm: np.ndarray,
    population: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Synthetic alleles of every known generator, within populations, in the order of the training
    individuals.

    Parameters
    ----------
    training, fresh : ndarray, int8, shape (n_variants, 2 * n_individuals)
        The same populations in the same order.
    population : ndarray of str, shape (n_individuals,)
    """

    def make_one(known: KnownGenerator) -> np.ndarray:
        if known.make is None:
            return fresh
        return within_populations(training, population, lambda own: known.make(own, cm, rng))

    return {name: make_one(known) for name, known in KNOWN_GENERATORS.items()}
