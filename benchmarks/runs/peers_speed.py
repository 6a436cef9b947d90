"""Speed, compared with the programs that one would take instead, on the shipped data.

    python -m benchmarks peers_speed --repeats 5

`prepare-large` takes a larger file of the development data, where it is there. Every
program runs `--repeats` times, all of them in turn, each in a process of its own: the start
of Python counts. The summary has the ratio of processor seconds to the peer's in the same
turn, as median with the smallest and the largest. Whoever is not installed is left out.
"""

import argparse
import gzip
import importlib.util
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import add_shared
from benchmarks.programs import genoloom, needs, output_of, timed
from benchmarks.runner import Case
from benchmarks.table import spread
from genoloom.formats.tables import read_table
from genoloom.programs.snakemake import ROOT

COLUMNS = "task program turn cpu_s wall_s peak_mb"
DEMO = ROOT / "resources" / "demo"
OWN = "genoloom"
VARIANTS = DEMO / "eur300.chr20_1-2Mb.vcf.gz"
FASTA = DEMO / "GRCh37.chr20_1-2Mb.fa.gz"
INDIVIDUALS, DRAWN = 4, 300  # of the consensus, and of what is generated
BASES = 1_000_000  # of the shipped region
TARGETS = 30  # individuals who are imputed
# 8,262 records of 2,504 individuals, of the development data
LARGE = "human/1kgp_phase3_chr1_DPYD_2504.GRCh37.vcf.gz"
TASKS = ["prepare", "prepare-large", "statistics", "consensus", "generate", "impute", "workflow"]
RULES = """
N = range({n})
rule all:
    input: expand("{{i}}.txt", i=N)
rule one:
    output: "{{i}}.txt"
    shell: "touch {{output}}"
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    parser.add_argument(
        "--tasks", nargs="+", choices=TASKS, default=TASKS, help="which (default: all)"
    )
    add_shared(parser, generators=["copying_network"], steps=200)


def measure(case: Case) -> Iterator[dict]:
    needs("bcftools", "plink2")
    place = case.arguments.work / "peers"
    place.mkdir(parents=True, exist_ok=True)
    large = case.arguments.data / LARGE
    panel = make_panel(place)
    files: dict[str, Path] = {}
    if {"consensus", "generate", "impute"} & set(case.arguments.tasks):
        files = make(place, panel, case.arguments.generators[0], case.arguments.steps)
    known = {
        "prepare": lambda: prepare_tasks(place, VARIANTS, "20", "--samples", DEMO / "samples.tsv"),
        "prepare-large": lambda: prepare_tasks(place, large, "1") if large.exists() else {},
        "statistics": lambda: statistics_tasks(place, panel),
        "consensus": lambda: consensus_tasks(place, files),
        "generate": lambda: generate_tasks(place, files),
        "impute": lambda: impute_tasks(place, files),
        "workflow": lambda: workflow_tasks(place),
    }
    tasks = {name: known[name]() for name in case.arguments.tasks}
    for turn in range(1, case.arguments.repeats + 1):
        for task, programs in tasks.items():
            for program, start in programs.items():
                yield {"task": task, "program": program, "turn": turn} | start()


def make_panel(place: Path) -> Path:
    panel = place / "20"
    genoloom("prepare", "--variants", VARIANTS, "--contig", 20, "--out", panel,
             "--samples", DEMO / "samples.tsv")  # fmt: skip
    return panel


def make(place: Path, panel: Path, generator: str, steps: int) -> dict[str, Path]:
    """A model of a panel and synthetic individuals; a model of few steps is as fast as any."""
    split = place / "split.tsv"
    genoloom("split", "--panel", panel, "--out", split, "--summary", place / "s.json",
             "--kinship", "false")  # fmt: skip
    model, cohort, samples = (
        place / x for x in ("m.safetensors", "cohort.tsv", "synthetic.vcf.gz")
    )
    genoloom("train", generator, "--panel", panel, "--split", split, "--model", model,
             "--history", place / "h.tsv", "--state", place / "state",
             "--device", "cpu",
             "--steps", steps)  # fmt: skip
    genoloom("cohort", "--model", model, "--split", split, "--out", cohort, "--size", DRAWN)
    genoloom("generate", "--model", model, "--cohort", cohort, "--out", samples)
    return {"split": split, "model": model, "cohort": cohort, "variants": samples}


def prepare_tasks(place: Path, variants: Path, contig: str, *more) -> dict:
    """From a VCF to the program's own file."""
    tasks = {
        OWN: lambda: genoloom("prepare", "--variants", variants, "--contig", contig,
                              "--out", place / "again", *more),
        "bcftools view -Ob": lambda: timed("bcftools", "view", "-Ob", "-o",
                                            place / "x.bcf", variants),
        "plink2 --make-pgen": lambda: timed("plink2", "--vcf", variants, "--make-pgen",
                                            "--threads", 1, "--out", place / "x"),
        "scikit-allel read_vcf": lambda: python(f"import allel; allel.read_vcf({str(variants)!r})"),
    }  # fmt: skip
    if shutil.which("vcf2zarr"):
        tasks["vcf2zarr convert"] = lambda: timed(
            "vcf2zarr", "convert", "--force", "--no-progress", variants, place / "x.vcz"
        )
    return tasks


