"""Shadow models: what they add to the audit, at what cost, and whether they accuse anybody.

    python -m benchmarks shadow_models --seeds 1-3
    python -m benchmarks shadow_models --generators transformer gan --sites 1300 --shadows 4 \\
        --shares 0.125 0.25 1 --seeds 1,2

The real individuals of every population are dealt into training, held-out and fresh individuals.
Each generator is fitted to the training individuals and its sample audited with shadow models of
its kind, which train for a share of its steps; so are the fresh individuals (`fresh individuals`),
whom no attack may distinguish from chance. Columns: AUC of the stacked attacker without and with
shadow models, the worst attack with its interval, and the CPU seconds of all shadow models
together, estimated and spent.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.options import add_shared, options_of
from benchmarks.runner import Case, attack, deal_panels, paired
from genoloom.evidence.models import (
    AuditedModels,
    ShadowWork,
    draw_individuals,
    fit_individuals,
    make_shadows,
)
from genoloom.models.haplotype import generator_class
from genoloom.panel import ArrayHaplotypes
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.shadow_plan import seconds
from genoloom.privacy_config import AuditOptions
from genoloom.seeds import derive_seed

COLUMNS = (
    "individuals sites generator audited stacked with_shadows worst worst_low worst_high share "
    "estimated_seconds seconds"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1-3", individuals=99, sites=None, steps=None)
    add_shared(parser, generators=["independent", "markov", "mosaic"], set_option=[])
    parser.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=[AuditOptions().shadow_steps],
        help="of the training steps (default: as in the configuration)",
    )
    parser.add_argument("--shadows", type=int, default=8, help="shadow models, an even number")


def measure(case: Case) -> Iterator[dict]:
    seed, given = case.seed, case.arguments
    training, holdout, fresh = deal_panels(case, given.individuals, given.sites)
    real, n = holdout.joined_with(training), len(training.individuals)
    population = np.array(training.individuals.population)
    individuals = paired(training, real, seed)
    fresh_alleles = fresh.haplotypes.read(0, len(training.sites))
    for name in given.generators:
        options, _ = options_of(name, given)
        audited = derive_seed(seed, "audited")
        kind = fit_individuals(
            generator_class(name)(options), options, training, np.arange(n), audited
        )
        synthetic = draw_individuals(kind, training.sites.contig, population, audited)
        for share in given.shares:
            judged = AuditOptions(shadow_steps=share)
            models = AuditedModels({real.sites.contig: kind})
            drawn = replace(training, haplotypes=ArrayHaplotypes(synthetic))
            started = time.process_time()
            work = ShadowWork(models, [(drawn, real)], individuals, judged, seed)
            known = make_shadows(given.shadows, work)
            spent = time.process_time() - started
            estimated = given.shadows * seconds(kind, n, len(real.sites), share)
            for label, alleles in {name: synthetic, "fresh individuals": fresh_alleles}.items():
                drawn = replace(training, haplotypes=ArrayHaplotypes(alleles))
                rows = attack(drawn, real, individuals, judged, seed, shadows=known)
                yield {
                    "individuals": n, "sites": len(real.sites), "generator": name,
                    "audited": label, "stacked": rows[AttackId.STACKED].value,
                    "with_shadows": rows[AttackId.SHADOWS].value,
                    "worst": rows[AttackId.WORST].value,
                    "worst_low": rows[AttackId.WORST].low,
                    "worst_high": rows[AttackId.WORST].high,
                    "share": share, "estimated_seconds": round(estimated),
                    "seconds": round(spent),
                }  # fmt: skip
