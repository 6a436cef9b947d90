"""Compiled loops of the copying network: rows against all templates, block by block.

Rows go in batches of `LANES` of one population. Each array's last axis is the rows of a batch, so
that every loop over it is a few vector instructions, no number crosses from one row to another, and
a row's result does not depend on its company.

Letters in shapes: N templates (ordered by population), U distinct blocks of the templates at one
place, the C codes first, S recurrent heads, G lengths of match, R = LANES, L sites a block, F
features of a code, H hidden units.
"""

import logging

import numba
import numpy as np

log = logging.getLogger(__name__)

LANES = 16
LONGEST = 30_000  # sites, where the count of matching sites ends
FLOOR, SHIFT = 1e-6, 7.0  # log(weight + FLOOR) + SHIFT is a feature
LEAST_ERROR, MOST_ERROR = 1e-6, 0.4  # chance that an allele differs from its code
TINY = 1e-12  # chance of the flips of a block is at least this, so that weights do not vanish


def _jit(function):
    """Compile on first use and keep the machine code on disk; without a place to write to, compile
    in each process.
    """
    settings = {
        "nogil": True,
        "fastmath": {"contract"},
        "error_model": "numpy",
        "boundscheck": False,
    }
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # no folder that can be written to
        log.info("no place to keep compiled code; set NUMBA_CACHE_DIR to one")
        return numba.njit(function, **settings)


