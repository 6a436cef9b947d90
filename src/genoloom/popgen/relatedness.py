"""Kinship of pairs of individuals and runs of homozygosity, from genotypes."""

import numpy as np


class Kinship:
    """KING-robust kinship of all pairs, over blocks of variants.

    Manichaikul et al. 2010, doi:10.1093/bioinformatics/btq559, equation 11 (the form with the
    smaller heterozygosity): 1/2 for a copy, 1/4 for parent and child, near 0 for unrelated
    individuals of one population, negative between populations. On one region it measures what is
    shared there, not relatedness of the genome.
    """

    SUMS = ("both_heterozygous", "opposite")

    def __init__(self, n_individuals: int):
        self.both_heterozygous = np.zeros((n_individuals, n_individuals), dtype=np.float32)
        self.opposite = np.zeros((n_individuals, n_individuals), dtype=np.float32)

    def add(self, dosage: np.ndarray) -> None:
        """Read a block: alternate alleles (0, 1, 2), shape (n_variants, n_individuals)."""
        heterozygous = (dosage == 1).astype(np.float32)
        self.both_heterozygous += heterozygous.T @ heterozygous
        self.opposite += (dosage == 0).astype(np.float32).T @ (dosage == 2).astype(np.float32)

    def coefficients(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Kinship of individuals `rows` with individuals `columns`, float32; nan where one has no
        heterozygous site.
        """
        own = self.both_heterozygous.diagonal()
        a, b = own[rows][:, None], own[columns][None, :]
        shared = self.both_heterozygous[np.ix_(rows, columns)]
        opposite = self.opposite[np.ix_(rows, columns)] + self.opposite[np.ix_(columns, rows)].T
        smaller = np.minimum(a, b)
        kinship = np.full(shared.shape, np.nan, dtype=np.float32)
        np.divide(shared - 2 * opposite, 2 * smaller, out=kinship, where=smaller > 0)
        return (
            kinship + np.float32(0.5) - (a + b) / np.where(smaller > 0, 4 * smaller, np.float32(1))
        )


class RunsOfHomozygosity:
    """Runs without a heterozygous site of each individual: the longest, and the length in runs of
    `minimum` or more.
    """

    SUMS, LARGEST = ("in_runs",), ("longest",)

    def __init__(self, n_individuals: int, minimum: float):
        self.minimum = minimum
        self.longest = np.zeros(n_individuals)
        self.in_runs = np.zeros(n_individuals)
        self._start = np.zeros(n_individuals)

    def begin(self, position: float) -> None:
        """A contig starts at `position`."""
        self._start[:] = position

    def add(self, heterozygous: np.ndarray, position: np.ndarray) -> None:
        """Extend by a block: bool, shape (n_variants, n_individuals), and the growing positions of
        its sites.
        """
        for row, at in zip(heterozygous, position, strict=True):
            self._close(np.flatnonzero(row), at)

    def end(self, position: float) -> None:
        """The contig ends at `position`."""
        self._close(np.arange(len(self.longest)), position)

    def _close(self, individuals: np.ndarray, at: float) -> None:
        length = at - self._start[individuals]
        self.longest[individuals] = np.maximum(self.longest[individuals], length)
        self.in_runs[individuals] += np.where(length >= self.minimum, length, 0.0)
        self._start[individuals] = at
