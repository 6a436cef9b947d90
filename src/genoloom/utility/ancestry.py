"""Ancestry of held-out individuals, by components and a classifier of each panel."""

from collections.abc import Iterator

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from genoloom.utility.measures import Measure, mean_quotient, quotient

COMPONENTS = 20  # of the classifier
PROJECTED = 4  # of the projection


def measure_ancestry(
    panels: dict[str, tuple[np.ndarray, np.ndarray]], holdout: tuple[np.ndarray, np.ndarray],
    names: list[str], seed: int,
) -> Iterator[Measure]:  # fmt: skip
    """Balanced accuracy and recall of a classifier of populations (logistic regression on principal
    components), and how much of the held-out individuals' own first components their projection on
    the panel's explains.

    Parameters
    ----------
    panels, holdout : pairs of ndarray
        Dosages, shape (n_individuals, n_sites), and populations, shape (n_individuals,).
    names : list of str
        Populations that are classified; with fewer than two there is only the projection.
    """
    dosage, population = holdout
    own = PCA(min(PROJECTED, *dosage.shape), random_state=0).fit_transform(dosage)
    inside = np.isin(population, names)
    label = population[inside]
    for panel, (x, labels) in panels.items():
        components = PCA(
            min(COMPONENTS, len(x) - 1, x.shape[1]), svd_solver="randomized", random_state=seed
        ).fit(x)
        scores = components.transform(dosage)
        explained, total = _explained(scores[:, : own.shape[1]], own)
        yield Measure(
            "ancestry", "projection_r2", panel, np.stack([explained, total], axis=1), quotient
        )
        known = np.isin(labels, names)
        if len(names) < 2 or len(set(labels[known])) < 2:
            continue
        spread = np.sqrt(components.explained_variance_[0])
        model = LogisticRegression(max_iter=1000).fit(
            components.transform(x[known]) / spread, labels[known]
        )
        right = model.predict(scores[inside] / spread) == label
        of = label[:, None] == np.array(names)
        units = np.hstack([of & right[:, None], of]).astype(float)
        yield Measure("ancestry", "balanced_accuracy", panel, units, mean_quotient)
        for i, name in enumerate(names):
            recall = units[of[:, i]][:, [i, len(names) + i]]
            yield Measure("ancestry", "recall", panel, recall, quotient, name)


def _explained(scores: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of `own` that a linear regression on `scores` explains, and all; by individual."""
    design = np.column_stack([np.ones(len(scores)), scores])
    fitted = design @ np.linalg.lstsq(design, own, rcond=None)[0]
    return (own**2 - (own - fitted) ** 2).sum(axis=1), (own**2).sum(axis=1)
