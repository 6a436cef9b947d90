"""Can a classifier tell two samples apart? Logistic regression on the components of a kernel."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from genoloom.seeds import derive_seed

COMPONENTS = 100
FOLDS = 5


def two_sample_auc(kernel: np.ndarray, label: np.ndarray, person: np.ndarray, seed: int) -> float:
    """Cross-validated AUC of ridge-penalised logistic regression; 0.5 when the samples cannot be told apart.

    On the kernel of alleles this is linear classification on raw sites; on the kernel of shared windows it sees which
    short haplotypes a row has. Lopez-Paz & Oquab 2017, arXiv:1610.06545.

    Parameters
    ----------
    kernel : ndarray, float, shape (n, n)
        Inner products, or minus squared distances (alleles in 0/1: Hamming distance), of the rows.
    label : ndarray of 0/1, shape (n,)
    person : ndarray of int, shape (n,)
        Rows of one person stay in one fold.
    """
    centre = kernel.mean(axis=0)
    values, vectors = np.linalg.eigh((kernel - centre[None, :] - centre[:, None] + kernel.mean()).astype(np.float64))
    top = np.argsort(values)[::-1][:COMPONENTS]
    top = top[values[top] > 1e-6 * max(values.max(), 1e-300)]
    features = vectors[:, top] * np.sqrt(values[top])
    features /= np.sqrt((features**2).sum(axis=1).mean())
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=derive_seed(seed, "folds") % 2**32)
    scores = np.zeros(len(label))
    for train, test in folds.split(features, label, person):
        model = LogisticRegression(C=10.0, max_iter=500).fit(features[train], label[train])
        scores[test] = model.decision_function(features[test])
    return float(roc_auc_score(label, scores))
