"""What is fuzzed: for each reader a valid input, how it is changed, and how it is read."""

import gzip
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pysam
import pysam.bcftools
import zstandard
from helpers import founder_mosaic, make_panel, write_bed
from tiny_models import MODELS, tiny_model, write_model

from fuzzing.mutate import mutate_bytes, mutate_text
from genoloom.config import Config, PrepareOptions
from genoloom.config_files import default_yaml, load_study
from genoloom.formats.cohort_sheets import read_cohort
from genoloom.formats.histories import read_history
from genoloom.formats.leak_ledger import read_ledger
from genoloom.formats.maps import read_map
from genoloom.formats.motifs import read_matrices
from genoloom.formats.pedigree import read_pedigree
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.plink import open_plink
from genoloom.formats.provenance import read_provenance, sealed
from genoloom.formats.reference import Reference
from genoloom.formats.sequence_sets import read_intervals, read_records, read_set
from genoloom.formats.sheets import read_individuals
from genoloom.formats.splits import read_split
from genoloom.formats.tables import read_table
from genoloom.formats.variants import list_contigs
from genoloom.models.load import load_generator, load_sequence_generator
from genoloom.panels.genotypes import read_genotypes
from genoloom.seeds import derive_seed
from genoloom.stages.consensus import consensus
from genoloom.stages.prepare import prepare
from genoloom.training.checkpoint import load_checkpoint, save_checkpoint

Files = dict[str, bytes]
Mutator = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes
    ----------
    name : str
    valid : callable
        The files of a valid input.
    read : callable
        Reads them in a directory.
    spoil : str
        The file that is changed.
    mutate : callable
        How.
    packed : callable, optional
        From the changed bytes to the bytes of the file, where the file is compressed.
    """

    name: str
    valid: Callable[[], Files]
    read: Callable[[Path], object]
    spoil: str
    mutate: Mutator = mutate_text
    packed: Callable[[bytes], bytes] | None = None

    def mutant(self, seed: int, number: int) -> Files:
        """The files of one mutant."""
        files = self.valid()
        rng = np.random.default_rng(derive_seed(seed, self.name, number))
        changed = self.mutate(files[self.spoil], rng)
        return files | {self.spoil: self.packed(changed) if self.packed else changed}


SAMPLES = [f"ind{i}" for i in range(6)]
HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=q10,Description="Low quality">
##contig=<ID=20,length=3000>
##contig=<ID=21,length=3000>
##INFO=<ID=AC,Number=A,Type=Integer,Description="Alleles">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"""


@cache
def reference_bases() -> str:
    return "".join(np.random.default_rng(2).choice(list("ACGT"), 3000))


@cache
def vcf_text() -> bytes:
    rng, bases, lines = np.random.default_rng(3), reference_bases(), []
    for i, position in enumerate(range(100, 2900, 140)):
        ref = bases[position - 1]
        alt = "ACGT".replace(ref, "")[i % 3]
        if i % 7 == 3:
            alt = f"{alt},{'ACGT'.replace(ref, '').replace(alt, '')[0]}"
        if i % 7 == 5:
            ref, alt = bases[position - 1 : position + 2], ref
        calls = [f"{a}|{b}:1" for a, b in rng.integers(0, 2, (len(SAMPLES), 2))]
        row = ["20", position, f"rs{i}", ref, alt, 50, "PASS", "AC=3", "GT:PS", *calls]
        lines.append("\t".join(map(str, row)))
    return (HEADER + "\t".join(SAMPLES) + "\n" + "\n".join(lines) + "\n").encode()


