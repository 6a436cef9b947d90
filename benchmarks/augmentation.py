"""Do synthetic individuals of a small group help a classifier of ancestry? And do they do so better
than cheaper remedies?

    python benchmarks/augmentation.py --set 805 --few 20 --seeds 1 2 3 \
        --generators independent matched_mosaic transformer gan

Individuals in halves. Of the smallest population of the training half that has more than `--few`
individuals only so many are kept, and all individuals of the others; generators learn from exactly
these. The classifier (logistic regression on 20 principal components of what it is trained on) is
tested on the held-out half.

Rows: `few`, the training individuals as they are; `all`, with the individuals that were taken away
(what could be had at best); the remedies that need no generator: `weighted`, every population with
equal weight, and `copies`, the few individuals again and again; and each generator, whose synthetic
individuals of that population are as many as were taken away, and so are the copies. Columns:
recall of the small population, accuracy on the others, balanced accuracy.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from haplotype_sets import SETS, add_places, make_panel
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from transfer import carried

from genoloom.config import SplitOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import write_table
from genoloom.models.haplotype import GENERATORS, generator_class
from genoloom.models.haplotype.base import SampleRequest
from genoloom.panel import Panel
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed, row_seeds
from genoloom.stages.split import split
from genoloom.stages.train import training_haplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import TrainSections

COMPONENTS = 20
COLUMNS = ["set", "seed", "few", "population", "row", "added", "recall", "others", "balanced"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=SETS, default="demo")
    parser.add_argument(
        "--few", type=int, default=20, help="individuals left of the smallest population"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument(
        "--generators",
        nargs="+",
        choices=list(GENERATORS),
        default=["independent", "matched_mosaic", "transformer"],
    )
    add_places(parser, "augmentation.tsv")
    arguments = parser.parse_args()
    done = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SETS[arguments.set].contig
        make_panel(arguments.set, arguments.data, path)
        panel = open_panel(path)
        for seed in arguments.seeds:
            table = Path(folder) / f"split.{seed}.tsv"
            split(
                panels=[path],
                out=table,
                summary=table.with_suffix(".json"),
                options=SplitOptions(),
                seed=seed,
            )
            roles = np.array(read_roles(table, panel.individuals))
            for row in measure(panel, roles, arguments, seed):
                done.append({"set": arguments.set, "seed": seed, "few": arguments.few, **row})
                write_table(arguments.out, COLUMNS, done)
    print(as_text([{c: str(row[c]) for c in COLUMNS} for row in done], COLUMNS))


def measure(
    panel: Panel, roles: np.ndarray, arguments: argparse.Namespace, seed: int
) -> Iterator[dict]:
    """The rows of one split; `roles` (n_individuals,) are "train" or "holdout"."""
    population = np.array(panel.individuals.population)
    train, held = np.flatnonzero(roles == "train"), np.flatnonzero(roles == "holdout")
    names, size = np.unique(population[train], return_counts=True)
    larger = np.flatnonzero(size > arguments.few)
    if not len(larger):
        raise SystemExit(f"--few {arguments.few}: no population has so many training individuals")
    small = names[larger[size[larger].argmin()]]
    own = np.random.default_rng(derive_seed(seed, "few")).permutation(
        train[population[train] == small]
    )
    kept = np.sort(np.concatenate([own[: arguments.few], train[population[train] != small]]))
    training = panel.take_individuals(kept)
    sites = carried(training)
    training = training.take_sites(sites)
    few, few_population = dosages(training.haplotypes.read(0, len(sites))), population[kept]
    test = (
        dosages(panel.take_individuals(held).take_sites(sites).haplotypes.read(0, len(sites))),
        population[held],
    )
    added = len(own) - arguments.few
    filled = np.concatenate([few_population, np.repeat(small, added)])

    def row(name: str, x: np.ndarray, label: np.ndarray, weight: str | None = None) -> dict:
        recall, others, balanced = scores((x, label), test, small, weight)
        return {
            "population": small,
            "row": name,
            "added": len(x) - len(few),
            "recall": f"{recall:.3f}",
            "others": f"{others:.3f}",
            "balanced": f"{balanced:.3f}",
        }

    everybody = panel.take_individuals(train).take_sites(sites)
    yield row("few", few, few_population)
    yield row("all", dosages(everybody.haplotypes.read(0, len(sites))), population[train])
    yield row("weighted", few, few_population, "balanced")
    again = np.resize(few[few_population == small], (added, len(sites)))
    yield row("copies", np.concatenate([few, again]), filled)
    data = training_haplotypes(training, TrainSections().common.validation_fraction, seed)
    for name in arguments.generators:
        generator = generator_class(name)(getattr(TrainSections(), name))
        with tempfile.TemporaryDirectory() as state:
            generator.fit(data, TrainingRun(Path(state), "", derive_seed(seed, name), label=name))
        label = np.repeat(data.population_names.index(small), 2 * added)
        request = SampleRequest(label, row_seeds(seed, [str(i) for i in range(2 * added)]))
        made = dosages(np.concatenate(list(generator.sample(request))))
        yield row(name, np.concatenate([few, made]), filled)


def dosages(alleles: np.ndarray) -> np.ndarray:
    """Alternate alleles of individuals, float32 (n_individuals, n_sites), of haplotypes (n_sites,
    n_haplotypes); missing as the reference.
    """
    alleles = np.maximum(alleles, 0)
    return (alleles[:, 0::2] + alleles[:, 1::2]).T.astype(np.float32)


def scores(train: tuple, test: tuple, small: str, weight: str | None) -> tuple[float, float, float]:
    """Recall of the small population, accuracy on the others, and balanced accuracy; dosages
    (n_individuals, n_sites) and labels each.
    """
    components = PCA(COMPONENTS, svd_solver="randomized", random_state=1).fit(train[0])
    model = LogisticRegression(max_iter=2000, class_weight=weight).fit(
        components.transform(train[0]), train[1]
    )
    right, own = model.predict(components.transform(test[0])) == test[1], test[1] == small
    recalls = [right[test[1] == name].mean() for name in np.unique(test[1])]
    return float(right[own].mean()), float(right[~own].mean()), float(np.mean(recalls))


if __name__ == "__main__":
    main()
