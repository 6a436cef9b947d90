import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genoloom.models.haplotype.blocks import (
    READ_SITES,
    BlockTokenizer,
    choose_block,
    iterate_blocks,
    read_blocks,
)
from genoloom.panel import ArrayHaplotypes

PANELS = arrays(
    np.int8, st.tuples(st.integers(1, 40), st.integers(1, 12)), elements=st.integers(0, 1)
)


def test_blocks_are_read_in_order_and_filled_up():
    alleles = np.random.default_rng(1).integers(0, 2, (2 * READ_SITES + 5, 3)).astype(np.int8)
    blocks = np.stack(
        list(iterate_blocks(ArrayHaplotypes(alleles), 24, rows=np.array([2, 0]))), axis=1
    )
    n_blocks = -(-len(alleles) // 24)
    assert blocks.shape == (2, n_blocks, 24)
    flat = blocks.reshape(2, -1)
    np.testing.assert_array_equal(flat[:, : len(alleles)], alleles[:, [2, 0]].T)
    assert (flat[:, len(alleles) :] == -1).all()
    np.testing.assert_array_equal(
        read_blocks(ArrayHaplotypes(alleles), 24, 3, 5, np.array([2, 0])), blocks[:, 3:5]
    )


@settings(deadline=None, max_examples=60)
@given(PANELS, st.integers(4, 16))
def test_uncapped_tokens_lose_nothing(alleles, block):
    source = ArrayHaplotypes(alleles)
    tokenizer = BlockTokenizer.fit(source, block=block, vocabulary_size=1000)
    tokens = tokenizer.encode(source)
    decoded = [tokenizer.decode(k, tokens[:, k]) for k in range(tokenizer.n_blocks)]
    np.testing.assert_array_equal(np.concatenate(decoded), alleles)
    assert (tokenizer.count.sum(axis=1) == alleles.shape[1]).all()
    for k in range(tokenizer.n_blocks):
        rows = alleles[tokenizer.sites(k)].T
        distinct, count = np.unique(rows, axis=0, return_counts=True)
        assert (tokenizer.count[k] > 0).sum() == len(distinct)
        assert sorted(tokenizer.count[k][tokenizer.count[k] > 0]) == sorted(count)
        assert (np.diff(tokenizer.count[k]) <= 0).all()


def test_capped_tokens_keep_the_frequent_and_count_the_rest_as_error():
    a, b, c = [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]
    alleles = np.array([a] * 5 + [b] * 4 + [c], dtype=np.int8).T
    tokenizer = BlockTokenizer.fit(ArrayHaplotypes(alleles), block=4, vocabulary_size=2)
    np.testing.assert_array_equal(tokenizer.alleles[0], [a, b])
    np.testing.assert_array_equal(tokenizer.count, [[6, 4]])
    np.testing.assert_allclose(tokenizer.error[0], [0, 0, 0, 0.1])


def test_a_block_of_too_few_carriers_makes_no_token():
    a, b, c, d = [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 1, 1]
    alleles = ArrayHaplotypes(np.array([a] * 5 + [b] * 4 + [c] * 2 + [d], dtype=np.int8).T)
    counts = {
        k: BlockTokenizer.fit(alleles, block=4, vocabulary_size=9, carriers=k).count[0].tolist()
        for k in (1, 2, 3, 6)
    }
    assert counts == {1: [5, 4, 2, 1], 2: [5, 4, 3], 3: [8, 4], 6: [12]}
    np.testing.assert_allclose(
        BlockTokenizer.fit(alleles, block=4, vocabulary_size=9, carriers=2).error[0],
        [0, 0, 1 / 12, 0],
    )


def test_blocks_are_as_long_as_the_linkage():
    rng = np.random.default_rng(1)
    rows, validation = np.arange(300), np.arange(300, 400)

    def chosen(founder_sites: int) -> int:
        """Haplotypes that take each stretch of this many sites from one of six founders."""
        stretches = [
            rng.integers(0, 2, (6, founder_sites))[rng.integers(0, 6, 400)]
            for _ in range(256 // founder_sites)
        ]
        alleles = ArrayHaplotypes(np.concatenate(stretches, axis=1).T.astype(np.int8))
        return choose_block(
            alleles, vocabulary_size=64, carriers=2, rows=rows, validation=validation
        )

    assert [chosen(sites) for sites in (64, 8, 4, 1)] == [32, 16, 8, 4]
    linked = ArrayHaplotypes(
        rng.integers(0, 2, (64, 6))[:, rng.integers(0, 6, 400)].astype(np.int8)
    )
    assert choose_block(linked, vocabulary_size=64, rows=rows, validation=rows[:0]) == 32


def test_missing_calls_differ_from_nothing():
    alleles = np.array([[0, 0, 0, 0]] * 3 + [[1, 1, 1, 1]] * 2 + [[1, -1, -1, 1]], dtype=np.int8).T
    tokenizer = BlockTokenizer.fit(ArrayHaplotypes(alleles), block=4, vocabulary_size=8)
    assert (tokenizer.count > 0).sum() == 2
    token, distance = tokenizer.nearest(
        0, np.array([[1, -1, -1, 1], [-1, -1, -1, -1], [0, 1, -1, 1]], dtype=np.int8)
    )
    np.testing.assert_array_equal(token, [1, 0, 1])
    np.testing.assert_array_equal(distance, [0, 0, 1])


def test_a_block_without_a_complete_row_still_has_tokens():
    alleles = np.array([[1, -1, 0, 1], [-1, 1, 0, 1]], dtype=np.int8).T
    tokenizer = BlockTokenizer.fit(ArrayHaplotypes(alleles), block=4, vocabulary_size=8)
    assert tokenizer.count.sum() == 2
    assert set(np.unique(tokenizer.alleles)) <= {0, 1}


def test_mutations_have_the_frequency_of_the_kernel():
    tokenizer = BlockTokenizer.fit(
        ArrayHaplotypes(np.zeros((4, 2), dtype=np.int8)), block=4, vocabulary_size=2
    )
    error = np.array([0.0, 0.1, 0.5, 1.0])
    uniforms = np.random.default_rng(3).random((20_000, 4))
    alleles = tokenizer.decode(0, np.zeros(20_000, dtype=int), error, uniforms)
    np.testing.assert_allclose(alleles.mean(axis=1), error, atol=0.01)
    assert alleles.dtype == np.int8


@pytest.mark.parametrize("block", [5, 8, 32])
def test_blocks_longer_than_the_panel(block):
    alleles = np.array([[0, 1], [1, 1], [0, 0]], dtype=np.int8)
    tokenizer = BlockTokenizer.fit(ArrayHaplotypes(alleles), block=block, vocabulary_size=4)
    assert tokenizer.n_blocks == 1
    np.testing.assert_array_equal(
        tokenizer.decode(0, tokenizer.encode(ArrayHaplotypes(alleles))[:, 0]), alleles
    )
