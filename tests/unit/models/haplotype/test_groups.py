"""Groups of templates: planted ones are found, drawn by their shares, and kept along a contig."""

import numpy as np
import pytest

pytest.importorskip("torch")

from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.copying_network import CopyingNetworkGenerator
from genoloom.models.haplotype.groups import GROUP_DRAW, Groups, draw_groups, find_groups
from genoloom.models.haplotype.templates import TemplatePanel
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds, row_uniforms
from genoloom.training.run import TrainingRun
from genoloom.training_config import CopyingNetworkOptions

SITES, INDIVIDUALS = 160, 120


@pytest.fixture(scope="module")
def kinds():
    """Whether each haplotype is of the second of two hidden ancestries."""
    return np.random.default_rng(3).integers(0, 2, 2 * INDIVIDUALS)


@pytest.fixture(scope="module")
def data(kinds):
    """Unlinked sites whose frequencies differ between two ancestries that nobody has named."""
    rng = np.random.default_rng(4)
    frequency = rng.choice([0.3, 0.7], (2, SITES))
    alleles = rng.random((2 * INDIVIDUALS, SITES)) < frequency[kinds]
    return TrainingHaplotypes(
        haplotypes=ArrayHaplotypes(np.ascontiguousarray(alleles.T).astype(np.int8)),
        population=np.zeros(2 * INDIVIDUALS, dtype=np.int64), population_names=["A"],
        position=np.arange(SITES) * 100_000 + 1, map_cm=np.arange(SITES) * 1.0,
        validation=np.repeat(np.arange(INDIVIDUALS) < 20, 2),
    )  # fmt: skip


def panel_of(data, population=None, n_populations=1, stands_for=()):
    population = data.population if population is None else population
    packed = TemplatePanel.collect(
        data.haplotypes, population, n_populations, block=2, vocabulary_size=4, carriers=2
    )[0]
    return TemplatePanel(
        packed.haplotypes, packed.population, n_populations, 2, 4, 2, stands_for=stands_for
    )


def test_planted_groups_are_found(data, kinds):
    found = find_groups(panel_of(data), 2, 50, seed=1)
    agree = (found == kinds).mean()
    assert max(agree, 1 - agree) > 0.95
    assert find_groups(panel_of(data), 1, 50, seed=1).max() == 0


def test_every_group_has_members(data):
    found = find_groups(panel_of(data), 100, 20, seed=1)
    size = np.bincount(found)
    assert 1 < len(size) <= 12
    assert size.min() >= 10
    assert size.sum() == 2 * INDIVIDUALS


def test_groups_of_each_population(data):
    population = np.repeat([0, 2], INDIVIDUALS)
    panel = panel_of(data, population, 4, stands_for=(2,))
    of = np.sort(find_groups(panel, 2, 30, seed=1))
    groups = Groups.among(of, panel.population)
    assert groups.population.tolist() == [0, 0, 2, 2]
    drawn_by, population_of = groups.drawn_by(panel)
    # the second population has no templates, the last is drawn as the third
    assert population_of.tolist() == [0, 0, 2, 2, 1, 3, 3]
    assert drawn_by.stands_for == (2, 3)
    asked = np.repeat([0, 1, 2, 3], 2000)
    seeds = row_seeds(1, [str(i) for i in range(len(asked))])
    drawn = draw_groups(drawn_by, population_of, asked, row_uniforms(seeds, GROUP_DRAW))
    np.testing.assert_array_equal(population_of[drawn], asked)
    size = np.bincount(of)
    share = size / np.repeat([INDIVIDUALS, INDIVIDUALS], 2)
    np.testing.assert_allclose(np.bincount(drawn)[:4] / 2000, share, atol=0.04)
    np.testing.assert_allclose(np.bincount(drawn)[5:] / 2000, share[2:], atol=0.04)


def test_whole_haplotypes_stay_of_one_kind(data, kinds, tmp_path, monkeypatch):
    """On the axis between the ancestries templates have two peaks, and so have draws in groups."""
    alleles = data.haplotypes.alleles.T.astype(float)
    axis = alleles[kinds == 1].mean(axis=0) - alleles[kinds == 0].mean(axis=0)
    monkeypatch.setattr("genoloom.models.haplotype.groups.MEMBERS", 50)
    options = CopyingNetworkOptions(
        groups=2, block_size=2, width=8, steps=200, evaluate_every=100, temperature=1.0
    )
    generator = CopyingNetworkGenerator(options)
    generator.fit(data, TrainingRun(state_dir=tmp_path, digest="d", seed=3, label="test"))
    again = CopyingNetworkGenerator.from_state(*generator.state())
    without = CopyingNetworkGenerator.from_state(*generator.state())
    without.groups = Groups.among(data.population, data.population)
    seeds = row_seeds(7, [str(i) for i in range(300)])
    request = SampleRequest(np.zeros(300, dtype=np.int64), seeds)
    drawn, same, alike = (
        np.concatenate(list(each.sample(request))) for each in (generator, again, without)
    )
    np.testing.assert_array_equal(same, drawn)
    spread, narrow = ((x.T @ axis).std() / (alleles @ axis).std() for x in (drawn, alike))
    assert spread > 0.8
    assert narrow < 0.7 * spread
