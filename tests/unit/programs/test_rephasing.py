"""Switch errors after phasing anew; those with Beagle need it on the PATH."""

import shutil

import numpy as np
import pytest
from helpers import founder_mosaic, make_individuals, make_sites

from genoloom.panel import ArrayHaplotypes, Panel
from genoloom.programs.rephasing import measure_switch_errors, switch_errors
from genoloom.validation.cohorts import compare
from genoloom.validation.fidelity import fidelity_rows

N = 40


def test_switch_errors_are_counted_between_heterozygous_sites():
    # heterozygous at 0, 2, 3, 4
    haplotypes = np.array([[0, 1], [1, 1], [0, 1], [1, 0], [0, 1]], dtype=np.int8)
    same = haplotypes.copy()
    turned = haplotypes[:, ::-1]
    switched = haplotypes.copy()
    switched[3:] = switched[3:, ::-1]
    flipped = haplotypes.copy()
    flipped[2] = flipped[2, ::-1]
    for phased, wrong in ((same, 0), (turned, 0), (switched, 1), (flipped, 2)):
        found, pairs = switch_errors(haplotypes, phased)
        assert (found.tolist(), pairs.tolist()) == ([wrong], [3])


def measured(synthetic: np.ndarray, real: np.ndarray):
    sites, individuals = make_sites(len(real)), make_individuals(2 * N)
    real_panel = Panel(sites, individuals, ArrayHaplotypes(real))
    synthetic_panel = Panel(sites, make_individuals(N), ArrayHaplotypes(synthetic))
    compared = compare(
        synthetic_panel.individuals, individuals, ["holdout"] * N + ["train"] * N, 0, 1
    )
    return measure_switch_errors([(synthetic_panel, real_panel)], compared, 7), compared


@pytest.fixture(scope="module")
def population():
    return founder_mosaic(400, 6 * N, np.random.default_rng(4))


@pytest.mark.skipif(shutil.which("beagle") is None, reason="needs beagle on the PATH")
def test_individuals_like_real_ones_pass_and_broken_phase_does_not(population):
    fresh, real = population[:, : 2 * N], population[:, 2 * N :]
    found, _ = measured(fresh, real)
    assert 0 <= found.reference < 0.2
    assert fidelity_rows([found], "made", "generator", N)[0].verdict == "pass"
    # the genotypes of real individuals, each heterozygous site turned at random
    turn = np.random.default_rng(5).random((len(real), N)) < 0.5
    broken = fresh.reshape(len(real), N, 2).copy()
    broken[turn] = broken[turn][:, ::-1]
    found, _ = measured(broken.reshape(fresh.shape), real)
    assert found.values["S"] > 0.4
    assert fidelity_rows([found], "made", "generator", N)[0].verdict == "fail"


def test_without_the_phaser_it_is_not_run(population, monkeypatch):
    monkeypatch.setenv("PATH", "")
    found, _ = measured(population[:, : 2 * N], population[:, 2 * N :])
    assert fidelity_rows([found], "made", "generator", N)[0].verdict == "not run"


def test_a_phaser_that_fails_is_not_run(population, monkeypatch, tmp_path):
    (tmp_path / "beagle").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "beagle").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found, _ = measured(population[:, : 2 * N], population[:, 2 * N :])
    assert fidelity_rows([found], "made", "generator", N)[-1].verdict == "not run"
