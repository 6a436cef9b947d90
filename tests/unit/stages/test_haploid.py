"""Chromosome X, Y and MT from the genotype file to synthetic individuals and their validation."""

import json

import cyvcf2
import numpy as np
import pysam
import pytest
from helpers import read_fasta

from genoloom.config import CohortOptions, GenerateOptions, PrepareOptions, SplitOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import read_table
from genoloom.models.haplotype import generator_class
from genoloom.models.load import load_generator
from genoloom.panels.comparands import open_comparands
from genoloom.ploidy import LENGTHS
from genoloom.stages.cohort import make_cohort
from genoloom.stages.consensus import consensus
from genoloom.stages.generate import generate, write_size
from genoloom.stages.prepare import prepare
from genoloom.stages.split import split
from genoloom.stages.train import train
from genoloom.training_config import TrainOptions, TrainSections
from genoloom.validation.accumulators import Collector
from genoloom.validation.cohorts import compare
from genoloom.validation.data import Data
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.metric_table import TABLE, measure

N = 24
SEX = ["male" if i % 3 else "female" for i in range(N)]
NAMES = [f"INDIVIDUAL_{i}" for i in range(N)]
NON_PAR = 3_000_000  # in both builds
X_LENGTH = LENGTHS["GRCh37"]["X"]


def write(path, rows, contig="X", length=X_LENGTH):
    lines = [f"##fileformat=VCFv4.2\n##contig=<ID={contig},length={length}>",
             '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
             "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(NAMES),
             ]  # fmt: skip
    for position, calls in rows:
        lines.append("\t".join([contig, str(position), ".", "A", "C", ".", ".", ".", "GT", *calls]))
    path.write_text("\n".join(lines) + "\n")
    return path


def sheet(path, sexes=SEX):
    rows = zip(NAMES, sexes, strict=True)
    path.write_text("individual\tpopulation\tsex\n" + "".join(f"{n}\tPOP\t{s}\n" for n, s in rows))
    return path


def calls(rng, one=lambda a: f"{a}"):
    """Of a site: females diploid, males as `one` writes an allele."""
    pairs = rng.integers(0, 2, (N, 2))
    return [f"{a}|{b}" if s == "female" else one(a) for (a, b), s in zip(pairs, SEX, strict=True)]


def panel_of(tmp_path, rows, contig="X", length=X_LENGTH, samples=True, region=None, **options):
    out = tmp_path / "panel" / contig
    prepare(
        variants=write(tmp_path / "in.vcf", rows, contig, length), contig=contig, out=out,
        options=PrepareOptions(**{"min_mac": 1} | options), region=region,
        samples=sheet(tmp_path / "samples.tsv") if samples is True else samples,
    )  # fmt: skip
    return open_panel(out, haploids=True), json.loads(out.with_suffix(".summary.json").read_text())


@pytest.mark.parametrize("form", ["{0}", "{0}/{0}", "{0}|{0}"])
def test_an_allele_of_a_male_in_every_form(tmp_path, form):
    rng = np.random.default_rng(1)
    rows = [(NON_PAR + i, calls(rng, form.format)) for i in range(8)]
    panel, summary = panel_of(tmp_path, rows)
    assert summary["ploidy"] == "x-linked"
    assert summary["kept"] == 8
    assert panel.haploid.tolist() == [sex == "male" for sex in SEX]
    expected = [[int(a) for call in row for a in (call[0], call[-1])] for _, row in rows]
    assert panel.haplotypes.read(0, 8).tolist() == expected
    with pytest.raises(InputError, match="x-linked: individuals are haploid"):
        open_panel(tmp_path / "panel" / "X")


def test_heterozygous_males_reject_the_site_or_are_missing(tmp_path):
    rng = np.random.default_rng(2)
    good, bad = calls(rng), calls(rng)
    bad[1] = "0|1"
    rows = [(NON_PAR, good), (NON_PAR + 5, bad)]
    _, summary = panel_of(tmp_path, rows)
    assert summary["rejected"] == {"heterozygous call of a haploid individual": 1}
    assert summary["heterozygous_calls_of_haploid_individuals"] == 1
    panel, summary = panel_of(tmp_path, rows, haploid_heterozygous="missing")
    assert summary["kept"] == 2
    assert panel.haplotypes.read(1, 2)[0, 2:4].tolist() == [-1, -1]


