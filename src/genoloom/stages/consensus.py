"""Personal haplotype sequences of many individuals, applied by `bcftools consensus` itself.

One pass over the genotypes writes each individual's own variants to a small file; htslib's tool,
which pysam carries, then applies them to the reference. Time is linear in the variants and in the
output, and the sequences are bcftools' by construction, overlapping records included. Bases are
read and written in pieces, here and by bcftools: memory does not grow with the contig.

Ploidy is an individual's own: who has a haploid call in the stretch is haploid there (the
mitochondrion; the X of males outside the pseudo-autosomal regions) and gets one sequence. Of a
two-allele call of such an individual (heteroplasmy) the first allele is taken, as `bcftools
consensus -H 1` does. Missing calls are the reference.
"""

import logging
import multiprocessing
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam
import pysam.bcftools

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.bgzip import create_bgzip
from genoloom.formats.fasta_index import index_fasta
from genoloom.formats.genotype_calls import Calls, CallsFile
from genoloom.formats.names import without_spaces
from genoloom.formats.reference import IUPAC, Reference
from genoloom.formats.sequence_sets import read_intervals
from genoloom.formats.text import create_text
from genoloom.formats.variant_header import read_header
from genoloom.formats.variant_process import ABSENT
from genoloom.formats.variants import list_contigs

log = logging.getLogger(__name__)

LINE = 60
PIECE = LINE << 14  # bases that are held at a time
OPEN_FILES = 200  # individuals worked on at a time
LONGEST_NAME = 180  # bytes of an interval's name; file names have 255, and more is put around it
NOT_PHASED, OTHER_SET = "is not phased", "is in another phase set (FORMAT/PS) than those before it"
AMBIGUITY = set(IUPAC) - {"N"}
HARMLESS = ("*", "<*>", "<NON_REF>")  # alleles with nothing to apply


class Applied(NamedTuple):
    """Files of one haplotype's sequence and of the chain from the reference; or why there are
    none.
    """

    fasta: Path
    chain: Path
    overlapping: tuple[int, ...] = ()  # positions that were left out, as they overlap others
    problem: str = ""  # an exception would not come back whole from another process


class Job(NamedTuple):
    """What `_apply` needs for one haplotype; plain, so that it can go to another process."""

    template: Path
    variants: Path
    haplotype: int
    name: str


@dataclass
class LeftOut:
    """Positions of what was not applied: alleles without bases, records that overlap others."""

    symbolic: dict[str, set[int]] = field(default_factory=dict)
    overlapping: set[int] = field(default_factory=set)

    def tell(self) -> None:
        if self.symbolic:
            found = sorted(self.symbolic.items())
            kinds = ", ".join(f"{len(places)} of {kind}" for kind, places in found)
            log.warning("consensus: records whose allele has no bases and is left out: %s", kinds)
        if self.overlapping:
            log.info(
                "consensus: %d records overlap others on some haplotype and are left out there",
                len(self.overlapping),
            )


