"""The baselines of the run of privacy modes."""

import numpy as np
import pytest
from helpers import founder_mosaic, make_individuals, make_sites

from benchmarks.runs import dp
from genoloom.panel import ArrayHaplotypes, Panel


@pytest.fixture
def panel():
    alleles = founder_mosaic(60, 400, np.random.default_rng(1))
    return Panel(make_sites(60), make_individuals(200, ("X", "Y")), ArrayHaplotypes(alleles))


def test_independent_sites_have_the_frequencies_that_epsilon_lets_them_have(panel):
    population = np.repeat(np.array(panel.individuals.population) == "X", 2)
    real = panel.haplotypes.read(0, 60)[:, population].mean(axis=1)
    apart = {}
    for epsilon in (0.5, 1e4):
        made = dp._independent(panel, ["X", "Y"], epsilon, seed=1)
        assert made.individuals.population == panel.individuals.population
        found = made.haplotypes.read(0, 60)[:, population].mean(axis=1)
        apart[epsilon] = np.sqrt(((found - real) ** 2).mean())
    assert apart[1e4] < 0.04  # 100 individuals are drawn
    assert apart[0.5] > 3 * apart[1e4]


def test_public_individuals_take_the_names_of_those_they_stand_for(panel):
    population = np.array(panel.individuals.population)
    theirs = np.arange(50)
    made = dp._renamed(panel, population, theirs, {"A": "X", "B": "X", "C": "Y"})
    assert [made.individuals.population.count(x) for x in "ABC"] == [25, 25, 25]
    assert len(set(made.individuals.id)) == 75
    first = made.haplotypes.read(0, 60)[:, :2]
    assert np.array_equal(first, panel.haplotypes.read(0, 60)[:, :2])
