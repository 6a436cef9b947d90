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
)
from genoloom.panel import HaplotypeSource
from genoloom.seeds import row_uniforms
from genoloom.training_config import IndependentOptions

BLOCK = 1024  # variants at a time


class IndependentDescription(HaplotypeDescription):
    """The words of such a model."""

    options: IndependentOptions


class IndependentGenerator(HaplotypeGenerator):
    """Bernoulli draws with each population's frequency, shrunk towards the pooled one."""

    name = "independent"
    description_class = IndependentDescription
    has_likelihood = True

    def __init__(self, options: IndependentOptions):
        self.options = options

    def fit(self, data: TrainingHaplotypes, run) -> None:
        """Count alleles; (ones + shrinkage * pooled) / (called + shrinkage) is the frequency of a
        population.
        """
        self.population_names, self.n_variants = data.population_names, data.haplotypes.n_variants
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
        description = {
            "population_names": self.population_names,
            "n_variants": self.n_variants,
            "options": self.options.model_dump(),
        }
        return {"frequency": self.frequency}, description

    @classmethod
    def declare(cls, arrays: Declared, words: IndependentDescription) -> None:
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
        generator = cls(IndependentOptions(**description["options"]))
        generator.population_names = description["population_names"]
        generator.frequency = arrays["frequency"]
        generator.n_variants = len(generator.frequency)
        return generator
