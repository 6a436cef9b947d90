"""Motifs: how many sequences have one, and whether it stands where it should.

Matrices are scanned by Biopython, with at most one chance hit in `1 / CHANCE` places of uniform bases; IUPAC words match
exactly. The other strand counts too where both strands are equivalent.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from Bio import motifs
from Bio.Seq import Seq
from Bio.SeqUtils import nt_search

from genoloom.sequences import SequenceSet, decode

CHANCE = 1e-3
PSEUDOCOUNT = 0.5
NEAR = 3  # bases on either side of the usual place that still count as there


class Motif(Protocol):
    """Something to look for."""

    name: str
    width: int

    def places(self, text: str) -> list[int]:
        """Starts (0-based) of all hits in a sequence."""


@dataclass(frozen=True)
class WordMotif:
    """A word of IUPAC letters."""

    name: str

    @property
    def width(self) -> int:
        return len(self.name)

    def places(self, text: str) -> list[int]:
        return nt_search(text, self.name)[1:]


class MatrixMotif:
    """A count matrix, scanned as log-odds against uniform bases."""

    def __init__(self, name: str, counts):
        self.name = name
        self.matrix = motifs.matrix.FrequencyPositionMatrix("ACGT", counts).normalize(PSEUDOCOUNT).log_odds()
        self.width = self.matrix.length
        scores = self.matrix.distribution(precision=10**3)
        # Biopython's threshold is the first score at which there are more chance hits than asked for; scores are on a grid
        self.threshold = scores.threshold_fpr(CHANCE) + self.width * scores.step

    def places(self, text: str) -> list[int]:
        if len(text) < self.width:
            return []
        scores = np.atleast_1d(self.matrix.calculate(Seq(text)))
        return np.flatnonzero(np.nan_to_num(scores, nan=-np.inf) >= self.threshold).tolist()


@dataclass(frozen=True)
class Hits:
    """Hits of one motif in a set: `row` and `place` (0-based start on the given strand), int64; `n` sequences."""

    row: np.ndarray
    place: np.ndarray
    n: int

    @property
    def share(self) -> float:
        """Share of the sequences with a hit."""
        return len(np.unique(self.row)) / self.n

    def share_near(self, place: int) -> float:
        """Share of the sequences with a hit within `NEAR` bases of a place."""
        return len(np.unique(self.row[np.abs(self.place - place) <= NEAR])) / self.n

    def usual_place(self) -> int:
        """The place with most hits within `NEAR` bases; there must be a hit."""
        counts = np.bincount(self.place)
        near = np.convolve(counts, np.ones(2 * NEAR + 1), mode="same") if len(counts) > 2 * NEAR else counts
        return int(near.argmax())


def find(motif: Motif, sequences: SequenceSet) -> Hits:
    """All hits, of both strands where these are equivalent."""
    rows, places = [], []
    for i, (bases, length) in enumerate(zip(sequences.bases, sequences.length.tolist(), strict=True)):
        text = decode(bases[:length])
        found = motif.places(text)
        if sequences.both_strands:
            back = motif.places(str(Seq(text).reverse_complement()))
            found = sorted({*found, *(length - place - motif.width for place in back)})
        rows += [i] * len(found)
        places += found
    return Hits(np.array(rows, dtype=np.int64), np.array(places, dtype=np.int64), len(sequences))


def share_error(first: float, second: float, n: int, m: int) -> float:
    """Standard error of the difference of two shares of n and m sequences, pooled."""
    pooled = (first * n + second * m) / (n + m)
    return float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
