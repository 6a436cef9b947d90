"""What a mixture of several generators would pay: their likelihoods of held-out individuals.

    python -m benchmarks haplotypes --set dpyd-slice --individuals 300 \\
        --generators transformer li_stephens hmm markov
    python -m benchmarks mixtures --set dpyd-slice --generators transformer li_stephens hmm markov

The first command leaves the models that the second one reads, each in a folder named as its
generator; a copy under another name can be one more member. Two mixtures with equal weights are
compared, of all generators and of the first with each other one. `bits_whole`: each haplotype is
one generator's from end to end. `bits_blocks`: at every 32 sites one generator, drawn anew, goes on
from what is there; its likelihood is the product over blocks of the mean of the generators'
conditional probabilities. These come from likelihoods of beginnings, for which all sites that
follow are set missing, so every generator that sums over missing calls can take part.
"""

import argparse
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from benchmarks.options import add_shared
from benchmarks.runner import Case, held_out
from genoloom.errors import InputError
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import ArrayHaplotypes
from genoloom.stages.load import load_generator

BLOCK = 32  # sites
COLUMNS = ["generators", "haplotypes", "bits_whole", "bits_blocks"]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1")
    parser.add_argument(
        "--generators",
        nargs="+",
        required=True,
        help="folders of models, in that of the seed; the first is paired with each other one",
    )
    parser.add_argument(
        "--haplotypes", type=int, default=300, help="held-out haplotypes, drawn at random"
    )


def measure(case: Case) -> Iterator[dict]:
    conditional = {}  # generator: (n_blocks, n_haplotypes), natural logarithms
    for name in case.arguments.generators:
        path = case.place / name / "model.safetensors"
        if not path.exists():
            remedy = "train it with 'haplotypes', the same --set, --seeds and --work"
            raise InputError(path, "not found", remedy=remedy)
        generator, sites, _ = load_generator(path)
        if not generator.has_likelihood:
            raise InputError(path, "this generator has no likelihood")
        table = case.place / "split.tsv"
        real, population = held_out(sites, generator.population_names, case.prefix, table)
        order = np.random.default_rng(case.seed).permutation(len(population))
        rows = np.sort(order[: case.arguments.haplotypes])
        alleles = real.haplotypes.read(0, len(sites))[:, rows]
        conditional[name] = block_log_likelihood(generator, alleles, population[rows])
    if len({found.shape for found in conditional.values()}) > 1:
        raise InputError(case.place, "the generators model different sites")
    first, *others = conditional
    groups = [[name] for name in conditional] + [[first, name] for name in others]
    for group in groups + [list(conditional)] * (len(others) > 1):
        found = [conditional[name] for name in group]
        yield {
            "generators": " + ".join(group),
            "haplotypes": alleles.shape[1],
            "bits_whole": _bits(whole_mixture(found), alleles),
            "bits_blocks": _bits(block_mixture(found), alleles),
        }


def block_log_likelihood(
    generator: HaplotypeGenerator, alleles: np.ndarray, population: np.ndarray
) -> np.ndarray:
    """Natural-log probability of each block of `BLOCK` sites given those before it, float64,
    (n_blocks, n_haplotypes).

    alleles : ndarray, int8, shape (n_variants, n_haplotypes); population : ndarray, int64, shape
    (n_haplotypes,).
    """
    borders = [*range(0, len(alleles), BLOCK), len(alleles)]
    beginnings = [np.zeros(alleles.shape[1])]
    for border in borders[1:]:
        begun = alleles.copy()
        begun[border:] = -1
        beginnings.append(generator.log_likelihood(ArrayHaplotypes(begun), population))
    return np.array([after - before for before, after in pairwise(beginnings)])


def whole_mixture(conditional: list[np.ndarray]) -> float:
    """Natural-log likelihood of all haplotypes, each one generator's from end to end."""
    found = np.logaddexp.reduce([one.sum(axis=0) for one in conditional])
    return float((found - math.log(len(conditional))).sum())


def block_mixture(conditional: list[np.ndarray]) -> float:
    """Natural-log likelihood of all haplotypes, each block one generator's given what is there."""
    return float((np.logaddexp.reduce(conditional) - math.log(len(conditional))).sum())


def _bits(total: float, alleles: np.ndarray) -> float:
    return -total / math.log(2) / alleles.size
