"""Membership attacks: what an attacker with the synthetic data can find out about who was in the
training half.

Every attack reads the sites once, in blocks, and ends with scores of the real haplotypes (or
individuals), higher for likelier members. Rows are haplotypes of the individuals compared: held-out
individuals first, then as many training individuals. The attacker knows real individuals who did
not train the model: the held-out ones. So that no individual is compared with itself, held-out
individual `j` is left out of the reference for itself *and* for training individual `j`: without a
leak both roles score alike, whatever the attack.

A new attack is a class below and a line in `attacks_on`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from genoloom.panel import own_columns
from genoloom.popgen.diversity import expected_heterozygosity, heterozygous_calls
from genoloom.popgen.haplotypes import window_ids
from genoloom.privacy.attack_ids import AttackId, Scored
from genoloom.privacy.matching import LongestMatches
from genoloom.privacy.redraw import squared_distances
from genoloom.privacy.whitened import WhitenedFrequencies

RAREST = 5  # copies among the reference up to which an allele is rare
# a masked locus has at least this minor allele frequency in the synthetic data
LOCUS_FREQUENCY = 0.05
SMOOTH = 0.5  # added to each count of a frequency or a haplotype


@dataclass(frozen=True)
class Block:
    """The next sites of a contig.

    Attributes
    ----------
    synthetic : ndarray, int8, shape (n_sites, 2 * n_individuals)
        Synthetic haplotypes.
    real : ndarray, int8, shape (n_sites, 4 * n_individuals)
        Held-out haplotypes, then training haplotypes.
    to_synthetic, to_reference : ndarray, float32, shape (4 * n_individuals, 2 * n_individuals)
        Differing sites between real haplotypes and synthetic ones, and held-out ones.
    cm : ndarray, float64, shape (n_sites,)
    haploid : ndarray of bool, shape (3 * n_individuals,), optional
        Synthetic individuals, then real ones, whose two columns are one haplotype; nobody by
        default.
    """

    synthetic: np.ndarray
    real: np.ndarray
    to_synthetic: np.ndarray
    to_reference: np.ndarray
    cm: np.ndarray
    haploid: np.ndarray | None = None

    def own_rows(self) -> np.ndarray:
        """The real rows that are haplotypes: one of who is haploid; int64."""
        n = self.synthetic.shape[1] // 2
        return np.arange(4 * n) if self.haploid is None else own_columns(self.haploid[n:])


def per_individual(scores: np.ndarray) -> np.ndarray:
    """Sum over the two haplotypes of each individual, shape (n_individuals,)."""
    return scores.reshape(-1, 2).sum(axis=1)


def own_reference(n_individuals: int) -> np.ndarray:
    """Which held-out haplotypes are left out for each real haplotype, bool, shape (4 *
    n_individuals, 2
    * n_individuals).
    """
    individual = np.repeat(np.arange(n_individuals), 2)
    return np.tile(individual, 2)[:, None] == individual[None, :]


def without_own(counts: np.ndarray, holdout: np.ndarray) -> np.ndarray:
    """Counts among the reference, without the individual left out, int64, shape (n_sites,
    n_individuals).

    Parameters
    ----------
    counts : ndarray of int, shape (n_sites,)
        Among all held-out haplotypes.
    holdout : ndarray of 0/1, shape (n_sites, 2 * n_individuals)
        What was counted.
    """
    return counts[:, None] - holdout[:, 0::2].astype(np.int64) - holdout[:, 1::2]


class Attack(ABC):
    """Reads blocks of sites in order, then scores."""

    @abstractmethod
    def add(self, block: Block) -> None:
        """Read the next sites of the contig."""

    def end_contig(self) -> None:
        """The next block is of another contig."""
        return

    @abstractmethod
    def scores(self) -> dict[Scored, np.ndarray]:
        """Scores, each of the 4 n real haplotypes or of the 2 n real individuals."""


class NearestNeighbours:
    """Distance of each row to its nearest column, over the whole haplotype and in local windows.

    Over the whole haplotype the attack hides copying in pieces. The local form takes the nearest
    distance in each window of `size` sites, counted within a contig, and *sums* over windows
    (medians are blind: most windows have an identical synthetic haplotype).
    """

    def __init__(
        self, n_rows: int, n_columns: int, sizes: list[int], apart: np.ndarray | None = None
    ):
        self.total = np.zeros((n_rows, n_columns), dtype=np.float32)
        self.apart = (
            np.float32(0) if apart is None else np.where(apart, np.float32(np.inf), np.float32(0))
        )
        self.window = {size: np.zeros((n_rows, n_columns), dtype=np.float32) for size in sizes}
        self.filled = dict.fromkeys(sizes, 0)
        self.local = {size: np.zeros(n_rows) for size in sizes}

    def add(self, distances: np.ndarray, n_sites: int) -> None:
        """Add the (n_rows, n_columns) distances of the next `n_sites` sites; every size is a
        multiple of the step.
        """
        self.total += distances
        for size, window in self.window.items():
            window += distances
            self.filled[size] += n_sites
            if self.filled[size] >= size:
                self._close(size)

    def _close(self, size: int) -> None:
        self.local[size] += (self.window[size] + self.apart).min(axis=1)
        self.window[size][:] = 0
        self.filled[size] = 0

    def end_contig(self) -> None:
        """Close the windows that the contig's end cut short."""
        for size, filled in self.filled.items():
            if filled:
                self._close(size)

    def nearest(self) -> dict[int, np.ndarray]:
        """Nearest distance of each row, by size of the windows that it is summed over; 0: over the
        whole haplotype.
        """
        return {0: (self.total + self.apart).min(axis=1)} | self.local


