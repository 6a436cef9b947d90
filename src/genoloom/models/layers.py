"""What the networks share: attention with a cache, the layer around it, and training by maximum
likelihood.

Letters in shapes: B rows, T tokens, H heads, D width of a head.
"""

import logging
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.overrides import TorchFunctionMode

from genoloom.declared import Declared, within
from genoloom.faults import lacks_memory
from genoloom.models.finite import LARGEST_WEIGHT
from genoloom.training.optimisers import AdamW
from genoloom.training.processes import sum_gradients

log = logging.getLogger(__name__)

# shares of the steps, and of the peak learning rate
WARMUP, LEAST_RATE = 0.05, 0.02
LARGEST_GRADIENT = 1.0  # norm
ROTARY_BASE = 1000.0


def cosine_schedule(fraction: float) -> float:
    """Share of the peak learning rate after `fraction` (in [0, 1)) of the steps: linear rise,
    cosine fall to `LEAST_RATE`.
    """
    if fraction < WARMUP:
        return (fraction + 1e-3) / (WARMUP + 1e-3)
    progress = (fraction - WARMUP) / (1 - WARMUP)
    return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))


def declare_network(arrays: Declared, prefix: str, build: Callable[[], nn.Module]) -> None:
    """Declare the weights of the network that `build` makes, under their names after `prefix`;
    takes no memory for them.

    Model files hold a single number as an array of one.
    """
    with torch.device("meta"), _NoRandomStart():
        state = build().state_dict()
    for name, value in state.items():
        bounds = {
            "low": 0 if name.endswith("running_var") else -LARGEST_WEIGHT,
            "high": LARGEST_WEIGHT,
        }
        arrays.expect(
            prefix + name, str(value.dtype).removeprefix("torch."), *(value.shape or (1,)), **bounds
        )


class _NoRandomStart(TorchFunctionMode):
    """Arrays without data are not filled with normal numbers: that loads the compiler of torch, two
    seconds for each process that reads a model.
    """

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        if function.__name__ == "normal_":
            return keywords["tensor"] if "tensor" in keywords else arguments[0]
        return function(*arguments, **keywords)


def load_network(network: nn.Module, arrays: dict[str, np.ndarray], prefix: str) -> None:
    """Load the weights that `declare_network` declared into `network`."""
    own = within(arrays, prefix)
    network.load_state_dict({name: torch.from_numpy(values) for name, values in own.items()})


def network_arrays(network: nn.Module, prefix: str = "network.") -> dict[str, np.ndarray]:
    """The weights of a network as `load_network` takes them."""
    return {f"{prefix}{name}": value.numpy() for name, value in network.state_dict().items()}


def weights_of(average: AveragedModel) -> dict[str, torch.Tensor]:
    """A copy of the averaged weights, on the CPU."""
    state = average.module.state_dict()
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def exponential_average(model: nn.Module, decay: float) -> AveragedModel:
    """A running average of the parameters; it forgets faster at first, so that the random start
    does not linger.
    """

    def average(averaged, current, count) -> None:
        torch._foreach_lerp_(
            averaged, current, 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        )

    return AveragedModel(model, multi_avg_fn=average)


