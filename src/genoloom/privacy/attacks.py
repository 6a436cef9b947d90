"""Membership attacks: does being close to synthetic haplotypes tell who was in the training half?

Scores are per person, higher for likelier members. All are calibrated against held-out people, who were never seen.
"""

import numpy as np
from scipy.stats import rankdata


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """Chance that a member scores above a non-member, ties one half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([members, others]))
    n, m = len(members), len(others)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def bootstrap_auc(members: np.ndarray, others: np.ndarray, resamples: int, rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of the AUC over resampled people."""
    values = [auc(rng.choice(members, len(members)), rng.choice(others, len(others))) for _ in range(resamples)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def true_positive_rate(members: np.ndarray, others: np.ndarray, false_positive_rate: float = 0.01) -> float:
    """Share of members above the score that only `false_positive_rate` of the non-members exceed.

    Carlini et al. 2022, arXiv:2112.03570.
    """
    return float((members > np.quantile(others, 1 - false_positive_rate, method="higher")).mean())


def per_person(haplotype_scores: np.ndarray) -> np.ndarray:
    """Sum over the two haplotypes of each person, shape (n_people,)."""
    return haplotype_scores.reshape(-1, 2).sum(axis=1)


class NearestNeighbours:
    """Distance of each real haplotype to its nearest synthetic one, over the whole haplotype and in local windows.

    Over the whole haplotype the attack hides copying in pieces. The local form takes the nearest distance in each
    window of `size` sites, counted within a contig, and *sums* over windows (medians are blind: most windows have an
    identical synthetic haplotype).
    """

    def __init__(self, n_real: int, n_synthetic: int, sizes: list[int]):
        self.total = np.zeros((n_real, n_synthetic), dtype=np.float32)
        self.window = {size: np.zeros((n_real, n_synthetic), dtype=np.float32) for size in sizes}
        self.filled = dict.fromkeys(sizes, 0)
        self.local = {size: np.zeros(n_real) for size in sizes}

    def add(self, distances: np.ndarray, n_sites: int) -> None:
        """Add the (n_real, n_synthetic) distances of the next `n_sites` sites; every size is a multiple of the step."""
        self.total += distances
        for size, window in self.window.items():
            window += distances
            self.filled[size] += n_sites
            if self.filled[size] >= size:
                self._close(size)

    def _close(self, size: int) -> None:
        self.local[size] += self.window[size].min(axis=1)
        self.window[size][:] = 0
        self.filled[size] = 0

    def end_contig(self) -> None:
        """Close the windows that the contig's end cut short."""
        for size, filled in self.filled.items():
            if filled:
                self._close(size)

    def scores(self) -> dict[str, np.ndarray]:
        """Score of each haplotype by attack: minus the (summed) nearest distance."""
        whole = {"nearest, whole haplotype": -self.total.min(axis=1)}
        return whole | {f"nearest, windows of {size}": -values for size, values in self.local.items()}
