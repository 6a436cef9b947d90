"""What the attacks on synthetic haplotypes collect in one pass over the variants."""

from dataclasses import replace
from math import gcd

import numpy as np

from genoloom.panel import Panel, own_columns
from genoloom.popgen.distances import aats_halves, hamming
from genoloom.popgen.effective_sites import EffectiveSites
from genoloom.privacy.attack_ids import AttackId, Scored
from genoloom.privacy.attacks import Block, Nearest, attacks_on, per_individual
from genoloom.privacy.components import (
    CLASSIFIER_COMPONENTS,
    DENSITY_COMPONENTS,
    density_ratio,
    discriminator,
    synthetic_components,
)
from genoloom.privacy.excess import COPIES
from genoloom.privacy.measures import exchange
from genoloom.privacy.similarity import Similarities
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import Comparison, Group, read_rows

# share of sites that may have fewer training copies than the number by which sites were chosen
FEW_SITES = 0.05
AS_MANY = 0.8


class AuditData:
    """What the attacks collect in one pass over the variants.

    Rows are haplotypes of the individuals compared: held-out individuals first, then as many
    training individuals. Who is haploid has two equal rows, so that everybody is one individual of
    the same weight; where rows are compared with others of their own group, one of them is left out
    (`own_rows`).
    """

    def __init__(
        self,
        individuals: Comparison,
        windows: list[int],
        haplotype_windows: list[int],
        copies: bool = True,
    ):
        """`copies`: also what the tests for copies need; scores alone do not."""
        self.individuals = individuals
        self.windows, self.haplotype_windows = windows, haplotype_windows
        self.contigs: list[tuple[Panel, Panel, np.ndarray]] = []
        self.step = gcd(*windows)
        n = 2 * individuals.n
        self.n = n
        # synthetic individuals, then real ones; the same on all contigs
        self.haploid = np.zeros(3 * individuals.n, dtype=bool)
        self.attacks = attacks_on(individuals.n, windows, haplotype_windows, copies)
        self.similarities = Similarities(individuals.n) if copies else None
        # by contig: of synthetic and of real individuals, (2, n_sites)
        self.frequencies: dict[str, np.ndarray] = {}
        self.effective_sites = 0.0
        self.within_training = np.zeros((n, n), dtype=np.float32)
        self.within_synthetic = np.zeros((n, n), dtype=np.float32)

    def attack(self, kind: type):
        """The attack of one class."""
        return next(attack for attack in self.attacks if isinstance(attack, kind))

    def add(self, synthetic: Panel, real: Panel, cm: np.ndarray) -> None:
        """Read one contig; both panels have the same sites, `cm` their genetic positions."""
        n = self.n
        self.contigs.append((synthetic, real, cm))
        self.haploid = np.concatenate(
            [
                synthetic.haploid[self.individuals.synthetic_individuals],
                real.haploid[self.individuals.real_individuals],
            ]
        )
        haploid = self.haploid if self.haploid.any() else None
        collectors = self.attacks
        if self.similarities:
            self.similarities.choose_rare(self._fewest_training_copies(real))
            collectors = [*self.attacks, self.similarities]
        frequencies = []
        # half of the copies are the training individuals', and haploid ones have one
        share = 0.5 * len(own_columns(self.haploid)) / (2 * len(self.haploid))
        population = self.individuals.real_population
        effective = EffectiveSites(population, [COPIES], copies_share=share)
        for start in range(0, len(real.sites), self.step):
            stop = min(start + self.step, len(real.sites))
            synthetic_alleles = read_rows(
                synthetic, self.individuals.synthetic_individuals, start, stop
            )
            alleles = read_rows(real, self.individuals.real_individuals, start, stop)
            block = Block(
                synthetic_alleles,
                alleles,
                hamming(alleles, synthetic_alleles),
                hamming(alleles, alleles[:, :n]),
                cm[start:stop],
                haploid,
            )
            for collector in collectors:
                collector.add(block)
            frequencies.append(np.stack([synthetic_alleles.mean(axis=1), alleles.mean(axis=1)]))
            effective.add(alleles[:, 0::2] + alleles[:, 1::2])
            self.within_synthetic += hamming(synthetic_alleles, synthetic_alleles)
            self.within_training += hamming(alleles[:, n:], alleles[:, n:])
        self.frequencies[real.sites.contig] = np.concatenate(frequencies, axis=1)
        if self.similarities:
            [(_, added)] = effective.estimates()
            self.effective_sites += 0.0 if np.isnan(added) else added  # too few individuals
        for attack in self.attacks:
            attack.end_contig()

    def exchanged(self, rng: np.random.Generator) -> "AuditData":
        """What attacks collect when real individuals of a population exchange their roles at
        random.
        """
        order = exchange(self.individuals.real_population, rng)
        real = self.individuals.real_individuals[order]
        individuals = replace(self.individuals, real_individuals=real)
        data = AuditData(individuals, self.windows, self.haplotype_windows, copies=False)
        for contig in self.contigs:
            data.add(*contig)
        return data

    def _fewest_training_copies(self, real: Panel) -> int:
        """How many copies of the rarer allele the training individuals have at (nearly) every site.

        Nearly: a few individuals of a training half that is larger than the held-out one are not
        compared. 0 only where as many sites have no copy among the training individuals as have
        none among the held-out ones: then neither of them chose.
        """
        copies = []
        for start in range(0, len(real.sites), self.step):
            alleles = read_rows(
                real,
                self.individuals.real_individuals,
                start,
                min(start + self.step, len(real.sites)),
            )
            minor = alleles == (alleles.mean(axis=1) <= 0.5)[:, None]
            copies.append(
                [
                    part[:, self.own_rows(group)].sum(axis=1)
                    for part, group in zip(
                        np.split(minor, 2, axis=1), (Group.HOLDOUT, Group.TRAIN), strict=True
                    )
                ]
            )
        holdout, training = np.concatenate(copies, axis=1)
        fewest = int(np.quantile(training, FEW_SITES, method="lower"))
        chosen = (training == 0).sum() < AS_MANY * (holdout == 0).sum()
        return max(fewest, int(chosen))

    def own_rows(self, group: Group) -> np.ndarray:
        """The rows of a group that are haplotypes, among its own: one of who is haploid; int64."""
        at = (Group.SYNTHETIC, Group.HOLDOUT, Group.TRAIN).index(group)
        return own_columns(np.split(self.haploid, 3)[at])

    def aats(self, group: Group) -> float:
        """Mean of the AATS halves of the held-out or the training haplotypes against the synthetic
        ones.
        """
        nearest, n = self.attack(Nearest), self.n
        first, within = 0, nearest.reference.total[:n]
        if group is Group.TRAIN:
            first, within = n, self.within_training
        own, synthetic = self.own_rows(group), self.own_rows(Group.SYNTHETIC)
        return float(
            np.mean(
                aats_halves(
                    within[np.ix_(own, own)],
                    self.within_synthetic[np.ix_(synthetic, synthetic)],
                    nearest.synthetic.total[np.ix_(first + own, synthetic)],
                )
            )
        )

    def scores(self, seed: int) -> dict[Scored, np.ndarray]:
        """Scores by attack: of the 4 n real haplotypes, or of the 2 n real individuals."""
        found: dict[Scored, np.ndarray] = {}
        for attack in self.attacks:
            found |= attack.scores()
        distances = self.attack(Nearest).synthetic.total
        synthetic, real = synthetic_components(
            self.within_synthetic, distances, CLASSIFIER_COMPONENTS, derive_seed(seed, "components")
        )
        rng = np.random.default_rng(derive_seed(seed, "folds"))
        found[Scored(AttackId.DENSITY)] = density_ratio(
            synthetic[:, :DENSITY_COMPONENTS], real[:, :DENSITY_COMPONENTS]
        )
        found[Scored(AttackId.DISCRIMINATOR)] = discriminator(synthetic, real, rng)
        return found

    def isolation(self) -> np.ndarray:
        """Distance of each real individual's haplotypes to the nearest of the reference, shape (2
        n_individuals,).
        """
        return per_individual(self.attack(Nearest).reference.nearest()[0])
