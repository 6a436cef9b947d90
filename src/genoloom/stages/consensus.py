"""Personal haplotype sequences of many people, applied by `bcftools consensus` itself.

One pass over the genotypes writes each person's own variants to a small file; htslib's tool, which pysam carries, then
applies them to the reference. Time is linear in the variants and in the output, and the sequences are those of bcftools
by construction, overlapping records included.

Ploidy is a person's own: who has a haploid call in the stretch is haploid there (the mitochondrion; the X of males outside
the pseudo-autosomal regions) and gets one sequence. Of a two-allele call of such a person (heteroplasmy) the first
allele is taken, as `bcftools consensus -H 1` does. Missing calls are the reference.
"""

import gzip
import logging
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam
import pysam.bcftools

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.genotype_calls import ABSENT, Calls, CallsFile
from genoloom.formats.names import without_spaces
from genoloom.formats.reference import Reference
from genoloom.formats.sequence_sets import read_intervals
from genoloom.formats.variants import list_contigs

log = logging.getLogger(__name__)

LINE = 60
OPEN_FILES = 200  # people worked on at a time


class Applied(NamedTuple):
    """One haplotype: its bases, and the chain that leads from the reference to it; or why there is none."""

    bases: str
    chain: str
    problem: str = ""  # an exception would not come back whole from another process


class Job(NamedTuple):
    """What `_apply` needs for one haplotype; plain, so that it can go to another process."""

    template: Path
    variants: Path
    haplotype: int
    name: str


def consensus(
    *,
    variants: Path,
    reference: Path,
    out: Path,
    people: int | None = None,
    region: tuple[int, int] | None = None,
    chain: Path | None = None,
    threads: int = 1,
    contig: str | None = None,
) -> None:
    """Write every haplotype of each person to one bgzip FASTA with .fai and .gzi.

    Records are named `PERSON_1` and `PERSON_2` (haploid people have the first only), with `_` for white space and with the interval of the reference
    (1-based, both ends included) behind.

    Parameters
    ----------
    variants : Path
        VCF or BCF of one contig, diploid calls phased.
    people : int, optional
        Only the first so many people of the file.
    region : (start, end), optional
        1-based; the whole contig by default.
    chain : Path, optional
        Coordinate-lift table to write: UCSC chains from the reference to every haplotype, as liftOver and CrossMap read
        them; gzip where the name ends in .gz. Reference positions are those of the contig.
    threads : int
        Haplotypes applied side by side.
    contig : str, optional
        Take this contig of a file of several.

    Raises
    ------
    InputError
        Several contigs, unphased heterozygotes of diploid people, or a REF allele that differs from the FASTA.
    """
    contig = contig or _only_contig(variants)
    fasta = Reference(reference)
    fasta.check_contig(contig, variants)
    start, end = region or (1, fasta.lengths[contig])
    if end > fasta.lengths[contig]:
        raise InputError(reference, f"{contig} ends at {fasta.lengths[contig]}", expected=f"at least {end} bases")
    source = CallsFile(variants, contig, region)
    samples = without_spaces(source.samples)[:people]
    files = [out, Path(f"{out}.fai"), Path(f"{out}.gzi"), *([chain] if chain else [])]
    with ExitStack() as stack:
        part, fai, gzi, *lift = stack.enter_context(write_beside(*files))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=out.parent)))
        template = scratch / "reference.fa"
        template.write_text(f">{contig}:{start}-{end}\n{_wrapped(fasta.fetch(contig, start - 1, end))}")
        apply = stack.enter_context(ProcessPoolExecutor(threads)).map if threads > 1 else map
        chains = stack.enter_context(_opened(lift[0], str(chain))) if lift else None
        with pysam.BGZFile(str(part), "wb") as handle:
            for first in range(0, len(samples), OPEN_FILES):
                group = range(first, min(first + OPEN_FILES, len(samples)))
                personal, haplotypes = _personal_files(source, contig, group, scratch)
                jobs = [
                    Job(template, path, h, f"{samples[person]}_{h}")
                    for person, path, n in zip(group, personal, haplotypes, strict=True)
                    for h in range(1, n + 1)
                ]
                for job, made in zip(jobs, apply(_apply, jobs), strict=True):
                    if made.problem:
                        remedy = "use the FASTA of the same build"
                        raise InputError(variants, made.problem, expected=f"REF alleles of {reference}", remedy=remedy)
                    handle.write(f">{job.name} {contig}:{start}-{end}\n{_wrapped(made.bases)}".encode())
                    if chains:
                        chains.write(_chain_text(made.chain, contig, fasta.lengths[contig], job.name, len(made.bases)))
                for leftover in scratch.glob("person*"):
                    leftover.unlink()
                log.info("consensus: %d of %d people", group.stop, len(samples))
        pysam.faidx(str(part))
        Path(f"{part}.fai").replace(fai)
        Path(f"{part}.gzi").replace(gzi)


