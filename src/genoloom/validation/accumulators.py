"""What is kept of the variants: sums for every group of individuals, never the genotypes of a whole
contig.

`Collector` reads blocks of neighbouring sites and hands them to its parts, each of which keeps what
one family of metrics needs. Groups are "S" (synthetic; several may be measured in one pass), "H"
(held-out), "T" (training), and the halves "A0", "B0", "A1", ... of the real individuals. Memory is
quadratic in the individuals compared, which are capped, and a few hundred bytes a variant.
"""

from dataclasses import dataclass

import numpy as np

from genoloom.panel import Panel, haplotype_columns
from genoloom.popgen.distances import hamming
from genoloom.popgen.diversity import heterozygous_calls
from genoloom.popgen.frequencies import minor_frequency
from genoloom.popgen.overlaps import Overlaps
from genoloom.popgen.relatedness import Kinship, RunsOfHomozygosity
from genoloom.validation.accumulators_haplotypes import Copying, Scan, SharedRuns, WindowHaplotypes
from genoloom.validation.accumulators_imputation import Imputation
from genoloom.validation.accumulators_linkage import Linkage
from genoloom.validation.accumulators_populations import Populations
from genoloom.validation.cohorts import Comparison, Group, read_rows

COMMON = 0.05  # linkage of rarer sites is mostly noise at a few hundred individuals
KERNEL_MIN_FREQUENCY = 0.01
MIN_POPULATION = 20  # individuals per group; smaller ones are not shown
RUN_KB = 100  # a run of homozygosity counts from here
CLASSIFIER_SITES = 6000  # sites that the classifiers see: whole blocks, evenly spread


@dataclass(frozen=True)
class Groups:
    """Who is in which group, and which groups are compared.

    Attributes
    ----------
    rows : dict of str to ndarray of int
        Individuals of each group.
    pairs : list of (str, str)
        Every synthetic group with "H", then ("T", "H"), then the halvings; the last two are left
        out where it is known what real individuals score.
    synthetic : list of str
    halvings : list of (str, str)
        Of the real individuals: what the reference is taken from.
    population : ndarray of str, shape (n_individuals,)
    populations : list of str
        Those with at least `MIN_POPULATION` individuals per group.
    left_out : int
        Pairs that are left out. Collectors that draw individuals for each pair draw for them too,
        so that the others have the same individuals with and without them.
    """

    rows: dict[str, np.ndarray]
    pairs: list[tuple[str, str]]
    synthetic: list[str]
    halvings: list[tuple[str, str]]
    population: np.ndarray
    populations: list[str]
    left_out: int = 0

    @classmethod
    def of(
        cls,
        individuals: Comparison,
        synthetic: dict[str, np.ndarray] | None = None,
        real_known: bool = False,
    ) -> "Groups":
        synthetic = synthetic or {Group.SYNTHETIC: individuals.synthetic}
        rows = {**synthetic, Group.HOLDOUT: individuals.holdout, Group.TRAIN: individuals.train}
        halvings = [(f"A{i}", f"B{i}") for i in range(len(individuals.halvings))]
        real_pairs = [(Group.TRAIN, Group.HOLDOUT), *halvings]
        left_out = 0
        if real_known:
            left_out, halvings, real_pairs = len(real_pairs), [], []
        for (a, b), (first, second) in zip(halvings, individuals.halvings, strict=False):
            rows |= {a: first, b: second}
        names = sorted(set(individuals.population))
        pairs = [*((name, Group.HOLDOUT) for name in synthetic), *real_pairs]
        sizes = {p: len(individuals.of_population(individuals.holdout, p)) for p in names}
        populations = [p for p, size in sizes.items() if size >= MIN_POPULATION]
        return cls(
            rows, pairs, list(synthetic), halvings, individuals.population, populations, left_out
        )

    @property
    def index(self) -> dict[str, int]:
        """Position of each group in arrays over groups."""
        return {name: i for i, name in enumerate(self.rows)}

    def haplotypes(self, name: str) -> np.ndarray:
        """Columns of a group."""
        return haplotype_columns(self.rows[name])

    def of_population(self, name: str, column: int) -> np.ndarray:
        """Individuals of a group; of population `column` - 1, or all when it is 0."""
        rows = self.rows[name]
        return rows if column == 0 else rows[self.population[rows] == self.populations[column - 1]]

    def size(self, name: str, column: int = 0) -> int:
        """Haplotypes of a group in a population."""
        return 2 * len(self.of_population(name, column))

    def members(self) -> np.ndarray:
        """Which haplotype is in which group, float32 of 0/1, shape (n_haplotypes, n_groups)."""
        inside = np.zeros((2 * len(self.population), len(self.rows)), dtype=np.float32)
        for i, name in enumerate(self.rows):
            inside[self.haplotypes(name), i] = 1
        return inside


