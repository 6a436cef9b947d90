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
from genoloom.programs.imputation import by_beagle, by_minimac4
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
    panels = {"train": train, "holdout": holdout, "fresh": fresh, "independent": independent}
    paths = {name: write(folder, name, own) for name, own in panels.items()}
    sheet = [f"{name}{i}\t{'AB'[i % 2]}" for name in panels for i in range(N)]
    (folder / "sheet.tsv").write_text("individual\tpopulation\n" + "\n".join(sheet) + "\n")
    return paths | {"sheet": folder / "sheet.tsv"}


def run(files, synthetic, out, *more):
    words = ["utility", "--train", files["train"], "--holdout", files["holdout"], "--samples"]
    words += [files["sheet"], "--synthetic", files[synthetic], "--out", out, "--beagle", "none"]
    words += ["--minimac4", "none"]
    words += ["--traits", 10, "--binary-traits", 3, "--causal", 5, *more]
    done = click.testing.CliRunner().invoke(genoloom, [str(word) for word in words])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    rows = [r for r in read_table(out) if r["method"] != "logistic"]
    return {(r["metric"], r["population"], r["bin"], r["panel"]): r for r in rows}


def test_table_and_figures(files, tmp_path):
    fresh = run(files, "fresh", tmp_path / "f.tsv", "--details", tmp_path / "f.json")
    flat = run(files, "independent", tmp_path / "i.tsv")
    metrics = {key[0] for key in fresh}
    assert metrics == {
        "dosage_r2", "missing_r2_25", "missing_r2_50", "effect_slope", "power",
        "false_positives", "null_lambda", "score_r2", "projection_r2", "balanced_accuracy",
        "recall",
    }  # fmt: skip
    assert {key[3] for key in fresh} == {"real", "synthetic", "both", "mosaic"}
    assert {key[1] for key in fresh} == {"all", "A", "B"}

    def ratio(table, metric, panel="synthetic"):
        return float(table[metric, "all", "all", panel]["ratio"])

    for metric in ("dosage_r2", "missing_r2_25", "effect_slope", "score_r2"):
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


@pytest.mark.parametrize("imputer", [by_beagle, by_minimac4])
def test_other_programs_impute_as_the_own_imputer(haplotypes, imputer):
    if shutil.which(imputer.__name__.removeprefix("by_")) is None:
        pytest.skip("the program is not installed")
    train, holdout, _ = haplotypes
    sites = make_sites(SITES, gap=1000)
    sites.position[7] = sites.position[6]  # only the first of both is imputed
    whole = Window(sites, sites.position / 1e5, {"real": train}, holdout)
    observed, targets = np.arange(0, SITES, 5), holdout[:, :40]
    other, own = (by(whole, train, observed, targets[observed]) for by in (imputer, by_copying))
    hidden = np.setdiff1d(np.arange(SITES), [*observed, 7])
    assert np.corrcoef(other[hidden].ravel(), own[hidden].ravel())[0, 1] > 0.9
    assert not other[7].any()


def test_targets_of_one_population(files, tmp_path):
    """Panels of two populations that are founded by other haplotypes."""
    rng = np.random.default_rng(21)
    of = [founder_mosaic(SITES, 3 * N, rng, founders=8, switch=0.02) for _ in "AB"]
    whole = np.stack(of, axis=1).reshape(SITES, 2, 3, N // 2, 2)  # population, file, individual
    mixed = whole.transpose(0, 2, 3, 1, 4).reshape(SITES, 3, 2 * N)
    names = ("train", "holdout", "fresh")
    own = {name: write(tmp_path, name, mixed[:, i]) for i, name in enumerate(names)}
    more = ("--tasks", "imputation", "--missing", "", "--panel-populations")
    table = run(files | own, "fresh", tmp_path / "t.tsv", *more, "A:B")
    rows = {k[3]: r for k, r in table.items() if k[0] == "one_population_r2" and k[2] == "all"}
    assert set(rows) == {"real", "synthetic", "both", "mosaic", "other population"}
    assert {r["population"] for r in rows.values()} == {"A"}
    assert float(rows["synthetic"]["ratio"]) > 0.8
    assert float(rows["other population"]["ratio"]) < 0.6
    with pytest.raises(InputError, match="of 'EUR' there are no individuals held out"):
        run(files | own, "fresh", tmp_path / "u.tsv", *more, "A:EUR")
    with pytest.raises(InputError, match="give TARGET:OTHER"):
        run(files | own, "fresh", tmp_path / "u.tsv", *more, "A")
    with pytest.raises(InputError, match="give shares between 0 and 1"):
        run(files | own, "fresh", tmp_path / "u.tsv", "--missing", "25")