def test_a_haploid_allele_counts_once(tmp_path):
    row = ["0|0" if sex == "female" else "0" for sex in SEX]
    row[1] = "1"
    _, summary = panel_of(tmp_path, [(NON_PAR, row), (NON_PAR + 1, ["1|1", *row[1:]])], min_mac=2)
    assert summary["rejected"] == {"minor allele too rare": 1}


@pytest.mark.parametrize("build", list(LENGTHS))
def test_records_of_the_pseudo_autosomal_regions(tmp_path, build):
    rng, length = np.random.default_rng(3), LENGTHS[build]["X"]
    both = calls(rng, lambda a: f"{a}|{1 - a}")
    rows = [(2_500_000, both), (NON_PAR, calls(rng)), (length - 20_000, both)]
    _, summary = panel_of(tmp_path, rows, length=length)
    assert summary["rejected"] == {"in a pseudo-autosomal region": 2}
    assert summary["kept"] == 1
    with pytest.raises(InputError, match="--region START-END"):
        panel_of(tmp_path, rows[:1], length=length)
    with pytest.raises(InputError, match="no genome build") as error:
        panel_of(tmp_path, rows, length=10**8 * 2)
    assert "--build GRCh37" in error.value.remedy
    assert panel_of(tmp_path, rows, length=10**8 * 2, build=build)[1]["kept"] == 1


def test_a_region_within_a_pseudo_autosomal_region_is_diploid(tmp_path):
    rng = np.random.default_rng(4)
    row = [f"{a}|{b}" for a, b in rng.integers(0, 2, (N, 2))]
    path = write(tmp_path / "in.vcf", [(2_500_000, row), (NON_PAR, calls(rng))])
    pysam.tabix_compress(str(path), f"{path}.gz", force=True)
    pysam.tabix_index(f"{path}.gz", preset="vcf", force=True)
    out = tmp_path / "par" / "X"
    prepare(
        variants=tmp_path / "in.vcf.gz", contig="X", out=out, region=(60_001, 2_699_520),
        options=PrepareOptions(min_mac=1),
    )  # fmt: skip
    assert not open_panel(out).haploid.any()


def test_sexes_that_are_missing_or_wrong(tmp_path):
    rows = [(NON_PAR, calls(np.random.default_rng(5)))]
    with pytest.raises(InputError, match="is not known, and contig X is x-linked") as e:
        panel_of(tmp_path, rows, samples=None)
    assert "--samples" in e.value.remedy
    turned = sheet(tmp_path / "turned.tsv", ["female" if s == "male" else "male" for s in SEX])
    with pytest.raises(InputError, match="a haploid call of somebody who is not male"):
        panel_of(tmp_path, rows, samples=turned)


def test_y_holds_males_alone_and_mt_everybody(tmp_path):
    rng = np.random.default_rng(6)
    y = [(NON_PAR + i, [c if s == "male" else "." for c, s in zip(calls(rng), SEX, strict=True)])
         for i in range(4)]  # fmt: skip
    panel, summary = panel_of(tmp_path, y, "Y", LENGTHS["GRCh37"]["Y"])
    assert set(panel.individuals.sex) == {"male"}
    assert panel.haploid.all()
    assert summary["kept"] == 4
    with pytest.raises(InputError, match="fewer than two individuals are male"):
        panel_of(tmp_path, y, "Y", samples=sheet(tmp_path / "f.tsv", ["female"] * N))
    mt = [(100 + i, [str(a) for a in rng.integers(0, 2, N)]) for i in range(4)]
    panel, _ = panel_of(tmp_path, mt, "MT", 16_569, samples=None)
    assert panel.haploid.all()
    assert len(panel.individuals) == N