class Nearest(Attack):
    """Nearest synthetic haplotype, alone, and against the nearest haplotype of the reference.

    The second form is a ratio of densities by nearest neighbours (van Breugel et al. 2023,
    arXiv:2302.12580): it takes away that some individuals have near relatives everywhere.
    """

    def __init__(self, n_individuals: int, sizes: list[int]):
        shape = 4 * n_individuals, 2 * n_individuals
        self.synthetic = NearestNeighbours(*shape, sizes)
        self.reference = NearestNeighbours(*shape, sizes, own_reference(n_individuals))

    def add(self, block: Block) -> None:
        self.synthetic.add(block.to_synthetic, len(block.synthetic))
        self.reference.add(block.to_reference, len(block.synthetic))

    def end_contig(self) -> None:
        self.synthetic.end_contig()
        self.reference.end_contig()

    def scores(self) -> dict[Scored, np.ndarray]:
        synthetic, reference = self.synthetic.nearest(), self.reference.nearest()
        plain = {Scored(AttackId.NEAREST, size): -values for size, values in synthetic.items()}
        ratios = {
            Scored(AttackId.NEAREST_AGAINST_REFERENCE, size): np.log(
                (reference[size] + 1) / (synthetic[size] + 1)
            )
            for size in synthetic
        }
        return plain | ratios


class FrequencyRatio(Attack):
    """Log-likelihood ratio of the alleles under synthetic and reference frequencies.

    Sankararaman et al. 2009, doi:10.1038/ng.436; each haplotype's alleles are taken as independent.
    """

    def __init__(self, n_individuals: int):
        self.n = n_individuals
        self.score = np.zeros(4 * n_individuals)

    def add(self, block: Block) -> None:
        holdout = block.real[:, : 2 * self.n]
        synthetic = block.synthetic.sum(axis=1, dtype=np.int64)
        reference = without_own(holdout.sum(axis=1, dtype=np.int64), holdout)  # (n_sites, n)
        n_synthetic, n_reference = 2 * self.n, 2 * self.n - 2
        of_alternate = _log_share(synthetic, n_synthetic)[:, None] - _log_share(
            reference, n_reference
        )
        of_ref = _log_share(n_synthetic - synthetic, n_synthetic)[:, None] - _log_share(
            n_reference - reference, n_reference
        )
        self.score += np.einsum(
            "ij,ij->j", block.real, np.tile((of_alternate - of_ref).repeat(2, axis=1), 2)
        )
        self.score += np.tile(of_ref.sum(axis=0).repeat(2), 2)

    def scores(self) -> dict[Scored, np.ndarray]:
        return {Scored(AttackId.FREQUENCIES): self.score}


def _log_share(count: np.ndarray, n: int) -> np.ndarray:
    return np.log((np.arange(n + 1) + SMOOTH) / (n + 2 * SMOOTH))[count]


