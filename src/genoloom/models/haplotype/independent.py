"""Every site on its own: allele frequencies by population. What a generator knows that has seen no
linkage.
"""

from collections.abc import Iterator

import numpy as np

from genoloom.declared import Declared
from genoloom.models.haplotype.base import (
    HaplotypeDescription,
    HaplotypeGenerator,
    SampleRequest,
    TrainingHaplotypes,
    description_with,
)
from genoloom.panel import HaplotypeSource
from genoloom.seeds import row_uniforms
from genoloom.training_config import IndependentOptions

BLOCK = 1024  # variants at a time


class IndependentGenerator(HaplotypeGenerator):
    """Bernoulli draws with each population's frequency, shrunk towards the pooled one."""

    name = "independent"
    description_class = description_with(IndependentOptions)
    options_class = IndependentOptions
    has_likelihood = True

    def fit(self, data: TrainingHaplotypes, run) -> None:
        """Count alleles; (ones + shrinkage * pooled) / (called + shrinkage) is the frequency of a
        population.
        """
        self._begin(data)
        # (n_haplotypes, n_populations)
        member = np.eye(len(data.population_names), dtype=np.float32)[data.population]
        frequency = np.empty((self.n_variants, len(data.population_names)))
        for start in range(0, self.n_variants, BLOCK):
            alleles = data.haplotypes.read(start, min(start + BLOCK, self.n_variants))
            ones = (alleles == 1).astype(np.float32) @ member
            called = (alleles >= 0).astype(np.float32) @ member
            # half an allele of each kind keeps every frequency off 0 and 1
            pooled = (ones.sum(axis=1, keepdims=True) + 0.5) / (
                called.sum(axis=1, keepdims=True) + 1
            )
            s = self.options.shrinkage
            frequency[start : start + BLOCK] = (ones + s * pooled) / (called + s)
        self.frequency = frequency

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        for start in range(0, self.n_variants, BLOCK):
            stop = min(start + BLOCK, self.n_variants)
            uniforms = row_uniforms(request.seed, np.arange(start, stop)).T
            yield (uniforms < self.frequency[start:stop, request.population]).astype(np.int8)

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        total = np.zeros(haplotypes.n_haplotypes)
        for start in range(0, self.n_variants, BLOCK):
            stop = min(start + BLOCK, self.n_variants)
            alleles = haplotypes.read(start, stop)
            p = self.frequency[start:stop, population]
            chance = np.where(alleles == 1, p, np.where(alleles == 0, 1 - p, 1.0))
            total += np.log(chance).sum(axis=0)
        return total

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        return {"frequency": self.frequency}, self._words()

    @classmethod
    def declare(cls, arrays: Declared, words: HaplotypeDescription) -> None:
        arrays.expect(
            "frequency",
            "float64",
            words.n_variants,
            len(words.population_names),
            low=1e-12,
            high=1 - 1e-12,
        )

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "IndependentGenerator":
        generator = cls._described(description)
        generator.frequency = arrays["frequency"]
        return generator
