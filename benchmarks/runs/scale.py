"""Time and memory against sites and individuals, next to bcftools and plink2 on the same data.

    python -m benchmarks scale --sites 8192 32768 131072 --individuals 500 2504 --stages prepare

Simulated haplotypes (msprime, the history of Gutenkunst et al. 2009; `pip install msprime`);
beyond 32,768 sites they repeat. Each stage is a process of its own: processor seconds and peak
memory are of the process and its children. Every number of sites is measured with every number of
individuals: those of the file for `prepare`, `train` and `validate` (half of them train, half are
held out, and as many are drawn), those that are drawn for `generate` and `consensus`.
RUN.slopes.tsv has what a straight line through all rows of the table says: seconds per genotype
and per site, the fixed ones, and how much of the differences it explains.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from benchmarks.options import add_shared
from benchmarks.programs import genoloom, needs, output_of, timed
from benchmarks.runner import Case
from benchmarks.simulated_panel import write_repeated
from benchmarks.table import PROVENANCE
from genoloom.formats.histories import read_history
from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import write_table

COLUMNS = "stage program sites individuals cpu_s wall_s peak_mb ratio bits li_stephens_bits"
STAGES = ("prepare", "train", "generate", "consensus", "validate", "validate-window")
WINDOWS = 4  # of a contig, of which `validate-window` reads the first
SLOPES = (
    "stage program rows sites individuals ns_per_genotype us_per_site fixed_s r2 "
    "largest_residual peak_mb"
)
SYNTHETIC = "synthetic"  # prefix of what is drawn
DRAWN = f"{SYNTHETIC}.vcf.gz"
PEERS_UP_TO = 2**29  # genotypes; what bcftools and plink2 need beyond follows from their lines


def add_options(parser: argparse.ArgumentParser) -> None:
    for name, default in (("sites", [4096, 8192, 16384]), ("individuals", [250, 500, 1000])):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=default, help="sizes")
    parser.add_argument(
        "--draw", type=int, nargs="+",
        help="numbers of individuals that are drawn (default: as many as the file has)",
    )  # fmt: skip
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="which")
    add_shared(parser, generators=["copying_network"], steps=None)


def measure(case: Case) -> Iterator[dict]:
    given = case.arguments
    needs("bcftools", "plink2")
    place = given.work / "scale"
    for individuals in given.individuals:
        for sites in given.sites:
            folder = place / f"{sites}x{individuals}"
            shutil.rmtree(folder, ignore_errors=True)
            panel = folder / "1"
            write_repeated(panel, sites, individuals, min(given.individuals))
            size = {"sites": sites, "individuals": individuals}
            if "prepare" in given.stages:
                for row in prepare_rows(folder, panel):
                    yield size | row
            if {*given.stages} - {"prepare"}:
                for row in generator_rows(folder, panel, given.draw or [individuals], given):
                    yield size | row
            shutil.rmtree(folder)
    columns = [*SLOPES.split(), *PROVENANCE]
    path = case.table.path.with_suffix(".slopes.tsv")
    write_table(path, columns, [row | case.table.made for row in slopes(case.table.rows)])


def prepare_rows(folder: Path, panel: Path) -> Iterator[dict]:
    """From a VCF to the program's own file; `ratio` is to both peers together."""
    data = folder / "data.vcf.gz"
    output_of("plink2", "--pfile", panel, "vzs", "--export", "vcf", "bgz", "--output-chr", 26,
              "--threads", 1, "--out", folder / "data")  # fmt: skip
    output_of("bcftools", "index", "-t", data)
    read = timed("bcftools", "view", "-Ou", "-o", os.devnull, data)
    yield {"stage": "prepare", "program": "bcftools view -Ou"} | read
    write = timed("plink2", "--vcf", data, "--make-pgen", "--threads", 1, "--out", folder / "peer")
    yield {"stage": "prepare", "program": "plink2 --make-pgen"} | write
    own = genoloom("prepare", "--variants", data, "--contig", 1, "--out", folder / "again")
    ratio = own["cpu_s"] / (read["cpu_s"] + write["cpu_s"])
    yield {"stage": "prepare", "program": "genoloom", "ratio": ratio} | own
    data.unlink()


