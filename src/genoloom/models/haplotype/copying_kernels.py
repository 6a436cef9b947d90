"""Compiled loops of the copying network: rows against all templates, block by block.

Rows go in batches of `LANES` of one population, so that loops over the lanes are a few vector
instructions. No number crosses from one row to another: a row's result does not depend on its
company. Batches go one after the other, each through many blocks, so that a batch's weights stay
in the processor's cache.

Letters in shapes: B batches, R = LANES rows of a batch, N templates (ordered by population), K
consecutive blocks, U distinct blocks of the templates at one position, the C tokens first, S
recurrent heads, G lengths of match, L sites per block.
"""

from typing import NamedTuple

import numpy as np

from genoloom.models.haplotype.compiled import jit
from genoloom.models.haplotype.copying_matches import LONGEST, Matches, begin, ends, follow

LANES = 16
# recurrent heads: rates of switches per block and of mutations per site; the last one remembers
# whom a row is like
HEADS = ((0.02, 1e-3), (0.1, 1e-3), (0.1, 3e-2), (0.01, 0.3))
S = len(HEADS)
WIDE = S * LANES
FORGET = np.float32(0.25)  # share of the mean of log-chances that each block replaces
# matching sites that are counted, in blocks
MATCHES = (0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 48, 96)
LEAST_ERROR, MOST_ERROR = 1e-6, 0.4  # chance that an allele differs from its token
TINY = 1e-12  # chance of the mutations of a block is at least this, so that weights do not vanish


class Rows(NamedTuple):
    """Rows in batches.

    Attributes
    ----------
    weights : ndarray, float32, shape (B, N, S * R)
        Of each template, by head.
    by_block : ndarray, float32, shape (B, >= U, S * R)
        Sums of these over the templates of each distinct block at the present block.
    own_by_block : ndarray, float32, shape (B, >= U, S * R)
        The same over the templates of the row's population.
    log_probability : ndarray, float32, shape (B, 2, S * R)
        Log-chance of the last block by each head, and its mean over the last few.
    matches : Matches
    own : ndarray, int64, shape (B, R, 2)
        Templates of the row's own individual, who is nobody to it; -1 for none.
    population, slot, first, stop : ndarray, int64, shape (B,)
        Of the batch: its population, this one's slot (0: not known, or nobody's), and its
        templates.
    """

    weights: np.ndarray
    by_block: np.ndarray
    own_by_block: np.ndarray
    log_probability: np.ndarray
    matches: Matches
    own: np.ndarray
    population: np.ndarray
    slot: np.ndarray
    first: np.ndarray
    stop: np.ndarray


class Rules(NamedTuple):
    """What is the same at every block.

    Attributes
    ----------
    power : ndarray, float32, shape (S, L + 1)
        Chance of this many mutations, by head.
    rate : ndarray, float32, shape (S,)
        Chance of a switch a block.
    shares : ndarray, float32, shape (P + 1, 2)
        By slot: weight of a template of another and of the own population after a switch.
    lengths, whole, rest : ndarray, int64, shape (G,)
        Matching sites that are counted; as whole blocks, and sites alongside.
    logs : ndarray, float32, shape (N + 1,)
        log(1 + n); that of 0 where n templates are too few to be counted.
    """

    power: np.ndarray
    rate: np.ndarray
    shares: np.ndarray
    lengths: np.ndarray
    whole: np.ndarray
    rest: np.ndarray
    logs: np.ndarray


