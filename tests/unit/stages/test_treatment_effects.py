"""`genoloom treatment-effects` through files."""

import json

import click.testing
import numpy as np
import pytest
from helpers import make_sites

from genoloom.cli import genoloom
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.tables import read_table
from genoloom.panel import Individuals
from genoloom.panels.genotypes import read_genotypes
from genoloom.stages.treatment_effects import read_group, read_planted
from genoloom.treatment.cyp2c19 import NAMES, VARIANTS

N = 120
CARRIED = {"rs12248560": 0.25, "rs12769205": 0.2, "rs4244285": 0.2}


def write(folder, name, rng, build="GRCh37", n=N, swap=False, lost=()):
    """Individuals with *2 and *17, one variant of *2 with swapped alleles if `swap`."""
    chosen = [rs for rs in NAMES if rs in CARRIED and rs not in lost]
    variants = [VARIANTS[build][NAMES.index(rs)] for rs in chosen]
    source = rng.random(2 * n)
    two = source < CARRIED["rs4244285"]
    many = ~two & (source < CARRIED["rs4244285"] + CARRIED["rs12248560"])
    rows = [many if rs == "rs12248560" else two for rs in chosen]
    sites = make_sites(len(chosen))
    sites.position[:], sites.ref[:], sites.alt[:] = zip(*variants, strict=True)
    alleles = np.array(rows).astype(np.int8)
    if swap:
        alleles[-1] = 1 - alleles[-1]
        sites.ref[-1], sites.alt[-1] = sites.alt[-1], sites.ref[-1]
    object.__setattr__(sites, "contig", "chr10")
    individuals = Individuals(
        [f"{name}{i}" for i in range(n)], ["A", "B"] * (n // 2), ["unknown"] * n
    )
    with PanelWriter(folder / name, individuals, "chr10", 200_000_000) as writer:
        writer.append(sites, alleles)
    return folder / f"{name}.pgen"


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(8)
    return {name: write(tmp_path, name, rng) for name in ("train", "holdout", "synthetic")}


def run(files, out, *more):
    words = ["treatment-effects", "--train", files["train"], "--holdout", files["holdout"]]
    words += ["--synthetic", files["synthetic"], "--out", out, "--draws", 1, *more]
    if not {"--build", "--modifier"} & set(more):
        words += ["--build", "GRCh37"]
    done = click.testing.CliRunner().invoke(genoloom, [str(word) for word in words])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return read_table(out)


def test_table_and_summary(files, tmp_path):
    table = run(files, tmp_path / "t.tsv", "--summary", tmp_path / "s.json", "--heterogeneity", 2)
    value = {(r["data"], r["learner"], r["metric"], r["group"]): r["value"] for r in table}
    data = {r["data"] for r in table}
    assert data >= {"real", "genotypes", "joint", "factorised", "truth", "synthetic"}
    assert data >= {"genotype decoupled", "main effects only", "treatment shuffled"}
    for learner in ("S", "T", "X", "DR", "constant effect", "zero effect"):
        assert float(value["real", learner, "root_pehe_ratio", "all"]) == 1
    for metric in ("ate_error", "policy_value", "regret", "rank_agreement", "qini"):
        assert ("genotypes", "DR", metric, "all") in value
    assert value["real", "zero effect", "calibration_slope", "all"] == ""
    # effects of the model; the rare groups of up to 20 individuals have no row
    assert float(value["truth", "", "effect", "normal metabolizer"]) == pytest.approx(8, abs=2)
    assert float(value["truth", "", "effect", "*1/*2"]) == pytest.approx(32, abs=4)
    bias = float(value["real", "zero effect", "bias", "*1/*2"])
    assert bias == pytest.approx(-float(value["truth", "", "effect", "*1/*2"]))
    assert not {"poor metabolizer", "*2/*2"} & {r["group"] for r in table}
    assert float(value["synthetic", "", "unmatched_haplotypes", "all"]) == 0
    assert 0 < float(value["synthetic", "", "diplotype_tv", "A"]) < 0.4
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["variants_found"] == ["rs12248560", "rs12769205", "rs4244285"]
    assert summary["options"]["heterogeneity"] == 2
    assert sum(summary["synthetic_phenotypes"].values()) == pytest.approx(1)


def test_a_planted_modifier(files, tmp_path):
    position, ref, alt = VARIANTS["GRCh37"][NAMES.index("rs12769205")]
    name = f"10:{position}:{ref}:{alt}"
    more = ["--modifier", name, "--summary", tmp_path / "s.json"]
    value = {
        (r["data"], r["learner"], r["metric"], r["group"]): r["value"]
        for r in run(files, tmp_path / "t.tsv", *more)
    }
    assert float(value["truth", "", "effect", "no copy"]) == pytest.approx(8, abs=2)
    assert float(value["truth", "", "effect", "one copy"]) == pytest.approx(20, abs=2)
    metrics = {key[2] for key in value}
    assert "diplotype_tv" in metrics
    assert not {"phenotype_tv", "unmatched_haplotypes"} & metrics
    summary = json.loads((tmp_path / "s.json").read_text())
    assert (summary["gene"], summary["variants_found"]) == (None, [name])
    swapped = f"10:{position}:{alt}:{ref}"
    genotypes = read_genotypes("x", [files["train"]], tmp_path / "scratch")
    straight, other = (read_planted(genotypes, text)[0].diplotypes for text in (name, swapped))
    assert straight.names != other.names
    assert (straight.count("no") + other.count("no") == 2).all()


def test_swapped_and_lost_variants_of_the_other_build(tmp_path):
    def read(name, **more):
        path = write(tmp_path, name, np.random.default_rng(9), build="GRCh38", **more)
        return read_group(read_genotypes(name, [path], tmp_path / "scratch"), "GRCh38")

    plain, names = read("plain")
    assert names == ["rs12248560", "rs12769205", "rs4244285"]
    assert {"*1/*1", "*1/*2", "*1/*17"} <= set(plain.diplotypes.names)
    swapped, _ = read("swapped", swap=True)
    assert swapped.diplotypes.names == plain.diplotypes.names
    lacking, names = read("lacking", lost=["rs12248560"])
    assert names == ["rs12769205", "rs4244285"]
    assert lacking.diplotypes.count("no").tolist() == plain.diplotypes.count("no").tolist()
    assert not lacking.diplotypes.count("increased").any()


def test_files_that_cannot_be_used(files, tmp_path):
    with pytest.raises(InputError, match="no defining variant of CYP2C19"):
        run(files, tmp_path / "t.tsv", "--build", "GRCh38")
    for modifier, message in (("10:5:A:C", "no variant 10:5:A:C"), ("10:5", "CONTIG:POSITION")):
        with pytest.raises(InputError, match=message):
            run(files, tmp_path / "t.tsv", "--modifier", modifier)
    words = [
        "treatment-effects",
        "--out",
        str(tmp_path / "t.tsv"),
        "--synthetic",
        str(files["synthetic"]),
    ]
    done = click.testing.CliRunner().invoke(genoloom, words)
    assert "neither --build nor --modifier" in str(done.exception)
    few = write(tmp_path, "few", np.random.default_rng(1), n=30)
    with pytest.raises(InputError, match="has 30 individuals"):
        run(files | {"synthetic": few}, tmp_path / "t.tsv")
    assert not (tmp_path / "t.tsv").exists()


def test_guided_and_fixed_doses_of_warfarin(tmp_path):
    """CYP2C9 on contig 10 and VKORC1 on contig 16, a file for each."""
    rng, files = np.random.default_rng(9), {}
    for role in ("train", "holdout", "synthetic"):
        files[role] = []
        individuals = Individuals([f"{role}{i}" for i in range(N)], ["A"] * N, ["unknown"] * N)
        for contig, positions in (("10", [96702047, 96741053]), ("16", [31107689])):
            sites = make_sites(len(positions))
            sites.position[:] = positions
            sites.ref[:], sites.alt[:] = (["C", "A"], ["T", "C"]) if contig == "10" else ("C", "T")
            object.__setattr__(sites, "contig", contig)
            drawn = rng.random(2 * N)
            alleles = np.array(
                [(drawn >= 0.3 * i) & (drawn < 0.3 * i + 0.3) for i in range(len(sites))]
            )
            with PanelWriter(
                tmp_path / f"{role}{contig}", individuals, contig, 200_000_000
            ) as writer:
                writer.append(sites, alleles.astype(np.int8))
            files[role].append(tmp_path / f"{role}{contig}.pgen")

    def given(*more, parts=slice(None)):
        words = ["treatment-effects", "--build", "GRCh37", "--out", tmp_path / "t.tsv"]
        for flag, role in (
            ("--train", "train"),
            ("--holdout", "holdout"),
            ("--synthetic", "synthetic"),
        ):
            words += [word for path in files[role][parts] for word in (flag, path)]
        words += ["--outcome", "warfarin", "--draws", 1, "--summary", tmp_path / "s.json", *more]
        done = click.testing.CliRunner().invoke(genoloom, [str(word) for word in words])
        if isinstance(done.exception, InputError):
            raise done.exception
        assert done.exit_code == 0, done.output

    given()
    rows = read_table(tmp_path / "t.tsv")
    assert {"root_pehe_ratio", "dose_within_20", "diplotype_tv"} <= {r["metric"] for r in rows}
    summary = json.loads((tmp_path / "s.json").read_text())
    assert (summary["gene"], len(summary["variants_found"])) == ("CYP2C9, VKORC1", 3)
    with pytest.raises(InputError, match="has no defining variant of VKORC1"):
        given(parts=slice(1))
    with pytest.raises(InputError, match="cannot be given with --outcome warfarin"):
        given("--modifier", "10:96702047:C:T")
