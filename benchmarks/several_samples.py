"""Several synthetic samples against the same real individuals in one pass: the reference is taken
once for all of them.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from genoloom.panel import ArrayHaplotypes, Panel
from genoloom.validation.accumulators import Collector
from genoloom.validation.cohorts import compare
from genoloom.validation.data import Data
from genoloom.validation.fidelity import fidelity_rows
from genoloom.validation.metric_table import TABLE, Measured, Metric, measure_all
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import Role

COMPONENTS = 4


def deal(population: np.ndarray, individuals: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Three groups of at most `individuals`, with the same number of individuals of each
    population, in the same order.
    """
    groups: list[list[int]] = [[], [], []]
    for name in np.unique(population):
        members = rng.permutation(np.flatnonzero(population == name))
        each = min(len(members) // 3, round(individuals * len(members) / len(population)))
        for i, group in enumerate(groups):
            group.extend(members[i * each : (i + 1) * each].tolist())
    return [np.array(group) for group in groups]


def measure_together(
    samples: dict[str, np.ndarray],
    training: Panel,
    holdout: Panel,
    cm: np.ndarray,
    n_permutations: int,
    block: int,
    seed: int,
    table: tuple[Metric, ...] = TABLE,
) -> list[Measured]:
    """Every metric of every sample, under its name.

    Parameters
    ----------
    samples : dict of str to ndarray, int8, shape (n_variants, 2 * n_individuals)
        Synthetic individuals with the populations of the training individuals, in their order.
    training, holdout : Panel
        With the same populations in the same order.
    """
    n = len(training.individuals)
    everybody = holdout.joined_with(training)
    one = compare(
        training.individuals,
        everybody.individuals,
        ["holdout"] * n + ["train"] * n,
        n_permutations,
        seed,
    )
    shift = (len(samples) - 1) * n  # the synthetic samples come before the real individuals
    individuals = replace(
        one,
        synthetic_individuals=np.arange(len(samples) * n),
        population=np.concatenate([np.tile(one.population[:n], len(samples)), one.population[n:]]),
        synthetic=np.arange(len(samples) * n),
        holdout=one.holdout + shift,
        train=one.train + shift,
        halvings=[(a + shift, b + shift) for a, b in one.halvings],
    )
    groups = {name: np.arange(i * n, (i + 1) * n) for i, name in enumerate(samples)}
    collected = Collector(individuals, len(cm), block, seed, groups)
    synthetic = ArrayHaplotypes(np.concatenate(list(samples.values()), axis=1))
    collected.add(replace(training, haplotypes=synthetic), everybody, cm)
    return measure_all(Data(collected, COMPONENTS, seed), table)


def judge_together(
    measured: list[Measured], samples: Collection[str], n: int
) -> dict[str, list[MetricRow]]:
    """Fidelity rows of every sample of `measure_together`, by its name; each sample has
    `n` individuals.
    """
    return {name: fidelity_rows(measured, name, Role.BASELINE, n, group=name) for name in samples}
