"""Fill a gap given both of its sides, with any generator that has a likelihood.

Candidates for the gap are sampled after the left side, and one of them is kept with a probability in proportion to
P(right side | left side, candidate): sampling-importance-resampling (Rubin 1988), which becomes exact sampling from
P(gap | left, right) as the number of candidates grows. The effective number of candidates, (sum w)^2 / sum w^2, tells how
far that has come: 1 means that one candidate held all the weight.
"""

import numpy as np

from genoloom.models.sequence.base import Sampling, SequenceGenerator, SequenceRequest


def fill_gap(
    generator: SequenceGenerator, left: np.ndarray, size: int, right: np.ndarray, label: int, seeds: np.ndarray, uniform: float
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
    n, stop = len(seeds), len(left) + size
    request = SequenceRequest(np.full(n, stop), np.full(n, label), seeds)
    made = generator.sample(request, Sampling(prompt=left))
    middle = made[:, len(left) :]
    if len(right) == 0:
        return middle[0], float(n)
    whole = np.concatenate([made, np.tile(right, (n, 1))], axis=1)
    labels = np.full(n, label)
    log_weight = generator.log_likelihood(whole, np.full(n, whole.shape[1]), labels) - generator.log_likelihood(
        made, np.full(n, stop), labels
    )
    weight = np.exp(log_weight - log_weight.max())
    chosen = int(np.searchsorted(np.cumsum(weight) / weight.sum(), uniform, side="right"))
    return middle[min(chosen, n - 1)], float(weight.sum() ** 2 / (weight**2).sum())