def consensus(
    *,
    variants: Path,
    reference: Path,
    out: Path,
    individuals: int | None = None,
    region: tuple[int, int] | None = None,
    chain: Path | None = None,
    threads: int = 1,
    contig: str | None = None,
    part: tuple[int, int] | None = None,
) -> None:
    """Write every haplotype of each individual to one bgzip FASTA with .fai and .gzi.

    Records are named `INDIVIDUAL_1` and `INDIVIDUAL_2` (haploid individuals have the first only),
    with `_` for white space and with the interval of the reference (1-based, both ends included)
    after.

    Parameters
    ----------
    variants : Path
        VCF or BCF of one contig, diploid calls phased.
    individuals : int, optional
        Only the first N individuals of the file.
    region : (start, end), optional
        1-based; the whole contig by default.
    chain : Path, optional
        Coordinate-lift table to write: UCSC chains from the reference to every haplotype, as
        liftOver and CrossMap read them; gzip where the name ends in .gz. Reference positions are
        the ends of the contig.
    threads : int
        Haplotypes applied side by side.
    contig : str, optional
        Take this contig of a file of several.
    part : (int, int), optional
        Only this part (1-based) of so many of the individuals, for `gather`.

    Raises
    ------
    InputError
        Several contigs, unphased heterozygotes of diploid individuals, or a REF allele that differs
        from the FASTA.
    """
    contig = contig or _only_contig(variants)
    fasta = Reference(reference)
    fasta.check_contig(contig, variants)
    start, end = region or (1, fasta.lengths[contig])
    if end > fasta.lengths[contig]:
        found = f"{contig} ends at {fasta.lengths[contig]}"
        raise InputError(reference, found, expected=f"at least {end} bases")
    source = CallsFile(variants, contig, region)
    samples, left_out = without_spaces(source.samples)[:individuals], LeftOut()
    number, parts = part or (1, 1)
    low, high = len(samples) * (number - 1) // parts, len(samples) * number // parts
    files = [out, Path(f"{out}.fai"), Path(f"{out}.gzi"), *([chain] if chain else [])]
    with ExitStack() as stack:
        out_part, fai, gzi, *lift = stack.enter_context(write_beside(*files))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=out.parent)))
        template = scratch / "reference.fa"
        with template.open("w") as handle:
            handle.write(f">{contig}:{start}-{end}\n")
            for first in range(start - 1, end, PIECE):
                handle.write(_wrapped(fasta.fetch(contig, first, min(first + PIECE, end))))
        # in processes of their own, which bcftools may end
        fork = multiprocessing.get_context("fork")
        pool = stack.enter_context(ProcessPoolExecutor(threads, mp_context=fork))
        packed = str(chain).endswith(".gz")
        chains = stack.enter_context(create_text(lift[0], packed)) if lift else None
        with create_bgzip(out_part) as handle:
            for first in range(low, high, OPEN_FILES):
                group = range(first, min(first + OPEN_FILES, high))
                personal, haplotypes = _personal_files(source, fasta, group, scratch, left_out)
                jobs = [
                    Job(template, path, h, f"{samples[individual]}_{h}")
                    for individual, path, n in zip(group, personal, haplotypes, strict=True)
                    for h in range(1, n + 1)
                ]
                for job, result in zip(
                    jobs,
                    _applied(pool, jobs, 2 * threads, variants, (contig, start, end)),
                    strict=True,
                ):
                    if result.problem:
                        raise _explained(result.problem, variants, fasta)
                    left_out.overlapping.update(result.overlapping)
                    handle.write(f">{job.name} {contig}:{start}-{end}\n".encode())
                    n = _append(result.fasta, handle)
                    if chains:
                        text, length = result.chain.read_text(), fasta.lengths[contig]
                        chains.write(_chain_text(text, contig, length, job.name, n))
                    for leftover in scratch.glob(f"{job.variants.stem}.{job.haplotype}.*"):
                        leftover.unlink()
                for path in personal:
                    path.unlink()
                log.info("consensus: %d of %d individuals", group.stop - low, high - low)
        index_fasta(out_part, fai, gzi)
    left_out.tell()


def consensus_of_regions(*, regions: Path, variants: Path, out: Path, **more) -> None:
    """`consensus` of each interval of a BED file, to `out`/NAME.fa.gz.

    NAME is the interval's own, else CONTIG_START-END.

    Raises
    ------
    InputError
        As `consensus`; or two intervals of one name.
    """
    intervals = read_intervals(regions)
    names = [i.label or f"{i.contig}_{i.start + 1}-{i.stop}" for i in intervals]
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        found = "is listed twice" if name in seen else "is no name of a file"
        if name in seen or not _is_file_name(name):
            raise InputError(
                regions,
                f"interval {number}: its name {found}",
                expected=f"different names of at most {LONGEST_NAME} bytes, without '/'",
            )
        seen.add(name)
    for name, interval in zip(names, intervals, strict=True):
        place = (interval.start + 1, interval.stop)
        path, contig = out / f"{name}.fa.gz", interval.contig
        consensus(variants=variants, out=path, region=place, contig=contig, **more)


def _is_file_name(name: str) -> bool:
    return len(os.fsencode(name)) <= LONGEST_NAME and "/" not in name and name.isprintable()


def _only_contig(variants: Path) -> str:
    contigs = list_contigs(variants) or list(read_header(variants).contigs.values())
    if len(contigs) != 1:
        raise InputError(
            variants,
            f"records of {len(contigs)} contigs",
            expected="one contig",
            remedy=f"bcftools view -r CONTIG -Oz -o ONE.vcf.gz {variants}",
        )
    return contigs[0]


