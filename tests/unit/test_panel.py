"""Joining and taking individuals keeps every column."""

from dataclasses import fields

import numpy as np
import pytest
from helpers import make_sites

from genoloom.panel import ArrayHaplotypes, Individuals, Panel, join_individuals

COLUMNS = [column.name for column in fields(Individuals)]  # whatever columns there will be


def individuals(group: str, n: int) -> Individuals:
    """No cell is equal to another one, so that none can be lost or exchanged."""
    return Individuals(*([f"{group}{name}{i}" for i in range(n)] for name in COLUMNS))


@pytest.mark.parametrize("name", COLUMNS)
def test_joined_individuals_keep_every_column(name):
    first, second = individuals("a", 3), individuals("b", 2)
    assert getattr(join_individuals(first, second), name) == getattr(first, name) + getattr(
        second, name
    )


@pytest.mark.parametrize("name", COLUMNS)
def test_individuals_that_are_taken_keep_every_column(name):
    whole = individuals("a", 4)
    assert getattr(whole.take([2, 0]), name) == [f"a{name}2", f"a{name}0"]


def test_panels_side_by_side_have_the_individuals_of_both():
    first, second = (
        Panel(
            make_sites(2),
            individuals(group, 1),
            ArrayHaplotypes(np.full((2, 2), value, dtype=np.int8)),
        )
        for group, value in (("a", 0), ("b", 1))
    )
    both = first.joined_with(second)
    assert both.individuals == join_individuals(first.individuals, second.individuals)
    np.testing.assert_array_equal(both.haplotypes.read(0, 2), [[0, 0, 1, 1]] * 2)


def test_blocks_of_many_haplotypes_have_fewer_variants(monkeypatch):
    monkeypatch.setattr("genoloom.panel.AT_ONCE", 100)
    alleles = np.random.default_rng(1).integers(0, 2, size=(50, 16), dtype=np.int8)
    people = Individuals([f"i{k}" for k in range(8)], ["A"] * 8, ["female"] * 8)
    panel = Panel(make_sites(50), people, ArrayHaplotypes(alleles))
    found = list(panel.blocks())
    assert {stop - start for start, stop, _ in found[:-1]} == {6}  # 96 alleles
    assert np.array_equal(np.concatenate([block for _, _, block in found]), alleles)
    assert [stop for _, stop, _ in panel.blocks(most=4)][:2] == [4, 8]
    assert [stop for _, stop, _ in panel.blocks(20)] == [20, 40, 50]
