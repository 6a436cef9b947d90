"""What the report draws of a fidelity run. Public: no real individual's point, only groups of at
least 20 individuals.

frequency   density of sites over (held-out, synthetic) allele frequency, 25 x 25
spectrum    share of polymorphic sites by minor allele count, in growing bins, for each group
decay       mean r2 by distance, for each group
pca         points of synthetic individuals; mean and covariance of each real population
distances   histograms of pairwise distances within and between groups
"""

from itertools import pairwise

import numpy as np

from genoloom.popgen.frequencies import folded_spectrum
from genoloom.popgen.linkage import DISTANCE_EDGES_BP
from genoloom.validation.cohorts import Group
from genoloom.validation.data import Data

GROUPS = {"synthetic": Group.SYNTHETIC, "holdout": Group.HOLDOUT, "train": Group.TRAIN}
MAX_POINTS = 500


def plot_data(d: Data) -> dict:
    """JSON-ready data; see the module's docstring."""
    linkage = d.collected.linkage
    used = linkage.decay_pairs["bp"] > 0
    return {
        "individuals": d.n,
        "sites": len(d.bins),
        "frequency": _frequency(d),
        "spectrum": _spectrum(d),
        "decay": {
            "edges_bp": [float(e) if np.isfinite(e) else None for e in DISTANCE_EDGES_BP],
            "used": used.tolist(),
            **{
                name: np.nan_to_num(linkage.decay_curve(d.index[g], "bp")).tolist()
                for name, g in GROUPS.items()
            },
        },
        "pca": _pca(d),
        "distances": _distances(d),
    }


def _frequency(d: Data) -> dict:
    edges = np.linspace(0, 1, 26)
    density, _, _ = np.histogram2d(
        d.frequency(Group.HOLDOUT), d.frequency(Group.SYNTHETIC), bins=[edges, edges]
    )
    return {"edges": edges.tolist(), "sites": density.astype(int).tolist()}


def _spectrum(d: Data) -> dict:
    n = d.groups.size(Group.HOLDOUT) // 2
    edges = np.unique(
        np.concatenate(
            [np.arange(1, min(8, n) + 1), np.geomspace(min(8, n), n + 1, 8).round().astype(int)]
        )
    )
    data = {"from_count": edges[:-1].tolist(), "to_count": (edges[1:] - 1).tolist()}
    for name, group in GROUPS.items():
        spectrum = folded_spectrum(d.count(group), d.groups.size(group))
        shares = [
            int(spectrum[a:b].sum()) / max(1, int(spectrum[1:].sum())) for a, b in pairwise(edges)
        ]
        data[name] = shares
    return data


def _pca(d: Data) -> dict:
    fitted, individuals = d.fitted(Group.HOLDOUT), d.collected.individuals
    real, synthetic = fitted.scores, fitted.project(individuals.synthetic)
    population = individuals.population[individuals.holdout]
    ellipses = []
    for name in d.groups.populations:
        points = real[population == name][:, :2]
        if points.shape[1] == 2:
            ellipses.append(
                {
                    "population": name,
                    "mean": points.mean(axis=0).tolist(),
                    "covariance": np.cov(points.T).tolist(),
                }
            )
    labels = individuals.population[individuals.synthetic]
    points = [
        {"population": str(label), "x": float(row[0]), "y": float(row[1])}
        for label, row in list(zip(labels, synthetic, strict=True))[:MAX_POINTS]
        if len(row) > 1
    ]
    return {"real_ellipses": ellipses, "synthetic_points": points}


def _distances(d: Data) -> dict:
    top = float(d.collected.distance.max()) or 1.0
    edges = np.linspace(0, top, 41)
    data: dict = {"edges": edges.tolist()}
    for name, (a, b) in {
        "holdout": (Group.HOLDOUT, Group.HOLDOUT),
        "synthetic": (Group.SYNTHETIC, Group.SYNTHETIC),
        "between": (Group.HOLDOUT, Group.SYNTHETIC),
    }.items():
        values = d.distances(a, b)
        values = values[np.triu_indices(len(values), k=1)] if a == b else values.ravel()
        data[name] = (np.histogram(values, bins=edges)[0] / len(values)).tolist()
    return data
