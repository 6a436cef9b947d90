"""Personal sequences: ploidies, coordinate lift, regions, and the way back to the variants."""

import gzip
import shutil
import subprocess

import numpy as np
import pysam
import pytest
from helpers import founder_mosaic, make_people, make_sites, run_genoloom, write_vcf

from genoloom.config import CohortOptions, GenerateOptions, MosaicOptions, TrainOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.splits import write_split
from genoloom.panel import Sites
from genoloom.stages.cohort import make_cohort
from genoloom.stages.consensus import consensus, consensus_of_regions
from genoloom.stages.generate import generate
from genoloom.stages.train import train

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")


def write_reference(path, rng, length: int = 400) -> str:
    bases = "".join(rng.choice(list("ACGT"), length))
    path.write_text(f">20\n{bases}\n")
    return bases


def by_bcftools(fasta, vcf, sample: str, haplotype: int) -> str:
    """What the command line tool makes of one haplotype of a FASTA of one sequence."""
    command = ["bcftools", "consensus", "-f", str(fasta), "-s", sample, "-H", str(haplotype), str(vcf)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return "".join(done.stdout.splitlines()[1:])


def made_sequences(path) -> dict[str, str]:
    with pysam.FastaFile(str(path)) as fasta:
        return {name: fasta.fetch(name) for name in fasta.references}


def test_ploidy_is_a_persons_own(tmp_path):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    other = {base: "ACGT"["ACGT".index(base) - 1] for base in "ACGT"}
    alt = [other[bases[p - 1]] for p in (50, 60, 70)]
    rows = [
        f"50 {bases[49]} {alt[0]} 1 0|1 0 .",
        f"60 {bases[59]} {alt[1]} 1 1|0 0/1 1",
        f"70 {bases[69]} {alt[2]} . 1|1 1/0 .",
    ]
    vcf = write_vcf(tmp_path / "in.vcf.gz", rows, ["MALE", "FEMALE", "MIX", "GAPS"])
    consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out.fa.gz")
    made = made_sequences(tmp_path / "out.fa.gz")
    changes = {name: "".join("1" if text[p - 1] != bases[p - 1] else "0" for p in (50, 60, 70)) for name, text in made.items()}
    assert changes == {"MALE_1": "110", "FEMALE_1": "011", "FEMALE_2": "101", "MIX_1": "001", "GAPS_1": "010"}


def test_unphased_calls_of_diploid_people_are_refused(tmp_path):
    bases = write_reference(tmp_path / "ref.fa", np.random.default_rng(1))
    alt = "A" if bases[49] != "A" else "C"
    vcf = write_vcf(tmp_path / "in.vcf.gz", [f"50 {bases[49]} {alt} 0/1 0|1"], ["S0", "S1"])
    with pytest.raises(InputError, match="20:50: a heterozygous genotype is not phased"):
        consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out.fa.gz")
    assert not list(tmp_path.glob("out*"))


def test_mitochondria_are_those_of_bcftools(shared_data, tmp_path):
    """Every 60th of the 1,074 people: haploid, missing and heteroplasmic calls, overlapping indels."""
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    folder = shared_data / "sequences"
    lines = (folder / "rCRS.fasta").read_text().splitlines()
    fasta, vcf = tmp_path / "MT.fa", tmp_path / "mt.vcf.gz"
    fasta.write_text("\n".join([">MT", *lines[1:]]) + "\n")
    with gzip.open(folder / "1kgp_phase1_chrMT_1074.vcf.gz", "rb") as source, pysam.BGZFile(str(vcf), "wb") as target:
        target.write(source.read())
    pysam.tabix_index(str(vcf), preset="vcf")
    samples = list(pysam.VariantFile(str(vcf)).header.samples)[::60]
    few = tmp_path / "few.vcf.gz"
    subprocess.run(["bcftools", "view", "-s", ",".join(samples), "-Oz", "-o", str(few), str(vcf)], check=True)
    pysam.tabix_index(str(few), preset="vcf")
    consensus(variants=few, reference=fasta, out=tmp_path / "out.fa.gz", threads=2)
    made = made_sequences(tmp_path / "out.fa.gz")
    assert list(made) == [f"{sample}_1" for sample in samples]
    assert all(made[f"{sample}_1"] == by_bcftools(fasta, few, sample, 1) for sample in samples)


@needs_bcftools
def test_regions_are_those_of_bcftools(tmp_path, demo_dir):
    vcf, fasta = demo_dir / "eur300.chr20_1-2Mb.vcf.gz", demo_dir / "GRCh37.chr20_1-2Mb.fa.gz"
    (tmp_path / "genes.bed").write_text("20\t1100000\t1130000\tone\n20\t1500000\t1510000\n")
    consensus_of_regions(regions=tmp_path / "genes.bed", variants=vcf, reference=fasta, out=tmp_path / "out", people=2)
    assert sorted(p.name for p in (tmp_path / "out").glob("*.gz")) == ["20_1500001-1510000.fa.gz", "one.fa.gz"]
    made = made_sequences(tmp_path / "out" / "one.fa.gz")
    assert list(made) == ["HG00096_1", "HG00096_2", "HG00097_1", "HG00097_2"]
    part = tmp_path / "part.fa"
    part.write_text(f">20:1100001-1130000\n{pysam.FastaFile(str(fasta)).fetch('20', 1_100_000, 1_130_000)}\n")
    equal = {name: text == by_bcftools(part, vcf, name[:-2], int(name[-1])) for name, text in made.items()}
    assert all(equal.values()), equal


def parse_chains(text: str):
    """For each haplotype its blocks: (reference start, haplotype start, size), 0-based."""
    chains = {}
    for part in text.strip().split("\n\n"):
        head, *lines = part.splitlines()
        words = head.split()
        ref, own, blocks = int(words[5]), int(words[10]), []
        for line in lines:
            size, *gaps = map(int, line.split())
            blocks.append((ref, own, size))
            ref, own = ref + size + (gaps[0] if gaps else 0), own + size + (gaps[1] if gaps else 0)
        assert (ref, own) == (int(words[6]), int(words[11]))
        chains[words[7]] = blocks
    return chains


def recalled(reference: str, own: str, blocks) -> set[tuple[int, str, str]]:
    """(1-based position, ref, alt) of every difference; between blocks they are indels, within them single bases."""
    found, before = set(), None
    for ref, start, size in blocks:
        if before is not None:
            a, b = before
            found.add((a + 1, reference[a:ref], own[b:start]))
        found |= {(ref + i + 1, reference[ref + i], own[start + i]) for i in range(size) if reference[ref + i] != own[start + i]}
        before = ref + size, start + size
    return found


def trimmed(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    """A variant without the bases that its alleles begin with together."""
    while ref and alt and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def test_synthetic_people_give_back_their_own_variants(tmp_path):
    """From a panel through a generator, the synthetic VCF and its FASTA, back to the very calls of every haplotype."""
    rng = np.random.default_rng(4)
    n_sites, n_people = 150, 60
    reference = "".join(rng.choice(list("ACGT"), 100 * (n_sites + 2)))
    (tmp_path / "ref.fa").write_text(f">20\n{reference}\n")
    plain = make_sites(n_sites)
    ref, alt = [], []
    for i, position in enumerate(plain.position.tolist()):
        span = 1 if i % 3 else int(rng.integers(1, 6))
        text = reference[position - 1 : position - 1 + span]
        if i % 3 == 0 and span == 1:  # an insertion, else a deletion or a single base
            new = text + "".join(rng.choice(list("ACGT"), int(rng.integers(1, 8))))
        else:
            new = text[0] if span > 1 else "ACGT"["ACGT".index(text) - 1]
        ref.append(text)
        alt.append(new)
    sites = Sites(
        "20", plain.position, np.array(ref, dtype=object), np.array(alt, dtype=object), plain.id, plain.cm, len(reference)
    )
    people = make_people(n_people)
    with PanelWriter(tmp_path / "20", people, "20", len(reference)) as writer:
        writer.append(sites, founder_mosaic(n_sites, 2 * n_people, rng))
    write_split(tmp_path / "split.tsv", people, ["train"] * 40 + ["holdout"] * 20)
    model = tmp_path / "m.safetensors"
    train(
        generator="mosaic", panel=tmp_path / "20", split=tmp_path / "split.tsv", model=model, history=tmp_path / "h.tsv",
        state=tmp_path / "state", common=TrainOptions(), options=MosaicOptions(), seed=3, threads=1,
    )  # fmt: skip
    make_cohort(model=model, split=tmp_path / "split.tsv", out=tmp_path / "c.tsv", options=CohortOptions(size=100), seed=4)
    out = tmp_path / "made" / "20.vcf.gz"
    generate(model=model, cohort=tmp_path / "c.tsv", out=out, options=GenerateOptions(), seed=5, threads=1)
    consensus(variants=out, reference=tmp_path / "ref.fa", out=tmp_path / "p.fa.gz", chain=tmp_path / "p.chain.gz", threads=2)
    made = made_sequences(tmp_path / "p.fa.gz")
    chains = parse_chains(gzip.open(tmp_path / "p.chain.gz", "rt").read())
    panel = open_panel(tmp_path / "made" / "20")
    alleles = panel.haplotypes.read(0, len(panel.sites))
    variants = [trimmed(p, r, a) for p, r, a in panel.sites.keys()]
    assert len(made) == 200
    for column, name in enumerate(f"{person}_{h}" for person in panel.people.id for h in (1, 2)):
        carried = {variants[i] for i in np.flatnonzero(alleles[:, column])}
        assert recalled(reference, made[name], chains[name]) == carried, name


def test_command_line_says_what_does_not_go_together(tmp_path):
    bed = tmp_path / "r.bed"
    bed.write_text("20\t0\t10\n")
    (tmp_path / "x").write_text("")
    done = run_genoloom(
        "consensus", "--variants", tmp_path / "x", "--reference", tmp_path / "x", "--out", tmp_path, "--regions", bed,
        "--region", "1-5",
    )  # fmt: skip
    assert done.returncode == 2
    assert "neither --region nor --chain" in done.stderr
