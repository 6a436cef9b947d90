"""Small inputs that tests make for themselves."""

import io
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools

from genoloom.cli import genoloom
from genoloom.cli.options import run_and_exit
from genoloom.panel import ArrayHaplotypes, Individuals, Panel, Sites

HEADER = """##fileformat=VCFv4.2
##contig=<ID=20,length=100000>
##contig=<ID=21,length=100000>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"""


def write_vcf(path: Path, rows: list[str], samples: list[str], index: bool = True) -> Path:
    """A bgzip VCF of `rows` such as "100 A C 0|1 1|1"; `contig:position` sets another contig than
    20.
    """
    lines = []
    for row in rows:
        place, ref, alt, *calls = row.split()
        contig, _, position = place.rpartition(":")
        lines.append(
            "\t".join([contig or "20", position, ".", ref, alt, ".", "PASS", ".", "GT", *calls])
        )
    plain = path.with_suffix("")
    plain.write_text(HEADER + "\t".join(samples) + "\n" + "\n".join(lines) + "\n")
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    if index:
        pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def run_genoloom(*arguments, **options) -> subprocess.CompletedProcess:
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "genoloom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def call_genoloom(*arguments) -> subprocess.CompletedProcess:
    """Run the command line in this process, which saves the seconds of its imports. For tests
    whose subject is no process.
    """
    return _in_process(lambda: run_and_exit(genoloom), "genoloom", *arguments)


def call_benchmark(*arguments) -> subprocess.CompletedProcess:
    """The same of `python -m benchmarks`."""
    from benchmarks.__main__ import main

    words = [*map(str, arguments)]
    return _in_process(lambda: sys.exit(main(words)), "benchmarks", *words)


def _in_process(command: Callable, *words) -> subprocess.CompletedProcess:
    words = [*map(str, words)]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    root, own = logging.getLogger(), logging.getLogger("genoloom")
    before = root.level, own.level, root.handlers[:], sys.argv, sys.unraisablehook
    root.handlers, sys.argv, code = [], words, 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            command()
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):  # as Python does at the end of a process
            print(code, file=err)
            code = 1
    finally:
        level, own_level, root.handlers, sys.argv, sys.unraisablehook = before
        root.setLevel(level)
        own.setLevel(own_level)
    said = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(words, code, *said)


def make_individuals(n: int, populations: tuple[str, ...] = ("POP",)) -> Individuals:
    """`n` individuals, populations in turn."""
    return Individuals(
        [f"P{i}" for i in range(n)],
        [populations[i % len(populations)] for i in range(n)],
        ["unknown"] * n,
    )


def make_sites(n: int, gap: int = 100) -> Sites:
    """`n` SNPs of contig 20, `gap` base pairs and gap / 1e6 cM apart."""
    position = gap * np.arange(1, n + 1)
    text = [np.array([value] * n, dtype=object) for value in "AC"]
    return Sites(
        "20",
        position,
        *text,
        np.array([f"s{i}" for i in range(n)], dtype=object),
        position / 1e6,
        10**6,
    )


def make_panel(alleles: np.ndarray, populations: tuple[str, ...] = ("POP",)) -> Panel:
    """A panel over an array of shape (n_variants, 2 * n_individuals)."""
    return Panel(
        make_sites(len(alleles)),
        make_individuals(alleles.shape[1] // 2, populations),
        ArrayHaplotypes(alleles.astype(np.int8)),
    )


def founder_mosaic(
    n_variants: int,
    n_haplotypes: int,
    rng: np.random.Generator,
    founders: int = 40,
    switch: float = 0.02,
) -> np.ndarray:
    """Haplotypes with linkage: mosaics of random founders, int8 (n_variants, n_haplotypes)."""
    frequency = rng.beta(0.5, 1.0, size=n_variants)
    pool = rng.random((n_variants, founders)) < frequency[:, None]
    source = np.empty((n_variants, n_haplotypes), dtype=np.int64)
    source[0] = rng.integers(0, founders, n_haplotypes)
    for v in range(1, n_variants):
        jump = rng.random(n_haplotypes) < switch
        source[v] = np.where(jump, rng.integers(0, founders, n_haplotypes), source[v - 1])
    return np.take_along_axis(pool, source, axis=1).astype(np.int8)


def add_contig(folder: Path, demo: Path, name: str, region: str) -> None:
    """Put the same individuals' genotypes of another region into the panel, as contig `name`."""
    names, piece, renamed = (
        folder / "data" / file for file in ("rename.txt", "piece.vcf.gz", f"{name}.vcf.gz")
    )
    names.write_text(f"20 {name}\n")
    source = str(demo / "eur300.chr20_1-2Mb.vcf.gz")
    chosen = ["-r", region, "-S", str(folder / "data/names.txt"), "--no-version", "-Oz"]
    pysam.bcftools.view(*chosen, "-o", str(piece), source, catch_stdout=False)
    pysam.bcftools.annotate(
        "--rename-chrs", str(names), "-Oz", "-o", str(renamed), str(piece), catch_stdout=False
    )
    pysam.tabix_index(str(renamed), preset="vcf", force=True)
    with open(folder / "config/panels.tsv", "a") as sheet:
        sheet.write(
            "\t".join(["tiny", name, f"data/{name}.vcf.gz", "data/samples.tsv", "", ""]) + "\n"
        )


def write_bed(prefix: Path, panel: Panel, alleles: np.ndarray) -> Path:
    """A PLINK 1 file set as plink writes it: A1 is the rarer allele, code 0 where nobody has it;
    variant-major.

    After https://www.cog-genomics.org/plink/1.9/formats#bed: two bits per individual, 00 A1/A1, 01
    missing, 10 A1/A2, 11 A2/A2.
    """
    lines, rows = [], [b"\x6c\x1b\x01"]
    for site, calls in enumerate(alleles.reshape(len(alleles), -1, 2)):
        called = calls[(calls >= 0).all(axis=1)]
        a1 = int(called.mean() <= 0.5)
        names = [str(panel.sites.ref[site]), str(panel.sites.alt[site])]
        first = names[a1] if (called == a1).any() else "0"
        lines.append(
            f"{panel.sites.contig}\tv{site}\t0\t{panel.sites.position[site]}\t{first}\t"
            f"{names[1 - a1]}\n"
        )
        code = np.where(
            (calls < 0).any(axis=1), 1, np.array([3, 2, 0])[(calls == a1).sum(axis=1)]
        ).astype(np.uint8)
        code = np.pad(code, (0, -len(code) % 4)).reshape(-1, 4)
        rows.append(
            (code << np.array([0, 2, 4, 6], dtype=np.uint8)).sum(axis=1).astype(np.uint8).tobytes()
        )
    prefix.with_suffix(".bed").write_bytes(b"".join(rows))
    prefix.with_suffix(".bim").write_text("".join(lines))
    prefix.with_suffix(".fam").write_text(
        "".join(f"0 {name} 0 0 0 -9\n" for name in panel.individuals.id)
    )
    return prefix.with_suffix(".bed")


def read_fasta(path: Path) -> dict[str, str]:
    """The sequences of an indexed FASTA, by name."""
    with pysam.FastaFile(str(path)) as fasta:
        return {name: fasta.fetch(name) for name in fasta.references}
