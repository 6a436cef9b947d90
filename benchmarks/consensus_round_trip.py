"""Do synthetic individuals' FASTA and chain lead back to the very calls of their VCF? Prints how
many differ; should be 0.

    python benchmarks/consensus_round_trip.py --individuals 1000 --region 1000001-1050000

The individuals are independent draws of the allele frequencies of the shipped panel at its SNPs,
with insertions and deletions planted between them. Their VCF is written by the package, `genoloom
consensus` makes both haplotypes of everybody with their chains, and every haplotype is compared
with the reference along its chain: between two blocks is an insertion or a deletion, within a
block single bases. The whole megabase takes 20 times as long as the default stretch and writes 2 GB
of bases.
"""

import argparse
import gzip
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam

from genoloom import __version__
from genoloom.formats.genotype_calls import CallsFile
from genoloom.formats.vcf_write import write_variants
from genoloom.panel import ArrayHaplotypes, Individuals, Panel, Sites
from genoloom.stages.consensus import consensus

DEMO = Path("resources/demo")
LONGEST = 30  # bases of an insertion or deletion
APART = 3  # bases between two variants at least, so that neighbours cannot be read as one
FREQUENCY = 0.3  # of the planted insertions and deletions

Variant = tuple[int, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=Path, default=DEMO / "eur300.chr20_1-2Mb.vcf.gz")
    parser.add_argument("--reference", type=Path, default=DEMO / "GRCh37.chr20_1-2Mb.fa.gz")
    parser.add_argument("--contig", default="20")
    parser.add_argument("--region", default="1000001-1050000", help="1-based, both ends included")
    parser.add_argument("--individuals", type=int, default=1000)
    parser.add_argument("--indels", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    region = tuple(map(int, arguments.region.split("-")))
    with pysam.FastaFile(str(arguments.reference)) as fasta:
        reference = fasta.fetch(arguments.contig, 0, region[1])
        length = fasta.get_reference_length(arguments.contig)
    rng = np.random.default_rng(arguments.seed)
    variants, frequency = with_indels(
        *snps(arguments.variants, arguments.contig, region),
        reference,
        region,
        arguments.indels,
        rng,
    )
    alleles = (rng.random((len(variants), 2 * arguments.individuals)) < frequency[:, None]).astype(
        np.int8
    )
    individuals = Individuals(
        [f"SYN{i + 1:05d}" for i in range(arguments.individuals)],
        ["all"] * arguments.individuals,
        ["unknown"] * arguments.individuals,
    )
    with tempfile.TemporaryDirectory() as folder:
        vcf, out, chain = (
            Path(folder) / name
            for name in ("individuals.vcf.gz", "individuals.fa.gz", "individuals.chain.gz")
        )
        panel = Panel(
            as_sites(variants, arguments.contig, length), individuals, ArrayHaplotypes(alleles)
        )
        write_variants(vcf, panel, {"version": __version__, "seed": arguments.seed})
        started = time.monotonic()
        consensus(variants=vcf, reference=arguments.reference, out=out, region=region, chain=chain)
        made = time.monotonic() - started
        trimmed = [without_shared_start(*variant) for variant in variants]
        compared, calls, differing = compare(
            trimmed, alleles, individuals, reference, region, out, chain
        )
    kinds = [np.sign(len(alt) - len(ref)) for _, ref, alt in variants]
    carried = alleles.sum(axis=1)
    print(
        f"{compared} haplotypes of {arguments.individuals} individuals, "
        f"{region[1] - region[0] + 1} bases"
    )
    for name, kind in (("SNPs", 0), ("insertions", 1), ("deletions", -1)):
        rows = np.array(kinds) == kind
        print(f"{name}: {rows.sum()} sites, {carried[rows].sum()} calls of the alternate allele")
    print(f"differing calls: {differing} of {calls}")
    print(f"consensus {made:.0f} s, whole run {time.monotonic() - started:.0f} s, one process")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")
    sys.exit(differing > 0 or compared != 2 * arguments.individuals)


def snps(path: Path, contig: str, region: tuple[int, int]) -> tuple[list[Variant], np.ndarray]:
    """Biallelic SNPs of a panel and the frequencies of their alternate alleles, float64 (n,)."""
    variants, frequency = [], []
    for record in CallsFile(path, contig, region).records():
        if len(record.ref) == 1 and [len(alt) for alt in record.alts] == [1]:
            variants.append((record.position, record.ref, record.alts[0]))
            frequency.append((record.alleles == 1).sum() / max((record.alleles >= 0).sum(), 1))
    return variants, np.array(frequency)


def with_indels(
    variants: list[Variant],
    frequency: np.ndarray,
    reference: str,
    region: tuple[int, int],
    n: int,
    rng: np.random.Generator,
) -> tuple[list[Variant], np.ndarray]:
    """The variants and `n` planted insertions and deletions in turn, in order of position, none
    within `APART` bases of another.
    """
    free = np.ones(len(reference) + 1, dtype=bool)
    free[: region[0] + APART] = False
    for position, *_ in variants:
        free[position - APART : position + APART + 1] = False
    planted = []
    for position in rng.permutation(np.arange(region[0], region[1] - LONGEST - APART)).tolist():
        size, deletion = int(rng.integers(1, LONGEST + 1)), len(planted) % 2
        span = 1 + size * deletion
        text = reference[position - 1 : position - 1 + span]
        if not free[position - APART : position + span + APART].all() or set(text) - set("ACGT"):
            continue
        inserted = "" if deletion else "".join(rng.choice(list("ACGT"), size))
        planted.append((position, text, text[0] + inserted))
        free[position - APART : position + span + APART] = False
        if len(planted) == n:
            break
    order = sorted(range(len(variants) + len(planted)), key=lambda i: (variants + planted)[i])
    joined = np.append(frequency, np.full(len(planted), FREQUENCY))
    return [(variants + planted)[i] for i in order], joined[order]


def as_sites(variants: list[Variant], contig: str, length: int) -> Sites:
    position, ref, alt = (
        np.array(column, dtype=kind)
        for column, kind in zip(
            zip(*variants, strict=True), (np.int64, object, object), strict=True
        )
    )
    name = np.array(["."] * len(variants), dtype=object)
    return Sites(contig, position, ref, alt, name, np.full(len(variants), np.nan), length)


def without_shared_start(position: int, ref: str, alt: str) -> Variant:
    while ref and alt and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def compare(
    variants: list[Variant],
    alleles: np.ndarray,
    individuals: Individuals,
    reference: str,
    region: tuple[int, int],
    out: Path,
    chain: Path,
) -> tuple[int, int, int]:
    """Haplotypes compared, calls that they should have, and calls that they have too many or too
    few.
    """
    compared = calls = differing = 0
    names = [f"{individual}_{h}" for individual in individuals.id for h in (1, 2)]
    with pysam.FastaFile(str(out)) as fasta:
        for column, (name, blocks) in enumerate(chains(chain)):
            expected = {variants[i] for i in np.flatnonzero(alleles[:, column])}
            if name != names[column]:
                raise ValueError(f"chain of {name} in the place of {names[column]}")
            differing += len(
                expected ^ recalled(reference, fasta.fetch(name), blocks, region[0] - 1)
            )
            calls += len(expected)
            compared += 1
    return compared, calls, differing


def chains(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Each haplotype's name and its blocks, int64 (n, 3): start on the contig, start on the
    haplotype (0-based), size.
    """
    with gzip.open(path, "rt") as handle:
        for part in handle.read().strip().split("\n\n"):
            head, *lines = part.splitlines()
            words = head.split()
            steps = np.array(
                [[*map(int, line.split()), 0, 0][:3] for line in lines], dtype=np.int64
            )
            own = np.cumsum([0, *(steps[:-1, 0] + steps[:-1, 2])])
            ref = int(words[5]) + np.cumsum([0, *(steps[:-1, 0] + steps[:-1, 1])])
            yield words[7], np.stack([ref, own, steps[:, 0]], axis=1)


def recalled(reference: str, own: str, blocks: np.ndarray, start: int) -> set[Variant]:
    """(1-based position, ref, alt) of every difference along a chain; every base of the stretch
    from `start` on is looked at.
    """
    found, before = set(), (start, 0)
    for ref, at, size in [*blocks.tolist(), (len(reference), len(own), 0)]:
        if (ref, at) != before:
            found.add((before[0] + 1, reference[before[0] : ref], own[before[1] : at]))
        theirs, mine = (
            np.frombuffer(text.encode(), dtype=np.uint8)
            for text in (reference[ref : ref + size], own[at : at + size])
        )
        found |= {
            (ref + i + 1, reference[ref + i], own[at + i])
            for i in np.flatnonzero(theirs != mine).tolist()
        }
        before = ref + size, at + size
    return found


if __name__ == "__main__":
    main()
