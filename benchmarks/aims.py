"""What synthetic individuals should reach in medical tasks, and what one generator reached."""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from benchmarks.views import LEARNERS, RESULTS, farthest, markdown, of_populations
from genoloom.formats.tables import read_table
from genoloom.treatment.study import CONTROLS

GENERATOR = "copying_network"
VARIANTS = (  # a generator, how it is shown, and the end of the names of its tables
    (GENERATOR, "", ""),
    ("transformer", ", transformer", ""),
    ("transformer", ", anchored transformer", ".anchored"),
)
MORE = math.inf
CLOPIDOGREL, GENES = "treatment_effects", "pharmacogenes"
TASKS = "utility_tasks.copying_network"
OF_TASKS = {  # what is shown, the cells of its rows, least and most
    "imputation, ratio of dosage r2, 20-50 %": ("dosage_r2", "20-50%", "ratio", 0.97, MORE),
    "imputation, ratio of dosage r2, 5-20 %": ("dosage_r2", "5-20%", "ratio", 0.97, MORE),
    "imputation, ratio of dosage r2, 0.5-1 %": ("dosage_r2", "0.5-1%", "ratio", 0.9, MORE),
    "association, slope": ("effect_slope", "all", "value", 0.95, 1.05),
    "association, lambda of null traits": ("null_lambda", "all", "value", 0.98, 1.02),
    "scores, ratio of r2": ("score_r2", "all", "ratio", 0.95, MORE),
    "ancestry, ratio of accuracy": ("balanced_accuracy", "all", "ratio", 0.97, MORE),
}


def aims() -> list[str]:
    """A line for each aim: median and range over splits, and whether the median is within it."""
    return markdown([*_effects(), *_diplotypes(), *_tasks(), *_at_equal_leak(), *_scarce()])


def _line(task: str, least: float, most: float, values: list[float]) -> dict[str, str]:
    middle = float(np.median(values))
    return {
        "task": task,
        "aim": (
            f"from {least:g} " * (most == MORE or least > 0) + f"up to {most:g}" * (most < MORE)
        ).strip(),
        "median": f"{middle:.4g}",
        "range": f"{min(values):.4g} to {max(values):.4g}" if len(values) > 1 else "",
        "splits": str(len(values)) if len(values) > 1 else "",
        "reached": "yes" if least <= middle <= most else "no",
    }


def _values(name: str, column: str, **where: str) -> list[float]:
    rows = read_table(RESULTS / f"{name}.tsv")
    chosen = (row for row in rows if all(row[key] == value for key, value in where.items()))
    return [float(row[column]) for row in chosen if row[column]]


def _effects() -> Iterator[dict[str, str]]:
    """Errors of individual effects, and of the negative control that is nearest to real data."""
    trials = {
        "clopidogrel": (CLOPIDOGREL, "ratio", {}),
        "warfarin": (GENES, "value", {"metric": "root_pehe_ratio"}),
    }
    learners = LEARNERS[:-1]  # without the constant effect
    for trial, (name, column, where) in trials.items():
        for (generator, of, end), learner in product(VARIANTS, learners):
            ratios = _values(name + end, column, data=generator, learner=learner, **where)
            yield _line(f"{trial}{of}, ratio of root PEHE, {learner}", 0, 1.1, ratios)
        controls = (
            _values(name, column, data=control, learner=learner, **where)
            for control in CONTROLS for learner in learners
        )  # fmt: skip
        least = min(controls, key=np.median)
        yield _line(f"{trial}, ratio of root PEHE, least of negative controls", 2, MORE, least)


