"""Own statistics next to scikit-allel: the time of each, and how far the results are apart.

    python -m benchmarks statistics --individuals 1000 --sites 2000

Linkage, distances, principal components and Fst of real individuals, at sites of minor frequency of
1 % and more. Seconds of one processor are the least of `--repeats`, on one thread unless
OMP_NUM_THREADS says otherwise.
"""

import argparse
import time
from collections.abc import Iterator

import allel
import numpy as np

from benchmarks.options import add_shared
from benchmarks.runner import Case
from genoloom.popgen.distances import hamming
from genoloom.popgen.linkage import correlation
from genoloom.popgen.structure import fst_matrix, top_components

COLUMNS = "statistic input scikit_allel_s own_s times_faster largest_difference"
COMPONENTS = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], individuals=1000, sites=2000)
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")


def measure(case: Case) -> Iterator[dict]:
    panel, given = case.panel, case.arguments
    n = len(panel.individuals)
    individuals = np.linspace(0, n - 1, min(given.individuals, n)).astype(int)
    alleles = panel.take_individuals(individuals).haplotypes.read(0, len(panel.sites))
    frequency = alleles.mean(axis=1)
    common = np.flatnonzero((frequency >= 0.01) & (frequency <= 0.99))[: given.sites]
    alleles = np.ascontiguousarray(alleles[common])
    population = case.population[individuals]
    compared = {
        "linkage (r of all pairs, genotypes)": (allel_linkage, own_linkage),
        "distances (all pairs of haplotypes)": (allel_distances, own_distances),
        "principal components (10, Patterson)": (allel_components, own_components),
        "Fst (all pairs of populations, Hudson)": (
            lambda x: allel_fst(x, population),
            lambda x: own_fst(x, population),
        ),
    }
    for statistic, (theirs, ours) in compared.items():
        their_time, their_value = _timed(
            theirs, alleles, 1 if len(alleles) > 500 else given.repeats
        )
        our_time, our_value = _timed(ours, alleles, given.repeats)
        yield {
            "statistic": statistic, "input": f"{alleles.shape[0]} x {alleles.shape[1]}",
            "scikit_allel_s": their_time, "own_s": our_time, "times_faster": their_time / our_time,
            "largest_difference": float(np.abs(their_value - our_value).max()),
        }  # fmt: skip


def _timed(compute, alleles: np.ndarray, repeats: int) -> tuple[float, np.ndarray]:
    best = np.inf
    for _ in range(repeats):
        started = time.process_time()
        value = compute(alleles)
        best = min(best, time.process_time() - started)
    return best, value


def _dosage(alleles: np.ndarray) -> np.ndarray:
    return alleles[:, 0::2] + alleles[:, 1::2]


def allel_linkage(alleles: np.ndarray) -> np.ndarray:
    # scikit-allel computes r in single precision and gives the pairs of the upper half
    return allel.rogers_huff_r(_dosage(alleles)).astype(np.float64)


def own_linkage(alleles: np.ndarray) -> np.ndarray:
    return correlation(_dosage(alleles))[np.triu_indices(len(alleles), k=1)]


def allel_distances(alleles: np.ndarray) -> np.ndarray:
    return allel.pairwise_distance(alleles, metric="cityblock")


def own_distances(alleles: np.ndarray) -> np.ndarray:
    return hamming(alleles, alleles)[np.triu_indices(alleles.shape[1], k=1)]


def allel_components(alleles: np.ndarray) -> np.ndarray:
    scores, _ = allel.pca(
        _dosage(alleles).astype(np.float64), n_components=COMPONENTS, scaler="patterson"
    )
    return _same_sign(scores)


def own_components(alleles: np.ndarray) -> np.ndarray:
    dosage = _dosage(alleles).astype(np.float64)
    mean = dosage.mean(axis=1, keepdims=True)
    p = mean / 2
    x = ((dosage - mean) / np.sqrt(p * (1 - p))).astype(np.float32)
    values, vectors = top_components((x.T @ x).astype(np.float64), COMPONENTS)
    return _same_sign(vectors * np.sqrt(values))


def _same_sign(scores: np.ndarray) -> np.ndarray:
    """Signs are arbitrary: the largest score of each component is positive; in units of the first
    component's spread.
    """
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return scores * np.sign(largest) / scores[:, 0].std()


def allel_fst(alleles: np.ndarray, population: np.ndarray) -> np.ndarray:
    haplotypes = allel.HaplotypeArray(alleles)
    label = np.repeat(population, 2)
    names = np.unique(population)
    counts = haplotypes.count_alleles_subpops(
        {name: np.flatnonzero(label == name) for name in names}, max_allele=1
    )
    values = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            numerator, denominator = allel.hudson_fst(counts[first], counts[second])
            values.append(np.nansum(numerator) / np.nansum(denominator))
    return np.array(values)


def own_fst(alleles: np.ndarray, population: np.ndarray) -> np.ndarray:
    label, names = np.repeat(population, 2), np.unique(population)
    members = (label[:, None] == names[None, :]).astype(np.float32)
    counts = alleles.astype(np.float32) @ members
    return fst_matrix(counts.astype(np.float64), members.sum(axis=0).astype(np.float64))[
        np.triu_indices(len(names), k=1)
    ]
