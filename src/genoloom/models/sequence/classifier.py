"""A small convolutional classifier of sequences: sees motifs, their positions and spacing, which
k-mer counts do not.
"""

import numpy as np
import torch
from torch import nn

from genoloom.seeds import derive_seed
from genoloom.sequences import OTHER, reverse_complement
from genoloom.training.optimisers import AdamW

WIDTH, SEGMENTS = 48, 8
EPOCHS, BATCH, RATE = 10, 64, 2e-3


class SequenceClassifier(nn.Module):
    """Two convolutions, read in coarse segments of the sequence (where) and by their maxima
    (whether at all).
    """

    def __init__(self, outputs: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(4, WIDTH, 12, padding=6), nn.ReLU(), nn.MaxPool1d(4), nn.BatchNorm1d(WIDTH),
            nn.Conv1d(WIDTH, WIDTH, 6, padding=3), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Dropout(0.4), nn.Linear(WIDTH * (SEGMENTS + 1), outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One-hot (B, 4, T), T at least 4, to (B, outputs)."""
        hidden = self.body(x)
        segments = nn.functional.adaptive_avg_pool1d(hidden, SEGMENTS).flatten(1)
        return self.head(torch.cat([segments, hidden.amax(2)], dim=1))


def one_hot(bases: np.ndarray) -> torch.Tensor:
    """Float32 (B, 4, T) of bases uint8 (B, T); all zero for an unknown base (4)."""
    return torch.from_numpy(np.eye(5, 4, dtype=np.float32)[bases]).transpose(1, 2).contiguous()


def fit_classifier(
    model: SequenceClassifier,
    x,
    length,
    target: torch.Tensor,
    loss,
    stranded: bool,
    seed: int,
    epochs: int = EPOCHS,
    shift: int = 0,
) -> None:
    """Adam with a one-cycle rate; unless `stranded`, every sequence is read from either side at
    random.

    Parameters
    ----------
    x : ndarray, uint8, shape (n, T)
    length : ndarray, int64, shape (n,)
    target : tensor, shape (n, ...)
    loss : callable of outputs and targets
    shift : int
        Batches are read with this many bases less at either end, at most, and moved by as many, at
        random.
    """
    torch.manual_seed(derive_seed(seed, "weights"))
    for part in model.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    rng = np.random.default_rng(derive_seed(seed, "batches"))
    optimiser = AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    steps = epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    model.train()
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for low in range(0, len(x), BATCH):
            rows = order[low : low + BATCH]
            if len(rows) > 1:  # batch normalisation needs two
                bases = x[rows]
                if not stranded:
                    turned = rng.random(len(rows)) < 0.5
                    bases[turned] = reverse_complement(bases[turned], length[rows][turned])
                if shift:
                    bases = _moved(bases, int(rng.integers(-shift, shift + 1)))
                optimiser.zero_grad()
                loss(model(one_hot(bases)), target[rows]).backward()
                optimiser.step()
            schedule.step()
    model.eval()


def _moved(bases: np.ndarray, by: int) -> np.ndarray:
    """Bases uint8 (B, T) moved to the right, or with a negative `by` to the left; what comes in at
    the other end is 4, unknown.
    """
    padded = np.pad(bases, ((0, 0), (abs(by), abs(by))), constant_values=OTHER)
    return padded[:, abs(by) - by : abs(by) - by + bases.shape[1]]


@torch.no_grad()
def classify(
    model: SequenceClassifier, x: np.ndarray, length: np.ndarray, stranded: bool
) -> np.ndarray:
    """Outputs (n, outputs), the mean of both strands unless `stranded`."""
    views = [x] if stranded else [x, reverse_complement(x, length)]
    chunks = [
        sum(model(one_hot(view[low : low + 256])) for view in views) / len(views)
        for low in range(0, len(x), 256)
    ]
    return torch.cat(chunks).numpy()


def split_auc(synthetic: np.ndarray, real: np.ndarray, stranded: bool, seed: int) -> float:
    """AUC on the odd rows of a network that was trained on the even ones; bases uint8 (n, T) and
    (m, T) with one T.

    Quicker and noisier than cross-validation: for following a training.
    """
    from sklearn.metrics import roc_auc_score  # slow to import

    n = min(len(synthetic), len(real))
    x, target = np.concatenate([synthetic[:n], real[:n]]), np.repeat([0.0, 1.0], n)
    length = (x != 4).sum(axis=1)
    even = np.arange(2 * n) % 2 == 0
    model = SequenceClassifier()
    wanted = torch.from_numpy(target[even][:, None].astype(np.float32))
    loss = nn.functional.binary_cross_entropy_with_logits
    fit_classifier(model, x[even], length[even], wanted, loss, stranded, seed)
    return float(
        roc_auc_score(target[~even], classify(model, x[~even], length[~even], stranded)[:, 0])
    )
