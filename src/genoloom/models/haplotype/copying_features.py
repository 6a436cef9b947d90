"""Compiled loops of the copying network: features of tokens, their chances, and draws.

Letters in shapes as in `copying_kernels`; F features of a token, H hidden units.
"""

import math
from typing import NamedTuple

import numpy as np

from genoloom.models.haplotype.compiled import jit
from genoloom.models.haplotype.copying_kernels import (
    LANES,
    LEAST_ERROR,
    MATCHES,
    MOST_ERROR,
    WIDE,
    S,
    advance,
)

G = len(MATCHES)
M, A = 7, 5  # parts of a block, and features of it (`copying_matches.TableArrays`)
PARTED = 1  # head whose weights are added up by parts
# first features of a token that are weights: of heads, of the own population, by parts
OF_HEAD, OF_OWN, OF_PART = 2 * G, 2 * G + S, 2 * G + 2 * S
N_TOKEN, N_ROW = OF_PART + M, 2 * G + 2 * S + A
FLOOR, SHIFT = 1e-6, 7.0  # log(weight + FLOOR) + SHIFT is a feature
ROOT = np.int32(0x3F3504F3)  # bits of sqrt(1/2)


@jit
def _log(x):
    """Logarithms of weights, float32 (n,), in place: that of a number near 1 as a series, next to
    its exponent (as logarithms of 32 bits are taken; all lanes at once, which a library's are not).
    """
    bits = x.view(np.int32)
    for q in range(len(x)):
        x[q] += np.float32(FLOOR)
        e = (bits[q] - ROOT) >> 23
        bits[q] -= e << 23
        m = x[q]  # from sqrt(1/2) to sqrt(2)
        s = (m - np.float32(1)) / (m + np.float32(1))
        z = s * s
        tail = z * (np.float32(2 / 5) + z * (np.float32(2 / 7) + z * np.float32(2 / 9)))
        series = s * (np.float32(2) + z * np.float32(2 / 3) + z * tail)
        x[q] = np.float32(e) * np.float32(math.log(2)) + series + np.float32(SHIFT)


@jit
def _leave_out(b, r, rows, tables, k, before, rules, f, h, others):
    """Take a row's own individual out of its features; arguments as of `_features`."""
    m, C, N = rows.matches, tables.n_tokens[k], tables.index.shape[1]
    for z in range(2):
        y = z if rows.slot[b] > 0 else 0
        for g in range(G):
            low, high, i = m.at[b, r, y, g, 0], m.at[b, r, y, g, 1], z * G + g
            out = 0
            for q in range(2):
                j = rows.own[b, r, q]
                if (
                    j < 0
                    or m.own[b, r, q] < rules.lengths[g]
                    or (z == 1 and not rows.first[b] <= j < rows.stop[b])
                ):
                    continue
                out += 1
                c = tables.index[k, j]
                if c >= C:
                    continue
                row = before + y * (N + 1) * C + c
                n = np.int32(tables.before[row + high * C]) - np.int32(tables.before[row + low * C])
                for other in range(q + 1):  # both of the individual may carry it
                    t = rows.own[b, r, other]
                    if (
                        t >= 0
                        and m.own[b, r, other] >= rules.lengths[g]
                        and tables.index[k, t] == c
                    ):
                        n -= 1
                f[i, r * C + c] = rules.logs[n]
                if i == 0:
                    others[r * C + c] = n
            h[i, r] = rules.logs[high - low - out]


