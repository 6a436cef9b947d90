"""The steps of the copying network's training."""

import numpy as np
import pytest
import torch

from genoloom.models.haplotype.copying_features import N_ROW, N_TOKEN, OF_HEAD
from genoloom.models.haplotype.copying_training import BlockPairs, CopyingNetwork, CopyingTraining
from genoloom.models.haplotype.copying_weights import compiled, shapes
from genoloom.models.layers import network_arrays


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


def test_weights_without_torch_are_those_of_the_network():
    torch.manual_seed(3)
    network = CopyingNetwork(16)
    for values in network.state_dict().values():
        values.copy_(torch.rand_like(values) + 0.5)
    arrays = network_arrays(network, "")
    assert {name: x.shape for name, x in arrays.items()} == shapes(16)
    w = compiled(arrays)
    f, h = torch.rand(5, 7, N_TOKEN), torch.rand(5, N_ROW)

    def act(x):
        return torch.nn.functional.hardswish(torch.from_numpy(x)).numpy()

    tokens = f.numpy() @ w.w_token[:, :N_TOKEN].T
    hidden = act(tokens + (h.numpy() @ w.w_row.T + w.b_row)[:, None])
    hidden = act(hidden @ w.w_hidden.T + w.b_hidden)
    found = hidden @ w.w_out + f.numpy() @ w.w_linear
    expected = (network(f, h) - f[..., OF_HEAD]).detach().numpy()
    # what all tokens have in common does not count
    assert np.ptp(expected - found) < 1e-3 < 1 < np.ptp(found)