def generator_rows(
    folder: Path, panel: Path, draws: list[int], given: argparse.Namespace
) -> Iterator[dict]:
    """Training of each generator, and as many individuals from it as are asked for."""
    split = folder / "split.tsv"
    steps = [] if given.steps is None else ["--steps", given.steps]
    genoloom("split", "--panel", panel, "--out", split, "--summary", folder / "s.json",
             "--kinship", "false")  # fmt: skip
    for generator in given.generators:
        model = folder / f"{generator}.safetensors"
        trained = genoloom(
            "train", generator, "--panel", panel, "--split", split, "--model", model,
            "--history", folder / "h.tsv", "--state", folder / generator, "--device", "cpu",
            *(steps if generator != "mosaic" else []),
        )  # fmt: skip
        if "train" in given.stages:
            yield {"stage": "train", "program": generator} | trained | quality(folder / "h.tsv")
        for individuals in draws if {"generate", "consensus"} & {*given.stages} else []:
            own = draw(folder, model, individuals)
            size = {"individuals": individuals}
            rows = generation_rows(folder, generator, own) if "generate" in given.stages else []
            yield from (size | row for row in rows)
            if "consensus" in given.stages:
                yield size | consensus_row(folder, panel)
        if {"validate", "validate-window"} & {*given.stages}:
            draw(folder, model)
        if "validate" in given.stages:
            yield from validation_rows(folder, panel)
        if "validate-window" in given.stages:
            yield window_row(folder, panel)


def quality(history: Path) -> dict:
    """Bits per site of the validation set, of a generator that has a likelihood, and those of the
    copying model of Li and Stephens on the first sites.
    """
    rows = [row for row in read_history(history) if "bits" in row]
    best = min(rows, key=lambda row: row["bits"], default={})
    return {name: best.get(name, "") for name in ("bits", "li_stephens_bits")}


def draw(folder: Path, model: Path, individuals: int | None = None) -> dict:
    """Measure as many individuals of a model as are asked for, or as trained."""
    size = [] if individuals is None else ["--size", individuals]
    genoloom("cohort", "--model", model, "--out", folder / "c.tsv", *size,
             "--split", folder / "split.tsv")  # fmt: skip
    return genoloom("generate", "--model", model, "--cohort", folder / "c.tsv",
                    "--out", folder / DRAWN)  # fmt: skip


def generation_rows(folder: Path, generator: str, own: dict) -> Iterator[dict]:
    """What was drawn, and the same data written by others; `ratio` is to both together."""
    out, peers = folder / DRAWN, []
    individuals = len(output_of("bcftools", "query", "-l", out).split())
    if individuals * int(output_of("bcftools", "index", "-n", out)) <= PEERS_UP_TO:
        peers = [
            {"program": "bcftools view -Oz"}
            | timed("bcftools", "view", "-Oz", "-o", folder / "x.vcf.gz", out),
            {"program": "plink2 --make-pgen"}
            | timed("plink2", "--vcf", out, "--make-pgen", "--threads", 1, "--out", folder / "x"),
        ]
    yield from ({"stage": "generate"} | peer for peer in peers)
    ratio = own["cpu_s"] / sum(peer["cpu_s"] for peer in peers) if peers else ""
    yield {"stage": "generate", "program": generator, "ratio": ratio} | own


def consensus_row(folder: Path, panel: Path) -> dict:
    """Both haplotypes of everybody who was drawn, on bases that are made up between the sites."""
    sites = open_panel(panel).sites
    bases = np.random.default_rng(1).choice(np.frombuffer(b"ACGT", np.uint8), sites.contig_length)
    bases[sites.position - 1] = ord("A")
    reference, text = folder / "reference.fa", bases.tobytes()
    lines = (text[at : at + 60] for at in range(0, len(text), 60))
    reference.write_bytes(b">1\n" + b"\n".join(lines) + b"\n")
    return {"stage": "consensus", "program": "genoloom"} | genoloom(
        "consensus", "--variants", folder / DRAWN, "--reference", reference,
        "--out", folder / "consensus.fa.gz",
    )  # fmt: skip


