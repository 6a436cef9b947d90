"""Interpolated Markov chains of all orders up to a longest one, as tables.

The chain of order k mixes what followed the last k bases with the chain of order k - 1:

    P_k(b | c) = (n(c, b) + e_k t(c) P_k-1(b | c')) / (n(c) + e_k t(c))

n counts, t(c) is how many different bases followed c, c' is c without its oldest base, and P_-1 is
uniform. e_k = 1 is Witten & Bell 1991, doi:10.1109/18.87000; here each order has an escape weight
of its own, chosen on validation sequences. Fewer than k usable bases before a position (the start,
or an unknown base, 4) lower the order there.
"""

import numpy as np

from genoloom.sequences import OTHER

ESCAPES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
# bits per base for which no longer context is kept: each base of it makes the tables four times
# larger
NEGLIGIBLE = 5e-4


def context_of_each_base(bases: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """The context of every base: the bases before it as one number, and how many of them can be
    used.

    Parameters
    ----------
    bases : ndarray, uint8, shape (n, length)
    longest : int

    Returns
    -------
    context : ndarray, int64, shape (n, length)
        Two bits per base, the last base lowest; the lowest 2 k bits are the context of order k.
    usable : ndarray, int64, shape (n, length)
        Bases before this one up to an unknown base (4) or the start, at most `longest`.
    """
    context = np.zeros(bases.shape, dtype=np.int64)
    usable = np.zeros(bases.shape, dtype=np.int64)
    mask = 4**longest - 1
    for i in range(1, bases.shape[1]):
        context[:, i], usable[:, i] = extend_context(
            context[:, i - 1], usable[:, i - 1], bases[:, i - 1], mask, longest
        )
    return context, usable


def extend_context(context, usable, base, mask: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Contexts one base further on: `context`, `usable` int64 (n,), `base` uint8 (n,)."""
    known = base != OTHER
    return ((context << 2) | (base & 3)) & mask, np.where(known, np.minimum(usable + 1, longest), 0)


def context_counts(bases: np.ndarray, longest: int) -> list[np.ndarray]:
    """n(c, b) of every order 0..longest, int64, shape (4**k, 4) each."""
    context, usable = context_of_each_base(bases, longest)
    counts = []
    for k in range(longest + 1):
        scored = (bases != OTHER) & (usable >= k)
        index = ((context[scored] & (4**k - 1)) << 2) | bases[scored]
        counts.append(np.bincount(index, minlength=4 ** (k + 1)).reshape(-1, 4))
    return counts


def compact(counts: np.ndarray) -> np.ndarray:
    """The same counts in the smallest unsigned integers that hold them, for a model file."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def _escape(counts: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Escape mass and total of each context (last axis bases); a context never seen escapes
    entirely.
    """
    mass = weight * (counts > 0).sum(axis=-1)
    total = counts.sum(axis=-1) + mass
    never = total == 0
    return np.where(never, 1.0, mass), np.where(never, 1.0, total)


def choose_escapes(
    counts: list[np.ndarray], validation: np.ndarray
) -> tuple[list[float], list[float]]:
    """The best escape weight of each order on validation sequences, lower orders first, and the
    bits per base then reached.

    Parameters
    ----------
    counts : list of ndarray
        From `context_counts` of the other sequences.
    validation : ndarray, uint8, shape (n, length)
    """
    context, usable = context_of_each_base(validation, len(counts) - 1)
    scored = validation != OTHER
    context, usable, base = context[scored], usable[scored], validation[scored]
    below = np.full(len(base), 0.25)
    escapes, bits = [], []
    for k, table in enumerate(counts):
        at = usable >= k
        observed = table[context & (4**k - 1)]  # (n, 4)
        hits = np.take_along_axis(observed, base[:, None].astype(np.int64), axis=1)[:, 0]
        best = (np.inf, 0.0, below)
        for weight in ESCAPES:
            mass, total = _escape(observed, weight)
            here = np.where(at, (hits + mass * below) / total, below)
            best = min(
                best, (float(-np.log2(here).mean()), weight, here), key=lambda trial: trial[0]
            )
        bits.append(best[0])
        escapes.append(best[1])
        below = best[2]
    return escapes, bits


def shortest_good_order(bits: list[float]) -> int:
    """The lowest order that is as good as the best one, up to `NEGLIGIBLE` bits per base."""
    return next(k for k, value in enumerate(bits) if value <= min(bits) + NEGLIGIBLE)


def probabilities(counts: list[np.ndarray], escapes: list[float]) -> list[np.ndarray]:
    """P_k(b | c) of every order, float64, shape (4**k, 4) each; rows sum to one."""
    tables, below = [], np.full((1, 4), 0.25)
    for k, (table, weight) in enumerate(zip(counts, escapes, strict=True)):
        if k > 0:
            # the oldest base is in the highest bits: c' = c mod 4**(k - 1)
            below = np.tile(below, (4, 1))
        mass, total = _escape(table, weight)
        below = (table + mass[:, None] * below) / total[:, None]
        tables.append(below)
    return tables


def base_log_probabilities(tables: list[np.ndarray], bases: np.ndarray) -> np.ndarray:
    """Natural-log probability of every base under the highest order it can have, float64 (n,
    length); 0 for an unknown base (4).
    """
    context, usable = context_of_each_base(bases, len(tables) - 1)
    result = np.zeros(bases.shape)
    for k, table in enumerate(tables):
        at = (usable == k) & (bases != OTHER)
        result[at] = np.log(table[context[at] & (4**k - 1), bases[at]])
    return result


def draw(probability: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Bases, uint8 (n,), at which the cumulated `probability` (n, 4) passes `uniform` (n,)."""
    cumulated = np.cumsum(probability, axis=1)
    return (cumulated[:, :3] <= uniform[:, None] * cumulated[:, 3:]).sum(axis=1).astype(np.uint8)
