"""Personal sequences and their coordinate lift give back the variants they were made from."""

import gzip

import numpy as np
from helpers import founder_mosaic, make_individuals, make_sites, read_fasta

from genoloom.config import CohortOptions, GenerateOptions
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.splits import write_split
from genoloom.panel import Sites
from genoloom.stages.cohort import make_cohort
from genoloom.stages.consensus import consensus
from genoloom.stages.generate import generate
from genoloom.stages.train import train
from genoloom.training_config import MosaicOptions, TrainOptions


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
    """(1-based position, ref, alt) of every difference; between blocks they are indels, within them
    single bases.
    """
    found, before = set(), None
    for ref, start, size in blocks:
        if before is not None:
            a, b = before
            found.add((a + 1, reference[a:ref], own[b:start]))
        found |= {
            (ref + i + 1, reference[ref + i], own[start + i])
            for i in range(size)
            if reference[ref + i] != own[start + i]
        }
        before = ref + size, start + size
    return found


def trimmed(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    """A variant without the bases that its alleles begin with together."""
    while ref and alt and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def test_synthetic_individuals_give_back_their_own_variants(tmp_path):
    """From a panel through a generator, the synthetic VCF and its FASTA, back to the very calls of
    every haplotype.
    """
    rng = np.random.default_rng(4)
    n_sites, n_individuals = 150, 60
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
        "20",
        plain.position,
        np.array(ref, dtype=object),
        np.array(alt, dtype=object),
        plain.id,
        plain.cm,
        len(reference),
    )
    individuals = make_individuals(n_individuals)
    with PanelWriter(tmp_path / "20", individuals, "20", len(reference)) as writer:
        writer.append(sites, founder_mosaic(n_sites, 2 * n_individuals, rng))
    write_split(tmp_path / "split.tsv", individuals, ["train"] * 40 + ["holdout"] * 20)
    model = tmp_path / "m.safetensors"
    train(
        generator="mosaic", panel=tmp_path / "20", split=tmp_path / "split.tsv", model=model,
        history=tmp_path / "h.tsv",
        state=tmp_path / "state", common=TrainOptions(), options=MosaicOptions(), seed=3, threads=1,
    )  # fmt: skip
    make_cohort(
        model=model,
        split=tmp_path / "split.tsv",
        out=tmp_path / "c.tsv",
        options=CohortOptions(size=100),
        seed=4,
    )
    out = tmp_path / "made" / "20.vcf.gz"
    generate(
        model=model,
        cohort=tmp_path / "c.tsv",
        out=out,
        options=GenerateOptions(),
        seed=5,
        threads=1,
    )
    consensus(
        variants=out,
        reference=tmp_path / "ref.fa",
        out=tmp_path / "p.fa.gz",
        chain=tmp_path / "p.chain.gz",
        threads=2,
    )
    made = read_fasta(tmp_path / "p.fa.gz")
    chains = parse_chains(gzip.open(tmp_path / "p.chain.gz", "rt").read())
    panel = open_panel(tmp_path / "made" / "20")
    alleles = panel.haplotypes.read(0, len(panel.sites))
    variants = [trimmed(p, r, a) for p, r, a in panel.sites.keys()]
    assert len(made) == 200
    for column, name in enumerate(
        f"{individual}_{h}" for individual in panel.individuals.id for h in (1, 2)
    ):
        carried = {variants[i] for i in np.flatnonzero(alleles[:, column])}
        assert recalled(reference, made[name], chains[name]) == carried, name