@jit
def _bits(x):
    """Ones among 32 bits (Warren 2012, Hacker's Delight, 5-1)."""
    x = x - ((x >> np.uint32(1)) & np.uint32(0x55555555))
    x = (x & np.uint32(0x33333333)) + ((x >> np.uint32(2)) & np.uint32(0x33333333))
    x = (x + (x >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    # numba multiplies in 64 bits
    return (x * np.uint32(0x01010101) >> np.uint32(24)) & np.uint32(0x3F)


@jit
def _read(ids, row, called, rules, P, scale, log_probability):
    """What each distinct block makes of the weights of the rows of a batch: factors, (U, S R);
    and the chance of the block, in `log_probability` (2, S R).
    """
    keep = np.float32(1) - rules.rate
    total = np.full(WIDE, np.float32(1e-30))
    for u in range(len(ids)):
        for r in range(LANES):
            n = _bits((ids[u] ^ row[r]) & called[r])
            for s in range(S):
                scale[u, s * LANES + r] = rules.power[s, n]
        for i in range(WIDE):
            total[i] += scale[u, i] * P[u, i]
    for s in range(S):
        for r in range(LANES):
            i = s * LANES + r
            log_probability[0, i] = np.log(total[i])
            log_probability[1, i] += FORGET * (log_probability[0, i] - log_probability[1, i])
            total[i] = keep[s] / total[i]
    for u in range(len(ids)):
        for i in range(WIDE):
            scale[u, i] *= total[i]


@jit
def _pass(w, scale, now, following, jump, P):
    """Take the present block in, and add up by the next one: templates of one kind."""
    for j in range(len(now)):
        u, v = now[j], following[j]
        for i in range(WIDE):
            x = w[j, i] * scale[u, i] + jump[i]
            w[j, i] = x
            P[v, i] += x


@jit
def _known(row, called, full, ids, P, r):
    """A row's block, and whether it is known: missing alleles are taken from the version of it that
    has most weight, if this has more than all others that fit.
    """
    if called & full == full:
        return row & full, True
    best, most, total = np.uint32(0), np.float32(0), np.float32(0)
    for u in range(len(ids)):
        if (ids[u] ^ row) & called == 0:
            total += P[u, r]
            if P[u, r] > most:
                best, most = ids[u], P[u, r]
    return best, most > np.float32(0.5) * total


@jit
def _match(b, rows, x, known, tables, k, before, n_slots, rules, L, found):
    """Take the present block of a batch into what of the templates equals its rows. before : where
    the block's counts begin in `tables.before`.
    """
    m, C, N = rows.matches, tables.n_tokens[k], tables.index.shape[1]
    begins, stops = tables.begins[k], tables.begins[k + 1]
    width = stops - begins + 1
    column = (begins + k) * n_slots
    for r in range(LANES):
        i, u = -1, 0
        if known[r]:
            i = ends(x[r], L, rules.rest, tables.ids, tables.ranked, begins, stops, found)
            u = tables.ranked[begins + max(i, 0)]
        follow(
            m,
            b,
            r,
            0,
            0,
            i,
            u,
            known[r],
            found,
            rules.whole,
            rules.rest,
            tables,
            k,
            C,
            before,
            column,
            0,
            N,
        )
        slot = rows.slot[b]
        if slot > 0:
            follow(
                m, b, r, 1, 1, i, u, known[r], found, rules.whole, rules.rest, tables, k, C,
                before + (N + 1) * C,
                column + slot * width, rows.first[b], rows.stop[b],
            )  # fmt: skip
        for z in range(2):
            j = rows.own[b, r, z]
            if j < 0:
                continue
            differs = tables.ids[begins + tables.index[k, j]] ^ x[r]
            if not known[r]:
                m.own[b, r, z] = 0
            elif differs == 0:
                m.own[b, r, z] = min(m.own[b, r, z] + L, LONGEST)
            else:
                n = 0
                while not (differs >> np.uint32(L - 1 - n)) & np.uint32(1):
                    n += 1
                m.own[b, r, z] = n


@jit
def _weigh(b, rows, tables, k, scale, jump, following, n_next):
    """The pass over all templates for a batch, who leaves the rows' own individuals out."""
    w, P, Q, now = rows.weights[b], rows.by_block[b], rows.own_by_block[b], tables.index[k]
    first, stop = rows.first[b], rows.stop[b]
    P[:n_next] = 0
    _pass(w[first:stop], scale, now[first:stop], following[first:stop], jump[1], P)
    for v in range(n_next):  # an assignment of slices takes seconds to compile
        for i in range(WIDE):
            Q[v, i] = P[v, i]
    _pass(w[:first], scale, now[:first], following[:first], jump[0], P)
    _pass(w[stop:], scale, now[stop:], following[stop:], jump[0], P)
    for r in range(LANES):
        for j in rows.own[b, r]:
            if j < 0:
                continue
            v = following[j]
            for s in range(S):
                i = s * LANES + r
                P[v, i] = max(P[v, i] - w[j, i], np.float32(0))
                if first <= j < stop:
                    Q[v, i] = max(Q[v, i] - w[j, i], np.float32(0))
                w[j, i] = 0


@jit
def start(rows, tables, rules):
    """Nothing precedes the first of `tables`."""
    N = tables.index.shape[1]
    scale = np.zeros((tables.begins[1], WIDE), np.float32)
    jump = np.empty((2, WIDE), np.float32)
    for b in range(len(rows.slot)):
        for r in range(LANES):
            begin(rows.matches, b, r, 0, 0, N)
            begin(rows.matches, b, r, 1, rows.first[b], rows.stop[b])
        jump[0], jump[1] = rules.shares[rows.slot[b]]
        rows.weights[b] = 0
        rows.log_probability[b] = 0
        _weigh(b, rows, tables, np.int64(0), scale, jump, tables.index[0], tables.begins[1])


@jit
def advance(b, rows, row, called, tables, k, before, n_slots, rules, L, workspace):
    """Take block k of a batch in, and add up what is known of block k + 1."""
    full = np.uint32((np.uint64(1) << np.uint64(L)) - np.uint64(1))
    ids = tables.ids[tables.begins[k] : tables.begins[k + 1]]
    for r in range(LANES):
        workspace.x[r], workspace.known[r] = _known(
            row[r], called[r], full, ids, rows.by_block[b], r
        )
    _match(
        b, rows, workspace.x, workspace.known, tables, k, before, n_slots, rules, L, workspace.found
    )
    _read(ids, row, called, rules, rows.by_block[b], workspace.scale, rows.log_probability[b])
    for z in range(2):
        share = rules.shares[rows.slot[b], z]
        for s in range(S):
            for r in range(LANES):
                workspace.jump[z, s * LANES + r] = rules.rate[s] * share
    _weigh(
        b,
        rows,
        tables,
        k,
        workspace.scale,
        workspace.jump,
        tables.index[k + 1],
        tables.begins[k + 2] - tables.begins[k + 1],
    )
