"""The interpolated chain against a dictionary implementation."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from genoloom.models.sequence.chain import (
    base_log_probabilities,
    choose_escapes,
    context_counts,
    context_of_each_base,
    draw,
    probabilities,
)
from genoloom.sequences import encode


@pytest.fixture(scope="module")
def bases() -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = rng.choice(5, p=[0.3, 0.2, 0.2, 0.25, 0.05], size=(30, 40)).astype(np.uint8)
    rows[:, 30:] = 4
    return rows


def dictionary_probability(counts: Counter, escapes: list[float], context: str, base: str) -> float:
    """P_k(b | c) from counts of words, recursively."""
    below = 0.25 if context == "" else dictionary_probability(counts, escapes, context[1:], base)
    seen = {b: counts[context, b] for b in "ACGT"}
    mass = escapes[len(context)] * sum(n > 0 for n in seen.values())
    total = sum(seen.values()) + mass
    return below if total == 0 else (seen[base] + mass * below) / total


def test_likelihood_equals_the_dictionary(bases):
    order, escapes = 3, [0.5, 2.0, 4.0, 1.0]
    texts = ["".join("ACGTN"[b] for b in row) for row in bases]
    counts = Counter()
    for text in texts:
        for k in range(order + 1):
            for i in range(k, len(text)):
                if "N" not in text[i - k : i + 1]:
                    counts[text[i - k : i], text[i]] += 1
    tables = probabilities(context_counts(bases, order), escapes)
    found = base_log_probabilities(tables, bases)
    for row, text in enumerate(texts[:8]):
        for i, base in enumerate(text):
            context = text[max(0, i - order) : i].split("N")[-1]
            expected = (
                0.0
                if base == "N"
                else np.log(dictionary_probability(counts, escapes, context, base))
            )
            assert found[row, i] == pytest.approx(expected)


def test_tables_sum_to_one_and_so_do_all_sequences_of_length_three(bases):
    tables = probabilities(context_counts(bases, 4), [1.0, 2.0, 8.0, 0.5, 4.0])
    for table in tables:
        np.testing.assert_allclose(table.sum(axis=1), 1)
    every = np.array(list(product(range(4), repeat=3)), dtype=np.uint8)
    assert np.exp(base_log_probabilities(tables, every).sum(axis=1)).sum() == pytest.approx(1)


def test_history_holds_the_bases_since_the_last_unknown_one():
    contexts_found, usable = context_of_each_base(encode(b"ACNGTA")[None], 2)
    assert usable[0].tolist() == [0, 1, 2, 0, 1, 2]
    assert contexts_found[0, 5] == 2 * 4 + 3  # G, T


def test_escapes_are_the_best_of_the_grid_for_the_first_order(bases):
    counts = context_counts(bases[:20], 1)
    escapes, bits = choose_escapes(counts, bases[20:])
    for weight in (0.5, 4.0, 64.0):
        tables = probabilities(counts[:1], [weight])
        scored = (bases[20:] != 4).sum()
        assert (
            -base_log_probabilities(tables, bases[20:]).sum() / np.log(2) / scored
            >= bits[0] - 1e-12
        )
    assert len(escapes) == len(bits) == 2


def test_draw_inverts_the_cumulated_probability():
    p = np.array([[0.25, 0.0, 0.5, 0.25]] * 4)
    assert draw(p, np.array([0.0, 0.2499, 0.25, 0.75])).tolist() == [0, 0, 2, 3]
