"""Tasks of utility, against other libraries and closed forms."""

import shutil
import subprocess

import numpy as np
import pytest
from helpers import founder_mosaic, make_sites
from scipy.stats import chi2, linregress
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, recall_score

from genoloom.formats.pgen import PanelWriter
from genoloom.models.haplotype.imputation import Imputation
from genoloom.panel import Individuals
from genoloom.popgen.association import linear_scan, logistic_scan
from genoloom.popgen.frequencies import BIN_NAMES, frequency_bin, minor_frequency
from genoloom.popgen.imputation import impute
from genoloom.utility import imputation
from genoloom.utility.ancestry import measure_ancestry
from genoloom.utility.association import (
    BINS,
    Binary,
    Study,
    lambda_of_counts,
    measure_association,
    measure_scores,
    polygenic_scores,
)
from genoloom.utility.imputation import (
    Window,
    array_sites,
    by_copying,
    by_model,
    choose_targets,
    measure_imputation,
    measure_missing,
)
from genoloom.utility.measures import Measure, mean_quotient, quotient, rows, squared_correlation


def value(measure: Measure) -> float:
    return float(measure.value(measure.units.sum(axis=0)))


def test_figures_of_sums():
    x, y = np.random.default_rng(1).standard_normal((2, 50))
    x, y = x - x.mean(), y - y.mean() + x
    y -= y.mean()
    sums = np.array([x @ y, x @ x, y @ y])
    assert squared_correlation(sums) == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert squared_correlation(sums * [-1, 1, 1]) == 0
    assert squared_correlation(np.array([0.0, 0, 1])) == 0
    assert np.isnan(squared_correlation(np.array([0.0, 1, 0])))
    assert np.isnan(squared_correlation(np.array([np.nan, np.nan, 1])))  # what was not imputed
    assert np.isnan(quotient(np.array([0.0, 0.0])))
    assert mean_quotient(np.array([1.0, 3, 2, 4])) == pytest.approx((1 / 2 + 3 / 4) / 2)


def test_ratios_and_their_spreads():
    rng = np.random.default_rng(2)
    terms = np.column_stack([rng.standard_normal(400) + 5, np.ones(400)])
    half = terms * [0.5, 1]
    noise = np.column_stack([rng.standard_normal(400) - 0.01, np.ones(400)])
    synthetic = [
        Measure("task", metric, panel, units, quotient)
        for metric, panel, units in (
            ("mean", "real", terms), ("mean", "synthetic", half),
            ("zero", "real", noise), ("zero", "synthetic", terms), ("alone", "synthetic", terms),
        )
    ]  # fmt: skip
    real, other, _, of_zero, alone = rows(synthetic, seed=3)
    assert real.sd == pytest.approx(terms[:, 0].std() / 20, rel=0.15)  # of a mean
    assert (real.ratio, real.ratio_sd) == (1, 0)
    # units are paired, so that half of each is half of all
    assert other.ratio == pytest.approx(0.5)
    assert other.ratio_sd == pytest.approx(0, abs=1e-12)
    assert np.isnan([of_zero.ratio, alone.ratio]).all()


def test_linear_scan_is_least_squares():
    rng = np.random.default_rng(3)
    dosage = rng.integers(0, 3, (6, 80)).astype(np.float32)
    dosage[5] = 1  # does not vary
    traits, covariates = rng.standard_normal((2, 80)), rng.standard_normal((80, 2))
    effect, t = linear_scan(dosage, traits, np.zeros((80, 0)))
    for k in range(2):
        for v in range(5):
            expected = linregress(dosage[v], traits[k])
            assert effect[k, v] == pytest.approx(expected.slope)
            assert t[k, v] == pytest.approx(expected.slope / expected.stderr)
    assert not effect[:, 5].any()
    assert not t[:, 5].any()
    effect, t = linear_scan(dosage, traits, covariates)
    design = np.column_stack([dosage[2], np.ones(80), covariates])
    solved, rest, *_ = np.linalg.lstsq(design, traits[1], rcond=None)
    error = np.sqrt(rest[0] / 76 * np.linalg.inv(design.T @ design)[0, 0])
    assert (effect[1, 2], t[1, 2]) == pytest.approx((solved[0], solved[0] / error))


