"""The steps of the copying network's training."""

import pytest
import torch

from genoloom.models.haplotype.copying_features import N_ROW, N_TOKEN
from genoloom.models.haplotype.copying_training import BlockPairs, CopyingNetwork, CopyingTraining


def test_a_step_too_large_for_the_memory_learns_the_same_in_pieces():
    random = torch.Generator().manual_seed(1)
    blocks = [
        BlockPairs(
            torch.randn(50, 6, N_TOKEN, generator=random).half(),
            torch.randn(50, N_ROW, generator=random).half(),
            torch.rand(50, 6, generator=random),
            sites,
        )
        for sites in (8, 8, 5)
    ]
    losses, weights = [], []
    for pieces in (1, 4):
        torch.manual_seed(2)
        training = CopyingTraining(CopyingNetwork(8), blocks, blocks, 0.01, seed=3)
        training.pieces = pieces
        losses.append([training.train_step(k, k / 3)["loss"] for k in range(3)])
        weights.append(training.model.out.weight.detach())
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-5)