def _personal_files(
    source: CallsFile, fasta: Reference, group: range, scratch: Path, left_out: LeftOut
) -> tuple[list[Path], list[int]]:
    """One plain VCF for each individual, of the alternates that are carried; and the ploidies."""
    contig = source.contig
    paths = [scratch / f"individual{individual}.vcf" for individual in group]
    haploid = np.zeros(len(group), dtype=bool)
    unphased = np.zeros(len(group), dtype=np.int64)  # the first such position
    other_sets: dict[int, str] = {}
    with ExitStack() as stack:
        handles = [stack.enter_context(open(path, "w")) for path in paths]
        for handle in handles:
            handle.write(
                f"##fileformat=VCFv4.2\n##contig=<ID={contig},length={fasta.lengths[contig]}>\n"
                '##INFO=<ID=END,Number=1,Type=Integer,Description="Last base">\n'
                '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
                "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tindividual\n"
            )
        for record in source.records():
            _check_end(record, source, fasta)
            if record.other_sets:
                only = record.other_sets == record.unphased.sum()
                other_sets[record.position] = OTHER_SET if only else f"{NOT_PHASED} or {OTHER_SET}"
            members = slice(group.start, group.stop)
            record = replace(record, alleles=record.alleles[members], phased=record.phased[members])
            haploid |= record.haploid
            record = _applicable(record, left_out)
            unphased = np.where((unphased == 0) & record.unphased, record.position, unphased)
            for i in np.flatnonzero((record.alleles > 0).any(axis=1)):
                handles[i].write(
                    _lines(record, contig, record.alleles[i].tolist(), bool(haploid[i]))
                )
    torn = unphased[~haploid & (unphased > 0)]
    if len(torn):
        first = int(torn.min())
        raise InputError(
            source.path,
            f"{contig}:{first}: a heterozygous genotype {other_sets.get(first, NOT_PHASED)}",
            expected="phased genotypes (0|1) of one phase set",
            remedy="phase the file first (SHAPEIT, Beagle, Eagle)",
        )  # fmt: skip
    if haploid.any() and (unphased > 0).any():
        log.info("consensus: heteroplasmic calls of haploid individuals: the first allele is taken")
    return paths, np.where(haploid, 1, 2).tolist()


def _check_end(record: Calls, source: CallsFile, fasta: Reference) -> None:
    """A file of another build may have records that the contig does not reach."""
    last, length = (
        max(record.position - 1 + len(record.ref), record.end or 0),
        fasta.lengths[source.contig],
    )
    if last > length:
        raise InputError(
            source.path,
            f"{source.contig}:{record.position} reaches to {last}, beyond the end of the contig",
            expected=f"records within the {length} bases of {source.contig} in {fasta.path}",
            remedy="use the FASTA of the same build",
        )  # fmt: skip


def _applicable(record: Calls, left_out: LeftOut) -> Calls:
    """The record with REF in place of alleles that no bases are known of.

    These are the symbolic ones but a deletion with a length (`bcftools consensus` stops at them),
    breakends (it writes their text into the sequence), `*`, which means a deletion that has a
    record of its own, and `<*>`, the reference.
    """
    kinds = [_kind_without_bases(alt, record) for alt in record.alts]
    if not any(kinds):
        return record
    alleles = record.alleles
    for number, kind in enumerate(kinds, 1):
        if kind and (alleles == number).any():
            if kind not in HARMLESS:
                left_out.symbolic.setdefault(kind, set()).add(record.position)
            alleles = np.where(alleles == number, 0, alleles)
    return replace(record, alleles=alleles)


def _kind_without_bases(alt: str, record: Calls) -> str:
    """What kind of allele it is, where it cannot be applied; "" where it can."""
    if alt.isalpha():
        return ""
    if alt.upper() == "<DEL>":
        return "" if (record.end or 0) > record.position else "<DEL> without a length"
    if alt in HARMLESS:
        return alt
    return f"{alt.partition(':')[0].rstrip('>')}>" if alt.startswith("<") else "breakends"


def _lines(record: Calls, contig: str, alleles: list[int], haploid: bool) -> str:
    """One individual's alternates as lines of a VCF, one an allele: what is said of one touches no
    other.
    """
    lines = []
    for number in dict.fromkeys(a for a in alleles if a > 0):
        alt = record.alts[number - 1]
        info = f"END={record.end}" if alt.startswith("<") else "."
        called = alleles[:1] if haploid else [a for a in alleles if a != ABSENT]
        call = "|".join(str(int(a == number)) for a in called)
        cells = (contig, record.position, ".", record.ref, alt, ".", ".", info, "GT", call)
        lines.append("\t".join(map(str, cells)) + "\n")
    return "".join(lines)


