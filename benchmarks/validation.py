"""Own statistics next to scikit-allel: the same input, the time of each, and how far the results
are apart.

    make bench-validation
    python benchmarks/validation.py --individuals 1000 --sites 2000 --data /path/to/data

Linkage, distances, principal components and Fst of real individuals (the DPYD region of the 1000
Genomes where the development data are there, else the shipped region). Time is the best of
`--repeats`, on one thread unless OMP_NUM_THREADS says otherwise.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time

import allel
import numpy as np
from haplotype_sets import SETS, add_places, open_set

from genoloom.formats.tables import write_table
from genoloom.popgen.distances import hamming
from genoloom.popgen.linkage import correlation
from genoloom.popgen.structure import fst_matrix, top_components
from genoloom.report.summary import as_text

COLUMNS = ["statistic", "input", "scikit_allel_s", "own_s", "times_faster", "largest_difference"]
COMPONENTS = 10


def main() -> int:
    arguments = _parse()
    name = "dpyd-26" if (arguments.data / SETS["dpyd-26"].variants).exists() else "demo"
    panel = open_set(name, arguments.data)
    individuals = np.linspace(
        0, len(panel.individuals) - 1, min(arguments.individuals, len(panel.individuals))
    ).astype(int)
    alleles = panel.take_individuals(individuals).haplotypes.read(0, len(panel.sites))
    frequency = alleles.mean(axis=1)
    common = np.flatnonzero((frequency >= 0.01) & (frequency <= 0.99))[: arguments.sites]
    alleles = np.ascontiguousarray(alleles[common])
    population = np.array(panel.individuals.population)[individuals]
    print(
        f"{name}: {len(individuals)} individuals x {len(common)} sites, "
        f"{os.environ['OMP_NUM_THREADS']} thread(s)"
    )
    rows = [
        _compared(
            "linkage (r of all pairs, genotypes)",
            alleles,
            allel_linkage,
            own_linkage,
            arguments.repeats,
        ),
        _compared(
            "distances (all pairs of haplotypes)",
            alleles,
            allel_distances,
            own_distances,
            arguments.repeats,
        ),
        _compared(
            "principal components (10, Patterson)",
            alleles,
            allel_components,
            own_components,
            arguments.repeats,
        ),
        _compared(
            "Fst (all pairs of populations, Hudson)",
            alleles,
            lambda x: allel_fst(x, population),
            lambda x: own_fst(x, population),
            arguments.repeats,
        ),
    ]
    write_table(arguments.out, COLUMNS, rows)
    print(as_text(rows, COLUMNS))
    return 0


def _compared(statistic: str, alleles: np.ndarray, theirs, ours, repeats: int) -> dict:
    their_time, their_value = _timed(theirs, alleles, 1 if len(alleles) > 500 else repeats)
    our_time, our_value = _timed(ours, alleles, repeats)
    return {
        "statistic": statistic, "input": f"{alleles.shape[0]} x {alleles.shape[1]}",
        "scikit_allel_s": their_time,
        "own_s": our_time, "times_faster": their_time / our_time,
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


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--individuals", type=int, default=1000)
    parser.add_argument("--sites", type=int, default=2000, help="of minor frequency >= 1 %%")
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    add_places(parser, "validation.tsv")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
