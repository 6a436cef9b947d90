"""Measurements of the package on real data: `python -m benchmarks --help` lists them."""
