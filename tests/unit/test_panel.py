"""Joining and taking people keeps every column."""

from dataclasses import fields

import numpy as np
import pytest
from helpers import make_sites

from genoloom.panel import ArrayHaplotypes, Panel, People, join_people

COLUMNS = [column.name for column in fields(People)]  # whatever columns there will be


def people(group: str, n: int) -> People:
    """No cell is equal to another one, so that none can be lost or exchanged."""
    return People(*([f"{group}{name}{i}" for i in range(n)] for name in COLUMNS))


@pytest.mark.parametrize("name", COLUMNS)
def test_joined_people_keep_every_column(name):
    first, second = people("a", 3), people("b", 2)
    assert getattr(join_people(first, second), name) == getattr(first, name) + getattr(second, name)


@pytest.mark.parametrize("name", COLUMNS)
def test_people_that_are_taken_keep_every_column(name):
    whole = people("a", 4)
    assert getattr(whole.take([2, 0]), name) == [f"a{name}2", f"a{name}0"]


def test_panels_side_by_side_have_the_people_of_both():
    first, second = (
        Panel(
            make_sites(2), people(group, 1), ArrayHaplotypes(np.full((2, 2), value, dtype=np.int8))
        )
        for group, value in (("a", 0), ("b", 1))
    )
    both = first.beside(second)
    assert both.people == join_people(first.people, second.people)
    np.testing.assert_array_equal(both.haplotypes.read(0, 2), [[0, 0, 1, 1]] * 2)