def _applied(
    pool: ProcessPoolExecutor, jobs: list[Job], ahead: int, variants: Path, place: tuple
) -> Iterator[Applied]:
    """The haplotypes in order; no more than `ahead` are worked on or wait at a time."""
    waiting: deque = deque()
    try:
        for job in jobs:
            if len(waiting) == ahead:
                yield waiting.popleft().result()
            waiting.append(pool.submit(_apply, job))
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        contig, start, end = place
        raise InputError(
            variants,
            f"{contig}:{start}-{end}: bcftools consensus ended without a word on a haplotype",
            expected="records that it can apply",
            remedy=f"bcftools norm -f REFERENCE.fa -Oz -o NORMAL.vcf.gz {variants}, and give that "
            "file",
        ) from None


def _apply(job: Job) -> Applied:
    """The sequence that `bcftools consensus` makes of one haplotype."""
    suffixes = (f".{job.haplotype}.{kind}" for kind in ("vcf.gz", "fa", "chain"))
    compressed, fasta, chain = (job.variants.with_suffix(suffix) for suffix in suffixes)
    pysam.tabix_compress(str(job.variants), str(compressed))
    pysam.tabix_index(str(compressed), preset="vcf", csi=True)  # .tbi reaches 2^29 bases
    arguments = ["-f", job.template, "-s", "individual", "-H", job.haplotype]
    arguments += ["-c", chain, "-o", fasta, compressed]
    try:
        pysam.bcftools.consensus(*map(str, arguments), catch_stdout=False)
    except pysam.SamtoolsError as error:
        problem = str(error).replace(str(job.variants.parent), "").replace("\\n", "\n")
        return Applied(fasta, chain, problem=problem)
    said = pysam.bcftools.consensus.get_messages() or ""
    overlapping = re.findall(r"The site .*:(\d+) overlaps with another variant", said)
    return Applied(fasta, chain, tuple(map(int, overlapping)))


def _append(fasta: Path, out: pysam.BGZFile) -> int:
    """Copy the lines of a record without its title; how many bases these are."""
    n = 0
    with fasta.open("rb") as source:
        source.readline()
        while lines := source.read(PIECE):
            out.write(lines)
            n += len(lines) - lines.count(b"\n")
    return n


def _explained(problem: str, variants: Path, fasta: Reference) -> InputError:
    """What bcftools said, in our words; there are no names of individuals in it."""
    differs = re.search(
        r"does not match the REF allele at (.+):(\d+):\s+REF \.vcf: \[(.*?)\]", problem
    )
    if not differs:
        said = re.sub(r".*stderr=", "", problem.strip(), flags=re.DOTALL).strip("'\" \n")
        reason = next(iter(said.splitlines()), "without a reason")
        return InputError(variants, f"bcftools consensus stopped: {reason}")
    contig, position, ref = differs[1], int(differs[2]), differs[3]
    found = f"{contig}:{position}: REF is {ref}"
    bases = fasta.fetch(contig, position - 1, position - 1 + len(ref)).upper()
    if bases == ref.upper():
        return InputError(
            variants,
            f"{found}, which the records before it on the same haplotype have changed",
            expected="records that do not overlap",
            remedy=f"bcftools norm -f {fasta.path} -Oz -o NORMAL.vcf.gz {variants}, and give that "
            "file",
        )
    codes = "".join(sorted(set(bases) & AMBIGUITY))
    if codes and all(b in AMBIGUITY or a == b for a, b in zip(ref.upper(), bases, strict=True)):
        return InputError(
            variants, f"{found}, where the FASTA has the ambiguity code {codes}",
            expected=f"the same in VCF and FASTA, here {bases}",
            remedy="where REF is N, write N in the FASTA as well: sed "
            f"'/^>/!y/{codes}/{'N' * len(codes)}/' FASTA > NEW.fa",
        )  # fmt: skip
    return InputError(
        variants,
        found,
        expected=f"{bases}, as in {fasta.path}",
        remedy="use the FASTA of the same build",
    )


def _chain_text(chain: str, contig: str, contig_length: int, name: str, length: int) -> str:
    """The chain under the names and lengths of the reference contig and of the haplotype."""
    lines = []
    for line in chain.splitlines():
        if line.startswith("chain"):
            _, score, _, _, _, start, end, *_ = line.split()
            line = f"chain {score} {contig} {contig_length} + {start} {end}"
            line += f" {name} {length} + 0 {length} {name}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _wrapped(sequence: str) -> str:
    return "".join(sequence[i : i + LINE] + "\n" for i in range(0, len(sequence), LINE))
