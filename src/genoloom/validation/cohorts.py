"""Which individuals are compared: equal numbers of held-out, training and synthetic individuals,
and halvings of the real ones.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from genoloom.errors import InputError
from genoloom.panel import Individuals, Panel, by_ploidy, fill_missing, haplotype_columns
from genoloom.seeds import derive_seed

# distances and kernels are quadratic in individuals: larger groups are sampled down to this
MAX_INDIVIDUALS = 1500


class Group(StrEnum):
    """Who is compared; further synthetic samples and the halves of real individuals have names."""

    SYNTHETIC = "S"
    HOLDOUT = "H"
    TRAIN = "T"


@dataclass(frozen=True)
class Comparison:
    """Groups of individuals as rows of one long list: synthetic first, then real.

    Attributes
    ----------
    synthetic_individuals, real_individuals : ndarray of int
        Individuals of the synthetic file and of the panel that take part.
    population : ndarray of str, shape (n_individuals,)
        Of everybody, in the order of the list.
    synthetic, holdout, train : ndarray of int
        Rows of the list; equally many, with the same mix of populations.
    halvings : list of (ndarray, ndarray)
        Random halvings of holdout and train together, stratified by population.
    """

    synthetic_individuals: np.ndarray
    real_individuals: np.ndarray
    population: np.ndarray
    synthetic: np.ndarray
    holdout: np.ndarray
    train: np.ndarray
    halvings: list[tuple[np.ndarray, np.ndarray]]

    @property
    def n(self) -> int:
        """Individuals a group."""
        return len(self.holdout)

    @property
    def real_population(self) -> np.ndarray:
        """Of the real individuals, held-out ones first; ndarray of str, shape (2 n,)."""
        return self.population[np.concatenate([self.holdout, self.train])]

    def of_population(self, rows: np.ndarray, name: str) -> np.ndarray:
        """The `rows` that belong to one population."""
        return rows[self.population[rows] == name]


def compare(
    synthetic: Individuals, real: Individuals, roles: list[str], n_permutations: int, seed: int
) -> Comparison:
    """Choose the individuals: in each population as many of every group as the smallest group has.

    Raises
    ------
    InputError
        No population is in all three groups.
    """
    rng = np.random.default_rng(derive_seed(seed, "compare"))
    role = np.array(roles)
    groups = {
        "synthetic": np.array(synthetic.population),
        "holdout": np.where(role == "holdout", real.population, ""),
        "train": np.where(role == "train", real.population, ""),
    }
    names = sorted(set(real.population))
    sizes = {name: min(int((g == name).sum()) for g in groups.values()) for name in names}
    total = sum(sizes.values())
    if total < 2:
        raise InputError(
            "comparison", "no population has synthetic, held-out and training individuals",
            expected=f"populations {', '.join(names)}",
            remedy="generate individuals of the populations of the panel",
        )  # fmt: skip
    if total > MAX_INDIVIDUALS:
        sizes = {name: size * MAX_INDIVIDUALS // total for name, size in sizes.items()}
    chosen = {
        group: np.sort(
            np.concatenate(
                [rng.choice(np.flatnonzero(labels == p), sizes[p], replace=False) for p in names]
            )
        )
        for group, labels in groups.items()
    }
    n_synthetic = len(chosen["synthetic"])
    real_individuals = np.concatenate([chosen["holdout"], chosen["train"]])
    population = np.concatenate(
        [groups["synthetic"][chosen["synthetic"]], np.array(real.population)[real_individuals]]
    )
    rows = np.arange(n_synthetic + len(real_individuals))
    holdout, train = (
        rows[n_synthetic : n_synthetic + len(chosen["holdout"])],
        rows[n_synthetic + len(chosen["holdout"]) :],
    )
    halvings = [halve(rows[n_synthetic:], population, names, rng) for _ in range(n_permutations)]
    return Comparison(
        chosen["synthetic"],
        real_individuals,
        population,
        rows[:n_synthetic],
        holdout,
        train,
        halvings,
    )


def compare_by_ploidy(pair: tuple[Panel, Panel], roles: list[str], seed: int) -> Comparison:
    """Choose the individuals of synthetic and real panels, as `compare` does; on an X males and
    females apart, whose haplotypes differ in number (`genoloom.panel.by_ploidy`).
    """
    synthetic, real = (by_ploidy(panel.individuals, panel.sites.ploidy) for panel in pair)
    return compare(synthetic, real, roles, 0, seed)


def halve(
    rows: np.ndarray, population: np.ndarray, names: list[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of individuals, each with the same mix of populations."""
    first, second = [], []
    for name in names:
        # an even number: equally many of both roles
        members = rng.permutation(rows[population[rows] == name])
        first.append(members[: len(members) // 2])
        second.append(members[len(members) // 2 :])
    return np.concatenate(first), np.concatenate(second)


def match_sites(synthetic: Panel, real: Panel) -> tuple[Panel, Panel]:
    """Both panels at the sites of the synthetic one, in its order.

    Raises
    ------
    InputError
        A synthetic site is not in the real panel.
    """
    index_of = {key: i for i, key in enumerate(real.sites.keys())}
    wanted = synthetic.sites.keys()
    strange = [key for key in wanted if key not in index_of]
    if synthetic.sites.contig != real.sites.contig or strange:
        where = (
            f"{synthetic.sites.contig}:{strange[0][0]}"
            if strange
            else f"contig {synthetic.sites.contig}"
        )
        raise InputError(
            "synthetic data",
            f"{len(strange)} of {len(wanted)} sites are not in the panel, the first: {where}",
            expected="sites of the panel that the model was trained on",
        )  # fmt: skip
    return synthetic, real.take_sites(np.array([index_of[key] for key in wanted]))


def read_rows(panel: Panel, individuals: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Alleles of some individuals, int8 (n_variants, 2 * n_individuals); missing calls take the
    more frequent allele of the site.
    """
    return fill_missing(panel.haplotypes.read(start, stop)[:, haplotype_columns(individuals)])
