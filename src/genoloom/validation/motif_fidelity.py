"""Motifs: how many sequences have one, whether it is where it should, and how far two are
apart.

Matrices are scanned by lightmotif, with at most one chance hit in `1 / CHANCE` places of uniform
bases; IUPAC words match exactly. The other strand counts too where both strands are equivalent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np
from Bio.Seq import Seq
from Bio.SeqUtils import nt_search
from scipy.stats import wasserstein_distance

from genoloom.errors import InputError
from genoloom.sequences import SequenceSet, decode
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.sequence_table import Measured, shares

CHANCE = 1e-3
PSEUDOCOUNT = 0.5
STEPS = 1000  # between the lowest and the highest score
NEAR = 3  # bases on either side of the usual place that still count as there
FEWEST_SPACINGS = 20  # sequences with both motifs of a pair, in each set that is compared
MOST_PAIRS = 20


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
    """A count matrix, scanned as log-odds against uniform bases, in whole steps (see `log_odds`).

    Parameters
    ----------
    counts : dict of str to sequence of float
        By base, one count for each place; none is negative.

    Raises
    ------
    InputError
        `lightmotif`, which is optional, is not installed.
    """

    def __init__(self, name: str, counts: Mapping[str, Sequence[float]]):
        try:
            import lightmotif
        except ImportError:
            raise InputError(
                "--motifs",
                "the package lightmotif, which scans for matrices, is not installed",
                remedy="pip install 'genoloom[motifs]'",
            ) from None
        self.name, self._stripe = name, lightmotif.stripe
        scores = log_odds(counts)
        self.width = scores.shape[1]
        # lightmotif would give other letters, and what is past the end, a score of 0
        never = {"N": [-np.inf] * self.width}
        self.matrix = lightmotif.ScoringMatrix(
            dict(zip("ACGT", scores.tolist(), strict=True)) | never
        )
        self.threshold = self.matrix.score(CHANCE)

    def places(self, text: str) -> list[int]:
        if len(text) < self.width:
            return []
        return sorted(self.matrix.calculate(self._stripe(text)).threshold(self.threshold))


def log_odds(counts: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Log-odds against uniform bases, float64 (4, width), in whole steps from 0, the lowest, to
    `STEPS`, the highest.

    These are the steps on which lightmotif reckons chances, as MEME does (Grant et al. 2011,
    doi:10.1093/bioinformatics/btr064), so that the chance of a threshold is exact, and so are the
    sums of a scan, which are of 32 bits.
    """
    counted = np.array([counts[base] for base in "ACGT"]) + PSEUDOCOUNT
    odds = np.log2(4 * counted / counted.sum(axis=0))
    return np.round((odds - odds.min()) * STEPS / (np.ptp(odds) or 1))


@dataclass(frozen=True)
class Hits:
    """Hits of one motif in a set: `row` and `place` (0-based start on the given strand), int64; `n`
    sequences.
    """

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
        near = (
            np.convolve(counts, np.ones(2 * NEAR + 1), mode="same")
            if len(counts) > 2 * NEAR
            else counts
        )
        return int(near.argmax())


def find(motif: Motif, sequences: SequenceSet) -> Hits:
    """All hits, of both strands where these are equivalent."""
    rows, places = [], []
    for i, (bases, length) in enumerate(
        zip(sequences.bases, sequences.length.tolist(), strict=True)
    ):
        text = decode(bases[:length])
        found = motif.places(text)
        if not sequences.stranded:
            back = motif.places(str(Seq(text).reverse_complement()))
            found = sorted({*found, *(length - place - motif.width for place in back)})
        rows += [i] * len(found)
        places += found
    return Hits(np.array(rows, dtype=np.int64), np.array(places, dtype=np.int64), len(sequences))


def spacing(first: Motif, second: Motif, a: Hits, b: Hits, stranded: bool) -> np.ndarray:
    """Bases between the centres of two motifs in each sequence that has both, float64
    (n_with_both,).

    Of several hits the two that are nearest to each other count: chance hits elsewhere are less
    likely to. Positive where the second motif is downstream of the first; without sign where both
    strands are equivalent, since the other strand turns it round.
    """
    found = []
    for row in np.intersect1d(a.row, b.row):
        apart = (b.place[b.row == row] + second.width / 2)[None, :] - (
            a.place[a.row == row] + first.width / 2
        )[:, None]
        found.append(apart.flat[np.abs(apart).argmin()])
    return np.array(found, dtype=float) if stranded else np.abs(found)


def motif_metrics(
    given: Sequence[Motif],
    synthetic: SequenceSet,
    holdout: SequenceSet,
    against: Callable[..., Measured],
) -> list[Measured]:
    """Content of each motif, in sets of one orientation where it is, and the spacing of every
    two.

    Parameters
    ----------
    against : callable
        Measures a metric, of the motif `bin`, by a score of two sets: synthetic or training ones,
        and held-out ones.
    """
    rows = []
    for motif in given:
        found, expected = find(motif, synthetic), find(motif, holdout)
        rows.append(
            shares(M.MOTIF_CONTENT, found.share, expected.share, found.n, expected.n, motif.name)
        )
        if holdout.stranded and len(expected.row):
            usual = expected.usual_place()
            near, reference = found.share_near(usual), expected.share_near(usual)
            rows.append(shares(M.MOTIF_AT_PLACE, near, reference, found.n, expected.n, motif.name))

            def score(a, b, motif=motif):
                places = [find(motif, x).place for x in (a, b)]
                return float(wasserstein_distance(*places)) if all(map(len, places)) else np.nan

            rows.append(against(M.MOTIF_POSITION, score, bin=motif.name))
    return rows + spacing_metrics(given, holdout, against)


def spacing_metrics(
    given: Sequence[Motif], holdout: SequenceSet, against: Callable[..., Measured]
) -> list[Measured]:
    """Wasserstein distance of the spacings of every two motifs, of the `MOST_PAIRS` pairs that most
    held-out sequences have.

    Pairs that fewer than `FEWEST_SPACINGS` real sequences of a half have are left out; where it is
    the synthetic ones that lack them, the metric is missing and its verdict `not run`.
    """
    if len(given) < 2:
        return []
    # the set is kept too, so that no other one gets its number
    known: dict[int, tuple[SequenceSet, list[Hits]]] = {}

    def spacings(pair: tuple[int, int], sequences: SequenceSet) -> np.ndarray:
        if id(sequences) not in known:
            known[id(sequences)] = sequences, [find(motif, sequences) for motif in given]
        hits = known[id(sequences)][1]
        return spacing(*(given[i] for i in pair), *(hits[i] for i in pair), sequences.stranded)

    def score(pair: tuple[int, int], a: SequenceSet, b: SequenceSet) -> float:
        found = [spacings(pair, x) for x in (a, b)]
        return (
            float(wasserstein_distance(*found))
            if min(map(len, found)) >= FEWEST_SPACINGS
            else np.nan
        )

    common = {pair: len(spacings(pair, holdout)) for pair in combinations(range(len(given)), 2)}
    pairs = sorted(common, key=lambda pair: -common[pair])[:MOST_PAIRS]
    rows = []
    for pair in pairs:
        names = "~".join(given[i].name for i in pair)
        rows.append(against(M.MOTIF_SPACING, lambda a, b, pair=pair: score(pair, a, b), bin=names))
    return [row for row in rows if np.isfinite(row.reference)]