def test_logistic_scan_is_maximum_likelihood():
    rng = np.random.default_rng(31)
    dosage = rng.integers(0, 3, (6, 300)).astype(np.float32)
    dosage[5] = 1  # does not vary
    covariates = rng.standard_normal((300, 2))
    cases = (rng.random((3, 300)) < 1 / (1 + np.exp(1 - dosage[0] - covariates[:, 0]))).astype(
        float
    )
    cases[1] = dosage[1] > 0  # told without error: no finite estimate
    cases[2] = 1
    effect, z = logistic_scan(dosage, cases, covariates)
    for v in range(5):
        design = np.column_stack([dosage[v], covariates])
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(design, cases[0])
        p = model.predict_proba(design)[:, 1]
        full = np.column_stack([design, np.ones(300)])
        error = np.sqrt(np.linalg.inv(full.T * (p * (1 - p)) @ full)[0, 0])
        assert effect[0, v] == pytest.approx(model.coef_[0, 0], abs=1e-5)
        assert z[0, v] == pytest.approx(model.coef_[0, 0] / error, abs=1e-4)
    assert (effect[1, 1], z[1, 1]) == (0, 0)
    assert not effect[2].any()
    assert not effect[:, 5].any()
    # all carriers of a rare allele are cases: no finite estimate either
    rare = np.zeros((1, 300), dtype=np.float32)
    rare[0, :12] = 1
    told = np.where(rare > 0, 1.0, cases[:1])
    assert not np.any(logistic_scan(rare, told, covariates))
    # a probability of one half is half a case and half a control
    twice = np.tile(dosage, 2), np.tile(covariates, (2, 1))
    both = np.concatenate([cases[0], np.ones(300)])[None]
    found = logistic_scan(twice[0], both, twice[1])[0]
    shared = logistic_scan(dosage, (cases[:1] + 1) / 2, covariates)[0]
    np.testing.assert_allclose(found, shared, atol=1e-6)


@pytest.fixture(scope="module")
def for_plink2(tmp_path_factory):
    """A panel, a quantitative and a binary trait with covariates, and a function that scans."""
    folder, rng = tmp_path_factory.mktemp("plink2"), np.random.default_rng(4)
    alleles = founder_mosaic(40, 240, rng)
    alleles = alleles[(alleles.mean(axis=1) > 0.05) & (alleles.mean(axis=1) < 0.95)]
    individuals = Individuals([f"P{i}" for i in range(120)], ["A"] * 120, ["unknown"] * 120)
    with PanelWriter(folder / "p", individuals, "20", 10**6) as writer:
        writer.append(make_sites(len(alleles)), alleles)
    covariates, trait = rng.standard_normal((120, 2)), rng.standard_normal(120)
    cases = (trait > 0.5).astype(float)
    values = zip(trait, cases, covariates, strict=True)
    lines = (
        f"P{i}\t{y:.9g}\t{c + 1:.0f}\t{a:.9g}\t{b:.9g}\n" for i, (y, c, (a, b)) in enumerate(values)
    )
    (folder / "t").write_text("#IID\ttrait\tcase\tC1\tC2\n" + "".join(lines))

    def scan(trait, kind, *statistics):
        command = (
            f"plink2 --threads 1 --pfile p vzs --pheno t --pheno-name {trait} --covar t "
            "--covar-name C1,C2 --glm hide-covar omit-ref cols=+beta,-orbeta --out scan"
        )
        command = command.replace(
            "omit-ref", "omit-ref no-firth" if kind == "logistic" else "omit-ref"
        )
        done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        text = (folder / f"scan.{trait}.glm.{kind}").read_text()
        table = [line.split() for line in text.split("\n")]
        at = [table[0].index(name) for name in ("BETA", *statistics)]
        return np.array([[float(row[i]) for i in at] for row in table[1:] if row])

    return scan, alleles[:, 0::2] + alleles[:, 1::2], trait, cases, covariates


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_linear_scan_agrees_with_plink2(for_plink2):
    scan, dosage, trait, _, covariates = for_plink2
    effect, own = linear_scan(dosage, trait[None], covariates)
    found = scan("trait", "linear", "T_STAT")
    np.testing.assert_allclose(np.stack([effect[0], own[0]], axis=1), found, rtol=1e-4)


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_logistic_scan_agrees_with_plink2(for_plink2):
    scan, dosage, _, cases, covariates = for_plink2
    effect, own = logistic_scan(dosage, cases[None], covariates)
    found = scan("case", "logistic", "Z_STAT")
    np.testing.assert_allclose(np.stack([effect[0], own[0]], axis=1), found, rtol=1e-3, atol=1e-5)


