"""Personal haplotype sequences of many people, applied by `bcftools consensus` itself.

One pass over the genotypes writes each person's own variants to a small file; htslib's tool, which pysam carries, then
applies them to the reference. Time is linear in the variants and in the output, and the sequences are those of bcftools
by construction, overlapping records included.
"""

import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.reference import Reference
from genoloom.formats.variants import Record, VcfFile, list_contigs

log = logging.getLogger(__name__)

LINE = 60
OPEN_FILES = 200  # people worked on at a time


def consensus(
    *, variants: Path, reference: Path, out: Path, people: int | None = None, region: tuple[int, int] | None = None
) -> None:
    """Write both haplotypes of each person to one bgzip FASTA with .fai and .gzi.

    Records are named `PERSON_1` and `PERSON_2`, with the interval of the reference (1-based, both ends included) behind.

    Parameters
    ----------
    variants : Path
        Phased, diploid VCF or BCF of one contig.
    people : int, optional
        Only the first so many people of the file.
    region : (start, end), optional
        1-based; the whole contig by default.

    Raises
    ------
    InputError
        Several contigs, unphased heterozygotes, or a REF allele that differs from the FASTA.
    """
    contigs = list_contigs(variants)
    if len(contigs) != 1:
        raise InputError(variants, f"records of {len(contigs)} contigs", expected="one contig", remedy="bcftools view -r CONTIG")
    [contig] = contigs
    fasta = Reference(reference)
    fasta.check_contig(contig, variants)
    start, end = region or (1, fasta.lengths[contig])
    source = VcfFile(variants, contig, region)
    samples = source.samples[:people]
    files = [out, Path(f"{out}.fai"), Path(f"{out}.gzi")]
    with write_beside(*files) as [part, fai, gzi], tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        template = Path(scratch) / "reference.fa"
        template.write_text(f">{contig}:{start}-{end}\n{_wrapped(fasta.fetch(contig, start - 1, end))}")
        with pysam.BGZFile(str(part), "wb") as handle:
            for first in range(0, len(samples), OPEN_FILES):
                group = range(first, min(first + OPEN_FILES, len(samples)))
                for person, path in zip(group, _personal_files(source, contig, group, Path(scratch)), strict=True):
                    for haplotype in (1, 2):
                        sequence = _apply(template, path, haplotype, variants, reference)
                        header = f">{samples[person]}_{haplotype} {contig}:{start}-{end}\n"
                        handle.write((header + _wrapped(sequence)).encode())
                    path.unlink()
                log.info("consensus: %d of %d people", group.stop, len(samples))
        pysam.faidx(str(part))
        Path(f"{part}.fai").replace(fai)
        Path(f"{part}.gzi").replace(gzi)


def _personal_files(source: VcfFile, contig: str, group: range, scratch: Path) -> list[Path]:
    """One plain VCF for each person, with the records at which the person carries an alternate allele."""
    paths = [scratch / f"{person}.vcf" for person in group]
    columns = np.array([[2 * person, 2 * person + 1] for person in group])
    with ExitStack() as stack:
        handles = [stack.enter_context(open(path, "w")) for path in paths]
        for handle in handles:
            handle.write(
                f"##fileformat=VCFv4.3\n##contig=<ID={contig}>\n"
                '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
                "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tperson\n"
            )
        for record in VcfFile(source.path, contig, source.region).records():
            alleles = record.alleles[columns]  # (n_people, 2)
            _check_phase(record, group, contig, source.path)
            for i in np.flatnonzero((alleles > 0).any(axis=1)):
                calls = "|".join("." if allele < 0 else str(allele) for allele in alleles[i].tolist())
                alts = ",".join(record.alts)
                handles[i].write(f"{contig}\t{record.position}\t.\t{record.ref}\t{alts}\t.\t.\t.\tGT\t{calls}\n")
    return paths


def _check_phase(record: Record, group: range, contig: str, path: Path) -> None:
    if record.unphased[group.start : group.stop].any():
        raise InputError(
            path, f"{contig}:{record.position}: a heterozygous genotype is not phased", expected="phased genotypes (0|1)",
            remedy="phase the file first",
        )  # fmt: skip


def _apply(template: Path, variants: Path, haplotype: int, source: Path, reference: Path) -> str:
    """The sequence that `bcftools consensus` makes of one haplotype."""
    compressed = Path(f"{variants}.gz")
    if not compressed.exists():
        pysam.tabix_compress(str(variants), str(compressed))
        pysam.tabix_index(str(compressed), preset="vcf")
    out = variants.with_suffix(".fa")
    arguments = ["-f", template, "-s", "person", "-H", haplotype, "-o", out, compressed]
    try:
        pysam.bcftools.consensus(*map(str, arguments), catch_stdout=False)
    except pysam.SamtoolsError as error:
        reason = [line for line in str(error).splitlines() if "REF" in line or "does not match" in line]
        raise InputError(
            source,
            " ".join(reason) or str(error),
            expected=f"REF alleles of {reference}",
            remedy="use the FASTA of the same build",
        ) from None
    return "".join(out.read_text().splitlines()[1:])


def _wrapped(sequence: str) -> str:
    return "".join(sequence[i : i + LINE] + "\n" for i in range(0, len(sequence), LINE))
