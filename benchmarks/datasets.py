"""The data sets of the benchmarks: which files, which region, which labels."""

import csv
import gzip
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.simulated_panel import CONTIG, write_simulated
from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.sequence_sets import read_set
from genoloom.panel import Individuals, Panel, Sites
from genoloom.ploidy import Ploidy
from genoloom.sequence_config import SequenceOptions
from genoloom.sequences import SequenceSet
from genoloom.stages.prepare import prepare
from genoloom.stages.prepare_sequences import prepare_sequences

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "resources" / "demo"
RESULTS = ROOT / "results" / "benchmark"
DATA = Path(os.environ.get("GENOLOOM_SHARED_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True)
class BenchmarkSet:
    """One panel. Paths are relative to the data directory; the demo's are absolute.

    Attributes
    ----------
    labels, individual, population, sex : str
        Table of individuals (TSV or sheet) and the names of its columns.
    made : Ploidy
        Who has only the first of two haplotypes, so that an autosome is like a longer X or MT.
    region : (start, end) or None
        1-based, both ends included.
    positions : tuple of int
        The sites that a run of privacy modes takes, 1-based; none: all.
    """

    variants: str | Path
    contig: str
    labels: str | Path
    population: str
    map: str | Path | None
    region: tuple[int, int] | None = None
    positions: tuple[int, ...] = ()
    individual: str = "sample"
    sex: str = "sex"
    build: str = "auto"
    made: Ploidy = Ploidy.DIPLOID


_PHASE3 = {
    "labels": "labels/integrated_call_samples_v3.20130502.ALL.panel",
    "population": "super_pop",
    "sex": "gender",
}
_DPYD = {
    **_PHASE3,
    "variants": "human/1kgp_phase3_chr1_DPYD_2504.GRCh37.vcf.gz",
    "contig": "1",
    "map": "maps/b37/chr1.b37.gmap.gz",
}
# the most frequent sites that define star alleles of CYP2C19 and CYP2C9, GRCh37
_STARS = (
    96_521_657, 96_535_124, 96_540_410, 96_541_616, 96_602_623, 96_609_752,
    96_701_991, 96_702_047, 96_702_066, 96_708_974, 96_740_981, 96_741_053,
)  # fmt: skip
SETS = {
    "demo": BenchmarkSet(
        variants=DEMO / "eur300.chr20_1-2Mb.vcf.gz",
        contig="20",
        labels=DEMO / "samples.tsv",
        individual="individual",
        population="population",
        map=DEMO / "chr20.b37.gmap.gz",
    ),
    "dpyd-slice": BenchmarkSet(**_DPYD, region=(97_844_000, 98_048_000)),
    "dpyd-slice-26": BenchmarkSet(**_DPYD | {"population": "pop"}, region=(97_844_000, 98_048_000)),
    "dpyd-full": BenchmarkSet(**_DPYD),
    "dpyd-x": BenchmarkSet(**_DPYD, made=Ploidy.X_LINKED),
    "dpyd-haploid": BenchmarkSet(**_DPYD, made=Ploidy.HAPLOID),
    "dpyd-26": BenchmarkSet(**_DPYD | {"population": "pop"}),
    "chr20": BenchmarkSet(
        **_PHASE3 | {"population": "pop"},
        variants="human/1kgp_phase3_chr20_1-4Mb_EUR300.GRCh37.vcf.gz",
        contig="20",
        map="maps/b37/chr20.b37.gmap.gz",
    ),
    "805": BenchmarkSet(
        **_PHASE3, variants="human/1kgp_phase3_805SNP_5008haps.hapt.gz", contig="805", map=None
    ),
    "par1": BenchmarkSet(
        variants="human/1kgp_phase1_chrX_PAR1_1092.GRCh37.vcf.gz",
        contig="X",
        labels="labels/1kgp_phase1_1092_samples.tsv",
        population="super_pop",
        map="maps/b37/chrX_par1.b37.gmap.gz",
        region=(60_001, 2_699_520),
    ),
    "x": BenchmarkSet(  # males haploid
        **_PHASE3,
        variants="human/1kgp_phase3_chrX_nonPAR_G6PD_2504.GRCh37.vcf.gz",
        contig="X",
        map="maps/b37/chrX.b37.gmap.gz",
        build="GRCh37",
    ),
    "mt": BenchmarkSet(  # everybody haploid
        variants="sequences/1kgp_phase1_chrMT_1074.vcf.gz",
        contig="MT",
        labels="labels/1kgp_phase1_1092_samples.tsv",
        population="super_pop",
        map=None,
    ),
    "chr15": BenchmarkSet(
        variants="human/1kgp_10ksnp_chr15/1kgp_10ksnp_chr15_2504.GRCh37.vcf.gz",
        contig="15",
        labels="human/1kgp_10ksnp_chr15/splits.tsv",
        individual="person",
        population="population",
        map="maps/b37/chr15.b37.gmap.gz",
    ),
    "cyp2c19": BenchmarkSet(
        **_PHASE3,
        variants="human/1kgp_phase3_pgx_multilocus_2504.GRCh37.vcf.gz",
        contig="10",
        map="maps/b37/chr10.b37.gmap.gz",
        region=(96_519_691, 96_615_924),
    ),
    **{
        name: BenchmarkSet(
            **_PHASE3,
            variants="human/1kgp_phase3_pgx_multilocus_2504.GRCh37.vcf.gz",
            contig=contig,
            map=f"maps/b37/chr{contig}.b37.gmap.gz" if contig in ("7", "10") else None,
            region=region,
        )
        for name, contig, region in (
            ("cyp2c9", "10", (96_695_460, 96_752_148)),
            ("cyp3a5", "7", (99_242_833, 99_280_641)),
            ("tpmt", "6", (18_125_543, 18_158_363)),
            ("nudt15", "13", (48_608_857, 48_624_210)),
            ("vkorc1", "16", (31_099_335, 31_109_290)),
        )
    },
    "cyp2c-panel": BenchmarkSet(
        **_PHASE3,
        variants="human/1kgp_phase3_pgx_multilocus_2504.GRCh37.vcf.gz",
        contig="10",
        map="maps/b37/chr10.b37.gmap.gz",
        region=(96_521_657, 96_741_053),
        positions=_STARS,
    ),
    "simulated": BenchmarkSet("", CONTIG, "", "", None),
}

_ECOLI = "sequences/ecoli_mpra_165bp_expression.csv"
_CHR20 = DEMO / "GRCh37.chr20_1-2Mb.fa.gz"
_STRANDED = {"stranded": True}
_CHUNKS = {"split": "chunks", "max_leakage": 1.0}
# the file and the options of `genoloom sequences prepare`
SEQUENCE_SETS: dict[str, tuple[str | Path, dict]] = {
    "ecoli": (_ECOLI, _STRANDED),
    "ecoli-expression": (_ECOLI, {**_STRANDED, "label_column": "expr"}),
    "tata": ("sequences/human_TATA_promoters_300bp.txt", _STRANDED),
    "chr20": (_CHR20, {"window": 512, "stride": 512, **_CHUNKS}),
    "chr20-long": (_CHR20, {"window": 4096, "stride": 4096, **_CHUNKS}),
}
SHARED_KMER, HOLDOUT = 20, 0.2


def make_panel(name: str, data: Path, out: Path) -> None:
    """Write the panel of a set at the prefix `out`, unless it is there.

    Multiallelic sites are left out, so that the sites are the same as in the project's earlier
    trials.
    """
    if Path(f"{out}.summary.json").exists():
        return
    chosen = SETS[name]
    if name == "simulated":
        write_simulated(out)
        return
    variants, labels = data / chosen.variants, data / chosen.labels
    for path in (variants, labels):
        if not path.exists():
            raise InputError(
                path,
                "not found",
                remedy="name the directory of the data with --data or GENOLOOM_SHARED_DATA",
            )
    if name == "805":
        _write_unplaced(variants, labels, chosen, out)
        return
    individuals = out.with_name("samples.tsv")
    individuals.parent.mkdir(parents=True, exist_ok=True)
    if variants.is_relative_to(DEMO):
        individuals = labels
    else:
        # the label tables name more individuals than the panels hold; the sheet must name exactly
        # these
        import cyvcf2

        _write_individuals(labels, chosen, set(cyvcf2.VCF(str(variants)).samples), individuals)
    prefix = out if chosen.made is Ploidy.DIPLOID else out.with_name("diploid")
    prepare(
        variants=variants, contig=chosen.contig, out=prefix,
        options=PrepareOptions(multiallelic="reject", build=chosen.build), samples=individuals,
        genetic_map=data / chosen.map if chosen.map else None, region=chosen.region,
    )  # fmt: skip
    if prefix != out:
        _write_haploid(open_panel(prefix), chosen.made, out)
        shutil.move(f"{prefix}.summary.json", f"{out}.summary.json")


def _write_haploid(panel: Panel, ploidy: Ploidy, out: Path) -> None:
    """The panel with the first haplotype alone of who is haploid."""
    panel = replace(panel, sites=replace(panel.sites, ploidy=ploidy))
    sites = panel.sites
    with PanelWriter(out, panel.individuals, sites.contig, sites.contig_length, ploidy) as writer:
        for start, stop, alleles in panel.blocks():
            alleles[:, 1::2][:, panel.haploid] = alleles[:, 0::2][:, panel.haploid]
            writer.append(sites.take(slice(start, stop)), alleles)


def _labels(path: Path, chosen: BenchmarkSet) -> dict[str, tuple[str, str]]:
    """{individual: (population, sex)}."""
    with open(path, newline="") as handle:
        rows = csv.DictReader((line for line in handle if not line.startswith("#")), delimiter="\t")
        return {
            row[chosen.individual]: (row[chosen.population], row.get(chosen.sex, ""))
            for row in rows
        }


def _write_individuals(labels: Path, chosen: BenchmarkSet, samples: set[str], out: Path) -> None:
    lines = ["individual\tpopulation\tsex"]
    known = _labels(labels, chosen)
    lines += [
        "\t".join([name, *known.get(name, ("unknown", "unknown"))])
        for name in [*filter(samples.__contains__, known), *sorted(samples - known.keys())]
    ]
    out.write_text("\n".join(lines) + "\n")


def _write_unplaced(variants: Path, labels: Path, chosen: BenchmarkSet, out: Path) -> None:
    """The 805 SNPs have neither positions nor alleles: they are 1 Mb (1 cM) apart on a contig of
    their own, as A>C.
    """
    with gzip.open(variants, "rt") as handle:
        rows = [line.split() for line in handle]
    alleles = np.array([row[2:] for row in rows], dtype=np.int8).T  # (n_variants, n_haplotypes)
    names = [row[1].removesuffix("_A") for row in rows[0::2]]
    known = _labels(labels, chosen)
    individuals = Individuals(
        names, [known[name][0] for name in names], [known[name][1] for name in names]
    )
    n = len(alleles)
    minor = np.minimum(alleles.sum(axis=1), alleles.shape[1] - alleles.sum(axis=1))
    text = [np.array([value] * n, dtype=object) for value in ("A", "C", ".")]
    sites = Sites(
        chosen.contig,
        np.arange(1, n + 1) * 1_000_000,
        *text,
        np.arange(1, n + 1, dtype=float),
        None,
    )
    kept = np.flatnonzero(minor >= PrepareOptions().min_mac)
    out.parent.mkdir(parents=True, exist_ok=True)
    with PanelWriter(out, individuals, chosen.contig) as writer:
        writer.append(sites.take(kept), alleles[kept])
    Path(f"{out}.summary.json").write_text(
        f'{{"contig": "{chosen.contig}", "records": {n}, "kept": {len(kept)}}}\n'
    )


def make_sequences(name: str, data: Path, out: Path) -> tuple[SequenceSet, SequenceSet]:
    """Training and held-out sequences of a set, written to the directory `out`."""
    source, options = SEQUENCE_SETS[name]
    prepare_sequences(
        source=data / source, regions=None, out=out, seed=1,
        options=SequenceOptions(holdout=HOLDOUT, shared_kmer=SHARED_KMER, **options),
    )  # fmt: skip
    return read_set(out / "train.fa.gz"), read_set(out / "holdout.fa.gz")
