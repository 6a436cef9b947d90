"""Speed and memory of the mosaics on made-up panels of any size, without files.

    python benchmarks/mosaic_speed.py --variants 80000 --training 2504 --sampled 2504
    python benchmarks/mosaic_speed.py --variants 1000000 --training 20000 --sampled 200

Training haplotypes are mosaics of 200 founders in five populations, 0.1 cM a thousand sites. Prints
millions of haplotype-variants a second of processor time, and the largest resident memory of the
process so far.
"""

import argparse
import resource
import time

import numpy as np

from genoloom.models.haplotype.base import SampleRequest
from genoloom.models.haplotype.matched_mosaic import MatchedMosaicGenerator
from genoloom.models.haplotype.mosaic import MosaicGenerator
from genoloom.models.haplotype.packed import PackedHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training_config import MatchedMosaicOptions, MosaicOptions

FOUNDERS, POPULATIONS = 200, 5
CM_A_SITE = 1e-4


def made_up(n_variants: int, n_haplotypes: int) -> PackedHaplotypes:
    """Mosaics of founders with an eighth of alternate alleles; one in a hundred switches at each
    byte of eight sites.
    """
    rng = np.random.default_rng(0)
    ones = np.empty((-(-n_variants // 8), n_haplotypes), dtype=np.uint8)
    source = rng.integers(0, FOUNDERS, n_haplotypes)
    for row in ones:
        switching = rng.integers(0, n_haplotypes, n_haplotypes // 100)
        source[switching] = rng.integers(0, FOUNDERS, len(switching))
        row[:] = np.bitwise_and.reduce(rng.integers(0, 256, (3, FOUNDERS), dtype=np.uint8))[source]
    return PackedHaplotypes(n_variants, ones, np.empty((0, n_haplotypes), dtype=np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=int, default=80_000)
    parser.add_argument("--training", type=int, default=2504, help="training haplotypes")
    parser.add_argument(
        "--sampled", type=int, default=2504, help="synthetic haplotypes, all at a time"
    )
    arguments = parser.parse_args()
    training = made_up(arguments.variants, arguments.training)
    population = np.arange(arguments.sampled) % POPULATIONS
    request = SampleRequest(population, row_seeds(1, [str(i) for i in range(arguments.sampled)]))
    for generator in (
        MosaicGenerator(MosaicOptions()),
        MatchedMosaicGenerator(MatchedMosaicOptions()),
    ):
        generator.training, generator.population_names = (
            training,
            [f"P{p}" for p in range(POPULATIONS)],
        )
        generator.population = np.arange(arguments.training) % POPULATIONS
        generator.map_cm = np.arange(arguments.variants) * CM_A_SITE
        started = time.process_time()
        alleles = sum(block.size for block in generator.sample(request))
        seconds = time.process_time() - started
        gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{generator.name:16} {alleles / seconds / 1e6:6.0f} M/s  {seconds:7.1f} s of "
            f"processor  {gigabytes:5.2f} GB"
        )


if __name__ == "__main__":
    main()
