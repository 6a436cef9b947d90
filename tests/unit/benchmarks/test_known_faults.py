"""The known faults have the faults that they are said to have, and no others."""

import numpy as np
import pytest
from helpers import founder_mosaic

from benchmarks.known_faults import FAULTS, Material

N, SITES = 60, 300


@pytest.fixture(scope="module")
def material():
    alleles = founder_mosaic(SITES, 4 * N, np.random.default_rng(1), founders=12, switch=0.02)
    population = np.repeat(["A", "B"], N // 2)
    return Material(
        alleles[:, : 2 * N],
        alleles[:, 2 * N :],
        np.arange(SITES) * 0.01,
        population,
        np.arange(SITES) % 10 == 0,
    )


def make(material, fault):
    return FAULTS[fault](material, np.random.default_rng(2))


def test_all_have_the_shape_of_the_individuals_and_leave_these_as_they_are(material):
    before = material.fresh.copy(), material.training.copy()
    for fault in FAULTS:
        synthetic = make(material, fault)
        assert synthetic.shape == material.fresh.shape, fault
        assert set(np.unique(synthetic)) <= {0, 1}, fault
    np.testing.assert_array_equal(material.fresh, before[0])
    np.testing.assert_array_equal(material.training, before[1])
    assert make(material, "fresh individuals") is material.fresh


def test_frequencies_move_by_two_per_cent_and_nothing_else_does(material):
    synthetic = make(material, "frequencies noised 2 %")
    shift = synthetic.mean(axis=1) - material.fresh.mean(axis=1)
    inside = (material.fresh.mean(axis=1) > 0.1) & (material.fresh.mean(axis=1) < 0.9)
    assert shift[inside].std() == pytest.approx(0.02, rel=0.2)
    # no more alleles are changed than the shift asks for
    np.testing.assert_array_equal(
        (synthetic != material.fresh).sum(axis=1), np.abs(np.rint(shift * 2 * N)).astype(int)
    )


def test_one_allele_in_a_thousand_changes(material):
    changed = make(material, "alleles mutated 0.1 %") != material.fresh
    assert changed.mean() == pytest.approx(0.001, rel=0.5)


def test_phase_and_heterozygotes(material):
    fresh = material.fresh
    shuffled = make(material, "phase shuffled")
    np.testing.assert_array_equal(
        shuffled[:, 0::2] + shuffled[:, 1::2], fresh[:, 0::2] + fresh[:, 1::2]
    )
    assert (shuffled != fresh).any()
    thinned = make(material, "heterozygotes thinned")
    lost = (fresh[:, 0::2] != fresh[:, 1::2]) & (thinned[:, 0::2] == thinned[:, 1::2])
    assert lost.sum() / (fresh[:, 0::2] != fresh[:, 1::2]).sum() == pytest.approx(0.1, abs=0.02)
    assert (thinned != fresh).sum() == lost.sum()


def test_individuals_and_labels(material):
    columns = {row.tobytes() for row in material.fresh.T}
    individuals = {material.fresh[:, i : i + 2].tobytes() for i in range(0, 2 * N, 2)}
    labels = make(material, "labels shuffled")
    assert {labels[:, i : i + 2].tobytes() for i in range(0, 2 * N, 2)} == individuals
    doubled = make(material, "10 % duplicates")
    assert (
        sum(
            (doubled[:, i : i + 2] != material.fresh[:, i : i + 2]).any()
            for i in range(0, 2 * N, 2)
        )
        <= 6
    )
    assert {row.tobytes() for row in doubled.T} <= columns
    inbred = make(material, "10 % inbred")
    own = np.flatnonzero((inbred != material.fresh).any(axis=0))
    assert 0 < len(own) <= round(0.1 * 2 * N)
    np.testing.assert_array_equal(inbred[:, own], inbred[:, own - 1])
    missing = make(material, "one population missing")
    np.testing.assert_array_equal(missing[:, :N], material.fresh[:, :N])
    assert {row.tobytes() for row in missing[:, N:].T} <= {
        row.tobytes() for row in material.training[:, :N].T
    }


def test_sites(material):
    dropped = make(material, "indels dropped")
    assert not dropped[material.indel].any()
    np.testing.assert_array_equal(dropped[~material.indel], material.fresh[~material.indel])
    frequency = material.training.mean(axis=1)
    rare = (frequency < 0.01) | (frequency > 0.99)
    without = make(material, "rare variants dropped")
    assert (without[rare] == (frequency[rare] > 0.5)[:, None]).all()
    np.testing.assert_array_equal(without[~rare], material.fresh[~rare])


def test_doubled_recombination_keeps_frequencies_and_switches_at_the_rate_of_the_copying_model():
    # individuals; every haplotype is distinguished at every site by its own half of the alleles
    n = 200
    alleles = np.repeat([[0, 1]], 4000, axis=0).astype(np.int8).repeat(n, axis=1)
    m = Material(
        alleles, alleles, np.arange(4000) * 0.01, np.array(["A"] * n), np.zeros(4000, dtype=bool)
    )
    synthetic = make(m, "recombination doubled")
    changes = (synthetic[1:] != synthetic[:-1]).sum() / synthetic.shape[1]
    # 40 cM, a switch every 2n / (4 N) Morgans; half of the changes of source keep the allele
    assert changes == pytest.approx(0.5 * 40 * 4 * 10_000 / (100 * 2 * n), rel=0.1)
