"""Whose templates a row leaves out."""

import numpy as np
import pytest

pytest.importorskip("torch")

from genoloom.models.haplotype.copying_training import own_templates


def test_both_haplotypes_of_a_diploid_and_one_of_a_haploid_individual():
    place = np.array([5, 3, 0, 1, 4, 2])
    found = own_templates(place, np.array([0, 0, 3, 4, 4, 9]))
    assert found.tolist() == [[5, 3], [5, 3], [0, -1], [1, 4], [1, 4], [2, -1]]
    pairs = own_templates(place, np.arange(6) // 2)
    assert pairs.tolist() == place.reshape(-1, 2).repeat(2, axis=0).tolist()