@pytest.fixture(scope="module")
def x_chain(tmp_path_factory):
    """Panel, split, model, cohort and synthetic files of an X."""
    folder = tmp_path_factory.mktemp("x")
    rng = np.random.default_rng(7)
    rows = [(NON_PAR + 50 * i, calls(rng)) for i in range(60)]
    panel_of(folder, rows)
    panel, table = folder / "panel" / "X", folder / "split.tsv"
    split(panels=[panel], out=table, summary=folder / "s.json", options=SplitOptions(), seed=1)
    fit(folder, "independent")
    make_cohort(
        model=folder / "independent.safetensors", split=table, out=folder / "cohort.tsv",
        options=CohortOptions(inbreeding=0.1), seed=4,
    )  # fmt: skip
    generate(
        model=folder / "independent.safetensors", cohort=folder / "cohort.tsv",
        out=folder / "made" / "X.vcf.gz", options=GenerateOptions(shard=3), seed=5, threads=1,
    )  # fmt: skip
    return folder


def fit(folder, name, contig="X"):
    train(
        generator=name, panel=folder / "panel" / contig, split=folder / "split.tsv",
        model=folder / f"{name}.safetensors", history=folder / "h.tsv", state=folder / name,
        common=TrainOptions(), options=type_of(name)(), seed=3, threads=1,
    )  # fmt: skip


def type_of(name):
    return type(getattr(TrainSections(), name))


@pytest.mark.parametrize("name", ["markov", "li_stephens"])
def test_generators_train_on_haploid_individuals(x_chain, name):
    fit(x_chain, name)
    generator, sites, _ = load_generator(x_chain / f"{name}.safetensors")
    assert sites.ploidy == "x-linked"
    assert generator_class(name) is type(generator)


def test_frequencies_of_a_model_count_haploid_individuals_once(x_chain):
    _, sites, _ = load_generator(x_chain / "independent.safetensors")
    panel = open_panel(x_chain / "panel" / "X", haploids=True)
    roles = {r["individual"]: r["role"] for r in read_table(x_chain / "split.tsv")}
    train_rows = np.array([roles[name] == "train" for name in panel.individuals.id])
    mine = panel.take_individuals(train_rows)
    alleles = mine.haplotypes.read(0, len(mine.sites))
    copies = alleles[:, 0::2].sum(axis=1) + np.where(mine.haploid, 0, alleles[:, 1::2]).sum(axis=1)
    synthetic = np.minimum(copies, len(mine.own_columns()) - copies) >= 2
    assert sites.position.tolist() == mine.sites.position[synthetic].tolist()


def test_synthetic_males_have_one_haplotype(x_chain):
    rows = read_table(x_chain / "cohort.tsv")
    males = np.array([row["sex"] == "male" for row in rows])
    file = cyvcf2.VCF(str(x_chain / "made" / "X.vcf.gz"))
    panel = open_panel(x_chain / "made" / "X", haploids=True)
    alleles = panel.haplotypes.read(0, len(panel.sites))
    assert (panel.haploid == males).all()
    assert 0 < males.sum() < len(rows)
    for i, record in enumerate(file):
        found = record.genotype.array()[:, :2]
        assert ((found[:, 1] == -2) == males).all()
        assert (found[:, 0] == alleles[i, 0::2]).all()
        own = found[found >= 0]
        assert (record.INFO["AC"], record.INFO["AN"]) == (own.sum(), len(own))
    tracts = (x_chain / "made" / "X.autozygous.bed").read_text()
    assert not any(row["individual"] in tracts for row in np.array(rows, dtype=object)[males])


def test_the_shard_changes_nothing(x_chain, tmp_path):
    generate(
        model=x_chain / "independent.safetensors", cohort=x_chain / "cohort.tsv",
        out=tmp_path / "X.vcf.gz", options=GenerateOptions(shard=1000), seed=5, threads=1,
    )  # fmt: skip
    first, second = (path / "X.pgen" for path in (x_chain / "made", tmp_path))
    assert first.read_bytes() == second.read_bytes()


def test_consensus_has_one_record_of_a_male(x_chain, tmp_path):
    (tmp_path / "ref.fa").write_text(">X\n" + "A" * (NON_PAR + 4000) + "\n")
    consensus(
        variants=x_chain / "made" / "X.vcf.gz", reference=tmp_path / "ref.fa", individuals=4,
        out=tmp_path / "c.fa.gz", region=(NON_PAR, NON_PAR + 3000),
    )  # fmt: skip
    sex = [row["sex"] for row in read_table(x_chain / "cohort.tsv")[:4]]
    assert len(read_fasta(tmp_path / "c.fa.gz")) == sum(1 if s == "male" else 2 for s in sex)