def adamw(
    model: nn.Module, learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> AdamW:
    """AdamW that decays matrices and embeddings but no biases and gains.

    A parameter marked with `rate` (a factor on the learning rate) does not decay either: it began
    at something counted.
    """
    groups: dict[tuple[float, float], list] = {}
    for parameter in model.parameters():
        rate = getattr(parameter, "rate", None)
        decay = weight_decay if rate is None and parameter.ndim > 1 else 0.0
        groups.setdefault((decay, rate or 1.0), []).append(parameter)
    described = [
        {"params": params, "weight_decay": decay, "rate": rate}
        for (decay, rate), params in groups.items()
    ]
    return AdamW(described, lr=learning_rate, betas=betas)


class AveragedTraining:
    """The part of `genoloom.training.run.Trainable` that maximum-likelihood models share.

    Holds the model, its AdamW with cosine schedule and the exponential average of its weights;
    evaluations and snapshots use the average. A subclass adds `train_step` (which ends in
    `descend` or `descend_rows`) and `evaluate`.

    Attributes
    ----------
    pieces : int
        In how many a batch is worked off: one, and twice as many each time memory runs out.
    """

    pieces = 1

    def __init__(
        self,
        model: nn.Module,
        learning_rate: float,
        *,
        weight_decay: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.98),
        decay: float = 0.995,
    ):
        self.model, self.learning_rate = model, learning_rate
        self.average = exponential_average(model, decay)
        self.optimiser = adamw(model, learning_rate, weight_decay, betas)

    def descend(self, loss: torch.Tensor, fraction: float) -> float:
        """One optimiser step down the gradient of `loss`, after `fraction` of the schedule; returns
        the loss.

        Of several processes each gives the part of the loss that its rows have in that of the
        batch.
        """
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return self._step(loss, fraction)

    def descend_rows(
        self, n: int, loss_of: Callable[[slice], torch.Tensor], fraction: float
    ) -> float:
        """As `descend`, of a batch of `n` rows that may be too large for the memory: then it is
        worked off in twice as many pieces, whose gradients are summed, from here on.

        Parameters
        ----------
        loss_of : callable
            The part that some rows have in the loss of the batch; the parts sum to the loss.

        Raises
        ------
        MemoryError, RuntimeError
            There is no memory for a single row.
        """
        random = torch.random.get_rng_state()
        while True:
            try:
                self.optimiser.zero_grad(set_to_none=True)
                total = torch.zeros((), device=next(self.model.parameters()).device)
                for piece in range(self.pieces):
                    loss = loss_of(slice(n * piece // self.pieces, n * (piece + 1) // self.pieces))
                    loss.backward()
                    total += loss.detach()
                    del loss
                break
            except (MemoryError, RuntimeError) as error:
                if not lacks_memory(error) or 2 * self.pieces > n:
                    raise
                self.pieces *= 2
                log.warning(
                    "not enough memory for a step: from now on a batch is worked off in %d pieces "
                    "of about %d rows, whose gradients are summed",
                    self.pieces,
                    n // self.pieces,
                )
            self.optimiser.zero_grad(set_to_none=True)
            torch.random.set_rng_state(random)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return self._step(total, fraction)

    def _step(self, loss: torch.Tensor, fraction: float) -> float:
        """One step down the gradients there are; returns the loss of all processes."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * cosine_schedule(fraction) * group["rate"]
        total = sum_gradients(self.model.parameters(), loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        return total

    def state_dict(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def snapshot(self) -> dict:
        """A copy of the averaged weights."""
        return weights_of(self.average)

    def restore(self, snapshot: dict) -> None:
        self.model.load_state_dict(snapshot)
        self.average.module.load_state_dict(snapshot)


def rotary_table(length: int, head_width: int) -> torch.Tensor:
    """Cosines and sines of rotary positions, float32, shape (2, length, head_width / 2).

    Su et al. 2021, arXiv:2104.09864: scores depend on the distance of two tokens, not on their
    places.
    """
    # on the CPU also where arrays are only declared, as above
    frequency = ROTARY_BASE ** (-torch.arange(0, head_width, 2, device="cpu") / head_width)
    angle = torch.arange(length, device="cpu")[:, None] * frequency[None, :]
    return torch.stack([angle.cos(), angle.sin()])


def rotate(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Apply rotary positions `table` (2, T, D / 2) to `x` (B, H, T, D)."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = table
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class KeyValueCache:
    """Keys and values of the tokens so far, in memory that is allocated once.

    Concatenating instead copies the whole past for every token.
    """

    def __init__(self, layers: int, rows: int, heads: int, capacity: int, head_width: int):
        self.keys = torch.zeros(layers, rows, heads, capacity, head_width)
        self.values = torch.zeros_like(self.keys)
        self.length = 0

    def extend(
        self, layer: int, k: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store `k`, `v` (B, H, T, D) of one layer after the past; return past and new. `length`
        is the caller's to advance.
        """
        stop = self.length + k.shape[2]
        self.keys[layer, :, :, self.length : stop] = k
        self.values[layer, :, :, self.length : stop] = v
        return self.keys[layer, :, :, :stop], self.values[layer, :, :, :stop]

    def clear(self) -> None:
        self.length = 0


class Attention(nn.Module):
    """Causal multi-head attention with rotary positions; no dropout of its own, which would cost
    the fast kernel.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self,
        x: torch.Tensor,
        rotary: torch.Tensor,
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> torch.Tensor:
        """`x` (B, T, width). A cache takes either its first tokens together or one token at a
        time.
        """
        B, T, width = x.shape
        # (B, H, T, D) each
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, rotary), rotate(k, rotary)
        if cache is not None:
            k, v = cache.extend(layer, k, v)  # (B, H, past + T, D)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=T > 1)  # (B, H, T, D)
        return self.out(y.transpose(1, 2).reshape(B, T, width))


class TransformerLayer(nn.Module):
    """Attention and a two-layer perceptron, each after a norm and next to a skip connection."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        rotary: torch.Tensor,
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> torch.Tensor:
        x = x + self.drop(self.attention(self.norm1(x), rotary, cache, layer))
        return x + self.drop(self.mlp(self.norm2(x)))
