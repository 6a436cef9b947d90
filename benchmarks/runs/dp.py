"""Privacy modes for a private cohort: fidelity and leak against epsilon.

    python -m benchmarks dp --set dpyd-slice-26 --cohort FIN:CEU,PEL:MXL,JPT:CHB --seeds 1-3
    python -m benchmarks dp --set 805 --private 1204 --seeds 1-3

The cohort are all individuals of some populations of a set, or `--private` individuals of all
populations; half of them train. Everybody else is public (or `--public` of them, the ones that
represent for the cohort's populations first). Rows: what real individuals score; the generator in
modes `none` (the twin that is not private), `public`, and `statistics` for each epsilon and without
noise; from the ones that represent the cohort, public individuals as if they were synthetic and a
mosaic of them; individuals of the public population that is nearest to each of the cohort's (by
FST); and, of the cohort alone and at each epsilon, `benchmarks.dp_baselines`. Noise is of the seed.
`blocks` is how far frequencies of blocks of 16 sites are from the frequencies in the held-out
individuals: the root of the squared distance of a block, mean over blocks and populations.
`diplotypes` is the total variation of the diplotypes of pharmacogenes, mean over genes, and
`diplotype_ratio` the largest ratio of it to that of the training individuals, of all populations.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.datasets import SETS
from benchmarks.dp_baselines import BASELINES, draw_baseline
from benchmarks.options import add_shared, options_of
from benchmarks.runner import METRICS, NO_FILES, Case, judge_samples, train_model, write_panel
from genoloom.cohort import parse_labels
from genoloom.config import CohortOptions, GenerateOptions, SplitOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_table
from genoloom.panel import Individuals, Panel, allele_counts, majority
from genoloom.popgen.structure import fst_matrix
from genoloom.seeds import derive_seed
from genoloom.stages.cohort import make_cohort
from genoloom.stages.cohort_statistics import measure_cohort
from genoloom.stages.generate import generate
from genoloom.stages.split import split
from genoloom.stages.star_alleles import star_alleles
from genoloom.training_config import CopyingNetworkOptions, MatchedMosaicOptions

DELTA = 1e-5
BLOCK = 16  # sites
COLUMNS = (
    "cohort generator epsilon delta sites training public blocks diplotypes diplotype_ratio ld_r2 "
    "lost pca fst heterozygosity pca_population fst_population aats_holdout aats_synthetic "
    "classifier local_attack worst_attack chance attack"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["dpyd-slice-26"], seeds="1", n_permutations=2, threads=1)
    add_shared(parser, steps=CopyingNetworkOptions().steps, sites=None, set_option=[])
    parser.add_argument(
        "--cohort",
        default="FIN:CEU,PEL:MXL,JPT:CHB",
        help="private populations, and the public one that represents each (default: %(default)s)",
    )
    text = "this many individuals of all populations in place of --cohort"
    parser.add_argument("--private", type=int, help=text)
    parser.add_argument("--public", type=int, help="public individuals, at most")
    parser.add_argument("--only", nargs="+", help="rows whose names begin so")
    parser.add_argument(
        "--metrics", nargs="*", choices=METRICS, default=list(METRICS),
        help="of fidelity (default: all)",
    )  # fmt: skip
    parser.add_argument("--no-audit", action="store_true", help="no attacks")
    parser.add_argument(
        "--epsilons", type=float, nargs="+", default=[1, 3, 8], help="(default: 1 3 8)"
    )


@dataclass(frozen=True)
class Study:
    """A private cohort, and everybody else as public panel.

    Attributes
    ----------
    named : str
        What the cohort is, in the table.
    labels : dict of str to str
        Its populations, and the public one that represents each.
    whole : Panel
        Everybody, at the sites that are asked for.
    theirs : ndarray of int
        The public individuals of it.
    private, public, split : Path
        Prefixes of both panels, and the table that divides the private one.
    cohort : Panel
    roles : ndarray of str
        Of the individuals of the cohort.
    """

    named: str
    labels: dict[str, str]
    whole: Panel
    theirs: np.ndarray
    private: Path
    public: Path
    split: Path
    cohort: Panel
    roles: np.ndarray

    @classmethod
    def of(cls, case: Case) -> "Study":
        arguments, whole = case.arguments, case.panel
        known = sorted(set(case.population))
        if positions := SETS[case.set].positions:
            whole = whole.take_sites(np.flatnonzero(np.isin(whole.sites.position, positions)))
        elif arguments.sites:
            whole = whole.take_sites(np.arange(min(arguments.sites, len(whole.sites))))
        if arguments.private:
            named, labels = f"{arguments.private} of all", {name: name for name in known}
            ours = dealt(case.population, arguments.private, case.seed)
        else:
            named, labels = arguments.cohort, parse_labels(arguments.cohort, known)
            ours = np.isin(case.population, list(labels))
        place = arguments.work / "dp" / case.set / named.replace(":", "-") / f"seed{case.seed}"
        private, public = (place / name / case.prefix.name for name in ("private", "public"))
        theirs, table = _public(case, ours, labels), place / "split.tsv"
        write_panel(whole.take_individuals(np.flatnonzero(ours)), private)
        write_panel(whole.take_individuals(theirs), public)
        _divide(private, table, case.seed)
        cohort = open_panel(private)
        roles = np.array(read_roles(table, cohort.individuals))
        return cls(named, labels, whole, theirs, private, public, table, cohort, roles)

    @property
    def place(self) -> Path:
        """Directory of its files."""
        return self.split.parent

    @property
    def typed(self) -> str | None:
        """Which population represents which, as an option."""
        return ",".join(f"{p}:{q}" for p, q in self.labels.items() if p != q) or None

    def with_role(self, role: str) -> Panel:
        """Individuals of the cohort who have it."""
        return self.cohort.take_individuals(np.flatnonzero(self.roles == role))


def measure(case: Case) -> Iterator[dict]:
    arguments, contig, study = case.arguments, case.prefix.name, Study.of(case)
    place, private, table, whole = study.place, study.private, study.split, study.whole
    trains, near = study.with_role("train"), study.place / "near" / contig
    counted = Counter(trains.individuals.population)
    size, mix = len(trains.individuals), ",".join(f"{p}:{n}" for p, n in sorted(counted.items()))
    common = {
        "cohort": study.named, "sites": len(whole.sites), "training": size,
        "public": len(study.theirs),
    }  # fmt: skip

    def judged(name: str, samples: Path, epsilon: float | None = None) -> list[dict]:
        asked = {"metrics": arguments.metrics, "attacked": not arguments.no_audit}
        rows = judge_samples(case, name, samples, private, table, **asked)
        named = {"epsilon": epsilon, "delta": DELTA if epsilon else None}
        rows[-1] |= named | {"blocks": block_error(open_panel(samples), study.cohort, study.roles)}
        if "cyp" in case.set:
            real, own, ratio = _diplotypes(samples, private, table)
            rows[-2]["diplotypes"] = real
            rows[-1] |= {"diplotypes": own, "diplotype_ratio": ratio}
        return [common | row for row in rows]

    def asked(name: str, epsilon: float | None = None) -> bool:
        wanted = arguments.only is None or name.startswith(tuple(arguments.only))
        named = {"epsilon": epsilon} if epsilon else {}
        return wanted and not case.has(generator=name, cohort=study.named, **named)

    options, text = options_of("copying_network", arguments)
    stood_in = _renamed(whole, case.population, study.theirs, study.labels)
    if asked("public individuals"):
        write_panel(_sample(stood_in, counted, case.seed), near)
        yield from judged("public individuals", near)
    if asked("nearest public population"):
        nearest = _nearest(trains, open_panel(study.public))
        others = _renamed(whole, case.population, study.theirs, nearest)
        write_panel(_sample(others, counted, case.seed), place / "nearest" / contig)
        yield judged("nearest public population", place / "nearest" / contig)[-1]
    if asked("mode none"):
        model = train_model(
            case, "copying_network", options, place / "none", panel=private, split=table
        )
        yield judged("mode none", _sampled(case, model, table, size, mix))[-1]
    public = f"mode public {text}".strip()
    modes: list[tuple[str, float | None]] = [(public, None)]
    modes += [("mode statistics", epsilon) for epsilon in arguments.epsilons]
    for name, epsilon in [*modes, ("counts without noise", None)]:
        if not asked(name, epsilon):
            continue
        folder = place / f"{name} {epsilon or ''}".strip().replace(" ", "_")
        whose = {
            "panel": study.public, "split": None, "privacy_mode": "public",
            "populations": study.typed,
        }  # fmt: skip
        if name != public:
            shutil.rmtree(folder, ignore_errors=True)
            statistics = place / "statistics" / f"{folder.name}.safetensors"
            measure_cohort(
                panels=[private], templates=[study.public], split=table, out=statistics,
                budget=folder / "budget" / "budget.json", epsilon=epsilon, delta=DELTA,
                populations=study.typed, noise="seed", seed=case.seed,
            )  # fmt: skip
            whose |= {"privacy_mode": "statistics", "statistics": statistics}
        model = train_model(case, "copying_network", options, folder, **whose)
        samples = _sampled(case, model, None, size, mix)
        yield judged(name, samples, epsilon)[-1]
    for name in BASELINES:
        for epsilon in arguments.epsilons:
            if asked(name, epsilon):
                synthetic = place / f"{name} {epsilon:g}".replace(" ", "_") / contig
                write_panel(draw_baseline(name, trains, epsilon, DELTA, case.seed), synthetic)
                yield judged(name, synthetic, epsilon)[-1]
    if asked("mosaic of public individuals"):
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


def block_error(synthetic: Panel, cohort: Panel, roles: np.ndarray) -> float:
    """Distance of the frequencies of blocks of 16 sites from the frequencies in held-out
    individuals; sites that are not drawn are taken to be of the more frequent allele.
    """
    holdout = cohort.take_individuals(np.flatnonzero(roles == "holdout"))
    real = holdout.haplotypes.read(0, len(holdout.sites))
    at = {key: i for i, key in enumerate(holdout.sites.keys())}
    alleles = np.repeat(majority(real)[:, None], synthetic.haplotypes.n_haplotypes, axis=1)
    alleles[[at[key] for key in synthetic.sites.keys()]] = synthetic.haplotypes.read(
        0, len(synthetic.sites)
    )
    groups = [np.repeat(np.array(x.individuals.population), 2) for x in (synthetic, holdout)]
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
    """Public individuals; where not all are taken, first those that represent the cohort."""
    rng = np.random.default_rng(derive_seed(case.seed, "public"))
    others = rng.permutation(np.flatnonzero(~ours))
    first = np.isin(case.population[others], list(labels.values()))
    order = np.concatenate([others[first], others[~first]])
    return np.sort(order[: case.arguments.public])


def _renamed(
    whole: Panel, population: np.ndarray, theirs: np.ndarray, labels: dict[str, str]
) -> Panel:
    """Public individuals who represent the cohort's populations, under their names; one who
    represents for two is there twice.
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