def statistics_tasks(place: Path, panel: Path) -> dict:
    """Ten principal components of the individuals, from the program's own file."""
    again = place / "pca"
    output_of("plink2", "--vcf", VARIANTS, "--make-pgen", "--out", again)
    arrays = place / "arrays.npy"
    python(f"import allel, numpy; numpy.save({str(arrays)!r}, "
           f"allel.read_vcf({str(VARIANTS)!r})['calldata/GT'])")  # fmt: skip
    return {
        OWN: lambda: python(COMPONENTS.format(panel=str(panel))),
        "plink2 --pca": lambda: timed("plink2", "--pfile", again, "--pca", 10, "--threads", 1,
                                      "--out", place / "x"),
        "scikit-allel pca": lambda: python(ALLEL_COMPONENTS.format(arrays=str(arrays))),
    }  # fmt: skip


def consensus_tasks(place: Path, files: dict[str, Path]) -> dict:
    return {
        OWN: lambda: genoloom("consensus", "--variants", files["variants"], "--reference", FASTA,
                              "--out", place / "c.fa.gz", "--individuals", INDIVIDUALS),
        "bcftools consensus": lambda: timed("bash", "-c", CONSENSUS, "-", FASTA,
                                            files["variants"], place / "bcftools.fa.gz"),
    }  # fmt: skip


def generate_tasks(place: Path, files: dict[str, Path]) -> dict:
    """As many individuals of the same region; msprime simulates, haptools copies."""
    tasks = {
        OWN: lambda: genoloom("generate", "--model", files["model"], "--cohort", files["cohort"],
                              "--out", files["variants"]),
        "bcftools view -Oz": lambda: timed("bcftools", "view", "-Oz", "-o", place / "x.vcf.gz",
                                            files["variants"]),
    }  # fmt: skip
    if importlib.util.find_spec("msprime"):
        tasks["msprime and write_vcf"] = lambda: python(
            SIMULATE.format(n=DRAWN, length=BASES, out=str(place / "m.vcf"))
        )
    if shutil.which("haptools"):
        words = copying_command(place)
        tasks["haptools simgenotype"] = lambda: timed(*words)
    return tasks


def copying_command(place: Path) -> list:
    """What makes individuals of two populations with haptools, which copies at the sites of the
    reference.
    """
    maps, model, labels = place / "maps", place / "model.dat", place / "labels.tsv"
    maps.mkdir(exist_ok=True)
    with gzip.open(DEMO / "chr20.b37.gmap.gz", "rt") as lines:
        rows = [line.split() for line in lines][1:]
    text = "".join(f"{contig}\t.\t{cm}\t{position}\n" for position, contig, cm in rows)
    (maps / "chr20.map").write_text(text)
    model.write_text(f"{DRAWN}\tAdmixed\tGBR\tFIN\n1\t0\t0.5\t0.5\n")
    individuals = read_table(DEMO / "samples.tsv")
    labels.write_text("".join(f"{r['individual']}\t{r['population']}\n" for r in individuals))
    return ["haptools", "simgenotype", "--model", model, "--mapdir", maps, "--chroms", 20,
            "--region", "20:1000000-2000000", "--ref_vcf", VARIANTS, "--sample_info", labels,
            "--out", place / "h.vcf.gz"]  # fmt: skip