def validation_rows(folder: Path, panel: Path) -> Iterator[dict]:
    """The first generator of a panel, which measures what real individuals score as well, and any
    other.
    """
    first, other = (folder / name / "fidelity.tsv" for name in ("first", "other"))
    known = ["--reference-values", first.with_name("reference_values.json")]
    for program, out, more in (("first", first, []), ("another", other, known)):
        out.parent.mkdir()
        measured = genoloom("validate", *compared(folder, panel), *more, "--out", out,
                            "--details", folder / "details.json")  # fmt: skip
        yield {"stage": "validate", "program": f"{program} generator"} | measured


def window_row(folder: Path, panel: Path) -> dict:
    """What a job of one window reads for the first generator; `sites` are its own."""
    size = len(open_panel(folder / SYNTHETIC).sites) // WINDOWS
    sums = folder / "sums" / "1.safetensors"
    measured = genoloom("validate", *compared(folder, panel), "--window", size,
                        "--part", f"1/{WINDOWS}", "--out", sums)  # fmt: skip
    return {"stage": "validate-window", "program": "first generator", "sites": size} | measured


def compared(folder: Path, panel: Path) -> list:
    """Options that say what is compared."""
    return ["--synthetic", folder / SYNTHETIC, "--panel", panel,
            "--split", folder / "split.tsv"]  # fmt: skip


def slopes(rows: list[dict]) -> list[dict]:
    """The line `fixed + per_site * sites + per_genotype * sites * individuals` through the
    processor seconds of each program: least squares, no part below zero. A part that does not
    vary apart from the others is left out.
    """
    found = []
    for stage, program in dict.fromkeys((r["stage"], r["program"]) for r in rows):
        own = [r for r in rows if (r["stage"], r["program"]) == (stage, program)]
        sites, individuals, cpu, memory = (
            np.array([float(r[c]) for r in own])
            for c in ("sites", "individuals", "cpu_s", "peak_mb")
        )
        sizes = [len(set(x)) for x in (sites, individuals)]
        if len(set(zip(sites, individuals, strict=True))) < 3:
            continue
        terms = [sites * individuals / 1e9, np.ones(len(own))]
        if min(sizes) > 1 and len(own) > 3:
            terms.insert(1, sites / 1e6)
        # relative errors count, so that the smallest sizes do as well
        line, _ = nnls(np.stack(terms, axis=1) / cpu[:, None], np.ones(len(own)))
        fitted = np.stack(terms, axis=1) @ line
        left = ((cpu - fitted) ** 2).sum() / ((cpu - cpu.mean()) ** 2).sum()
        found.append({
            "stage": stage, "program": program, "rows": len(own),
            "sites": f"{sites.min():.0f}-{sites.max():.0f}",
            "individuals": f"{individuals.min():.0f}-{individuals.max():.0f}",
            "ns_per_genotype": f"{line[0]:.4g}",
            "us_per_site": f"{line[1]:.4g}" if len(terms) == 3 else "",
            "fixed_s": f"{line[-1]:.3g}", "r2": f"{1 - left:.5f}",
            "largest_residual": f"{np.abs(fitted / cpu - 1).max():.3f}",
            "peak_mb": f"{memory.min():.0f}-{memory.max():.0f}",
        })  # fmt: skip
    return found


def summary(rows: list[dict]) -> str:
    """Straight lines through what was measured, by stage and program."""
    columns = SLOPES.split()
    lines = [columns, *([str(row[c]) for c in columns] for row in slopes(rows))]
    return "\n".join("\t".join(line) for line in lines)
