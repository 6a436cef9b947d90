"""Training, cohort, generation and consensus through files, with the baselines as generators."""

import hashlib
import json
import os

import cyvcf2
import numpy as np
import pysam
import pysam.bcftools
import pytest
from helpers import call_genoloom, founder_mosaic, make_individuals, make_sites, write_vcf

from genoloom.config import CohortOptions, GenerateOptions
from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table
from genoloom.stages.cohort import make_cohort
from genoloom.stages.consensus import consensus
from genoloom.stages.generate import generate
from genoloom.stages.train import train
from genoloom.training_config import MosaicOptions, TrainOptions

N_INDIVIDUALS = 40


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    alleles = founder_mosaic(300, 2 * N_INDIVIDUALS, np.random.default_rng(2))
    individuals = make_individuals(N_INDIVIDUALS, ("X", "Y"))
    with PanelWriter(folder / "20", individuals, "20", 10**6) as writer:
        writer.append(make_sites(300), alleles)
    write_split(folder / "split.tsv", individuals, ["train"] * 30 + ["holdout"] * 10)
    train(
        generator="mosaic", panel=folder / "20", split=folder / "split.tsv",
        model=folder / "m.safetensors",
        history=folder / "h.tsv", state=folder / "state", common=TrainOptions(),
        options=MosaicOptions(), seed=3, threads=1,
    )  # fmt: skip
    make_cohort(
        model=folder / "m.safetensors",
        split=folder / "split.tsv",
        out=folder / "cohort.tsv",
        options=CohortOptions(),
        seed=4,
    )
    return folder, alleles


def make(folder, out, shard=1000):
    generate(
        model=folder / "m.safetensors",
        cohort=folder / "cohort.tsv",
        out=out,
        options=GenerateOptions(shard=shard),
        seed=5,
        threads=1,
    )


def test_model_says_what_it_is_and_holds_no_names(trained):
    folder, alleles = trained
    description = read_description(folder / "m.safetensors", "haplotypes")
    minor = np.minimum(alleles[:, :60].sum(axis=1), 60 - alleles[:, :60].sum(axis=1))
    assert description["n_variants"] == (minor >= 2).sum()
    assert description["sites_too_rare_to_model"] == (minor < 2).sum()
    assert description["training_individuals"] == "30 individuals"
    assert "private" in description
    assert json.loads((folder / "m.json").read_text()) == description
    content = (folder / "m.safetensors").read_bytes()
    assert not any(f'P{i}"'.encode() in content for i in range(N_INDIVIDUALS))
    assert str(folder).encode() not in content


def test_a_model_of_another_kind_or_version_is_refused(trained, tmp_path):
    folder, _ = trained
    with pytest.raises(InputError, match="is a model of haplotypes"):
        read_description(folder / "m.safetensors", "sequences")
    with pytest.raises(InputError, match="not found"):
        read_description(tmp_path / "none.safetensors", "haplotypes")
    (tmp_path / "bad.safetensors").write_bytes(b"0123456789")
    with pytest.raises(InputError, match="is no GenoLoom model"):
        read_description(tmp_path / "bad.safetensors", "haplotypes")


def test_cohort_has_the_training_mix(trained):
    folder, _ = trained
    rows = read_table(folder / "cohort.tsv")
    assert [r["individual"] for r in rows[:2]] == ["SYN000001", "SYN000002"]
    assert len(rows) == 30
    assert sorted({r["population"] for r in rows}) == ["X", "Y"]
    assert sum(r["population"] == "X" for r in rows) == 15
    assert sum(r["sex"] == "female" for r in rows) == 15


