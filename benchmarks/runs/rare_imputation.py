"""What imputation of rare alleles gains from other options of a generator, and from larger panels.

    python -m benchmarks rare_imputation --set dpyd-slice --seeds 1-3 --generators matched_mosaic \\
        --factors 1 2 4 --set-option matched_mosaic.segment_cm=0.2

Individuals in halves (of `chr15` the published ones); a generator learns from one half, and the
haplotypes that it draws, once, twice and four times as many as trained, are the panel from which
`--targets` individuals of the other half are imputed, from one common site in 4,000 base pairs, by
the Li-Stephens imputer.
Columns: `dosage_r2` by frequency bin, and its ratio to that of the real training half; of as many
individuals as trained, also the corrected worst attack and what chance reaches.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.datasets import SETS
from benchmarks.options import add_shared, options_of
from benchmarks.runner import Case, attack, fit_generator, paired, variable_sites
from benchmarks.runs.augmentation import ARRAY_BP
from genoloom.formats.tables import read_table
from genoloom.models.haplotype.base import SampleRequest
from genoloom.models.haplotype.training_data import training_haplotypes
from genoloom.panel import ArrayHaplotypes, genetic_positions, haplotype_columns
from genoloom.popgen.frequencies import BIN_NAMES
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy_config import AuditOptions
from genoloom.seeds import derive_seed, row_seeds
from genoloom.training_config import TrainSections
from genoloom.utility.imputation import Window, by_copying, choose_targets, measure_imputation
from genoloom.utility.measures import REAL, squared_correlation

COLUMNS = "data options factor bin dosage_r2 ratio worst_attack chance"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["dpyd-slice"], seeds="1-3", generators=["matched_mosaic"])
    add_shared(parser, steps=None, set_option=[])
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 2, 4], help="panel sizes")
    parser.add_argument("--targets", type=int, default=120, help="individuals that are imputed")


def measure(case: Case) -> Iterator[dict]:
    whole, seed, arguments = case.panel, case.seed, case.arguments
    roles = published_halves(case) if case.set == "chr15" else case.roles
    train, held = (np.flatnonzero(roles == role) for role in ("train", "holdout"))
    sites = variable_sites(whole.take_individuals(train))
    panel = whole.take_sites(sites)
    training = panel.take_individuals(train)
    real = panel.take_individuals(held).joined_with(training)
    data = training_haplotypes(training, TrainSections().common.validation_fraction, seed)
    alleles = np.maximum(panel.haplotypes.read(0, len(sites)), 0)
    panels, shown = {REAL: alleles[:, haplotype_columns(train)]}, {REAL: ""}
    compared, leak = paired(training, real, seed), {}
    for name in arguments.generators:
        options, shown[name] = options_of(name, arguments)
        with tempfile.TemporaryDirectory() as state:
            generator = fit_generator(name, options, data, Path(state), seed)
        label = np.tile(data.population, max(arguments.factors))
        seeds = row_seeds(seed, [str(i) for i in range(len(label))])
        synthetic = np.concatenate(list(generator.sample(SampleRequest(label, seeds))))
        for factor in arguments.factors:
            panels[f"{name}*{factor}"] = synthetic[:, : factor * len(data.population)]
        drawn = replace(training, haplotypes=ArrayHaplotypes(synthetic[:, : len(data.population)]))
        worst = attack(drawn, real, compared, AuditOptions(bootstrap=200), seed)[AttackId.WORST]
        leak[f"{name}*1"] = {"worst_attack": worst.value, "chance": worst.reference}
    rng = np.random.default_rng(derive_seed(seed, "targets"))
    targets = choose_targets(case.population[held], arguments.targets, rng)
    window = Window(
        panel.sites, genetic_positions(panel.sites), panels, alleles[:, haplotype_columns(held)]
    )
    imputers = {("li_stephens", name): by_copying for name in panels}
    everybody = {"all": np.arange(len(targets))}
    sums: dict[tuple[str, str], np.ndarray] = {}
    for found in measure_imputation([window], targets, everybody, imputers, ARRAY_BP):
        own = found.units.sum(axis=0)
        sums[found.panel, found.bin] = own
        if found.bin in BIN_NAMES[:2]:
            sums[found.panel, "<1%"] = sums.get((found.panel, "<1%"), 0) + own
    for (panel_name, bin_name), own in sums.items():
        value, of_real = (squared_correlation(s) for s in (own, sums[REAL, bin_name]))
        name, _, factor = panel_name.partition("*")
        yield {
            "data": name, "options": shown[name], "factor": factor or 1, "bin": bin_name,
            "dosage_r2": float(value), "ratio": float(value / of_real),
            **leak.get(panel_name, {}),
        }  # fmt: skip


def published_halves(case: Case) -> np.ndarray:
    """Roles of the set of the published generators, str (n_individuals,)."""
    labels = read_table(case.arguments.data / SETS["chr15"].labels)
    roles = {row[SETS["chr15"].individual]: row["split_half"] for row in labels}
    return np.array([roles[name] for name in case.panel.individuals.id])
