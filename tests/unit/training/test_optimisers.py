"""Optimisers are those of torch, without its compiler."""

import subprocess
import sys

import pytest
import torch

from genoloom.training import optimisers

TRAINED = """
import sys
from types import SimpleNamespace

import torch

from genoloom.models.layers import declare_network
from genoloom.training.optimisers import AdamW

expected = SimpleNamespace(expect=lambda *_, **__: None)
declare_network(expected, "", lambda: torch.nn.Embedding(3, 4))
network = torch.nn.Linear(3, 1)
optimiser = AdamW(network.parameters())
network(torch.ones(2, 3)).sum().backward()
optimiser.step()
optimiser.load_state_dict(optimiser.state_dict())
optimiser.zero_grad()
sys.exit("torch._dynamo" in sys.modules)
"""


@pytest.mark.parametrize("name", ["Adam", "AdamW", "LBFGS"])
def test_steps_are_those_of_torch(name):
    ends = []
    for module in (torch.optim, optimisers):
        x = torch.tensor([3.0, -2.0], requires_grad=True)
        optimiser = getattr(module, name)([x], lr=0.1)

        def loss(x=x, optimiser=optimiser):
            optimiser.zero_grad()
            value = (x**2 * torch.tensor([1.0, 4.0])).sum()
            value.backward()
            return value

        for _ in range(5):
            optimiser.step(loss)
        ends.append(x.detach())
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], torch.tensor([3.0, -2.0]))


def test_the_compiler_of_torch_is_not_loaded():
    done = subprocess.run([sys.executable, "-c", TRAINED], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