def test_parts_drawn_by_jobs_of_their_own_give_the_same_files(trained, tmp_path):
    folder, _ = trained
    make(folder, tmp_path / "whole/20.vcf.gz")
    given = ("--model", folder / "m.safetensors", "--cohort", folder / "cohort.tsv")

    def put_together(parts: int, number: int):
        files = []
        for k in range(1, number + 1):
            files.append(tmp_path / f"{k}of{parts}.safetensors")
            done = call_genoloom(
                "generate", *given, "--out", files[-1], "--part", f"{k}/{parts}", "--shard", "5"
            )
            assert done.returncode == 0, done.stderr
        out = tmp_path / f"of{parts}/20.vcf.gz"
        named = [word for file in files for word in ("--parts", file)]
        return call_genoloom("generate", *given, *named, "--out", out, "--seed", "5")

    for parts in (3, 20):  # 30 individuals: some of 20 parts are empty
        assert put_together(parts, parts).returncode == 0
        for name in ("20.vcf.gz", "20.pgen", "20.pvar.zst", "20.psam", "20.provenance.json"):
            of_parts = tmp_path / f"of{parts}" / name
            assert of_parts.read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    done = put_together(4, 3)
    assert done.returncode == 2
    assert "1of4.safetensors: was drawn by another model" in done.stderr
    assert not (tmp_path / "of4/20.vcf.gz").exists()
    done = call_genoloom("generate", *given, "--out", tmp_path / "x", "--part", "5/4")
    assert "there is no part 5 of 4" in done.stderr


@pytest.mark.parametrize("suffix", ["vcf.gz", "bcf"])
def test_files_agree_and_info_is_of_the_synthetic_genotypes(trained, tmp_path, suffix):
    folder, _ = trained
    make(folder, tmp_path / f"20.{suffix}")
    panel = open_panel(tmp_path / "20")
    alleles = panel.haplotypes.read(0, len(panel.sites))
    file = cyvcf2.VCF(str(tmp_path / f"20.{suffix}"))
    assert file.samples == panel.individuals.id
    for i, variant in enumerate(file("20:1-1000000")):  # through the index
        calls = variant.genotype.array()
        np.testing.assert_array_equal(calls[:, :2].ravel(), alleles[i])
        assert calls[:, 2].all()
        assert (variant.POS, variant.REF, variant.ALT[0]) == panel.sites.keys()[i]
        assert (variant.INFO["AC"], variant.INFO["AN"]) == (alleles[i].sum(), 60)
        assert variant.INFO["AF"] == pytest.approx(alleles[i].mean(), rel=1e-5)
    assert i == len(panel.sites) - 1
    header = file.raw_header
    assert "synthetic" in header
    assert 'generator="mosaic"' in header
    assert 'seed="5"' in header
    assert "contig=<ID=20,length=1000000>" in header


def test_same_seed_same_bytes_whatever_the_shard(trained, tmp_path):
    folder, _ = trained
    digests = []
    for name, shard in (("a", 1000), ("b", 7), ("c", 1)):
        make(folder, tmp_path / name / "20.vcf.gz", shard)
        files = ("20.vcf.gz", "20.pgen", "20.pvar.zst", "20.psam")
        digests.append(
            [hashlib.sha256((tmp_path / name / file).read_bytes()).hexdigest() for file in files]
        )
    assert digests[0] == digests[1] == digests[2]


def test_everything_written_is_equal_between_runs(trained, tmp_path):
    """Variants, index, PGEN, personal FASTA, chains and records of provenance, whatever the shard
    and the threads.
    """
    folder, _ = trained
    (tmp_path / "ref.fa").write_text(">20\n" + "A" * 10**6 + "\n")
    found = []
    for name, shard, threads in (("a", 1000, 1), ("b", 7, 2)):
        out = tmp_path / name / "20.vcf.gz"
        generate(
            model=folder / "m.safetensors", cohort=folder / "cohort.tsv", out=out,
            options=GenerateOptions(shard=shard), seed=5,
            threads=threads,
        )  # fmt: skip
        personal = {"out": tmp_path / name / "20.fa.gz", "chain": tmp_path / name / "20.chain.gz"}
        consensus(
            variants=out, reference=tmp_path / "ref.fa", individuals=2, threads=threads, **personal
        )
        found.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert len(found[0]) == 10
    assert found[0] == found[1]


def test_asked_mix_and_size(trained, tmp_path):
    folder, _ = trained
    options = CohortOptions(size=11, populations="X:0.75,Y:0.25", female=0.0)
    make_cohort(
        model=folder / "m.safetensors",
        split=folder / "split.tsv",
        out=tmp_path / "c.tsv",
        options=options,
        seed=4,
    )
    rows = read_table(tmp_path / "c.tsv")
    assert [r["population"] for r in rows].count("X") == 8
    assert {r["sex"] for r in rows} == {"male"}
    with pytest.raises(InputError, match="no population 'Z'"):
        make_cohort(
            model=folder / "m.safetensors", split=folder / "split.tsv", out=tmp_path / "d.tsv",
            options=CohortOptions(populations="Z:1"), seed=4,
        )  # fmt: skip


