"""Speed and memory of the mosaics on made-up panels of any size, without files.

    python -m benchmarks mosaic_speed --variants 80000 --training 2504 --sampled 2504
    python -m benchmarks mosaic_speed --variants 1000000 --training 20000 --sampled 200

Training haplotypes are mosaics of 200 founders in five populations, 0.1 cM per thousand sites.
Columns: millions of haplotype-variants per second of processor time, and the largest resident
memory of the process so far.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from benchmarks.runner import Case, peak_memory, timed_sample
from genoloom.models.haplotype.matched_mosaic import MatchedMosaicGenerator
from genoloom.models.haplotype.mosaic import MosaicGenerator
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.training_config import MatchedMosaicOptions, MosaicOptions

FOUNDERS, POPULATIONS = 200, 5
CM_A_SITE = 1e-4
COLUMNS = "generator variants training sampled sample_M_s cpu_s memory_gb"


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


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--variants", type=int, default=80_000, help="sites")
    parser.add_argument("--training", type=int, default=2504, help="training haplotypes")
    parser.add_argument(
        "--sampled", type=int, default=2504, help="synthetic haplotypes, all at a time"
    )


def measure(case: Case) -> Iterator[dict]:
    sizes = {key: vars(case.arguments)[key] for key in ("variants", "training", "sampled")}
    n = sizes["training"]
    training = made_up(sizes["variants"], n)
    population = np.arange(sizes["sampled"]) % POPULATIONS
    mosaics = MosaicGenerator(MosaicOptions()), MatchedMosaicGenerator(MatchedMosaicOptions())
    for generator in mosaics:
        generator.population_names = [f"P{p}" for p in range(POPULATIONS)]
        generator.training, generator.population = training, np.arange(n) % POPULATIONS
        generator.map_cm = np.arange(sizes["variants"]) * CM_A_SITE
        speed, seconds = timed_sample(generator, population)
        found = {"sample_M_s": speed, "cpu_s": seconds, "memory_gb": peak_memory()}
        yield {"generator": generator.name} | sizes | found
