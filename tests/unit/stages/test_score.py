"""Scores and imputations of phased individuals through files: against the model itself, and of
planted errors.
"""

import cyvcf2
import numpy as np
import pytest
from helpers import call_genoloom, make_sites, write_vcf
from sklearn.metrics import roc_auc_score

from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table
from genoloom.models.load import load_generator
from genoloom.panel import ArrayHaplotypes, Individuals
from genoloom.panels.genotypes import read_genotypes
from genoloom.stages.impute import impute
from genoloom.stages.score import robust_z, score
from genoloom.stages.train import train
from genoloom.training_config import IndependentOptions, TrainOptions, TransformerOptions

N_INDIVIDUALS, N_SITES, BLOCK = 60, 256, 16


def few_founders(rng, n_haplotypes):
    """Mosaics of six founders in four pieces of equal length; the two haplotypes of an individual
    are of different founders.
    """
    pattern = np.tile([0, 0, 0, 1, 1, 0], (N_SITES, 1))
    founders = np.random.default_rng(8).permuted(pattern, axis=1)  # no site is the same in all
    # (n_individuals, pieces, 2)
    source = np.argsort(rng.random((n_haplotypes // 2, 4, 6)), axis=2)[..., :2]
    columns = source.transpose(1, 0, 2).reshape(4, n_haplotypes)
    return np.take_along_axis(founders, np.repeat(columns, N_SITES // 4, axis=0), axis=1).astype(
        np.int8
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score")
    alleles = few_founders(np.random.default_rng(1), 2 * N_INDIVIDUALS)
    individuals = Individuals(
        [f"P{i}" for i in range(N_INDIVIDUALS)],
        ["A", "B"] * (N_INDIVIDUALS // 2),
        ["unknown"] * N_INDIVIDUALS,
    )
    with PanelWriter(folder / "20", individuals, "20", 10**6) as writer:
        writer.append(make_sites(N_SITES), alleles)
    write_split(folder / "split.tsv", individuals, ["train"] * 40 + ["holdout"] * 20)
    models = {
        "transformer": TransformerOptions(
            steps=110,
            block_size=BLOCK,
            context=16,
            vocabulary_size=16,
            width=32,
            layers=2,
            batch=16,
            evaluate_every=50,
            patience=None,
        ),
        "independent": IndependentOptions(),
    }
    for name, options in models.items():
        train(
            generator=name, panel=folder / "20", split=folder / "split.tsv",
            model=folder / f"{name}.safetensors",
            history=folder / "h.tsv", state=folder / name, common=TrainOptions(), options=options,
            seed=3, threads=1,
        )  # fmt: skip
    (folder / "samples.tsv").write_text(
        "individual\tpopulation\n" + "".join(f"P{i}\t{'AB'[i % 2]}\n" for i in range(N_INDIVIDUALS))
    )
    return folder, alleles


def vcf_of(path, alleles, names, sites=slice(None), phase="|"):
    """Calls of a haplotype matrix (n_sites, 2 n), -1 missing."""
    text = np.where(alleles < 0, ".", alleles.astype(str))
    rows = [
        f"{100 * (v + 1)} A C "
        + " ".join(f"{text[v, 2 * i]}{phase}{text[v, 2 * i + 1]}" for i in range(len(names)))
        for v in np.arange(len(alleles))[sites]
    ]
    return write_vcf(path, rows, names)


def test_table_is_the_likelihood_of_the_model(trained, tmp_path):
    folder, alleles = trained
    names = ["P50", "P51", "P52"]
    some = alleles[:, 100:106].copy()
    some[7, 2:4] = -1
    vcf = vcf_of(tmp_path / "some.vcf.gz", some, names)
    done = call_genoloom(
        "score", "--model", folder / "transformer.safetensors", "--variants", vcf, "--samples",
        folder / "samples.tsv",
        "--out", tmp_path / "scores.tsv", "--blocks", tmp_path / "blocks.tsv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = read_table(tmp_path / "scores.tsv")
    generator, _, _ = load_generator(folder / "transformer.safetensors")
    expected = generator.log_likelihood(ArrayHaplotypes(some), np.repeat([0, 1, 0], 2))
    assert [(r["individual"], r["haplotype"], r["population"]) for r in rows[:3]] == [
        ("P50", "1", "A"), ("P50", "2", "A"), ("P51", "1", "B"),
    ]  # fmt: skip
    np.testing.assert_allclose([float(r["log_likelihood"]) for r in rows], expected, rtol=1e-5)
    assert [int(r["sites_called"]) for r in rows] == [256, 256, 255, 255, 256, 256]
    assert float(rows[0]["bits_per_site"]) == pytest.approx(
        -expected[0] / 256 / np.log(2), rel=1e-4
    )
    blocks = read_table(tmp_path / "blocks.tsv")
    assert len(blocks) == 6 * N_SITES // BLOCK
    for i in range(6):
        own = [
            float(b["log_likelihood"])
            for b in blocks
            if (b["individual"], b["haplotype"]) == (names[i // 2], str(i % 2 + 1))
        ]
        assert sum(own) == pytest.approx(expected[i], abs=1e-2)
    assert (blocks[0]["first"], blocks[0]["last"]) == ("100", "1600")
    assert (tmp_path / "scores.tsv").stat().st_mode & 0o077 == 0


def test_sites_that_the_file_lacks_are_summed_over(trained, tmp_path):
    folder, alleles = trained
    some = alleles[:, 100:104]
    kept = np.arange(N_SITES) % 3 > 0
    lacking = np.where(kept[:, None], some, -1).astype(np.int8)
    vcf = vcf_of(tmp_path / "some.vcf.gz", some, ["P50", "P51"], np.flatnonzero(kept))
    score(
        model=folder / "transformer.safetensors", variants=vcf, out=tmp_path / "s.tsv", samples=None
    )
    generator, _, _ = load_generator(folder / "transformer.safetensors")
    expected = generator.log_likelihood(ArrayHaplotypes(lacking), np.full(4, -1))
    rows = read_table(tmp_path / "s.tsv")
    np.testing.assert_allclose([float(r["log_likelihood"]) for r in rows], expected, rtol=1e-5)
    assert {r["population"] for r in rows} == {"unlabelled"}
    assert {int(r["sites_called"]) for r in rows} == {int(kept.sum())}


def test_planted_switch_errors_are_found(trained, tmp_path):
    folder, _ = trained
    rng = np.random.default_rng(5)
    alleles = few_founders(rng, 80)
    # variants before which the tails are exchanged; not near the ends of the pieces, where any two
    # founders may meet
    planted = rng.choice([5, 6, 9, 10], 40) * BLOCK + rng.integers(0, BLOCK, 40)
    for i, at in enumerate(planted):
        alleles[at:, [2 * i, 2 * i + 1]] = alleles[at:, [2 * i + 1, 2 * i]]
    names = [f"Q{i}" for i in range(40)]
    vcf = vcf_of(tmp_path / "switched.vcf.gz", alleles, names)
    score(
        model=folder / "transformer.safetensors",
        variants=vcf,
        out=tmp_path / "s.tsv",
        switch_errors=tmp_path / "switches.tsv",
    )
    odds = {
        (r["individual"], int(r["position"])): float(r["log_odds"])
        for r in read_table(tmp_path / "switches.tsv")
    }
    label, value = [], []
    for i, at in enumerate(planted):
        for k in (5, 6, 9, 10):
            here = k == at // BLOCK
            if here or abs(k - at // BLOCK) > 2:
                edges = [odds.get((names[i], 100 * (BLOCK * edge + 1)), 0.0) for edge in (k, k + 1)]
                label.append(here)
                value.append(max(edges))
    assert roc_auc_score(label, value) > 0.95


def test_a_foreign_haplotype_stands_out(trained, tmp_path):
    folder, _ = trained
    alleles = few_founders(np.random.default_rng(6), 40)
    alleles[:, 11] = np.random.default_rng(7).integers(0, 2, N_SITES)
    vcf = vcf_of(tmp_path / "x.vcf.gz", alleles, [f"Q{i}" for i in range(20)])
    score(model=folder / "transformer.safetensors", variants=vcf, out=tmp_path / "s.tsv")
    z = np.array([float(r["z"]) for r in read_table(tmp_path / "s.tsv")])
    assert z.argmax() == 11
    assert z[11] > 5


def test_robust_z_is_per_group():
    values = np.concatenate([np.arange(11.0), 100 + 2 * np.arange(11.0), [7.0]])
    z = robust_z(values, np.repeat([0, 1, 2], [11, 11, 1]))
    np.testing.assert_allclose(z[:11], (np.arange(11) - 5) / (1.4826 * 3))
    np.testing.assert_allclose(z[11:22], z[:11])
    assert np.isnan(z[22])


def test_what_cannot_be_scored_is_said(trained, tmp_path):
    folder, alleles = trained
    vcf = vcf_of(tmp_path / "some.vcf.gz", alleles[:, :4], ["P0", "P1"])
    out = tmp_path / "s.tsv"
    with pytest.raises(
        InputError, match="1 to 20 individuals have no population that the model knows"
    ):
        score(model=folder / "independent.safetensors", variants=vcf, out=out)
    with pytest.raises(InputError, match="scores whole haplotypes only"):
        score(
            model=folder / "independent.safetensors",
            variants=vcf,
            out=out,
            blocks=tmp_path / "b.tsv",
        )
    other = write_vcf(tmp_path / "other.vcf.gz", ["5 A C 0|1 1|1"], ["P0", "P1"])
    with pytest.raises(InputError, match="shares no site"):
        score(model=folder / "transformer.safetensors", variants=other, out=out)
    score(
        model=folder / "independent.safetensors",
        variants=vcf,
        out=out,
        samples=folder / "samples.tsv",
    )
    generator, _, _ = load_generator(folder / "independent.safetensors")
    expected = generator.log_likelihood(ArrayHaplotypes(alleles[:, :4]), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(
        [float(r["log_likelihood"]) for r in read_table(out)], expected, rtol=1e-5
    )


def test_unphased_heterozygotes_count_as_missing(trained, tmp_path):
    folder, alleles = trained
    vcf = vcf_of(tmp_path / "u.vcf.gz", alleles[:, :4], ["P0", "P1"], phase="/")
    score(model=folder / "transformer.safetensors", variants=vcf, out=tmp_path / "s.tsv")
    same = (alleles[:, [0, 2]] == alleles[:, [1, 3]]).sum(axis=0)
    assert [int(r["sites_called"]) for r in read_table(tmp_path / "s.tsv")] == np.repeat(
        same, 2
    ).tolist()


def test_masked_calls_and_absent_sites_are_filled_in(trained, tmp_path):
    folder, _ = trained
    truth = few_founders(np.random.default_rng(9), 24)
    names = [f"Q{i}" for i in range(12)]
    given = truth.copy()
    given[np.random.default_rng(10).random(given.shape) < 0.3] = -1
    half = (given[:, 0::2] < 0) != (given[:, 1::2] < 0)
    present = np.arange(N_SITES) % 2 == 0
    vcf = vcf_of(tmp_path / "in.vcf.gz", given, names, np.flatnonzero(present))
    arguments = [
        "--model",
        folder / "transformer.safetensors",
        "--variants",
        vcf,
        "--particles",
        8,
        "--seed",
        7,
    ]
    done = call_genoloom(
        "impute", *arguments, "--out", tmp_path / "out.bcf", "--scores", tmp_path / "given.tsv"
    )
    assert done.returncode == 0, done.stderr
    file = cyvcf2.VCF(str(tmp_path / "out.bcf"))
    assert file.samples == names
    assert "Real individuals" in file.raw_header
    records = list(file)
    alleles = np.stack([record.genotype.array()[:, :2].ravel() for record in records])
    dosage = np.stack([record.format("DS")[:, 0] for record in records])
    # a half-missing call counts as missing
    known = (given >= 0) & present[:, None] & ~np.repeat(half, 2, axis=1)
    np.testing.assert_array_equal(alleles[known], truth[known])
    both = known[:, 0::2] & known[:, 1::2]
    np.testing.assert_array_equal(dosage[both], (truth[:, 0::2] + truth[:, 1::2])[both])
    assert (alleles == truth)[~known].mean() > 0.95
    error = (dosage - truth[:, 0::2] - truth[:, 1::2])[~both]
    assert (error**2).mean() < 0.2 * 0.5  # 0.5 is about what allele frequencies alone leave
    rows = read_table(tmp_path / "given.tsv")
    assert [int(r["sites_given"]) for r in rows] == known.sum(axis=0).tolist()
    assert (tmp_path / "out.bcf").stat().st_mode & 0o077 == 0
    impute(
        model=folder / "transformer.safetensors",
        variants=vcf,
        out=tmp_path / "again.bcf",
        particles=8,
        seed=7,
    )
    assert (tmp_path / "again.bcf").read_bytes() == (tmp_path / "out.bcf").read_bytes()


def test_lower_case_alleles_are_those_of_the_model(trained, tmp_path):
    folder, alleles = trained
    rows = [f"{100 * (v + 1)} a c {a}|{b}" for v, (a, b) in enumerate(alleles[:, :2])]
    for case, lines in (("lower", rows), ("upper", [row.upper() for row in rows])):
        path = write_vcf(tmp_path / f"{case}.vcf.gz", lines, ["P0"])
        individuals, model = folder / "samples.tsv", folder / "independent.safetensors"
        score(model=model, variants=path, out=tmp_path / case, samples=individuals)
    assert (tmp_path / "lower").read_bytes() == (tmp_path / "upper").read_bytes()


def test_a_sample_of_the_name_0_is_refused_with_its_file(trained, tmp_path):
    folder, alleles = trained
    path = vcf_of(tmp_path / "in.vcf.gz", alleles[:, :2], ["0"])
    with pytest.raises(InputError, match=r"sample 1 .* is called '0'") as refused:
        score(model=folder / "independent.safetensors", variants=path, out=tmp_path / "out.tsv")
    assert refused.value.source == str(path)
    with pytest.raises(InputError, match=r"sample 1 .* is called '0'"):
        read_genotypes("training", [path], tmp_path / "scratch")