def test_a_failed_generation_leaves_nothing(trained, tmp_path, monkeypatch):
    folder, _ = trained

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("genoloom.models.haplotype.mosaic.unpack", stop)
    with pytest.raises(KeyboardInterrupt):
        make(folder, tmp_path / "out" / "20.vcf.gz")
    assert not list((tmp_path / "out").iterdir())


def random_vcf(path, rng, reference, individuals=3):
    """Records of all kinds, many of them overlapping."""
    rows = []
    for position in np.sort(
        rng.choice(np.arange(2, len(reference) - 12), 120, replace=False)
    ).tolist():
        ref = reference[position - 1 : position - 1 + int(rng.integers(1, 5))]
        alts = set()
        for _ in range(int(rng.integers(1, 3))):
            alt = (
                ref[0] + "".join(rng.choice(list("ACGT"), int(rng.integers(0, 4))))
                if rng.random() < 0.6
                else rng.choice(list("ACGT"))
            )
            alts |= {str(alt)} - {ref}
        if alts:
            calls = [
                ".|."
                if rng.random() < 0.05
                else "|".join(map(str, rng.integers(0, len(alts) + 1, 2)))
                for _ in range(individuals)
            ]
            rows.append(f"{position} {ref} {','.join(sorted(alts))} {' '.join(calls)}")
    return write_vcf(path, rows, [f"S{i}" for i in range(individuals)])


@pytest.mark.parametrize("seed", range(4))
def test_consensus_is_that_of_bcftools(tmp_path, seed):
    rng = np.random.default_rng(seed)
    reference = "".join(rng.choice(list("ACGTacgt"), 1500)).upper()
    fasta = tmp_path / "ref.fa"
    fasta.write_text(
        ">20\n" + "\n".join(reference[i : i + 70] for i in range(0, 1500, 70)) + "\n>21\nACGT\n"
    )
    vcf = random_vcf(tmp_path / "in.vcf.gz", rng, reference)
    consensus(variants=vcf, reference=fasta, out=tmp_path / "out.fa.gz")
    made = pysam.FastaFile(str(tmp_path / "out.fa.gz"))
    assert list(made.references) == [f"S{i}_{h}" for i in range(3) for h in (1, 2)]
    for individual in range(3):
        for haplotype in (1, 2):
            expected = tmp_path / "expected.fa"
            arguments = ["-f", fasta, "-s", f"S{individual}", "-H", haplotype, "-o", expected, vcf]
            pysam.bcftools.consensus(*map(str, arguments), catch_stdout=False)
            text = expected.read_text().split(">21")[0]
            assert made.fetch(f"S{individual}_{haplotype}") == "".join(text.splitlines()[1:])


def test_consensus_of_real_individuals(tmp_path, demo_dir):
    vcf, fasta = demo_dir / "eur300.chr20_1-2Mb.vcf.gz", demo_dir / "GRCh37.chr20_1-2Mb.fa.gz"
    done = call_genoloom(
        "consensus",
        "--variants",
        vcf,
        "--reference",
        fasta,
        "--out",
        tmp_path / "c.fa.gz",
        "--individuals",
        2,
    )
    assert done.returncode == 0, done.stderr
    expected = tmp_path / "expected.fa"
    pysam.bcftools.consensus(
        "-f",
        str(fasta),
        "-s",
        "HG00097",
        "-H",
        "2",
        "-o",
        str(expected),
        str(vcf),
        catch_stdout=False,
    )
    made = pysam.FastaFile(str(tmp_path / "c.fa.gz"))
    assert list(made.references) == ["HG00096_1", "HG00096_2", "HG00097_1", "HG00097_2"]
    assert made.fetch("HG00097_2") == "".join(expected.read_text().splitlines()[1:])


def test_consensus_refuses_another_reference(tmp_path):
    vcf = write_vcf(tmp_path / "in.vcf.gz", ["100 A C 0|1"], ["S0"])
    (tmp_path / "ref.fa").write_text(">20\n" + "G" * 300 + "\n")
    with pytest.raises(InputError, match="same build"):
        consensus(variants=vcf, reference=tmp_path / "ref.fa", out=tmp_path / "out" / "c.fa.gz")
    assert os.listdir(tmp_path / "out") == []