@jit
def _features(b, rows, tables, k, before, rules, f, h, others, sums):
    """Features of the tokens of a batch, f (F, R C), of its rows, h (H, R), and others who carry
    each token, (R C,). before : as of `_match`; sums : memory for the weights of groups, (U, R).
    """
    m, table, logs = rows.matches, tables.before, rules.logs
    C, N = tables.n_tokens[k], tables.index.shape[1]
    for r in range(LANES):
        base = r * C
        for z in range(2):
            y = z if rows.slot[b] > 0 else 0
            at = before + y * (N + 1) * C
            for g in range(G):
                low, high = m.at[b, r, y, g, 0], m.at[b, r, y, g, 1]
                i = z * G + g
                h[i, r] = logs[high - low]
                if g > 0 and low == m.at[b, r, y, g - 1, 0] and high == m.at[b, r, y, g - 1, 1]:
                    for c in range(C):
                        f[i, base + c] = f[i - 1, base + c]
                else:
                    low, high = at + low * C, at + high * C
                    for c in range(C):
                        f[i, base + c] = logs[np.int32(table[high + c]) - np.int32(table[low + c])]
        for c in range(C):
            others[base + c] = np.int32(table[before + N * C + c])
        if max(rows.own[b, r, 0], rows.own[b, r, 1]) >= 0:
            _leave_out(b, r, rows, tables, k, before, rules, f, h, others)
    n, P, Q = LANES * C, rows.by_block[b], rows.own_by_block[b]
    for s in range(S):
        for r in range(LANES):
            for c in range(C):
                f[OF_HEAD + s, r * C + c] = P[c, s * LANES + r]
                f[OF_OWN + s, r * C + c] = Q[c, s * LANES + r]
    U = tables.begins[k + 1] - tables.begins[k]
    for part in range(M):
        at = tables.begins[k] * M + part * U
        sums[:U] = 0
        for u in range(U):
            group = tables.groups[at + u]
            for r in range(LANES):
                sums[group, r] += P[u, PARTED * LANES + r]
        for c in range(C):
            group = tables.groups[at + c]
            for r in range(LANES):
                f[OF_PART + part, r * C + c] = sums[group, r]
    for i in range(OF_HEAD, N_TOKEN):
        _log(f[i, :n])
    for r in range(LANES):
        for s in range(S):
            for z in range(2):
                h[2 * G + z * S + s, r] = rows.log_probability[b, z, s * LANES + r]
        for i in range(A):
            h[2 * G + 2 * S + i, r] = tables.about[k, i]


@jit
def features(rows, tables, rules):
    """Of every batch at the first of `tables`: f (B, R, C, F), h (B, R, H), others (B, R, C)."""
    B, C, F = len(rows.slot), tables.n_tokens[0], N_TOKEN
    f, h = np.empty((B, LANES, C, F), np.float32), np.empty((B, LANES, N_ROW), np.float32)
    sums = np.empty((tables.begins[1], LANES), np.float32)
    others = np.empty((B, LANES, C), np.float32)
    x, n = np.empty((F, LANES * C), np.float32), np.empty(LANES * C, np.float32)
    y = np.empty((N_ROW, LANES), np.float32)
    for b in range(B):
        _features(b, rows, tables, np.int64(0), np.int64(0), rules, x, y, n, sums)
        for r in range(LANES):
            for c in range(C):
                others[b, r, c] = n[r * C + c]
                for i in range(F):
                    f[b, r, c, i] = x[i, r * C + c]
            for i in range(N_ROW):
                h[b, r, i] = y[i, r]
    return f, h, others


@jit
def _layer(weight, x, z):
    """z (H, n) = hard swish of z + weight (H, F) @ x (F, n); F a multiple of 8."""
    H, F = weight.shape
    n = x.shape[1]
    for k in range(H):
        zk = z[k]
        for i in range(0, F, 8):
            a0, a1, a2, a3 = weight[k, i], weight[k, i + 1], weight[k, i + 2], weight[k, i + 3]
            a4, a5, a6, a7 = weight[k, i + 4], weight[k, i + 5], weight[k, i + 6], weight[k, i + 7]
            x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
            x4, x5, x6, x7 = x[i + 4], x[i + 5], x[i + 6], x[i + 7]
            for q in range(n):
                first = a0 * x0[q] + a1 * x1[q] + a2 * x2[q] + a3 * x3[q]
                zk[q] += first + (a4 * x4[q] + a5 * x5[q] + a6 * x6[q] + a7 * x7[q])
        for q in range(n):
            v = zk[q]
            gate = min(max(v + np.float32(3), np.float32(0)), np.float32(6))
            zk[q] = v * gate * np.float32(1 / 6)


class Network(NamedTuple):
    """Weights, float32; w_token is filled up to a multiple of eight features."""

    w_token: np.ndarray
    w_row: np.ndarray
    b_row: np.ndarray
    w_hidden: np.ndarray
    b_hidden: np.ndarray
    w_out: np.ndarray
    w_linear: np.ndarray


class Workspace(NamedTuple):
    """Memory that the loops over a batch work in."""

    features: np.ndarray
    z1: np.ndarray
    z2: np.ndarray
    logits: np.ndarray
    others: np.ndarray
    h: np.ndarray
    row: np.ndarray
    scale: np.ndarray
    sums: np.ndarray
    jump: np.ndarray
    x: np.ndarray
    known: np.ndarray
    found: np.ndarray


