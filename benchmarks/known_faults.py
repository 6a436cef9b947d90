"""Known faults that the fidelity table must see.

Fresh real individuals with one thing spoilt, or generators with one fault. Each is made from
haplotypes alone, so that a table *metric x fault* can be drawn on any panel.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.known_generators import LONG, SHORT, independent_sites, markov
from genoloom.panel import haplotype_columns
from genoloom.validation.mosaic import MIDDLE, mosaic, within_populations

FREQUENCY_NOISE = 0.02  # standard deviation of the shift of each allele frequency
RARE = 0.01  # alleles below this frequency are dropped
HETEROZYGOTES_LOST = 0.1  # share of heterozygous calls that become homozygous
MUTATED = 0.001  # share of alleles that change
DUPLICATES = 0.1  # share of individuals who are copies of others
INBRED = 0.1  # share of individuals with two equal haplotypes
EFFECTIVE_SIZE = 10_000  # for the recombination rate of the copying model


@dataclass(frozen=True)
class Material:
    """What faults are made from.

    Attributes
    ----------
    training, fresh : ndarray, int8, shape (n_variants, 2 * n_individuals)
        Alleles of the training individuals, and of others; the same populations in the same order.
    cm : ndarray, float, shape (n_variants,)
        Genetic positions, centimorgans.
    population : ndarray of str, shape (n_individuals,)
    indel : ndarray of bool, shape (n_variants,)
    """

    training: np.ndarray
    fresh: np.ndarray
    cm: np.ndarray
    population: np.ndarray
    indel: np.ndarray

    def within(self, alleles: np.ndarray, make: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """`make` of the haplotypes of each population, put together again."""
        return within_populations(alleles, self.population, make)


def shuffled_labels(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Individuals with the population label of somebody else."""
    return m.fresh[:, haplotype_columns(rng.permutation(len(m.population)))]


def noised_frequencies(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Each frequency shifted by a normal number, by changing as few alleles as that takes."""
    faulty = m.fresh.copy()
    n = faulty.shape[1]
    shift = rng.normal(0, FREQUENCY_NOISE, len(faulty))
    wanted = np.clip(faulty.mean(axis=1) + shift, 0, 1)
    for row, target in zip(faulty, np.rint(wanted * n).astype(int), strict=True):
        change = target - row.sum()
        carriers = np.flatnonzero(row == (change < 0))
        row[rng.choice(carriers, abs(change), replace=False)] ^= 1
    return faulty


def without_rare(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Sites with a minor frequency below `RARE` in the training individuals have one allele
    only.
    """
    frequency = m.training.mean(axis=1)
    faulty = m.fresh.copy()
    faulty[frequency < RARE], faulty[frequency > 1 - RARE] = 0, 1
    return faulty


def shuffled_phase(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Each individual's two alleles in random order at every site."""
    pairs = m.fresh.reshape(len(m.fresh), -1, 2)
    swap = rng.random(pairs.shape[:2]) < 0.5
    return np.where(swap[:, :, None], pairs[:, :, ::-1], pairs).reshape(m.fresh.shape)


def doubled_recombination(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Fresh haplotypes that recombine among themselves at the rate of the copying model.

    4 N r / n switches per Morgan among n haplotypes (Li and Stephens 2003, Genetics 165:2213).
    """

    def recombined(alleles: np.ndarray) -> np.ndarray:
        return mosaic(alleles, m.cm, 100 * alleles.shape[1] / (4 * EFFECTIVE_SIZE), rng)

    return m.within(m.fresh, recombined)


def thinned_heterozygotes(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Some heterozygous calls become homozygous, for either allele, like dropout in sequencing."""
    faulty = m.fresh.copy()
    first, second = faulty[:, 0::2], faulty[:, 1::2]
    lost = (first != second) & (rng.random(first.shape) < HETEROZYGOTES_LOST)
    kept = np.where(rng.random(first.shape) < 0.5, first, second)
    first[lost], second[lost] = kept[lost], kept[lost]
    return faulty


def mutated(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Alleles that change at random, so that rare ones are where nobody has them."""
    return m.fresh ^ (rng.random(m.fresh.shape) < MUTATED)


def duplicates(m: Material, rng: np.random.Generator) -> np.ndarray:
    """A share of the individuals of each population are copies of others of it."""

    def doubled(alleles: np.ndarray) -> np.ndarray:
        n = alleles.shape[1] // 2
        order = rng.permutation(n)
        k = round(DUPLICATES * n)
        faulty = alleles.copy()
        faulty[:, haplotype_columns(order[:k])] = alleles[
            :, haplotype_columns(rng.choice(order[k:], k))
        ]
        return faulty

    return m.within(m.fresh, doubled)


def inbred(m: Material, rng: np.random.Generator) -> np.ndarray:
    """A share of the individuals have one haplotype twice."""
    faulty, n = m.fresh.copy(), len(m.population)
    chosen = rng.choice(n, round(INBRED * n), replace=False)
    faulty[:, 2 * chosen + 1] = faulty[:, 2 * chosen]
    return faulty


def missing_population(m: Material, rng: np.random.Generator) -> np.ndarray:
    """The last large population is made from individuals of the others; with one population, as it
    is.
    """
    names, sizes = np.unique(m.population, return_counts=True)
    gone = names[sizes >= sizes.max() / 2][-1]
    own, others = np.flatnonzero(m.population == gone), np.flatnonzero(m.population != gone)
    faulty = m.fresh.copy()
    if len(others):
        faulty[:, haplotype_columns(own)] = m.training[
            :, haplotype_columns(rng.choice(others, len(own), len(own) > len(others)))
        ]
    return faulty


def without_indels(m: Material, rng: np.random.Generator) -> np.ndarray:
    """Insertions and deletions carry the reference allele alone."""
    faulty = m.fresh.copy()
    faulty[m.indel] = 0
    return faulty


def _mosaic(length: float) -> Callable:
    return lambda m, rng: m.within(m.training, lambda alleles: mosaic(alleles, m.cm, length, rng))


FAULTS: dict[str, Callable[[Material, np.random.Generator], np.ndarray]] = {
    "fresh individuals": lambda m, rng: m.fresh,
    "independent sites": lambda m, rng: m.within(
        m.training, lambda alleles: independent_sites(alleles, rng)
    ),
    "order-4 Markov": lambda m, rng: m.within(m.training, lambda alleles: markov(alleles, rng)),
    "short mosaic": _mosaic(SHORT),
    "middle mosaic": _mosaic(MIDDLE),
    "long mosaic": _mosaic(LONG),
    "labels shuffled": shuffled_labels,
    "frequencies noised 2 %": noised_frequencies,
    "rare variants dropped": without_rare,
    "phase shuffled": shuffled_phase,
    "recombination doubled": doubled_recombination,
    "heterozygotes thinned": thinned_heterozygotes,
    "alleles mutated 0.1 %": mutated,
    "10 % duplicates": duplicates,
    "10 % inbred": inbred,
    "one population missing": missing_population,
    "indels dropped": without_indels,
}