def test_lambda_of_known_inflation():
    for inflation in (1.0, 1.2):
        x = chi2.ppf((np.arange(20_000) + 0.5) / 20_000, 1) * inflation
        counts = np.histogram(chi2.sf(x, 1), BINS, (0, 1))[0].astype(float)
        assert lambda_of_counts(counts) == pytest.approx(inflation, abs=2e-3)


def test_scores_are_ridge_regression():
    rng = np.random.default_rng(5)
    dosage = rng.integers(0, 3, (30, 60)).astype(np.float32)
    dosage[7] = 2
    traits, new = rng.standard_normal((3, 60)), rng.integers(0, 3, (30, 9)).astype(np.float32)
    found = polygenic_scores(dosage, traits, new, 0.25)
    varies = np.arange(30) != 7
    mean, sd = (x[varies][:, None] for x in (dosage.mean(axis=1), dosage.std(axis=1)))
    x, target = (((values[varies] - mean) / sd).T for values in (dosage, new))
    model = Ridge(alpha=3 * 29).fit(x, traits.T)
    expected = model.predict(target) - model.intercept_
    np.testing.assert_allclose(found, expected.T, atol=1e-4)


def study(alleles, rng, effect, n_null=4):
    dosage = (alleles[:, 0::2] + alleles[:, 1::2]).astype(np.float32)
    genetic = effect @ dosage
    noise = rng.standard_normal(genetic.shape) * genetic.std(axis=1, keepdims=True)
    null = rng.standard_normal((n_null, dosage.shape[1]))
    nothing = np.zeros((dosage.shape[1], 0))
    return Study(dosage, nothing, genetic + noise, null, genetic)


@pytest.fixture(scope="module")
def panels():
    rng = np.random.default_rng(6)
    alleles = founder_mosaic(200, 1200, rng, founders=16, switch=0.03)
    p = alleles[:, :400].mean(axis=1)
    alleles = alleles[(p > 0.1) & (p < 0.9)]
    train, fresh, holdout = np.split(alleles, 3, axis=1)
    return {"real": train, "synthetic": fresh}, holdout, rng.permuted(fresh, axis=1)


def test_association_of_real_and_of_independent_haplotypes(panels):
    own, holdout, independent = panels
    rng = np.random.default_rng(7)
    effect = rng.standard_normal((20, len(holdout))) * (rng.random((20, len(holdout))) < 0.1)
    studies = {p: study(x, rng, effect, 60) for p, x in own.items()}
    studies["mosaic"] = study(independent, rng, effect, 60)
    held_out, nothing = study(holdout, rng, effect), Binary(0, 0.5, 0.5)
    measures, drawn = measure_association(studies, held_out, effect != 0, nothing)
    found = {(m.panel, m.metric): value(m) for m in measures}
    for panel in own:
        assert found[panel, "effect_slope"] == pytest.approx(1, abs=0.1)
    assert found["mosaic", "effect_slope"] < 0.6
    for panel in studies:
        assert found[panel, "false_positives"] == pytest.approx(0.05, abs=0.02)
        assert found[panel, "null_lambda"] == pytest.approx(1, abs=0.15)
        assert 0.05 < found[panel, "power"] < 1
    assert len(drawn["null"]["real"]) == len(drawn["expected"])
    scores = {
        (m.panel, m.population): value(m)
        for m in measure_scores(studies, study(holdout, rng, effect), {"A": np.arange(50)}, 0.5)
    }
    assert scores["synthetic", "all"] == pytest.approx(scores["real", "all"], abs=0.1)
    assert scores["mosaic", "all"] < scores["real", "all"] - 0.05
    assert 0.2 < scores["real", "A"] < 1


