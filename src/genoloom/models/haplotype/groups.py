"""Groups of templates whose whole rows are alike: what a row is like beyond the reach of linkage.

A haplotype that switches between templates of a mixed population forgets what it was like before:
along a contig all drawn rows become alike, of average ancestry. So each row is drawn in a group:
half of its switches go to templates of the group, as they go to the own population where there are
no groups. The groups of a population are clusters (k-means) of its templates' first principal
components.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from genoloom.models.haplotype.components import SITES, common_sites, principal_components
from genoloom.models.haplotype.templates import TemplatePanel

COMPONENTS = 8
MEMBERS = 150  # templates for every group
GROUP_DRAW = 2**44  # counter of the draw of a row's group


@dataclass(frozen=True)
class Groups:
    """Of templates in the order of their groups.

    Attributes
    ----------
    of : ndarray, int64, shape (N,), rising
        The group of each template; those of a population side by side.
    population : ndarray, int64, shape (G,), rising
        The population of each group.
    """

    of: np.ndarray
    population: np.ndarray

    @classmethod
    def among(cls, of: np.ndarray, population: np.ndarray) -> Self:
        """The groups of templates (N,) of these populations (N,)."""
        _, first, of = np.unique(of, return_index=True, return_inverse=True)
        return cls(of, population[first])

    def drawn_by(self, panel: TemplatePanel) -> tuple[TemplatePanel, np.ndarray]:
        """The panel with groups in place of populations, and the population of each group,
        int64 (G,). A population without templates is one group without members, one that is drawn
        as another has groups that are drawn as that one's.
        """
        own = panel.n_populations - len(panel.stands_for)
        without = np.setdiff1d(np.arange(own), self.population)
        drawn_as = [np.flatnonzero(self.population == p) for p in panel.stands_for]
        further = np.repeat(np.arange(own, panel.n_populations), [len(x) for x in drawn_as])
        population = np.concatenate([self.population, without, further])
        stands_for = tuple(int(g) for groups in drawn_as for g in groups)
        return replace(
            panel, population=self.of, n_populations=len(population), stands_for=stands_for
        ), population


def draw_groups(
    panel: TemplatePanel, of_group: np.ndarray, population: np.ndarray, uniform: np.ndarray
) -> np.ndarray:
    """The group of each row to draw, by the shares of the groups among the templates of its
    population; int64 (n,). `panel` and `of_group` as of `Groups.drawn_by`; `uniform`: numbers in
    [0, 1).
    """
    size = np.diff(panel.borders)
    size[panel.n_populations - len(panel.stands_for) :] = size[list(panel.stands_for)]
    drawn = np.empty(len(uniform), dtype=np.int64)
    for p in np.unique(population):
        groups, rows = np.flatnonzero(of_group == p), population == p
        ends = np.cumsum(np.maximum(size[groups], 1))
        drawn[rows] = groups[np.searchsorted(ends, uniform[rows] * ends[-1], side="right")]
    return drawn


def divide(panel: TemplatePanel, most: int, seed: int) -> tuple[TemplatePanel, Groups, np.ndarray]:
    """The templates in the order of their groups, at most `most` for each population; the groups;
    and which template each is, int64 (N,).
    """
    of = find_groups(panel, most, MEMBERS, seed)
    order = np.argsort(of, kind="stable")
    panel = panel.reordered(order)
    return panel, Groups.among(of[order], panel.population), order


def find_groups(panel: TemplatePanel, most: int, members: int, seed: int) -> np.ndarray:
    """The group of each template, int64 (N,), numbered by population: at most `most` for each, and
    one for every `members` templates.
    """
    sites = _common_sites(panel)
    group, groups = np.empty(panel.n_templates, dtype=np.int64), 0
    alleles = panel.haplotypes.ones_at(sites).T
    for low, high in zip(panel.borders[:-1], panel.borders[1:], strict=True):
        wanted = min(most, (high - low) // members)
        found = np.zeros(high - low, dtype=np.int64)
        if wanted > 1 and len(sites):
            found = _clusters(alleles[low:high].astype(np.float32), wanted, members // 2, seed)
        group[low:high] = groups + found
        groups += found.max(initial=-1) + 1
    return group


def _common_sites(panel: TemplatePanel) -> np.ndarray:
    n = panel.haplotypes.n_variants
    blocks = [(start, min(start + SITES, n)) for start in range(0, n, SITES)]
    return common_sites(np.concatenate([panel.haplotypes.read(*b).mean(axis=1) for b in blocks]))


def _clusters(rows: np.ndarray, wanted: int, least: int, seed: int) -> np.ndarray:
    """At most `wanted` clusters of rows, each of at least `least`, int64 (n,)."""
    from sklearn.cluster import KMeans

    place, _ = principal_components(rows, COMPONENTS, seed)
    found = KMeans(wanted, n_init=4, random_state=seed % 2**32).fit(place)
    kept = found.cluster_centers_[np.bincount(found.labels_, minlength=wanted) >= least]
    if len(kept) == 0:
        return np.zeros(len(rows), dtype=np.int64)
    distance = ((place[:, None] - kept) ** 2).sum(axis=2)
    return np.unique(distance.argmin(axis=1), return_inverse=True)[1]
