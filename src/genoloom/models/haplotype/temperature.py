"""How sharp tokens are drawn: as sharp as makes synthetic haplotypes as near to each other as
training ones are.

A network says what it does not know by spreading its chances. Drawn as they are (temperature 1),
these small errors add up along a contig: synthetic haplotypes are further from each other, and
from real ones, than real ones are from each other. Drawn too sharp, they crowd.
"""

from collections.abc import Callable

import numpy as np

from genoloom.popgen.distances import aats_halves, hamming

LOWEST, HALVINGS = 0.6, 5  # the lower, the nearer also to the training haplotypes themselves
# training rows, and blocks of them, by which a generator chooses it
BALANCED_ROWS, BALANCED_BLOCKS = 1000, 256


def balanced_temperature(
    draw: Callable[[float], np.ndarray], real: np.ndarray, lowest: float = LOWEST
) -> float:
    """The temperature, from `lowest` to 1, at which both halves of the adversarial accuracy against
    training rows are one.

    They are where distances to the nearest of the own kind are alike among synthetic and among real
    haplotypes, however near the two kinds are to each other
    (`genoloom.popgen.distances.aats_halves`). Found by bisection.

    Parameters
    ----------
    draw : callable
        Synthetic alleles at a temperature, int8 (n_sites, n).
    real : ndarray, int8, shape (n_sites, n)
        Training haplotypes.
    lowest : float
        The lower bound; where both halves are not yet one there, the result is next to it.
    """
    within, (low, high) = hamming(real, real), (lowest, 1.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        synthetic = draw(middle)
        near_real, near_synthetic = aats_halves(
            within, hamming(synthetic, synthetic), hamming(real, synthetic)
        )
        low, high = (low, middle) if near_real > near_synthetic else (middle, high)
    return round((low + high) / 2, 2)
