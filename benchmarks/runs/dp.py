"""Privacy modes for a private cohort: fidelity and leak against epsilon.

    python -m benchmarks dp --set dpyd-slice-26 --cohort FIN:CEU,PEL:MXL,JPT:CHB --seeds 1-3

The cohort are all individuals of some populations of a set, half of whom train; everybody else is
public (or `--public` of them, those that stand for the cohort's populations first). Rows: what
real individuals score; the generator in modes `none`, `public`, and `statistics` for each epsilon
and without noise; and, from those that stand for the cohort: public individuals as if they were
synthetic, a mosaic of them, and independent sites with noised frequencies of the cohort at each
epsilon. Noise is of the seed. `blocks` is how far frequencies of blocks of 16 sites are from those
of the held-out individuals: the root of the squared distance of a block, mean over blocks and
populations.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.options import add_shared
from benchmarks.runner import Case, judge_samples, train_model, write_panel
from genoloom.cohort import parse_labels
from genoloom.config import CohortOptions, GenerateOptions, SplitOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.models.haplotype.packed_haplotypes import majority
from genoloom.panel import ArrayHaplotypes, Individuals, Panel
from genoloom.privacy.accounting import mu_of
from genoloom.privacy.gaussian_mechanism import NoiseKey, noised_sum
from genoloom.seeds import derive_seed
from genoloom.stages.cohort import make_cohort
from genoloom.stages.cohort_statistics import measure_cohort
from genoloom.stages.generate import generate
from genoloom.stages.split import split
from genoloom.training_config import CopyingNetworkOptions, MatchedMosaicOptions

DELTA = 1e-5
BLOCK = 16  # sites
COLUMNS = (
    "cohort generator epsilon delta sites training public blocks ld_r2 lost pca aats_truth "
    "aats_synth classifier local_attack worst_attack attack"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["dpyd-slice-26"], seeds="1", n_permutations=2, threads=1)
    add_shared(parser, steps=CopyingNetworkOptions().steps, sites=None)
    parser.add_argument(
        "--cohort",
        default="FIN:CEU,PEL:MXL,JPT:CHB",
        help="private populations, and the public one that stands for each (default: %(default)s)",
    )
    parser.add_argument("--public", type=int, help="public individuals, at most")
    parser.add_argument(
        "--epsilons", type=float, nargs="+", default=[1, 3, 8], help="(default: 1 3 8)"
    )


def measure(case: Case) -> Iterator[dict]:
    arguments, contig = case.arguments, case.prefix.name
    labels = parse_labels(arguments.cohort, sorted(set(case.population)))
    place = arguments.work / "dp" / case.set / "-".join(labels) / f"seed{case.seed}"
    private, public, near = (place / n / contig for n in ("private", "public", "near"))
    whole, table = case.panel, place / "split.tsv"
    if arguments.sites:
        whole = whole.take_sites(np.arange(min(arguments.sites, len(whole.sites))))
    ours = np.isin(case.population, list(labels))
    write_panel(whole.take_individuals(np.flatnonzero(ours)), private)
    theirs = _public(case, ours, labels)
    write_panel(whole.take_individuals(theirs), public)
    _divide(private, table, case.seed)
    cohort = open_panel(private)
    roles = np.array(read_roles(table, cohort.individuals))
    trains = cohort.take_individuals(np.flatnonzero(roles == "train"))
    counted = Counter(trains.individuals.population)
    size, mix = len(trains.individuals), ",".join(f"{p}:{n}" for p, n in sorted(counted.items()))
    common = {
        "cohort": arguments.cohort, "sites": len(whole.sites), "training": size,
        "public": len(theirs),
    }  # fmt: skip

    def judged(name: str, samples: Path, epsilon: float | None = None) -> list[dict]:
        rows = judge_samples(case, name, samples, private, table)
        told = {"epsilon": epsilon, "delta": DELTA if epsilon else None}
        rows[-1] |= told | {"blocks": block_error(open_panel(samples), cohort, roles)}
        return [common | row for row in rows]

    options, text = CopyingNetworkOptions(steps=arguments.steps), arguments.cohort
    stood_in = _renamed(whole, case.population, theirs, labels)
    write_panel(_sample(stood_in, counted, case.seed), near)
    yield from judged("public individuals", near)
    model = train_model(
        case, "copying_network", options, place / "none", panel=private, split=table
    )
    yield judged("mode none", _sampled(case, model, table, size, mix))[-1]
    asked: list[tuple[str, float | None]] = [("mode public", None)]
    asked += [("mode statistics", epsilon) for epsilon in arguments.epsilons]
    for name, epsilon in [*asked, ("counts without noise", None)]:
        folder = place / f"{name} {epsilon or ''}".strip().replace(" ", "_")
        whose = {
            "panel": public, "split": None, "privacy_mode": "public", "populations": text,
        }  # fmt: skip
        if name != "mode public":
            shutil.rmtree(folder, ignore_errors=True)
            statistics = place / "statistics" / f"{folder.name}.safetensors"
            measure_cohort(
                panels=[private], templates=[public], split=table, out=statistics,
                budget=folder / "budget" / "budget.json", epsilon=epsilon, delta=DELTA,
                populations=text, noise="seed", seed=case.seed,
            )  # fmt: skip
            whose |= {"privacy_mode": "statistics", "statistics": statistics}
        model = train_model(case, "copying_network", options, folder, **whose)
        samples = _sampled(case, model, None, size, mix)
        yield judged(name, samples, epsilon)[-1]
    for epsilon in arguments.epsilons:
        made = _independent(trains, list(labels), epsilon, case.seed)
        write_panel(made, place / f"independent{epsilon:g}" / contig)
        name = "noised independent sites"
        yield judged(name, place / f"independent{epsilon:g}" / contig, epsilon)[-1]
    source = place / "mosaic_of" / contig
    write_panel(stood_in, source)
    everybody = source.with_name("split.tsv")
    _divide(source, everybody, case.seed, holdout=0.01, kinship=False)
    model = train_model(
        case, "matched_mosaic", MatchedMosaicOptions(), place / "mosaic", panel=source,
        split=everybody,
    )  # fmt: skip
    samples = _sampled(case, model, everybody, size, mix)
    yield judged("mosaic of public individuals", samples)[-1]


def block_error(made: Panel, cohort: Panel, roles: np.ndarray) -> float:
    """Distance of the frequencies of blocks of 16 sites from those of held-out individuals; sites
    that were not made are taken to be of the more frequent allele.
    """
    held = cohort.take_individuals(np.flatnonzero(roles == "holdout"))
    real = held.haplotypes.read(0, len(held.sites))
    at = {key: i for i, key in enumerate(held.sites.keys())}
    alleles = np.repeat(majority(real)[:, None], made.haplotypes.n_haplotypes, axis=1)
    alleles[[at[key] for key in made.sites.keys()]] = made.haplotypes.read(0, len(made.sites))
    groups = [np.repeat(np.array(x.individuals.population), 2) for x in (made, held)]
    both, found = np.concatenate([alleles, real], axis=1), []
    for block in np.split(both, np.arange(BLOCK, len(both), BLOCK)):
        _, place = np.unique(block, axis=1, return_inverse=True)
        place, n = place.ravel(), place.max() + 1
        for name in np.unique(groups[1]):
            parts = np.split(place, [alleles.shape[1]])
            first, second = (
                np.bincount(part[group == name], minlength=n) / max(1, (group == name).sum())
                for part, group in zip(parts, groups, strict=True)
            )
            found.append(np.sqrt(((first - second) ** 2).sum()))
    return float(np.mean(found))


def _divide(panel: Path, table: Path, seed: int, **options) -> None:
    facts, asked = table.with_suffix(".json"), SplitOptions(**options)
    split(panels=[panel], out=table, summary=facts, options=asked, seed=seed)


def _sampled(case: Case, model: Path, table: Path | None, size: int, mix: str) -> Path:
    """Individuals of a model; the prefix of their files."""
    cohort, out = model.with_name("cohort.tsv"), model.with_name(f"{case.prefix.name}.bcf")
    asked = CohortOptions(size=size, populations=mix)
    make_cohort(model=model, split=table, out=cohort, options=asked, seed=case.seed)
    form, threads = GenerateOptions(format="bcf"), case.arguments.threads
    generate(model=model, cohort=cohort, out=out, options=form, seed=case.seed, threads=threads)
    return out.with_suffix("")


def _public(case: Case, ours: np.ndarray, labels: dict[str, str]) -> np.ndarray:
    """Public individuals; where not all are taken, those that stand for the cohort come first."""
    rng = np.random.default_rng(derive_seed(case.seed, "public"))
    others = rng.permutation(np.flatnonzero(~ours))
    first = np.isin(case.population[others], list(labels.values()))
    order = np.concatenate([others[first], others[~first]])
    return np.sort(order[: case.arguments.public])


def _renamed(
    whole: Panel, population: np.ndarray, theirs: np.ndarray, labels: dict[str, str]
) -> Panel:
    """Public individuals who stand for the cohort's populations, under their names; one who stands
    for two is there twice.
    """
    pairs = [(i, label) for label, name in labels.items() for i in theirs if population[i] == name]
    chosen = whole.take_individuals(np.array([i for i, _ in pairs]))
    names = [f"P{i}" for i in range(len(pairs))]
    individuals = Individuals(names, [label for _, label in pairs], ["unknown"] * len(pairs))
    return replace(chosen, individuals=individuals)


def _sample(panel: Panel, counted: Counter, seed: int) -> Panel:
    """As many of each population as train, or as there are."""
    rng, population = np.random.default_rng(seed), np.array(panel.individuals.population)
    chosen = [rng.permutation(np.flatnonzero(population == p))[:n] for p, n in counted.items()]
    return panel.take_individuals(np.sort(np.concatenate(chosen)))


def _independent(trains: Panel, names: list[str], epsilon: float, seed: int) -> Panel:
    """As many individuals as train, of sites drawn independently with noised frequencies; how many
    individuals a population has is taken for known.
    """
    alleles = trains.haplotypes.read(0, len(trains.sites))
    population = np.array(trains.individuals.population)
    dosage = (alleles[:, 0::2] + alleles[:, 1::2] - 1).T.astype(float)  # about heterozygous
    length, rng = np.sqrt(dosage.shape[1]), np.random.default_rng(seed)
    made = np.empty_like(alleles)
    for name in names:
        inside = np.flatnonzero(population == name)
        found = noised_sum(
            dosage[inside], length, mu_of(epsilon, DELTA), NoiseKey.of_seed(seed), name
        )
        frequency = np.clip(found / len(inside) / 2 + 0.5, 0, 1)
        columns = np.repeat(2 * inside, 2) + np.tile([0, 1], len(inside))
        made[:, columns] = rng.random((len(frequency), len(columns))) < frequency[:, None]
    names = [f"S{i}" for i in range(len(population))]
    individuals = Individuals(names, population.tolist(), ["unknown"] * len(names))
    return Panel(trains.sites, individuals, ArrayHaplotypes(made))
