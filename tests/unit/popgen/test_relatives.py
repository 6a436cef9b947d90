"""Relatives among simulated families, whose pedigree is known."""

import numpy as np
import pytest
from helpers import founder_mosaic

from genoloom.popgen import relatives
from genoloom.popgen.relatives import find_relatives, groups

UNRELATED = 100


def child(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A child's haplotypes, from parents' (n_sites, 2), sites unlinked."""
    picks = rng.integers(0, 2, (2, len(a)))
    return np.stack(
        [p[np.arange(len(a)), pick] for p, pick in zip((a, b), picks, strict=True)], axis=1
    )


def families(m: int, seed: int = 1) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """Dosages (m, n) of unrelated individuals and one family; and pairs of the family by kind."""
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.1, 0.9, m)
    individuals = list((rng.random((UNRELATED, m, 2)) < frequency[:, None]).astype(np.int8))
    individuals.append(child(individuals[0], individuals[1], rng))
    individuals.append(child(individuals[0], individuals[1], rng))
    individuals.append(child(individuals[0], individuals[2], rng))
    individuals.append(individuals[3].copy())
    individuals[-1][:: m // 20] ^= 1  # errors of another caller
    u = UNRELATED
    pairs = {"parent": (0, u), "siblings": (u, u + 1), "half": (u, u + 2), "duplicate": (3, u + 3)}
    return np.stack(individuals, axis=1).sum(axis=2).astype(np.int8), pairs


def find(dosage: np.ndarray, population=None):
    labels = np.zeros(dosage.shape[1]) if population is None else population
    return find_relatives(lambda: (dosage[i : i + 500] for i in range(0, len(dosage), 500)), labels)


def as_set(found) -> set[tuple[int, int]]:
    return set(map(tuple, found.pairs.tolist()))


def test_many_sites_tell_the_second_degree():
    dosage, pairs = families(12_000)
    found = find(dosage)
    assert found.degree == 2
    assert found.parents
    assert set(pairs.values()) <= as_set(found)
    u = UNRELATED
    true = {(0, u), (1, u), (0, u + 1), (1, u + 1), (0, u + 2), (2, u + 2), (u, u + 1), (3, u + 3)}
    assert as_set(found) == true | {(u, u + 2), (u + 1, u + 2)}


def test_fewer_sites_still_tell_parents_and_duplicates():
    dosage, pairs = families(1500)
    found = find(dosage)
    assert found.degree in (None, 1)
    assert found.parents
    assert {pairs["parent"], pairs["duplicate"]} <= as_set(found)
    assert all(j >= UNRELATED for _, j in as_set(found))


def test_a_short_region_tells_nothing_but_duplicates():
    haplotypes = founder_mosaic(300, 200, np.random.default_rng(4))
    dosage = (haplotypes[:, 0::2] + haplotypes[:, 1::2]).astype(np.int8)
    dosage[:, 99] = dosage[:, 0]
    found = find(dosage)
    assert found.degree is None
    assert not found.parents
    assert (0, 99) in as_set(found)


def test_the_same_genotypes_at_a_few_sites_are_no_duplicates():
    dosage = np.random.default_rng(4).binomial(2, 0.08, (8, 100)).astype(np.int8)
    found = find(dosage)
    assert not found.duplicates
    assert not len(found.pairs)
    # everybody twice, at enough sites, are duplicates
    dosage, _ = families(1500)
    found = find(np.concatenate([dosage, dosage], axis=1))
    assert found.duplicates
    assert {(i, i + UNRELATED + 4) for i in range(UNRELATED)} <= as_set(found)


def test_tiles_do_not_matter(monkeypatch):
    dosage, _ = families(12_000)
    whole = as_set(find(dosage))
    monkeypatch.setattr(relatives, "CELLS", 40 * dosage.shape[1])
    assert as_set(find(dosage)) == whole


def test_population_structure_is_no_kinship():
    rng = np.random.default_rng(2)
    population = np.repeat([0, 1], 50)
    frequency = rng.beta(0.5, 0.5, (12_000, 2))
    dosage = rng.binomial(2, frequency[:, population]).astype(np.int8)
    assert not len(find(dosage, population).pairs)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_individuals_to_know_what_is_usual(n):
    found = find(np.ones((10, n), dtype=np.int8))
    assert found.degree is None
    assert not len(found.pairs)


def test_groups_join_what_is_connected():
    assert groups(6, [(4, 1), (1, 2), (5, 5)]).tolist() == [0, 1, 1, 3, 1, 5]
    assert groups(3, []).tolist() == [0, 1, 2]
