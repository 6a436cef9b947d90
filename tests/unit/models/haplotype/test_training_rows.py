import numpy as np
import pytest

from genoloom.models.haplotype.blocks import read_blocks
from genoloom.models.haplotype.training_rows import MATCH_SITES, PackedRows
from genoloom.panel import ArrayHaplotypes


@pytest.mark.parametrize("block", [5, 8, 32])
def test_packing_keeps_alleles_and_missing_calls(block):
    alleles = np.random.default_rng(1).integers(-1, 2, (101, 7)).astype(np.int8)
    rows = np.array([6, 0, 3])
    packed = PackedRows.read(ArrayHaplotypes(alleles), block, rows)
    n_blocks = -(-101 // block)
    expected = read_blocks(ArrayHaplotypes(alleles), block, 0, n_blocks, rows)
    np.testing.assert_array_equal(packed.alleles(np.arange(3), 0, n_blocks), expected)
    np.testing.assert_array_equal(packed.alleles(np.array([2, 2]), 1, 3), expected[[2, 2], 1:3])


def test_crossovers_happen_only_between_rows_that_agree_before_and_share_a_group():
    rng = np.random.default_rng(2)
    founders = rng.integers(0, 2, (3, 800)).astype(np.int8)
    # each row: four founders...
    haplotypes = founders[rng.integers(0, 3, (40, 4))][:, np.arange(4), :].copy()
    # ...of 200 sites each
    alleles = np.concatenate([haplotypes[:, i, 200 * i : 200 * (i + 1)] for i in range(4)], axis=1)
    group = np.arange(40) % 2
    packed = PackedRows.read(ArrayHaplotypes(alleles.T), 8, np.arange(40))
    source = packed.matched_crossovers(np.arange(40), group, 0, 100, 30, rng)

    assert (group[source] == group[:, None]).all()
    switches = np.argwhere(source[:, 1:] != source[:, :-1])
    assert len(switches) > 20
    synthetic = packed.alleles(source, 0, 100).reshape(40, -1)
    for row, byte in switches:
        place = 8 * (byte + 1)
        new = source[row, byte + 1]
        np.testing.assert_array_equal(
            synthetic[row, place - MATCH_SITES : place], alleles[new, place - MATCH_SITES : place]
        )
    assert (synthetic != alleles).any()


def test_windows_too_short_for_a_match_are_left_alone():
    alleles = np.zeros((MATCH_SITES, 4), dtype=np.int8)
    packed = PackedRows.read(ArrayHaplotypes(alleles), 8, np.arange(4))
    rng = np.random.default_rng(1)
    source = packed.matched_crossovers(
        np.arange(4), np.zeros(4, dtype=int), 0, MATCH_SITES // 8, 5, rng
    )
    np.testing.assert_array_equal(
        source, np.repeat(np.arange(4)[:, None], MATCH_SITES // 8, axis=1)
    )


def test_a_window_begins_with_the_row_itself_and_looks_back_beyond_its_start():
    rng = np.random.default_rng(4)
    alleles = np.repeat(rng.integers(0, 2, (640, 1)), 6, axis=1).astype(np.int8)
    packed = PackedRows.read(ArrayHaplotypes(alleles), 32, np.arange(6))
    source = packed.matched_crossovers(np.arange(6), np.zeros(6, dtype=int), 10, 12, 4, rng)
    assert source.shape == (6, 8)
    assert (source != np.arange(6)[:, None]).any()
