"""A small project, cut from the shipped real data: sixty individuals, 150 kb, models that learn for
seconds.
"""

import os
from pathlib import Path

import pysam
import pysam.bcftools
import yaml

INDIVIDUALS = 60
REGION = "20:1000001-1150000"

# settings of the small run that a catalogue of workflows does, `snakemake --directory .test`
TINY = yaml.safe_load(
    (Path(__file__).parents[1] / ".test/config/config.yaml").read_text(encoding="utf-8")
)


def write_project(folder: Path, demo: Path, settings: dict) -> Path:
    """Write inputs, sheets and configuration into `folder`."""
    (folder / "config").mkdir(parents=True)
    (folder / "data").mkdir()
    lines = (demo / "samples.tsv").read_text().splitlines()
    kept = [line for line in lines[1:] if line.split("\t")[1] != "CEU"]
    kept = [
        line
        for population in ("FIN", "GBR", "IBS")
        for line in [k for k in kept if f"\t{population}\t" in k][: INDIVIDUALS // 3]
    ]
    (folder / "data/samples.tsv").write_text("\n".join([lines[0], *kept]) + "\n")
    (folder / "data/names.txt").write_text("\n".join(line.split("\t")[0] for line in kept) + "\n")
    vcf = folder / "data/cohort.vcf.gz"
    source = demo / "eur300.chr20_1-2Mb.vcf.gz"
    pysam.bcftools.view(
        "-r",
        REGION,
        "-S",
        str(folder / "data/names.txt"),
        "--no-version",
        "-Oz",
        "-o",
        str(vcf),
        str(source),
        catch_stdout=False,
    )
    pysam.tabix_index(str(vcf), preset="vcf", force=True)
    fasta = demo / "GRCh37.chr20_1-2Mb.fa.gz"
    bases = pysam.FastaFile(str(fasta)).fetch("20", 1_000_000, 1_040_000)
    (folder / "data/windows.fa").write_text(f">slice\n{bases}\n")
    columns = "panel\tcontig\tvariants\tsamples\treference\tmap\n"
    row = [
        "tiny",
        "20",
        "data/cohort.vcf.gz",
        "data/samples.tsv",
        str(fasta),
        str(demo / "chr20.b37.gmap.gz"),
    ]
    (folder / "config/panels.tsv").write_text(columns + "\t".join(row) + "\n")
    (folder / "config/sequences.tsv").write_text("set\tsource\nslice\tdata/windows.fa\n")
    (folder / "config/config.yaml").write_text(yaml.safe_dump(settings))
    return folder


def traced(folder: Path) -> dict[str, str]:
    """The environment of a run in `folder` whose commands note what they read."""
    place = folder.parent / "trace"
    place.mkdir(exist_ok=True)
    paths = [str(Path(__file__).parent / "workflow/tracing"), os.environ.get("PYTHONPATH")]
    return os.environ | {"GENOLOOM_TRACE": str(place), "PYTHONPATH": ":".join(filter(None, paths))}
