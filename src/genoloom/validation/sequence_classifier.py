"""Can a convolutional network distinguish two sets of sequences? Sees motifs, their positions and
spacing, which k-mer counts do not.
"""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from genoloom.models.sequence.classifier import SequenceClassifier, classify, fit_classifier
from genoloom.seeds import derive_seed
from genoloom.sequences import SequenceSet

FOLDS = 3


def cnn_auc(a: SequenceSet, b: SequenceSet, seed: int) -> float:
    """Cross-validated AUC of the network; 0.5 when the sets cannot be distinguished. Relatives (one
    cluster) stay in one fold.

    Lopez-Paz & Oquab 2017, arXiv:1610.06545.
    """
    T = max(a.bases.shape[1], b.bases.shape[1], 8)
    x = np.concatenate(
        [np.pad(s.bases, ((0, 0), (0, T - s.bases.shape[1])), constant_values=4) for s in (a, b)]
    )
    length = np.concatenate([a.length, b.length])
    label = np.repeat([0, 1], [len(a), len(b)])
    groups = np.concatenate([a.cluster, b.cluster + a.cluster.max() + 1])
    folds = StratifiedGroupKFold(
        FOLDS, shuffle=True, random_state=derive_seed(seed, "cnn folds") % 2**32
    )
    scores = np.zeros(len(x))
    model = SequenceClassifier()
    target = torch.from_numpy(label[:, None].astype(np.float32))
    for f, (train, test) in enumerate(folds.split(x, label, groups)):
        loss = nn.functional.binary_cross_entropy_with_logits
        fit_classifier(
            model,
            x[train],
            length[train],
            target[train],
            loss,
            b.stranded,
            derive_seed(seed, "cnn", f),
        )
        scores[test] = classify(model, x[test], length[test], b.stranded)[:, 0]
        # folds are scored by networks of their own: compare ranks, not raw outputs
        scores[test] = (np.argsort(np.argsort(scores[test])) + 0.5) / len(test)
    return float(roc_auc_score(label, scores))
