"""Planted switch errors: how well `genoloom score --switches` finds them on real held-out
individuals. Prints the ROC.

    python benchmarks/switch_errors.py --variants resources/demo/eur300.chr20_1-2Mb.vcf.gz \
        --samples resources/demo/samples.tsv \
        --map resources/demo/chr20.b37.gmap.gz

A transformer is trained on one half of the individuals. In everybody of the other half the two
haplotypes are exchanged from one random heterozygous site on. A block's score is the larger
log-odds of its two ends; positive is the block that holds the planted switch, negative are all
blocks two and more away that hold a heterozygous site. The real data have switch errors of their
own (they were phased statistically), which count as false positives here.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from genoloom.config import PrepareOptions, SplitOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.panel import ArrayHaplotypes, allele_counts
from genoloom.seeds import derive_seed
from genoloom.stages.prepare import prepare
from genoloom.stages.split import split
from genoloom.stages.train import training_haplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions

FALSE_POSITIVE_RATES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--map", type=Path)
    parser.add_argument("--contig", default="20")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    print(
        "seed",
        "individuals",
        "auc",
        *(f"tpr@{rate:g}" for rate in FALSE_POSITIVE_RATES),
        "best_in_individual",
        sep="\t",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        prepare(
            variants=arguments.variants, contig=arguments.contig, out=folder / "panel",
            options=PrepareOptions(),
            samples=arguments.samples, genetic_map=arguments.map,
        )  # fmt: skip
        panel = open_panel(folder / "panel")
        for seed in range(1, arguments.seeds + 1):
            split(
                panels=[folder / "panel"], out=folder / "split.tsv",
                summary=folder / "summary.json",
                options=SplitOptions(), seed=seed,
            )  # fmt: skip
            role = np.array(read_roles(folder / "split.tsv", panel.individuals))
            print(seed, *measure(panel, role, seed), sep="\t", flush=True)


def measure(panel, role: np.ndarray, seed: int) -> list:
    training = panel.take_individuals(np.flatnonzero(role == "train"))
    alternate, called = allele_counts(training)
    modelled = np.flatnonzero(np.minimum(alternate, called - alternate) >= 2)
    data = training_haplotypes(training.take_sites(modelled), 0.1, seed)
    generator = TransformerGenerator(TransformerOptions())
    with tempfile.TemporaryDirectory() as state:
        generator.fit(
            data,
            TrainingRun(
                state_dir=Path(state),
                digest="",
                seed=derive_seed(seed, "train"),
                label="transformer",
            ),
        )

    held = panel.take_individuals(np.flatnonzero(role == "holdout")).take_sites(modelled)
    alleles = held.haplotypes.read(0, len(modelled)).copy()
    n_individuals, block = alleles.shape[1] // 2, generator.options.block_size
    heterozygous = (alleles[:, 0::2] != alleles[:, 1::2]) & (alleles >= 0).reshape(
        len(alleles), -1, 2
    ).all(axis=2)
    rng = np.random.default_rng(derive_seed(seed, "planted"))
    planted = np.array(
        [rng.choice(np.flatnonzero(heterozygous[:, i])) for i in range(n_individuals)]
    )
    for i, at in enumerate(planted):
        alleles[at:, [2 * i, 2 * i + 1]] = alleles[at:, [2 * i + 1, 2 * i]]
    population = np.repeat([data.population_names.index(p) for p in held.individuals.population], 2)
    odds = np.zeros(
        (n_individuals, generator.tokenizer.n_blocks + 1)
    )  # of the left end of each block
    for variant, values in generator.switch_log_odds(ArrayHaplotypes(alleles), population):
        odds[:, variant // block] = values
    score = np.maximum(odds[:, :-1], odds[:, 1:])
    starts = np.arange(0, len(alleles), block)
    # (n_individuals, n_blocks)
    informative = np.add.reduceat(heterozygous.astype(int), starts, axis=0).T > 0
    away = np.abs(np.arange(score.shape[1])[None, :] - (planted // block)[:, None])
    used = informative & ((away == 0) | (away > 1))
    false_positive, true_positive, _ = roc_curve(away[used] == 0, score[used])
    best = (
        away[np.arange(n_individuals), np.where(used, score, -np.inf).argmax(axis=1)] == 0
    ).mean()
    rates = [
        true_positive[np.searchsorted(false_positive, rate, side="right") - 1]
        for rate in FALSE_POSITIVE_RATES
    ]
    return [
        n_individuals,
        *(f"{value:.3f}" for value in [roc_auc_score(away[used] == 0, score[used]), *rates, best]),
    ]


if __name__ == "__main__":
    main()