def test_association_of_binary_traits(panels):
    own, holdout, independent = panels
    rng = np.random.default_rng(17)
    effect = rng.standard_normal((10, len(holdout))) * (rng.random((10, len(holdout))) < 0.1)
    effect /= np.sqrt(2) * (effect @ (holdout[:, 0::2] + holdout[:, 1::2])).std(
        axis=1, keepdims=True
    )
    studies = {p: study(x, rng, effect, 10) for p, x in own.items()}
    studies["mosaic"] = study(independent, rng, effect, 10)
    held_out = study(holdout, rng, effect)
    for one in (*studies.values(), held_out):  # liabilities of mean 0, as the stage makes them
        mean = effect @ (holdout[:, 0::2] + holdout[:, 1::2]).mean(axis=1)
        one.planted[:] -= mean[:, None]
        one.genetic[:] -= mean[:, None]
    binary = Binary(8, 0.3, 0.5)
    assert binary.cases(held_out.planted).mean() == pytest.approx(0.3, abs=0.05)
    assert binary.risk(held_out.genetic).mean() == pytest.approx(0.3, abs=0.05)
    measures, drawn = measure_association(studies, held_out, effect != 0, binary)
    found = {(m.panel, m.metric): value(m) for m in measures if m.method == "logistic"}
    for panel in own:
        assert found[panel, "effect_slope"] == pytest.approx(1, abs=0.2)
    assert found["mosaic", "effect_slope"] < 0.6
    for panel in studies:
        assert found[panel, "false_positives"] == pytest.approx(0.05, abs=0.03)
        assert found[panel, "null_lambda"] == pytest.approx(1, abs=0.25)
    assert len(drawn["null, binary"]["real"]) == len(drawn["expected"])
    assert {len(m.units) for m in measures if m.method == "logistic"} == {8}


def window(panels, holdout):
    sites = make_sites(len(holdout), gap=400)
    return Window(sites, sites.position / 1e5, panels, holdout)


def test_imputation_is_a_squared_correlation_of_dosages(panels, monkeypatch):
    own, holdout, independent = panels
    own = own | {"both": np.hstack(list(own.values())), "mosaic": independent}
    whole = window(own, holdout)
    targets = np.arange(0, 200, 5)
    groups = {"all": np.arange(40), "A": np.arange(10)}
    imputers = {("li_stephens", panel): by_copying for panel in own}
    found = {
        (m.panel, m.population, m.bin): value(m)
        for m in measure_imputation([whole], targets, groups, imputers, 2000)
    }
    assert found["real", "all", "all"] == pytest.approx(found["synthetic", "all", "all"], abs=0.1)
    assert found["mosaic", "all", "all"] < found["real", "all", "all"] - 0.2
    observed = array_sites(whole.sites.position, whole.frequency, 2000)
    assert np.diff(whole.sites.position[observed]).min() >= 400
    hidden = np.setdiff1d(np.arange(len(holdout)), observed)
    columns = np.stack([2 * targets, 2 * targets + 1], axis=1).ravel()
    truth = holdout[:, columns]
    synthetic = impute(own["real"], truth[observed], observed, whole.cm)
    synthetic, truth = (x[hidden, 0::2] + x[hidden, 1::2] for x in (synthetic, truth))
    mean = 2 * whole.frequency[hidden, None]
    bins = frequency_bin(minor_frequency(whole.frequency[hidden]))
    for name, inside in {"all": bins >= 0, BIN_NAMES[4]: bins == 4}.items():
        x, y = ((values - mean)[inside].ravel() for values in (synthetic, truth))
        expected = (x @ y) ** 2 / (x @ x) / (y @ y)
        assert found["real", "all", name] == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(imputation, "BATCH", 1)  # two haplotypes at a time
    small = measure_imputation([whole], targets, groups, imputers, 2000)
    again = {(m.panel, m.population, m.bin): value(m) for m in small}
    assert again == pytest.approx(found, rel=1e-4)


