"""The likelihood ratio of allele frequencies with the linkage taken off: an attack that knows the
correlations of sites.

Synthetic frequencies differ from the reference's in directions that linkage makes common,
where everybody differs, and in directions that hardly anybody has but the individuals who trained.
The linear ratio x' v, with v the difference of the mean genotypes, weighs both alike; x' (C +
lambda I)^-1 v, the linear discriminant with a ridge, weighs a direction by how rare it is among the
reference.

With genotypes standardised, all of it follows from the inner products of individuals: for C = R'R /
N, x' (C + lambda I)^-1 v = (x'v - k_x' (K + N lambda I)^-1 k_v) / lambda, K = R R' (Woodbury).
Memory is quadratic in individuals and does not grow with sites.
"""

import numpy as np

from genoloom.popgen.effective_sites import RIDGES
from genoloom.privacy.attack_ids import AttackId, Scored

FOLDS = 10
ATTACKS = (AttackId.WHITENED, AttackId.WHITENED_WEAK_RIDGE)  # of each ridge


class WhitenedFrequencies:
    """Reads blocks of sites, then scores; an individual's fold of the reference is left out for its
    score.

    As in every attack, held-out individual `j` and training individual `j` miss the same part of
    the reference.
    """

    def __init__(self, n_individuals: int):
        self.n = n_individuals
        self.products = np.zeros((3 * n_individuals, 3 * n_individuals), dtype=np.float32)

    def add(self, synthetic: np.ndarray, real: np.ndarray) -> None:
        """Read the next sites: synthetic, and held-out and training haplotypes, int8 (n_sites,
        ...).
        """
        alleles = np.concatenate([real, synthetic], axis=1)
        dosage = (alleles[:, 0::2] + alleles[:, 1::2]).astype(np.float32)
        p = dosage.mean(axis=1, keepdims=True) / 2
        varies = ((p > 0) & (p < 1))[:, 0]
        z = (dosage[varies] - 2 * p[varies]) / np.sqrt(2 * p[varies] * (1 - p[varies]))
        self.products += z.T @ z

    def scores(self) -> dict[Scored, np.ndarray]:
        """Scores by ridge, of held-out individuals and then of training individuals, float64 (2 *
        n_individuals,).
        """
        n, g = self.n, self.products.astype(np.float64)
        found = {ridge: np.zeros(2 * n) for ridge in RIDGES}
        fold = np.arange(n) % min(FOLDS, n)
        synthetic = np.arange(2 * n, 3 * n)
        for own in range(fold.max() + 1):
            reference = np.flatnonzero(fold != own)
            asked = np.flatnonzero(np.tile(fold == own, 2))
            to_reference, to_synthetic = g[:, reference], g[:, synthetic].mean(axis=1)
            # the mean of the reference is the origin
            mean_of = to_reference.mean(axis=1)
            middle = mean_of[reference].mean()
            to_synthetic = to_synthetic - mean_of - mean_of[synthetic].mean() + middle
            to_reference = to_reference - mean_of[:, None] - mean_of[reference][None, :] + middle
            within = to_reference[reference]
            values, vectors = np.linalg.eigh(within)
            turned = vectors.T @ to_synthetic[reference]
            for ridge, scores in found.items():
                penalty = ridge * np.trace(within) / len(reference) or 1.0  # a reference of one
                weights = vectors @ (turned / (np.maximum(values, 0) + penalty))
                scores[asked] = (to_synthetic - to_reference @ weights)[asked]
        return dict(zip(map(Scored, ATTACKS), found.values(), strict=True))