def test_validation_counts_haploid_individuals_once_and_runs_no_metric_of_genotypes(x_chain):
    with open_comparands(
        synthetic=[x_chain / "made" / "X"], panels=[x_chain / "panel" / "X"],
        split=x_chain / "split.tsv", train=[], holdout=[], samples=[], genetic_map=None,
    ) as found:  # fmt: skip
        [(synthetic, real)] = found.pairs
        assert not found.diploid
        assert len(found.roles) == len(real.individuals)
        assert not (real.haploid.any())
        assert not (synthetic.haploid.any())
        individuals = compare(synthetic.individuals, real.individuals, found.roles, 4, 1)
        collected = Collector(individuals, len(real.sites), 20, 1)
        collected.add(synthetic, real, real.sites.position / 1e6)
        data = Data(collected, 2, 1, diploid=found.diploid)
    holdout = real.take_individuals(individuals.real_individuals[: individuals.n])
    expected = holdout.haplotypes.read(0, len(real.sites)).sum(axis=1)
    assert data.count("H").tolist() == expected.tolist()
    of = {metric.name: metric for metric in TABLE}
    for name, run in ((MetricId.HARDY_WEINBERG, False), (MetricId.FREQUENCY_ERROR, True)):
        metric = of[name]
        value = measure(metric, metric.parts(data)[0], data).values["S"]
        assert np.isfinite(value) == run


def test_contigs_of_several_ploidies_are_not_one_panel(x_chain, tmp_path):
    rows = [(100 + i, [str(i % 2)] * (N - 1) + ["1"]) for i in range(4)]
    panel_of(tmp_path, rows, "MT", 16_569)
    with pytest.raises(InputError, match="several ploidies") as error:
        split(
            panels=[x_chain / "panel" / "X", tmp_path / "panel" / "MT"], out=tmp_path / "s.tsv",
            summary=tmp_path / "s.json", options=SplitOptions(), seed=1,
        )  # fmt: skip
    assert "a panel of their own" in error.value.remedy


def test_y_is_made_for_the_males_of_the_cohort(tmp_path):
    rng = np.random.default_rng(8)
    rows = [(NON_PAR + i, calls(rng)) for i in range(20)]
    rows = [(p, [c if s == "male" else "." for c, s in zip(row, SEX, strict=True)])
            for p, row in rows]  # fmt: skip
    panel_of(tmp_path, rows, "Y", LENGTHS["GRCh37"]["Y"])
    split(
        panels=[tmp_path / "panel" / "Y"], out=tmp_path / "split.tsv", summary=tmp_path / "s.json",
        options=SplitOptions(), seed=1,
    )  # fmt: skip
    fit(tmp_path, "independent", "Y")
    synthetic = {}
    for female in (0.5, 1.0):
        synthetic[female] = tmp_path / f"{female}.tsv"
        make_cohort(
            model=tmp_path / "independent.safetensors", split=tmp_path / "split.tsv",
            out=synthetic[female], options=CohortOptions(size=8, female=female), seed=4,
        )  # fmt: skip
    asked = {"model": tmp_path / "independent.safetensors", "options": GenerateOptions(),
             "seed": 5, "threads": 1}  # fmt: skip
    generate(cohort=synthetic[0.5], out=tmp_path / "Y.bcf", **asked)
    panel = open_panel(tmp_path / "Y", haploids=True)
    males = [r["individual"] for r in read_table(synthetic[0.5]) if r["sex"] == "male"]
    assert panel.individuals.id == males
    assert panel.haploid.all()
    write_size(
        model=asked["model"], cohort=synthetic[0.5], out=tmp_path / "size.tsv"
    )  # fmt: skip
    size = {"sites": str(len(panel.sites)), "individuals": str(len(males))}
    assert read_table(tmp_path / "size.tsv") == [size]
    with pytest.raises(InputError, match="nobody is male"):
        generate(cohort=synthetic[1.0], out=tmp_path / "none.bcf", **asked)
