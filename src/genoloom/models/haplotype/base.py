"""What every haplotype generator can do, and what it is given to do it with."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, create_model, model_validator

from genoloom.config_section import Section
from genoloom.declared import MOST_LABELS, Description, Name, Populations, Variants
from genoloom.models.generator import Generator
from genoloom.panel import HaplotypeSource
from genoloom.popgen.overlaps import Overlaps


@dataclass(frozen=True)
class TrainingHaplotypes:
    """The training half of a panel at the sites that are modelled. Holds no individual's name.

    Attributes
    ----------
    haplotypes : HaplotypeSource
        (n_variants, n_haplotypes); may hold -1 for missing calls.
    population : ndarray, int64, shape (n_haplotypes,)
        Index into `population_names`.
    population_names : list of str
    position : ndarray, int64, shape (n_variants,), 1-based base pairs
    map_cm : ndarray, float64, shape (n_variants,), genetic position in centimorgans
    validation : ndarray, bool, shape (n_haplotypes,)
        Haplotypes of the validation set: individuals of the training half who decide when training
        stops. Learned models leave them out of the gradient; baselines may train on all.
    individual : ndarray, int64, shape (n_haplotypes,), or None
        A number for whose each haplotype is, rising: two haplotypes of an individual, or one of
        who is haploid. None where the columns 2 i and 2 i + 1 are one individual's.
    """

    haplotypes: HaplotypeSource
    population: np.ndarray
    population_names: list[str]
    position: np.ndarray
    map_cm: np.ndarray
    validation: np.ndarray
    individual: np.ndarray | None = None


@dataclass(frozen=True)
class SampleRequest:
    """Which haplotypes to make.

    Attributes
    ----------
    population : ndarray, int64, shape (n_haplotypes,)
        Index into the model's `population_names`.
    seed : ndarray, uint64, shape (n_haplotypes,)
        One seed per haplotype, derived from individual, haplotype and contig: the same haplotype
        comes out whatever else is in the request.
    """

    population: np.ndarray
    seed: np.ndarray


class HaplotypeDescription(Description):
    """What every haplotype generator says of itself in a model file; a subclass adds its options
    and what else it needs.
    """

    population_names: Populations
    n_variants: Variants
    labels: dict[Name, Name] = Field(default={}, max_length=MOST_LABELS)

    @model_validator(mode="after")
    def _labels_are_of_populations(self) -> Self:
        if strange := set(self.labels.values()) - set(self.population_names):
            raise ValueError(f"a label represents '{min(strange)}', which is no population")
        return self


def description_with(options: type[Section]) -> type[HaplotypeDescription]:
    """The words of a generator that says nothing more than its options."""
    return create_model("Described", __base__=HaplotypeDescription, options=(options, ...))


class HaplotypeGenerator(Generator):
    """`fit` on training haplotypes, `sample` new ones; `log_likelihood` where the model has one."""

    common_words = ("population_names", "n_variants")
    has_critic: ClassVar[bool] = False  # whether there is `critic_score`
    # whether there are `block_log_likelihood`, `switch_log_odds`, `impute`
    scores_blocks: ClassVar[bool] = False
    # whether a population may be -1, unknown, where likelihoods are asked for
    scores_unlabelled: ClassVar[bool] = False

    population_names: list[str]
    n_variants: int
    # sites that exclude each other; given by who knows the alleles
    overlaps: Overlaps | None = None
    # populations of a cohort, and which of the model's represents each; given by who loads a model
    labels: Mapping[str, str] = {}

    def _begin(self, data: TrainingHaplotypes) -> None:
        """Take over what every generator knows of its training data."""
        self.population_names = list(data.population_names)
        self.n_variants = data.haplotypes.n_variants

    @property
    def known_populations(self) -> dict[str, int]:
        """Index into `population_names` by every name that a cohort may use."""
        index = {name: i for i, name in enumerate(self.population_names)}
        return index | {label: index[name] for label, name in self.labels.items()}

    @abstractmethod
    def fit(self, data: TrainingHaplotypes, run) -> None:
        """Learn from `data`; `run` is a `genoloom.training.run.TrainingRun` (state, seed, progress,
        history).

        Raises
        ------
        Interrupted
            A signal or the time limit came; the state is saved and `fit` can be called again.
        CollapsedError
            The generator collapsed.
        """

    @abstractmethod
    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        """Yield consecutive blocks of alleles, int8 (n, n_haplotypes) in 0/1, from the first
        variant to the last.
        """

    def draw(self, request: SampleRequest) -> Iterator[np.ndarray]:
        """As `sample`, but no haplotype carries alternates that exclude each other; whoever makes
        individuals calls this.
        """
        blocks = self.sample(request)
        return blocks if self.overlaps is None else self.overlaps.resolve(blocks, request.seed)

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        """Natural-log likelihood of each haplotype, float64, shape (n_haplotypes,)."""
        if not self.scores_blocks:
            raise TypeError(f"generator '{self.name}' has no likelihood")
        total = np.zeros(haplotypes.n_haplotypes)
        for _, scores in self.block_log_likelihood(haplotypes, population):
            total += scores
        return total

    def critic_score(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        """How real the model's critic finds each haplotype, float64, shape (n_haplotypes,)."""
        raise TypeError(f"generator '{self.name}' has no critic")

    @property
    def tells_frequencies(self) -> bool:
        """Whether the model knows frequencies of a cohort that did not train it: `anchor_score`."""
        return False

    def anchor_score(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        """How much more frequent the blocks of each haplotype are made by what the model knows of
        its population than by what is public, summed log-ratios, float64 (n_haplotypes,).
        """
        raise TypeError(f"generator '{self.name}' knows no frequencies of a cohort")

    def block_log_likelihood(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the variants of each block and the natural-log probability of each haplotype there
        given what precedes it.

        Float64, shape (n_haplotypes,); the blocks of a contig sum to `log_likelihood`.
        """
        raise TypeError(f"generator '{self.name}' has no likelihood of blocks")

    def switch_log_odds(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield, for each place between two blocks, its first variant and what exchanging there the
        tails of an individual's two haplotypes gains in natural-log likelihood nearby; float64,
        shape (n_individuals,). Positive: a switch error is likely.
        """
        raise TypeError(f"generator '{self.name}' has no likelihood of blocks")

    def impute(
        self, haplotypes: HaplotypeSource, population: np.ndarray, seed: np.ndarray, particles: int
    ) -> Iterator:
        """Yield haplotypes in order, some at a time, as
        `genoloom.models.haplotype.imputation.Imputation`: missing calls filled in.
        """
        raise TypeError(f"generator '{self.name}' cannot fill in missing calls")
