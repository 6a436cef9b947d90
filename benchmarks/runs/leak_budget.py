"""The closed form of the unavoidable leak, compared with attacks on real individuals.

    python -m benchmarks leak_budget --set demo chr20 dpyd-full 805 chr15 --splits 20

Individuals are split at random, half and half within populations, into members and others. The
release has the members' allele frequencies (`frequencies`), consists of as many individuals drawn
from the members with replacement, which carry their linkage (`individuals`), or of as many whose
sites are drawn independently from the members' frequencies within populations (`independent`, the
control). The attacker scores each individual by the linear form of the likelihood ratio, against a
reference of the others without a tenth of them, in which that individual is; he knows everybody's
population, so genotypes are centred within each. He weighs sites alike (`plain`), or takes the
linkage of the reference off with a ridge (`whitened`). One row per set, cut, release and attack:
predicted AUC, and the mean over splits with its SD over splits (which share individuals).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

from benchmarks.options import add_shared
from benchmarks.runner import Case
from genoloom.panel import Panel, fill_missing
from genoloom.popgen.effective_sites import RIDGES, effective_number
from genoloom.privacy.leak_budget import Leak
from genoloom.privacy.measures import auc

COLUMNS = (
    "individuals min_mac sites megabases attack effective_sites released predicted measured "
    "sd_of_splits splits"
)
CUTS = [2, 10]
ATTACKS = {"plain": None} | {f"whitened (ridge {ridge:g})": ridge for ridge in RIDGES}
RELEASES = ("frequencies", "individuals", "independent")
FOLDS = 10
LEAST = 40  # individuals of a population


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1")
    parser.add_argument("--splits", type=int, default=20, help="into members and others")


def measure(case: Case) -> Iterator[dict]:
    panel, population = case.panel, case.population
    dosage = read_dosage(panel)
    names, sizes = np.unique(population, return_counts=True)
    large = np.isin(population, names[sizes >= LEAST])  # smaller ones can be all in one fold
    dosage, population = dosage[:, large], population[large]
    rng = np.random.default_rng(case.seed)
    # of a member half, as a model that chooses sites by its training half sees them
    copies = np.minimum(dosage.sum(axis=1), 2 * dosage.shape[1] - dosage.sum(axis=1)) / 2
    splits = case.arguments.splits
    members = [split(population, rng) for _ in range(splits)]
    n = int(members[0].sum())
    span = (panel.sites.position[-1] - panel.sites.position[0]) / 1e6
    for cut in CUTS:
        genotypes = dosage[copies >= cut]
        cases = [Split(genotypes, population, member, rng) for member in members]
        for attack, ridge in ATTACKS.items():
            views = [case.view(ridge) for case in cases]
            effective = float(np.mean([view.effective for view in views]))
            for released in RELEASES:
                found = [view.auc(released) for view in views]
                yield {
                    "individuals": n, "min_mac": cut, "sites": len(genotypes),
                    "megabases": float(span), "attack": attack, "effective_sites": effective,
                    "released": released,
                    "predicted": float(np.mean([view.predicted(released) for view in views])),
                    "measured": float(np.mean(found)), "sd_of_splits": float(np.std(found, ddof=1)),
                    "splits": splits,
                }  # fmt: skip


def read_dosage(panel: Panel) -> np.ndarray:
    """Alternate alleles of everybody, int8 (n_variants, n_individuals); missing calls become the
    common allele.
    """
    alleles = fill_missing(panel.haplotypes.read(0, len(panel.sites)))
    return alleles[:, 0::2] + alleles[:, 1::2]


def split(population: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of each population, bool (n_individuals,)."""
    member = np.zeros(len(population), dtype=bool)
    for name in np.unique(population):
        inside = np.flatnonzero(population == name)
        member[rng.permutation(inside)[: len(inside) // 2]] = True
    return member


class Split:
    """Individuals split into members and others, and three releases of the members.

    Parameters
    ----------
    dosage : ndarray of int8, shape (n_variants, n_individuals)
    population : ndarray of str, shape (n_individuals,)
    member : ndarray of bool, shape (n_individuals,)
    """

    def __init__(self, dosage, population, member, rng):
        self.member, n = member, len(population)
        inside, self.others = np.flatnonzero(member), np.flatnonzero(~member)
        frequency, middle = (np.empty(dosage.shape, dtype=np.float32) for _ in range(2))
        for name in np.unique(population):
            own = population == name
            middle[:, own] = dosage[:, own].mean(axis=1, keepdims=True)
            frequency[:, own] = dosage[:, own & member].mean(axis=1, keepdims=True) / 2
        x = dosage - middle
        scale = x.std(axis=1, keepdims=True)
        varies = scale[:, 0] > 1e-6
        x, middle, scale = x[varies] / scale[varies], middle[varies], scale[varies]
        drawn = rng.binomial(2, frequency[varies][:, inside])
        self.products = (x.T @ x).astype(np.float64)
        self.towards = {
            "frequencies": x.T @ x[:, inside].mean(axis=1),
            "individuals": x.T @ x[:, rng.choice(inside, len(inside))].mean(axis=1),
            "independent": x.T @ ((drawn - middle[:, inside]) / scale).mean(axis=1),
        }
        self.fold = np.empty(n, dtype=int)
        for rows in (inside, self.others):
            self.fold[rows] = rng.permutation(len(rows)) % FOLDS
        names, self.group = np.unique(population, return_inverse=True)
        self.mixture = np.bincount(self.group[inside], minlength=len(names)) / len(inside)

    def view(self, ridge: float | None) -> "View":
        """What an attacker sees who takes off linkage with a ridge, or not at all."""
        scores = np.empty((len(self.member), len(RELEASES)))
        for fold in range(FOLDS):
            reference = self.others[self.fold[self.others] != fold]
            asked = np.flatnonzero(self.fold == fold)
            products, middles, weights = self._centred(reference)
            mean = middles @ self.mixture
            towards = np.stack([self.towards[released] - mean for released in RELEASES], axis=1)
            towards -= (weights @ towards)[self.group]
            known = _known(products, reference, ridge, towards[reference])
            scores[asked] = towards[asked] - products[np.ix_(asked, reference)] @ known
        used = len(self.others) * (1 - 1 / FOLDS)
        found = dict(zip(RELEASES, scores.T, strict=True))
        return View(self, found, *self._facts(products, reference, ridge), used)

    def _centred(self, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inner products when genotypes are centred on the reference within populations; the
        products of everybody with its means before that, and the weights of these means.
        """
        weights = np.zeros((self.group.max() + 1, len(self.group)))
        weights[self.group[reference], reference] = 1
        weights /= weights.sum(axis=1, keepdims=True)
        middles = self.products @ weights.T
        between = weights @ middles
        across = middles[:, self.group]
        centred = self.products - across - across.T + between[np.ix_(self.group, self.group)]
        return centred, middles, weights

    def _facts(self, products, reference, ridge) -> tuple[float, float]:
        """Effective sites, and tr(W W S) tr(S W)^-2 for the noise of independent sites; from the
        members, who have no part in W.
        """
        members = np.flatnonzero(self.member)
        own = np.eye(self.group.max() + 1)[self.group[members]]
        means = own / own.sum(axis=0)  # members are centred on their own means
        across = products[np.ix_(members, reference)]
        across = across - own @ (means.T @ across)
        within = products[np.ix_(members, members)]
        within = within - own @ (means.T @ within)
        within -= (within @ means) @ own.T
        known = _known(products, reference, ridge, across.T)
        weighed, degrees = within - across @ known, len(members) - own.shape[1]
        # W x = x - R' known: its squared length
        twice = (known * (products[np.ix_(reference, reference)] @ known)).sum()
        squares = np.trace(within) - 2 * (across.T * known).sum() + twice
        return effective_number(weighed, degrees), squares * degrees / np.trace(weighed) ** 2


def _known(products, reference, ridge: float | None, asked: np.ndarray) -> np.ndarray:
    """(R R' + penalty)^-1 `asked`, or 0 without a ridge."""
    if ridge is None:
        return np.zeros_like(asked)
    within = products[np.ix_(reference, reference)]
    penalty = ridge * np.trace(within) / len(within)
    return solve(within + penalty * np.eye(len(within)), asked, assume_a="pos")


@dataclass(frozen=True)
class View:
    """Scores by release, and what the closed form needs."""

    case: Split
    scores: dict[str, np.ndarray]
    effective: float
    noise: float
    reference: float

    def predicted(self, released: str) -> float:
        """The AUC in closed form."""
        n = int(self.case.member.sum())
        spread = {
            "frequencies": 0.0,
            "individuals": 1 / (n * self.effective),
            "independent": self.noise / n,
        }[released]
        variance = (1 / n + 1 / self.reference) / self.effective + spread
        return Leak(1 / n**2 / variance).auc

    def auc(self, released: str) -> float:
        """The AUC measured."""
        scores = self.scores[released]
        return auc(scores[self.case.member], scores[~self.case.member])
