"""`genoloom utility` through files."""

import json
import shutil

import click.testing
import numpy as np
import pytest
from helpers import founder_mosaic, make_sites

from genoloom.cli import genoloom
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.tables import read_table
from genoloom.panel import Individuals
from genoloom.stages.utility import by_beagle
from genoloom.utility.imputation import Window, by_copying

N, SITES = 60, 500  # individuals of each file


def write(folder, name, alleles, populations=("A", "B")):
    n = alleles.shape[1] // 2
    individuals = Individuals(
        [f"{name}{i}" for i in range(n)], list(np.resize(populations, n)), ["unknown"] * n
    )
    with PanelWriter(folder / name, individuals, "20", 10**6) as writer:
        writer.append(make_sites(len(alleles), gap=1000), alleles)
    return folder / f"{name}.pgen"


@pytest.fixture(scope="module")
def haplotypes():
    rng = np.random.default_rng(9)
    alleles = founder_mosaic(SITES, 6 * N, rng, founders=20, switch=0.02)
    return np.split(alleles, 3, axis=1)


@pytest.fixture(scope="module")
def files(haplotypes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("utility")
    train, holdout, fresh = haplotypes
    independent = np.random.default_rng(1).permuted(fresh, axis=1)
    made = {"train": train, "holdout": holdout, "fresh": fresh, "independent": independent}
    paths = {name: write(folder, name, own) for name, own in made.items()}
    sheet = [f"{name}{i}\t{'AB'[i % 2]}" for name in made for i in range(N)]
    (folder / "sheet.tsv").write_text("individual\tpopulation\n" + "\n".join(sheet) + "\n")
    return paths | {"sheet": folder / "sheet.tsv"}


def run(files, made, out, *more):
    words = ["utility", "--train", files["train"], "--holdout", files["holdout"], "--samples"]
    words += [files["sheet"], "--synthetic", files[made], "--out", out, "--beagle", "none"]
    words += ["--traits", 10, "--binary-traits", 3, "--causal", 5, *more]
    done = click.testing.CliRunner().invoke(genoloom, [str(word) for word in words])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    rows = [r for r in read_table(out) if r["method"] != "logistic"]
    return {(r["metric"], r["population"], r["bin"], r["panel"]): r for r in rows}


def test_table_and_figures(files, tmp_path):
    fresh = run(files, "fresh", tmp_path / "f.tsv", "--figures", tmp_path / "f.json")
    flat = run(files, "independent", tmp_path / "i.tsv")
    metrics = {key[0] for key in fresh}
    assert metrics == {
        "dosage_r2", "effect_slope", "power", "false_positives", "null_lambda", "score_r2",
        "projection_r2", "balanced_accuracy", "recall",
    }  # fmt: skip
    assert {key[3] for key in fresh} == {"real", "synthetic", "both", "mosaic"}
    assert {key[1] for key in fresh} == {"all", "A", "B"}

    def ratio(table, metric, panel="synthetic"):
        return float(table[metric, "all", "all", panel]["ratio"])

    for metric in ("dosage_r2", "effect_slope", "score_r2"):
        assert ratio(fresh, metric, "real") == 1
        assert 0.7 < ratio(fresh, metric) < 1.3
        assert ratio(flat, metric) < 0.6
        # what is real does not depend on what is synthetic
        key = metric, "all", "all", "real"
        assert fresh[key]["value"] == flat[key]["value"]
    drawn = json.loads((tmp_path / "f.json").read_text())
    assert (drawn["individuals"], drawn["sites"], drawn["options"]["traits"]) == (N, SITES, 10)
    assert len(drawn["p_values"]["null"]["synthetic"]) == len(drawn["p_values"]["expected"])
    assert (tmp_path / "f.provenance.json").exists()
    binary = {r["metric"] for r in read_table(tmp_path / "f.tsv") if r["method"] == "logistic"}
    assert binary == {"effect_slope", "power", "false_positives", "null_lambda"}


def test_one_task_at_some_of_the_sites(files, tmp_path):
    table = run(files, "fresh", tmp_path / "t.tsv", "--tasks", "scores", "--sites", 500)
    assert {key[0] for key in table} == {"score_r2"}
    with pytest.raises(InputError, match="tasks are imputation"):
        run(files, "fresh", tmp_path / "u.tsv", "--tasks", "imputation,magic")
    assert not (tmp_path / "u.tsv").exists()


def test_files_that_cannot_be_used(files, haplotypes, tmp_path):
    few = write(tmp_path, "few", haplotypes[2][:, :80])
    with pytest.raises(InputError, match="40 individuals of each kind"):
        run(files | {"few": few}, "few", tmp_path / "t.tsv")
    rare = [np.zeros((20, 2 * N), dtype=np.int8) for _ in range(3)]
    names = ("train", "holdout", "fresh")
    poor = {name: write(tmp_path, name, x) for name, x in zip(names, rare, strict=True)}
    with pytest.raises(InputError, match="0 common sites"):
        run(files | poor, "fresh", tmp_path / "t.tsv", "--tasks", "association")
    assert not (tmp_path / "t.tsv").exists()


@pytest.mark.skipif(shutil.which("beagle") is None, reason="beagle is not installed")
def test_beagle_imputes_as_the_own_imputer(haplotypes):
    train, holdout, _ = haplotypes
    sites = make_sites(SITES, gap=1000)
    sites.position[7] = sites.position[6]  # only the first of both is imputed
    whole = Window(sites, sites.position / 1e5, {"real": train}, holdout)
    observed, targets = np.arange(0, SITES, 5), holdout[:, :40]
    beagle, own = (
        imputer(whole, train, observed, targets[observed]) for imputer in (by_beagle, by_copying)
    )
    truth = targets[:, 0::2] + targets[:, 1::2]
    np.testing.assert_allclose(beagle[observed], truth[observed])
    hidden = np.setdiff1d(np.arange(SITES), [*observed, 7])
    assert np.corrcoef(beagle[hidden].ravel(), own[hidden].ravel())[0, 1] > 0.9
    assert not beagle[7].any()
