"""The network that weighs what templates say of the next block, and its training; the same weights
at every block.

Letters in shapes: n rows, C tokens, F features of a token, H features of a row, W width.
"""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from genoloom.models.haplotype.copying_features import N_ROW, N_TOKEN, OF_HEAD
from genoloom.models.haplotype.copying_state import CopyingState
from genoloom.models.haplotype.templates import TemplatePanel, read_bits
from genoloom.models.layers import AveragedTraining
from genoloom.panel import HaplotypeSource, HaplotypeView

log = logging.getLogger(__name__)

# (row, block) pairs that are kept to train on, and most rows among them
PAIRS, ROWS = 262_144, 2048
GROUP_PAIRS = PAIRS // 4  # those that ask with a group in place of a population
STRETCH, BEFORE = 64, 96  # blocks of a stretch of a long contig, and blocks that are read before it
VALIDATION_PAIRS = 65_536
SHOWN_PAIRS = 16_384  # of training rows, whose likelihood decides nothing
BLOCKS_A_STEP, ROWS_A_STEP = 8, 192
FIRST_RATE, EM_ROUNDS = 0.1, 50
UNLABELLED = 0.1  # share of training rows whose population is hidden
LEAST_SPREAD = 0.02  # a feature that is constant in training must not shift where it is not


