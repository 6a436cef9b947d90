"""Markov chain of unbounded order over the preceding alleles of the same haplotype.

The chance of the next allele is worked out over contexts of 0, 1, 2, 4, 8, ... sites, as long as
any training haplotype agrees with them, in the manner of prediction by partial matching (Cleary &
Witten 1984, doi:10.1109/TCOM.1984.1096090): counts after a context are mixed with the estimate of
the shorter context, which has the weight of a number of haplotypes. These weights, one for contexts
that were always followed by one allele and one for the others at each length, and how much more a
haplotype of the own population counts, are fitted on the validation set.

Who agrees with whom on how many sites is read from a positional Burrows-Wheeler transform of
training and asked haplotypes together; missing calls are there as the more frequent allele, and
are not counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field

from genoloom.declared import Declared, Description, Weight
from genoloom.models.haplotype.base import (
    HaplotypeDescription,
    HaplotypeGenerator,
    SampleRequest,
    TrainingHaplotypes,
)
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.models.haplotype.pbwt import Pbwt
from genoloom.panel import HaplotypeSource, HaplotypeView, fill_missing
from genoloom.seeds import row_uniforms
from genoloom.training.optimisers import LBFGS
from genoloom.training_config import MarkovOptions

BLOCK = 1024  # variants at a time
FIT_ROWS, FIT_SITES = 300, 300  # most haplotypes and sites whose counts the weights are fitted to
FIT_STEPS = 60
RARE = 3e-4  # where the floor of a chance begins
PRIOR_SPREAD = 1.5  # of the logarithm of each weight around one (of the floor around `RARE`)


def context_lengths(order: int | None, n_variants: int) -> list[int]:
    """The lengths that are mixed: 0, 1, 2, 4, 8, ... and `order`, or what the contig allows."""
    order = min(order or n_variants, n_variants)
    return sorted({0, order, *(2**i for i in range(order.bit_length()) if 2**i < order)})


@dataclass
class Weights:
    """How counts are mixed.

    Attributes
    ----------
    escape : ndarray, float64, shape (n_lengths, 2)
        Weight of the shorter context, in haplotypes: where both alleles were seen after the
        context, and where one was.
    own : float
        A training haplotype of the own population counts for 1 + `own`.
    floor : float
        Either allele has at least this chance: in a context that has always been followed by one
        allele, each length would otherwise make the other one more impossible than the last.
    """

    escape: np.ndarray
    own: float
    floor: float

    def chance(self, pooled: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Chance of the alternate allele from counts of both alleles after each context; float64
        (n_rows,).

        `pooled` and `own` are (n_lengths, n_rows, 2), of all training haplotypes and of the ones of
        the own population.
        """
        weighted = pooled + self.own * own  # (n_lengths, n_rows, 2)
        total = weighted[:, :, 0] + weighted[:, :, 1]
        one_seen = (pooled[:, :, 0] > 0) != (pooled[:, :, 1] > 0)
        chance = np.full(pooled.shape[1], 0.5)
        for length in range(len(pooled)):
            escape = self.escape[length][one_seen[length].astype(np.int64)]
            mixed = (weighted[length, :, 1] + escape * chance) / (total[length] + escape)
            chance = np.where(total[length] > 0, mixed, chance)
        return self.floor + (1 - 2 * self.floor) * chance