def bgzip(data: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(data)
        pysam.tabix_compress(str(path), f"{path}.gz", force=True)
        return Path(f"{path}.gz").read_bytes()


@cache
def variant_files() -> Files:
    """The VCF in every form, with indexes, and the reference."""
    with tempfile.TemporaryDirectory() as folder:
        vcf = Path(folder) / "in.vcf.gz"
        vcf.write_bytes(bgzip(vcf_text()))
        pysam.tabix_index(str(vcf), preset="vcf", force=True)
        bcf = Path(folder) / "in.bcf"
        pysam.bcftools.view("-Ob", "-o", str(bcf), str(vcf), catch_stdout=False)
        pysam.bcftools.index(str(bcf))
        fasta = Path(folder) / "ref.fa"
        lines = [reference_bases()[i : i + 60] for i in range(0, 3000, 60)]
        fasta.write_text(">20\n" + "\n".join(lines) + "\n>21 second\nACGT\n")
        pysam.faidx(str(fasta))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def variants(*names: str) -> Callable[[], Files]:
    return lambda: {name: variant_files()[name] for name in names}


def plain_vcf() -> Files:
    return {"in.vcf": vcf_text()}


def prepare_it(name: str, reference: bool = False) -> Callable[[Path], None]:
    def read(place: Path) -> None:
        prepare(
            variants=place / name, contig="20", out=place / "made" / "20",
            options=PrepareOptions(min_mac=1, allow_unphased="drop-sites"),
            reference=place / "ref.fa" if reference else None,
        )  # fmt: skip

    return read


def foreign(name: str) -> Callable[[Path], None]:
    def read(place: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            read_genotypes("synthetic", [place / name], Path(scratch))

    return read


def consensus_it(place: Path) -> None:
    variants, reference = place / "in.vcf.gz", place / "ref.fa"
    consensus(variants=variants, reference=reference, out=place / "made.fa.gz", individuals=2)


@cache
def panel_files() -> Files:
    """A panel as PGEN trio and as PLINK 1 set."""
    alleles = founder_mosaic(40, 24, np.random.default_rng(4))
    panel = make_panel(alleles, ("AAA", "BBB"))
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "p"
        with PanelWriter(prefix, panel.individuals, "20") as writer:
            writer.append(panel.sites, alleles)
        pvar = (
            zstandard.ZstdDecompressor()
            .decompressobj()
            .decompress((prefix.parent / "p.pvar.zst").read_bytes())
        )
        (prefix.parent / "p.pvar").write_bytes(pvar)
        write_bed(Path(folder) / "b", panel, alleles)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def panel(*names: str) -> Callable[[], Files]:
    return lambda: {name: panel_files()[name] for name in names}


def read_pgen(place: Path) -> None:
    opened = open_panel(place / "p")
    opened.haplotypes.read(0, len(opened.sites))


def read_plink(name: str) -> Callable[[Path], None]:
    def read(place: Path) -> None:
        panels, _ = open_plink(place / name)
        for one in panels:
            one.haplotypes.read(0, len(one.sites))

    return read


def text(name: str, content: str) -> Callable[[], Files]:
    return lambda: {name: content.encode()}


def of_text(name: str, file: str, content: str, read: Callable, *more) -> Target:
    """A file of text, read by a function of its path."""
    return Target(name, text(file, content), lambda place: read(place / file), file, *more)


def all_records(path: Path) -> list:
    return list(read_records(path))


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


MAPS = {
    "shapeit": lines("pos chr cM", *(f"{i * 1000} 20 {i * 0.001}" for i in range(1, 30))),
    "plink": lines(*(f"20\trs{i}\t{i * 0.001}\t{i * 1000}" for i in range(1, 30))),
    "hapmap": lines(
        "Chromosome\tPosition(bp)\tRate(cM/Mb)\tMap(cM)",
        *(f"chr20\t{i * 1000}\t1.0\t{i * 0.001}" for i in range(1, 30)),
    ),
}
SHEET = lines(
    "individual\tpopulation\tsex\tfamily\tsuperpopulation",
    *(f"p{i}\tGBR\tmale\tf{i}\tEUR" for i in range(8)),
)
SPLIT = lines(
    "individual\tfamily\tpopulation\tsuperpopulation\tsex\trole",
    *(f"p{i}\t\tGBR\tEUR\tmale\t{'train' if i % 2 else 'holdout'}" for i in range(8)),
)
COHORT = lines(
    "individual\tpopulation\tsex\tseed\tancestry\tgenerations\tinbreeding\tmeioses\tfamily\t"
    "father\tmother",
    *(f"SYN{i:06d}\tGBR\t{'fe' * (i % 2)}male\t{i + 7}\t\t8\t0\t6\tF1\t\t" for i in range(6)),
    "SYN000006\tGBR\tmale\t17\t\t8\t0\t6\tF1\tSYN000000\tSYN000001",
)
HISTORY = lines(
    "step\ttrain_bits\tvalidation_bits", *(f"{i}\t{1 / (i + 1)}\t{1 / (i + 1)}" for i in range(6))
)
FASTA = lines(">a x", "ACGTACGTNNACGT", "ACGT", ">b", "acgtacgtacgt", ">c", "GGGG")
SEQUENCE_TABLE = lines("name,seq,label", *(f"s{i},ACGTACGTAC,{i % 2}" for i in range(6)))
BED = lines(*(f"20\t{i * 100}\t{i * 100 + 50}\tr{i}" for i in range(5)))
MATRICES = """>MA0001.1 TATA
A [ 1 7 2 ]
C [ 2 1 2 ]
G [ 3 1 2 ]
T [ 4 1 4 ]
"""
PEDIGREE = lines(
    "#FID\tIID\tPAT\tMAT\tSEX", "f\tkid\tdad\tmum\t1", "f\tdad\t0\t0\t1", "f\tmum\t0\t0\t2"
)
LEDGER = json.dumps(
    {"version": 1, "releases": {"a": {"separation": 0.5}, "b": {"separation": 0.1}}}, indent=1
)
PROVENANCE = {
    "format": 1, "stage": "split", "version": "0.1.0", "seed": 1, "options": {"holdout": 0.5},
    "facts": {},
    "inputs": {"panel/20.psam": "a" * 64}, "outputs": {"split.tsv": "b" * 64},
}  # fmt: skip


def seal(data: bytes) -> bytes:
    """A changed record with a digest that fits, where it is still JSON."""
    try:
        values = json.loads(data)
        return json.dumps(sealed(values)).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return data


@cache
def study_files() -> Files:
    """A configuration with both sheets, and inputs that are there."""
    config = default_yaml(Config(panels="panels.tsv", sequence_sets="sequences.tsv"))
    panels = lines(
        "panel\tcontig\tvariants\tsamples\treference\tmap\tregion", "p\t20\tin.vcf\t\t\t\t100-900"
    )
    sequences = lines("set\tsource\tregions", "s\tx.fa\t")
    texts = {"config.yaml": config, "panels.tsv": panels, "sequences.tsv": sequences, "x.fa": FASTA}
    return {name: content.encode() for name, content in texts.items()} | plain_vcf()


def read_study(place: Path) -> None:
    load_study(place / "config.yaml", place)


@cache
def checkpoint_file() -> bytes:
    import torch

    state = {"step": 3, "model": {"w": torch.arange(6.0).reshape(2, 3)}, "best": [0.5, None]}
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "c", state)
        return (Path(folder) / "c").read_bytes()


def model_words(kind: str, name: str) -> Callable[[], Files]:
    """The description as text; `packed` puts the arrays and a digest that fits next to it."""
    return lambda: {"m.safetensors": json.dumps(tiny_model(kind, name)[1], indent=1).encode()}


def with_arrays(kind: str, name: str) -> Callable[[bytes], bytes]:
    def packed(words: bytes) -> bytes:
        arrays, _ = tiny_model(kind, name)
        try:
            description = json.loads(words)
        except ValueError:
            return words
        if not isinstance(description, dict):
            return words
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.safetensors"
            try:
                write_model(path, arrays, description)
            except (ValueError, TypeError, OverflowError):
                return words
            return path.read_bytes()

    return packed


def read_model(kind: str) -> Callable[[Path], object]:
    load = load_generator if kind == "haplotypes" else load_sequence_generator
    return lambda place: load(place / "m.safetensors")


def whole_model(kind: str, name: str) -> Callable[[], Files]:
    return lambda: {"m.safetensors": model_bytes(kind, name)}


@cache
def model_bytes(kind: str, name: str) -> bytes:
    return with_arrays(kind, name)(model_words(kind, name)()["m.safetensors"])


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def _gzip(data: bytes) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as handle:
        handle.write(data)
    return stream.getvalue()


def _targets() -> list[Target]:
    vcf, pgen = ("in.vcf.gz", "in.vcf.gz.tbi"), ("p.pgen", "p.pvar", "p.psam")
    bed = ("b.bed", "b.bim", "b.fam")
    gz_vcf = lambda: {"in.vcf.gz": vcf_text()}  # noqa: E731
    found = [
        Target("vcf", plain_vcf, prepare_it("in.vcf"), "in.vcf"),
        Target("vcf_bytes", plain_vcf, prepare_it("in.vcf"), "in.vcf", mutate_bytes),
        Target("vcf_gz", gz_vcf, prepare_it("in.vcf.gz"), "in.vcf.gz", mutate_text, bgzip),
        Target("vcf_gzip", gz_vcf, prepare_it("in.vcf.gz"), "in.vcf.gz", mutate_text, _gzip),
        Target(
            "vcf_gz_raw", variants("in.vcf.gz"), prepare_it("in.vcf.gz"), "in.vcf.gz", mutate_bytes
        ),
        Target("vcf_index", variants(*vcf), prepare_it("in.vcf.gz"), "in.vcf.gz.tbi", mutate_bytes),
        Target(
            "vcf_contigs",
            variants(*vcf),
            lambda p: list_contigs(p / "in.vcf.gz"),
            "in.vcf.gz.tbi",
            mutate_bytes,
        ),
        Target("bcf_raw", variants("in.bcf"), prepare_it("in.bcf"), "in.bcf", mutate_bytes),
        Target(
            "bcf_index",
            variants("in.bcf", "in.bcf.csi"),
            prepare_it("in.bcf"),
            "in.bcf.csi",
            mutate_bytes,
        ),
        Target("vcf_foreign", plain_vcf, foreign("in.vcf"), "in.vcf"),
        Target(
            "vcf_reference",
            lambda: plain_vcf() | variants("ref.fa")(),
            prepare_it("in.vcf", True),
            "in.vcf",
        ),
        Target(
            "consensus_vcf",
            lambda: gz_vcf() | variants("ref.fa")(),
            consensus_it,
            "in.vcf.gz",
            mutate_text,
            bgzip,
        ),
        Target(
            "reference",
            lambda: plain_vcf() | variants("ref.fa")(),
            prepare_it("in.vcf", True),
            "ref.fa",
        ),
        Target(
            "reference_index",
            lambda: plain_vcf() | variants("ref.fa", "ref.fa.fai")(),
            prepare_it("in.vcf", True),
            "ref.fa.fai",
        ),
        Target(
            "reference_gz",
            lambda: {"ref.fa.gz": variant_files()["ref.fa"]},
            lambda p: Reference(p / "ref.fa.gz"),
            "ref.fa.gz",
            mutate_text,
            bgzip,
        ),
        Target("pgen", panel("p.pgen", "p.pvar.zst", "p.psam"), read_pgen, "p.pgen", mutate_bytes),
        Target("pgen_prepare", panel(*pgen), prepare_it("p.pgen"), "p.pvar"),
        Target("pvar", panel(*pgen), read_plink("p.pgen"), "p.pvar"),
        Target(
            "pvar_zst",
            lambda: {**panel("p.pgen", "p.psam")(), "p.pvar.zst": panel_files()["p.pvar"]},
            read_pgen,
            "p.pvar.zst",
            mutate_text,
            _zstd,
        ),
        Target("psam", panel(*pgen), read_plink("p.pgen"), "p.psam"),
        Target("bed", panel(*bed), read_plink("b.bed"), "b.bed", mutate_bytes),
        Target("bim", panel(*bed), read_plink("b.bed"), "b.bim"),
        Target("fam", panel(*bed), read_plink("b.bed"), "b.fam"),
        *(
            Target(
                f"map_{form}",
                text("map.txt", content),
                lambda p: read_map(p / "map.txt", "20"),
                "map.txt",
            )
            for form, content in MAPS.items()
        ),
        of_text("sheet", "s.tsv", SHEET, read_individuals),
        of_text("split", "s.tsv", SPLIT, read_split),
        of_text("cohort", "c.tsv", COHORT, read_cohort),
        of_text("history", "h.tsv", HISTORY, read_history),
        of_text("table", "t.tsv", SPLIT, read_table),
        of_text("fasta", "x.fa", FASTA, all_records),
        of_text("fasta_gz", "x.fa.gz", FASTA, all_records, mutate_text, _gzip),
        of_text("sequence_set", "x.fa.gz", FASTA, read_set, mutate_text, _gzip),
        of_text("sequence_table", "x.csv", SEQUENCE_TABLE, all_records),
        of_text("intervals", "x.bed", BED, read_intervals),
        of_text("motifs", "x.jaspar", MATRICES, read_matrices),
        of_text("pedigree", "x.fam", PEDIGREE, read_pedigree),
        of_text("ledger", "l.json", LEDGER, read_ledger),
        of_text(
            "provenance",
            "p.json",
            json.dumps(PROVENANCE, indent=1),
            read_provenance,
            mutate_text,
            seal,
        ),
        Target("configuration", study_files, read_study, "config.yaml"),
        Target("panel_sheet", study_files, read_study, "panels.tsv"),
        Target(
            "checkpoint",
            lambda: {"c": checkpoint_file()},
            lambda p: load_checkpoint(p / "c"),
            "c",
            mutate_bytes,
        ),
    ]
    for kind, name in MODELS:
        label = f"model_{kind}_{name}"
        found += [
            Target(
                label,
                model_words(kind, name),
                read_model(kind),
                "m.safetensors",
                mutate_text,
                with_arrays(kind, name),
            ),
            Target(
                f"{label}_bytes",
                whole_model(kind, name),
                read_model(kind),
                "m.safetensors",
                mutate_bytes,
            ),
        ]
    return found


TARGETS = {target.name: target for target in _targets()}
