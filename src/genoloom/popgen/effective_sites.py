"""How many independent sites linked ones amount to, from the genotypes of a sample."""

import numpy as np


class EffectiveSites:
    """The effective number of independent sites, m^2 / sum_jk r_jk^2, over blocks of variants.

    r_jk is the genotype correlation of sites j and k within populations. Squared sample
    correlations are too large by about (1 - r^2) / degrees of freedom, which is taken off (Bulik-
    Sullivan et al. 2015, doi:10.1038/ng.3211). The sum over pairs of sites equals the squared norm
    of the matrix of inner products of individuals, so that memory does not grow with the sites.

    Parameters
    ----------
    population : ndarray of int, shape (n_individuals,)
        Genotypes are centred within each population.
    cuts : list of int
        Smallest numbers of minor allele copies, rising; one estimate for each.
    copies_share : float
        Copies are counted in the sample and multiplied by this, where it stands for a part of it.
    """

    def __init__(self, population: np.ndarray, cuts: list[int], copies_share: float = 1.0):
        self.cuts, self.copies_share = list(cuts), copies_share
        names, self._group = np.unique(population, return_inverse=True)
        n = len(population)
        self._members = np.zeros((n, len(names)), dtype=np.float32)
        self._members[np.arange(n), self._group] = 1
        self._sizes = self._members.sum(axis=0)
        self.degrees = n - len(names)
        self._products = np.zeros((len(cuts), n, n), dtype=np.float32)
        self._sites = np.zeros(len(cuts), dtype=np.int64)

    def add(self, dosage: np.ndarray) -> None:
        """Read a block: alternate alleles (0, 1, 2), shape (n_variants, n_individuals), no missing
        calls.
        """
        copies = dosage.sum(axis=1, dtype=np.int64)
        copies = np.minimum(copies, 2 * dosage.shape[1] - copies) * self.copies_share
        z = dosage.astype(np.float32)
        z -= (z @ self._members / self._sizes)[:, self._group]
        scale = np.sqrt((z * z).sum(axis=1) / max(self.degrees, 1))
        varies = scale > 1e-6
        z[varies] /= scale[varies, None]
        # the bin of a site is the highest cut that it reaches
        bins = np.searchsorted(self.cuts, copies, side="right") - 1
        for at in range(len(self.cuts)):
            rows = z[varies & (bins == at)]
            self._sites[at] += len(rows)
            self._products[at] += rows.T @ rows

    def estimates(self) -> list[tuple[int, float]]:
        """(sites, effective sites) at each cut; at least 1 effective site where there is any, nan
        below 3 degrees.
        """
        found = []
        for at in range(len(self.cuts)):
            m = int(self._sites[at:].sum())
            if m == 0 or self.degrees < 3:
                found.append((m, float("nan") if m else 0.0))
                continue
            products = self._products[at:].sum(axis=0, dtype=np.float64)
            observed = float((products * products).sum()) / self.degrees**2
            squares = observed - (m * m - observed) / (self.degrees - 1)
            # the correlations of a site with itself are 1
            found.append((m, m * m / max(squares, m)))
        return found
