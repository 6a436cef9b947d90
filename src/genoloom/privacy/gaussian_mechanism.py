"""Sums over individuals with Gaussian noise: what may be known of a cohort.

An individual is both haplotypes on all contigs: one vector, whose length is clipped, so that adding
or removing an individual moves the sum by no more than that length. Neighbours differ by one
individual.

Everything is counted in steps of a grid: vectors are cut to it towards zero before they are summed,
and noise is rounded to it. So sums are whole numbers, and the low bits of floating-point numbers,
which can tell an exact sum through the noise (Mironov 2012, doi:10.1145/2382196.2382264), are not
there.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

STEPS = 2**12  # of the grid in the largest length of a vector


@dataclass(frozen=True)
class NoiseKey:
    """Where noise comes from.

    Attributes
    ----------
    key : bytes
        Of a secret key the noise is what nobody can guess who does not have it. It is expanded by
        SHAKE-256 together with a text that says what is measured: the same measurement of the same
        individuals has the same noise, and tells nothing when it is made again; any other one has
        noise of its own.
    secret : bool
        Whether the key came from the operating system's generator of random numbers. One that
        follows from a seed is for tests.
    """

    key: bytes
    secret: bool

    @classmethod
    def of_seed(cls, seed: int) -> "NoiseKey":
        return cls(hashlib.sha256(f"seed {seed}".encode()).digest(), False)

    def gaussian(self, purpose: str, n: int) -> np.ndarray:
        """`n` standard normal numbers, float64."""
        stream = hashlib.shake_256(self.key + hashlib.sha256(purpose.encode()).digest())
        words = np.frombuffer(stream.digest(8 * n), dtype="<u8")
        return ndtri(((words >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52)


def clipped(vectors: np.ndarray, length: float) -> np.ndarray:
    """Rows scaled down to at most `length`, in steps of the grid towards zero; int64.

    Parameters
    ----------
    vectors : ndarray, float, shape (n_individuals, D)
    """
    norm = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    scale = np.minimum(1, length / np.maximum(norm, 1e-300))
    return np.trunc(vectors * scale * (STEPS / length)).astype(np.int64)


def noised_sum(
    vectors: np.ndarray, length: float, mu: float, key: NoiseKey, purpose: str
) -> np.ndarray:
    """The sum of clipped rows with Gaussian noise of standard deviation `length` / `mu`, float64
    (D,): mu-Gaussian differentially private, the unit being a row.
    """
    total = clipped(vectors, length).sum(axis=0)
    noise = np.rint(key.gaussian(purpose, len(total)) * (STEPS / mu)).astype(np.int64)
    return (total + noise) * (length / STEPS)