@_jit
def _bits(x):
    """Ones among 32 bits (Warren 2012, Hacker's Delight, 5-1)."""
    x = x - ((x >> np.uint32(1)) & np.uint32(0x55555555))
    x = (x & np.uint32(0x33333333)) + ((x >> np.uint32(2)) & np.uint32(0x33333333))
    x = (x + (x >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return (x * np.uint32(0x01010101) >> np.uint32(24)) & np.uint32(0x3F)  # numba multiplies in 64 bits


@_jit
def _read(ids, row, called, power, keep, L, P, agree, scale):
    """What each distinct block makes of the rows: factors of the weights, (U, S, R), and matching
    sites at its end, (U, R).
    """
    U, S = len(ids), power.shape[0]
    total = np.full((S, LANES), np.float32(1e-30))
    for u in range(U):
        for r in range(LANES):
            x = (ids[u] ^ row[r]) & called[r]
            same = L  # matching sites at the end
            while same > 0 and x >> np.uint32(L - same):
                same -= 1
            agree[u, r] = LONGEST if x == 0 else same
            n = _bits(x)
            for s in range(S):
                scale[u, s, r] = power[s, n]
        for s in range(S):
            for r in range(LANES):
                total[s, r] += scale[u, s, r] * P[u, s, r]
    for s in range(S):
        for r in range(LANES):
            total[s, r] = keep[s] / total[s, r]
    for u in range(U):
        for s in range(S):
            for r in range(LANES):
                scale[u, s, r] *= total[s, r]


@_jit
def _pass(w, m, scale, agree, now, following, C, jump, grade, L, P, counts):
    """One pass over templates of one kind: take in the present block, and add up by the next one."""
    for j in range(len(now)):
        u, v = now[j], following[j]
        wj, pv, au = w[j], P[v], scale[u]
        for i in range(w.shape[1]):
            x = wj[i] * au[i] + jump[i]
            wj[i] = x
            pv[i] += x
        mj, bu, cv = m[j], agree[u], counts[min(v, C)]
        for r in range(LANES):
            mj[r] = min(mj[r] + L, bu[r])
        for r in range(LANES):
            cv[grade[mj[r]], r] += 1


@_jit
def advance(
    w, m, P, counts, own, span, row, called, ids, now, n_next, following, C, power, prior, rate, grade, L, start
):  # fmt: skip
    """Take block t of the rows in, and add up what is known of block t + 1.

    Parameters
    ----------
    w, m : float32 (B, N, S, R), uint16 (B, N, R)
        Weight of each template, and the sites up to here on which it equals the row; changed.
    P, counts : float32 (B, >= U, S, R), int32 (B, 2, > C, G, R)
        Weights by distinct block, and templates by code (the last: no code) and grade of match, of
        other populations and of the row's own; of block t, changed to those of block t + 1.
    own : int64 (B, R, 2)
        Templates of the row's own individual, who is nobody to it; -1 for none.
    span : int64 (B, 2)
        Templates of the batch's population.
    row, called : uint32 (B, R)
        Alleles of the rows in block t, one bit a site, and which are called.
    ids : uint32 (U,); now, following : uint16 (N,)
        Distinct blocks at t; which one each template has at t and at t + 1.
    n_next, C : int
        Distinct blocks and codes at t + 1.
    power : float32 (S, L + 1)
        Chance of so many flips, by head.
    prior : float32 (B, 2)
        Weight of a template of another and of the own population after a switch.
    rate : float32 (S,)
        Chance of a switch a block.
    grade : uint8 (LONGEST + L + 1,)
        Of matching sites: index of the longest length that they reach.
    start : bool
        Nothing precedes: what rows and templates have at t is of no account.
    """
    B, N, S, _ = w.shape
    U = len(ids)
    scale = np.empty((U, S, LANES), np.float32)
    agree = np.zeros((U, LANES), np.uint16)
    jump = np.empty((2, S, LANES), np.float32)
    keep = np.float32(1) - rate
    for b in range(B):
        if start:
            scale[:] = 0
            jump[0], jump[1] = prior[b, 0], prior[b, 1]
            m[b] = 0
            w[b] = 0
        else:
            _read(ids, row[b], called[b], power, keep, L, P[b], agree, scale)
            for s in range(S):
                jump[0, s], jump[1, s] = rate[s] * prior[b, 0], rate[s] * prior[b, 1]
        P[b, :n_next] = 0
        counts[b] = 0
        wb, pb = w[b].reshape(N, S * LANES), P[b].reshape(-1, S * LANES)
        table = scale.reshape(U, S * LANES)
        low, high = span[b]
        for kind, first, stop in ((0, 0, low), (1, low, high), (0, high, N)):
            _pass(
                wb[first:stop], m[b, first:stop], table, agree, now[first:stop], following[first:stop], C,
                jump[kind].reshape(S * LANES), grade, L, pb, counts[b, kind],
            )  # fmt: skip
        for r in range(LANES):
            for j in own[b, r]:
                if j < 0:
                    continue
                v = following[j]
                for s in range(S):
                    P[b, v, s, r] = max(P[b, v, s, r] - w[b, j, s, r], np.float32(0))
                    w[b, j, s, r] = 0
                kind = int(span[b, 0] <= j < span[b, 1])
                counts[b, kind, min(v, C), grade[m[b, j, r]], r] -= 1


@_jit
def _features(P, counts, C, logs, f, h, others):
    """Features of the codes of one batch, f (F, C, R), of its rows, h (2 G, R), and others who
    carry each code, (C, R).
    """
    S, G = P.shape[1], counts.shape[2]
    tot = np.zeros((2, G, LANES), np.int32)
    so_far = np.empty((2, LANES), np.int32)
    for c in range(C + 1):
        so_far[:] = 0
        for g in range(G - 1, -1, -1):
            for r in range(LANES):
                so_far[1, r] += counts[1, c, g, r]
                so_far[0, r] += counts[0, c, g, r] + counts[1, c, g, r]
                tot[0, g, r] += so_far[0, r]
                tot[1, g, r] += so_far[1, r]
            if c < C:
                for r in range(LANES):
                    f[g, c, r] = logs[so_far[0, r]]
                    f[G + g, c, r] = logs[so_far[1, r]]
        if c < C:
            for r in range(LANES):
                others[c, r] = so_far[0, r]
    for g in range(G):
        for r in range(LANES):
            h[g, r] = logs[tot[0, g, r]]
            h[G + g, r] = logs[tot[1, g, r]]
    for c in range(C):
        for s in range(S):
            for r in range(LANES):
                f[2 * G + s, c, r] = np.log(P[c, s, r] + np.float32(FLOOR)) + np.float32(SHIFT)


@_jit
def features(P, counts, C, logs):
    """Of every batch: f (B, F, C, R), h (B, 2 G, R), others (B, C, R); see `_features`. logs[n] =
    log(1 + n).
    """
    B, S, G = len(P), P.shape[2], counts.shape[3]
    f = np.empty((B, 2 * G + S, C, LANES), np.float32)
    h = np.empty((B, 2 * G, LANES), np.float32)
    others = np.empty((B, C, LANES), np.float32)
    for b in range(B):
        _features(P[b], counts[b], C, logs, f[b], h[b], others[b])
    return f, h, others


@_jit
def _layer(weight, bias, x, z):
    """z (H, n) = hard swish of weight (H, F) @ x (F, n) + bias (H, R), which is repeated; F a
    multiple of 4.
    """
    H, F = weight.shape
    n = x.shape[1]
    for k in range(H):
        zk = z[k]
        for first in range(0, n, LANES):
            for r in range(LANES):
                zk[first + r] = bias[k, r]
        for i in range(0, F, 4):
            a0, a1, a2, a3 = weight[k, i], weight[k, i + 1], weight[k, i + 2], weight[k, i + 3]
            x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
            for q in range(n):
                zk[q] += a0 * x0[q] + a1 * x1[q] + a2 * x2[q] + a3 * x3[q]
        for q in range(n):
            v = zk[q]
            gate = min(max(v + np.float32(3), np.float32(0)), np.float32(6))
            zk[q] = v * gate * np.float32(1 / 6)


@_jit
def logits(P, counts, C, logs, carriers, w_code, w_row, b_row, w_hidden, b_hidden, w_out, w_linear):
    """Unnormalised log-chance of each code for each row, float32 (B, C, R); -inf where fewer than
    `carriers` others have it.
    """
    B, S, G = len(P), P.shape[2], counts.shape[3]
    F, H = 2 * G + S, len(w_code)
    wide = w_code.shape[1]  # F filled up to a multiple of 4
    out = np.empty((B, C, LANES), np.float32)
    f = np.zeros((wide, C, LANES), np.float32)
    h = np.empty((2 * G, LANES), np.float32)
    others = np.empty((C, LANES), np.float32)
    row = np.empty((H, LANES), np.float32)
    flat = np.repeat(b_hidden, LANES).reshape(H, LANES)
    z1, z2 = np.empty((H, C * LANES), np.float32), np.empty((H, C * LANES), np.float32)
    x = f.reshape(wide, C * LANES)
    for b in range(B):
        _features(P[b], counts[b], C, logs, f[:F], h, others)
        for k in range(H):
            for r in range(LANES):
                row[k, r] = b_row[k]
            for i in range(2 * G):
                for r in range(LANES):
                    row[k, r] += w_row[k, i] * h[i, r]
        _layer(w_code, row, x, z1)
        _layer(w_hidden, flat, z1, z2)
        y = out[b].reshape(C * LANES)
        base = x[2 * G]
        for q in range(C * LANES):
            y[q] = base[q]
        for k in range(H):
            for q in range(C * LANES):
                y[q] += w_out[k] * z2[k, q]
        for i in range(F):
            for q in range(C * LANES):
                y[q] += w_linear[i] * x[i, q]
        for r in range(LANES):
            most = np.float32(0)
            for c in range(C):
                most = max(most, others[c, r])
            least = min(most, np.float32(carriers))
            for c in range(C):
                if others[c, r] < least:
                    out[b, c, r] = -np.inf
    return out


@_jit
def chances(row, called, ids, C, differs, strays, index, own, spare):
    """Chance of each row's alleles in a block given each code, float64 (B, C, R).

    An allele differs from its code with a small chance, counted where templates differ from their
    nearest code. Missing alleles drop out.

    Parameters
    ----------
    row, called : uint32 (B, R); ids, strays : uint32 (U,); index : uint16 (N,); own : int64 (B, R,
    2)
        See `advance` and `genoloom.models.haplotype.templates.BlockTable`.
    differs : int64 (L,)
        Templates that differ from their nearest code.
    spare : float
        Templates added to them.
    """
    B, L = len(row), len(differs)
    out = np.empty((B, C, LANES), np.float64)
    odds = np.empty(L, np.float64)
    for b in range(B):
        for r in range(LANES):
            n = len(index)
            for site in range(L):
                odds[site] = differs[site] + spare
            for j in own[b, r]:
                if j < 0:
                    continue
                n -= 1
                for site in range(L):
                    odds[site] -= (strays[index[j]] >> np.uint32(site)) & np.uint32(1)
            equal = 1.0  # chance that no called allele differs
            for site in range(L):
                error = min(max(odds[site] / n, LEAST_ERROR), MOST_ERROR)
                odds[site] = error / (1 - error)
                if (called[b, r] >> np.uint32(site)) & np.uint32(1):
                    equal *= 1 - error
            for c in range(C):
                x = (row[b, r] ^ ids[c]) & called[b, r]
                chance = equal
                for site in range(L):
                    if (x >> np.uint32(site)) & np.uint32(1):
                        chance *= odds[site]
                out[b, c, r] = chance
    return out