def test_missing_calls_are_imputed_and_no_others_are_counted(panels):
    own, held, independent = panels
    whole, targets = window(own | {"mosaic": independent}, held), np.arange(0, 60, 3)
    given = []

    def spy(window, templates, observed, alleles):
        given.append(alleles)
        return by_copying(window, templates, observed, alleles)

    imputers = {("li_stephens", panel): spy for panel in whole.panels}
    rng = np.random.default_rng(1)
    measures = list(measure_missing([whole], targets, imputers, 0.25, rng))
    found = {m.panel: value(m) for m in measures if m.bin == "all"}
    assert {m.metric for m in measures} == {"missing_r2_25"}
    assert found["real"] == pytest.approx(found["synthetic"], abs=0.05)
    assert found["mosaic"] < found["real"] - 0.2
    lost = given[0][:, 0::2] < 0
    assert (lost == (given[0][:, 1::2] < 0)).all()
    assert lost.mean() == pytest.approx(0.25, abs=0.02)
    columns = np.stack([2 * targets, 2 * targets + 1], axis=1).ravel()
    made = impute(own["real"], given[0], np.arange(len(held)), whole.cm)
    x, y = (values[:, 0::2] + values[:, 1::2] for values in (made, held[:, columns]))
    x, y = ((values - 2 * whole.frequency[:, None])[lost] for values in (x, y))
    assert found["real"] == pytest.approx((x @ y) ** 2 / (x @ x) / (y @ y), rel=1e-4)


def test_a_model_imputes_from_what_is_observed(panels):
    """A model that fills in the alternate allele of what it knows nothing of."""
    own, holdout, _ = panels
    whole = window(own, holdout)
    kept = np.flatnonzero(np.arange(len(holdout)) % 7 > 0)  # sites of the model

    class Filler:
        def impute(self, haplotypes, population, seeds, particles):
            assert population.tolist() == [0] * 8
            alleles = haplotypes.read(0, haplotypes.n_variants)
            for part in np.split(alleles, 2, axis=1):
                yield Imputation(None, np.where(part < 0, 1, part).T.astype(np.float32), None)

    observed = np.arange(0, len(holdout), 5)
    targets = holdout[observed, :8]
    imputer = by_model(Filler(), whole.sites.take(kept), np.zeros(8, dtype=int), 1)
    found = imputer(whole, None, observed, targets)
    both = np.intersect1d(observed, kept)
    np.testing.assert_array_equal(found[both], holdout[both, 0:8:2] + holdout[both, 1:8:2])
    assert (found[np.setdiff1d(kept, observed)] == 2).all()
    lacking = np.arange(0, len(holdout), 7)
    np.testing.assert_allclose(found[lacking], np.repeat(2 * whole.frequency[lacking, None], 4, 1))


def test_targets_are_of_all_populations():
    population = np.array(["A"] * 80 + ["B"] * 10 + ["C"] * 50)
    chosen = choose_targets(population, 60, np.random.default_rng(1))
    assert [(population[chosen] == name).sum() for name in "ABC"] == [20, 10, 20]
    assert (np.diff(chosen) > 0).all()


def test_ancestry_is_balanced_accuracy():
    rng = np.random.default_rng(8)

    def draw(n):
        label = np.array(["A", "B", "C"])[rng.integers(0, 3, n)]
        p = (
            0.3
            + 0.12 * (label == "B")[:, None]
            + 0.1 * np.arange(60) / 60 * (label == "C")[:, None]
        )
        return rng.binomial(2, np.broadcast_to(p, (n, 60))).astype(np.float32), label

    holdout = draw(200)
    panels = {"real": draw(150), "synthetic": draw(150)}
    panels["mosaic"] = panels["real"][0], rng.permutation(panels["real"][1])
    measures = {
        (m.panel, m.metric, m.population): m
        for m in measure_ancestry(panels, holdout, ["A", "B", "C"], 1)
    }
    accuracy = {p: value(measures[p, "balanced_accuracy", "all"]) for p in panels}
    assert accuracy["real"] > 0.5
    assert accuracy["mosaic"] < 0.45
    recalls = [value(measures["real", "recall", name]) for name in "ABC"]
    assert accuracy["real"] == pytest.approx(np.mean(recalls))
    terms = measures["real", "balanced_accuracy", "all"].units
    truth = terms[:, 3:].argmax(axis=1)
    guess = np.where(terms[:, :3].any(axis=1), truth, (truth + 1) % 3)  # wrong somehow
    assert accuracy["real"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert recalls == pytest.approx(list(recall_score(truth, guess, average=None)))
    [projection] = measure_ancestry({"own": holdout}, holdout, [], 1)
    assert projection.metric == "projection_r2"
    assert value(projection) == pytest.approx(1, abs=1e-3)  # components by a randomised method
