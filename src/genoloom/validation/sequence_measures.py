"""Numbers of a set of sequences, and distances between two: composition, kinship, copies."""

from dataclasses import replace

import edlib
import numpy as np
from scipy import sparse, stats
from scipy.spatial.distance import jensenshannon

from genoloom.sequences import (
    NO_KMER,
    OTHER,
    SequenceSet,
    decode,
    fingerprints,
    gc_content,
    kmer_counts,
    kmers,
    reverse_complement,
    reverse_complement_kmers,
)
from genoloom.validation.classifier import two_sample_auc

CLASSIFIER_K = 6
SEED_K, CANDIDATES = 8, 25  # alignments are made with the training sequences that share most 8-mers
_HASH_BASE = np.uint64(0x9E3779B97F4A7C15)


def kmer_spectrum(sequences: SequenceSet, k: int) -> np.ndarray:
    """Counts of all k-mers, of both strands where these are equivalent; float64 (4**k,)."""
    counts = kmer_counts(sequences.bases, k).astype(float)
    return counts if sequences.stranded else counts + counts[reverse_complement_kmers(k)]


def kmer_distance(a: SequenceSet, b: SequenceSet, k: int) -> float:
    """Jensen-Shannon distance of two k-mer spectra, in [0, 1] (base 2). Lin 1991,
    doi:10.1109/18.61115.
    """
    return float(jensenshannon(kmer_spectrum(a, k) + 1e-12, kmer_spectrum(b, k) + 1e-12, base=2))


def dinucleotide_odds(sequences: SequenceSet) -> np.ndarray:
    """f(xy) / (f(x) f(y)) of the 16 dinucleotides. Karlin & Burge 1995,
    doi:10.1016/S0168-9525(00)89076-9.
    """
    single, double = kmer_spectrum(sequences, 1) + 1e-9, kmer_spectrum(sequences, 2) + 1e-9
    single, double = single / single.sum(), double / double.sum()
    return double / np.outer(single, single).ravel()


def dinucleotide_distance(a: SequenceSet, b: SequenceSet) -> float:
    """Mean absolute difference of the dinucleotide odds (Karlin's delta)."""
    return float(np.abs(dinucleotide_odds(a) - dinucleotide_odds(b)).mean())


def strand_asymmetry(sequences: SequenceSet) -> float:
    """Jensen-Shannon distance between the 4-mers of the given and of the other strand; 0 when
    strands are alike.
    """
    counts = kmer_counts(sequences.bases, 4) + 1e-12
    return float(jensenshannon(counts, counts[reverse_complement_kmers(4)], base=2))


def kmer_table(sequences: SequenceSet, k: int) -> sparse.csr_array:
    """Counts of each sequence's k-mers, canonical where both strands are equivalent; float32 (n,
    4**k).
    """
    kmer_ids = kmers(sequences.bases, k, canonical=not sequences.stranded)
    row, column = np.nonzero(kmer_ids != NO_KMER)
    ones = np.ones(len(row), dtype=np.float32)
    table = sparse.coo_array(
        (ones, (row, kmer_ids[row, column].astype(np.int64))), shape=(len(sequences), 4**k)
    )
    return table.tocsr()


def kmer_auc(a: SequenceSet, b: SequenceSet, seed: int) -> float:
    """Cross-validated AUC of a logistic classifier of 6-mer frequencies; 0.5 when the sets cannot
    be distinguished.

    Relatives (sequences of one cluster) stay in one fold.
    """
    table = sparse.vstack([kmer_table(a, CLASSIFIER_K), kmer_table(b, CLASSIFIER_K)]).tocsr()
    total = np.maximum(table.sum(axis=1), 1)
    frequency = sparse.diags_array(1 / total) @ table
    groups = np.concatenate([a.cluster, b.cluster + a.cluster.max() + 1])
    label = np.repeat([0, 1], [len(a), len(b)])
    return two_sample_auc((frequency @ frequency.T).toarray(), label, groups, seed)