class RareAlleles(Attack):
    """Are the rare alleles that somebody carries there in the synthetic data?

    Rare: at most `RAREST` copies in the reference. For each number of copies r, what counts is how
    many of the carried alleles the synthetic data hold beyond the share that is usual at r,
    weighted by -log of the frequency.
    """

    def __init__(self, n_individuals: int):
        self.n = n_individuals
        self.carried = np.zeros((RAREST + 1, 4 * n_individuals))
        self.present = np.zeros((RAREST + 1, 4 * n_individuals))

    def add(self, block: Block) -> None:
        own = np.isin(np.arange(2 * self.n), block.own_rows())
        holdout = block.real[:, : 2 * self.n] * own
        copies = without_own(holdout.sum(axis=1, dtype=np.int64), holdout)
        reference = own.sum() - own[0::2] - own[1::2]  # haplotypes of each individual's reference
        synthetic = block.synthetic.sum(axis=1, dtype=np.int64)
        for allele, n_copies, in_synthetic in (
            (1, copies, synthetic),
            (0, reference - copies, 2 * self.n - synthetic),
        ):
            sites = np.flatnonzero(n_copies.min(axis=1) <= RAREST)
            carries = block.real[sites] == allele
            present = in_synthetic[sites] > 0
            rare = np.tile(n_copies[sites].repeat(2, axis=1), 2)
            for r in range(RAREST + 1):
                found = carries & (rare == r)
                self.carried[r] += found.sum(axis=0)
                self.present[r] += found[present].sum(axis=0)

    def scores(self) -> dict[Scored, np.ndarray]:
        usual = self.present.sum(axis=1) / np.maximum(self.carried.sum(axis=1), 1)
        weight = -np.log((np.arange(RAREST + 1) + SMOOTH) / (2 * self.n - 2 + 2 * SMOOTH))
        scores = weight @ (self.present - self.carried * usual[:, None])
        return {Scored(AttackId.RARE_ALLELES): scores}


class HaplotypeRatio(Attack):
    """Log-ratio of how often each window's haplotype is in the synthetic data and in the
    reference, summed over windows.
    """

    def __init__(self, n_individuals: int, size: int):
        self.n, self.size = n_individuals, size
        self.score = np.zeros(4 * n_individuals)

    def add(self, block: Block) -> None:
        n = self.n
        for start in range(0, len(block.synthetic), self.size):
            window = slice(start, start + self.size)
            ids = window_ids(np.concatenate([block.synthetic[window], block.real[window]], axis=1))
            kinds = ids.max() + 1
            real, holdout = ids[2 * n :], ids[2 * n : 4 * n]
            own = (real.reshape(2, n, 2, 1) == holdout.reshape(1, n, 1, 2)).sum(axis=3).ravel()
            synthetic = np.bincount(ids[: 2 * n], minlength=kinds)[real] + SMOOTH
            reference = np.bincount(holdout, minlength=kinds)[real] - own + SMOOTH
            self.score += np.log(synthetic / (2 * n)) - np.log(reference / (2 * n - 2))

    def scores(self) -> dict[Scored, np.ndarray]:
        return {Scored(AttackId.HAPLOTYPES, self.size): self.score}