def fit_weights(pooled: np.ndarray, own: np.ndarray, alleles: np.ndarray) -> Weights:
    """The weights under which the alleles of some haplotypes are most probable, with a log-normal
    prior around one.

    Parameters
    ----------
    pooled, own : ndarray, shape (n_lengths, n, 2)
        As in `Weights.chance`, of haplotypes that are not counted.
    alleles : ndarray of 0/1, shape (n,)
    """
    n_lengths = len(pooled)
    counts, mine = (torch.from_numpy(values.astype(np.float64)) for values in (pooled, own))
    kind = ((counts > 0).sum(dim=2) == 1).long()
    alternate = torch.from_numpy(alleles == 1)
    # what no haplotype speaks for stays here
    prior = torch.zeros(2 * n_lengths + 2, dtype=torch.float64)
    prior[-1] = np.log(RARE)
    raw = prior.clone().requires_grad_()

    def loss() -> torch.Tensor:
        escape = raw[: 2 * n_lengths].exp().view(n_lengths, 2)
        more = raw[-2].exp()
        floor = raw[-1].sigmoid() / 2
        weighted = counts + more * mine
        total = weighted.sum(dim=2)
        chance = torch.full((len(alternate),), 0.5, dtype=torch.float64)
        for length in range(n_lengths):
            chosen = escape[length][kind[length]]
            mixed = (weighted[length, :, 1] + chosen * chance) / (total[length] + chosen)
            chance = torch.where(total[length] > 0, mixed, chance)
        chance = floor + (1 - 2 * floor) * chance
        nats = -torch.where(alternate, chance, 1 - chance).log().mean()
        return nats + ((raw - prior) ** 2).sum() / (2 * PRIOR_SPREAD**2 * len(alternate))

    optimiser = LBFGS([raw], max_iter=FIT_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    fitted = raw.detach()
    return Weights(
        fitted[: 2 * n_lengths].exp().view(n_lengths, 2).numpy(),
        float(fitted[-2].exp()),
        float(fitted[-1].sigmoid() / 2),
    )


@dataclass
class _ContextCounts:
    """Training and asked haplotypes along the contig, and what the former say of the latter."""

    training: HaplotypeSource
    population: np.ndarray
    asked: np.ndarray
    P: int  # populations
    lengths: list[int]

    def __post_init__(self):
        self.n = self.training.n_haplotypes
        self.pbwt = Pbwt(self.n + len(self.asked))
        self.place = np.empty(self.n + len(self.asked), dtype=np.int64)

    def counts(self, alleles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Counts of both alleles at the next site after the context of each asked haplotype, at
        each length.

        Parameters
        ----------
        alleles : ndarray, int8, shape (n_training,)
            Of the training haplotypes at that site; -1 is not counted.

        Returns
        -------
        pooled, own : ndarray, int64, shape (n_lengths, n_asked, 2)
            0 at lengths beyond the beginning of the contig, and where no training haplotype agrees.
        """
        site, order, divergence = self.pbwt.site, self.pbwt.order, self.pbwt.divergence
        self.place[order] = np.arange(len(order))
        called = np.flatnonzero(alleles >= 0)
        allele = alleles[called].astype(np.int64)
        kind = 2 * self.population[called] + allele
        pooled = np.zeros((len(self.lengths), len(self.asked), 2), dtype=np.int64)
        own = np.zeros_like(pooled)
        for i, length in enumerate(self.lengths):
            if length > site:
                break
            # of each haplotype; the first place begins one
            run = (np.cumsum(divergence > site - length) - 1)[self.place]
            n_runs, read, mine = run.max(initial=0) + 1, run[called], run[self.n :]
            pooled[i] = np.bincount(2 * read + allele, minlength=2 * n_runs).reshape(-1, 2)[mine]
            own[i] = np.bincount(2 * self.P * read + kind, minlength=2 * self.P * n_runs).reshape(
                -1, 2
            )[mine * self.P + self.asked]
            if not pooled[i].any():
                break
        return pooled, own

    def push(self, training: np.ndarray, asked: np.ndarray) -> None:
        """Go on by one site; no missing calls any more."""
        self.pbwt.push(np.concatenate([training, asked]))

    def sites(self, n_variants: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """(site, alleles of the training haplotypes, the same with missing calls filled) along the
        contig.
        """
        for start in range(0, n_variants, BLOCK):
            block = self.training.read(start, min(start + BLOCK, n_variants))
            yield from zip(
                range(start, start + len(block)), block, fill_missing(block), strict=True
            )


class WeightsDescription(Description):
    """Those weights that are single numbers."""

    own: Weight
    floor: float = Field(gt=0, le=0.5)


class MarkovDescription(HaplotypeDescription):
    """The words of such a model."""

    options: MarkovOptions
    weights: WeightsDescription


class MarkovGenerator(HaplotypeGenerator):
    """The chain. It keeps the training haplotypes and counts contexts as it goes along the
    contig.
    """

    name = "markov"
    description_class = MarkovDescription
    options_class = MarkovOptions
    has_likelihood = True

    def fit(self, data: TrainingHaplotypes, run) -> None:
        self._begin(data)
        self.training, self.population = PackedHaplotypes.pack(data.haplotypes), data.population
        self.weights = self._fit_weights(data.validation)

    def _fit_weights(self, validation: np.ndarray) -> Weights:
        """Fit the weights to some of the validation haplotypes, at sites spread over the contig."""
        fitted, validation = np.flatnonzero(~validation), np.flatnonzero(validation)
        validation = validation[
            np.linspace(0, len(validation) - 1, min(len(validation), FIT_ROWS)).astype(np.int64)
        ]
        chosen = set(
            np.linspace(0, self.n_variants - 1, min(self.n_variants, FIT_SITES))
            .astype(np.int64)
            .tolist()
        )
        contexts = self._context_counts(
            HaplotypeView(self.training, haplotypes=fitted),
            self.population[fitted],
            self.population[validation],
        )
        asked = HaplotypeView(self.training, haplotypes=validation)
        pooled, own, observed = [], [], []
        for (site, alleles, filled), (read, read_filled) in zip(
            contexts.sites(self.n_variants), _read(asked, self.n_variants), strict=True
        ):
            if site in chosen:
                counts, called = contexts.counts(alleles), read >= 0
                pooled.append(counts[0][:, called].astype(np.float32))
                own.append(counts[1][:, called].astype(np.float32))
                observed.append(read[called])
            contexts.push(filled, read_filled)
        return fit_weights(
            np.concatenate(pooled, axis=1), np.concatenate(own, axis=1), np.concatenate(observed)
        )

    def _context_counts(
        self, training: HaplotypeSource, population: np.ndarray, asked: np.ndarray
    ) -> _ContextCounts:
        return _ContextCounts(
            training,
            population,
            asked,
            len(self.population_names),
            context_lengths(self.options.order, self.n_variants),
        )

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        contexts = self._context_counts(self.training, self.population, request.population)
        block = []
        for site, alleles, filled in contexts.sites(self.n_variants):
            if site % BLOCK == 0:
                uniforms = row_uniforms(
                    request.seed, np.arange(site, min(site + BLOCK, self.n_variants))
                ).T
            drawn = (
                uniforms[site % BLOCK] < self.weights.chance(*contexts.counts(alleles))
            ).astype(np.int8)
            contexts.push(filled, drawn)
            block.append(drawn)
            if len(block) == BLOCK or site == self.n_variants - 1:
                yield np.stack(block)
                block = []

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        contexts = self._context_counts(self.training, self.population, population)
        total = np.zeros(haplotypes.n_haplotypes)
        for (_, alleles, filled), (read, read_filled) in zip(
            contexts.sites(self.n_variants), _read(haplotypes, self.n_variants), strict=True
        ):
            chances = self.weights.chance(*contexts.counts(alleles))
            total += np.log(np.where(read == 1, chances, np.where(read == 0, 1 - chances, 1.0)))
            contexts.push(filled, read_filled)
        return total

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays, _ = self.training.state()
        arrays |= {"population": self.population, "escape": self.weights.escape}
        weights = {"own": self.weights.own, "floor": self.weights.floor}
        return arrays, self._words() | {"weights": weights}

    @classmethod
    def declare(cls, arrays: Declared, words: MarkovDescription) -> None:
        n_haplotypes = PackedHaplotypes.declare(arrays, words.n_variants)
        arrays.expect(
            "population", "int64", n_haplotypes, low=0, high=len(words.population_names) - 1
        )
        lengths = context_lengths(words.options.order, words.n_variants)
        arrays.expect("escape", "float64", len(lengths), 2, low=1e-12, high=1e12)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "MarkovGenerator":
        generator = cls._described(description)
        generator.population = arrays["population"]
        generator.training = PackedHaplotypes.from_state(arrays, description)
        numbers = WeightsDescription(**description["weights"])
        generator.weights = Weights(arrays["escape"], numbers.own, numbers.floor)
        return generator


def _read(haplotypes: HaplotypeSource, n_variants: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Alleles of asked haplotypes site by site, and the same with missing calls as reference.

    A filled call must not depend on the other haplotypes asked about.
    """
    for start in range(0, n_variants, BLOCK):
        block = haplotypes.read(start, min(start + BLOCK, n_variants))
        yield from zip(block, np.maximum(block, 0), strict=True)
