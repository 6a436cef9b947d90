"""Fuzzing of every reader: `python -m fuzzing` below tests/, or `make fuzz`."""
