"""Synthetic genotypes and DNA sequences, with population-genetics and privacy validation."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genoloom.api import audit, compare, read_panel, read_sequences, sample, train

__version__ = "0.1.0"
__all__ = ["__version__", "audit", "compare", "read_panel", "read_sequences", "sample", "train"]


def __getattr__(name: str):
    """The functions of `genoloom.api`, imported when they are asked for: they need torch."""
    if name in __all__:
        from genoloom import api

        return getattr(api, name)
    raise AttributeError(f"module 'genoloom' has no attribute '{name}'")
