"""How many templates equal a row on its last sites: intervals of their positional Burrows-Wheeler
order (Durbin 2014, doi:10.1093/bioinformatics/btu014), block by block.

Before each block the templates are in the order of their past, read backwards. Those that equal a
row on its last sites then are side by side, for every number of sites, and what they carry next
is a difference of two rows of a table. So a row's counts cost nothing that grows with the
templates.

Two orders are kept: that of all templates, and that within each population, one population after
the other. A *slot* is all templates (0) or a population (from 1 on).

Letters in shapes: N templates, P populations, U distinct blocks at one position, the C tokens
first, G lengths of match, R rows of a batch, L sites per block, D intervals.
"""

from typing import NamedTuple

import numpy as np

from genoloom.models.haplotype.compiled import jit

DEEPEST = 96  # blocks; longer matches count as such
N_INTERVALS = DEEPEST + 2
LONGEST = 30_000  # sites, where the count of matching sites ends


class TableArrays(NamedTuple):
    """Consecutive blocks; tables of one kind lie end to end in one array.

    Attributes
    ----------
    ids : ndarray, uint32, shape (sum of U,)
        Alleles of the distinct blocks.
    begins : ndarray, int64, shape (K + 1,)
        Where the entries of each block begin.
    n_tokens : ndarray, int64, shape (K,)
    index : ndarray, uint16, shape (K, N)
        Which of them each template has.
    ranked : ndarray, uint16, shape (sum of U,)
        The distinct blocks in rising order of their alleles read as a number, the last site first.
    cumulative : ndarray, int32, flat (K, P + 1, U + 1)
        By slot: where in the order after the block the templates begin whose block has this rank.
    before : ndarray, uint16, flat (K, 2, N + 1, C)
        How many of the first templates of each order carry each token.
    came : ndarray, uint16, shape (K, 2, N)
        Positions of the templates before the block, in the order after it.
    groups : ndarray, uint16, flat (K, M, U)
        Numbers of the groups of distinct blocks that are equal on some of the sites, by which ones.
    about : ndarray, float32, shape (K, A)
        Of the block itself: logarithms of the number of tokens, of one more than the templates that
        have none, and of the runs of equal blocks in both orders; and entropy of the tokens, nats.
    """

    ids: np.ndarray
    begins: np.ndarray
    n_tokens: np.ndarray
    index: np.ndarray
    ranked: np.ndarray
    cumulative: np.ndarray
    before: np.ndarray
    came: np.ndarray
    groups: np.ndarray
    about: np.ndarray


class Matches(NamedTuple):
    """What of the templates equals each row up to here; the first axes are batch, row of it, and
    all templates or its population's.

    Attributes
    ----------
    low, high : ndarray, int32, shape (B, R, 2, D)
        Intervals, each within the one before.
    reach : ndarray, int32, shape (B, R, 2, D)
        Whole blocks on which the templates of each equal the row.
    size : ndarray, int32, shape (B, R, 2)
        Number of intervals.
    part : ndarray, int32, shape (B, R, 2, 2)
        Interval of the templates that equal the last block's end.
    at : ndarray, int32, shape (B, R, 2, G, 2)
        Interval by length of match.
    own : ndarray, int64, shape (B, R, 2)
        Matching sites of the templates of the row's own individual.
    """

    low: np.ndarray
    high: np.ndarray
    reach: np.ndarray
    size: np.ndarray
    part: np.ndarray
    at: np.ndarray
    own: np.ndarray

    @classmethod
    def none(cls, n_batches: int, lanes: int, n_lengths: int) -> "Matches":
        """Of rows of which nothing is known."""
        shape = (n_batches, lanes, 2)
        many = [np.zeros((*shape, N_INTERVALS), dtype=np.int32) for _ in range(3)]
        few = [np.zeros((*shape, *more), dtype=np.int32) for more in ((), (2,), (n_lengths, 2))]
        return cls(*many, *few, np.zeros(shape, dtype=np.int64))


@jit
def tabulate(index, rank, population, order, cumulative, before, came, after, runs):
    """Fill in the tables of a block, and the order after it.

    Parameters
    ----------
    index : uint16 (N,); rank : uint16 (U,); population : int64 (N,), rising
    order, after : int64 (2, N)
        Templates before and after the block.
    after : int32 (P + 1, U + 1); before : uint16 (2, N + 1, C); came : uint16 (2, N)
    runs : int64 (2,)
        Of neighbours in each order that have the same block.
    """
    N, C = len(index), before.shape[2]
    cumulative[:] = 0
    for j in range(N):
        i = rank[index[j]]
        cumulative[0, i + 1] += 1
        cumulative[1 + population[j], i + 1] += 1
    first = 0
    for slot in range(len(cumulative)):
        cumulative[slot, 0] = first if slot > 0 else 0
        for i in range(1, cumulative.shape[1]):
            cumulative[slot, i] += cumulative[slot, i - 1]
        first = cumulative[slot, -1] if slot > 0 else 0
    free = cumulative.copy()
    for z in range(2):
        before[z, 0] = 0
        runs[z] = 1
        for t in range(N):
            j = order[z, t]
            u = index[j]
            runs[z] += t > 0 and u != index[order[z, t - 1]]
            slot = 1 + population[j] if z == 1 else 0
            q = free[slot, rank[u]]
            free[slot, rank[u]] += 1
            came[z, q] = t
            after[z, q] = j
            for c in range(C):
                before[z, t + 1, c] = before[z, t, c]
            if u < C:
                before[z, t + 1, u] += 1


