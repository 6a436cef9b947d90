"""Time and memory against sites and individuals, next to bcftools and plink2 on the same data.

    python -m benchmarks scale --sites 4096 8192 --individuals 250 500

Simulated haplotypes (msprime, the history of Gutenkunst et al. 2009; `pip install msprime`). Each
stage is a process of its own: processor seconds and peak memory are of the process and its
children. Every number of sites is measured with the fewest individuals, every number of individuals
with the fewest sites. The summary has the slope of a straight line, and what it leaves unexplained.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.options import add_shared
from benchmarks.programs import genoloom, needs, output_of, timed
from benchmarks.runner import Case
from benchmarks.simulated_panel import write_variants

COLUMNS = "stage program sites individuals cpu_s wall_s peak_mb ratio"


def add_options(parser: argparse.ArgumentParser) -> None:
    for name, default in (("sites", [4096, 8192, 16384]), ("individuals", [250, 500, 1000])):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=default, help="sizes")
    add_shared(parser, generators=["copying_network"], steps=None)


def measure(case: Case) -> Iterator[dict]:
    given = case.arguments
    needs("bcftools", "plink2")
    place = given.work / "scale"
    place.mkdir(parents=True, exist_ok=True)
    whole, plain = place / "simulated.bcf", place / "simulated.vcf"
    write_variants(plain, max(given.sites), max(given.individuals))
    output_of("bcftools", "view", "-c", "2:minor", "-Ob", "-o", whole, plain)
    output_of("bcftools", "index", whole)
    plain.unlink()
    sizes = [(sites, min(given.individuals)) for sites in given.sites]
    sizes += [(min(given.sites), n) for n in given.individuals if n > min(given.individuals)]
    for sites, individuals in sizes:
        folder = place / f"{sites}x{individuals}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for row in measure_size(folder, whole, (sites, individuals), given):
            yield row | {"sites": sites, "individuals": individuals}


def measure_size(
    folder: Path, whole: Path, size: tuple[int, int], given: argparse.Namespace
) -> Iterator[dict]:
    """Rows of all stages for this many sites and individuals; `ratio` is to the peers before."""
    sites, individuals = size
    steps = [] if given.steps is None else ["--steps", given.steps]
    data = cut(folder, whole, sites, individuals)
    read = timed("bcftools", "view", "-Ou", "-o", os.devnull, data)
    write = timed("plink2", "--vcf", data, "--make-pgen", "--threads", 1, "--out", folder / "peer")
    yield {"stage": "prepare", "program": "bcftools view -Ou"} | read
    yield {"stage": "prepare", "program": "plink2 --make-pgen"} | write
    panel, split = folder / "1", folder / "split.tsv"
    own = genoloom("prepare", "--variants", data, "--contig", 1, "--out", panel)
    ratio = own["cpu_s"] / (read["cpu_s"] + write["cpu_s"])
    yield {"stage": "prepare", "program": "genoloom", "ratio": ratio} | own
    genoloom("split", "--panel", panel, "--out", split, "--summary", folder / "s.json",
             "--kinship", "false")  # fmt: skip
    for generator in given.generators:
        model, cohort, out = (
            folder / name for name in ("m.safetensors", "c.tsv", "synthetic.vcf.gz")
        )
        shutil.rmtree(folder / "state", ignore_errors=True)
        yield {"stage": "train", "program": generator} | genoloom(
            "train", generator, "--panel", panel, "--split", split, "--model", model,
            "--history", folder / "h.tsv", "--state", folder / "state", "--device", "cpu", *steps,
        )  # fmt: skip
        genoloom(
            "cohort", "--model", model, "--out", cohort, "--size", individuals, "--split", split
        )
        own = genoloom("generate", "--model", model, "--cohort", cohort, "--out", out)
        peers = [
            timed("bcftools", "view", "-Oz", "-o", folder / "x.vcf.gz", out),
            timed("plink2", "--vcf", out, "--make-pgen", "--threads", 1, "--out", folder / "x"),
        ]
        yield {"stage": "generate", "program": "bcftools view -Oz"} | peers[0]
        yield {"stage": "generate", "program": "plink2 --make-pgen"} | peers[1]
        ratio = own["cpu_s"] / (peers[0]["cpu_s"] + peers[1]["cpu_s"])
        yield {"stage": "generate", "program": generator, "ratio": ratio} | own


def cut(folder: Path, whole: Path, sites: int, individuals: int) -> Path:
    """A VCF of the first sites and individuals, with an index."""
    out = folder / "data.vcf.gz"
    names = output_of("bcftools", "query", "-l", whole).split()[:individuals]
    rows = output_of("bcftools", "query", "-f", "%POS\n", whole).split()
    if len(rows) < sites:
        raise RuntimeError(f"only {len(rows)} sites were simulated")
    position = rows[sites - 1]
    output_of(
        "bcftools", "view", "-s", ",".join(names), "-r", f"1:1-{position}", "-Oz", "-o", out, whole
    )
    output_of("bcftools", "index", "-t", out)
    return out


def summary(rows: list[dict]) -> str:
    """Straight lines through what was measured, by stage and program."""
    lines = ["stage\tprogram\tby\tcpu_us_per_genotype\tfixed_s\tunexplained\tpeak_mb_least_most"]
    fewest = {name: min(int(r[name]) for r in rows) for name in ("sites", "individuals")}
    for stage, program in dict.fromkeys((r["stage"], r["program"]) for r in rows):
        own = [r for r in rows if (r["stage"], r["program"]) == (stage, program)]
        for by, other in (("sites", "individuals"), ("individuals", "sites")):
            some = [r for r in own if int(r[other]) == fewest[other]]
            x = np.array([int(r["sites"]) * int(r["individuals"]) for r in some], dtype=float)
            y, memory = (np.array([float(r[c]) for r in some]) for c in ("cpu_s", "peak_mb"))
            if len(x) < 3:
                continue
            slope, fixed = np.polyfit(x, y, 1)
            rest = y - (slope * x + fixed)
            left = rest.std() / y.std() if y.std() else 0.0
            lines.append(
                f"{stage}\t{program}\t{by}\t{1e6 * slope:.3g}\t{fixed:.2f}\t{left**2:.3f}\t"
                f"{memory.min():.0f}-{memory.max():.0f}"
            )
    return "\n".join(lines)