@jit
def _workspace(tables, network):
    C, H = tables.n_tokens.max(), len(network.w_row)
    U, n = (tables.begins[1:] - tables.begins[:-1]).max(), LANES * C
    return Workspace(
        np.zeros(network.w_token.shape[1] * n, np.float32), np.empty(H * n, np.float32),
        np.empty(H * n, np.float32),
        np.empty(n, np.float32), np.empty(n, np.float32), np.empty((N_ROW, LANES), np.float32),
        np.empty((H, LANES), np.float32), np.empty((U, WIDE), np.float32),
        np.empty((U, LANES), np.float32), np.empty((2, WIDE), np.float32),
        np.empty(LANES, np.uint32), np.empty(LANES, np.bool_), np.zeros((G, 2), np.int64),
    )  # fmt: skip


@jit
def _logits(b, rows, tables, k, before, rules, network, carriers, workspace):
    """Unnormalised log-chances of the tokens of a batch at block k, in workspace.logits (R C,)."""
    C = tables.n_tokens[k]
    n = LANES * C
    H, F = len(network.w_row), N_TOKEN
    wide = network.w_token.shape[1]  # F filled up to a multiple of 8
    x, z1, z2 = (
        workspace.features[: wide * n].reshape(wide, n),
        workspace.z1[: H * n].reshape(H, n),
        workspace.z2[: H * n].reshape(H, n),
    )
    h, row, y, others = workspace.h, workspace.row, workspace.logits, workspace.others
    _features(b, rows, tables, k, before, rules, x, h, others, workspace.sums)
    for i in range(F, wide):
        for q in range(n):
            x[i, q] = 0
    for i in range(H):
        for r in range(LANES):
            row[i, r] = network.b_row[i]
        for g in range(N_ROW):
            for r in range(LANES):
                row[i, r] += network.w_row[i, g] * h[g, r]
        for r in range(LANES):
            for q in range(r * C, (r + 1) * C):
                z1[i, q] = row[i, r]
        for q in range(n):
            z2[i, q] = network.b_hidden[i]
    _layer(network.w_token, x, z1)
    _layer(network.w_hidden, z1, z2)
    for q in range(n):
        y[q] = x[OF_HEAD, q]
    for i in range(H):
        for q in range(n):
            y[q] += network.w_out[i] * z2[i, q]
    for i in range(F):
        for q in range(n):
            y[q] += network.w_linear[i] * x[i, q]
    for r in range(LANES):
        most = np.float32(0)
        for q in range(r * C, (r + 1) * C):
            most = max(most, others[q])
        least = min(most, np.float32(carriers))
        for q in range(r * C, (r + 1) * C):
            if others[q] < least:
                y[q] = -np.inf


@jit
def logits(rows, tables, rules, network, carriers):
    """Unnormalised log-chance of each token of the first of `tables` for each row, float32 (B, R,
    C); -inf where fewer than `carriers` others have it.
    """
    B, C = len(rows.slot), tables.n_tokens[0]
    workspace, out = _workspace(tables, network), np.empty((B, LANES, C), np.float32)
    for b in range(B):
        _logits(b, rows, tables, np.int64(0), np.int64(0), rules, network, carriers, workspace)
        for r in range(LANES):
            for c in range(C):
                out[b, r, c] = workspace.logits[r * C + c]
    return out


