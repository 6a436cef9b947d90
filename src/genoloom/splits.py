"""Which individuals train and which are held out."""

from collections import defaultdict

import numpy as np

from genoloom.errors import InputError
from genoloom.panel import Individuals
from genoloom.seeds import derive_seed


def split_individuals(individuals: Individuals, holdout: float, seed: int) -> list[str]:
    """The role of each individual, "train" or "holdout".

    Families stay together. Within each population (a family counts for that of its first member),
    families are shuffled and go to the holdout until it has its share of the individuals; both
    roles get at least one family.

    Parameters
    ----------
    individuals : Individuals
    holdout : float
        Share of the individuals held out, in (0, 1).
    seed : int

    Raises
    ------
    InputError
        A population has fewer than two individuals, or only one family.
    """
    families: dict[str, list[int]] = defaultdict(list)
    for i, family in enumerate(individuals.family):
        families[f"family {family}" if family else f"individual {individuals.id[i]}"].append(i)
    strata: dict[str, list[list[int]]] = defaultdict(list)
    for members in families.values():
        strata[individuals.population[members[0]]].append(members)

    roles = ["train"] * len(individuals)
    # rounding is carried on, so that odd populations do not all round up
    target = holdout_so_far = 0.0
    for population in sorted(strata):
        groups = strata[population]
        size = sum(map(len, groups))
        if len(groups) < 2:
            raise InputError(
                "sheet of individuals", f"population '{population}' has one individual or one "
                                        "family only",
                expected="at least two unrelated individuals",
                remedy="merge it with another population in the sheet, or leave its individuals "
                       "out",
            )  # fmt: skip
        order = np.random.default_rng(derive_seed(seed, "split", population)).permutation(
            len(groups)
        )
        target += holdout * size
        wanted, n_holdout = max(1, round(target - holdout_so_far)), 0
        for n, g in enumerate(order):
            # the last family always trains; a family that would overshoot by more than it fills
            # stays out
            if n == len(groups) - 1 or (
                n_holdout and n_holdout + len(groups[g]) - wanted > wanted - n_holdout
            ):
                continue
            if n_holdout < wanted:
                n_holdout += len(groups[g])
                for i in groups[g]:
                    roles[i] = "holdout"
        holdout_so_far += n_holdout
    return roles