def consensus_of_regions(*, regions: Path, variants: Path, out: Path, **more) -> None:
    """`consensus` of each interval of a BED file, to `out`/NAME.fa.gz; NAME is the interval's own, else CONTIG_START-END.

    Raises
    ------
    InputError
        As `consensus`; or two intervals of one name.
    """
    intervals = read_intervals(regions)
    names = [interval.label or f"{interval.contig}_{interval.start + 1}-{interval.stop}" for interval in intervals]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice or any("/" in name for name in names):
        raise InputError(regions, f"the name '{twice}' stands twice" if twice else "a name holds '/'", expected="names of files")
    for name, interval in zip(names, intervals, strict=True):
        place = (interval.start + 1, interval.stop)
        consensus(variants=variants, out=out / f"{name}.fa.gz", region=place, contig=interval.contig, **more)


def _only_contig(variants: Path) -> str:
    contigs = list_contigs(variants)
    if len(contigs) != 1:
        raise InputError(variants, f"records of {len(contigs)} contigs", expected="one contig", remedy="bcftools view -r CONTIG")
    return contigs[0]


def _opened(path: Path, final: str):
    return gzip.open(path, "wt") if final.endswith(".gz") else open(path, "w")


def _personal_files(source: CallsFile, contig: str, group: range, scratch: Path) -> tuple[list[Path], list[int]]:
    """One plain VCF for each person, with the records at which the person carries an alternate allele; and the ploidies."""
    paths = [scratch / f"person{person}.vcf" for person in group]
    haploid = np.zeros(len(group), dtype=bool)
    unphased = np.zeros(len(group), dtype=np.int64)  # the first such position
    with ExitStack() as stack:
        handles = [stack.enter_context(open(path, "w")) for path in paths]
        for handle in handles:
            handle.write(
                f"##fileformat=VCFv4.3\n##contig=<ID={contig}>\n"
                '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
                "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tperson\n"
            )
        for record in CallsFile(source.path, contig, source.region).records():
            members = slice(group.start, group.stop)
            haploid |= record.haploid[members]
            unphased = np.where((unphased == 0) & record.unphased[members], record.position, unphased)
            for i in np.flatnonzero((record.alleles[members] > 0).any(axis=1)):
                handles[i].write(_line(record, contig, group.start + i))
    torn = unphased[~haploid & (unphased > 0)]
    if len(torn):
        raise InputError(
            source.path, f"{contig}:{torn.min()}: a heterozygous genotype is not phased", expected="phased genotypes (0|1)",
            remedy="phase the file first",
        )  # fmt: skip
    if haploid.any() and (unphased > 0).any():
        log.info("consensus: heteroplasmic calls of haploid people: the first allele is taken")
    return paths, np.where(haploid, 1, 2).tolist()


def _line(record: Calls, contig: str, person: int) -> str:
    """The record as a line of one person's VCF."""
    alleles = [a for a in record.alleles[person].tolist() if a != ABSENT]
    call = ("|" if record.phased[person] else "/").join("." if a < 0 else str(a) for a in alleles)
    return f"{contig}\t{record.position}\t.\t{record.ref}\t{','.join(record.alts)}\t.\t.\t.\tGT\t{call}\n"


def _apply(job: Job) -> Applied:
    """The sequence that `bcftools consensus` makes of one haplotype."""
    compressed = Path(f"{job.variants}.{job.haplotype}.gz")
    pysam.tabix_compress(str(job.variants), str(compressed))
    pysam.tabix_index(str(compressed), preset="vcf")
    out, chain = (job.variants.with_suffix(f".{job.haplotype}.{kind}") for kind in ("fa", "chain"))
    arguments = ["-f", job.template, "-s", "person", "-H", job.haplotype, "-c", chain, "-o", out, compressed]
    try:
        pysam.bcftools.consensus(*map(str, arguments), catch_stdout=False)
    except pysam.SamtoolsError as error:
        reason = [line for line in str(error).splitlines() if "REF" in line or "does not match" in line]
        return Applied("", "", " ".join(reason) or str(error))
    return Applied("".join(out.read_text().splitlines()[1:]), chain.read_text())


def _chain_text(chain: str, contig: str, contig_length: int, name: str, length: int) -> str:
    """The chain under the names and lengths of the reference contig and of the haplotype."""
    lines = []
    for line in chain.splitlines():
        if line.startswith("chain"):
            _, score, _, _, _, start, end, *_ = line.split()
            line = f"chain {score} {contig} {contig_length} + {start} {end} {name} {length} + 0 {length} {name}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _wrapped(sequence: str) -> str:
    return "".join(sequence[i : i + LINE] + "\n" for i in range(0, len(sequence), LINE))
