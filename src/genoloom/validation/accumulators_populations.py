"""Sums over sites of allele frequencies by population, for every group of individuals."""

import numpy as np

from genoloom.popgen.frequencies import JOINT_EDGES, filters_alike

BINS = len(JOINT_EDGES) - 1


class Populations:
    """Frequencies of each population in each group: errors of pairs, products between populations,
    joint spectra.
    """

    SUMS = (
        "sites", "error", "alike", "sum", "within", "products", "joint", "between", "lost"
    )  # fmt: skip

    def __init__(self, groups):
        index, p = groups.index, len(groups.populations)
        self.first = np.array([index[a] for a, _ in groups.pairs])
        self.second = np.array([index[b] for _, b in groups.pairs])
        self.n_groups, self.p = len(groups.rows), p
        self.sizes = np.array(
            [[groups.size(name, c + 1) for c in range(p)] for name in groups.rows], dtype=float
        )
        self.members = self._membership(groups)
        self.sites = 0
        self.error, self.alike = np.zeros((len(groups.pairs), p)), np.zeros((len(groups.pairs), p))
        self.sum, self.within = np.zeros((self.n_groups, p)), np.zeros((self.n_groups, p))
        self.products = np.zeros((self.n_groups, p, p))
        self.joint = np.zeros((self.n_groups, p * BINS, p * BINS))
        # numerator and denominator of Fst; the latter is dxy
        self.between = np.zeros((len(groups.pairs), 2, p))
        self.lost = np.zeros((self.n_groups, p))

    def _membership(self, groups) -> np.ndarray:
        inside = np.zeros((2 * len(groups.population), self.n_groups * self.p), dtype=np.float32)
        for g, name in enumerate(groups.rows):
            for c in range(self.p):
                individuals = groups.of_population(name, c + 1)
                inside[2 * individuals, g * self.p + c] = 1
                inside[2 * individuals + 1, g * self.p + c] = 1
        return inside

    def add(self, alleles: np.ndarray, frequency: np.ndarray) -> None:
        """Read a block; `frequency` is that of all real individuals, by which the rarer allele is
        known.
        """
        if not self.p:
            return
        counts = (alleles.astype(np.float32) @ self.members).reshape(
            len(alleles), self.n_groups, self.p
        )
        flip = frequency > 0.5
        counts[flip] = self.sizes - counts[flip]
        p = counts / self.sizes
        self.sites += len(alleles)
        self.sum += p.sum(axis=0)
        self.within += (p * (1 - p)).sum(axis=0)
        self.products += np.einsum("vgi,vgj->gij", p, p, optimize=True)
        self.lost += ((counts == 0) | (counts == self.sizes)).sum(axis=0)
        for pair, (a, b) in enumerate(zip(self.first, self.second, strict=True)):
            x, y = p[:, a], p[:, b]
            self.error[pair] += np.abs(x - y).sum(axis=0)
            self.alike[pair] += filters_alike(x, y, self.sizes[a]).sum(axis=0)
            noise = x * (1 - x) / (self.sizes[a] - 1) + y * (1 - y) / (self.sizes[b] - 1)
            differ = x * (1 - y) + y * (1 - x)
            self.between[pair] += np.stack([((x - y) ** 2 - noise).sum(axis=0), differ.sum(axis=0)])
        if self.p > 1:
            at = np.searchsorted(JOINT_EDGES, p, side="right") - 1
            for g in range(self.n_groups):
                which = np.zeros((len(alleles), self.p, BINS), dtype=np.float32)
                np.put_along_axis(which, at[:, g, :, None], 1, axis=2)
                flat = which.reshape(len(alleles), -1)
                self.joint[g] += flat.T @ flat
