"""Draws by chances, and the particles of the filter that fills in haplotypes: what does without
torch, whose import takes longer than many a draw.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genoloom.seeds import row_uniforms

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


class Particles:
    """The particles of some haplotypes: their blocks so far, and their weights.

    Parameters
    ----------
    paths : ndarray, shape (R, P, K) or (R, P, K, L)
        Room for K blocks of P particles of R haplotypes.
    seed : ndarray, uint64, shape (R,)
    block : int
        Sites of a block, L.
    alleles : callable
        From blocks as `paths` holds them, (R, P) or (R, K), to their alleles, a further axis.
    """

    def __init__(
        self, paths: np.ndarray, seed: np.ndarray, block: int,
        alleles: Callable[[np.ndarray], np.ndarray] = lambda blocks: blocks,
    ):  # fmt: skip
        R, P, K = paths.shape[:3]
        self.paths, self.seed, self.alleles = paths, seed, alleles
        self.mean = np.zeros((R, K, block), dtype=np.float32)
        self.log_weight, self.evidence = np.full((R, P), -math.log(P)), np.zeros(R)

    def add(self, k: int, drawn: np.ndarray, log_chance: np.ndarray) -> np.ndarray | None:
        """Take up block `k` of all particles, and the log-chances (R, P) of what is known of it;
        returns as which row of R * P each goes on, None where nobody is drawn anew.
        """
        self.paths[:, :, k] = drawn
        self.log_weight += log_chance
        total = np.logaddexp.reduce(self.log_weight, axis=1)
        self.evidence += total
        self.log_weight -= total[:, None]
        rows = np.arange(len(self.seed))[:, None]
        chosen = resample(self.log_weight, row_uniforms(self.seed, PICKS + k))
        if chosen is not None:
            self.paths[:, :, : k + 1] = self.paths[rows, chosen, : k + 1]
            chosen = (rows * chosen.shape[1] + chosen).ravel()
        if k >= LAG:
            self._take_mean(k - LAG)
        return chosen

    def _take_mean(self, k: int) -> None:
        weight, alleles = np.exp(self.log_weight), self.alleles(self.paths[:, :, k])
        self.mean[:, k] = np.einsum("rp,rpl->rl", weight, alleles)

    def imputed(self, n_variants: int) -> Imputation:
        """What follows from the particles when all blocks are there."""
        R, K = self.mean.shape[:2]
        for k in range(max(0, K - LAG), K):
            self._take_mean(k)
        weight = np.exp(self.log_weight).cumsum(axis=1)
        last = invert(weight, row_uniforms(self.seed, LAST_PICK))
        alleles = self.alleles(self.paths[np.arange(R), last]).reshape(R, -1)
        mean = self.mean.reshape(R, -1)
        return Imputation(alleles[:, :n_variants], mean[:, :n_variants], self.evidence)
