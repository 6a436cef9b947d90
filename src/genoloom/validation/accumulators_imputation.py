"""How well the haplotypes of each group serve as a reference panel for another."""

import numpy as np

from genoloom.popgen.frequencies import BIN_NAMES, frequency_bin, minor_frequency
from genoloom.popgen.imputation import impute
from genoloom.seeds import derive_seed
from genoloom.validation.accumulators_haplotypes import sample_rows
from genoloom.validation.cohorts import Group

ARRAY_BP = 4000  # of each such piece one common site is on the array, as on common arrays
WINDOW = 1500  # sites imputed at a time
WINDOWS = 4  # this many, evenly spread
TEMPLATES = 200
FEWEST, MOST = 48, 200  # targets; where few sites are on the array there are more
WORK = 12_000  # targets x sites on the array, about


class Imputation:
    """Sums of imputed and of true alleles of some haplotypes of the second group of each pair.

    Templates are haplotypes of the first group. Both are taken as differences from the frequencies
    of the real individuals, so that knowing these alone counts for nothing. Parameters as of
    `Linkage`.
    """

    SUMS = ("sums",)

    def __init__(self, groups, seed: int, n_sites: int, before: int = 0):
        rng = np.random.default_rng(derive_seed(seed, "imputation"))
        smallest = min(len(groups.haplotypes(name)) for name in groups.rows)
        n, m = min(TEMPLATES, smallest), min(MOST, smallest)
        self.templates = [sample_rows(groups.haplotypes(a), n, rng) for a, _ in groups.pairs]
        for _ in range(groups.left_out):
            sample_rows(groups.haplotypes(Group.HOLDOUT), n, rng)
        # in random order: the first ones are a sample, too
        self.targets = [rng.choice(groups.haplotypes(b), m, replace=False) for _, b in groups.pairs]
        windows = max(1, round(n_sites / WINDOW))
        self.every, self.windows = -(-windows // WINDOWS), min(windows, WINDOWS)
        self.sums = np.zeros((len(groups.pairs), len(BIN_NAMES), 3))  # products, squares of both
        self._waiting: list[tuple] = []
        self._window = before // WINDOW

    def add(
        self,
        alleles: np.ndarray,
        position: np.ndarray,
        cm: np.ndarray,
        frequency: np.ndarray,
        training: np.ndarray,
    ) -> None:
        """The next block.

        Parameters
        ----------
        alleles : ndarray, int8 of 0/1, shape (n_variants, n_haplotypes)
        position, cm : ndarray, shape (n_variants,)
            Base pairs, centimorgans.
        frequency, training : ndarray, float, shape (n_variants,)
            Of the alternate allele among all real individuals, and among the training individuals.
        """
        self._waiting.append((alleles, position, cm, frequency, training))
        if sum(len(block[1]) for block in self._waiting) >= WINDOW:
            self.end_contig()

    def end_contig(self) -> None:
        """Panels do not reach across contigs."""
        if self._waiting and self._window % self.every == 0:
            self._impute()
        self._window += bool(self._waiting)
        self._waiting = []

    def _impute(self) -> None:
        columns = zip(*self._waiting, strict=True)
        alleles, position, cm, frequency, training = map(np.concatenate, columns)
        common = np.flatnonzero(minor_frequency(frequency) >= 0.05)
        observed = common[np.unique(position[common] // ARRAY_BP, return_index=True)[1]]
        hidden = np.setdiff1d(np.arange(len(position)), observed)
        if not len(observed) or not len(hidden):
            return
        n = np.clip(WORK // (len(observed) * self.windows), FEWEST, MOST)
        bins = frequency_bin(minor_frequency(training[hidden]))
        inside = bins == np.arange(len(BIN_NAMES))[:, None]
        mean = frequency[hidden, None].astype(np.float32)
        for pair, (templates, targets) in enumerate(zip(self.templates, self.targets, strict=True)):
            asked = alleles[:, targets[:n]]
            x = impute(alleles[:, templates], asked[observed], observed, cm)[hidden] - mean
            y = asked[hidden] - mean
            for i, factors in enumerate(((x, y), (x, x), (y, y))):
                self.sums[pair, :, i] += inside @ np.einsum("vn,vn->v", *factors, dtype=float)

    def r2(self, pair: int, bin: int | None = None) -> float:
        """Squared correlation of dosages and alleles; 0 where the dosages do not vary."""
        xy, xx, yy = self.sums[pair].sum(axis=0) if bin is None else self.sums[pair, bin]
        if not yy:
            return float("nan")
        return float(max(xy, 0.0) ** 2 / (xx * yy)) if xx > 0 else 0.0
