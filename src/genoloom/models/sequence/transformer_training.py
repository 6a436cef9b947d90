"""Training of the sequence transformer, and the probability it gives to bases.

Letters in shapes: B rows, T bases.
"""

import math

import numpy as np
import torch

from genoloom.models.finite import refuse_non_finite
from genoloom.models.layers import AveragedTraining
from genoloom.models.sequence import fill_in_the_middle
from genoloom.models.sequence.base import TrainingSequences
from genoloom.models.sequence.context_mixing import ContextMixture
from genoloom.models.sequence.labels import LabelPatterns
from genoloom.models.sequence.transformer_network import BOS
from genoloom.sequences import OTHER, reverse_complement
from genoloom.training import processes
from genoloom.training.run import TrainingRun

FOLDS = 8
LABEL_DROPOUT = 0.1  # share of training rows in which a column of the label is hidden
SCORE_ROWS = 64


def tokens_before(bases: np.ndarray) -> torch.Tensor:
    """The token before each base, int64 (B, T), of bases uint8 (B, T)."""
    before = np.roll(bases, 1, axis=1).astype(np.int64)
    before[:, 0] = BOS
    return torch.from_numpy(before)


def base_log_probabilities(
    model,
    mixture: ContextMixture,
    bases: np.ndarray,
    label: np.ndarray,
    part: np.ndarray,
    device,
    suffix: np.ndarray | None = None,
) -> torch.Tensor:
    """Natural-log probability of every base, float32 (B, T); 0 for an unknown base (4). `suffix`
    uint8 (B, R): given what comes after them.
    """
    side = None
    if suffix is None:
        forecast, context_counts = mixture.forecast_bases(bases, part)
    else:
        forecast, context_counts = fill_in_the_middle.forecast_infill(mixture, bases, suffix, part)
        side = fill_in_the_middle.suffix_of(mixture, bases, suffix, part, bases.shape[1], device)
    forecast, context_counts = (
        torch.from_numpy(x.astype(np.float32)).to(device) for x in (forecast, context_counts)
    )
    logits = model(
        tokens_before(bases).to(device),
        forecast,
        context_counts,
        torch.from_numpy(label).to(device),
        suffix=side,
    )
    target = torch.from_numpy(bases.astype(np.int64)).to(device)
    found = logits.log_softmax(-1).gather(-1, target.clamp(max=3)[..., None])[..., 0]
    return found.masked_fill(target == OTHER, 0.0)


@torch.no_grad()
def score(
    model, mixture: ContextMixture, bases: np.ndarray, label: np.ndarray, device="cpu"
) -> np.ndarray:
    """Natural-log likelihood of each row under the chains of everything, float64 (n,)."""
    model.eval()
    total = np.zeros(len(bases))
    for low in range(0, len(bases), SCORE_ROWS):
        rows = slice(low, low + SCORE_ROWS)
        part = np.zeros(len(bases[rows]), dtype=np.int64)
        log_prob = base_log_probabilities(model, mixture, bases[rows], label[rows], part, device)
        total[rows] = log_prob.double().sum(1).cpu().numpy()
    refuse_non_finite(total)
    return total


class TransformerTraining(AveragedTraining):
    """Maximum likelihood on random sequences, of either strand where both are good examples."""

    def __init__(
        self,
        model,
        labels: LabelPatterns,
        mixture: ContextMixture,
        fold: np.ndarray,
        data: TrainingSequences,
        options,
        run: TrainingRun,
    ):
        super().__init__(model, options.learning_rate)
        self.labels, self.mixture, self.fold = labels, mixture, fold
        self.data, self.options, self.run = data, options, run
        self.fitted = np.flatnonzero(~data.validation)
        self.validation = np.flatnonzero(data.validation)

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        data = self.data
        rng = np.random.default_rng([self.run.seed, step])
        at = rng.integers(0, len(self.fitted), size=self.options.batch)
        rows = self.fitted[at]
        bases = data.bases[rows][:, : int(data.length[rows].max())]
        if not data.stranded:
            turned = rng.random(len(rows)) < 0.5
            bases[turned] = reverse_complement(bases[turned], data.length[rows][turned])
        label = self.labels.hide(
            data.label[rows], rng.random((len(rows), self.labels.n_columns)) < LABEL_DROPOUT
        )
        cut = (
            fill_in_the_middle.draw_cut(rng, data.length[rows])
            if self.options.fim_rate and rng.random() < self.options.fim_rate
            else 0
        )
        suffix = None
        if cut:  # rows end with the shortest, so that all have a suffix of one length
            bases, suffix = bases[:, :cut], bases[:, cut : int(data.length[rows].min())]
        mine, n_bases = processes.share(len(rows)), max((bases != OTHER).sum(), 1)
        bases, label, part = bases[mine], label[mine], self.fold[at][mine] + 1
        suffix = None if suffix is None else suffix[mine]
        self.model.train()
        processes.part_ways()

        def loss_of(some: slice) -> torch.Tensor:
            log_prob = base_log_probabilities(
                self.model,
                self.mixture,
                bases[some],
                label[some],
                part[some],
                self.run.device,
                None if suffix is None else suffix[some],
            )
            return -log_prob.sum() / n_bases / math.log(2)

        return {"loss": self.descend_rows(len(bases), loss_of, fraction)}

    def evaluate(self, step: int) -> dict[str, float]:
        """Bits per base on the validation sequences ("bits"); at step 0 those of the best chain."""
        data, rows = self.data, self.validation
        total = score(
            self.average.module, self.mixture, data.bases[rows], data.label[rows], self.run.device
        ).sum()
        bits = float(-total / max((data.bases[rows] != OTHER).sum(), 1) / math.log(2))
        return {"score": bits, "bits": bits}


def homology_folds(cluster: np.ndarray, seed: int) -> np.ndarray:
    """One of `FOLDS` folds for each sequence, int64 (n,); whole clusters, the largest dealt out
    first.
    """
    names, inverse, size = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-size[order], kind="stable")]
    filled, fold = np.zeros(FOLDS, dtype=np.int64), np.empty(len(names), dtype=np.int64)
    for c in order:
        fold[c] = np.argmin(filled)
        filled[fold[c]] += size[c]
    return fold[inverse]
