"""The haplotype GAN's critic, and the statistics of the training rows that it is told.

Letters in shapes: B rows, K blocks of the contig, T blocks of a window, L sites per block, W width,
P populations.
"""

import math

import numpy as np
import torch
from torch import nn

from genoloom.models.haplotype.blocks import BlockTokenizer

DILATIONS = (1, 2, 4, 8)
MARGIN = sum(DILATIONS)  # blocks on either side that the critic's convolutions reach


class Convolutions(nn.Module):
    """Residual dilated convolutions along blocks, kernel 3; (B, T + 2 MARGIN, W) to (B, T, W)."""

    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.ModuleList(nn.Linear(3 * width, width) for _ in DILATIONS)
        self.outer = nn.ModuleList(nn.Linear(width, width) for _ in DILATIONS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for dilation, inner, outer in zip(DILATIONS, self.inner, self.outer, strict=True):
            y = nn.functional.leaky_relu(x, 0.2)
            # as a matrix product over shifted copies: faster than conv1d on a CPU, and so is its
            # second derivative
            y = inner(
                torch.cat(
                    [y[:, : -2 * dilation], y[:, dilation:-dilation], y[:, 2 * dilation :]], dim=-1
                )
            )
            x = (x[:, dilation:-dilation] + outer(nn.functional.leaky_relu(y, 0.2))) * math.sqrt(
                0.5
            )
        return x


class Critic(nn.Module):
    """Alleles to a score, higher for what looks real."""

    def __init__(
        self, frequency: np.ndarray, covariance: np.ndarray, n_populations: int, width: int
    ):
        super().__init__()
        n_blocks, block = frequency.shape
        # (K, L)
        self.register_buffer("frequency", torch.from_numpy(frequency).float(), persistent=False)
        # (K, L)
        self.register_buffer("covariance", torch.from_numpy(covariance).float(), persistent=False)
        self.site = nn.Parameter(torch.randn(n_blocks, block, width) / math.sqrt(block))
        self.batch = nn.Parameter(torch.randn(n_blocks, 2 * block, width) / math.sqrt(block))
        self.position = nn.Parameter(torch.zeros(n_blocks, width))
        self.body = Convolutions(width)
        self.score = nn.Linear(width, 1)
        self.population = nn.Embedding(n_populations, width)
        nn.init.normal_(self.population.weight, std=0.1)

    def forward(
        self, alleles: torch.Tensor, population: torch.Tensor, start: int, alone: bool = False
    ) -> torch.Tensor:
        """Scores (B,) of `alleles` (B, T, L) in [0, 1], blocks [start, start + T); `alone`: each
        row whatever its batch.
        """
        blocks = slice(start, start + alleles.shape[1])
        x = torch.einsum("btl,tlw->btw", 2 * alleles - 1, self.site[blocks]) + self.position[blocks]
        if not alone:  # else as in a batch with the statistics of the training rows
            x = x + torch.einsum(
                "tl,tlw->tw", self.batch_statistics(alleles, blocks), self.batch[blocks]
            )
        hidden = nn.functional.leaky_relu(
            self.body(nn.functional.pad(x, (0, 0, MARGIN, MARGIN))), 0.2
        )
        # (B, T)
        local = self.score(hidden).squeeze(-1) + (
            hidden * self.population(population)[:, None]
        ).sum(-1)
        return local.mean(1)

    def batch_statistics(self, alleles: torch.Tensor, blocks: slice) -> torch.Tensor:
        """Deviations of the batch's allele frequencies and neighbour covariances from the training
        rows', (T, 2 L).
        """
        mean = alleles.mean(0)
        centred = (alleles - mean).flatten(1)
        following = nn.functional.pad(centred[:, 1:], (0, 1))
        covariance = (centred * following).mean(0).view_as(mean)
        # about four standard errors of a batch of 64 become 1
        return (
            torch.cat([mean - self.frequency[blocks], covariance - self.covariance[blocks]], dim=-1)
            * 4
        )


def statistics(tokenizer: BlockTokenizer, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Allele frequencies of the rows of tokens, and covariances of each site with the next; float64
    (K, L) each.
    """
    K, _, L = tokenizer.alleles.shape
    frequency, covariance = np.empty((K, L)), np.empty((K, L))
    for k in range(K):
        alleles = tokenizer.alleles[k, rows[:, k]].astype(np.float64)
        after = (
            tokenizer.alleles[k + 1, rows[:, k + 1], :1]
            if k + 1 < K
            else np.zeros((len(alleles), 1))
        )
        following = np.concatenate([alleles[:, 1:], after], axis=1)
        frequency[k] = alleles.mean(0)
        covariance[k] = (alleles * following).mean(0) - alleles.mean(0) * following.mean(0)
    return frequency, covariance
