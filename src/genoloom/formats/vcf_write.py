"""Phased, biallelic genotypes out: VCF.gz or BCF with an index, through htslib.

Headers follow VCF 4.2, which more programs read than 4.3 (vcftools 0.1 does not), unless a
name needs UTF-8; every structured line has an ID, without which stricter readers (noodles) refuse
the file.
"""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.bgzip import BGZIP_LEVEL, create_bgzip
from genoloom.formats.names import check_contig_name
from genoloom.panel import Panel, Sites

TBI_END = 2**29  # base pairs that a .tbi reaches
VARIANT_SUFFIXES = (".vcf.gz", ".bcf")
SCRATCH_LEVEL = 1  # of bgzip, for text that BCF is made from
LAST_POSITION = 2**31 - 2  # that BCF, .csi and plink2 can hold

_GENOTYPES = np.frombuffer(b"\t0|0\t0|1\t1|0\t1|1\t0\0\0\t1\0\0", dtype="S4")  # then haploid


NOTICES = {  # by what the genotypes are
    "synthetic": "These genotypes are synthetic: they were sampled from a model and belong to no "
    "individual.",
    "completed": "Real individuals: what the input lacked was drawn from a model, given the rest.",
    "testdata": "Test data: openly shared individuals of 1000 Genomes under other names, simulated "
    "relatives, and an X that is made from chromosome 20.",
}


def header_lines(
    contig: str, contig_length: int | None, provenance: dict[str, object], kind: str = "synthetic"
) -> list[str]:
    """Lines of a VCF header that says how the data were made: a `kind` of `NOTICES`.

    No date: the same seed gives the same bytes.
    """
    dosage = (
        '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Posterior mean number of alternate '
        'alleles">'
    )
    length = f",length={contig_length}" if contig_length else ""
    described = ",".join(f'{key}="{value}"' for key, value in provenance.items())
    return [
        "##fileformat=VCFv4.2",
        f"##source=GenoLoom {provenance['version']}",
        f"##genoloom_{kind}=<ID=genoloom,{described}>",
        f"##genoloom_notice={NOTICES[kind]}",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        f"##contig=<ID={contig}{length}>",
        f'##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count in the {kind} genotypes">',
        f'##INFO=<ID=AN,Number=1,Type=Integer,Description="Number of alleles in the {kind} '
        'genotypes">',
        f'##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency in the {kind} '
        'genotypes">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Phased genotype">',
        *([dosage] if kind == "completed" else []),
    ]


def index_of(path: Path, sites: Sites) -> Path:
    """The index that `write_variants` writes: .csi for BCF and for contigs that are too long for
    .tbi.

    Raises
    ------
    InputError
        The contig is too long for any, or has a name that VCF does not allow.
    """
    check_contig_name(path, sites.contig)
    end = max(sites.contig_length or 0, int(sites.position[-1]) + max(map(len, sites.ref)))
    if end > LAST_POSITION:
        raise InputError(
            path, f"contig {sites.contig} reaches to {end}",
            expected=f"at most {LAST_POSITION} base pairs, as BCF and PLINK 2 can hold",
            remedy="cut the contig into parts before `genoloom prepare`",
        )  # fmt: skip
    return Path(f"{path}.csi" if path.suffix == ".bcf" or end > TBI_END else f"{path}.tbi")


def write_variants(
    path: str | Path,
    panel: Panel,
    provenance: dict[str, object],
    dosage: np.ndarray | None = None,
    kind: str = "synthetic",
) -> Path:
    """Write `panel` (no missing calls) to `path`, .vcf.gz or .bcf, with its index; returns that.
    Who is haploid has haploid calls.

    Parameters
    ----------
    provenance : dict
        Keys and values of the header's `genoloom_synthetic` line; must hold `version`.
    dosage : ndarray, float, shape (n_variants, n_individuals), optional
        Mean numbers of alternate alleles of real individuals whose calls were completed; written as
        DS.
    kind : str
        Of `NOTICES`; "completed" where there are dosages.
    """
    kind = kind if dosage is None else "completed"
    path = Path(path)
    is_bcf = path.suffix == ".bcf"
    index = index_of(path, panel.sites)
    with write_beside(path, index) as [part, part_index]:
        text = part.with_name(f"{part.name}.text.vcf.gz") if is_bcf else part
        try:
            with create_bgzip(text, SCRATCH_LEVEL if is_bcf else BGZIP_LEVEL) as out:
                _write_text(out, panel, provenance, dosage, kind)
            if is_bcf:
                options = ["--no-version", f"-Ob{BGZIP_LEVEL}", "-o", str(part), str(text)]
                pysam.bcftools.view(*options, catch_stdout=False)
                pysam.bcftools.index("--csi", "-f", "-o", str(part_index), str(part))
            else:
                pysam.tabix_index(
                    str(part),
                    preset="vcf",
                    force=True,
                    index=str(part_index),
                    csi=index.suffix == ".csi",
                )
        finally:
            if is_bcf:
                with suppress(OSError):
                    text.unlink()
    for other in {Path(f"{path}.csi"), Path(f"{path}.tbi")} - {index}:
        # of a former run: it would be taken for the index of this file
        other.unlink(missing_ok=True)
    return index


def _write_text(
    out: pysam.BGZFile,
    panel: Panel,
    provenance: dict[str, object],
    dosage: np.ndarray | None,
    kind: str,
) -> None:
    sites, own, haploid = panel.sites, panel.own_columns(), panel.haploid
    n = len(own)
    columns = [
        "#CHROM",
        "POS",
        "ID",
        "REF",
        "ALT",
        "QUAL",
        "FILTER",
        "INFO",
        "FORMAT",
        *panel.individuals.id,
    ]
    lines = [*header_lines(sites.contig, sites.contig_length, provenance, kind), "\t".join(columns)]
    header = "\n".join(lines) + "\n"
    out.write((header if header.isascii() else header.replace("VCFv4.2", "VCFv4.3", 1)).encode())
    for start, stop, alleles in panel.blocks(most=512):
        # (n_variants, n_individuals) of four bytes
        kind = 2 * alleles[:, 0::2] + alleles[:, 1::2]
        calls = _GENOTYPES[np.where(haploid, 4 + alleles[:, 0::2], kind)]
        counts = alleles.sum(axis=1, dtype=np.int64)
        if haploid.any():
            counts = alleles[:, own].sum(axis=1, dtype=np.int64)
        for i in range(start, stop):
            count = int(counts[i - start])
            info = f"AC={count};AN={n};AF={count / n:.6g}"
            row = (
                f"{sites.contig}\t{sites.position[i]}\t{sites.id[i]}\t{sites.ref[i]}\t"
                f"{sites.alt[i]}\t.\tPASS\t{info}\tGT"
            )
            if haploid.any():
                out.write(row.encode() + b"".join(calls[i - start].tolist()) + b"\n")
            elif dosage is None:
                out.write(row.encode() + calls[i - start].tobytes() + b"\n")
            else:
                cells = [
                    f"{c.decode()}:{d:.3g}"
                    for c, d in zip(calls[i - start].tolist(), dosage[i].tolist(), strict=True)
                ]
                out.write(f"{row}:DS{''.join(cells)}\n".encode())
