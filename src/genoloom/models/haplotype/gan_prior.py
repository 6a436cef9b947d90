"""What a whole haplotype is like, for the GAN: its embedding, the prior that draws embeddings, and
the critics that judge them.

An embedding is a haplotype's place on the first principal components of common sites, each scaled
to variance 1 among the training rows. It is a sum over the blocks of the contig, so a table of
every token's part (`embedding_parts`) gives the embedding of any sequence of tokens.

Letters in shapes: B rows, K blocks of the contig, L sites per block, C tokens, D dimensions, W
width, P populations.
"""

import numpy as np
import torch
from torch import nn

from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.components import common_sites, principal_components

HIDDEN = 64
NOISE = 0.5  # in each dimension, whose standard deviation is 1: an embedding identifies nobody


def embedding_parts(
    tokenizer: BlockTokenizer, tokens: np.ndarray, dimensions: int, seed: int
) -> np.ndarray:
    """What every token adds to the embedding of a haplotype, float32 (K, C, D).

    `tokens` (n, K) are the training rows', whose embeddings have mean 0 and variance 1; dimensions
    that these rows do not have stay 0.
    """
    K, C, L = tokenizer.alleles.shape
    sites = common_sites(tokenizer.frequency.ravel())
    block, place = sites // L, sites % L
    parts = np.zeros((K, C, dimensions), dtype=np.float32)
    if len(sites) == 0:
        return parts
    rows = tokenizer.alleles[block, tokens[:, block], place].astype(np.float32)
    scores, axes = principal_components(rows, dimensions, seed)
    spread = scores.std(axis=0)
    kept = np.flatnonzero(spread > 1e-3)
    alleles = tokenizer.alleles[block, :, place] - rows.mean(axis=0)[:, None]  # (n_sites, C)
    for d in kept:
        np.add.at(parts[..., d], block, alleles * (axes[d] / spread[d])[:, None])
    return parts


class Prior(nn.Module):
    """Noise (B, D) and population (B,) to embeddings (B, D)."""

    def __init__(self, dimensions: int, n_populations: int):
        super().__init__()
        self.population = nn.Embedding(n_populations, HIDDEN)
        self.noise = nn.Linear(dimensions, HIDDEN)
        self.body = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2))
        self.out = nn.Linear(HIDDEN, dimensions)

    def forward(self, noise: torch.Tensor, population: torch.Tensor) -> torch.Tensor:
        return noise + self.out(self.body(self.noise(noise) + self.population(population)))


class Critic(nn.Module):
    """Embeddings (B, D) and population (B,) to scores (B,), higher for what looks real."""

    def __init__(self, dimensions: int, n_populations: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(dimensions, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, HIDDEN),
            nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.score = nn.Linear(HIDDEN, 1)
        self.population = nn.Embedding(n_populations, HIDDEN)
        nn.init.normal_(self.population.weight, std=0.1)

    def forward(self, embedding: torch.Tensor, population: torch.Tensor) -> torch.Tensor:
        hidden = self.body(embedding)
        return self.score(hidden).squeeze(-1) + (hidden * self.population(population)).sum(-1)


class Critics(nn.ModuleList):
    """Two critics, of halves of the training rows."""

    def __init__(self, dimensions: int, n_populations: int):
        super().__init__(Critic(dimensions, n_populations) for _ in range(2))

    def forward(self, embedding: torch.Tensor, population: torch.Tensor) -> torch.Tensor:
        """Mean scores (B,)."""
        return sum(critic(embedding, population) for critic in self) / len(self)


def energy_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of two samples of embeddings, (n, D) and (m, D); Szekely & Rizzo 2013,
    doi:10.1016/j.jspi.2013.03.018.
    """
    within = torch.cdist(a, a).mean() + torch.cdist(b, b).mean()
    return float(2 * torch.cdist(a, b).mean() - within)
