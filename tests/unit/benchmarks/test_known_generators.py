"""The known generators have the faults that they are said to have."""

import numpy as np
import pytest
from helpers import founder_mosaic

from benchmarks.known_generators import (
    KNOWN_GENERATORS,
    bootstrap_copy,
    independent_sites,
    make_known_generators,
    markov,
    mutated_copy,
)
from genoloom.popgen.distances import hamming
from genoloom.popgen.linkage import r_squared
from genoloom.validation.mosaic import mosaic


@pytest.fixture(scope="module")
def training():
    return founder_mosaic(300, 120, np.random.default_rng(1), founders=8, switch=0.02)


CM = np.arange(300) * 0.01


def test_a_bootstrap_copy_holds_whole_training_individuals(training):
    synthetic = bootstrap_copy(training, np.random.default_rng(2))
    individuals = {training[:, i : i + 2].tobytes() for i in range(0, 120, 2)}
    drawn = [synthetic[:, i : i + 2].tobytes() for i in range(0, 120, 2)]
    assert set(drawn) < individuals  # some come twice, some not
    assert len(set(drawn)) / len(individuals) == pytest.approx(1 - np.exp(-1), abs=0.15)


def test_mutations_have_their_rate(training):
    synthetic = mutated_copy(training, np.random.default_rng(3))
    assert hamming(synthetic, training).min(axis=1).mean() == pytest.approx(0.005 * 300, rel=0.2)


def test_a_mosaic_copies_pieces_of_the_stated_length():
    # every training haplotype is distinguished by its own allele: founders 0 and 1 in turn
    training = np.repeat(np.array([[0, 1]]), 4000, axis=0).astype(np.int8)
    training = np.repeat(training, 500, axis=1)
    synthetic = mosaic(training, np.arange(4000) * 0.01, 0.5, np.random.default_rng(4))
    # half of the changes of source keep the allele
    changes = (synthetic[1:] != synthetic[:-1]).sum() / synthetic.shape[1]
    assert changes == pytest.approx(0.5 * 40 / 0.5, rel=0.1)


def test_a_markov_chain_keeps_short_words_and_forgets_long_ones(training):
    big = np.tile(training, 20)
    synthetic = markov(big, np.random.default_rng(5), order=3)
    words = {big[v : v + 4, i].tobytes() for v in (0, 100, 200) for i in range(120)}
    assert {synthetic[v : v + 4, i].tobytes() for v in (0, 100, 200) for i in range(2400)} == words
    near, far = np.arange(299), np.arange(270)
    real, contexts = r_squared(big), r_squared(synthetic)
    assert contexts[near, near + 1] == pytest.approx(real[near, near + 1], abs=0.1)
    assert contexts[far, far + 30].mean() < 0.2 * real[far, far + 30].mean()


def test_independent_sites_keep_counts_and_lose_linkage(training):
    synthetic = independent_sites(training, np.random.default_rng(6))
    np.testing.assert_array_equal(synthetic.sum(axis=1), training.sum(axis=1))
    near = np.arange(299)
    assert (
        r_squared(synthetic)[near, near + 1].mean()
        < 0.5 * r_squared(training)[near, near + 1].mean()
    )


def test_controls_stay_within_populations(training):
    split = training.copy()
    split[0] = np.repeat([0, 1], 60)  # a site that tells the populations apart
    fresh = 1 - split
    synthetic = make_known_generators(
        split, fresh, CM, np.repeat(["A", "B"], 30), np.random.default_rng(7)
    )
    assert synthetic.keys() == KNOWN_GENERATORS.keys()
    assert synthetic["fresh individuals"] is fresh
    for name in set(KNOWN_GENERATORS) - {"fresh individuals", "copy with mutations"}:
        np.testing.assert_array_equal(synthetic[name][0], split[0])
