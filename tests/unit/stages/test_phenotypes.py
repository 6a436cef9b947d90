"""Phenotypes through files: what was asked is realised, and the same effects hold for others."""

import copy
import shutil
import subprocess

import click.testing
import numpy as np
import pytest
import yaml
from helpers import founder_mosaic, make_sites

from genoloom.cli import genoloom
from genoloom.errors import GenoLoomError, InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.tables import read_table
from genoloom.formats.trait_sheets import SiteTable, read_planted_effects
from genoloom.panel import Individuals
from genoloom.panels import trait_architecture
from genoloom.panels.genotypes import read_genotypes
from genoloom.stages.phenotypes import phenotypes

N, SITES = 2000, 300
SHEET = {
    "build": "GRCh38",
    "components": 2,
    "covariates": {"age": {"mean": 55, "sd": 10}, "smoking": {"share": 0.2}},
    "traits": [
        {
            "name": "height", "heritability": 0.6, "causal": {"share": 0.5, "min_maf": 0.02},
            "mean": 170, "sd": 7, "covariates": {"sex": -0.4, "age": 0.1, "PC1": 0.1},
            "environment": {"B": 1.0}, "missing": 0.1,
        },
        {
            "name": "t2d", "type": "binary", "prevalence": 0.15, "heritability": 0.3,
            "causal": {"share": 0.5, "min_maf": 0.02}, "covariates": {"smoking": 0.3},
        },
        {"name": "lipid", "heritability": 0.5, "causal": {"number": 1}},
    ],
    "correlations": [{"traits": ["height", "t2d"], "genetic": -0.5, "environmental": 0.4}],
}  # fmt: skip


