"""Fill a gap given both of its sides, with any generator that has a likelihood.

Candidates for the gap are proposed, and one of them is kept with a probability in proportion to its
weight,

    P(left side, candidate, right side) / Q(candidate),

where P is the generator's likelihood and Q the probability of proposing the candidate:
sampling-importance-resampling (Rubin 1988), which becomes exact sampling from P(gap | left, right)
as the number of candidates grows. Generators that were trained to see both sides propose given
both; all others sample after the left side, where the weight is P(right side | left side,
candidate). The effective number of candidates, (sum w)^2 / sum w^2, tells how far from exact this
is: 1 means that one candidate held all the weight.
"""

import numpy as np

from genoloom.models.sequence.base import Sampling, SequenceGenerator, SequenceRequest


def fill_gap(
    generator: SequenceGenerator,
    left: np.ndarray,
    size: int,
    right: np.ndarray,
    label: int,
    seeds: np.ndarray,
    uniform: float,
) -> tuple[np.ndarray, float]:
    """Bases for a gap and the effective number of candidates.

    Parameters
    ----------
    left, right : ndarray, uint8 in 0..3
        The sides; either may be empty.
    size : int
        Bases of the gap.
    label : int
        Index into the generator's labels, -1 for none.
    seeds : ndarray, uint64, shape (n_candidates,)
    uniform : float in [0, 1)
        Picks the candidate.

    Returns
    -------
    middle : ndarray, uint8, shape (size,)
    effective : float
        In [1, n_candidates].
    """
    middle, log_weight = weighed_candidates(generator, left, size, right, label, seeds)
    weight = np.exp(log_weight - log_weight.max())
    chosen = int(np.searchsorted(np.cumsum(weight) / weight.sum(), uniform, side="right"))
    return middle[min(chosen, len(seeds) - 1)], float(weight.sum() ** 2 / (weight**2).sum())


def weighed_candidates(
    generator: SequenceGenerator,
    left: np.ndarray,
    size: int,
    right: np.ndarray,
    label: int,
    seeds: np.ndarray,
    between: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates, uint8 (n_candidates, size), and logarithms of their weights up to a constant,
    float64 (n_candidates,).

    `between` false proposes from the left side alone, true from both; None takes both where the
    generator can. Else as `fill_gap`.
    """
    n, stop = len(seeds), len(left) + size
    labels = np.full(n, label)
    if len(right) and (generator.samples_between if between is None else between):
        middle, log_proposed = generator.sample_between(left, size, right, label, seeds)
    else:
        drawn = generator.sample(
            SequenceRequest(np.full(n, stop), labels, seeds), Sampling(prompt=left, candidates=0)
        )
        middle = drawn[:, len(left) :]
        if len(right) == 0:
            return middle, np.zeros(n)
        log_proposed = generator.log_likelihood(drawn, np.full(n, stop), labels)
    whole = np.concatenate([np.tile(left, (n, 1)), middle, np.tile(right, (n, 1))], axis=1)
    return middle, generator.log_likelihood(
        whole, np.full(n, whole.shape[1]), labels
    ) - log_proposed
