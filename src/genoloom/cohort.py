"""The synthetic people, made before any chromosome: the same people on every contig."""

import numpy as np

from genoloom.errors import InputError
from genoloom.panel import People
from genoloom.seeds import derive_seed


def parse_shares(text: str, known: list[str]) -> dict[str, float]:
    """Shares such as "GBR:0.7,FIN:0.3", scaled to sum to one.

    Raises
    ------
    InputError
        The text is not understood, or names a population that the model does not know.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if value < 0 or name in shares:
            raise InputError(
                "--populations", f"'{part.strip()}' is not understood", expected="'panel' or shares such as GBR:0.7,FIN:0.3"
            )
        if name not in known:
            raise InputError("--populations", f"the model knows no population '{name}'", expected=f"one of {', '.join(known)}")
        shares[name] = value
    total = sum(shares.values())
    if total <= 0:
        raise InputError("--populations", f"'{text}' sums to nothing", expected="positive shares")
    return {name: value / total for name, value in shares.items()}


def largest_remainder(shares: dict[str, float], size: int) -> dict[str, int]:
    """Whole numbers that sum to `size` in the given shares (Hamilton's method); ties go to the first name."""
    exact = {name: share * size for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


def make_people(shares: dict[str, float], size: int, female: float, seed: int) -> People:
    """`size` synthetic people SYN000001 ..., in shuffled order of populations.

    Parameters
    ----------
    shares : dict
        Share of each population; sums to one.
    female : float
        Share of female people, exact up to rounding.
    """
    counts = largest_remainder(shares, size)
    rng = np.random.default_rng(derive_seed(seed, "cohort"))
    population = rng.permutation(np.repeat(sorted(counts), [counts[name] for name in sorted(counts)]))
    sex = rng.permutation(np.array(["female"] * round(female * size) + ["male"] * (size - round(female * size))))
    width = max(6, len(str(size)))
    return People([f"SYN{i:0{width}d}" for i in range(1, size + 1)], population.tolist(), sex.tolist())