@jit
def proceed(
    rows,
    tables,
    n_slots,
    rules,
    network,
    carriers,
    L,
    given,
    called,
    temperature,
    factors,
    uniforms,
    mutations,
    row,
):
    """Blocks one after the other, which are given or drawn.

    Parameters
    ----------
    tables : TableArrays
        K blocks or, where the contig goes on, K + 1: the rows then come before the last one.
    n_slots : int
        P + 1.
    given : bool
        Whether blocks are given; the rest is for draws alone.
    row, called : uint32 (K, B, R)
        Alleles of the rows, one bit per site, and which are called; drawn ones are written there.
    temperature : float
        That logits are divided by.
    factors : float32 (K, P, C)
        Of the chances, by population; 0 populations for none.
    uniforms : float64 (K, B, R)
        In [0, 1), for the tokens.
    mutations : uint32 (K, B, R)
        Alleles to change.

    Returns
    -------
    bool
        Whether all chances were finite.
    """
    N = tables.index.shape[1]
    workspace = _workspace(tables, network)
    y, chance = workspace.logits, np.empty(tables.n_tokens.max(), np.float64)
    sound = True
    for b in range(len(rows.slot)):
        before = np.int64(0)  # a literal would be compiled for as another type
        for k in range(len(row)):
            C = tables.n_tokens[k]
            if not given:
                _logits(b, rows, tables, k, before, rules, network, carriers, workspace)
                for r in range(LANES):
                    highest, total = np.float64(-np.inf), 0.0
                    for c in range(C):
                        highest = max(highest, np.float64(y[r * C + c]))
                    for c in range(C):
                        part = np.exp((np.float64(y[r * C + c]) - highest) / temperature)
                        if factors.shape[1] > 0:
                            part *= factors[k, rows.population[b], c]
                        total += part
                        chance[c] = total
                    sound &= 0 < total < np.inf
                    token = 0
                    while token < C - 1 and chance[token] <= uniforms[k, b, r] * total:
                        token += 1
                    row[k, b, r] = tables.ids[tables.begins[k] + token] ^ mutations[k, b, r]
            if k + 1 < len(tables.n_tokens):
                advance(
                    b,
                    rows,
                    row[k, b],
                    called[k, b],
                    tables,
                    k,
                    before,
                    n_slots,
                    rules,
                    L,
                    workspace,
                )
            before += C * 2 * (N + 1)
    return sound


@jit
def _errors(own, index, differs, strays, spare, errors):
    """Chance that an allele of a row differs from its token, by site, in `errors` (L,)."""
    n = len(index)
    for site in range(len(differs)):
        errors[site] = differs[site] + spare
    for j in own:
        if j < 0:
            continue
        n -= 1
        for site in range(len(differs)):
            errors[site] -= (strays[index[j]] >> np.uint32(site)) & np.uint32(1)
    for site in range(len(differs)):
        errors[site] = min(max(errors[site] / n, LEAST_ERROR), MOST_ERROR)


@jit
def _allele(x, called, site, error):
    """Chance of an allele, given a token that differs from the row at `x`."""
    if not (called >> np.uint32(site)) & np.uint32(1):
        return 1.0
    return error if (x >> np.uint32(site)) & np.uint32(1) else 1 - error


@jit
def chances(row, called, ids, C, differs, strays, index, own, spare):
    """Chance of each row's alleles in a block given each token, float64 (B, R, C).

    An allele differs from its token with a small chance, counted where templates differ from their
    nearest token. Missing alleles drop out.

    Parameters
    ----------
    row, called : uint32 (B, R); ids, strays : uint32 (U,); index : uint16 (N,); own : int64 (B, R,
    2)
        See `advance` and `genoloom.models.haplotype.templates.BlockTable`.
    differs : int64 (L,)
        Templates that differ from their nearest token.
    spare : float
        Templates added to them.
    """
    B, L = len(row), len(differs)
    out, errors = np.empty((B, LANES, C), np.float64), np.empty(L, np.float64)
    for b in range(B):
        for r in range(LANES):
            _errors(own[b, r], index, differs, strays, spare, errors)
            for c in range(C):
                x, chance = row[b, r] ^ ids[c], 1.0
                for site in range(L):
                    chance *= _allele(x, called[b, r], site, errors[site])
                out[b, r, c] = chance
    return out


@jit
def mixed_chances(pi, row, called, ids, C, differs, strays, index, own, spare):
    """Chance of each row's alleles in a block whose tokens have the chances `pi` (B, R, C), float64
    (B, R, L): of one token, and of two, the second from site 1, 2, ... L - 1 on, which are drawn
    independently. Further arguments as of `chances`.
    """
    B, L = len(row), len(differs)
    out, errors = np.empty((B, LANES, L), np.float64), np.empty(L, np.float64)
    before, after = np.empty(L, np.float64), np.empty(L, np.float64)
    for b in range(B):
        for r in range(LANES):
            _errors(own[b, r], index, differs, strays, spare, errors)
            whole = 0.0
            before[:] = 0
            after[:] = 0
            for c in range(C):
                x, chance = row[b, r] ^ ids[c], pi[b, r, c]
                for site in range(L):
                    before[site] += chance
                    chance *= _allele(x, called[b, r], site, errors[site])
                whole += chance
                chance = pi[b, r, c]
                for site in range(L - 1, -1, -1):
                    chance *= _allele(x, called[b, r], site, errors[site])
                    after[site] += chance
            out[b, r, 0] = whole
            for site in range(1, L):
                out[b, r, site] = before[site] * after[site]
    return out