class CopyingNetwork(nn.Module):
    """Log-odds of a token next to the first recurrent head's, from its features and the features of
    its row.
    """

    def __init__(self, width: int):
        super().__init__()
        for name, n in (("token", N_TOKEN), ("row", N_ROW)):
            self.register_buffer(f"{name}_mean", torch.zeros(n))
            self.register_buffer(f"{name}_spread", torch.ones(n))
        self.token, self.row = nn.Linear(N_TOKEN, width, bias=False), nn.Linear(N_ROW, width)
        self.hidden, self.act = nn.Linear(width, width), nn.Hardswish()
        self.out, self.linear = nn.Linear(width, 1, bias=False), nn.Linear(N_TOKEN, 1, bias=False)
        nn.init.zeros_(self.out.weight)  # training begins at the first head
        nn.init.zeros_(self.linear.weight)

    def scale(self, token: torch.Tensor, row: torch.Tensor) -> None:
        """Take mean and spread from features (n, F) and (n, H)."""
        for name, values in (("token", token), ("row", row)):
            spread = values.std(0)
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            # one that hardly varies says nothing
            getattr(self, f"{name}_spread").copy_(
                torch.where(spread < LEAST_SPREAD, 1e6, spread + 0.01)
            )

    def forward(self, f: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """(n, C, F) and (n, H) to (n, C)."""
        x = (f - self.token_mean) / self.token_spread
        y = (h - self.row_mean) / self.row_spread
        z = self.act(self.token(x) + self.row(y)[:, None])
        z = self.act(self.hidden(z))
        return f[..., OF_HEAD] + (self.out(z) + self.linear(x))[..., 0]


@dataclass(frozen=True)
class BlockPairs:
    """One block of many rows: features of tokens (n, C, F) and of rows (n, H), float16, and the
    chance of the rows' alleles given each token, float32 (n, C); 0 for tokens that are not theirs
    to use.
    """

    token: torch.Tensor
    row: torch.Tensor
    chance: torch.Tensor
    sites: int

    def nats(self, network: CopyingNetwork, rows=slice(None)) -> torch.Tensor:
        """Minus log-probability of the blocks, (n,)."""
        usable = self.chance[rows] > 0
        logits = network(self.token[rows].float(), self.row[rows].float()).masked_fill(
            ~usable, -math.inf
        )
        chance = self.chance[rows].clamp(min=1e-35).log()
        return torch.logsumexp(logits, -1) - torch.logsumexp(logits + chance, -1)


def gather(
    panel: TemplatePanel,
    rows: HaplotypeSource,
    population: np.ndarray,
    own: np.ndarray | None,
    pairs: int,
    rng: np.random.Generator,
) -> list[BlockPairs]:
    """What templates know of rows, for about this many pairs of row and block, all along the contig
    or in stretches of it.

    Parameters
    ----------
    rows : HaplotypeSource
        Haplotypes with -1 for missing.
    population : ndarray, int64, shape (n,)
    own : ndarray, int64, shape (n, 2), or None
        As of `CopyingState`: with it, rows that are templates themselves see what others would know
        of them.
    """
    return [_pairs(*asked) for asked in _blocks_of(panel, rows, population, own, pairs, rng)]


def recombination_rate(
    panel: TemplatePanel,
    rows: HaplotypeSource,
    population: np.ndarray,
    token_chances: Callable[[CopyingState], np.ndarray],
    rng: np.random.Generator,
) -> float:
    """The share of blocks of two tokens that is likeliest for rows who are no templates, by
    expectation maximisation (Dempster, Laird & Rubin 1977); arguments as of `gather`.

    Parameters
    ----------
    token_chances : callable
        Chances of the tokens of a state's present block, float64 (n, C).
    """
    asked = _blocks_of(panel, rows, population, None, VALIDATION_PAIRS, rng)
    found = np.concatenate(
        [
            state.mixed_chances(token_chances(state), bits, called, 0.5)
            for state, bits, called, _ in asked
        ]
    )
    one, two = found[:, 0], found[:, 1:].sum(axis=1)
    share = FIRST_RATE
    for _ in range(EM_ROUNDS):
        share = float(np.mean(share * two / ((1 - share) * one + share * two)))
    return share


def _blocks_of(
    panel, rows, population, own, pairs, rng
) -> Iterator[tuple[CopyingState, np.ndarray, np.ndarray, int]]:
    """States before each block that is asked for, alleles and calls of it, and its sites."""
    spans = _stretches(panel.n_blocks, pairs)
    n_blocks = sum(stop - first for _, first, stop in spans)
    n = min(len(population), ROWS, max(1, pairs // n_blocks))
    for start, first, stop in spans:
        chosen = np.sort(rng.permutation(len(population))[:n])
        asked = population[chosen]
        if own is not None:
            asked = np.where(rng.random(n) < UNLABELLED, -1, asked)
        state = CopyingState(panel, asked, None if own is None else own[chosen], start)
        bits, called = read_bits(HaplotypeView(rows, haplotypes=chosen), panel.block, start, stop)
        for k in range(start, stop):
            if k >= first:
                sites = min(panel.block, panel.haplotypes.n_variants - k * panel.block)
                yield state, bits[k - start], called[k - start], sites
            state.advance(bits[k - start], called[k - start])


def own_templates(place: np.ndarray, individual: np.ndarray) -> np.ndarray:
    """Places among the templates of both haplotypes of each row's individual, int64 (n, 2); -1 for
    the second of who is haploid. `individual` is rising.
    """
    _, first, of, copies = np.unique(
        individual, return_index=True, return_inverse=True, return_counts=True
    )
    last = first + copies - 1
    return np.stack([place[first], np.where(copies == 2, place[last], -1)], axis=1)[of]


def _pairs(state: CopyingState, bits: np.ndarray, called: np.ndarray, sites: int) -> BlockPairs:
    f, h, others = state.features()
    usable = others >= np.minimum(others.max(axis=1, keepdims=True), state.panel.carriers)
    chance = np.where(usable, np.maximum(state.chances(bits, called), 1e-35), 0)
    return BlockPairs(
        *(
            torch.from_numpy(x)
            for x in (f.astype(np.float16), h.astype(np.float16), chance.astype(np.float32))
        ),
        sites,
    )


def _stretches(n_blocks: int, pairs: int) -> list[tuple[int, int, int]]:
    """(start, first, stop): blocks [first, stop) are kept and read from `start` on; a short contig
    whole.
    """
    most = max(STRETCH, pairs // 256 // STRETCH * STRETCH)
    if n_blocks <= most:
        return [(0, 0, n_blocks)]
    firsts = np.linspace(0, n_blocks - STRETCH, most // STRETCH).astype(int).tolist()
    return [(max(0, first - BEFORE), first, first + STRETCH) for first in firsts]


class CopyingTraining(AveragedTraining):
    """Maximum likelihood on random pairs of row and block."""

    def __init__(
        self,
        network: CopyingNetwork,
        trained: list[BlockPairs],
        validation: list[BlockPairs],
        learning_rate: float,
        seed: int,
    ):
        super().__init__(network, learning_rate, weight_decay=0.01, decay=0.98)
        self.trained, self.validation, self.seed = trained, validation, seed
        self.reference_likelihoods: dict[str, float] = {}  # what simple models pay, shown next to
        some = trained[:: max(1, len(trained) // 64)]
        network.scale(
            *(
                torch.cat([getattr(x, name).float().flatten(0, -2) for x in some])
                for name in ("token", "row")
            )
        )
        self.average.module.load_state_dict(network.state_dict())

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        rng = np.random.default_rng([self.seed, step])
        rows = np.array([len(block.row) for block in self.trained])
        chosen = rng.choice(
            len(rows), min(BLOCKS_A_STEP, len(rows)), replace=False, p=rows / rows.sum()
        )
        blocks = [self.trained[k] for k in chosen]
        n = min(ROWS_A_STEP, rows[chosen].min())
        rows = [torch.from_numpy(rng.choice(len(b.row), n, replace=False)) for b in blocks]

        def loss_of(some: slice) -> torch.Tensor:
            loss = 0.0
            for block, own in zip(blocks, rows, strict=True):
                nats = block.nats(self.model, own[some]).mean() * (len(own[some]) / n)
                loss = loss + nats / block.sites / len(blocks)
            return loss / math.log(2)

        return {"loss": self.descend_rows(n, loss_of, fraction)}

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Bits per site of the validation set ("bits") and of training rows as others would know
        them ("train_bits").
        """
        network = self.average.module
        bits = _bits(network, self.validation)
        # rows are in the order of the file, often one population after the other
        most = max(1, SHOWN_PAIRS // len(self.trained))
        some = slice(None, None, -(-len(self.trained[0].row) // most))
        train_bits = _bits(network, self.trained, some)
        return {"score": bits, "bits": bits, "train_bits": train_bits, **self.reference_likelihoods}


def _bits(network: CopyingNetwork, blocks: list[BlockPairs], rows: slice = slice(None)) -> float:
    nats = sum(float(block.nats(network, rows).double().mean()) for block in blocks)
    return nats / sum(block.sites for block in blocks) / math.log(2)
