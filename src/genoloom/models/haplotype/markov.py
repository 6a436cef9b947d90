"""Interpolated Markov chain over the preceding alleles of the same haplotype.

The chance of the next allele is interpolated over contexts of growing length (Witten & Bell 1991,
doi:10.1109/18.87000): at each length the counts of the training haplotypes, among which those of the own population
count twice, are mixed into the estimate of the shorter context. A floor keeps every allele possible: in a context that has
always been followed by one allele, each length would otherwise make the other one more impossible than the last.
"""

from collections.abc import Iterator

import numpy as np

from genoloom.config import MarkovOptions
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.packed import PackedHaplotypes
from genoloom.panel import HaplotypeSource
from genoloom.seeds import row_uniforms

BLOCK = 1024  # variants at a time
ESCAPE = 2.0  # weight of the shorter context, for each allele seen after the longer one
FLOOR = 0.3  # chance of either allele is at least this, over the training haplotypes plus one


def context_lengths(order: int) -> list[int]:
    """The lengths that are interpolated: 0, 1, 2, 4, 8, ... and `order`."""
    lengths = [0, *(2**i for i in range(7) if 2**i < order), order]
    return sorted(set(lengths))


class _Contexts:
    """The last alleles of each row as bits of an integer, the nearest allele lowest."""

    def __init__(self, n_rows: int, order: int):
        self.code = np.zeros(n_rows, dtype=np.int64)
        self.since_missing = np.full(n_rows, order, dtype=np.int64)
        self.mask = np.int64((1 << order) - 1)

    def push(self, alleles: np.ndarray) -> None:
        self.code = ((self.code << 1) | (alleles == 1)) & self.mask
        self.since_missing = np.where(alleles < 0, 0, self.since_missing + 1)


class MarkovGenerator(HaplotypeGenerator):
    """The chain. It keeps the training haplotypes and counts contexts as it goes along the contig."""

    name = "markov"
    has_likelihood = True

    def __init__(self, options: MarkovOptions):
        self.options = options

    def fit(self, data: TrainingHaplotypes, run) -> None:
        self.population_names, self.n_variants = data.population_names, data.haplotypes.n_variants
        self.training = PackedHaplotypes.pack(data.haplotypes)
        self.population = data.population

    def _chances(self, known: _Contexts, alleles: np.ndarray, asked: _Contexts, population: np.ndarray) -> np.ndarray:
        """Chance of the alternate allele for each asked row, given the training alleles at this site; float64 (n_rows,)."""
        n_populations = len(self.population_names)
        chance = np.full(len(population), 0.5)
        for length in context_lengths(self.options.order):
            mask = np.int64((1 << length) - 1)
            usable = (alleles >= 0) & (known.since_missing >= length)
            contexts, inverse = np.unique(known.code[usable] & mask, return_inverse=True)
            if len(contexts) == 0:
                continue
            cell = (inverse * n_populations + self.population[usable]) * 2 + alleles[usable]
            counts = np.bincount(cell, minlength=len(contexts) * n_populations * 2).reshape(len(contexts), n_populations, 2)
            wanted = asked.code & mask
            at = np.minimum(np.searchsorted(contexts, wanted), len(contexts) - 1)
            found = contexts[at] == wanted
            pooled = counts.sum(axis=1)[at] * found[:, None]  # (n_rows, 2)
            escape = ESCAPE * (pooled > 0).sum(axis=1)
            weighted = pooled + counts[at, population] * found[:, None]
            total = weighted.sum(axis=1) + escape
            chance = np.where(total > 0, (weighted[:, 1] + escape * chance) / np.maximum(total, 1), chance)
        floor = FLOOR / (self.training.n_haplotypes + 1)
        return floor + (1 - 2 * floor) * chance

    def _walk(self, asked: _Contexts, population: np.ndarray, next_alleles) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield (site, chances, alleles) along the contig; `next_alleles(site, chances)` says what each asked row reads."""
        known = _Contexts(self.training.n_haplotypes, self.options.order)
        for start in range(0, self.n_variants, BLOCK):
            stop = min(start + BLOCK, self.n_variants)
            for site, alleles in zip(range(start, stop), self.training.read(start, stop), strict=True):
                chances = self._chances(known, alleles, asked, population)
                read = next_alleles(site, chances)
                yield site, chances, read
                known.push(alleles)
                asked.push(read)

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        asked = _Contexts(len(request.seed), self.options.order)
        uniforms = np.empty((0, 0))

        def draw(site: int, chances: np.ndarray) -> np.ndarray:
            nonlocal uniforms
            if site % BLOCK == 0:
                uniforms = row_uniforms(request.seed, np.arange(site, min(site + BLOCK, self.n_variants)))
            return (uniforms[:, site % BLOCK] < chances).astype(np.int8)

        block = []
        for site, _, alleles in self._walk(asked, request.population, draw):
            block.append(alleles)
            if len(block) == BLOCK or site == self.n_variants - 1:
                yield np.stack(block)
                block = []

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        asked = _Contexts(haplotypes.n_haplotypes, self.options.order)
        block = np.empty((0, 0), dtype=np.int8)

        def look_up(site: int, _chances: np.ndarray) -> np.ndarray:
            nonlocal block
            if site % BLOCK == 0:
                block = haplotypes.read(site, min(site + BLOCK, self.n_variants))
            return block[site % BLOCK]

        total = np.zeros(haplotypes.n_haplotypes)
        for _, chances, alleles in self._walk(asked, population, look_up):
            total += np.log(np.where(alleles == 1, chances, np.where(alleles == 0, 1 - chances, 1.0)))
        return total

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays, description = self.training.state()
        description |= {"population_names": self.population_names, "options": self.options.model_dump()}
        return arrays | {"population": self.population}, description

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "MarkovGenerator":
        generator = cls(MarkovOptions(**description["options"]))
        generator.population_names, generator.population = description["population_names"], arrays["population"]
        generator.training = PackedHaplotypes.from_state(arrays, description)
        generator.n_variants = generator.training.n_variants
        return generator
