"""What shadow models add to the audit, how long they must train for it, and whether they accuse
anybody where nothing leaks.

    python benchmarks/shadow_models.py --seeds 3
    python benchmarks/shadow_models.py --generators transformer gan --sites 1300 --shadows 4 \
        --shares 0.125 0.25 1 --seeds 2

The real individuals of every population are dealt into training, held-out and fresh individuals.
Each generator is fitted to the training individuals and its sample audited with shadow models of
its kind, which train for a share of its steps; so are the fresh individuals (`fresh individuals`),
whom no attack may distinguish from chance. Columns: AUC of the stacked attacker without and with
shadow models, the worst attack with its interval, and the CPU seconds of all shadow models
together, estimated and spent.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from haplotype_sets import SETS, add_places, open_set
from self_check import deal_panels

from genoloom.config import AuditOptions
from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.models.haplotype import GENERATORS, generator_class
from genoloom.panel import ArrayHaplotypes, Panel, genetic_positions
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.audit import audit
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.shadow_plan import seconds
from genoloom.privacy.shadows import Shadow
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.stages.audited_models import AuditedModels, window_sizes
from genoloom.stages.shadows import ShadowWork, draw_individuals, fit_individuals, make_shadows
from genoloom.training_config import TrainSections
from genoloom.validation.cohorts import Comparison, compare

log = logging.getLogger("shadow models")
COLUMNS = [
    "set",
    "individuals",
    "sites",
    "seed",
    "generator",
    "audited",
    "stacked",
    "with_shadows",
    "worst",
    "worst_low",
    "worst_high",
    "share",
    "estimated_seconds",
    "seconds",
]


def main() -> int:
    arguments = _parse()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.ERROR)
    panel = open_set(arguments.set, arguments.data)
    rows = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        training, held, fresh = deal_panels(
            panel, arguments.individuals, arguments.sites, "training", seed
        )
        for name in arguments.generators:
            options = getattr(TrainSections(), name)
            if arguments.steps and "steps" in type(options).model_fields:
                options = options.model_copy(update={"steps": arguments.steps})
            n, audited_seed = len(training.individuals), derive_seed(seed, "audited")
            kind = fit_individuals(
                generator_class(name)(options), options, training, np.arange(n), audited_seed
            )
            made = draw_individuals(
                kind, training.sites.contig, np.array(training.individuals.population), audited_seed
            )
            real = held.beside(training)
            individuals = compare(
                training.individuals, real.individuals, ["holdout"] * n + ["train"] * n, 0, seed
            )
            for share in arguments.shares:
                audit_options = AuditOptions(shadow_steps=share)
                models = AuditedModels({real.sites.contig: kind})
                drawn = replace(training, haplotypes=ArrayHaplotypes(made))
                started = time.process_time()
                known = make_shadows(
                    arguments.shadows,
                    ShadowWork(models, [(drawn, real)], individuals, audit_options, seed),
                )
                spent = time.process_time() - started
                estimated = arguments.shadows * seconds(kind, n, len(real.sites), share)
                for audited, alleles in {
                    name: made,
                    "fresh individuals": fresh.haplotypes.read(0, len(training.sites)),
                }.items():
                    rows.append(
                        {
                            "set": arguments.set,
                            "seed": seed,
                            "generator": name,
                            "audited": audited,
                            "share": share,
                        }
                    )
                    rows[-1] |= {"estimated_seconds": round(estimated), "seconds": round(spent)}
                    drawn = replace(training, haplotypes=ArrayHaplotypes(alleles))
                    rows[-1] |= judge(drawn, real, individuals, known, audit_options, seed)
                    log.info(
                        "seed %d, shadows of %s (%g of the steps): %s done",
                        seed,
                        name,
                        share,
                        audited,
                    )
                    write_table(arguments.out, COLUMNS, rows)
    print(
        as_text(
            [
                {c: f"{v:.3f}" if isinstance(v := row[c], float) else v for c in COLUMNS}
                for row in rows
            ],
            COLUMNS,
        )
    )
    return 0


def judge(
    made: Panel,
    real: Panel,
    individuals: Comparison,
    known: Sequence[Shadow],
    options: AuditOptions,
    seed: int,
) -> dict[str, float]:
    """The row of one sample of individuals in the order of the training individuals."""
    data = AuditData(individuals, *window_sizes(options))
    data.add(made, real, genetic_positions(real.sites))
    found = audit(
        data, "made", "generator", options.bootstrap, options.max_auc, seed, shadows=known
    )
    row = {r["attack"]: r for r in found.private if r["population"] == "all"}
    return {
        "individuals": individuals.n,
        "sites": len(real.sites),
        "stacked": row[AttackId.STACKED]["value"],
        "with_shadows": row[AttackId.SHADOWS]["value"],
        "worst": row[AttackId.WORST]["value"],
        "worst_low": row[AttackId.WORST]["low"],
        "worst_high": row[AttackId.WORST]["high"],
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set", choices=SETS, default="demo", help="data set (default: the shipped one)"
    )
    parser.add_argument(
        "--individuals", type=int, default=99, help="individuals per group, at most"
    )
    parser.add_argument("--sites", type=int, help="the first N sites (default: all)")
    parser.add_argument(
        "--generators", nargs="+", choices=GENERATORS, default=["independent", "markov", "mosaic"]
    )
    parser.add_argument(
        "--steps", type=int, help="training steps of generators that have them (default: their own)"
    )
    parser.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=[AuditOptions().shadow_steps],
        help="of the training steps",
    )
    parser.add_argument("--shadows", type=int, default=8, help="shadow models, an even number")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    add_places(parser, "shadow_models.tsv")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
