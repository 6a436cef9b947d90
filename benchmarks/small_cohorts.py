"""Small cohorts: held-out bits, the classifier and the worst membership attack of haplotype
generators and their options.

    python benchmarks/small_cohorts.py --variants resources/demo/eur300.chr20_1-2Mb.vcf.gz \
        --samples resources/demo/samples.tsv \
        --map resources/demo/chr20.b37.gmap.gz --seeds 3 transformer transformer:dropout=0.3
        mosaic:segment_cm=0.02

Each case is a generator and its options. A seed makes one split into halves, the same for all
cases, and one training. Writes a tab-separated table to standard output, one row per case and seed;
`real` rows take the training individuals themselves as if they were synthetic (they are as near to
the held-out individuals as a perfect generator's rows, and give away everything), `fresh` rows take
one half of the held-out individuals against the other: what a perfect generator scores.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from genoloom.config import PrepareOptions, SplitOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.base import SampleRequest
from genoloom.panel import allele_counts
from genoloom.popgen.distances import aats_halves, hamming
from genoloom.popgen.linkage import r_squared
from genoloom.privacy.attacks import NearestNeighbours, per_individual
from genoloom.seeds import derive_seed, row_seeds
from genoloom.stages.prepare import prepare
from genoloom.stages.split import split
from genoloom.stages.train import training_haplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import TrainSections
from genoloom.validation.classifier import two_sample_auc

COLUMNS = [
    "case",
    "seed",
    "bits",
    "train_bits",
    "worst",
    "whole",
    "w200",
    "w400",
    "w800",
    "weights",
    "c2st",
    "ld",
    "lost",
    "aats_truth",
    "aats_syn",
    "seconds",
]
SIZES = [200, 400, 800]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--map", type=Path)
    parser.add_argument("--contig", default="20")
    parser.add_argument("--region", help="START-END")
    parser.add_argument("--train", type=int, help="only this many of the training individuals")
    parser.add_argument(
        "--populations", help="only individuals of these populations, comma-separated"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "cases", nargs="+", help="generator[:option=value[,option=value ...]], or fresh, real"
    )
    arguments = parser.parse_args()
    print(*COLUMNS, sep="\t", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        region = arguments.region and tuple(int(part) for part in arguments.region.split("-"))
        prepare(
            variants=arguments.variants, contig=arguments.contig, out=folder / "panel",
            options=PrepareOptions(),
            samples=arguments.samples, reference=None, genetic_map=arguments.map, region=region,
        )  # fmt: skip
        panel = open_panel(folder / "panel")
        for seed in range(1, arguments.seeds + 1):
            split(
                panels=[folder / "panel"], out=folder / "split.tsv",
                summary=folder / "summary.json",
                options=SplitOptions(), seed=seed,
            )  # fmt: skip
            halves = Halves.make(
                panel, read_roles(folder / "split.tsv", panel.individuals), arguments, seed
            )
            for case in arguments.cases:
                row = {"case": case, "seed": seed, **halves.measure(case, seed)}
                print(
                    *(
                        f"{row.get(c, ''):.4f}" if isinstance(row.get(c), float) else row.get(c, "")
                        for c in COLUMNS
                    ),
                    sep="\t",
                    flush=True,
                )


def auc(members: np.ndarray, others: np.ndarray) -> float:
    """Chance that a member scores above another."""
    return float(
        roc_auc_score(
            np.repeat([1, 0], [len(members), len(others)]), np.concatenate([members, others])
        )
    )


class Halves:
    """Training and held-out individuals of one split at the sites that are modelled."""

    def __init__(self, training, holdout, seed: int):
        self.data = training_haplotypes(training, 0.1, seed)
        self.holdout_population = np.array(
            [self.data.population_names.index(p) for p in holdout.individuals.population]
        )
        self.train = np.maximum(training.haplotypes.read(0, len(training.sites)), 0)
        self.held = np.maximum(holdout.haplotypes.read(0, len(holdout.sites)), 0)
        self.holdout = holdout

    @classmethod
    def make(cls, panel, roles: list[str], arguments, seed: int) -> "Halves":
        wanted = (
            set(arguments.populations.split(","))
            if arguments.populations
            else set(panel.individuals.population)
        )
        inside = np.array([p in wanted for p in panel.individuals.population])
        role = np.array(roles)
        train = np.flatnonzero((role == "train") & inside)
        if arguments.train:
            rng = np.random.default_rng(derive_seed(seed, "subset"))
            train = np.sort(rng.choice(train, arguments.train, replace=False))
        held = np.flatnonzero((role == "holdout") & inside)
        known = set(np.array(panel.individuals.population)[train])
        held = np.array([i for i in held if panel.individuals.population[i] in known])
        training = panel.take_individuals(train)
        alternate, called = allele_counts(training)
        modelled = np.flatnonzero(np.minimum(alternate, called - alternate) >= 2)
        return cls(
            training.take_sites(modelled), panel.take_individuals(held).take_sites(modelled), seed
        )

    def measure(self, case: str, seed: int) -> dict:
        name, _, text = case.partition(":")
        rng = np.random.default_rng(seed)
        if name == "fresh":
            half = rng.permutation(self.held.shape[1] // 2)[: self.held.shape[1] // 4]
            columns = np.isin(np.arange(self.held.shape[1]) // 2, half)
            return self.compare(self.held[:, columns], self.held[:, ~columns], seed)
        if name == "real":
            return self.compare(self.train, self.held, seed)
        options = dict(pair.split("=") for pair in text.split(",") if pair)
        section = TrainSections.model_fields[name].annotation(**options)
        generator = generator_class(name)(section)
        with tempfile.TemporaryDirectory() as state:
            started = time.process_time()
            run = TrainingRun(
                state_dir=Path(state), digest="", seed=derive_seed(seed, case), label=case
            )
            generator.fit(self.data, run)
            seconds = time.process_time() - started
        return self.figures(generator, case, seed) | {"seconds": seconds}

    def figures(self, generator, case: str, seed: int) -> dict:
        """Figures of a fitted generator: its likelihoods, and of as many samples as there are
        training rows.
        """
        n = self.train.shape[1]
        request = SampleRequest(
            self.data.population, row_seeds(seed, [str(i) for i in range(n)], case)
        )
        made = np.concatenate(list(generator.sample(request)))
        found = self.compare(made, self.held, seed)
        if generator.has_likelihood:
            held = generator.log_likelihood(
                self.holdout.haplotypes, np.repeat(self.holdout_population, 2)
            )
            trained = generator.log_likelihood(self.data.haplotypes, self.data.population)
            scale = -1 / len(made) / math.log(2)
            found |= {
                "bits": float(held.mean() * scale),
                "train_bits": float(trained.mean() * scale),
            }
            found["weights"] = auc(per_individual(trained), per_individual(held))
        return found

    def compare(self, made: np.ndarray, held: np.ndarray, seed: int) -> dict:
        """Figures of synthetic rows; members are the training individuals, others those of
        `held`.
        """
        n_held = held.shape[1]
        nearest = NearestNeighbours(n_held + self.train.shape[1], made.shape[1], SIZES)
        for start in range(0, len(made), 200):
            window = slice(start, start + 200)
            real = np.concatenate([held[window], self.train[window]], axis=1)
            nearest.add(hamming(real, made[window]), len(real))
        nearest.end_contig()
        values = []
        for scores in nearest.nearest().values():
            values.append(auc(-per_individual(scores[n_held:]), -per_individual(scores[:n_held])))
        n = min(made.shape[1], n_held) // 2 * 2
        both = np.concatenate([made[:, :n], held[:, :n]], axis=1)
        label, individual = np.repeat([1, 0], n), np.arange(2 * n) // 2
        distance = hamming(both, both)
        windows = [
            np.unique(both[i : i + 20], axis=1, return_inverse=True)[1].ravel()
            for i in range(0, len(both) - 19, 20)
        ]
        shared = sum((ids[:, None] == ids[None, :]).astype(float) for ids in windows)
        c2st = max(
            two_sample_auc(kernel, label, individual, seed) for kernel in (-distance, shared)
        )
        common = np.flatnonzero(np.abs(held.mean(axis=1) - 0.5) <= 0.45)
        ld = [[], []]
        for start in range(0, len(common), 150):
            at = common[start : start + 150]
            upper = np.triu_indices(len(at), 1)
            for k, alleles in enumerate((made, held)):
                ld[k].append(r_squared(alleles[at])[upper])
        truth, synthetic = aats_halves(distance[n:, n:], distance[:n, :n], distance[n:, :n])
        return {
            "whole": values[0], "w200": values[1], "w400": values[2], "w800": values[3],
            "worst": max(values), "c2st": c2st,
            "ld": float(np.corrcoef(np.concatenate(ld[0]), np.concatenate(ld[1]))[0, 1]),
            "lost": float(((made == 0).all(axis=1) | (made == 1).all(axis=1)).mean()),
            "aats_truth": truth, "aats_syn": synthetic,
        }  # fmt: skip


if __name__ == "__main__":
    main()
