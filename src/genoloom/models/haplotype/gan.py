"""Generative adversarial network over block codes: it learns what the chain of neighbouring blocks does not know.

Generator. A haplotype is a chain of block codes (`genoloom.models.haplotype.blocks`). The chance of a code is
proportional to what was counted after the code before it (a smoothed first-order chain), times exp(u), times a
marginal correction. u comes from a network that reads noise: a vector for every block, one for the whole haplotype
and the population go through dilated convolutions along the contig, so u ties blocks together over long distances.
Before training u is 0: the chain alone, whose score is the first row of the history. The critic alone trains u.

Critic. It sees alleles through position-specific maps, dilated convolutions, the population as a projection (Miyato &
Koyama 2018, arXiv:1802.05637) and, beside each row, the batch's allele frequencies and neighbour covariances, in which
a collapse would show at once. Loss: Wasserstein with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028). Codes are
drawn with Gumbel noise and pass their gradient straight through (Jang et al. 2017, arXiv:1611.01144).

Calibration. After training, each population's marginal code frequencies are brought back to those of the training
rows, block by block along the contig; adversarial training lets rare codes slip.

The noise is defined along the whole contig and the convolutions have a bounded reach, so haplotypes stream out block by
block: memory does not grow with the contig, and windows join without a seam.

Letters in shapes: B rows, K blocks of the contig, T blocks of a window, L sites a block, C codes, W width, Z latent, P populations.
"""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtri
from torch import nn

from genoloom.config import GanOptions
from genoloom.errors import CollapsedError
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockCodebook
from genoloom.models.layers import exponential_average
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.training.run import TrainingRun, train

log = logging.getLogger(__name__)

DILATIONS = (1, 2, 4, 8)
MARGIN = sum(DILATIONS)  # blocks on either side that the convolutions reach
ESCAPE = 0.5  # weight of the block's own frequencies in the chain, for each distinct successor seen
BURN_IN = 8  # blocks that the chain runs before a window begins


class Convolutions(nn.Module):
    """Residual dilated convolutions along blocks, kernel 3; (B, T + 2 MARGIN, W) to (B, T, W)."""

    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.ModuleList(nn.Linear(3 * width, width) for _ in DILATIONS)
        self.outer = nn.ModuleList(nn.Linear(width, width) for _ in DILATIONS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for dilation, inner, outer in zip(DILATIONS, self.inner, self.outer, strict=True):
            y = nn.functional.leaky_relu(x, 0.2)
            # as a matrix product over shifted copies: faster than conv1d on a CPU, and so is its second derivative
            y = inner(torch.cat([y[:, : -2 * dilation], y[:, dilation:-dilation], y[:, 2 * dilation :]], dim=-1))
            x = (x[:, dilation:-dilation] + outer(nn.functional.leaky_relu(y, 0.2))) * math.sqrt(0.5)
        return x


class CodeGenerator(nn.Module):
    """Noise to the corrections u of the chain of codes."""

    def __init__(self, n_blocks: int, n_codes: int, n_populations: int, width: int, latent: int):
        super().__init__()
        self.latent = latent
        self.local, self.whole = nn.Linear(latent, width), nn.Linear(latent, width)
        self.population = nn.Embedding(n_populations, width)
        self.body = Convolutions(width)
        self.out = nn.Parameter(torch.randn(n_blocks, n_codes, width) * 1e-3)

    def forward(self, noise: torch.Tensor, whole: torch.Tensor, population: torch.Tensor, start: int) -> torch.Tensor:
        """Corrections of the blocks [start, start + T); `noise` (B, T + 2 MARGIN, Z), `whole` (B, Z); (B, T, C)."""
        x = self.local(noise) + (self.whole(whole) + self.population(population))[:, None]
        hidden = self.body(x)
        return torch.einsum("btw,tcw->btc", hidden, self.out[start : start + hidden.shape[1]])


class Critic(nn.Module):
    """Alleles to a score, higher for what looks real."""

    def __init__(self, frequency: np.ndarray, covariance: np.ndarray, n_populations: int, width: int):
        super().__init__()
        n_blocks, block = frequency.shape
        self.register_buffer("frequency", torch.from_numpy(frequency).float(), persistent=False)  # (K, L)
        self.register_buffer("covariance", torch.from_numpy(covariance).float(), persistent=False)  # (K, L)
        self.site = nn.Parameter(torch.randn(n_blocks, block, width) / math.sqrt(block))
        self.batch = nn.Parameter(torch.randn(n_blocks, 2 * block, width) / math.sqrt(block))
        self.place = nn.Parameter(torch.zeros(n_blocks, width))
        self.body = Convolutions(width)
        self.score = nn.Linear(width, 1)
        self.population = nn.Embedding(n_populations, width)
        nn.init.normal_(self.population.weight, std=0.1)

    def forward(self, alleles: torch.Tensor, population: torch.Tensor, start: int) -> torch.Tensor:
        """Scores (B,) of `alleles` (B, T, L) in [0, 1], blocks [start, start + T)."""
        blocks = slice(start, start + alleles.shape[1])
        x = torch.einsum("btl,tlw->btw", 2 * alleles - 1, self.site[blocks]) + self.place[blocks]
        x = x + torch.einsum("tl,tlw->tw", self.batch_statistics(alleles, blocks), self.batch[blocks])
        hidden = nn.functional.leaky_relu(self.body(nn.functional.pad(x, (0, 0, MARGIN, MARGIN))), 0.2)
        local = self.score(hidden).squeeze(-1) + (hidden * self.population(population)[:, None]).sum(-1)  # (B, T)
        return local.mean(1)

    def batch_statistics(self, alleles: torch.Tensor, blocks: slice) -> torch.Tensor:
        """Deviations of the batch's allele frequencies and neighbour covariances from the training rows', (T, 2 L)."""
        mean = alleles.mean(0)
        centred = (alleles - mean).flatten(1)
        following = nn.functional.pad(centred[:, 1:], (0, 1))
        covariance = (centred * following).mean(0).view_as(mean)
        # about four standard errors of a batch of 64 become 1
        return torch.cat([mean - self.frequency[blocks], covariance - self.covariance[blocks]], dim=-1) * 4
