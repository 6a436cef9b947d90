"""Metrics of population structure and of neighbourhoods."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from genoloom.popgen.distances import aats_halves, kernel_discrepancy, manifold_scores
from genoloom.popgen.structure import fst_of_sums, sliced_wasserstein
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import Group, halve
from genoloom.validation.data import Data, Part

HALVINGS = 200


def pca_distance(d: Data, a: str, b: str, part: Part) -> float:
    """Sliced Wasserstein distance on components fitted on b alone."""
    fitted = d.fitted(b, part.column)
    own, other = fitted.scores, fitted.project(d.groups.of_population(a, part.column))
    return sliced_wasserstein(own, other, np.random.default_rng(derive_seed(d.seed, "directions")))


def pca_alignment(d: Data, a: str, b: str, part: Part) -> float:
    return d.fitted(a, part.column).alignment(d.fitted(b, part.column))


def _fst(d: Data, g: str) -> np.ndarray:
    sums, i = d.collected.by_population, d.index[g]
    return fst_of_sums(sums.sum[i], sums.within[i], sums.products[i], sums.sizes[i])


def fst_matrix_error(d: Data, a: str, b: str, part: Part) -> float:
    upper = np.triu_indices(d.collected.by_population.p, k=1)
    return float(np.abs(_fst(d, a) - _fst(d, b))[upper].mean())


def fst_between(d: Data, a: str, b: str, part: Part) -> float:
    """Fst between two groups of one label; below 0 for about half of the groups that do not differ,
    and not cut there: the spread of a cut value would be too small.
    """
    numerator, denominator = d.collected.by_population.between[
        d.pair_index[a, b], :, part.column - 1
    ]
    return float(numerator / denominator) if denominator > 0 else float("nan")


def _labels(d: Data, g: str) -> tuple[np.ndarray, np.ndarray]:
    """Individuals of shown populations, and their labels."""
    rows = d.groups.rows[g]
    rows = rows[np.isin(d.groups.population[rows], d.groups.populations)]
    return rows, d.groups.population[rows]


def _classified(
    d: Data, trained_on: str, tested_on: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Chances of each population for the individuals of `tested_on`, by a classifier that saw
    `trained_on`.
    """
    fitted = d.fitted(trained_on)
    train, labels = _labels(d, trained_on)
    model = LogisticRegression(C=1.0, max_iter=300).fit(fitted.project(train), labels)
    test, labels = _labels(d, tested_on)
    return model.predict_proba(fitted.project(test)), labels, list(model.classes_)


def train_on_synthetic(d: Data, a: str, b: str, part: Part) -> float:
    """Accuracy on b of a population classifier trained on a."""
    chances, labels, classes = _classified(d, a, b)
    return float((np.array(classes)[chances.argmax(axis=1)] == labels).mean())


def train_on_real(d: Data, a: str, b: str, part: Part) -> float:
    """Accuracy on a of a population classifier trained on b."""
    return train_on_synthetic(d, b, a, part)


def ancestry_error(d: Data, a: str, b: str, part: Part) -> float:
    """Mean difference of the ancestry shares, by label, that a classifier trained on b gives the
    individuals of a and of b.
    """
    shares = []
    for g in (a, b):
        chances, labels, classes = _classified(d, b, g)
        shares.append([chances[labels == name].mean(axis=0) for name in classes])
    return float(np.abs(np.array(shares[0]) - np.array(shares[1])).mean())


def _halves(d: Data, a: str, b: str) -> tuple[float, float]:
    return d.once(
        ("aats", a, b), lambda: aats_halves(d.distances(b, b), d.distances(a, a), d.distances(b, a))
    )


def aats_holdout(d: Data, a: str, b: str, part: Part) -> float:
    return _halves(d, a, b)[0]


def aats_synthetic(d: Data, a: str, b: str, part: Part) -> float:
    return _halves(d, a, b)[1]


def _manifold(score: str):
    def statistic(d: Data, a: str, b: str, part: Part) -> float:
        c = part.column
        key = ("manifold", a, b, c)
        return d.once(
            key,
            lambda: manifold_scores(
                d.distances(b, b, c), d.distances(a, a, c), d.distances(b, a, c)
            ),
        )[score]

    return statistic


precision, recall, density, coverage = map(
    _manifold, ("precision", "recall", "density", "coverage")
)


def _individuals_kernel(d: Data) -> np.ndarray:
    """Gaussian kernel of the haplotypes' distances, summed over the haplotypes of individuals."""
    width = max(float(np.median(d.distances(Group.HOLDOUT, Group.HOLDOUT))), 1e-6)
    values = np.exp(-d.collected.distance / width)
    return values[0::2, 0::2] + values[0::2, 1::2] + values[1::2, 0::2] + values[1::2, 1::2]


def _discrepancies(d: Data, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    sign = np.zeros((len(d.groups.population), len(pairs)), dtype=np.float32)
    for i, (first, second) in enumerate(pairs):
        sign[first, i], sign[second, i] = 1, -1
    return kernel_discrepancy(d.once(("kernel",), lambda: _individuals_kernel(d)), sign)


def discrepancy(d: Data, a: str, b: str, part: Part) -> float:
    """Maximum mean discrepancy of the individuals of two groups."""
    return float(_discrepancies(d, [(d.groups.rows[a], d.groups.rows[b])])[0])


def halved_discrepancies(d: Data, part: Part) -> list[float]:
    """The same of many halvings of the real individuals."""
    rng = np.random.default_rng(derive_seed(d.seed, "discrepancies"))
    rows = np.concatenate([d.groups.rows[Group.HOLDOUT], d.groups.rows[Group.TRAIN]])
    names = sorted(set(d.groups.population))
    return _discrepancies(
        d, [halve(rows, d.groups.population, names, rng) for _ in range(HALVINGS)]
    ).tolist()