def impute_tasks(place: Path, files: dict[str, Path]) -> dict:
    """Sites that an array with every tenth lacks, of held-out individuals, from the others."""
    by_role: dict[str, list[str]] = {"train": [], "holdout": []}
    for row in read_table(files["split"]):
        by_role[row["role"]].append(row["individual"])
    reference, target = place / "reference.vcf.gz", place / "target.vcf.gz"
    array = place / "array.tsv"
    two_alleles = f"bcftools norm -d all {VARIANTS} | bcftools view -m2 -M2 -c 2:minor -Ou | "

    def write(out: Path, individuals: list[str], *sites) -> None:
        names = ",".join(individuals)
        words = ["bcftools", "view", "-s", names, *sites, "-Oz", "-o", out]
        output_of("bash", "-c", two_alleles + shlex.join(map(str, words)))
        output_of("bcftools", "index", "-f", "-t", out)

    write(reference, by_role["train"])
    rows = output_of("bcftools", "query", "-f", "%CHROM\t%POS\n", reference).splitlines()
    array.write_text("\n".join(rows[::10]) + "\n")
    write(target, by_role["holdout"][:TARGETS], "-T", array)
    tasks = {
        OWN: lambda: genoloom("impute", "--model", files["model"], "--variants", target,
                              "--out", place / "i.vcf.gz"),
    }  # fmt: skip
    if shutil.which("beagle"):
        tasks["beagle"] = lambda: timed("beagle", f"gt={target}", f"ref={reference}",
                                        f"out={place / 'beagle'}", "nthreads=1")  # fmt: skip
    if shutil.which("minimac4"):
        tasks["minimac4"] = lambda: timed("bash", "-c", MINIMAC, "-", reference, target, place)
    return tasks


def workflow_tasks(place: Path) -> dict:
    """Planning alone."""
    return {
        OWN: lambda: snakemake("--snakefile", ROOT / "Snakefile", "--directory", study(place)),
        "an empty workflow": lambda: snakemake("--snakefile", empty(place), "--directory", place),
    }


# both haplotypes of the first individuals; arguments: FASTA, VCF, what is written
CONSENSUS = f"""
for name in $(bcftools query -l "$2" | head -{INDIVIDUALS}); do
  for h in 1 2; do
    bcftools consensus -s $name -H $h -f "$1" "$2"
  done
done | bgzip > "$3"
"""
MINIMAC = """
minimac4 --compress-reference "$1" -o "$3/reference.msav"
minimac4 -O vcf.gz -o "$3/minimac.vcf.gz" "$3/reference.msav" "$2"
"""
COMPONENTS = """
from pathlib import Path
import numpy as np
from genoloom.formats.pgen import open_panel
from genoloom.popgen.structure import top_components
alleles = open_panel(Path({panel!r})).haplotypes
dosage = alleles.read(0, alleles.n_variants).reshape(alleles.n_variants, -1, 2).sum(2)
frequency = dosage.mean(1, keepdims=True) / 2
z = (dosage - 2 * frequency) / np.sqrt(2 * frequency * (1 - frequency))
top_components(z.T @ z, 10)
"""
ALLEL_COMPONENTS = """
import allel, numpy
counts = allel.GenotypeArray(numpy.load({arrays!r})).to_n_alt()
allel.pca(counts[counts.std(1) > 0], n_components=10, scaler='patterson')
"""
SIMULATE = """
import msprime
ts = msprime.sim_ancestry({n}, population_size=1e4, sequence_length={length},
    recombination_rate=1e-8, random_seed=1)
with open({out!r}, "w") as out:
    msprime.sim_mutations(ts, rate=1.25e-8, random_seed=1).write_vcf(out)
"""


def python(text: str) -> dict:
    """Measure some lines of Python."""
    return timed(sys.executable, "-c", text)


def snakemake(*words) -> dict:
    """Measure the planning of a workflow."""
    return timed(sys.executable, "-m", "snakemake", "-n", "--quiet", "all", *words)


def study(place: Path) -> Path:
    """A directory in which the shipped configuration is."""
    folder = place / "study"
    if not folder.exists():
        folder.mkdir()
        shutil.copytree(ROOT / "config", folder / "config")
        (folder / "resources").symlink_to(ROOT / "resources")
    return folder


def empty(place: Path) -> Path:
    """A workflow of as many jobs as that of the shipped configuration, which do nothing."""
    path = place / "Snakefile"
    if not path.exists():
        planned = output_of(sys.executable, "-m", "snakemake", "-n", "--quiet", "rules",
                      "--snakefile", ROOT / "Snakefile", "--directory", study(place))  # fmt: skip
        total = next(line.split()[-1] for line in planned.splitlines() if line.startswith("total"))
        path.write_text(RULES.format(n=int(total) - 1))
    return path


def summary(rows: list[dict]) -> str:
    """Seconds of each program, and the ratio of this package's to them."""
    own = {(r["task"], r["turn"]): float(r["cpu_s"]) for r in rows if r["program"] == OWN}
    with_ratio = [
        r | {"ratio": format(own[r["task"], r["turn"]] / float(r["cpu_s"]), ".4g")} for r in rows
    ]
    lines = ["task\tprogram\tturns\tcpu_s\tratio of ours"]
    for row in spread(with_ratio, ["task", "program"], ["cpu_s", "ratio"]):
        lines.append("\t".join(row[k] for k in ("task", "program", "rows", "cpu_s", "ratio")))
    return "\n".join(lines)
