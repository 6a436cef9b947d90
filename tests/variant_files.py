"""VCF and BCF files in many forms, made in memory."""

import numpy as np
import pysam.bcftools

from genoloom.formats.variant_feeder import bgzip_block
from genoloom.formats.variant_header import BGZF_END

SAMPLES = [f"FAMILY_{i}" for i in range(6)]
HEAD = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=q10,Description="Quality below 10">
##contig=<ID=20,length=100000>
##contig=<ID=21,length=100000>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"""


def text_of(rows: list[str], samples=SAMPLES) -> bytes:
    """A VCF of rows such as "20 100 A C PASS GT 0|1 ..."."""
    lines = []
    for number, row in enumerate(rows):
        contig, position, ref, alt, found, form, *calls = row.split()
        lines.append(
            "\t".join([contig, position, f"id{number}", ref, alt, ".", found, ".", form, *calls])
            + "\n"
        )
    return (HEAD + "\t".join(samples) + "\n" + "".join(lines)).encode()


def random_rows(n: int = 40, contigs=("20", "21"), seed: int = 1, prefix: str = "") -> list[str]:
    rng = np.random.default_rng(seed)
    rows = []
    for contig in contigs:
        for position in np.sort(rng.integers(1, 90_000, n)):
            calls = [f"{prefix}{a}|{b}" for a, b in rng.integers(0, 3, (6, 2))]
            rows.append(
                f"{contig} {position} A C,T {rng.choice(['PASS', '.', 'q10'])} GT {' '.join(calls)}"
            )
    return rows


def bgzip(data: bytes, block: int = 60_000) -> bytes:
    """bgzip data of small blocks, so that a few records fill several."""
    packed = []
    for start in range(0, len(data), block):
        packed.append(bgzip_block(data[start : start + block]))
    return b"".join(packed) + BGZF_END


def as_bcf(text: bytes, tmp_path, kind: str) -> bytes:
    (tmp_path / "source.vcf").write_bytes(text)
    pysam.bcftools.view(
        f"-O{kind}",
        "-o",
        str(tmp_path / "source.bcf"),
        str(tmp_path / "source.vcf"),
        catch_stdout=False,
    )
    return (tmp_path / "source.bcf").read_bytes()
