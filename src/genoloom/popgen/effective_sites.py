"""How many independent sites linked ones amount to, from the genotypes of a sample."""

from collections.abc import Sequence

import numpy as np

# of attackers who take linkage off, as shares of the mean variance of an individual
RIDGES = (1.0, 0.1)
# degrees of freedom of each half of a sample below which an estimate for them is noise
LEAST_DEGREES = 50


class EffectiveSites:
    """The effective number of independent sites, tr(S W)^2 / tr(S W S W), over blocks of variants.

    S is the matrix of genotype correlations within populations, W how an attacker weighs sites.
    With equal weights it is m^2 / sum_jk r_jk^2; an attacker who takes off the linkage that
    reference individuals R have, W = (R'R / n_R + ridge)^-1, sees more sites. The strongest of
    these attackers counts (docs/leak_budget.md).

    Squared sample correlations are too large by about (1 - r^2) / degrees of freedom, which is
    taken off (Bulik-Sullivan et al. 2015, doi:10.1038/ng.3211). The sum over pairs of sites equals
    the squared norm of the matrix of inner products of individuals, so that memory does not grow
    with the sites. For W one half of the sample is the reference and the other says what it sees.

    Parameters
    ----------
    population : ndarray of int, shape (n_individuals,)
        Genotypes are centred within each population.
    cuts : list of int
        Smallest numbers of minor allele copies, rising; one estimate for each.
    copies_share : float
        Copies are counted in the sample and multiplied by this, where it is a part of it.
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

    def estimates(self, ridges: Sequence[float] = RIDGES) -> list[tuple[int, float]]:
        """(sites, effective sites) at each cut; at least 1 effective site where there is any, nan
        below 3 degrees.

        Parameters
        ----------
        ridges : sequence of float
            Of the attackers who take linkage off; they are left out where individuals are few.
        """
        found = []
        for at in range(len(self.cuts)):
            m = int(self._sites[at:].sum())
            if m == 0 or self.degrees < 3:
                found.append((m, float("nan") if m else 0.0))
                continue
            products = self._products[at:].sum(axis=0, dtype=np.float64)
            numbers = [effective_number(products, self.degrees)]
            if self._degrees_of_half >= LEAST_DEGREES:
                numbers += self._whitened(products, ridges)
            found.append((m, min(max(numbers), float(m))))
        return found

    @property
    def _degrees_of_half(self) -> int:
        return int((self._sizes.astype(np.int64) // 2 - 1).clip(0).sum())

    def _whitened(self, products: np.ndarray, ridges: Sequence[float]) -> list[float]:
        """What either half of the sample says, the other half being the reference; their means."""
        order = np.argsort(self._group, kind="stable")  # every second one of each population
        halves = order[::2], order[1::2]
        products = self._centred(products, halves)
        return [
            float(np.mean([
                effective_number(whitened_products(products, *pair, ridge), self._degrees_of_half)
                for pair in (halves, halves[::-1])
            ]))
            for ridge in ridges
        ]  # fmt: skip

    def _centred(self, products: np.ndarray, halves: tuple[np.ndarray, ...]) -> np.ndarray:
        """Inner products when genotypes are centred within population and half: each half must know
        nothing of the other.
        """
        groups = np.zeros((len(products), 2, self._members.shape[1]))
        for at, half in enumerate(halves):
            groups[half, at] = self._members[half]
        groups = groups.reshape(len(products), -1)
        means = groups / np.maximum(groups.sum(axis=0), 1)
        products = products - groups @ (means.T @ products)
        return products - (products @ means) @ groups.T


def effective_number(products: np.ndarray, degrees: int) -> float:
    """tr(S W)^2 / tr(S W S W), from the inner products x' W y of a sample of individuals.

    Parameters
    ----------
    products : ndarray of float, shape (n, n)
        Of centred genotypes; the individuals have no part in W.
    degrees : int
        Degrees of freedom of the sample, at least 3.
    """
    total = np.trace(products) / degrees
    observed = float((products * products).sum()) / degrees**2
    squares = observed - (total**2 - observed) / (degrees - 1)
    return total**2 / max(squares, 1e-12 * total**2)


def whitened_products(
    products: np.ndarray, reference: np.ndarray, fresh: np.ndarray, ridge: float
) -> np.ndarray:
    """Inner products x' (R'R / n_R + penalty)^-1 y of `fresh` individuals, up to a factor.

    Parameters
    ----------
    products : ndarray of float, shape (n, n)
        x' y of everybody.
    reference, fresh : ndarray of int
        Rows of R, and those asked for.
    ridge : float
        The penalty as a share of the mean variance of a reference individual.
    """
    within = products[np.ix_(reference, reference)]
    across = products[np.ix_(fresh, reference)]
    penalty = ridge * np.trace(within) / len(reference)
    known = np.linalg.solve(within + penalty * np.eye(len(reference)), across.T)
    return products[np.ix_(fresh, fresh)] - across @ known
