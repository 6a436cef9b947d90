"""Association scans against scipy and plink2, clumps against a loop, traits and their shares."""

import shutil
import subprocess

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel, write_bed
from scipy import stats

from genoloom.formats.tables import read_table
from genoloom.popgen.association import first_clump, many_causes, one_cause, scan

INDIVIDUALS, SITES = 80, 60


@pytest.fixture(scope="module")
def alleles():
    found = founder_mosaic(
        SITES, 2 * INDIVIDUALS, np.random.default_rng(4), founders=12, switch=0.05
    )
    found[7] = 0  # does not vary
    return found


def varies(dosage):
    return dosage.std(axis=1) > 0


@pytest.fixture(scope="module")
def dosage(alleles):
    return (alleles[:, 0::2] + alleles[:, 1::2]).astype(np.float32)


@pytest.fixture(scope="module")
def traits(dosage):
    rng = np.random.default_rng(5)
    cause = np.flatnonzero(dosage.std(axis=1) > 0.3)[[2, 9, 20]]
    everybody = np.arange(INDIVIDUALS)
    noise = rng.standard_normal((3, INDIVIDUALS))
    return one_cause(dosage, everybody, cause, 0.4, noise).astype(np.float32)


def test_scan_is_simple_linear_regression(dosage, traits):
    found = scan(dosage, traits)
    for k, y in enumerate(traits):
        for v, x in enumerate(dosage):
            if not varies(dosage)[v]:
                assert found.effect[k, v] == found.t[k, v] == 0
                continue
            expected = stats.linregress(x.astype(float), y.astype(float))
            assert found.effect[k, v] == pytest.approx(expected.slope, abs=2e-5)
            assert found.t[k, v] == pytest.approx(expected.slope / expected.stderr, abs=2e-4)
    varying = varies(dosage)
    expected = np.corrcoef(dosage[varying]) ** 2
    np.testing.assert_allclose(found.r2[np.ix_(varying, varying)], expected, atol=1e-5)
    assert not found.r2[7].any()


@pytest.mark.skipif(not shutil.which("plink2"), reason="plink2 is not installed")
def test_scan_is_that_of_plink2(alleles, dosage, traits, tmp_path):
    panel = make_panel(alleles)
    write_bed(tmp_path / "in", panel, alleles)
    lines = ["\t".join(["IID", "first", "second", "third"])]
    for name, row in zip(panel.individuals.id, traits.T, strict=True):
        lines.append("\t".join([name, *(f"{y:.9g}" for y in row)]))
    (tmp_path / "in.pheno").write_text("\n".join(lines) + "\n")
    command = "plink2 --bfile in --pheno in.pheno --glm allow-no-covars --out out"
    command += " --threads 1 --memory 640"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    found = scan(dosage, traits)
    for k, name in enumerate(("first", "second", "third")):
        rows = read_table(tmp_path / f"out.{name}.glm.linear")
        rows = {int(row["ID"][1:]): row for row in rows if row["BETA"] != "NA"}
        assert set(rows) == set(np.flatnonzero(varies(dosage)).tolist())
        for v, row in rows.items():
            sign = 1 if row["A1"] == panel.sites.alt[v] else -1
            effect, t = (sign * float(row[column]) for column in ("BETA", "T_STAT"))
            assert found.effect[k, v] == pytest.approx(effect, rel=1e-3, abs=1e-5)
            assert found.t[k, v] == pytest.approx(t, rel=1e-3, abs=1e-4)


def test_first_clump_is_that_of_a_loop():
    rng = np.random.default_rng(6)
    t, r2 = rng.normal(0, 3, (30, 25)), rng.random((25, 25))
    found = first_clump(t, r2, 5.0, 2.5, 0.5)
    for row, size in zip(found, np.abs(t), strict=True):
        lead = int(np.argmax(size))
        linked = [v == lead or (size[v] >= 2.5 and r2[lead, v] >= 0.5) for v in range(25)]
        assert row.tolist() == [size[lead] >= 5.0 and here for here in linked]
    assert found.any(axis=1).any()
    assert not found.any(axis=1).all()


def test_planted_traits_have_their_heritability_and_the_same_effects_in_everybody():
    rng = np.random.default_rng(7)
    n, v = 4000, 30
    dosage = rng.binomial(2, rng.uniform(0.1, 0.9, (v, 1)), (v, n)).astype(np.float32)
    real = np.arange(n // 2)
    effect = rng.standard_normal((2, v)) * (rng.random((2, v)) < 0.3)
    nothing = np.zeros((2, n))
    for make, causes in ((one_cause, np.array([3, 11])), (many_causes, effect)):
        genetic = make(dosage, real, causes, 0.3, nothing)
        np.testing.assert_allclose(genetic[:, real].var(axis=1), 0.3, rtol=1e-4)
        np.testing.assert_allclose(genetic[:, real].mean(axis=1), 0, atol=1e-4)
        whole = make(dosage, real, causes, 0.3, rng.standard_normal((2, n)))
        np.testing.assert_allclose(whole[:, real].var(axis=1), 1.0, atol=0.1)
        # whoever has the genotypes of somebody real has the genetic value, too
        copied = dosage.copy()
        copied[:, n // 2 :] = dosage[:, real]
        values = make(copied, real, causes, 0.3, nothing)
        np.testing.assert_array_equal(values[:, n // 2 :], values[:, real])
