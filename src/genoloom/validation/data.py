"""The collected data as the metrics ask for them: by group, population and frequency bin."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from genoloom.panel import haplotype_columns
from genoloom.popgen.frequencies import BIN_NAMES, frequency_bin, minor_frequency
from genoloom.popgen.structure import Components
from genoloom.seeds import derive_seed
from genoloom.validation.accumulators import Collector
from genoloom.validation.cohorts import Group
from genoloom.validation.summaries import haplotype_summaries


@dataclass(frozen=True)
class Part:
    """What a metric is about: a population (column 0 is all of them), the sites of a bin, or a size
    of window.

    Attributes
    ----------
    population, bin : str
        As they are in the table; "all" where there is no restriction.
    column : int
        0, or 1 + the index of the population.
    sites : ndarray of bool or slice
        Sites of a frequency bin.
    size : int
        Sites of a window, or between the members of a triple.
    ascertained : bool
        The training individuals themselves have no row; see `Metric.ascertained`.
    """

    population: str = "all"
    bin: str = "all"
    column: int = 0
    sites: np.ndarray | slice = field(default_factory=lambda: slice(None))
    size: int = 20
    ascertained: bool = False


WHOLE = Part()


class Data:
    """A finished collection, with what is computed from it once and used by several metrics."""

    def __init__(
        self,
        collected: Collector,
        components: int,
        seed: int,
        phased: bool = True,
        diploid: bool = True,
    ):
        """`phased`, `diploid`: of `Comparands`."""
        self.collected, self.components, self.seed = collected, components, seed
        self.phased, self.diploid = phased, diploid
        self.groups, self.index = collected.groups, collected.groups.index
        self.n = collected.individuals.n
        self.counts = np.concatenate(collected.counts)
        self.heterozygotes = np.concatenate(collected.heterozygotes)
        real = self.counts[:, self.index[Group.HOLDOUT]] + self.counts[:, self.index[Group.TRAIN]]
        self.real_frequency = real / (4 * self.n)
        # by the training individuals: a bin chosen with the help of H would regress to the mean on
        # one side only
        self.bins = frequency_bin(
            minor_frequency(self.counts[:, self.index[Group.TRAIN]] / (2 * self.n))
        )
        self.pair_index = {pair: i for i, pair in enumerate(self.groups.pairs)}
        self._cache: dict = {}

    def once(self, key: tuple, compute: Callable):
        """The value of `compute()`, remembered under `key`."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def count(self, group: str) -> np.ndarray:
        """Alternate alleles of a group at every site."""
        return self.counts[:, self.index[group]]

    def frequency(self, group: str) -> np.ndarray:
        """Alternate allele frequency of a group at every site."""
        return self.count(group) / self.groups.size(group)

    def distances(self, a: str, b: str, column: int = 0) -> np.ndarray:
        """Differing sites between the haplotypes of two groups."""
        rows, columns = (haplotype_columns(self.groups.of_population(g, column)) for g in (a, b))
        return self.collected.distance[np.ix_(rows, columns)]

    def fitted(self, group: str, column: int = 0) -> Components:
        """Principal components of a group, or of one of its populations."""
        return self.once(
            ("components", group, column),
            lambda: Components(
                self.collected.kernel, self.groups.of_population(group, column), self.components
            ),
        )

    def haplotype_summaries(self) -> np.ndarray:
        """Of every haplotype at the sites that the classifiers see; see `validation.summaries`."""

        def compute():
            alleles = np.concatenate(self.collected.classifier_sites)
            # by the training individuals, like the bins: classes chosen with the help of H would
            # regress to the mean on one side
            return haplotype_summaries(
                alleles, alleles[:, haplotype_columns(self.groups.rows[Group.TRAIN])].mean(axis=1)
            )

        return self.once(("summaries",), compute)

    def parts_by_bin(self) -> list[Part]:
        return [
            Part(bin=name, sites=self.bins == i, ascertained=True)
            for i, name in enumerate(BIN_NAMES)
            if (self.bins == i).any()
        ]

    def parts_by_population(self) -> list[Part]:
        return [
            Part(population=name, column=i + 1) for i, name in enumerate(self.groups.populations)
        ]


def resampled_halvings(
    d: Data, rows: dict[str, np.ndarray], statistic: Callable[[np.ndarray, np.ndarray], float]
) -> list[float]:
    """Metrics of what two halves share, each half drawn again with replacement.

    What all real individuals share with each other does not depend on how they are halved, so the
    halvings alone spread too little: other individuals would share more or less. The mean is that
    of the halvings.

    Parameters
    ----------
    rows : dict of str to ndarray of int
        Of each half.
    statistic : callable
        (rows of one half, rows of the other) -> float.
    """
    rng = np.random.default_rng(derive_seed(d.seed, "resampled halvings"))
    plain = np.mean([statistic(rows[a], rows[b]) for a, b in d.groups.halvings])
    drawn = [
        statistic(*(rng.choice(rows[half], len(rows[half])) for half in pair))
        for pair in d.groups.halvings
    ]
    return (plain + np.array(drawn) - np.mean(drawn)).tolist()