def dealt(population: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Private individuals, bool: `n` of all populations, in proportion."""
    order = np.random.default_rng(derive_seed(seed, "private")).permutation(len(population))
    order = order[np.argsort(population[order], kind="stable")]
    taken = np.floor(np.arange(len(order) + 1) * min(1, n / len(order))).astype(int)
    ours = np.zeros(len(order), dtype=bool)
    ours[order] = np.diff(taken) > 0
    return ours


def _nearest(trains: Panel, public: Panel) -> dict[str, str]:
    """The public population of the least FST from each of the cohort's."""
    counts, sizes, names = [], [], []
    for panel in (trains, public):
        population = np.array(panel.individuals.population)
        for name in np.unique(population):
            own = panel.take_individuals(np.flatnonzero(population == name))
            counts.append(allele_counts(own)[0])
            sizes.append(own.haplotypes.n_haplotypes)
            names.append(str(name))
    own = len(set(trains.individuals.population))
    apart = fst_matrix(np.stack(counts, axis=1), np.array(sizes))[:own, own:]
    return {name: names[own + int(p)] for name, p in zip(names, apart.argmin(axis=1), strict=False)}


def _diplotypes(samples: Path, private: Path, table: Path) -> tuple[float, float, float]:
    """Total variation of diplotypes from the held-out individuals, mean over genes: of the
    training individuals, of the synthetic ones, and the largest ratio of the two in a population.
    """
    out = samples.with_name("star_alleles.tsv")
    files = {"synthetic": [samples], "panels": [private], "split": table, **NO_FILES}
    star_alleles(comparands=files, build="GRCh37", genes=None, out=out, calls=None)
    found: dict[str, dict[str, list[float]]] = {}
    for row in read_table(out):
        if row["metric"] == "diplotype_tv":
            own = found.setdefault(row["population"], {"real": [], "synthetic": []})
            own[row["data"]].append(float(row["value"]))
    means = {name: (np.mean(x["real"]), np.mean(x["synthetic"])) for name, x in found.items()}
    real, synthetic = means.pop("all")
    ratio = max(own / real for real, own in means.values())
    return float(real), float(synthetic), float(ratio)
