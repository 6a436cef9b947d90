"""What simple models pay for the validation haplotypes: the likelihoods that a model is compared
with.
"""

import numpy as np

RATES = (0.3, 1.0, 3.0, 10.0, 30.0)  # switches per centimorgan
ERRORS = (0.0005, 0.002)  # chance that a copied allele differs
TEMPLATES, ROWS, SITES = 1000, 16, 8192  # at most


def independent_bits(training: np.ndarray, validation: np.ndarray) -> float:
    """Bits a called allele of `validation` when each site has the frequency of `training`, half an
    allele of each kind added.

    Parameters
    ----------
    training, validation : ndarray, int8, shape (n_variants, n)
        -1 where missing.
    """
    frequency = ((training == 1).sum(axis=1) + 0.5) / ((training >= 0).sum(axis=1) + 1)
    chance = np.where(validation == 1, frequency[:, None], 1 - frequency[:, None])
    return float(-np.log2(chance[validation >= 0]).mean())


def li_stephens_bits(training: np.ndarray, validation: np.ndarray, map_cm: np.ndarray) -> float:
    """Bits a called allele of `validation` as mosaics of the training haplotypes, at the best of a
    few switch and error rates.

    The forward algorithm of Li & Stephens 2003 (doi:10.1093/genetics/165.4.2213) over the genetic
    map: the best rate of switches at the first error rate, then the best error rate. Both are
    chosen on the validation haplotypes themselves, so it is a strict reference.

    Parameters
    ----------
    training, validation : ndarray, int8, shape (n_variants, n)
        -1 where missing; a template's missing allele counts as 0.
    map_cm : ndarray, float64, shape (n_variants,)
    """
    gaps = np.maximum(np.diff(map_cm, prepend=map_cm[:1]), 0)

    def bits(rate: float, error: float) -> float:
        return _forward(training, validation, -np.expm1(-rate * gaps), error)

    first, rate = min((bits(rate, ERRORS[0]), rate) for rate in RATES)
    return min(first, *(bits(rate, error) for error in ERRORS[1:]))


def _forward(
    training: np.ndarray, validation: np.ndarray, switch: np.ndarray, error: float
) -> float:
    n_templates = training.shape[1]
    state = np.full((validation.shape[1], n_templates), 1 / n_templates)
    total = 0.0
    for templates, alleles, jump in zip(training == 1, validation, switch, strict=True):
        state = (1 - jump) * state + jump / n_templates
        emitted = np.where(templates[None, :] == (alleles[:, None] == 1), 1 - error, error)
        state *= np.where(alleles[:, None] >= 0, emitted, 1.0)
        scale = state.sum(axis=1, keepdims=True)
        total += np.log2(scale).sum()
        state /= scale
    return float(-total / (validation >= 0).sum())


def reference_bits(
    haplotypes,
    fitted: np.ndarray,
    validation: np.ndarray,
    map_cm: np.ndarray,
    rng: np.random.Generator,
) -> dict:
    """Both references, on at most `SITES` sites from the first on, `ROWS` validation haplotypes and
    `TEMPLATES` training haplotypes.

    Parameters
    ----------
    haplotypes : HaplotypeSource
    fitted, validation : ndarray of int
        Columns of the source.
    map_cm : ndarray, float64, shape (haplotypes.n_variants,)

    Returns
    -------
    dict
        "independent_bits" and "li_stephens_bits".
    """
    n = min(haplotypes.n_variants, SITES)
    alleles = haplotypes.read(0, n)
    templates = (
        fitted
        if len(fitted) <= TEMPLATES
        else np.sort(rng.choice(fitted, TEMPLATES, replace=False))
    )
    rows = (
        validation
        if len(validation) <= ROWS
        else np.sort(rng.choice(validation, ROWS, replace=False))
    )
    if not (alleles[:, rows] >= 0).any():
        return {}
    return {
        "independent_bits": independent_bits(alleles[:, fitted], alleles[:, rows]),
        "li_stephens_bits": li_stephens_bits(alleles[:, templates], alleles[:, rows], map_cm[:n]),
    }
