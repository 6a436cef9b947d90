"""Can a classifier distinguish two samples? Six of them, of different kinds; the best one counts.

Lopez-Paz & Oquab 2017, arXiv:1610.06545. Every score is cross-validated, and the haplotypes of one
individual stay in one fold.
"""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import QuantileTransformer

from genoloom.popgen.structure import top_components
from genoloom.seeds import derive_seed
from genoloom.validation.summaries import neighbour_summaries

COMPONENTS = 100
# columns that the trees see: those that differ most between the samples in the training folds
FEATURES = 128
FOLDS = 3
SUMMARY_COMPONENTS = 10
CNN_ROWS, CNN_EPOCHS, CNN_BATCH = 2000, 5, 64


def folds_of(label: np.ndarray, individual: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of each row; individuals are dealt to the folds in turn, separately for the label of
    their first row.
    """
    rng = np.random.default_rng(derive_seed(seed, "folds"))
    individuals, first = np.unique(individual, return_index=True)
    fold_of = np.empty(individuals.max() + 1, dtype=np.int64)
    for value in (0, 1):
        own = rng.permutation(individuals[label[first] == value])
        fold_of[own] = np.arange(len(own)) % n_folds
    return fold_of[individual]


def _auc(fit_and_score, label: np.ndarray, individual: np.ndarray, seed: int) -> float:
    """Mean over folds of the AUC of `fit_and_score(train, test)` scores; scores of two folds need
    not be comparable.

    nan when there are too few individuals for every fold to test some of both labels.
    """
    if min(len(np.unique(individual[label == value])) for value in (0, 1)) < 2 * FOLDS:
        return float("nan")
    fold = folds_of(label, individual, FOLDS, seed)
    values = []
    for k in range(FOLDS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        values.append(roc_auc_score(label[test], fit_and_score(train, test)))
    return float(np.mean(values))


def two_sample_auc(
    kernel: np.ndarray, label: np.ndarray, individual: np.ndarray, seed: int
) -> float:
    """Ridge-penalised logistic regression on the principal components of a kernel; 0.5 when the
    samples cannot be distinguished.

    On minus the distances of haplotypes this is linear classification on raw sites.

    Parameters
    ----------
    kernel : ndarray, float, shape (n, n)
        Inner products, or minus squared distances (alleles in 0/1: Hamming distance), of the rows.
    label : ndarray of 0/1, shape (n,)
    individual : ndarray of int, shape (n,)
        Rows of one individual stay in one fold.
    """
    features = _components(kernel, COMPONENTS)
    features /= np.sqrt((features**2).sum(axis=1).mean())

    def fit_and_score(train, test):
        return (
            LogisticRegression(C=10.0, max_iter=500)
            .fit(features[train], label[train])
            .decision_function(features[test])
        )

    return _auc(fit_and_score, label, individual, seed)


def _components(kernel: np.ndarray, most: int) -> np.ndarray:
    """Principal components of a kernel, shape (n, at most `most`)."""
    kernel = kernel.astype(np.float64)
    kernel -= kernel.mean(axis=0)
    kernel -= kernel.mean(axis=1, keepdims=True)
    values, vectors = top_components(kernel, min(most, len(kernel) - 1))
    return vectors * np.sqrt(values)


def summaries_auc(
    summaries: np.ndarray,
    distance: np.ndarray,
    label: np.ndarray,
    individual: np.ndarray,
    seed: int,
    trees: bool,
) -> float:
    """Logistic regression, or gradient-boosted trees, on summaries of haplotypes, components and
    neighbours.

    Parameters
    ----------
    summaries : ndarray, float, shape (n, n_summaries)
        Of `validation.summaries.haplotype_summaries`.
    distance : ndarray, float, shape (n, n)
        Differing sites.
    """
    fixed = np.concatenate([summaries, _components(-distance, SUMMARY_COMPONENTS)], axis=1)

    def fit_and_score(train, test):
        near = neighbour_summaries(distance, label, individual, train)
        x = np.concatenate([fixed, near, near[:, 3:] - near[:, :3]], axis=1)
        if trees:
            model = _boosted(seed)
        else:
            # ranks, as summaries have long tails; squares, as a wrong spread tells as much as a
            # mean
            spread = QuantileTransformer(
                n_quantiles=min(50, len(train)), output_distribution="normal"
            )
            x = spread.fit(x[train]).transform(x) / 3
            x = np.concatenate([x, x**2], axis=1)
            model = LogisticRegression(C=0.05, max_iter=500)
        return model.fit(x[train], label[train]).decision_function(x[test])

    return _auc(fit_and_score, label, individual, seed)


def _boosted(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=30,
        learning_rate=0.1,
        max_leaf_nodes=8,
        early_stopping=False,
        random_state=derive_seed(seed, "trees") % 2**32,
    )


def trees_auc(columns: np.ndarray, label: np.ndarray, individual: np.ndarray, seed: int) -> float:
    """Gradient-boosted trees on raw sites, or on haplotypes of windows.

    Parameters
    ----------
    columns : ndarray of int, shape (n_columns, n)
        Alleles in 0/1; or numbers of haplotypes, which become their rank by frequency in the
        training folds.
    """
    alleles = columns.max(initial=0) <= 1

    def fit_and_score(train, test):
        x = columns.astype(np.float32) if alleles else _by_frequency(columns, train)
        a, b = train[label[train] == 1], train[label[train] == 0]
        differ = np.abs(x[:, a].mean(axis=1) - x[:, b].mean(axis=1)) / (
            x[:, train].std(axis=1) + 1e-6
        )
        if not alleles:
            differ += np.abs(x[:, a].std(axis=1) - x[:, b].std(axis=1)) / (
                x[:, train].std(axis=1) + 1e-6
            )
        best = np.sort(np.argsort(-differ, kind="stable")[:FEATURES])
        return (
            _boosted(seed)
            .fit(x[best][:, train].T, label[train])
            .decision_function(x[best][:, test].T)
        )

    return _auc(fit_and_score, label, individual, seed)


def _by_frequency(ids: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Each haplotype's rank by frequency among the training rows (0: the most frequent), float32;
    those that never occur come last.
    """
    ranks = np.empty(ids.shape, dtype=np.float32)
    for w, row in enumerate(ids):
        counts = np.bincount(row[train], minlength=row.max() + 1)
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(len(counts), dtype=np.float32)
        rank[order] = np.arange(len(counts))
        rank[counts == 0] = (counts > 0).sum()
        ranks[w] = np.minimum(rank, 250)[row]
    return ranks


def cnn_auc(alleles: np.ndarray, label: np.ndarray, individual: np.ndarray, seed: int) -> float:
    """A small convolutional network; see `validation.network`.

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_sites, n)
        Of many rows, `CNN_ROWS` take part.
    """
    import torch  # only here: the rest of the validation runs without it

    from genoloom.validation.network import BlockNetwork, fit_network

    threads = torch.get_num_threads()
    torch.set_num_threads(min(threads, 2))
    individuals = np.random.default_rng(derive_seed(seed, "cnn rows")).permutation(
        np.unique(individual)
    )
    taken = np.isin(individual, individuals[: CNN_ROWS // 2])
    x = torch.from_numpy(np.ascontiguousarray(alleles[:, taken].T))
    y = torch.from_numpy(label[taken].astype(np.float32))

    def fit_and_score(train, test):
        generator = torch.Generator().manual_seed(derive_seed(seed, "cnn") % 2**63)
        network = BlockNetwork(len(alleles), generator)
        fit_network(network, x[train], y[train], CNN_EPOCHS, CNN_BATCH, generator)
        with torch.no_grad():
            return torch.cat([network(part.float()) for part in x[test].split(CNN_BATCH)]).numpy()

    try:
        return _auc(fit_and_score, label[taken], individual[taken], seed)
    finally:
        torch.set_num_threads(threads)