class MaskedLocus(Attack):
    """Attribute inference: does the nearest synthetic haplotype predict an allele that was hidden,
    better than the reference does?

    In each block the common site nearest the middle is hidden. Its allele is guessed from the
    haplotypes that are nearest at the other sites of the block; the score is how much more of the
    true allele the synthetic ones hold.
    """

    def __init__(self, n_individuals: int):
        self.apart = np.where(own_reference(n_individuals), np.float32(np.inf), np.float32(0))
        self.score = np.zeros(4 * n_individuals)

    def add(self, block: Block) -> None:
        frequency = block.synthetic.mean(axis=1)
        common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= LOCUS_FREQUENCY)
        if len(common) == 0:
            return
        site = common[np.abs(common - len(frequency) // 2).argmin()]
        real, holdout = block.real[site], block.real[site, : block.synthetic.shape[1]]
        self.score += _share_right(block.to_synthetic, real, block.synthetic[site])
        self.score -= _share_right(block.to_reference + self.apart, real, holdout)

    def scores(self) -> dict[Scored, np.ndarray]:
        return {Scored(AttackId.MASKED_LOCUS): self.score}


def _share_right(distance: np.ndarray, real: np.ndarray, alleles: np.ndarray) -> np.ndarray:
    """Share of the true allele among the nearest columns, where one site of `distance` is not
    counted.
    """
    right = real[:, None] == alleles[None, :]
    masked = distance - ~right
    nearest = masked == masked.min(axis=1, keepdims=True)
    return (nearest & right).sum(axis=1) / nearest.sum(axis=1)


class CopiedSegments(Attack):
    """Longest identical stretches between real and synthetic haplotypes, in centimorgans, from a
    positional Burrows-Wheeler order.
    """

    def __init__(self, n_individuals: int, of_synthetic: bool = True):
        """`of_synthetic`: also for synthetic haplotypes; scores need only the ones of real
        ones.
        """
        n = 2 * n_individuals
        group = np.repeat(["synthetic", "holdout", "train"], n)
        partners = ("synthetic", "holdout", "train") if of_synthetic else ("synthetic",)
        self.matches = LongestMatches({name: group == name for name in partners})
        self.synthetic = np.flatnonzero(group == "synthetic")
        self.real = np.flatnonzero(group != "synthetic")

    def add(self, block: Block) -> None:
        self.matches.add(np.concatenate([block.synthetic, block.real], axis=1), block.cm)

    def end_contig(self) -> None:
        self.matches.new_contig()

    @property
    def longest_possible(self) -> float:
        """Length of the longest contig, centimorgans."""
        return self.matches.longest_possible

    def of_synthetic(self, role: str) -> np.ndarray:
        """Longest stretch of each synthetic haplotype with the haplotypes of one role."""
        return self.matches.longest[role][self.synthetic]

    def scores(self) -> dict[Scored, np.ndarray]:
        # rounded, so that ties do not hang on the last bit of a map
        longest, total = (
            values["synthetic"][self.real].round(9)
            for values in (self.matches.longest, self.matches.total)
        )
        return {Scored(AttackId.LONGEST_SEGMENT): longest, Scored(AttackId.MEAN_SEGMENT): total}


class Kinship(Attack):
    """KING-robust kinship with the most related synthetic individual.

    Manichaikul et al. 2010, doi:10.1093/bioinformatics/btq559, equation 11. Calls of haploid
    individuals are never heterozygous: for them the expected number counts, as in the KING-homo
    estimator there, and twice, as genotypes of 0 and 2 alleles vary twice as much. Two haploid
    individuals then have 0.5 less half of their distance over that of unrelated ones.
    """

    def __init__(self, n_individuals: int):
        self.squared = np.zeros((2 * n_individuals, n_individuals))
        self.heterozygous = np.zeros(2 * n_individuals), np.zeros(n_individuals)

    def add(self, block: Block) -> None:
        for count, alleles in zip(self.heterozygous, (block.real, block.synthetic), strict=True):
            count += heterozygous_calls(alleles)
        if block.haploid is not None:
            expected = 2 * expected_heterozygosity(block.real.mean(axis=1))
            synthetic, real = np.split(block.haploid, [block.synthetic.shape[1] // 2])
            self.heterozygous[0][real] += expected
            self.heterozygous[1][synthetic] += expected
        self.squared += squared_distances(block.real, block.synthetic)

    def scores(self) -> dict[Scored, np.ndarray]:
        fewer = np.minimum(self.heterozygous[0][:, None], self.heterozygous[1][None, :])
        kinship = (0.5 - self.squared / (4 * np.maximum(fewer, 1))).max(axis=1)
        return {Scored(AttackId.KINSHIP): kinship}


class Whitened(Attack):
    """The frequency ratio with the linkage taken off; see `whitened`."""

    def __init__(self, n_individuals: int):
        self.frequencies = WhitenedFrequencies(n_individuals)

    def add(self, block: Block) -> None:
        self.frequencies.add(block.synthetic, block.real)

    def scores(self) -> dict[Scored, np.ndarray]:
        return self.frequencies.scores()


def attacks_on(
    n_individuals: int, windows: list[int], haplotype_windows: list[int], of_synthetic: bool = True
) -> list[Attack]:
    """All attacks that need the synthetic data alone and read them once; those on components follow
    from their distances.

    `of_synthetic` as in `CopiedSegments`.
    """
    return [
        Nearest(n_individuals, windows),
        FrequencyRatio(n_individuals),
        Whitened(n_individuals),
        RareAlleles(n_individuals),
        *(HaplotypeRatio(n_individuals, size) for size in haplotype_windows),
        MaskedLocus(n_individuals),
        CopiedSegments(n_individuals, of_synthetic),
        Kinship(n_individuals),
    ]
