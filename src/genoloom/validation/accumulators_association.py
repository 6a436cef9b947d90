"""Planted traits in windows of common sites, and their scans in every group of individuals."""

import numpy as np
from scipy.stats import t as student

from genoloom.popgen.association import first_clump, many_causes, one_cause, scan
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import Group

TRAITS = 32  # of each sort and window
HERITABILITY = 0.3  # as of a protein or a transcript that a near variant regulates
WINDOWS = 50  # at most, evenly spread
CAUSAL = 0.1  # share of the sites of a window that cause a polygenic trait
# what `plink --clump` takes for an index site, for a member of its clump, and for linked
INDEX_P, MEMBER_P, LINKED = 1e-4, 0.01, 0.5


class Association:
    """How the scans of the first group of each pair agree with the scans of the second: sums.

    In each window causal sites and effects are drawn once, and are the same for all individuals;
    each individual has the same trait in all groups. Traits of one causal site are scanned without
    it, as arrays do not have it.

    Parameters
    ----------
    windows : int
        Windows to come, at most; `WINDOWS` of them are used.
    before : int
        Those that others read.
    """

    SUMS = ("jaccard", "hits", "product", "square", "regression")

    def __init__(self, groups, seed: int, windows: int, before: int = 0):
        self.groups, self.seed, self.every = groups, seed, -(-windows // WINDOWS)
        self.real = np.concatenate([groups.rows[Group.HOLDOUT], groups.rows[Group.TRAIN]])
        pairs = len(groups.pairs)
        self.windows = before
        # of traits with a hit in any of both groups
        self.jaccard, self.hits = np.zeros(pairs), np.zeros(pairs)
        # of effects in the second group's clumps
        self.product, self.square = np.zeros(pairs), np.zeros(pairs)
        # sites, LD scores, chi-squares of both groups, products of scores and these
        self.regression = np.zeros((pairs, 6))

    def add(self, alleles: np.ndarray) -> None:
        """Read a window of common sites: int8 of 0/1, shape (n_variants, n_haplotypes)."""
        self.windows += 1
        if (self.windows - 1) % self.every:
            return
        dosage = (alleles[:, 0::2] + alleles[:, 1::2]).astype(np.float32)
        rng = np.random.default_rng(derive_seed(self.seed, "traits", str(self.windows)))
        v, n = dosage.shape
        traits = min(TRAITS, v)
        cause = rng.choice(v, traits, replace=False)
        effect = rng.standard_normal((traits, v), dtype=np.float32)
        effect *= rng.random((traits, v)) < CAUSAL
        # the synthetic individuals come first: drawn last, they do not change what the real ones
        # have
        noise = rng.standard_normal((n, 2, traits), dtype=np.float32)[::-1].transpose(1, 2, 0)
        y = np.concatenate(
            [
                one_cause(dosage, self.real, cause, HERITABILITY, noise[0]),
                many_causes(dosage, self.real, effect, HERITABILITY, noise[1]),
            ]
        ).astype(np.float32)
        hidden = (np.arange(traits), cause)
        rows = self.groups.rows
        found = {g: self._scanned(dosage[:, own], y[:, own], hidden) for g, own in rows.items()}
        for pair, (a, b) in enumerate(self.groups.pairs):
            effect_a, clump_a, chi2_a, _ = found[a]
            effect_b, clump_b, chi2_b, score = found[b]
            either = (clump_a | clump_b).sum(axis=1)
            both = (clump_a & clump_b).sum(axis=1)
            self.jaccard[pair] += (both / np.maximum(either, 1)).sum()
            self.hits[pair] += (either > 0).sum()
            self.product[pair] += effect_a[clump_b] @ effect_b[clump_b]
            self.square[pair] += effect_b[clump_b] @ effect_b[clump_b]
            totals = v, score.sum(), chi2_a.sum(), chi2_b.sum()
            self.regression[pair] += (*totals, score @ chi2_a, score @ chi2_b)

    def _scanned(self, dosage: np.ndarray, y: np.ndarray, hidden: tuple) -> tuple[np.ndarray, ...]:
        """Effects and clumps of traits of one cause, chi-squares of polygenic ones, LD scores."""
        scanned = scan(dosage, y)
        traits, free = len(y) // 2, dosage.shape[1] - 2
        t = scanned.t[:traits].copy()
        t[hidden] = 0
        index, member = student.isf(np.array([INDEX_P, MEMBER_P]) / 2, free)
        clump = first_clump(t, scanned.r2, index, member, LINKED)
        clump[hidden] = False
        chi2 = (scanned.t[traits:].astype(float) ** 2).mean(axis=0)
        return scanned.effect[:traits], clump, chi2, scanned.r2.sum(axis=1, dtype=float)

    def overlap(self, pair: int) -> float:
        """Sites in the clumps of both groups, of those in any: mean over traits with a hit."""
        return float(self.jaccard[pair] / self.hits[pair]) if self.hits[pair] else float("nan")

    def effect_slope(self, pair: int) -> float:
        """Slope through 0 of the first group's effects on the second's, in the second's clumps."""
        return float(self.product[pair] / self.square[pair]) if self.square[pair] else float("nan")

    def heritability_ratio(self, pair: int) -> float:
        """Heritability by LD score regression of the first group, over that of the second.

        The LD scores are from the second group for both, so the slopes have one denominator.
        """
        n, score, *sums = self.regression[pair]
        own, reference = (n * sums[2 + i] - score * sums[i] for i in (0, 1))
        return float(own / reference) if reference > 0 else float("nan")
