"""What a sequence model thinks of a variant: log P(window with ALT) - log P(window with REF), the
mean of both strands.

Both windows have the same length and begin at the same position; after an insertion or deletion the
right flank is shorter or longer. Likelihoods of sequences of different length could not be
compared.
"""

from collections.abc import Callable

import numpy as np

from genoloom.models.sequence.base import SequenceGenerator
from genoloom.models.sequence.context_mixing import picked
from genoloom.sequences import NO_KMER, encode, kmers, reverse_complement

BASELINES = ("markov", "context_mixing", "kmer6")
KMER = 6


def allele_windows(before: str, alleles: list[str], after: str, size: int) -> np.ndarray:
    """One window for each allele, uint8 (n_alleles, size): `before`, the allele, and as much of
    `after` as fits.

    Rows are padded with 4, an unknown base, where `after` ends. `before` must be shorter than
    `size`.
    """
    rows = np.full((len(alleles), size), 4, dtype=np.uint8)
    for row, allele in zip(rows, alleles, strict=True):
        text = (before + allele + after)[:size]
        row[: len(text)] = encode(text.encode())
    return rows


def scorers(generator: SequenceGenerator) -> Callable[[np.ndarray], np.ndarray]:
    """A function from windows, uint8 (n, size), to scores, float64 (n, 1 + len(BASELINES)): the
    model, then the baselines.

    The baselines come from the chains inside the model: the tuned one and the whole mixture, and
    the summed logarithms of how often the window's 6-mers were seen in training. An unlabelled
    sequence is assumed.
    """
    k = min(KMER, generator.settings.order + 1)
    counts = np.log1p(generator.counts.contexts[k - 1].ravel() / 4)

    def score(bases: np.ndarray) -> np.ndarray:
        length = np.full(len(bases), bases.shape[1])
        model = generator.log_likelihood(bases, length, np.full(len(bases), -1))
        chains = picked(generator.mixture.forecast_bases(bases)[0], bases).sum(
            axis=1
        )  # (n, components)
        kmer_ids = kmers(bases, k)
        known = kmer_ids != NO_KMER
        counts_of_6mers = np.where(
            known, counts[np.where(known, kmer_ids, 0).astype(np.int64)], 0.0
        ).sum(axis=1)
        return np.stack(
            [model, chains[:, generator.mixture.markov], chains[:, -1], counts_of_6mers], axis=1
        )

    return score


def allele_scores(score: Callable[[np.ndarray], np.ndarray], windows: np.ndarray) -> np.ndarray:
    """Mean of the scores of both strands, float64 (n, 1 + len(BASELINES))."""
    length = np.full(len(windows), windows.shape[1])
    return (score(windows) + score(reverse_complement(windows, length))) / 2
