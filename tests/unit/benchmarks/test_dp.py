"""The baselines of the run of privacy modes."""

import itertools

import numpy as np
import pytest
from helpers import founder_mosaic, make_individuals, make_sites

from benchmarks.dp_baselines import BASELINES, draw_baseline, flip_chance
from benchmarks.runs import dp
from genoloom.panel import ArrayHaplotypes, Panel


@pytest.fixture
def panel():
    alleles = founder_mosaic(60, 400, np.random.default_rng(1))
    return Panel(make_sites(60), make_individuals(200, ("X", "Y")), ArrayHaplotypes(alleles))


def linkage(alleles):
    """Covariance of neighbouring sites."""
    return np.array([np.cov(*pair)[0, 1] for pair in itertools.pairwise(alleles)])


def test_baselines_have_of_the_cohort_what_epsilon_lets_them_have(panel):
    population = np.repeat(np.array(panel.individuals.population) == "X", 2)
    real = panel.haplotypes.read(0, 60)[:, population]
    for kind in BASELINES:
        apart, linked = {}, {}
        for epsilon in (0.5, 1000):
            synthetic = draw_baseline(kind, panel, epsilon, 1e-5, seed=1)
            assert synthetic.individuals.population == panel.individuals.population
            drawn = synthetic.haplotypes.read(0, 60)[:, population]
            assert set(np.unique(drawn)) <= {0, 1}
            apart[epsilon] = np.sqrt(((drawn.mean(axis=1) - real.mean(axis=1)) ** 2).mean())
            linked[epsilon] = np.corrcoef(linkage(drawn), linkage(real))[0, 1]
        assert apart[1000] < 0.05  # 100 individuals are drawn
        assert apart[0.5] > 2 * apart[1000]
        # one knows no linkage, one that within blocks
        known = {"noised independent sites": (-0.4, 0.4), "noised block histogram": (0.3, 0.75)}
        low, high = known.get(kind, (0.75, 1))
        assert low < linked[1000] < high, kind
        assert not linked[0.5] > 0.7  # or no site varies


def test_flips_are_as_many_as_epsilon_asks_for():
    one = flip_chance(1.5, 0.01, bits=1)  # (1 - flip) = e^epsilon flip + delta
    assert one == pytest.approx(0.99 / (1 + np.exp(1.5)), abs=1e-6)
    # Dwork, Roth & Vadhan: k flips of e0 are at most (sqrt(2 k ln(1 / delta)) e0 + k e0 (e^e0 - 1))
    flip = flip_chance(3, 1e-5, bits=1000)
    loss = np.log((1 - flip) / flip)
    bound = np.sqrt(2000 * np.log(1e5)) * loss + 1000 * loss * np.expm1(loss)
    assert 3 <= bound < 4
    assert one < flip < flip_chance(1, 1e-5, bits=1000) < 0.5


def test_a_dealt_cohort_is_of_all_populations_in_proportion():
    population = np.array(["A"] * 60 + ["B"] * 30 + ["C"] * 10)
    ours = dp.dealt(population, 50, seed=3)
    assert ours.sum() == 50
    assert [ours[population == p].sum() for p in "ABC"] == [30, 15, 5]
    assert not np.array_equal(ours, dp.dealt(population, 50, seed=4))


def test_the_nearest_public_population_is_found(panel):
    alleles = panel.haplotypes.read(0, 60)
    far = Panel(panel.sites, make_individuals(200, ("P", "Q")), ArrayHaplotypes(1 - alleles))
    near = np.array(far.individuals.population) == "Q"
    mixed = np.where(np.repeat(near, 2), alleles, 1 - alleles)
    public = Panel(panel.sites, far.individuals, ArrayHaplotypes(mixed))
    assert dp._nearest(panel, public) == {"X": "Q", "Y": "Q"}


def test_public_individuals_take_the_names_of_those_they_stand_for(panel):
    population = np.array(panel.individuals.population)
    theirs = np.arange(50)
    synthetic = dp._renamed(panel, population, theirs, {"A": "X", "B": "X", "C": "Y"})
    assert [synthetic.individuals.population.count(x) for x in "ABC"] == [25, 25, 25]
    assert len(set(synthetic.individuals.id)) == 75
    first = synthetic.haplotypes.read(0, 60)[:, :2]
    assert np.array_equal(first, panel.haplotypes.read(0, 60)[:, :2])