class Collector:
    """Reads panels block by block; see the module's docstring.

    Parameters
    ----------
    n_sites : int
        Sites of all contigs together; the classifiers see evenly spread blocks of them.
    block : int
        Sites read at a time, and common sites in a window of the linkage metrics.
    real_known : bool
        Whether it is known what real individuals score (`ReferenceValues`): only synthetic ones
        are compared then.
    before : int
        Of the sites, those in windows of other collectors, before what this one reads.
    """

    SUMS = (
        "counts", "heterozygotes", "distance", "kernel", "heterozygous", "excluded", "kinship",
        "homozygosity", "linkage", "windows", "runs", "copying", "scan", "imputation",
        "by_population", "classifier_sites", "classifier_windows", "span_bp", "span_cm",
    )  # fmt: skip

    def __init__(
        self,
        individuals: Comparison,
        n_sites: int,
        block: int,
        seed: int,
        synthetic: dict[str, np.ndarray] | None = None,
        real_known: bool = False,
        before: int = 0,
    ):
        self.individuals, self.block = individuals, block
        self.groups = groups = Groups.of(individuals, synthetic, real_known)
        n = len(individuals.population)
        self.members = groups.members()
        # alternate alleles, int32 (n_variants, n_groups) a block
        self.counts: list[np.ndarray] = []
        self.heterozygotes: list[np.ndarray] = []
        self.distance = np.zeros((2 * n, 2 * n), dtype=np.float32)
        self.kernel = np.zeros((n, n))
        self.heterozygous = np.zeros(n, dtype=np.int64)
        # pairs of overlapping variants on each haplotype
        self.excluded = np.zeros(2 * n, dtype=np.int64)
        self.kinship = Kinship(n)
        self.homozygosity = RunsOfHomozygosity(n, 1000 * RUN_KB)
        self.linkage = Linkage(groups, self.members, block, seed, n_sites, before)
        self.windows = WindowHaplotypes(groups, self.members)
        self.runs = SharedRuns(groups, seed)
        self.copying = Copying(groups, seed)
        self.scan = Scan(groups, seed, full=before > 0)
        self.imputation = Imputation(groups, seed, n_sites, before)
        self.by_population = Populations(groups)
        self.classifier_sites: list[np.ndarray] = []
        self.classifier_windows: list[np.ndarray] = []
        self.span_bp, self.span_cm = 0.0, 0.0
        self._every = max(1, -(-n_sites // CLASSIFIER_SITES))
        self._blocks = before // block

    def add(self, synthetic: Panel, real: Panel, cm: np.ndarray) -> None:
        """Read one contig; both panels have the same sites, `cm` their genetic positions
        (centimorgans).
        """
        position = real.sites.position
        if not len(position):
            return
        first_bp, first_cm = float(position[0]), float(cm[0])
        self.homozygosity.begin(first_bp)
        self.runs.begin(first_cm)
        self.copying.begin()
        for start in range(0, len(position), self.block):
            stop = min(start + self.block, len(position))
            synthetic_alleles = read_rows(
                synthetic, self.individuals.synthetic_individuals, start, stop
            )
            real_alleles = read_rows(real, self.individuals.real_individuals, start, stop)
            self._add_block(
                np.concatenate([synthetic_alleles, real_alleles], axis=1),
                position[start:stop],
                cm[start:stop],
            )
        self.homozygosity.end(float(position[-1]))
        self.runs.end(float(cm[-1]))
        self.linkage.end_contig()
        self.scan.end_contig()
        self.imputation.end_contig()
        self._add_excluded(synthetic, real)
        self.span_bp += float(position[-1]) - first_bp
        self.span_cm += float(cm[-1]) - first_cm

    def _add_excluded(self, synthetic: Panel, real: Panel) -> None:
        """Count the pairs of overlapping variants of each haplotype, but those that a training
        haplotype has both of.
        """
        overlaps = Overlaps(real.sites.position, real.sites.ref, real.sites.alt)
        training = self.members[:, self.groups.index[Group.TRAIN]] > 0
        for start, stop in overlaps.spans(256):
            synthetic_alleles = read_rows(
                synthetic, self.individuals.synthetic_individuals, start, stop
            )
            real_alleles = read_rows(real, self.individuals.real_individuals, start, stop)
            site, other, haplotype = overlaps.carried(
                np.concatenate([synthetic_alleles, real_alleles], axis=1), start
            )
            pair = site * (stop - start) + other
            novel = ~np.isin(pair, pair[training[haplotype]])
            self.excluded += np.bincount(haplotype[novel], minlength=len(self.excluded))

    def _add_block(self, alleles: np.ndarray, position: np.ndarray, cm: np.ndarray) -> None:
        counts = (alleles.astype(np.float32) @ self.members).astype(np.int32)
        heterozygous = alleles[:, 0::2] != alleles[:, 1::2]
        self.counts.append(counts)
        self.heterozygotes.append(
            (heterozygous.astype(np.float32) @ self.members[0::2]).astype(np.int32)
        )
        self.distance += hamming(alleles, alleles)
        self.heterozygous += heterozygous_calls(alleles)
        self.kinship.add(alleles[:, 0::2] + alleles[:, 1::2])
        self.homozygosity.add(heterozygous, position.astype(float))
        frequency = self._real_frequency(counts)
        minor = minor_frequency(frequency)
        self._add_kernel(
            alleles[minor >= KERNEL_MIN_FREQUENCY], frequency[minor >= KERNEL_MIN_FREQUENCY]
        )
        common = minor >= COMMON
        self.linkage.add(alleles[common], position[common], cm[common], minor[common])
        self.scan.add(alleles[common], position[common])
        ids = self.windows.add(alleles)
        self.runs.add(alleles, cm)
        self.copying.add(alleles, cm)
        self.imputation.add(
            alleles,
            position,
            cm,
            frequency,
            counts[:, self.groups.index[Group.TRAIN]] / (2 * self.individuals.n),
        )
        self.by_population.add(alleles, frequency)
        if self._blocks % self._every == 0:
            self.classifier_sites.append(alleles)
            self.classifier_windows.append(ids)
        self._blocks += 1

    def _real_frequency(self, counts: np.ndarray) -> np.ndarray:
        """Alternate allele frequency of held-out and training individuals together."""
        index = self.groups.index
        return (counts[:, index[Group.HOLDOUT]] + counts[:, index[Group.TRAIN]]) / (
            4 * self.individuals.n
        )

    def _add_kernel(self, alleles: np.ndarray, frequency: np.ndarray) -> None:
        dosage = (alleles[:, 0::2] + alleles[:, 1::2]).astype(np.float32)
        scale = np.sqrt(2 * frequency * (1 - frequency))
        z = ((dosage - 2 * frequency[:, None]) / scale[:, None]).astype(np.float32)
        self.kernel += z.T @ z
