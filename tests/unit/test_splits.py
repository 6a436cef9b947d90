"""Division of individuals by family and population."""

from collections import Counter

import pytest

from genoloom.errors import InputError
from genoloom.panel import Individuals
from genoloom.splits import split_individuals


def individuals(populations, families=()):
    n = len(populations)
    return Individuals(
        [f"P{i}" for i in range(n)], list(populations), ["unknown"] * n, list(families)
    )


def test_halves_each_population_and_the_whole():
    roles = split_individuals(individuals("A" * 41 + "B" * 27 + "C" * 11 + "D" * 3), 0.5, seed=7)
    counts = Counter(zip("A" * 41 + "B" * 27 + "C" * 11 + "D" * 3, roles, strict=True))
    assert abs(roles.count("train") - roles.count("holdout")) <= 1
    for population, size in zip("ABCD", (41, 27, 11, 3), strict=True):
        assert abs(counts[population, "holdout"] - size / 2) <= 1


def test_families_are_never_divided():
    families = [f"f{i // 3}" for i in range(60)] + [""] * 40
    roles = split_individuals(individuals("A" * 100, families), 0.5, seed=1)
    for family in set(families) - {""}:
        assert len({role for role, f in zip(roles, families, strict=True) if f == family}) == 1
    assert 45 <= roles.count("holdout") <= 55


def test_seed_decides():
    everybody = individuals("A" * 50)
    assert split_individuals(everybody, 0.5, 3) == split_individuals(everybody, 0.5, 3)
    assert split_individuals(everybody, 0.5, 3) != split_individuals(everybody, 0.5, 4)


@pytest.mark.parametrize("holdout", [0.01, 0.1, 0.99])
def test_both_roles_are_filled(holdout):
    assert set(split_individuals(individuals("A" * 20), holdout, 1)) == {"train", "holdout"}


def test_too_small_a_population_is_named():
    with pytest.raises(
        InputError, match=r"'B' has one individual or one family only(.|\n)*merge it"
    ):
        split_individuals(individuals("AAAB"), 0.5, 1)
    with pytest.raises(InputError, match="one family only"):
        split_individuals(individuals("AABB", ["", "", "f", "f"]), 0.5, 1)
