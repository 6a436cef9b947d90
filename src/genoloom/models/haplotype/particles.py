"""Draws by chances, and the particles of the filter that fills in haplotypes: what does without
torch, whose import takes longer than many a draw.
"""

import math
from dataclasses import dataclass

import numpy as np

LAG = 8  # blocks
# first counters of the draws of blocks and of particles; mutations count from 0
BLOCK_DRAWS, PICKS, LAST_PICK = 2**41, 2**42, 2**43


@dataclass(frozen=True)
class Imputation:
    """Haplotypes without gaps.

    Attributes
    ----------
    alleles : ndarray, int8, shape (n_haplotypes, n_variants)
        One draw; known alleles as they were.
    mean : ndarray, float32, shape (n_haplotypes, n_variants)
        Posterior mean of each allele.
    log_likelihood : ndarray, float64, shape (n_haplotypes,)
        Natural-log probability of the known alleles, estimated.
    """

    alleles: np.ndarray
    mean: np.ndarray
    log_likelihood: np.ndarray


def invert(cumulated: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Index whose share of `cumulated` (..., n) holds `uniform` (B,), int64 (B,); shares of zero
    are never taken.
    """
    return (cumulated <= uniform[:, None] * cumulated[..., -1:]).sum(-1)


def resample(log_weight: np.ndarray, uniform: np.ndarray) -> np.ndarray | None:
    """Which particle each goes on as, int64 (R, P), where few carry the weight (systematic
    resampling); sets their weights.

    None where nobody is drawn anew.

    Parameters
    ----------
    log_weight : ndarray, float64, shape (R, P)
        Natural logarithms; the weights of a row sum to one.
    uniform : ndarray, float64, shape (R,)
    """
    weight = np.exp(log_weight)
    P = weight.shape[1]
    poor = 1 / (weight**2).sum(axis=1) < P / 2
    if not poor.any():
        return None
    places = (np.arange(P) + uniform[:, None]) / P  # (R, P)
    cumulated = weight.cumsum(axis=1) / weight.sum(axis=1, keepdims=True)
    chosen = (cumulated[:, None, :] <= places[:, :, None]).sum(axis=2).clip(max=P - 1)
    log_weight[poor] = -math.log(P)
    return np.where(poor[:, None], chosen, np.arange(P))


def mean_alleles(alleles: np.ndarray, log_weight: np.ndarray) -> np.ndarray:
    """Means of (R, P, L) over particles with weights (R, P), (R, L)."""
    return np.einsum("rp,rpl->rl", np.exp(log_weight), alleles)
