"""Speed, compared with the programs that one would take instead, on the shipped data.

    python -m benchmarks peers_speed --repeats 5

Every program runs `--repeats` times, all of them in turn, each in a process of its own: the start
of Python counts. The summary has the ratio of processor seconds to the peer's in the same
turn, as median with the smallest and the largest. Whoever is not installed is left out.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import add_shared
from benchmarks.programs import genoloom, needs, output_of, timed
from benchmarks.runner import Case
from benchmarks.table import spread
from genoloom.programs.snakemake import ROOT

COLUMNS = "task program turn cpu_s wall_s peak_mb"
DEMO = ROOT / "resources" / "demo"
OWN = "genoloom"
VARIANTS = DEMO / "eur300.chr20_1-2Mb.vcf.gz"
FASTA = DEMO / "GRCh37.chr20_1-2Mb.fa.gz"
INDIVIDUALS, DRAWN = 4, 300  # of the consensus, and of what is generated
BASES = 1_000_000  # of the shipped region
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
    add_shared(parser, generators=["copying_network"])


def measure(case: Case) -> Iterator[dict]:
    needs("bcftools", "plink2")
    place = case.arguments.work / "peers"
    place.mkdir(parents=True, exist_ok=True)
    tasks = make_tasks(place, case.arguments.generators[0])
    for turn in range(1, case.arguments.repeats + 1):
        for task, programs in tasks.items():
            for program, start in programs.items():
                yield {"task": task, "program": program, "turn": turn} | start()


def make_tasks(place: Path, generator: str) -> dict:
    """What to start for each task and program, that of this package first."""
    panel, split = place / "20", place / "split.tsv"
    genoloom("prepare", "--variants", VARIANTS, "--contig", 20, "--out", panel,
             "--samples", DEMO / "samples.tsv")  # fmt: skip
    genoloom("split", "--panel", panel, "--out", split, "--summary", place / "s.json",
             "--kinship", "false")  # fmt: skip
    model, cohort, synthetic = (place / x for x in ("m.safetensors", "cohort.tsv", "made.vcf.gz"))
    genoloom("train", generator, "--panel", panel, "--split", split, "--model", model,
             "--history", place / "h.tsv", "--state", place / "state",
             "--device", "cpu")  # fmt: skip
    genoloom("cohort", "--model", model, "--split", split, "--out", cohort, "--size", DRAWN)
    genoloom("generate", "--model", model, "--cohort", cohort, "--out", synthetic)
    return {
        "prepare": {
            OWN: lambda: genoloom("prepare", "--variants", VARIANTS, "--contig", 20,
                                  "--out", place / "again", "--samples", DEMO / "samples.tsv"),
            "bcftools view -Ob": lambda: timed("bcftools", "view", "-Ob", "-o",
                                                place / "x.bcf", VARIANTS),
            "plink2 --make-pgen": lambda: timed("plink2", "--vcf", VARIANTS, "--make-pgen",
                                                "--threads", 1, "--out", place / "x"),
            "scikit-allel read_vcf": lambda: python(
                f"import allel; allel.read_vcf({str(VARIANTS)!r})"),
        },
        "consensus": {
            OWN: lambda: genoloom("consensus", "--variants", synthetic, "--reference", FASTA,
                                  "--out", place / "c.fa.gz", "--individuals", INDIVIDUALS),
            "bcftools consensus": lambda: timed("bash", "-c", CONSENSUS, "-", FASTA, synthetic,
                                                place / "c.fa"),
        },
        "generate": {
            OWN: lambda: genoloom(
                "generate", "--model", model, "--cohort", cohort, "--out", synthetic
            ),
            "msprime and write_vcf": lambda: python(SIMULATE.format(
                n=DRAWN, length=BASES, out=str(place / "m.vcf"))),
            "bcftools view -Oz": lambda: timed("bcftools", "view", "-Oz", "-o",
                                                place / "x.vcf.gz", synthetic),
        },
        "workflow": {
            OWN: lambda: snakemake("--snakefile", ROOT / "Snakefile", "--directory", study(place)),
            "an empty workflow": lambda: snakemake(
                "--snakefile", empty(place), "--directory", place),
        },
    }  # fmt: skip


# both haplotypes of the first individuals; arguments: FASTA, VCF, what is written
CONSENSUS = f"""
for name in $(bcftools query -l "$2" | head -{INDIVIDUALS}); do
  for h in 1 2; do
    bcftools consensus -s $name -H $h -f "$1" "$2" >> "$3"
  done
done
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
