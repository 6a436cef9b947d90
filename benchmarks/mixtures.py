"""What would a mixture of several generators pay for the held-out individuals? Their likelihoods,
averaged.

    python benchmarks/haplotypes.py --set dpyd-slice --individuals 300 \
        --generators transformer li_stephens hmm markov
    python benchmarks/mixtures.py --set dpyd-slice --generators transformer li_stephens hmm markov

The first command leaves the models that the second one reads, each in a folder named as its
generator; a copy under another name can be one more member. Two mixtures with equal weights are
compared, of all generators and of the first with each other one. `whole`: each haplotype is one
generator's from end to end. `blocks`: at every 32 sites one generator, drawn anew, goes on from
what is there; its likelihood is the product over blocks of the mean of the generators' conditional
probabilities. These come from likelihoods of beginnings, for which all sites that follow are set
missing, so every generator that sums over missing calls can take part.
"""

import argparse
import logging
import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from haplotype_sets import RESULTS, SETS, add_places
from haplotypes import held_out

from genoloom.errors import GenoLoomError, InputError
from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import ArrayHaplotypes
from genoloom.report.summary import as_text
from genoloom.stages.load import load_generator

log = logging.getLogger("benchmark")
BLOCK = 32  # sites
COLUMNS = ["set", "seed", "generators", "haplotypes", "bits_whole", "bits_blocks"]


def main() -> int:
    arguments = _parse()
    configure_logging()
    try:
        rows = _rows(arguments)
    except GenoLoomError as error:
        log.error("%s", error)
        return error.exit_code
    write_table(arguments.out, COLUMNS, rows)
    print(as_text(rows, COLUMNS))
    return 0


def _rows(arguments: argparse.Namespace) -> list[dict]:
    place = arguments.work / arguments.set / f"seed{arguments.seed}"
    panel = arguments.work / arguments.set / SETS[arguments.set].contig
    conditional = {}  # generator: (n_blocks, n_haplotypes), natural logarithms
    for name in arguments.generators:
        path = place / name / "model.safetensors"
        if not path.exists():
            raise InputError(
                path,
                "not found",
                remedy="train it with benchmarks/haplotypes.py, the same --set, --seeds and --work",
            )
        generator, sites, _ = load_generator(path)
        if not generator.has_likelihood:
            raise InputError(path, "this generator has no likelihood")
        real, population = held_out(sites, generator.population_names, panel, place / "split.tsv")
        rows = np.sort(
            np.random.default_rng(arguments.seed).permutation(len(population))[
                : arguments.haplotypes
            ]
        )
        alleles = real.haplotypes.read(0, len(sites))[:, rows]
        log.info("%s: %d haplotypes", name, len(rows))
        conditional[name] = block_log_likelihood(generator, alleles, population[rows])
    if len({found.shape for found in conditional.values()}) > 1:
        raise InputError(place, "the generators model different sites")
    first, *others = conditional
    groups = (
        [[name] for name in conditional]
        + [[first, name] for name in others]
        + [list(conditional)] * (len(others) > 1)
    )
    return [
        {
            "set": arguments.set, "seed": str(arguments.seed), "generators": " + ".join(group),
            "haplotypes": str(alleles.shape[1]),
            "bits_whole": f"{_bits(whole_mixture([conditional[n] for n in group]), alleles):.4g}",
            "bits_blocks": f"{_bits(block_mixture([conditional[n] for n in group]), alleles):.4g}",
        }
        for group in groups
    ]  # fmt: skip


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
    return float(
        (
            np.logaddexp.reduce([found.sum(axis=0) for found in conditional])
            - math.log(len(conditional))
        ).sum()
    )


def block_mixture(conditional: list[np.ndarray]) -> float:
    """Natural-log likelihood of all haplotypes, each block one generator's given what is there."""
    return float((np.logaddexp.reduce(conditional) - math.log(len(conditional))).sum())


def _bits(total: float, alleles: np.ndarray) -> float:
    return -total / math.log(2) / alleles.size


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set", choices=SETS, default="demo", help="data set (default: the shipped one)"
    )
    parser.add_argument(
        "--generators",
        nargs="+",
        required=True,
        help="folders of models, in that of the seed; the first is paired with each other one",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--haplotypes", type=int, default=300, help="held-out haplotypes, drawn at random"
    )
    parser.add_argument(
        "--work", type=Path, default=RESULTS, help="where benchmarks/haplotypes.py left the models"
    )
    add_places(parser, "mixtures.tsv")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
