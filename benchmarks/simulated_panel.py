"""A large panel that anybody can make: individuals of three populations, simulated under a
published history.

The history is that of Gutenkunst et al. 2009 (doi:10.1371/journal.pgen.1000695, table 1; a
generation of 25 years): Africans, Europeans and East Asians after the expansion out of Africa.
Ancestry with recombination is simulated by msprime (Baumdicker et al. 2022,
doi:10.1093/genetics/iyab229; `pip install msprime`).
"""

import logging
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.panel import Individuals, Sites

INDIVIDUALS = {"AFR": 835, "EUR": 835, "EAS": 834}  # 2,504 in all, as in 1000 Genomes
LENGTH = 14_000_000  # base pairs simulated, enough for the sites
RECOMBINATION, MUTATION = 1e-8, 1.25e-8  # a base pair and generation
# sites; copies of the minor allele in all individuals, so that most have two among those who train
SITES, CARRIERS = 70_000, 4
CONTIG = "simulated"
AT_ONCE = 1000  # sites written together
STRETCH = 32_768  # sites that are simulated where many are asked for
YEARS = 25  # a generation
SEED = 1


def write_simulated(out: Path) -> None:
    """Write the panel of `SITES` sites at the prefix `out`: the same whenever it is made, but for
    the version of msprime.

    Raises
    ------
    InputError
        msprime is not installed.
    """
    msprime = _msprime()
    sequences = msprime.sim_ancestry(
        INDIVIDUALS, demography=_out_of_africa(msprime), sequence_length=LENGTH,
        recombination_rate=RECOMBINATION, random_seed=SEED
    )  # fmt: skip
    mutated = msprime.sim_mutations(
        sequences, rate=MUTATION, model=msprime.BinaryMutationModel(), random_seed=SEED
    )
    populations = [name for name, n in INDIVIDUALS.items() for _ in range(n)]
    individuals = Individuals(
        [f"simulated{i}" for i in range(len(populations))], populations,
        [("female", "male")[i % 2] for i in range(len(populations))]
    )  # fmt: skip
    kept = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    with PanelWriter(out, individuals, CONTIG) as writer:
        position, alleles = [], []
        for variant in mutated.variants():
            ones = int(variant.genotypes.sum())
            if min(ones, 2 * len(individuals) - ones) < CARRIERS:
                continue
            position.append(int(variant.site.position) + 1)
            alleles.append(variant.genotypes.astype(np.int8))
            kept += 1
            if len(position) == AT_ONCE or kept == SITES:
                writer.append(_sites(np.array(position)), np.stack(alleles))
                position, alleles = [], []
            if kept == SITES:
                break
        else:
            raise RuntimeError(f"{LENGTH} base pairs have only {kept} of {SITES} sites")
    _summarize(out, CONTIG, kept)


def write_repeated(prefix: Path, sites: int, individuals: int, fewest: int) -> None:
    """Write a panel of Europeans under the same history on contig 1, for measurements of time: a
    stretch of at most `STRETCH` sites is simulated, and more sites are the same stretch again,
    further on. Two haplotypes of the first `fewest` individuals have the rarer allele of each.

    Raises
    ------
    InputError
        msprime is not installed.
    """
    position, bits, length = _stretch(min(sites, STRETCH), individuals, fewest)
    named = Individuals(
        [f"simulated{i}" for i in range(individuals)], ["EUR"] * individuals,
        [("female", "male")[i % 2] for i in range(individuals)]
    )  # fmt: skip
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with PanelWriter(prefix, named, "1", length * -(-sites // len(position))) as writer:
        for first in range(0, sites, AT_ONCE):
            rows = np.arange(first, min(first + AT_ONCE, sites))
            again, row = np.divmod(rows, len(position))
            alleles = np.unpackbits(bits[row], axis=1, count=2 * individuals)
            writer.append(_sites(position[row] + again * length, "1"), alleles.astype(np.int8))
    _summarize(prefix, "1", sites)


def _stretch(sites: int, individuals: int, fewest: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Positions, alleles (a bit each) and length of simulated sites."""
    msprime = _msprime()
    length = 1_000_000 + 1000 * sites  # more than enough, also for a hundred individuals
    sequences = msprime.sim_ancestry(
        {"EUR": individuals}, demography=_out_of_africa(msprime), sequence_length=length,
        recombination_rate=RECOMBINATION, random_seed=SEED
    )  # fmt: skip
    mutated = msprime.sim_mutations(
        sequences, rate=MUTATION, model=msprime.BinaryMutationModel(), random_seed=SEED
    )
    position, bits = [], []
    for variant in mutated.variants():
        ones = int(variant.genotypes[: 2 * fewest].sum())
        if 2 <= ones <= 2 * fewest - 2:
            position.append(int(variant.site.position) + 1)
            bits.append(np.packbits(variant.genotypes.astype(np.uint8)))
        if len(position) == sites:
            return np.array(position), np.stack(bits), position[-1]
    raise RuntimeError(f"{length} base pairs have only {len(position)} of {sites} sites")


def _summarize(out: Path, contig: str, kept: int) -> None:
    Path(f"{out}.summary.json").write_text(
        f'{{"contig": "{contig}", "records": {kept}, "kept": {kept}}}\n'
    )


def _msprime():
    try:
        import msprime
    except ImportError as error:
        message = "the package msprime, which simulates, is not installed"
        raise InputError("simulated data", message, remedy="pip install msprime") from error
    logging.getLogger("msprime").setLevel(logging.WARNING)
    return msprime


def _sites(position: np.ndarray, contig: str = CONTIG) -> Sites:
    text = [np.array([value] * len(position), dtype=object) for value in ("A", "C", ".")]
    return Sites(contig, position, *text, position * RECOMBINATION * 100, None)


def _out_of_africa(msprime):
    """Sizes in diploid individuals, growth and migration a generation, times in generations ago."""
    growing_eur, growing_eas = 0.004, 0.0055  # a generation
    split, bottleneck, origin = (years / YEARS for years in (21_200, 140_000, 220_000))
    history = msprime.Demography()
    history.add_population(name="AFR", initial_size=12_300)
    history.add_population(
        name="EUR", initial_size=1_000 * np.exp(growing_eur * split), growth_rate=growing_eur
    )
    history.add_population(
        name="EAS", initial_size=510 * np.exp(growing_eas * split), growth_rate=growing_eas
    )
    history.add_population(name="OUT", initial_size=2_100)
    history.add_population(name="OLD", initial_size=12_300)
    history.add_population(name="ANCESTRAL", initial_size=7_300)
    for pair, rate in ((("AFR", "EUR"), 3e-5), (("AFR", "EAS"), 1.9e-5), (("EUR", "EAS"), 9.6e-5)):
        history.set_symmetric_migration_rate(list(pair), rate)
    history.add_population_split(time=split, derived=["EUR", "EAS"], ancestral="OUT")
    history.add_symmetric_migration_rate_change(time=split, populations=["AFR", "OUT"], rate=25e-5)
    history.add_population_split(time=bottleneck, derived=["OUT", "AFR"], ancestral="OLD")
    history.add_population_split(time=origin, derived=["OLD"], ancestral="ANCESTRAL")
    return history