@jit
def begin(m, b, r, z, first, stop):
    """Nothing is known of a row: every template equals it on no site, none on more."""
    m.at[b, r, z] = 0
    m.at[b, r, z, 0, 0], m.at[b, r, z, 0, 1] = first, stop
    m.low[b, r, z, 0], m.high[b, r, z, 0], m.reach[b, r, z, 0] = first, stop, 0
    m.size[b, r, z] = 1
    m.part[b, r, z] = 0
    m.own[b, r, z] = 0


@jit
def _rank(ids, ranked, begin, stop, x):
    """Distinct blocks, of those from `begin` to `stop`, that are less than x."""
    first, last = begin, stop
    while first < last:
        middle = (first + last) // 2
        if np.int64(ids[begin + ranked[middle]]) < x:
            first = middle + 1
        else:
            last = middle
    return first - begin


@jit
def ends(x, L, rest, ids, ranked, begin, stop, found):
    """For each length that ends within a block, the distinct blocks that equal block x on its last
    sites: from which rank to which, found (G, 2). Returns the rank of x, or -1 if it is none.
    """
    x = np.int64(x)
    for g in range(len(rest)):
        n = rest[g]
        if n > 0:
            if g > 0 and rest[g - 1] == n:
                found[g, 0], found[g, 1] = found[g - 1, 0], found[g - 1, 1]
                continue
            mask = (np.int64(1) << (L - n)) - 1
            found[g, 0] = _rank(ids, ranked, begin, stop, x & ~mask)
            found[g, 1] = _rank(ids, ranked, begin, stop, (x | mask) + 1)
    i = _rank(ids, ranked, begin, stop, x)
    return i if begin + i < stop and np.int64(ids[begin + ranked[begin + i]]) == x else -1


@jit
def _follow(t, u, C, before, row, first, came, k, o, low, high):
    """Where the templates that carry block u, and come before position t, end after it.

    before : flat, of which the order's part begins at `row`; first : where the slot begins before
    the block; low, high : where the templates with this block begin and end after it.
    """
    if u < C:
        return low + np.int32(before[row + t * C + u]) - np.int32(before[row + first * C + u])
    while low < high:
        middle = (low + high) // 2
        if came[k, o, middle] < t:
            low = middle + 1
        else:
            high = middle
    return low


@jit
def follow(m, b, r, z, o, i, u, known, found, whole, rest, tables, k, C, row, column, first, stop):
    """Take a row's block in, by one slot.

    Parameters
    ----------
    b, r, z : int
        The row, and its place in `Matches`; changed.
    o : int
        Order: of all templates (0), or within populations.
    i, u : int
        Rank of the row's block among the distinct ones (-1: it is none), and its number.
    known, found
        Whether the row's alleles are known, and see `ends`.
    whole, rest : int64 (G,)
        Lengths that are asked for, rising: whole blocks, and sites alongside.
    row, column : int
        Where the order's counts begin in `tables.before`, and the slot's in `tables.cumulative`.
    first, stop : int
        Where the slot begins and ends.
    """
    low, high, reach = m.low, m.high, m.reach
    before, cumulative, came = tables.before, tables.cumulative, tables.came
    more0, more1 = np.int32(0), np.int32(0)  # that equal this block, and the end of the one before
    last = 0
    if i >= 0:
        x0, x1, size = cumulative[column + i], cumulative[column + i + 1], m.size[b, r, z]
        more0 = _follow(m.part[b, r, z, 0], u, C, before, row, first, came, k, o, x0, x1)
        more1 = _follow(m.part[b, r, z, 1], u, C, before, row, first, came, k, o, x0, x1)
        old0, old1 = np.int32(-1), np.int32(-1)  # neighbours often share an end
        new0, new1 = old0, old1
        for e in range(size - 1, -1, -1):
            if low[b, r, z, e] != old0:
                old0 = low[b, r, z, e]
                new0 = _follow(old0, u, C, before, row, first, came, k, o, x0, x1)
            if high[b, r, z, e] != old1:
                old1 = high[b, r, z, e]
                new1 = _follow(old1, u, C, before, row, first, came, k, o, x0, x1)
            low[b, r, z, e + 1], high[b, r, z, e + 1] = new0, new1
            reach[b, r, z, e + 1] = min(reach[b, r, z, e] + 1, DEEPEST)
        low[b, r, z, 0], high[b, r, z, 0], reach[b, r, z, 0] = first, stop, 0
        for e in range(1, size + 1):
            if low[b, r, z, e] == high[b, r, z, e]:
                break
            if low[b, r, z, e] != low[b, r, z, last] or high[b, r, z, e] != high[b, r, z, last]:
                last += 1
                low[b, r, z, last], high[b, r, z, last] = low[b, r, z, e], high[b, r, z, e]
            reach[b, r, z, last] = reach[b, r, z, e]
    else:
        low[b, r, z, 0], high[b, r, z, 0], reach[b, r, z, 0] = first, stop, 0
    m.size[b, r, z] = last + 1
    e = 0
    for g in range(len(whole)):
        x0, x1 = np.int32(0), np.int32(0)
        if rest[g] == 0:
            while e <= last and reach[b, r, z, e] < whole[g]:
                e += 1
            if e <= last:
                x0, x1 = low[b, r, z, e], high[b, r, z, e]
        elif whole[g] == 1:
            x0, x1 = more0, more1
            m.part[b, r, z] = 0
            if known:
                m.part[b, r, z, 0] = cumulative[column + found[g, 0]]
                m.part[b, r, z, 1] = cumulative[column + found[g, 1]]
        elif known:
            x0, x1 = cumulative[column + found[g, 0]], cumulative[column + found[g, 1]]
        m.at[b, r, z, g, 0], m.at[b, r, z, g, 1] = x0, x1
