"""One attacker who has trained shadow models, and knows what everybody scores when he did not train."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genoloom.privacy.attacks import per_person


@dataclass(frozen=True)
class Shadow:
    """What the real people score against the samples of a generator that some of them trained.

    Attributes
    ----------
    scores : dict of str to ndarray, float
        By attack: of the 4 n haplotypes, or of the 2 n people, as in the audit.
    member : ndarray of bool, shape (2 n,)
        Who trained it.
    """

    scores: dict[str, np.ndarray]
    member: np.ndarray


def calibrated(scores: dict[str, np.ndarray], shadows: Sequence[Shadow]) -> np.ndarray:
    """Scores of people less their mean over the shadows that they did not train, float64, shape (2 n, n_attacks).

    Difficulty calibration (Watson, Guo, Cormode & Sablayrolles 2022, On the importance of difficulty calibration in membership
    inference attacks, ICLR): who scores high against any sample of his population is no member for that.

    Parameters
    ----------
    scores : dict of str to ndarray, float, shape (2 n,)
    shadows : sequence of Shadow
        Everybody must be left out of one at least.
    """
    left_out = ~np.stack([shadow.member for shadow in shadows])
    columns = []
    for attack, found in scores.items():
        known = [np.asarray(shadow.scores[attack], dtype=float) for shadow in shadows]
        people = np.stack([per_person(s) if len(s) == 2 * len(found) else s for s in known])
        columns.append(found - (people * left_out).sum(axis=0) / left_out.sum(axis=0))
    return np.stack(columns, axis=1)
