"""Random numbers: one seed in the configuration, everything else derived from it."""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def derive_seed(root: int, *parts: object) -> int:
    """A 63-bit seed for one job, from the configured seed and the names of the job.

    The same arguments give the same seed on every machine.
    """
    text = "\x1f".join([str(root), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def _splitmix64(x: np.ndarray) -> np.ndarray:
    # Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def row_uniforms(seeds: np.ndarray, counter: int | np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1), one for each row seed and counter, independent of batches and
    shards.

    Parameters
    ----------
    seeds : ndarray, uint64, shape (n_rows,)
        One seed per synthetic haplotype or sequence.
    counter : int or ndarray of int, shape (n_draws,)
        Which draw of the row, for example the index of the variant.

    Returns
    -------
    ndarray, float64
        Shape (n_rows,) for a scalar counter, else (n_rows, n_draws).
    """
    counters = np.atleast_1d(np.asarray(counter))
    uniforms = _uniforms(np.asarray(seeds, dtype=np.uint64)[:, None], counters[None, :])
    return uniforms[:, 0] if np.ndim(counter) == 0 else uniforms


def paired_uniforms(seeds: np.ndarray, counters: np.ndarray) -> np.ndarray:
    """One uniform number in [0, 1) for each pair of a row seed and a counter of its own; float64,
    shape (n_rows,).

    The same numbers as `row_uniforms` gives.
    """
    return _uniforms(np.asarray(seeds, dtype=np.uint64), np.asarray(counters))


def attempt_seeds(seeds: np.ndarray, attempt: np.ndarray) -> np.ndarray:
    """A seed for one of several attempts at a row, from the row's own; uint64, shape (n_rows,)."""
    with np.errstate(over="ignore"):
        return _splitmix64(
            np.asarray(seeds, dtype=np.uint64) + _splitmix64(np.asarray(attempt).astype(np.uint64))
        )


def _uniforms(seeds: np.ndarray, counters: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        bits = _splitmix64(seeds ^ _splitmix64(counters.astype(np.uint64)))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def row_seeds(root: int, names: list[str], *parts: object) -> np.ndarray:
    """One uint64 seed for each name (an individual, a sequence), shape (n_names,)."""
    return np.array([derive_seed(root, name, *parts) for name in names], dtype=np.uint64)