def write_panel(prefix, alleles, individuals, sites):
    with PanelWriter(prefix, individuals, "20", 10**6) as writer:
        writer.append(sites, alleles)
    return prefix.with_suffix(".pgen")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder, the alleles and the individuals; phenotypes are in train.*."""
    folder = tmp_path_factory.mktemp("phenotypes")
    alleles = founder_mosaic(SITES, 2 * N, np.random.default_rng(5))
    names, half = [f"P{i}" for i in range(N)], N // 2
    individuals = Individuals(names, ["A", "B"] * half, ["male", "female"] * half)
    write_panel(folder / "20", alleles, individuals, make_sites(SITES))
    (folder / "traits.yaml").write_text(yaml.safe_dump(SHEET))
    run(folder, traits=folder / "traits.yaml")
    return folder, alleles, individuals


def run(folder, out="train", panel="20", **more):
    given = {"effects": folder / "effects.json", "out": folder / out, "seed": 3} | more
    phenotypes(variants=[folder / f"{panel}.pgen"], **given)


def columns(path, names):
    rows = read_table(path)
    return [np.array([float("nan" if r[n] == "NA" else r[n]) for r in rows]) for n in names]


def test_heritability_and_correlations_are_those_asked(made):
    folder, _, individuals = made
    parts = ["height_genetic", "t2d_genetic", "lipid_genetic"]
    genetic = np.array(columns(folder / "train.truth.tsv", parts))
    expected = [[0.6, -0.5 * np.sqrt(0.18), 0], [-0.5 * np.sqrt(0.18), 0.3, 0], [0, 0, 0.5]]
    realised = np.cov(genetic, bias=True)
    assert realised[:2, :2] == pytest.approx(np.array(expected)[:2, :2], rel=1e-4)
    assert realised[2, 2] == pytest.approx(0.5, rel=1e-4)
    noise = np.array(columns(folder / "train.truth.tsv", ["height_noise", "t2d_noise"]))
    assert np.corrcoef(noise)[0, 1] == pytest.approx(0.4, abs=0.06)
    [shift] = columns(folder / "train.truth.tsv", ["height_environment"])
    assert (shift == (np.array(individuals.population) == "B")).all()
    whole, shift = columns(folder / "train.truth.tsv", ["height_liability", "height_environment"])
    assert np.var(whole - shift) == pytest.approx(1, abs=0.12)


def test_prevalence_missing_values_and_scale(made):
    folder, _, _ = made
    height, t2d = columns(folder / "train.regenie.pheno", ["height", "t2d"])
    assert np.nanmean(t2d) == pytest.approx(0.15, abs=3 * np.sqrt(0.15 * 0.85 / N))
    assert np.isnan(height).mean() == pytest.approx(0.1, abs=0.03)
    assert not np.isnan(t2d).any()
    [liability] = columns(folder / "train.truth.tsv", ["height_liability"])
    there = ~np.isnan(height)
    assert height[there] == pytest.approx(170 + 7 * liability[there], abs=1e-3)
    for name, value in (("sex", 1.5), ("age", 55), ("smoking", 0.2)):
        [drawn] = columns(folder / "train.covar", [name])
        assert drawn.mean() == pytest.approx(value, rel=0.1)
    scores = np.array(columns(folder / "train.covar", ["PC1", "PC2"]))
    assert np.cov(scores, bias=True) == pytest.approx(np.eye(2), abs=1e-3)


def test_dialects(made):
    folder, _, individuals = made
    paths = (folder / f"train{dialect}.pheno" for dialect in ("", ".regenie"))
    plink, regenie = (path.read_text().split("\n") for path in paths)
    assert plink[0] == "#IID\theight\tt2d\tlipid"
    assert regenie[0] == "FID\tIID\theight\tt2d\tlipid"
    assert {line.split("\t")[2] for line in plink[1:-1]} == {"1", "2"}
    rows = zip(regenie[1:-1], individuals.id, strict=True)
    assert all(line.startswith(f"0\t{name}\t") for line, name in rows)
    assert {line.split("\t")[3] for line in regenie[1:-1]} == {"0", "1"}


def test_the_same_effects_hold_for_others(made, tmp_path):
    """Some individuals in another order, with swapped alleles and without a site."""
    folder, alleles, individuals = made
    index = np.array([7, 3, 500])
    sites = make_sites(SITES)
    some = alleles.reshape(SITES, N, 2)[:, index].reshape(SITES, 6).copy()
    swap = np.arange(SITES) % 3 == 0
    some[swap] = 1 - some[swap]
    sites.ref[swap], sites.alt[swap] = "C", "A"
    write_panel(folder / "some", some, individuals.take(index), sites)
    run(folder, out="some", panel="some")
    for suffix in (".pheno", ".covar", ".truth.tsv"):
        texts = ((folder / f"{out}{suffix}").read_text() for out in ("train", "some"))
        every, few = ({line.split("\t")[0]: line for line in text.split("\n")} for text in texts)
        for name in few:
            if name.startswith("P"):
                ours, theirs = (row.split("\t")[1:] for row in (few[name], every[name]))
                assert [float(x) if x[-1].isdigit() else x for x in ours] == pytest.approx(
                    [float(x) if x[-1].isdigit() else x for x in theirs], abs=1e-4
                )


def test_one_seed_gives_one_result(made):
    folder, _, _ = made
    before = {p.name: p.read_bytes() for p in folder.glob("train.*")}
    effects = (folder / "effects.json").read_bytes()
    run(folder, traits=folder / "traits.yaml")
    assert {p.name: p.read_bytes() for p in folder.glob("train.*")} == before
    assert (folder / "effects.json").read_bytes() == effects
    run(folder, traits=folder / "traits.yaml", out="other", effects=folder / "o.json", seed=4)
    assert (folder / "o.json").read_bytes() != effects
    assert (folder / "train.pheno").stat().st_mode & 0o777 == 0o600


def test_effects_of_populations(made):
    folder, alleles, individuals = made
    causal = {"share": 1, "min_maf": 0.05}
    trait = {"name": "y", "heritability": 1, "causal": causal, "alpha": 0}
    sheet = {"traits": [trait | {"population_effects": {"B": 0.0}}]}
    (folder / "own.yaml").write_text(yaml.safe_dump(sheet))
    run(folder, traits=folder / "own.yaml", effects=folder / "own.json", out="own")
    planted = read_planted_effects(folder / "own.json")
    assert set(planted.effects) == {"", "B"}
    both = np.corrcoef(planted.effects[""][0], planted.effects["B"][0])
    assert both[0, 1] == pytest.approx(0, abs=0.25)
    [genetic] = columns(folder / "own.truth.tsv", ["y_genetic"])
    dosage = alleles[:, 0::2] + alleles[:, 1::2]
    rows = planted.sites.position // 100 - 1
    for name, own in (("", "A"), ("B", "B")):
        inside = np.array(individuals.population) == own
        expected = planted.effects[name][0] @ dosage[rows][:, inside] - planted.centre[0]
        assert genetic[inside] == pytest.approx(expected, abs=1e-4)


def test_dosages_of_any_sites(tmp_path, monkeypatch):
    """In any order, some lacking, some with missing calls, in several blocks."""
    monkeypatch.setattr(trait_architecture, "BLOCK", 7)
    rng = np.random.default_rng(6)
    alleles = rng.integers(0, 2, (40, 10)).astype(np.int8)
    alleles[5, 2:4] = -1
    individuals = Individuals([f"P{i}" for i in range(5)], ["A"] * 5, ["unknown"] * 5)
    sites = make_sites(40)
    path = write_panel(tmp_path / "p", alleles, individuals, sites)
    files = read_genotypes("panel", [path], tmp_path / "scratch")
    rows = rng.permutation(50)  # the last ten are not there
    position = 100 * (rows + 1)
    n, frequency = len(rows), rng.random(50)
    table = SiteTable(["20"] * n, position, ["A"] * n, ["C"] * n, frequency)
    found = np.full((n, 5), np.nan)
    for part, dosage, there in trait_architecture.dosage_blocks(files, table):
        found[part] = dosage
        assert (there == (rows[part] < 40)).all()
    expected = np.repeat(2 * frequency[:, None], 5, axis=1)
    inside = rows < 40
    expected[inside] = (alleles[:, 0::2] + alleles[:, 1::2])[rows[inside]]
    expected[rows == 5, 1] = 2 * frequency[rows == 5]
    assert found == pytest.approx(expected)


def score_file(path, rows, build="GRCh38"):
    columns = ("chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")
    head = f"#pgs_id=PGS1\n#genome_build={build}\n" + "\t".join(columns) + "\n"
    path.write_text(head + "".join(row + "\n" for row in rows))


def test_effects_of_a_score_keep_their_ratio_and_sign(made):
    folder, alleles, _ = made
    one, two, three = 100 * (1 + np.flatnonzero(alleles.any(axis=1))[:3])
    rows = [f"20\t{one}\tC\tA\t2", f"chr20\t{two}\tA\tC\t1", f"20\t{three}\tC\t\t-1"]
    score_file(folder / "s.txt", rows)
    trait = {"name": "y", "heritability": 0.5, "causal": {"score": "s.txt"}}
    sheet = {"build": "GRCh38", "traits": [trait]}
    (folder / "score.yaml").write_text(yaml.safe_dump(sheet))
    run(folder, traits=folder / "score.yaml", effects=folder / "score.json", out="score")
    effects = read_planted_effects(folder / "score.json").effects[""][0]
    assert effects / effects[0] == pytest.approx([1, -0.5, -0.5])


@pytest.mark.parametrize(
    ("rows", "build", "said"),
    [
        (["20\t1000\tC\tA\t2"], "GRCh37", "is of GRCh37, the trait sheet of GRCh38"),
        (["20\t1000\tC\tA\t2"], "NR", "is of no named build"),
        (["20\t1001\tC\tA\t2"], "GRCh38", "0 of its 1 sites are in the panel (1 at positions"),
        (["20\t1000\tC\tG\t2"], "GRCh38", "1 with other alleles"),
        (["20\t1000\tC\tA\t2", "21\t9\tC\tA\t1"], "GRCh38", "1 of its 2 sites"),
    ],
)
def test_scores_that_do_not_fit(made, rows, build, said):
    folder, _, _ = made
    score_file(folder / "bad.txt", rows, build)
    trait = {"name": "y", "heritability": 0.5, "causal": {"score": "bad.txt"}}
    sheet = {"build": "GRCh38", "traits": [trait]}
    (folder / "bad.yaml").write_text(yaml.safe_dump(sheet))
    with pytest.raises(InputError) as error:
        run(folder, traits=folder / "bad.yaml", effects=folder / "bad.json", out="bad")
    assert said in str(error.value)
    assert not list(folder.glob("bad.json")) + list(folder.glob("bad.pheno"))


def changed(path, value):
    sheet = copy.deepcopy(SHEET)
    at = sheet
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return yaml.safe_dump(sheet)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("traits: [", "is no YAML"),
        ("- 1", "is no mapping"),
        ("traits: []", "traits"),
        (changed(["traits", 0, "colour"], 1), "traits.1.colour"),
        (changed(["traits", 0, "heritability"], 1.5), "heritability"),
        (changed(["traits", 0, "heritability"], 0.9), "more than 1 in all"),
        (changed(["traits", 1, "prevalence"], None), "prevalence is of binary traits"),
        (changed(["traits", 0, "causal"], {}), "one of number, share, file and score"),
        (changed(["traits", 0, "covariates"], {"weight": 0.1}), "no covariate 'weight'"),
        (changed(["traits", 2, "name"], "Height"), "the name 'height' is taken"),
        (changed(["traits", 2, "name"], "sex"), "the name 'sex' is taken"),
        (changed(["traits", 0, "alpha"], 0), "causal and alpha must be the same"),
        (changed(["correlations", 0, "traits"], ["height", "bmi"]), "no trait 'bmi'"),
        (changed(["traits", 0, "population_effects"], {"C": 0.5}), "the population 'C'"),
        (changed(["traits", 0, "environment"], {"D": 0.5}), "the population 'D'"),
        (changed(["traits", 0, "covariates"], {"age": float("nan")}), "finite number"),
        (changed(["traits", 0, "mean"], float("inf")), "traits.1.mean"),
        (changed(["traits", 2, "causal"], {"number": 1000}), "1000 causal sites are asked for"),
        (changed(["components"], 21), "components"),
        (changed(["traits", 2, "causal"], {"file": "none.tsv"}), "not found"),
    ],
)
def test_sheets_with_problems(made, text, said):
    folder, _, _ = made
    (folder / "wrong.yaml").write_text(text)
    with pytest.raises(GenoLoomError) as error:
        run(folder, traits=folder / "wrong.yaml", effects=folder / "wrong.json", out="wrong")
    assert error.value.exit_code == 2
    assert said in str(error.value)
    assert not list(folder.glob("wrong.*son")) + list(folder.glob("wrong.pheno"))


def test_effects_of_other_sites_and_damaged_effects(made):
    folder, alleles, individuals = made
    sites = make_sites(SITES)
    sites.position[:] += 7
    write_panel(folder / "moved", alleles[:, :6], individuals.take(slice(3)), sites)
    with pytest.raises(InputError, match="none of the"):
        run(folder, panel="moved", out="moved")
    text = (folder / "effects.json").read_text()
    changes = ('"effects": {"": [[', '"effects": {"": [[1, '), ("effects 1", "effects 9")
    for before, after in changes:
        (folder / "broken.json").write_text(text.replace(before, after))
        with pytest.raises(InputError, match=r"broken\.json"):
            run(folder, effects=folder / "broken.json", out="broken")


def test_toml_on_the_command_line(made):
    folder, _, _ = made
    toml = '[[traits]]\nname = "y"\nheritability = 0.2\ncausal = {number = 5}\n'
    (folder / "t.toml").write_text(toml)
    words = ["phenotypes", "--variants", folder / "20.pgen", "--traits", folder / "t.toml"]
    words += ["--effects", folder / "t.json", "--out", folder / "t"]
    done = click.testing.CliRunner().invoke(genoloom, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert len(read_table(folder / "t.truth.tsv")) == N


def test_families_stand_in_the_tables(made):
    folder, _, _ = made
    for suffix in (".pgen", ".pvar.zst"):
        shutil.copy(folder / f"20{suffix}", folder / f"families{suffix}")
    psam = "#FID\tIID\tSEX\n" + "".join(f"P{i}\tP{i}\t{1 + i % 2}\n" for i in range(N))
    (folder / "families.psam").write_text(psam)
    run(folder, panel="families", out="families")
    for dialect, header in (("", "#FID\tIID"), (".regenie", "FID\tIID")):
        lines = (folder / f"families{dialect}.pheno").read_text().split("\n")
        assert lines[0].startswith(header)
        assert lines[8].startswith("P7\tP7\t")


def test_plink2_reads_them_and_finds_the_effect(made, tmp_path):
    if not shutil.which("plink2"):
        pytest.skip("plink2 is not installed")
    folder, _, _ = made
    command = [
        "plink2", "--pfile", folder / "20", "vzs", "--no-psam-pheno",
        "--pheno", folder / "train.pheno",
        "--covar", folder / "train.covar", "--covar-variance-standardize", "--glm", "hide-covar",
        "firth-fallback", "--maf", "0.02", "--threads", "1", "--out", tmp_path / "glm",
    ]  # fmt: skip
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 covariates loaded" in done.stdout, done.stdout
    assert list(tmp_path.glob("glm.t2d.glm.logistic*"))
    planted = read_planted_effects(folder / "effects.json")
    only = planted.effects[""][2]
    at = int(np.abs(only).argmax())
    rows = read_table(tmp_path / "glm.lipid.glm.linear")
    row = next(r for r in rows if int(r["POS"]) == planted.sites.position[at])
    sign = 1 if row["A1"] == planted.sites.alt[at] else -1
    assert sign * float(row["BETA"]) == pytest.approx(only[at], abs=4 * float(row["SE"]))