def nearest_identity(queries: SequenceSet, targets: SequenceSet) -> np.ndarray:
    """Identity of each query with the nearest target, float64 (n,): 1 - edit distance / length of
    the longer one.

    Aligned globally (edlib; Sosic & Sikic 2017, doi:10.1093/bioinformatics/btw753) with the
    `CANDIDATES` targets that share most 8-mers with the query, of both strands where these are
    equivalent.
    """
    if not targets.stranded:
        targets = _with_other_strand(targets)
    shared = (_one_strand_table(queries) @ _one_strand_table(targets).T).toarray()
    n = min(CANDIDATES, len(targets))
    best = np.argpartition(-shared, n - 1, axis=1)[:, :n]
    text = [decode(row[:length]) for row, length in zip(targets.bases, targets.length, strict=True)]
    result = np.zeros(len(queries))
    for i, (row, length) in enumerate(zip(queries.bases, queries.length, strict=True)):
        query = decode(row[:length])
        result[i] = max(
            1 - edlib.align(query, text[j])["editDistance"] / max(len(query), len(text[j]))
            for j in best[i]
        )
    return result


def _with_other_strand(sequences: SequenceSet) -> SequenceSet:
    both = sequences.take(np.tile(np.arange(len(sequences)), 2))
    both.bases[len(sequences) :] = reverse_complement(sequences.bases, sequences.length)
    return both


def _one_strand_table(sequences: SequenceSet) -> sparse.csr_array:
    table = kmer_table(replace(sequences, stranded=True), SEED_K)
    table.data[:] = np.minimum(table.data, 2)  # a low-complexity run is no sign of kinship
    return table


def longest_shared(queries: SequenceSet, targets: SequenceSet) -> np.ndarray:
    """Length of the longest substring that each query shares with any target, int64 (n,).

    Binary search over the length, with 64-bit polynomial hashes; both strands where these are
    equivalent.
    """
    if not targets.stranded:
        targets = _with_other_strand(targets)
    mine, theirs = _prefix_hashes(queries.bases), _prefix_hashes(targets.bases)
    low, high = np.zeros(len(queries), dtype=np.int64), queries.length.copy()
    while (low < high).any():
        middle = (low + high + 1) // 2
        found = np.zeros(len(queries), dtype=bool)
        for k in np.unique(middle[low < high]):
            rows = np.flatnonzero((middle == k) & (low < high))
            hashes, valid = _window_hashes(*(x[rows] for x in mine), int(k))
            known, known_valid = _window_hashes(*theirs, int(k))
            known = np.sort(known[known_valid])
            place = np.minimum(np.searchsorted(known, hashes), max(len(known) - 1, 0))
            found[rows] = len(known) > 0 and ((known[place] == hashes) & valid).any(axis=1)
        low, high = np.where(found, middle, low), np.where(found, high, np.maximum(middle - 1, low))
    return low


def _prefix_hashes(bases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Polynomial hashes of the prefixes of each row, and how many unknown bases (4) they hold; (n,
    length + 1) each.
    """
    hashes = np.zeros((len(bases), bases.shape[1] + 1), dtype=np.uint64)
    for i in range(bases.shape[1]):
        hashes[:, i + 1] = hashes[:, i] * _HASH_BASE + bases[:, i] + np.uint64(1)
    unknown = np.concatenate(
        [np.zeros((len(bases), 1), dtype=np.int64), np.cumsum(bases == OTHER, axis=1)], axis=1
    )
    return hashes, unknown


def _window_hashes(
    hashes: np.ndarray, unknown: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all windows of `k` bases, and which windows hold no unknown base (4)."""
    power = np.uint64(pow(int(_HASH_BASE), k, 2**64))
    return hashes[:, k:] - hashes[:, :-k] * power, unknown[:, k:] == unknown[:, :-k]


def copies(queries: SequenceSet, targets: SequenceSet) -> np.ndarray:
    """Which queries are equal to a target, on either strand where these are equivalent; bool
    (n,).
    """
    if not targets.stranded:
        targets = _with_other_strand(targets)
    known = fingerprints(targets.bases, targets.length)
    return np.isin(fingerprints(queries.bases, queries.length), known)


def gc_distance(a: SequenceSet, b: SequenceSet) -> float:
    """Wasserstein distance of the GC contents of the sequences of two sets."""
    return float(stats.wasserstein_distance(gc_content(a.bases), gc_content(b.bases)))


def base_shares(bases: np.ndarray) -> np.ndarray:
    """Share of A, C, G and T among the known bases of each place, float64 (length, 4)."""
    counts = (bases[:, :, None] == np.arange(4)).sum(axis=0)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def distinct_share(sequences: SequenceSet) -> float:
    """Share of different sequences in a set."""
    return len(np.unique(fingerprints(sequences.bases, sequences.length))) / len(sequences)
