"""The networks of the sequence GAN: an editor of proposals, a critic, and what both look at.

Letters in shapes: B rows, T bases, W width.
"""

import torch
from torch import nn

from genoloom.sequence_config import SequenceGanOptions

# logits of the proposal's bases, in units of the network's: untouched, one base in a thousand is
# drawn anew
LOGIT_SCALE = 8.0
DILATIONS = (1, 4, 16)
TEMPERATURE = (
    4.0  # of the relaxation that gives the gradient; the draws themselves do not depend on it
)
GROUP = 8  # sequences of which the critic sees the common 4-mer frequencies
SEGMENTS = 8  # parts of a sequence that the critic distinguishes, in sets of one orientation
SINGLE_WEIGHT = 8.0  # weight of bases next to 4-mers in the moments


def even(length: int) -> int:
    """The length, or one more: the generator works on pairs of bases."""
    return length + length % 2


def kmer_frequencies(x: torch.Tensor) -> torch.Tensor:
    """4-mer frequencies of (soft) one-hot sequences, (B, 4, T) to (B, 256), relative to equal
    ones.
    """
    pairs = (x[:, :, None, :-1] * x[:, None, :, 1:]).flatten(1, 2)  # (B, 16, T - 1)
    counts = torch.bmm(pairs[..., :-2], pairs[..., 2:].transpose(1, 2)).flatten(1)
    return 256 * counts / counts.sum(1, keepdim=True).clamp(min=1.0)


def composition_moments(x: torch.Tensor) -> torch.Tensor:
    """Mean and spread, over a minibatch (B, 4, T), of the frequencies of bases and 4-mers;
    (520,).
    """
    bases = 4 * x.sum(2) / x.sum((1, 2)).clamp(min=1.0)[:, None]
    both = torch.cat([bases * SINGLE_WEIGHT, kmer_frequencies(x)], dim=1)
    return torch.cat([both.mean(0), (both.var(0) + 1e-6).sqrt()])


class ResidualConvolution(nn.Module):
    """Two convolutions next to a skip connection."""

    def __init__(self, width: int, dilation: int = 1):
        super().__init__()
        self.first = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(width, width, 3, padding=1)

    def forward(
        self, x: torch.Tensor, gain: torch.Tensor | float = 1.0, shift: torch.Tensor | float = 0.0
    ) -> torch.Tensor:
        hidden = self.first(nn.functional.leaky_relu(x * gain + shift, 0.2))
        return x + 0.5 * self.second(nn.functional.leaky_relu(hidden, 0.2))


class Generator(nn.Module):
    """Logits of bases from a proposal, a latent vector and a label; the work is done at half the
    resolution.
    """

    def __init__(self, options: SequenceGanOptions, n_labels: int, positions: int):
        """`positions`: bases of the longest sequence, where sequences are aligned to something;
        else 0.
        """
        super().__init__()
        W = options.width
        self.latent, self.positions = options.latent, positions
        self.proposal_weight = 1.0 if options.chain_noise else 0.0
        self.label = nn.Embedding(n_labels, options.latent)
        self.style = nn.Linear(options.latent, 2 * W * len(DILATIONS))
        self.stem = nn.Conv1d(4, W, 8, stride=2, padding=3)
        self.position = (
            nn.Parameter(torch.randn(W, even(positions) // 2).mul_(0.02)) if positions else None
        )
        self.blocks = nn.ModuleList(ResidualConvolution(W, d) for d in DILATIONS)
        self.write = nn.Conv1d(W, 8, 5, padding=2)
        if options.chain_noise:
            nn.init.zeros_(self.write.weight)
            nn.init.zeros_(self.write.bias)

    def forward(
        self, proposal: torch.Tensor, latent: torch.Tensor, label: torch.Tensor
    ) -> torch.Tensor:
        """`proposal` (B, 4, T), even T, `latent` (B, latent), `label` int64 (B,); to (B, 4, T)."""
        # (B, W, 1) each
        style = self.style(latent + self.label(label))[..., None].chunk(2 * len(self.blocks), dim=1)
        x = self.stem(proposal)
        if self.position is not None:
            x = (
                x
                + nn.functional.pad(
                    self.position, (0, max(0, x.shape[2] - self.position.shape[1]))
                )[:, : x.shape[2]]
            )
        for i, block in enumerate(self.blocks):
            x = block(x, 1 + style[2 * i], style[2 * i + 1])
        edits = self.write(nn.functional.leaky_relu(x, 0.2))  # (B, 8, T / 2)
        edits = edits.unflatten(1, (4, 2)).transpose(2, 3).flatten(2)  # (B, 4, T)
        return LOGIT_SCALE * (self.proposal_weight * proposal + edits)


class Critic(nn.Module):
    """A score for each sequence, high for real ones.

    It reads words of a dozen bases and what is around them, as means over segments of the
    sequence (or over all of it, where positions mean nothing) and as maxima; the sequence's 4-mers;
    and as features of a group of sequences.
    """

    def __init__(
        self, options: SequenceGanOptions, n_labels: int, kmer_mean: torch.Tensor, positions: int
    ):
        """`kmer_mean` (256,): `kmer_frequencies` of the training sequences; `positions` as of the
        generator.
        """
        super().__init__()
        W = options.width
        self.segments = SEGMENTS if positions else 1
        self.words = nn.Conv1d(4, W, 12, padding=6)
        self.around = nn.Conv1d(W, W, 6, padding=3)
        self.block = ResidualConvolution(W, 2)
        self.pooled = nn.Linear(W * (self.segments + 1), W)
        self.kmers, self.group = nn.Linear(256, W), nn.Linear(256, W)
        self.mix = nn.Linear(W, W)
        self.score = nn.Linear(W, 1)
        self.label = nn.Embedding(n_labels, W)
        nn.init.zeros_(self.label.weight)
        self.register_buffer("kmer_mean", kmer_mean)

    def forward(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """`x` (B, 4, T) with B a multiple of `GROUP` or below it; to (B,)."""
        h = nn.functional.avg_pool1d(
            nn.functional.leaky_relu(self.words(x), 0.2), 4, ceil_mode=True
        )
        h = nn.functional.leaky_relu(self.block(nn.functional.leaky_relu(self.around(h), 0.2)), 0.2)
        pooled = torch.cat(
            [nn.functional.adaptive_avg_pool1d(h, self.segments).flatten(1), h.amax(2)], dim=1
        )
        frequency = kmer_frequencies(x) - self.kmer_mean
        size = GROUP if len(x) % GROUP == 0 else len(x)
        # (B, 256)
        common = frequency.unflatten(0, (-1, size)).mean(1).repeat_interleave(size, dim=0)
        h = nn.functional.leaky_relu(
            self.pooled(pooled) + self.kmers(frequency) + self.group(common), 0.2
        )
        h = nn.functional.leaky_relu(self.mix(h), 0.2)
        return self.score(h)[:, 0] + (self.label(label) * h).sum(1)


def straight_through(logits: torch.Tensor) -> torch.Tensor:
    """One-hot Gumbel draws (B, 4, T) that pass on the gradient of the softmax."""
    return nn.functional.gumbel_softmax(logits, tau=TEMPERATURE, hard=True, dim=1)
