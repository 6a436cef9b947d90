"""What shadow models add to the audit, and whether they accuse anybody where nothing leaks.

    python benchmarks/shadow_models.py --seeds 3
    python benchmarks/shadow_models.py --generators transformer --steps 1500 --shadows 4 --seeds 1

The real people of every population are dealt into training, held-out and fresh people. Each generator is fitted to the
training people and its sample audited with shadow models of its kind; so are the fresh people (`fresh people`), whom no attack
may tell from chance. Columns: AUC of the stacked attacker without and with shadow models, and the lower bound of the worst figure.
"""

import argparse
import logging
import sys
from dataclasses import replace

import numpy as np
from haplotype_sets import SETS, add_places, open_set
from referee import deal_panels

from genoloom.config import AuditOptions, TrainSections
from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.models.haplotype import GENERATORS, generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import ArrayHaplotypes, Panel
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.audit import AuditData, audit
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.stages.shadows import make_shadows, sample_people
from genoloom.stages.train import genetic_positions
from genoloom.validation.cohorts import compare

log = logging.getLogger("shadow models")
COLUMNS = [
    "set",
    "people",
    "sites",
    "seed",
    "generator",
    "audited",
    "stacked",
    "with_shadows",
    "worst",
    "worst_low",
    "worst_high",
]
WINDOWS, HAPLOTYPE_WINDOWS = [200, 400, 800], [20, 100]


def main() -> int:
    arguments = _parse()
    configure_logging()
    logging.getLogger("genoloom").setLevel(logging.ERROR)
    panel = open_set(arguments.set, arguments.data)
    rows = []
    for seed in range(1, arguments.seeds + 1):
        training, held, fresh = deal_panels(panel, arguments.people, arguments.sites, "training", seed)
        for name in arguments.generators:
            options = getattr(TrainSections(), name)
            if arguments.steps and "steps" in type(options).model_fields:
                options = options.model_copy(update={"steps": arguments.steps})
            kind = generator_class(name)(options)
            population = np.array(training.people.population)
            made = sample_people(kind, training, np.arange(len(population)), population, derive_seed(seed, "audited"))
            for audited, alleles in {name: made, "fresh people": fresh.haplotypes.read(0, len(training.sites))}.items():
                rows.append({"set": arguments.set, "seed": seed, "generator": name, "audited": audited})
                rows[-1] |= judge(kind, alleles, training, held, arguments.shadows, seed)
                log.info("seed %d, shadows of %s: %s done", seed, name, audited)
                write_table(arguments.out, COLUMNS, rows)
    print(as_text([{c: f"{v:.3f}" if isinstance(v := row[c], float) else v for c in COLUMNS} for row in rows], COLUMNS))
    return 0


def judge(kind: HaplotypeGenerator, alleles: np.ndarray, training: Panel, held: Panel, shadows: int, seed: int) -> dict:
    """The row of one sample, int8 (n_variants, 2 * n_people), of people in the order of the training people."""
    real = held.beside(training)
    roles = ["holdout"] * len(held.people) + ["train"] * len(training.people)
    people = compare(training.people, real.people, roles, 0, seed)
    made = replace(training, haplotypes=ArrayHaplotypes(alleles))
    data = AuditData(people, WINDOWS, HAPLOTYPE_WINDOWS)
    data.add(made, real, genetic_positions(real.sites))
    known = make_shadows(shadows, {real.sites.contig: kind}, [(made, real)], people, WINDOWS, HAPLOTYPE_WINDOWS, seed)
    options = AuditOptions()
    found = audit(data, "made", "generator", options.bootstrap, options.max_auc, seed, shadows=known)
    row = {r["attack"]: r for r in found.private if r["population"] == "all"}
    return {
        "people": people.n, "sites": len(real.sites), "stacked": row[AttackId.STACKED]["value"], "with_shadows": row[AttackId.SHADOWS]["value"],
        "worst": row[AttackId.WORST]["value"], "worst_low": row[AttackId.WORST]["low"], "worst_high": row[AttackId.WORST]["high"],
    }  # fmt: skip


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="demo", help="data set (default: the shipped one)")
    parser.add_argument("--people", type=int, default=99, help="people a group, at most")
    parser.add_argument("--sites", type=int, help="the first so many sites (default: all)")
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=["independent", "markov", "mosaic"])
    parser.add_argument("--steps", type=int, help="training steps of generators that have them (default: their own)")
    parser.add_argument("--shadows", type=int, default=8, help="shadow models, an even number")
    parser.add_argument("--seeds", type=int, default=3)
    add_places(parser, "shadow_models.tsv")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
