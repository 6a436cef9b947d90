"""Planted switch errors: how well a transformer finds them on real held-out individuals.

    python -m benchmarks switch_errors --set demo --seeds 1

A transformer is trained on one half of the individuals. In everybody of the other half the two
haplotypes are exchanged from one random heterozygous site on. A block's score is the larger
log-odds of its two ends; positive is the block that holds the planted switch, negative are all
blocks two and more away that hold a heterozygous site. The real data have switch errors of their
own (they were phased statistically), which count as false positives here. Columns: AUC, true
positive rates at rates of false positives, and in how many individuals the best block is the right
one.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from benchmarks.options import add_shared, options_of
from benchmarks.runner import Case, fit_generator, variable_sites
from genoloom.models.haplotype.training_data import training_haplotypes
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import derive_seed
from genoloom.training_config import TrainSections

RATES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
COLUMNS = f"individuals auc {' '.join(f'tpr_{r:g}' for r in RATES)} best_in_individual"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1", steps=None, set_option=[])


def measure(case: Case) -> Iterator[dict]:
    panel, roles, seed = case.panel, case.roles, case.seed
    training = panel.take_individuals(np.flatnonzero(roles == "train"))
    modelled = variable_sites(training)
    share = TrainSections().common.validation_fraction
    data = training_haplotypes(training.take_sites(modelled), share, seed)
    options, _ = options_of("transformer", case.arguments)
    with tempfile.TemporaryDirectory() as state:
        generator = fit_generator("transformer", options, data, Path(state), seed)
    holdout = panel.take_individuals(np.flatnonzero(roles == "holdout")).take_sites(modelled)
    alleles = holdout.haplotypes.read(0, len(modelled)).copy()
    n, block = alleles.shape[1] // 2, generator.options.block_size
    called = (alleles >= 0).reshape(len(alleles), -1, 2).all(axis=2)
    heterozygous = (alleles[:, 0::2] != alleles[:, 1::2]) & called
    rng = np.random.default_rng(derive_seed(seed, "planted"))
    planted = np.array([rng.choice(np.flatnonzero(heterozygous[:, i])) for i in range(n)])
    for i, at in enumerate(planted):
        alleles[at:, [2 * i, 2 * i + 1]] = alleles[at:, [2 * i + 1, 2 * i]]
    population = np.repeat(
        [data.population_names.index(p) for p in holdout.individuals.population], 2
    )
    odds = np.zeros((n, -(-len(alleles) // block) + 1))  # of the left end of each block
    for variant, values in generator.switch_log_odds(ArrayHaplotypes(alleles), population):
        odds[:, variant // block] = values
    score = np.maximum(odds[:, :-1], odds[:, 1:])
    starts = np.arange(0, len(alleles), block)
    # (n_individuals, n_blocks)
    informative = np.add.reduceat(heterozygous.astype(int), starts, axis=0).T > 0
    away = np.abs(np.arange(score.shape[1])[None, :] - (planted // block)[:, None])
    used = informative & ((away == 0) | (away > 1))
    wrong, right, _ = roc_curve(away[used] == 0, score[used])
    rates = {f"tpr_{r:g}": float(right[np.searchsorted(wrong, r, side="right") - 1]) for r in RATES}
    best = away[np.arange(n), np.where(used, score, -np.inf).argmax(axis=1)] == 0
    yield (
        {"individuals": n, "auc": float(roc_auc_score(away[used] == 0, score[used]))}
        | rates
        | {"best_in_individual": float(best.mean())}
    )
