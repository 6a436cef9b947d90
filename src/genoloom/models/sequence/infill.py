"""Fill a gap given both of its sides, with any generator that has a likelihood.

Candidates for the gap are proposed, and one of them is kept with a probability in proportion to its
weight,

    P(prefix, candidate, suffix) / Q(candidate),

where P is the generator's likelihood and Q the probability of proposing the candidate:
sampling-importance-resampling (Rubin 1988), which becomes exact sampling from P(gap | prefix,
suffix) as the number of candidates grows. Generators that were trained to see both sides propose
given both; all others sample after the prefix, where the weight is P(suffix | prefix, candidate).
The effective number of candidates, (sum w)^2 / sum w^2, says how far from exact this is: 1 means
that one candidate held all the weight.
"""

import numpy as np

from genoloom.models.sequence.base import Sampling, SequenceGenerator, SequenceRequest


def fill_gap(
    generator: SequenceGenerator,
    prefix: np.ndarray,
    size: int,
    suffix: np.ndarray,
    label: int,
    seeds: np.ndarray,
    uniform: float,
) -> tuple[np.ndarray, float]:
    """Bases for a gap and the effective number of candidates.

    Parameters
    ----------
    prefix, suffix : ndarray, uint8 in 0..3
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
    middle, log_weight = weighed_candidates(generator, prefix, size, suffix, label, seeds)
    weight = np.exp(log_weight - log_weight.max())
    chosen = int(np.searchsorted(np.cumsum(weight) / weight.sum(), uniform, side="right"))
    return middle[min(chosen, len(seeds) - 1)], float(weight.sum() ** 2 / (weight**2).sum())


def weighed_candidates(
    generator: SequenceGenerator,
    prefix: np.ndarray,
    size: int,
    suffix: np.ndarray,
    label: int,
    seeds: np.ndarray,
    both_sides: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates, uint8 (n_candidates, size), and logarithms of their weights up to a constant,
    float64 (n_candidates,).

    `both_sides` false proposes from the prefix alone, true from both; None takes both where the
    generator can. Else as `fill_gap`.
    """
    n, stop = len(seeds), len(prefix) + size
    labels = np.full(n, label)
    if len(suffix) and (generator.samples_infill if both_sides is None else both_sides):
        middle, log_proposed = generator.sample_infill(prefix, size, suffix, label, seeds)
    else:
        drawn = generator.sample(
            SequenceRequest(np.full(n, stop), labels, seeds), Sampling(prompt=prefix, candidates=0)
        )
        middle = drawn[:, len(prefix) :]
        if len(suffix) == 0:
            return middle, np.zeros(n)
        log_proposed = generator.log_likelihood(drawn, np.full(n, stop), labels)
    whole = np.concatenate([np.tile(prefix, (n, 1)), middle, np.tile(suffix, (n, 1))], axis=1)
    return middle, generator.log_likelihood(
        whole, np.full(n, whole.shape[1]), labels
    ) - log_proposed