def _diplotypes() -> Iterator[dict[str, str]]:
    """Distances in the worst population, of medians, and haplotypes that no allele explains."""
    worst = {}
    for generator, of, end in VARIANTS:
        table = read_table(RESULTS / f"{CLOPIDOGREL}{end}.tsv")
        own = [row for row in table if row["group"] and row["tv"]]
        others = of_populations(GENES + end)
        worst[f"CYP2C19{of}"] = farthest(own, generator, "group", "tv")
        for gene in dict.fromkeys(row["gene"] for row in others):
            of_gene = [row for row in others if row["gene"] == gene]
            worst[f"{gene}{of}"] = farthest(of_gene, generator, "population", "value")
    for gene, ratio in worst.items():
        if not math.isnan(ratio):  # measured
            yield _line(f"{gene}, distance of diplotypes over that of real data", 0, 2, [ratio])
    cells = {"data": GENERATOR, "metric": "unmatched_haplotypes", "population": "all"}
    unmatched = {
        "CYP2C19": _values(CLOPIDOGREL, "unmatched", data=GENERATOR, learner="S"),
        "the other genes": _values(GENES, "value", **cells),
    }
    for gene, shares in unmatched.items():
        yield _line(f"share of impossible haplotypes, {gene}", 0, 0, shares)


def _tasks() -> Iterator[dict[str, str]]:
    for task, (metric, own, column, least, most) in OF_TASKS.items():
        cells = {"data": GENERATOR, "metric": metric, "bin": own, "population": "all"}
        method = "li_stephens" if metric == "dosage_r2" else ""
        yield _line(task, least, most, _values(TASKS, column, method=method, **cells))
    for sites, least in (("all", 0.9), ("<1%", 0.75)):
        ratio = _values("rare_imputation", "ratio", set="chr15", data=GENERATOR, bin=sites)
        yield _line(f"imputation on chr15, ratio of dosage r2, {sites}", least, MORE, ratio)


def _at_equal_leak() -> Iterator[dict[str, str]]:
    """Ratio of imputation to that of mosaics, interpolated between lengths to the same attack; a
    mosaic of one length counts as it is.
    """
    rows = [r for r in read_table(RESULTS / "rare_imputation.leak.tsv") if r["worst_attack"]]
    for mosaic, sites in product(("mosaic", "matched_mosaic"), ("all", "0.5-1%")):
        ratios = []
        for row in (r for r in rows if r["data"] == GENERATOR and r["bin"] == sites):
            cells = (row["seed"], mosaic, sites)
            pairs = sorted(
                (float(r["worst_attack"]), float(r["ratio"]))
                for r in rows if (r["seed"], r["data"], r["bin"]) == cells
            )  # fmt: skip
            of_mosaic = np.interp(float(row["worst_attack"]), *zip(*pairs, strict=True))
            ratios.append(float(row["ratio"]) / float(of_mosaic))
        yield _line(f"imputation, r2 over {mosaic} of equal leak, {sites}", 1, MORE, ratios)


def _scarce() -> Iterator[dict[str, str]]:
    """Points of balanced accuracy over no remedy, and over the better of two simple remedies."""
    tables = {"matched_mosaic": "augmentation", GENERATOR: f"augmentation.{GENERATOR}"}
    rows = {name: read_table(RESULTS / f"{table}.tsv") for name, table in tables.items()}

    def points(name: str, row: str, seeds: list[str], column: str = "balanced") -> np.ndarray:
        own = {r["seed"]: float(r[column]) for r in rows[name] if r["row"] == row}
        return np.array([100 * own[seed] for seed in seeds])

    for name, own in rows.items():
        of_few = f"{name}, relatives, everybody"
        seeds = [r["seed"] for r in own if r["row"] == of_few]
        reached, few = points(name, of_few, seeds), points(name, "few", seeds)
        weighted = points(name, "few", seeds, "balanced_weighted")
        simple = np.maximum(weighted, points("matched_mosaic", "matched_mosaic", seeds))
        yield _line(f"scarce population, {name}, points gained", 6, MORE, (reached - few).tolist())
        more = f"scarce population, {name}, points more than by equal weights or a mosaic"
        yield _line(more, 0, MORE, (reached - simple).tolist())
