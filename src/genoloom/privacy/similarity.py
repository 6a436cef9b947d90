"""How alike each synthetic and each real individual are, for the tests for copies.

Each class reads the sites once, in blocks. Rows of real individuals are in the order of the
attacks: held-out individuals first.
"""

from dataclasses import replace

import numpy as np

from genoloom.audit_levels import COPY_LEVEL
from genoloom.popgen.distances import hamming
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.attacks import RAREST, Block
from genoloom.privacy.copies import CopyTest, Neighbours, copied_segments, near_copies
from genoloom.seeds import derive_seed
from genoloom.validation.verdicts import Verdict

FEW_ALLELES = 10.0  # weight of two or three rare alleles
PENALTY = 0.9  # of what a copied block says: nearly all of a segment must be copied for it to grow
ERRORS = 0.005  # share of a block's sites in which a copy may differ


class CommonDistances:
    """Distances in which a site counts by how much it varies, of haplotypes and of individuals.

    The weight is 4 p (1 - p), with p the frequency among all real haplotypes compared, training and
    held-out individuals alike. Flips scattered over a copy fall mostly on sites where nearly
    everybody is alike, and then weigh next to nothing.
    """

    def __init__(self, n_individuals: int):
        self.haplotypes = np.zeros((4 * n_individuals, 2 * n_individuals), dtype=np.float32)
        self.individuals = np.zeros((2 * n_individuals, n_individuals), dtype=np.float32)

    def add(self, block: Block) -> None:
        frequency = block.real.mean(axis=1, dtype=np.float32)
        root = np.sqrt(4 * frequency * (1 - frequency))[:, None]
        real, synthetic = root * block.real, root * block.synthetic
        self.haplotypes += _squared(real, synthetic)
        self.individuals += _squared(
            real[:, 0::2] + real[:, 1::2], synthetic[:, 0::2] + synthetic[:, 1::2]
        )


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of columns, at least 0."""
    return np.maximum((a**2).sum(axis=0)[:, None] + (b**2).sum(axis=0)[None, :] - 2 * (a.T @ b), 0)


class RareSharing:
    """How many rare alleles each real individual shares with each synthetic one, weighted by -log
    of their frequency.

    Sites are modelled because training individuals carry them at least so often. At a rare site
    this alone makes training individuals the likelier carriers, whatever was generated: fresh
    individuals would look like copies. So an allele counts only where both roles have at least
    `fewest` copies, which treats them alike, and is rare with at most `RAREST * fewest` copies
    (`RAREST` where `fewest` is 0) among all real haplotypes compared.

    Attributes
    ----------
    fewest : int
        Copies among the training individuals by which the sites were chosen; 0 where all real
        individuals chose them.
    shared : ndarray, float32, shape (2 * n_individuals, n_individuals)
    carried : ndarray, float32, shape (2 * n_individuals,)
        What each real individual would share with a copy.
    """

    def __init__(self, n_individuals: int):
        self.n = n_individuals
        self.fewest = 1
        self.shared = np.zeros((2 * n_individuals, n_individuals), dtype=np.float32)
        self.carried = np.zeros(2 * n_individuals, dtype=np.float32)

    def add(self, block: Block) -> None:
        rows = block.own_rows()
        held, trained = rows[rows < 2 * self.n], rows[rows >= 2 * self.n]
        n_real = len(rows)
        holdout = block.real[:, held].sum(axis=1, dtype=np.int64)
        training = block.real[:, trained].sum(axis=1, dtype=np.int64)
        for allele, in_held, in_trained in (
            (1, holdout, training),
            (0, len(held) - holdout, len(trained) - training),
        ):
            copies = in_held + in_trained
            in_both = (np.minimum(in_held, in_trained) >= self.fewest) & (copies >= 1)
            rare = np.flatnonzero(in_both & (copies <= RAREST * max(1, self.fewest)))
            weight = -np.log(copies[rare] / n_real)[:, None]
            real, synthetic = (
                (a[rare, 0::2] == allele) | (a[rare, 1::2] == allele)
                for a in (block.real, block.synthetic)
            )
            weighted = (real * weight).astype(np.float32)
            self.shared += weighted.T @ synthetic.astype(np.float32)
            self.carried += weighted.sum(axis=0)

    def share(self) -> np.ndarray:
        """Share of each real individual's rare alleles that each synthetic individual has, drawn
        towards 0 where they are few.
        """
        return self.shared / (self.carried[:, None] + FEW_ALLELES)


class SharedSegments:
    """The most telling segment that any two haplotypes share, synthetic and real ones alike.

    In each block of sites, two haplotypes are as alike as a share F of the real pairs of different
    individuals, or more. The score of the block is -log F, less most of what a copy with few errors
    would get there: a segment grows where both agree as copies do, and what is common in the
    population says little. The best sum over consecutive blocks (the largest-sum segment, as in
    local alignment; Karlin & Altschul 1990, doi:10.1073/pnas.87.6.2264) is kept; the next contig
    goes on with the sum, so that copies on several contigs add up.

    Attributes
    ----------
    best : ndarray, float32, shape (6 * n_individuals, 6 * n_individuals)
        Synthetic haplotypes first, then held-out, then training ones.
    """

    def __init__(self, n_individuals: int):
        self.n = n_individuals
        self.sum = np.zeros((6 * n_individuals, 6 * n_individuals), dtype=np.float32)
        self.best = np.zeros_like(self.sum)

    def add(self, block: Block) -> None:
        n = self.n
        alleles = np.concatenate([block.synthetic, block.real], axis=1)
        differing = hamming(alleles, alleles).astype(np.int32)
        individual = np.arange(4 * n) // 2
        others = individual[:, None] != individual[None, :]
        pairs = np.bincount(differing[2 * n :, 2 * n :][others], minlength=len(alleles) + 1)
        information = -np.log(np.maximum(pairs.cumsum(), 0.5) / max(pairs.sum(), 1))
        few = min(len(alleles), max(1, round(ERRORS * len(alleles))))
        score = (information - PENALTY * information[few]).astype(np.float32)
        self.sum += score[differing]
        np.maximum(self.sum, 0, out=self.sum)
        np.maximum(self.best, self.sum, out=self.best)

    def of_individuals(self) -> np.ndarray:
        """The sum over both haplotypes of two individuals, as they go together best; shape (3 *
        n_individuals, 3 * n_individuals).
        """
        by_individual = self.best.reshape(3 * self.n, 2, 3 * self.n, 2)
        straight = by_individual[:, 0, :, 0] + by_individual[:, 1, :, 1]
        return np.maximum(straight, by_individual[:, 0, :, 1] + by_individual[:, 1, :, 0])


class Similarities:
    """All of them, and what training individuals would score in place of the synthetic ones: whole
    copies, that every test must see.
    """

    def __init__(self, n_individuals: int):
        self.n = n_individuals
        self.common = CommonDistances(n_individuals)
        self.rare = RareSharing(n_individuals)
        self.segments = SharedSegments(n_individuals)
        self.copies = CommonDistances(n_individuals), RareSharing(n_individuals)

    def choose_rare(self, fewest: int) -> None:
        """Copies among the training individuals by which the next sites were chosen."""
        self.rare.fewest = self.copies[1].fewest = fewest

    def add(self, block: Block) -> None:
        """Read the next sites of the contig."""
        for collected in (self.common, self.rare, self.segments):
            collected.add(block)
        for collected in self.copies:
            collected.add(replace(block, synthetic=block.real[:, 2 * self.n :]))

    def tests(
        self,
        labels: np.ndarray,
        population: np.ndarray,
        rng: np.random.Generator,
        phased: bool = True,
    ) -> dict[AttackId, CopyTest]:
        """All tests for copies that can be run.

        Contigs may be short, and individuals alike by nature. Where copies of a few individuals
        would not be seen by any test, the one for individuals has not been run.

        Parameters
        ----------
        labels : ndarray of bool, shape (n_shuffles, 2 * n_individuals)
            Who trains, shuffled within populations.
        population : ndarray of str, shape (3 * n_individuals,)
            Of synthetic, held-out and training individuals.
        """
        member = np.arange(2 * self.n) >= self.n
        runs = [test for test in AttackId if phased or not test.needs_phase]
        few = np.random.default_rng(derive_seed(self.n, "few copies"))
        found = {
            t: near_copies(near, member, labels, copies, few)
            for t, (near, copies) in self.to_real().items()
            if t in runs
        }
        whole = found[AttackId.NEAR_COPIES_OF_INDIVIDUALS]
        seen = np.min([test.few_copies_chance for test in found.values()])
        if seen > COPY_LEVEL and whole.verdict is Verdict.PASS:
            found[AttackId.NEAR_COPIES_OF_INDIVIDUALS] = replace(whole, least_chance=float(seen))
        return found | {
            t: copied_segments(near, population, len(labels), rng)
            for t, near in self.to_all().items()
            if t in runs
        }

    def to_real(self) -> dict[AttackId, tuple[Neighbours, Neighbours]]:
        """The nearest real rows of each synthetic row, and of each training row in its place, by
        test.
        """
        found, copies = (
            {
                AttackId.NEAR_COPIES_OF_INDIVIDUALS: Neighbours.of(
                    np.log(common.individuals + 1), 1
                ),
                AttackId.NEAR_COPIES_OF_HAPLOTYPES: Neighbours.of(np.log(common.haplotypes + 1), 2),
                AttackId.NEAR_COPIES_OF_RARE_ALLELES: Neighbours.of(-rare.share(), 1),
            }
            for common, rare in ((self.common, self.rare), self.copies)
        )
        return {test: (found[test], copies[test]) for test in found}

    def to_all(self) -> dict[AttackId, Neighbours]:
        """The nearest rows of other individuals of each row, synthetic and real ones alike, by
        test.
        """
        return {
            AttackId.COPIED_SEGMENTS_OF_INDIVIDUALS: Neighbours.of_others(
                -self.segments.of_individuals(), 1
            ),
            AttackId.COPIED_SEGMENTS_OF_HAPLOTYPES: Neighbours.of_others(-self.segments.best, 2),
        }
