"""Which sequences are relatives, and how to hold some out without holding out a relative of those
that train.

Two sequences that share a k-mer on either strand, that overlap, or that are equal belong to one
cluster (single linkage), and whole clusters go to one side. Where repeats weld most of a set into
one cluster that cannot be done; then contiguous chunks go to one side, and what they still share is
measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genoloom.sequences import NO_KMER, fingerprints, kmers, reverse_complement

KMERS_A_PASS = 1 << 24  # bounds the memory; more k-mers take more passes over the sequences
MOST_CHUNK_BASES, CHUNKS_A_RECORD = 50_000, 20
SMALL_CLUSTER = 0.1  # in the size of the holdout


@dataclass(frozen=True)
class Places:
    """Where sequences come from: `record` (which input record), `start`, `stop` (0-based
    half-open); int64, (n,) each.
    """

    record: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def _kmer_passes(bases: np.ndarray, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (canonical k-mers, rows) such that all occurrences of a k-mer come in one pass, sorted
    by k-mer.
    """
    n = len(bases) * max(bases.shape[1] - k + 1, 0)
    passes = -(-n // KMERS_A_PASS)
    rows_a_block = max(1, KMERS_A_PASS // max(bases.shape[1], 1))
    for p in range(passes):
        kmer_ids, rows = [], []
        for at in range(0, len(bases), rows_a_block):
            block = kmers(bases[at : at + rows_a_block], k, canonical=True)
            row, column = np.nonzero((block != NO_KMER) & (block % np.uint64(passes) == p))
            kmer_ids.append(block[row, column])
            rows.append(row + at)
        kmer_ids, rows = np.concatenate(kmer_ids), np.concatenate(rows)
        order = np.argsort(kmer_ids, kind="stable")
        yield kmer_ids[order], rows[order]


def _components(n: int, edges: list[np.ndarray]) -> np.ndarray:
    """Component of each of `n` nodes, int64 (n,), numbered in order of first appearance; edges (m,
    2).
    """
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *edges])
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _equal_pairs(keys: np.ndarray) -> np.ndarray:
    """Pairs that chain all items with equal keys, int64 (m, 2)."""
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    return np.stack([order[:-1][same], order[1:][same]], axis=1)


def _overlapping_pairs(places: Places) -> np.ndarray:
    """Pairs that chain all sequences that share a base of their record, int64 (m, 2)."""
    order = np.lexsort((places.stop, places.start, places.record))
    pairs, reach, last, record = [], -1, -1, -1
    for i in order.tolist():
        if places.record[i] == record and places.start[i] < reach:
            pairs.append((last, i))
        else:
            record, reach = places.record[i], -1
        last, reach = i, max(reach, int(places.stop[i]))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _canonical_fingerprints(bases: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The same value for a sequence and its reverse complement."""
    return np.minimum(
        fingerprints(bases, length), fingerprints(reverse_complement(bases, length), length)
    )


def homology_clusters(bases: np.ndarray, length: np.ndarray, places: Places, k: int) -> np.ndarray:
    """Cluster of each sequence by shared k-mers (both strands), overlap and equality.

    Parameters
    ----------
    bases : ndarray, uint8, shape (n, max_length)
    length : ndarray, int64, shape (n,)
    places : Places
    k : int
        At most 31.

    Returns
    -------
    ndarray, int64, shape (n,)
    """
    edges = [_overlapping_pairs(places), _equal_pairs(_canonical_fingerprints(bases, length))]
    for kmer_ids, rows in _kmer_passes(bases, k):
        same = (kmer_ids[1:] == kmer_ids[:-1]) & (rows[1:] != rows[:-1])
        edges.append(np.unique(np.stack([rows[:-1][same], rows[1:][same]], axis=1), axis=0))
    return _components(len(bases), edges)


def chunk_clusters(bases: np.ndarray, length: np.ndarray, places: Places) -> np.ndarray:
    """Cluster of each sequence by contiguous chunks of its record; equal sequences stay together.

    A chunk is a twentieth of the record, at most 50 kb. Returns int64, shape (n,).
    """
    chunk = np.empty(len(bases), dtype=np.int64)
    next_chunk = 0
    for record in np.unique(places.record):
        of_record = places.record == record
        starts = places.start[of_record] - places.start[of_record].min()
        size = int(np.clip(-(-(starts.max() + 1) // CHUNKS_A_RECORD), 1, MOST_CHUNK_BASES))
        chunk[of_record] = next_chunk + starts // size
        next_chunk = int(chunk[of_record].max()) + 1
    return _components(
        len(bases), [_equal_pairs(chunk), _equal_pairs(_canonical_fingerprints(bases, length))]
    )


def hold_out(cluster: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Whole clusters, until `share` of the sequences is held out; bool (n,).

    Clusters of at most a tenth of what is wanted come first, in random order, then larger ones, the
    smallest first: one family of repeats must not be most of the holdout while training holds none
    of it. Clusters that would overshoot are passed over. Of two clusters or more, at least one is
    held out: the smallest if none fits.
    """
    names, inverse, size = np.unique(cluster, return_inverse=True, return_counts=True)
    wanted, n_holdout = round(share * len(cluster)), 0
    chosen = np.zeros(len(names), dtype=bool)
    order = rng.permutation(len(names))
    order = order[np.argsort(np.maximum(size[order], wanted * SMALL_CLUSTER), kind="stable")]
    for c in order:
        if n_holdout + size[c] <= wanted:
            chosen[c] = True
            n_holdout += size[c]
    if n_holdout == 0 and len(names) > 1:
        chosen[np.argmin(size)] = True
    return chosen[inverse]


def straddling(places: Places, held_out: np.ndarray) -> np.ndarray:
    """Held-out sequences that overlap a training sequence of the same record; bool (n,)."""
    result = np.zeros(len(held_out), dtype=bool)
    for record in np.unique(places.record[held_out]):
        of_record = places.record == record
        training, mine = of_record & ~held_out, np.flatnonzero(of_record & held_out)
        starts, stops = np.sort(places.start[training]), np.sort(places.stop[training])
        # training sequences that begin before my end, less those that end before my start
        touching = np.searchsorted(starts, places.stop[mine]) - np.searchsorted(
            stops, places.start[mine], side="right"
        )
        result[mine] = touching > 0
    return result


def sharing_kmer(queries: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """Which queries share a k-mer, on either strand, with any target.

    Parameters
    ----------
    queries : ndarray, uint8, shape (n, length)
    targets : ndarray, uint8, shape (m, any length)
    k : int
        At most 31.

    Returns
    -------
    ndarray, bool, shape (n,)
    """
    known = [np.unique(kmer_ids) for kmer_ids, _ in _kmer_passes(targets, k)]
    passes = np.uint64(max(len(known), 1))
    shared = np.zeros(len(queries), dtype=bool)
    kmer_ids = kmers(queries, k, canonical=True)
    for p, sorted_ids in enumerate(known):
        row, column = np.nonzero((kmer_ids != NO_KMER) & (kmer_ids % passes == p))
        found = np.isin(kmer_ids[row, column], sorted_ids, assume_unique=False)
        shared[row[found]] = True
    return shared


def count_duplicates(bases: np.ndarray, length: np.ndarray) -> tuple[int, int]:
    """Sequences equal to an earlier one, and further ones equal to an earlier one's reverse
    complement.
    """
    forward = fingerprints(bases, length)
    exact = len(forward) - len(np.unique(forward))
    either = len(forward) - len(np.unique(_canonical_fingerprints(bases, length)))
    return exact, either - exact
