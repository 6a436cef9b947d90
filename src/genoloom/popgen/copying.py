"""The copying model of Li and Stephens: how well haplotypes are explained as pieces of others."""

import numpy as np


class CopyingLikelihood:
    """Log-likelihood of query haplotypes as imperfect mosaics of template haplotypes, over blocks
    of variants.

    Li & Stephens 2003, doi:10.1093/genetics/165.4.2213; forward algorithm, scaled at every site.
    Several panels of the same size run side by side.

    Parameters
    ----------
    queries : ndarray of int, shape (n_panels, n_queries)
    templates : ndarray of int, shape (n_panels, n_templates)
        Columns of the alleles that `add` receives.
    switch_per_cm : float
        Rate of switching between templates.
    error : float
        Chance that a copied allele differs.
    """

    SUMS = ("bits", "sites")

    def __init__(
        self,
        queries: np.ndarray,
        templates: np.ndarray,
        switch_per_cm: float = 400.0,
        error: float = 1e-3,
    ):
        self.queries, self.templates = queries, templates
        self.rate, self.error = switch_per_cm / templates.shape[1], error
        self.forward = np.empty((*queries.shape, templates.shape[1]), dtype=np.float32)
        self.bits = np.zeros(queries.shape)
        self.sites = 0
        self._last = None

    def begin(self) -> None:
        """A contig starts: every template is equally likely."""
        self.forward[:] = 1 / self.templates.shape[1]
        self._last = None

    def add(self, alleles: np.ndarray, cm: np.ndarray) -> None:
        """Extend by a block: alleles, shape (n_variants, n_haplotypes), and genetic positions in
        centimorgans.
        """
        m = self.templates.shape[1]
        emission = np.array([1 - self.error, self.error], dtype=np.float32)
        for row, at in zip(alleles, cm, strict=True):
            if self._last is not None:
                # at least a little, where the map is flat, so that no haplotype becomes impossible
                jump = np.float32(max(1e-6, -np.expm1(-self.rate * (at - self._last))))
                self.forward *= 1 - jump
                self.forward += jump / m
            self.forward *= emission[
                row[self.queries][:, :, None] ^ row[self.templates][:, None, :]
            ]
            total = self.forward.sum(axis=2)
            self.forward /= total[:, :, None]
            self.bits -= np.log2(total)
            self._last = at
        self.sites += len(alleles)

    def bits_per_site(self) -> np.ndarray:
        """Median over queries of the bits per site, shape (n_panels,): one haplotype like nobody
        else's would carry a mean.
        """
        return np.median(self.bits, axis=1) / max(self.sites, 1)
