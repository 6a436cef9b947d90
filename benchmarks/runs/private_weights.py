"""What training on private rows adds to weights of public ones: the upper bound of DP-SGD.

    python -m benchmarks private_weights --cohort FIN:CEU,PEL:MXL,JPT:CHB --seeds 1-3

Cohort and public panel as in `dp`. The templates are public, and so are the rows that the network
of `copying_network` is trained on; then it is trained further on the private training rows, or on
them alone from nothing, without clipping and without noise. `bits`: per site, of the held-out
individuals.
"""

import argparse
import copy
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.runner import Case, train_model
from benchmarks.runs import dp
from genoloom.models.haplotype.copying_training import (
    PAIRS,
    CopyingNetwork,
    CopyingTraining,
    gather,
)
from genoloom.models.load import load_generator
from genoloom.panel import Panel
from genoloom.seeds import derive_seed
from genoloom.training_config import CopyingNetworkOptions

COLUMNS = "cohort weights sites training public bits"
GENTLE = 0.3  # of the learning rate, where weights are trained further


def add_options(parser: argparse.ArgumentParser) -> None:
    dp.add_options(parser)


def measure(case: Case) -> Iterator[dict]:
    study, steps = dp.Study.of(case), case.arguments.steps
    options = CopyingNetworkOptions(steps=steps, anchor=False)
    model = train_model(
        case, "copying_network", options, study.place / "weights", panel=study.public, split=None,
        privacy_mode="public", populations=study.typed,
    )  # fmt: skip
    generator, sites, _ = load_generator(model)
    at = {key: i for i, key in enumerate(study.cohort.sites.keys())}
    index = np.array([at[key] for key in sites.keys()])

    def gathered(panel: Panel, name: str) -> list:
        names = [study.labels[p] for p in panel.individuals.population]
        codes = np.repeat([generator.population_names.index(p) for p in names], 2)
        rng = np.random.default_rng(derive_seed(case.seed, name))
        rows = panel.take_sites(index).haplotypes
        return gather(generator.panel, rows, codes, None, PAIRS, rng)

    trains, held = study.with_role("train"), study.with_role("holdout")
    trained, seen = gathered(trains, "train"), gathered(held, "held out")

    def bits(network: CopyingNetwork, rate: float | None) -> float:
        """Of a network, after training on the private rows at this rate."""
        before = copy.deepcopy(network.state_dict())
        training = CopyingTraining(network, trained, seen, rate or 0.0, case.seed)
        if rate is None or rate < options.learning_rate:  # features are scaled as they were
            for own in (network, training.average.module):
                own.load_state_dict(before)
        for step in range(steps if rate else 0):
            training.train_step(step, step / steps)
        return training.evaluate(steps)["bits"]

    rate, known = options.learning_rate, CopyingNetwork(options.width)
    known.load_state_dict({k: torch.from_numpy(v) for k, v in generator.network.items()})
    torch.manual_seed(derive_seed(case.seed, "private weights"))
    for name, network, learned in (
        ("public rows", known, None),
        ("public rows, then private ones", copy.deepcopy(known), GENTLE * rate),
        ("private rows", CopyingNetwork(options.width), rate),
    ):
        yield {
            "cohort": study.told, "weights": name, "sites": len(sites),
            "training": len(trains.individuals), "public": len(study.theirs),
            "bits": bits(network, learned),
        }  # fmt: skip
