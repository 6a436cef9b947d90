"""The attack with shadow models: the score of every individual is known from models that were
trained without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genoloom.privacy.attack_ids import Scored
from genoloom.privacy.attacks import per_individual


@dataclass(frozen=True)
class Shadow:
    """What the real individuals score against the samples of a generator that some of them trained.

    Attributes
    ----------
    scores : dict of Scored to ndarray, float
        Of the 4 n haplotypes, or of the 2 n individuals, as in the audit.
    member : ndarray of bool, shape (2 n,)
        Who trained it.
    """

    scores: dict[Scored, np.ndarray]
    member: np.ndarray


def calibrated(scores: dict[Scored, np.ndarray], shadows: Sequence[Shadow]) -> np.ndarray:
    """Scores of individuals less what the shadows make of them, float64, shape (2 n, n_attacks).

    That is the middle between an individual's mean score over the shadows trained with it and over
    those trained without it. An individual with a high score against any sample of its population
    is not a member for that reason (difficulty calibration: Watson, Guo, Cormode & Sablayrolles
    2022, ICLR). Of two normal distributions of one variance, for members and for non-members, the
    middle is where the likelihood ratio is one (Carlini et al. 2022, arXiv:2112.03570); and it is
    the mean of all shadows, not of half of them, so its own noise is smaller.

    Parameters
    ----------
    scores : dict of Scored to ndarray, float, shape (2 n,)
    shadows : sequence of Shadow
        Everybody must be left out of one at least.
    """
    member = np.stack([shadow.member for shadow in shadows])
    columns = []
    for attack, found in scores.items():
        known = [np.asarray(shadow.scores[attack], dtype=float) for shadow in shadows]
        individuals = np.stack(
            [per_individual(s) if len(s) == 2 * len(found) else s for s in known]
        )
        out = _mean(individuals, ~member)
        columns.append(
            found - np.where(member.any(axis=0), (out + _mean(individuals, member)) / 2, out)
        )
    return np.stack(columns, axis=1)


def _mean(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Mean over the shadows `which`, shape (2 n,); 0 where there are none."""
    return (values * which).sum(axis=0) / np.maximum(which.sum(axis=0), 1)
