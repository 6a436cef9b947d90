"""Can a convolutional network tell two sets of sequences apart? Sees motifs, their places and spacing, which k-mer counts do not."""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from genoloom.seeds import derive_seed
from genoloom.sequences import SequenceSet, reverse_complement

FOLDS = 3
WIDTH, SEGMENTS = 48, 8
EPOCHS, BATCH, RATE = 10, 64, 2e-3


class SequenceClassifier(nn.Module):
    """Two convolutions, read in coarse segments of the sequence (where) and by their maxima (whether at all)."""

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
    """Float32 (B, 4, T) of bases uint8 (B, T); all zero for code 4."""
    return torch.from_numpy(np.eye(5, 4, dtype=np.float32)[bases]).transpose(1, 2).contiguous()


def fit_classifier(model: SequenceClassifier, x, length, target: torch.Tensor, loss, strands: bool, seed: int) -> None:
    """Adam with a one-cycle rate over `EPOCHS` epochs; with `strands`, every sequence is read from either side at random.

    Parameters
    ----------
    x : ndarray, uint8, shape (n, T)
    length : ndarray, int64, shape (n,)
    target : tensor, shape (n, ...)
    loss : callable of outputs and targets
    """
    torch.manual_seed(derive_seed(seed, "weights"))
    for part in model.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    rng = np.random.default_rng(derive_seed(seed, "batches"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    model.train()
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for low in range(0, len(x), BATCH):
            rows = order[low : low + BATCH]
            if len(rows) > 1:  # batch normalisation needs two
                bases = x[rows]
                if strands:
                    turned = rng.random(len(rows)) < 0.5
                    bases[turned] = reverse_complement(bases[turned], length[rows][turned])
                optimiser.zero_grad()
                loss(model(one_hot(bases)), target[rows]).backward()
                optimiser.step()
            schedule.step()
    model.eval()


@torch.no_grad()
def classify(model: SequenceClassifier, x: np.ndarray, length: np.ndarray, strands: bool) -> np.ndarray:
    """Outputs (n, outputs), the mean of both strands with `strands`."""
    views = [x, reverse_complement(x, length)] if strands else [x]
    chunks = [
        sum(model(one_hot(view[low : low + 256])) for view in views) / len(views) for low in range(0, len(x), 256)
    ]  # fmt: skip
    return torch.cat(chunks).numpy()


def cnn_auc(a: SequenceSet, b: SequenceSet, seed: int) -> float:
    """Cross-validated AUC of the network; 0.5 when the sets cannot be told apart. Relatives (one cluster) stay in one fold.

    Lopez-Paz & Oquab 2017, arXiv:1610.06545.
    """
    T = max(a.bases.shape[1], b.bases.shape[1], 8)
    x = np.concatenate([np.pad(s.bases, ((0, 0), (0, T - s.bases.shape[1])), constant_values=4) for s in (a, b)])
    length, strands = np.concatenate([a.length, b.length]), b.both_strands
    label = np.repeat([0, 1], [len(a), len(b)])
    groups = np.concatenate([a.cluster, b.cluster + a.cluster.max() + 1])
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=derive_seed(seed, "cnn folds") % 2**32)
    scores = np.zeros(len(x))
    model = SequenceClassifier()
    target = torch.from_numpy(label[:, None].astype(np.float32))
    for f, (train, test) in enumerate(folds.split(x, label, groups)):
        loss = nn.functional.binary_cross_entropy_with_logits
        fit_classifier(model, x[train], length[train], target[train], loss, strands, derive_seed(seed, "cnn", f))
        scores[test] = classify(model, x[test], length[test], strands)[:, 0]
        # folds are scored by networks of their own: compare ranks, not raw outputs
        scores[test] = (np.argsort(np.argsort(scores[test])) + 0.5) / len(test)
    return float(roc_auc_score(label, scores))
