"""The convolutional network of the two-sample test."""

import torch
from torch import nn

BLOCK = 16  # sites that the first, position-specific layer reads together
CHANNELS = 8


class BlockNetwork(nn.Module):
    """Scores of haplotypes, shape (B,), from alleles as floats, shape (B, V).

    Each block of sites has weights of its own, for the same pattern of alleles means something else
    at another place; two convolutions along the blocks and pooling follow.
    """

    def __init__(self, n_sites: int, generator: torch.Generator):
        super().__init__()
        self.blocks = max(4, -(-n_sites // BLOCK))
        self.weight = nn.Parameter(
            torch.randn(self.blocks, BLOCK, CHANNELS, generator=generator) * 0.3
        )
        self.bias = nn.Parameter(torch.zeros(self.blocks, 1, CHANNELS))
        self.first = nn.Conv1d(CHANNELS, 16, 3, stride=2, padding=1)
        self.second = nn.Conv1d(16, 16, 3, stride=2, padding=1)
        self.out = nn.Linear(32, 1)
        for layer in (self.first, self.second, self.out):
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.pad(x, (0, self.blocks * BLOCK - x.shape[1]))
        x = x.view(len(x), self.blocks, BLOCK).transpose(0, 1)  # (blocks, B, BLOCK)
        x = torch.relu(torch.baddbmm(self.bias, x, self.weight)).permute(1, 2, 0)  # (B, C, blocks)
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.out(torch.cat([x.amax(dim=2), x.mean(dim=2)], dim=1)).squeeze(1)


def fit_network(
    network: BlockNetwork,
    x: torch.Tensor,
    y: torch.Tensor,
    epochs: int,
    batch: int,
    generator: torch.Generator,
) -> None:
    """Adam on the logistic loss with weight decay; rows in random order.

    Written out, because the first optimiser of a process makes torch load its compiler: two seconds
    for a second's work.
    """
    rate, decay, (mean_decay, square_decay) = 5e-3, 0.05, (0.9, 0.999)
    weights = list(network.parameters())
    means, squares = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    step = 0
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(batch):
            loss = nn.functional.binary_cross_entropy_with_logits(network(x[rows].float()), y[rows])
            gradients = torch.autograd.grad(loss, weights)
            step += 1
            scale = (1 - square_decay**step) ** 0.5 / (1 - mean_decay**step)
            with torch.no_grad():
                for weight, gradient, mean, square in zip(
                    weights, gradients, means, squares, strict=True
                ):
                    mean.lerp_(gradient, 1 - mean_decay)
                    square.lerp_(gradient * gradient, 1 - square_decay)
                    weight.mul_(1 - rate * decay).addcdiv_(
                        mean, square.sqrt().add_(1e-8), value=-rate * scale
                    )
