"""The benchmark runs on the shipped data, and its bits per site are those of the allele
frequencies.
"""

import importlib.util

import numpy as np
import pytest
from helpers import call_benchmark

from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_table


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Where the benchmark left its panel, its models and its table, and what it printed."""
    work = tmp_path_factory.mktemp("bench")
    command = ["haplotypes", "--generators", "independent", "--individuals", 60]
    more = ["--n-permutations", 2, "--set-option", "independent.shrinkage=3"]
    done = call_benchmark(*command, *more, "--work", work, "--out", work)
    assert done.returncode == 0, done.stderr
    return work, done.stdout


def test_a_row_for_the_generator_the_reference_and_the_training_individuals(bench):
    work, printed = bench
    rows = {row["generator"]: row for row in read_table(work / "haplotypes.tsv")}
    assert list(rows) == ["reference (held out)", "real (training)", "independent"]
    assert rows["independent"]["options"] == "shrinkage=3"
    assert (
        float(rows["independent"]["classifier"])
        > 0.9
        > 0.6
        > float(rows["real (training)"]["classifier"])
    )
    assert abs(float(rows["independent"]["worst_attack"]) - 0.5) < 0.1
    assert "independent" in printed

    panel = open_panel(work / "demo" / "20")
    roles = np.repeat(read_roles(work / "demo" / "seed1" / "split.tsv", panel.individuals), 2)
    population = np.repeat(panel.individuals.population, 2)
    alleles = panel.haplotypes.read(0, len(panel.sites))
    ones = alleles[:, roles == "train"].sum(axis=1)
    alleles = alleles[np.minimum(ones, (roles == "train").sum() - ones) >= 2]
    training, holdout = alleles[:, roles == "train"], alleles[:, roles == "holdout"]
    pooled = (training.sum(axis=1, keepdims=True) + 0.5) / (training.shape[1] + 1)
    bits = 0.0
    for p in set(population):
        own, new = (
            training[:, population[roles == "train"] == p],
            holdout[:, population[roles == "holdout"] == p],
        )
        chance = (own.sum(axis=1, keepdims=True) + 3 * pooled) / (own.shape[1] + 3)
        bits -= np.log2(np.where(new == 1, chance, 1 - chance)).sum()
    assert float(rows["independent"]["bits"]) == pytest.approx(bits / holdout.size, abs=1e-4)
    assert float(rows["independent"]["sites"]) == len(alleles)


@pytest.mark.skipif(importlib.util.find_spec("msprime") is not None, reason="msprime is there")
def test_without_msprime_the_simulated_panel_says_what_to_install(tmp_path):
    command = ["haplotypes", "--set", "simulated"]
    done = call_benchmark(*command, "--work", tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert "pip install msprime" in done.stderr
    assert not list(tmp_path.rglob("*.pgen"))
