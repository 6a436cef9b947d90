"""Synthetic genotypes and DNA sequences, with population-genetics and privacy validation."""

__version__ = "0.1.0"
