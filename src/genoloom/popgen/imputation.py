"""Imputation: the alleles between sites that were read, by copying a panel of templates."""

from itertools import pairwise

import numpy as np

SWITCH_PER_CM, ERROR = 400.0, 1e-3  # as in `genoloom.popgen.copying`
LEAST_JUMP = 1e-6  # where the map is flat, so that no target becomes impossible


def impute(
    templates: np.ndarray,
    targets: np.ndarray,
    observed: np.ndarray,
    cm: np.ndarray,
    switch_per_cm: float = SWITCH_PER_CM,
    error: float = ERROR,
) -> np.ndarray:
    """Expected alleles of targets at all sites, given theirs at some, under the copying model.

    Li & Stephens 2003, doi:10.1093/genetics/165.4.2213: the template changes within x centimorgans
    with chance 1 - exp(-switch_per_cm x / n_templates). Forward and backward algorithm over the
    observed sites; between two of them the chances of the templates are interpolated along the map
    (Browning and Browning 2016, doi:10.1016/j.ajhg.2015.11.020), beyond the last ones they stay.

    Parameters
    ----------
    templates : ndarray, int8 of 0/1, shape (n_sites, n_templates)
    targets : ndarray, int8 of 0/1, shape (n_observed, n_targets)
        -1 where a call is missing.
    observed : ndarray of int, shape (n_observed,)
        Sites that targets have, ascending; at least one.
    cm : ndarray, float, shape (n_sites,)
        Genetic positions, centimorgans, ascending.

    Returns
    -------
    ndarray, float32, shape (n_sites, n_targets)
    """
    gaps = np.diff(cm[observed], prepend=cm[observed[0]])
    jump = np.maximum(LEAST_JUMP, -np.expm1(-switch_per_cm / templates.shape[1] * gaps))
    chances = template_chances(templates[observed], targets, jump, error)
    imputed = np.empty((len(templates), targets.shape[1]), dtype=np.float32)
    edges = [0, *observed[1:], len(templates)]
    for k, (start, stop) in enumerate(pairwise(edges)):
        known = templates[start:stop].astype(np.float32)
        imputed[start:stop] = known @ chances[k].T
        if k + 1 < len(observed):
            first, last = cm[observed[k]], cm[observed[k + 1]]
            along = np.clip((cm[start:stop, None] - first) / max(last - first, 1e-12), 0, 1)
            change = known @ chances[k + 1].T - imputed[start:stop]
            imputed[start:stop] += along.astype(np.float32) * change
    return imputed


def template_chances(
    templates: np.ndarray, targets: np.ndarray, jump: np.ndarray, error: float
) -> np.ndarray:  # fmt: skip
    """Chance of each template at each site given all alleles.

    Parameters
    ----------
    templates, targets : ndarray, int8 of 0/1, shape (n_sites, n_templates), (n_sites, n_targets)
        Targets are -1 where a call is missing.
    jump : ndarray, float, shape (n_sites,)
        Chance of a change of template before each site; the first is of no account.

    Returns
    -------
    ndarray, float32, shape (n_sites, n_targets, n_templates)
    """
    m, n = templates.shape
    # chance of reading 0, of reading 1, and (last) of reading nothing
    fits = np.where(np.arange(3)[:, None, None] == templates, 1 - error, error).astype(np.float32)
    fits[-1] = 1
    jump = jump.astype(np.float32)
    chances = np.empty((m, targets.shape[1], n), dtype=np.float32)
    state = np.ones(chances.shape[1:], dtype=np.float32)
    for k in range(m):
        if k:
            np.multiply(chances[k - 1], 1 - jump[k], out=state)
            state += jump[k] / n
        np.multiply(state, fits[targets[k], k], out=chances[k])
        chances[k] /= chances[k].sum(axis=1, keepdims=True)
    state[:] = 1
    for k in range(m - 1, 0, -1):
        state *= fits[targets[k], k]
        state *= n * (1 - jump[k]) / state.sum(axis=1, keepdims=True)
        state += jump[k]
        chances[k - 1] *= state
    chances /= chances.sum(axis=2, keepdims=True)
    return chances
