"""What generators of haplotypes and of sequences have in common."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np

from genoloom.config_section import Section
from genoloom.declared import Declared, Description


class Generator(ABC):
    """A model with options, that a model file can hold."""

    name: ClassVar[str]
    description_class: ClassVar[type[Description]]
    options_class: ClassVar[type[Section]]
    common_words: ClassVar[tuple[str, ...]]  # attributes that every description holds
    has_likelihood: ClassVar[bool] = False

    def __init__(self, options: Section):
        self.options = options

    def _words(self) -> dict:
        """What every generator says in the description of `state`."""
        own = {name: getattr(self, name) for name in self.common_words}
        return {"options": self.options.model_dump(), **own}

    @classmethod
    def _described(cls, description: dict) -> Self:
        """A generator with these words, and nothing that it has learned."""
        generator = cls(cls.options_class(**description["options"]))
        for name in cls.common_words:
            setattr(generator, name, description[name])
        return generator

    @abstractmethod
    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """Arrays for the safetensors file and a JSON-ready description: all that `from_state`
        needs.
        """

    @classmethod
    @abstractmethod
    def declare(cls, arrays: Declared, words: Description) -> None:
        """Declare every array of `state`, given the description as a `description_class`."""

    @classmethod
    @abstractmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> Self:
        """The generator that `state` described."""
