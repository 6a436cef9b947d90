"""Two-sample tests by classifiers, and agreement of selection scans."""

import allel
import numpy as np

from genoloom.validation import classifier
from genoloom.validation.cohorts import Group
from genoloom.validation.data import WHOLE, Data, Part

MIN_SCAN_SITES = 50


def _rows(d: Data, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of both groups, their labels (1: of a), and whose they are."""
    columns = [d.groups.haplotypes(g) for g in (a, b)]
    label = np.repeat([1, 0], [len(c) for c in columns])
    return np.concatenate(columns), label, np.arange(len(label)) // 2


def _logistic(d: Data, a: str, b: str) -> float:
    rows, label, individual = _rows(d, a, b)
    return classifier.two_sample_auc(
        -d.collected.distance[np.ix_(rows, rows)], label, individual, d.seed
    )


def _trees(attribute: str):
    def auc(d: Data, a: str, b: str) -> float:
        blocks = getattr(d.collected, attribute)
        rows, label, individual = _rows(d, a, b)
        columns = np.concatenate([block[:, rows] for block in blocks])
        return (
            classifier.trees_auc(columns, label, individual, d.seed)
            if len(columns)
            else float("nan")
        )

    return auc


def _cnn(d: Data, a: str, b: str) -> float:
    rows, label, individual = _rows(d, a, b)
    alleles = np.concatenate([block[:, rows] for block in d.collected.classifier_sites])
    return classifier.cnn_auc(alleles, label, individual, d.seed)


def _summaries(trees: bool):
    def auc(d: Data, a: str, b: str) -> float:
        rows, label, individual = _rows(d, a, b)
        features, distance = d.haplotype_summaries()[rows], d.collected.distance[np.ix_(rows, rows)]
        return classifier.summaries_auc(features, distance, label, individual, d.seed, trees)

    return auc


CLASSIFIERS = {
    "logistic": _logistic,
    "trees_sites": _trees("classifier_sites"),
    "trees_haplotypes": _trees("classifier_windows"),
    "cnn": _cnn,
    "summaries": _summaries(trees=False),
    "trees_summaries": _summaries(trees=True),
}


# see at once that the training individuals carry what sites were chosen by
SUMMARIES = ("summaries", "trees_summaries")


def classifier_auc(d: Data, a: str, b: str, part: Part) -> float:
    """The best AUC of all classifiers, or of the one that the part names.

    The training individuals are judged by those that the choice of the sites does not lead astray.
    """
    if part.bin == "all":
        names = [name for name in CLASSIFIERS if a != Group.TRAIN or name not in SUMMARIES]
        return float(np.max([classifier_auc(d, a, b, Part(bin=name)) for name in names]))
    return d.once(("classifier", a, b, part.bin), lambda: CLASSIFIERS[part.bin](d, a, b))


def classifier_parts(d: Data) -> list[Part]:
    return [WHOLE, *(Part(bin=name, ascertained=name in SUMMARIES) for name in CLASSIFIERS)]


def chance_spread(d: Data) -> float:
    """Standard deviation of the AUC of samples that do not differ, with individuals, not
    haplotypes, as the units.
    """
    n = d.n
    return float(np.sqrt((2 * n + 1) / (12 * n * n)))


def _scores(d: Data, g: str, scan: str) -> np.ndarray:
    """Unstandardised scores of the sites kept for selection scans."""

    def compute():
        alleles, position = d.collected.scan.of_group(g)
        if len(alleles) < MIN_SCAN_SITES:
            return np.full(len(alleles), np.nan)
        if scan == "nsl":
            return allel.nsl(alleles, use_threads=False)
        return allel.ihs(alleles, position, include_edges=True, use_threads=False)

    return d.once((scan, g), compute)


def _agreement(scan: str):
    def statistic(d: Data, a: str, b: str, part: Part) -> float:
        x, y = _scores(d, a, scan), _scores(d, b, scan)
        both = np.isfinite(x) & np.isfinite(y)
        return (
            float(np.corrcoef(x[both], y[both])[0, 1])
            if both.sum() >= MIN_SCAN_SITES
            else float("nan")
        )

    return statistic


nsl_agreement, ihs_agreement = _agreement("nsl"), _agreement("ihs")
