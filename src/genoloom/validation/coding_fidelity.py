"""Coding sequences: open reading frames, and codons where sequences are in frame.

The code and its stops are the standard one of NCBI (Biopython, table 1). An open reading frame
begins with ATG and goes on to the next stop in its frame, or to the end of the sequence, since
windows cut genes in pieces; a codon with an unknown base ends it too.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from Bio.Data import CodonTable
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from genoloom.sequences import NO_KMER, SequenceSet, kmers, reverse_complement
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.sequence_table import Measured, Score, compared, shares

CODONS = ["".join(letters) for letters in product("ACGT", repeat=3)]  # in the order of their ids
STOP = np.isin(CODONS, CodonTable.unambiguous_dna_by_id[1].stop_codons)
START = CODONS.index("ATG")
LONG = 100  # codons of an open reading frame that chance hardly gives: (61/64)^100 is 0.8 %


def coding_metrics(
    synthetic: SequenceSet,
    holdout: SequenceSet,
    against: Callable[[M, Score], Measured],
    frame: bool,
) -> list[Measured]:
    """How long open reading frames are, and, with `frame`, which codons are in the frame of the
    first base.

    Parameters
    ----------
    against : callable
        Measures a metric by a score of two sets: synthetic or training ones, and held-out ones.
    """
    synthetic_orfs, holdout_orfs = longest_orfs(synthetic), longest_orfs(holdout)
    rows = [against(M.ORF_LENGTH_DISTANCE, orf_distance)]
    if holdout.length.max() >= 3 * LONG:  # else no sequence can have one
        value, reference = (
            float((lengths >= LONG).mean()) for lengths in (synthetic_orfs, holdout_orfs)
        )
        rows.append(shares(M.ORF_SHARE, value, reference, len(synthetic_orfs), len(holdout_orfs)))
    if frame:
        rows.append(against(M.CODON_USAGE_DISTANCE, codon_distance))
        stops = {"synthetic": in_frame_stops(synthetic), "holdout": in_frame_stops(holdout)}
        rows.append(compared(M.IN_FRAME_STOPS, stops))
    return rows


def in_frame(bases: np.ndarray, frame: int = 0) -> np.ndarray:
    """Numbers of the codons from base `frame` on, `NO_KMER` where one is not known; uint64 (n,
    (max_length - frame) // 3).
    """
    return kmers(bases[:, frame:], 3)[:, ::3]


def longest_orfs(sequences: SequenceSet) -> np.ndarray:
    """Codons of each sequence's longest open reading frame, without the stop; 0 where there is
    none.

    Of the three frames of the given strand, and of all six where both strands are equivalent; int64
    (n,).
    """
    strands = [sequences.bases]
    if not sequences.stranded:
        strands.append(reverse_complement(sequences.bases, sequences.length))
    return np.max(
        [_longest(in_frame(bases, frame)) for bases in strands for frame in range(3)], axis=0
    )


def _longest(codons: np.ndarray) -> np.ndarray:
    ends = np.append(STOP, True)[np.minimum(codons, len(STOP)).astype(np.int64)]
    run = longest = np.zeros(len(codons), dtype=np.int64)
    for codon, end in zip(codons.T, ends.T, strict=True):
        run = np.where(end | ((run == 0) & (codon != START)), 0, run + 1)
        longest = np.maximum(longest, run)
    return longest


def orf_distance(a: SequenceSet, b: SequenceSet) -> float:
    """Wasserstein distance, in codons, of the longest open reading frames of two sets."""
    return float(wasserstein_distance(longest_orfs(a), longest_orfs(b)))


def codon_counts(sequences: SequenceSet) -> np.ndarray:
    """How often each codon is in the frame of the first base, int64 (64,)."""
    codons = in_frame(sequences.bases)
    return np.bincount(codons[codons != NO_KMER].astype(np.int64), minlength=len(CODONS))


def codon_distance(a: SequenceSet, b: SequenceSet) -> float:
    """Jensen-Shannon distance of the codons of two sets, in [0, 1] (base 2). Lin 1991,
    doi:10.1109/18.61115.
    """
    return float(jensenshannon(codon_counts(a) + 1e-12, codon_counts(b) + 1e-12, base=2))


def in_frame_stops(sequences: SequenceSet) -> np.ndarray:
    """Share of stops among the codons of each sequence but its last, float64 (n,)."""
    codons, before = in_frame(sequences.bases), np.maximum(sequences.length // 3 - 1, 0)
    stops = np.append(STOP, False)[np.minimum(codons, len(STOP)).astype(np.int64)]
    return (stops & (np.arange(codons.shape[1]) < before[:, None])).sum(axis=1) / np.maximum(
        before, 1
    )
