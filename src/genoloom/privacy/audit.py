"""The audit: what synthetic haplotypes reveal about the training people, beside the same for held-out people."""

from dataclasses import dataclass
from math import gcd

import numpy as np

from genoloom.panel import Panel
from genoloom.popgen.distances import aats_halves, hamming
from genoloom.popgen.haplotypes import LongestSharedRuns
from genoloom.privacy.attacks import NearestNeighbours, auc, bootstrap_auc, per_person, true_positive_rate
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import Comparison, read_rows
from genoloom.validation.verdicts import worst

PUBLIC_COLUMNS = ["row", "kind", "attack", "population", "measure", "value", "low", "high", "floor", "n", "verdict"]
PRIVATE_COLUMNS = [*PUBLIC_COLUMNS, "tpr_at_1_percent_fpr"]
PERSON_COLUMNS = ["attack", "role", "index", "score"]
MIN_POPULATION = 20  # people a role; smaller groups are not shown
RUN_HAPLOTYPES = 400  # longest shared runs compare every pair: at most so many synthetic and real haplotypes


class AuditData:
    """Distances and shared runs, collected in one pass over the variants.

    Rows are haplotypes of the people compared: held-out people first, then as many training people.
    """

    def __init__(self, people: Comparison, windows: list[int], seed: int):
        self.people = people
        self.step = gcd(*windows)
        n = 2 * people.n
        self.n = n
        self.nearest = NearestNeighbours(2 * n, n, windows)
        self.within_real = {"holdout": np.zeros((n, n), dtype=np.float32), "train": np.zeros((n, n), dtype=np.float32)}
        self.within_synthetic = np.zeros((n, n), dtype=np.float32)
        rng = np.random.default_rng(derive_seed(seed, "runs"))
        self.run_rows = np.sort(rng.choice(n, min(n, RUN_HAPLOTYPES), replace=False))
        k = len(self.run_rows)
        self.runs = {"holdout": LongestSharedRuns(k, k), "train": LongestSharedRuns(k, k)}

    def add(self, synthetic: Panel, real: Panel, cm: np.ndarray) -> None:
        """Read one contig; both panels have the same sites, `cm` their genetic positions."""
        gaps = np.diff(cm, prepend=cm[:1])
        n, rows = self.n, self.run_rows
        for start in range(0, len(real.sites), self.step):
            stop = min(start + self.step, len(real.sites))
            made = read_rows(synthetic, self.people.synthetic_people, start, stop)
            alleles = read_rows(real, self.people.real_people, start, stop)
            self.nearest.add(hamming(alleles, made), stop - start)
            self.within_synthetic += hamming(made, made)
            for role, part in (("holdout", alleles[:, :n]), ("train", alleles[:, n:])):
                self.within_real[role] += hamming(part, part)
                self.runs[role].add(made[:, rows], part[:, rows], gaps[start:stop])
        self.nearest.end_contig()
        for runs in self.runs.values():
            runs.new_contig()

    def aats(self, role: str) -> float:
        """Mean of the AATS halves of one role's haplotypes against the synthetic ones."""
        between = self.nearest.total[: self.n] if role == "holdout" else self.nearest.total[self.n :]
        return float(np.mean(aats_halves(self.within_real[role], self.within_synthetic, between)))


@dataclass(frozen=True)
class Audit:
    """Rows of the public table, of the private table, and scores of single people (by index, never by name)."""

    public: list[dict]
    private: list[dict]
    people: list[dict]


def audit(data: AuditData, name: str, kind: str, resamples: int, max_auc: float, seed: int) -> Audit:
    """Judge the collected distances.

    An attack passes when the upper bound of its AUC is at most `max_auc`, fails when its lower bound is above, and is
    weak between. The floor of an attack is the same score between two random halves of the held-out people.
    """
    people = data.people
    population = people.population[np.concatenate([people.holdout, people.train])]
    rng = np.random.default_rng(derive_seed(seed, "audit"))
    rows, person_rows = [], []
    for attack, haplotype_scores in data.nearest.scores().items():
        scores = per_person(haplotype_scores)
        for role, part in (("holdout", scores[: people.n]), ("train", scores[people.n :])):
            person_rows += [{"attack": attack, "role": role, "index": i, "score": float(score)} for i, score in enumerate(part)]
        for group in ["all", *sorted(set(population))]:
            inside = (population == group) | (group == "all")
            others, members = scores[: people.n][inside[: people.n]], scores[people.n :][inside[people.n :]]
            if len(members) >= MIN_POPULATION:
                rows.append(_attack_row(attack, group, members, others, resamples, max_auc, rng))
    overall = [row for row in rows if row["population"] == "all"]
    strongest = max(overall, key=lambda row: row["value"])
    rows.append({**strongest, "attack": "worst", "verdict": worst([row["verdict"] for row in overall])})
    rows += [_loss_row(data), _runs_row(data, resamples, rng)]
    private = [{"row": name, "kind": kind, **row} for row in rows]
    public = [{key: row.get(key) for key in PUBLIC_COLUMNS} for row in private]
    return Audit(public, private, person_rows)


def _attack_row(attack, group, members, others, resamples, max_auc, rng) -> dict:
    low, high = bootstrap_auc(members, others, resamples, rng)
    shuffled = rng.permutation(others)
    half = len(others) // 2
    return {
        "attack": attack, "population": group, "measure": "auc", "value": auc(members, others), "low": low, "high": high,
        "floor": auc(shuffled[:half], shuffled[half:]), "n": len(members),
        "verdict": "pass" if high <= max_auc else "weak" if low <= max_auc else "fail",
        "tpr_at_1_percent_fpr": true_positive_rate(members, others),
    }  # fmt: skip


def _loss_row(data: AuditData) -> dict:
    """Privacy loss: AATS(holdout, synthetic) - AATS(train, synthetic); positive when training people are nearer."""
    loss = data.aats("holdout") - data.aats("train")
    return {
        "attack": "privacy loss (AATS)", "population": "all", "measure": "difference", "value": loss,
        "floor": 0.0, "n": data.people.n, "verdict": "pass" if loss <= 0.05 else "weak" if loss <= 0.1 else "fail",
    }  # fmt: skip


def _runs_row(data: AuditData, resamples: int, rng: np.random.Generator) -> dict:
    """Longest runs shared with training haplotypes over those shared with held-out ones, mean over synthetic haplotypes."""
    trained, held = (data.runs[role].longest.astype(np.float64) for role in ("train", "holdout"))
    picks = rng.integers(0, len(held), size=(resamples, len(held)))
    ratios = trained[picks].mean(axis=1) / np.maximum(held[picks].mean(axis=1), 1e-12)
    low, high = (float(value) for value in np.percentile(ratios, [2.5, 97.5]))
    ratio = float(trained.mean() / max(held.mean(), 1e-12))
    return {
        "attack": "longest shared run", "population": "all", "measure": "ratio", "value": ratio, "low": low, "high": high,
        "floor": 1.0, "n": data.people.n, "verdict": "pass" if high <= 1.25 else "weak" if low <= 1.25 else "fail",
    }  # fmt: skip
