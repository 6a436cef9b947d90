"""A model of a larger panel adapted to a small cohort, against training from scratch and mosaics.

    python benchmarks/transfer.py \
        --variants shared/data/human/1kgp_phase3_chr1_DPYD_2504.GRCh37.vcf.gz --contig 1 \
        --samples shared/data/labels/integrated_call_samples_v3.20130502.ALL.panel \
        --region 97550000-97750000 \
        --base CEU,FIN,IBS,TSI --target GBR --train 60 --seeds 3

The base model is trained on all individuals of the base populations. Of the target population
`--train` individuals train and the others are held out; a seed is one such division. All rows are
at the sites that the base model knows and that have two carriers among the training individuals.
Columns as in small_cohorts.py; `base` is the other model as it is, without a step of adaptation.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np
from small_cohorts import COLUMNS, Halves

from genoloom.config import PrepareOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.sheets import read_sheet
from genoloom.models.haplotype.layout import match_sites
from genoloom.models.haplotype.mosaic import MosaicGenerator
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.panel import allele_counts
from genoloom.seeds import derive_seed
from genoloom.stages.prepare import prepare
from genoloom.stages.train import training_haplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import MosaicOptions, TransformerOptions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=Path, required=True)
    parser.add_argument(
        "--samples", type=Path, required=True, help="sheet with sample, pop and gender"
    )
    parser.add_argument("--map", type=Path)
    parser.add_argument("--contig", required=True)
    parser.add_argument("--region", help="START-END")
    parser.add_argument("--base", required=True, help="populations of the base model")
    parser.add_argument("--base-steps", type=int)
    parser.add_argument("--target", required=True)
    parser.add_argument("--train", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        panel = whole_panel(arguments, Path(folder))
        population = np.array(panel.individuals.population)
        others = panel.take_individuals(
            np.flatnonzero(np.isin(population, arguments.base.split(",")))
        )
        others = others.take_sites(carried(others))
        started = time.process_time()
        base = TransformerGenerator(TransformerOptions(steps=arguments.base_steps))
        fit(base, training_haplotypes(others, 0.1, 1), Path(folder) / "base", 1)
        print(
            f"# base: {len(others.individuals)} individuals, {len(others.sites)} sites, "
            f"{time.process_time() - started:.0f} CPU s",
            flush=True,
        )
        print(*COLUMNS, sep="\t", flush=True)
        own = np.flatnonzero(population == arguments.target)
        for seed in range(1, arguments.seeds + 1):
            shuffled = np.random.default_rng(derive_seed(seed, "division")).permutation(own)
            train = panel.take_individuals(np.sort(shuffled[: arguments.train]))
            shared, index = match_sites(train.sites.keys(), others.sites.keys())
            kept = np.isin(shared, carried(train))
            shared, index = shared[kept], index[kept]
            held = panel.take_individuals(np.sort(shuffled[arguments.train :])).take_sites(shared)
            halves = Halves(train.take_sites(shared), held, seed)
            print(
                f"# {len(train.individuals)} individuals train, {len(held.individuals)} are held "
                f"out, {len(shared)} sites",
                flush=True,
            )
            for name, generator in cases(base, index):
                state = Path(folder) / f"{name}.{seed}"
                started = time.process_time()
                fit(generator, halves.data, state, seed)
                row = {"case": name, "seed": seed, "seconds": time.process_time() - started}
                row |= halves.figures(generator, name, seed)
                print(
                    *(
                        f"{row[c]:.4f}" if isinstance(row.get(c), float) else row.get(c, "")
                        for c in COLUMNS
                    ),
                    sep="\t",
                    flush=True,
                )


def cases(base: TransformerGenerator, index: np.ndarray):
    """Names and generators that are not fitted yet."""
    for name, options in {"base": {"steps": 1, "learning_rate": 1e-12}, "adapted": {}}.items():
        generator = TransformerGenerator(TransformerOptions(**options))
        generator.start_from(base, index)
        yield name, generator
    yield "scratch", TransformerGenerator(TransformerOptions())
    for segment in (0.1, 0.03, 0.01):
        yield f"mosaic:segment_cm={segment}", MosaicGenerator(MosaicOptions(segment_cm=segment))


def fit(generator, data, state: Path, seed: int) -> None:
    generator.fit(
        data,
        TrainingRun(
            state_dir=state, digest="", seed=derive_seed(seed, state.name), label=state.name
        ),
    )


def carried(panel) -> np.ndarray:
    """Sites whose minor allele has two copies."""
    alternate, called = allele_counts(panel)
    return np.flatnonzero(np.minimum(alternate, called - alternate) >= 2)


def whole_panel(arguments, folder: Path):
    """The panel of everybody, from the sheet as the 1000 Genomes Project publishes it."""
    rows = [row for _, row in read_sheet(arguments.samples)]
    with open(folder / "samples.tsv", "w", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t")
        writer.writerow(["individual", "population", "sex"])
        writer.writerows([row["sample"], row["pop"], row["gender"]] for row in rows)
    region = arguments.region and tuple(int(part) for part in arguments.region.split("-"))
    prepare(
        variants=arguments.variants, contig=arguments.contig, out=folder / "panel",
        options=PrepareOptions(),
        samples=folder / "samples.tsv", genetic_map=arguments.map, region=region,
    )  # fmt: skip
    return open_panel(folder / "panel")


if __name__ == "__main__":
    main()
