"""Tables of the documentation, each from a table of benchmarks/results."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.runner import REAL, REFERENCE
from benchmarks.runs import peers_speed
from benchmarks.table import PROVENANCE
from genoloom.formats.tables import read_table

RESULTS = Path(__file__).resolve().parent / "results"
Column = Callable[[list[dict]], str]  # the cell of the rows of a group


def markdown(rows: Iterable[dict[str, str]]) -> list[str]:
    """The lines of a table; columns without any cell are left out."""
    rows = list(rows)
    columns = [c for c in rows[0] if any(row[c] for row in rows)]
    cells = [columns, ["---"] * len(columns), *([row[c] for c in columns] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in cells]


def number(cell: str, digits: int = 3) -> str:
    return f"{float(cell):,.{digits}f}" if cell else ""


def median(column: str, digits: int = 2, **where: str) -> Column:
    """The median of a column over the rows with these cells, of which `method` may be missing."""

    def cell(rows: list[dict]) -> str:
        own = [r[column] for r in rows if r.get(column) and all(r[k] == where[k] for k in where)]
        return number(str(np.median([float(value) for value in own])), digits) if own else ""

    return cell


def grouped(name: str, keys: dict[str, str], columns: dict[str, Column], **where: str) -> list[str]:
    """A row for each combination of keys ({title: column}) among the rows with these cells."""
    groups: dict[tuple, list[dict]] = {}
    for row in read_table(RESULTS / f"{name}.tsv"):
        if all(row[k] == v for k, v in where.items()):
            groups.setdefault(tuple(row[k] for k in keys.values()), []).append(row)
    return markdown(
        dict(zip(keys, key, strict=True)) | {title: cell(rows) for title, cell in columns.items()}
        for key, rows in groups.items()
    )


def judged(name: str, **where: str) -> list[str]:
    """Generators of a table of `haplotypes`; in brackets what held-out real individuals score."""
    rows = [
        row
        for row in read_table(RESULTS / f"{name}.tsv")
        if all(row[k] == v for k, v in where.items())
    ]
    reference = {(r["set"], r["seed"]): r for r in rows if r["generator"] == REFERENCE}

    def line(row: dict) -> dict[str, str]:
        own = reference.get((row["set"], row["seed"]), {}) if row["generator"] != REAL else {}

        def with_reference(column: str, digits: int = 3) -> str:
            real = own.get(column, "")
            text = number(row[column], digits)
            return f"{text} ({number(real, digits)})" if real and text else text

        halves = [number(row[c], 2) for c in ("aats_holdout", "aats_synthetic")]
        return {
            "set": "" if "set" in where else row["set"],
            "generator": row["generator"],
            "options": row["options"].replace(",", ", "),
            "seed": row["seed"],
            "sites": number(row.get("sites", ""), 0),
            "bits/site": number(row["bits"], 4),
            "LD r²": with_reference("ld_r2"),
            "3-point": with_reference("three_point"),
            "lost": with_reference("lost"),
            "distinct": with_reference("distinct", 1),
            "PCA": with_reference("pca"),
            "AATS halves": " / ".join(halves) if all(halves) else "",
            "TSTR": with_reference("tstr"),
            "classifier": with_reference("classifier"),
            "local attack": number(row["local_attack"]),
            "worst attack": number(row["worst_attack"]),
            "training, CPU s": number(row["train_cpu_s"], 0),
            "sampling, M/s": f"{float(row['sample_M_s']):.3g}" if row["sample_M_s"] else "",
        }

    shown = (r for r in rows if r["generator"] != REFERENCE and r["aats_holdout"])
    return markdown(line(row) for row in shown)


def first(column: str, digits: int | None = None) -> Column:
    """The cell of the first row."""
    return lambda rows: rows[0][column] if digits is None else number(rows[0][column], digits)


def by_seed(column: str, digits: int = 3) -> Column:
    """The cells of every seed, in order."""
    return lambda rows: " ".join(number(row[column], digits) for row in rows if row[column])


def ranged(column: str, digits: int = 3) -> Column:
    """The median of a column, with the least and the most."""

    def cell(rows: list[dict]) -> str:
        values = [float(row[column]) for row in rows if row.get(column)]
        if not values:
            return ""
        middle, *ends = (number(str(f(values)), digits) for f in (np.median, min, max))
        return f"{middle} ({ends[0]}-{ends[1]})" if len(values) > 1 else middle

    return cell


def splits(rows: list[dict]) -> str:
    """How many splits there are rows of."""
    return str(len({row["seed"] for row in rows}))


def embeddings() -> list[str]:
    """Medians of the haplotype GAN, by where its embeddings come from."""
    digits = {"within_w": 2, "between_w": 2, "pca_w": 4, "ld_error": 4}
    digits |= dict.fromkeys(("three_point", "classifier", "worst_attack", "critic_attack"), 3)
    columns: dict[str, Column] = {"splits": splits}
    columns |= {column: median(column, n) for column, n in digits.items()}
    return grouped("gan_embeddings", {"set": "set", "embeddings": "embeddings"}, columns)


LIKELIHOOD: dict[str, Column] = {"splits": splits, "bits/site": ranged("bits", 4)}
PANELS = {"set": "set", "": "generator", "options": "options"}
WHOLE_PANELS: dict[str, Column] = {
    "splits": splits, "bits/site": ranged("bits", 4), "LD r²": ranged("ld_r2"),
    "3-point": ranged("three_point"), "lost": ranged("lost"), "PCA": ranged("pca"),
    "PCA of a population, ratio": ranged("pca_population", 1),
    "FST of a population": ranged("fst_population", 4),
    "AATS, holdout": ranged("aats_holdout", 2), "AATS, synthetic": ranged("aats_synthetic", 2),
    "classifier": ranged("classifier"), "worst attack": ranged("worst_attack"),
    "chance": ranged("chance"), "training, CPU s": ranged("train_cpu_s", 0),
    "sampling, M/s": ranged("sample_M_s", 2),
}  # fmt: skip
LEARNERS = ("S", "T", "X", "DR", "constant effect")
BINS = ("<0.5%", "0.5-1%", "1-5%", "5-20%", "20-50%")


def effects(name: str) -> list[str]:
    """Root PEHE of learners over that of the same learner trained on real data."""
    ratios: dict[str, Column] = {"splits": splits}
    ratios |= {learner: median("ratio", learner=learner) for learner in LEARNERS}
    ratios |= {"diplotype TV": median("tv", learner="S"), "unmatched": median("unmatched", 3)}
    return without("truth", grouped(name, {"trained on": "data"}, ratios))


def without(first: str, lines: list[str]) -> list[str]:
    """The lines whose first cell is another."""
    return [line for line in lines if not line.startswith(f"| {first} ")]


def biases(rows: Iterable[tuple[str, str, str, float]]) -> list[str]:
    """How many diplotypes have a small mean error, by what the learners were trained on.

    Small is a median over splits of up to a tenth of the median effect, or one inside the range of
    the learner that was trained on real data.

    Parameters
    ----------
    rows : iterable of tuple
        What was trained on, learner, diplotype, and mean error in one split; of `truth` the effect.
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for data, learner, diplotype, value in rows:
        found.setdefault((data, learner), {}).setdefault(diplotype, []).append(value)
    effect = {d: float(np.median(own)) for d, own in found.pop(("truth", "")).items()}

    def line(data: str, learner: str, own: dict[str, list[float]]) -> dict[str, str]:
        real, bias = found["real", learner], {d: float(np.median(v)) for d, v in own.items()}
        tenth = {d for d, value in bias.items() if abs(value) <= 0.1 * abs(effect[d])}
        like = {d for d, value in bias.items() if min(real[d]) <= value <= max(real[d])}
        worst = max(bias, key=lambda d: abs(bias[d]))
        shown = worst.replace("*", "\\*")
        return {
            "trained on": data,
            "learner": learner,
            "diplotypes": str(len(bias)),
            "up to a tenth": str(len(tenth)),
            "or in the range of real": str(len(tenth | like)),
            "largest bias": f"{shown}: {bias[worst]:.1f} of {effect[worst]:.1f}",
        }

    return markdown(line(*key, own) for key, own in found.items())


def clopidogrel_bias() -> list[str]:
    """Mean errors by diplotype of CYP2C19."""
    rows = read_table(RESULTS / "treatment_effects.tsv")
    found = ((r, r["bias"] or r["effect"]) for r in rows)
    return biases((r["data"], r["learner"], r["group"], float(v)) for r, v in found if v)


def warfarin_bias() -> list[str]:
    """Mean errors by genotype of VKORC1 and diplotype of CYP2C9."""
    rows = read_table(RESULTS / "pharmacogenes.tsv")
    return biases(
        (r["data"], r["learner"], r["population"], float(r["value"]))
        for r in rows if r["metric"] in ("bias", "effect")
    )  # fmt: skip


def farthest(rows: Iterable[dict], data: str, population: str, value: str) -> float:
    """The largest ratio, over populations, of a median distance to that of real individuals in the
    same splits; nan without any.
    """
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row["data"], row[population]), {})[row["seed"]] = float(row[value])
    ratios = (
        np.median([*own.values()]) / np.median([found["real", name][seed] for seed in own])
        for (of, name), own in found.items() if of == data
    )  # fmt: skip
    return float(max(ratios, default=np.nan))


def of_populations(name: str = "pharmacogenes") -> list[dict]:
    """Distances of diplotypes by population, of all genes but CYP2C19."""
    rows = read_table(RESULTS / f"{name}.tsv")
    return [r for r in rows if r["metric"] == "diplotype_tv" and r["population"] != "all"]


def pharmacogenes() -> list[str]:
    """Distances of diplotypes and what star alleles have lost, by gene."""
    distances = of_populations()

    def worst(rows: list[dict]) -> str:
        gene, data = rows[0]["gene"], rows[0]["data"]
        own = [row for row in distances if row["gene"] == gene]
        return number(str(farthest(own, data, "population", "value")), 2)

    columns: dict[str, Column] = {"splits": splits}
    columns |= {"diplotype TV": median("value", metric="diplotype_tv", population="all")}
    columns |= {"worst population, of real": worst}
    columns |= {"phenotype TV": median("value", metric="phenotype_tv", population="all")}
    columns |= {"unmatched": median("value", 4, metric="unmatched_haplotypes")}
    columns |= {"alleles lost": median("value", 0, metric="alleles_lost")}
    lines = grouped("pharmacogenes", {"gene": "gene", "data": "data"}, columns, learner="")
    return without("warfarin", lines)


def warfarin() -> list[str]:
    """Root PEHE of learners over that of real data, and right doses."""
    columns: dict[str, Column] = {"splits": splits}
    columns |= {
        learner: median("value", metric="root_pehe_ratio", learner=learner) for learner in LEARNERS
    }
    for title, group in (("all", "all"), ("low", "low dose"), ("high", "high dose")):
        columns[f"doses within 20 %, {title}"] = median(
            "value", learner="dose regression", population=group
        )
    lines = grouped("pharmacogenes", {"trained on": "data"}, columns, gene="warfarin")
    return without("truth", lines)


def tasks(data_set: str, name: str = "utility_tasks") -> list[str]:
    """Values of the real panel, and ratios to it; the slope is the value."""

    def cell(metric: str, column: str = "ratio", **where: str) -> Column:
        def found(rows: list[dict]) -> str:
            own = "value" if rows[0]["data"] == "real" else column
            return median(own, metric=metric, population="all", **where)(rows)

        return found

    imputed = {b: cell("dosage_r2", method="li_stephens", bin=b) for b in BINS}
    others = {
        "slope": cell("effect_slope", "value", method=""),
        "score": cell("score_r2"),
        "ancestry": cell("balanced_accuracy"),
        "projection": cell("projection_r2"),
    }
    return grouped(name, {"panel": "data"}, imputed | others, set=data_set)


def rare(data_set: str, name: str = "rare_imputation") -> list[str]:
    """Dosage r2 over that of the real panel, by options of the generator and size of the panel."""
    bins = ("all", "<0.5%", "0.5-1%", "<1%", "1-5%", "5-20%", "20-50%")
    columns = {"splits": splits} | {own: median("ratio", bin=own) for own in bins}
    columns |= {"worst attack": median("worst_attack"), "chance": median("chance")}
    keys = {"panel": "data", "options": "options", "times": "factor"}
    lines = grouped(name, keys, columns, set=data_set)
    return [line for line in lines if not line.startswith("| real ")]


def leaks() -> list[str]:
    """Predicted and measured AUC of the leak budget."""

    def pair(released: str) -> Column:
        def cell(rows: list[dict]) -> str:
            row = next(row for row in rows if row["released"] == released)
            return f"{number(row['predicted'])} / {number(row['measured'])}"

        return cell

    keys = {"set": "set", "n": "individuals", "min. copies": "min_mac", "sites": "sites"}
    columns = {"effective": first("effective_sites", 0)}
    columns |= {name: pair(name) for name in ("frequencies", "individuals", "independent")}
    spread = {"largest SD": lambda rows: number(str(max(float(r["sd_of_splits"]) for r in rows)))}
    return grouped("leak_budget", keys | {"attack": "attack"}, columns | spread)


def shadows(name: str) -> list[str]:
    """The stacked attacker without and with shadow models, by their share of the steps."""
    shares = list(dict.fromkeys(r["share"] for r in read_table(RESULTS / f"{name}.tsv")))
    columns = {"stacked": first("stacked", 3)}
    columns |= {f"{share} of the steps": median("with_shadows", 3, share=share) for share in shares}
    keys = {"shadows of": "generator", "audited": "audited", "seed": "seed"}
    return grouped(name, keys, columns)


FIDELITY_AND_LEAK = {
    "blocks": "blocks", "LD r²": "ld_r2", "PCA": "pca", "classifier": "classifier",
    "local attack": "local_attack", "worst attack": "worst_attack",
}  # fmt: skip
LINKAGE = {"LD r²": "ld_r2", "PCA": "pca", "FST": "fst", "lost": "lost"}
DIPLOTYPES = {"diplotype TV": "diplotypes", "largest ratio": "diplotype_ratio", "blocks": "blocks"}


def modes(shown: dict[str, str], **where: str) -> list[str]:
    """Privacy modes and baselines; a number per seed."""
    columns = {title: by_seed(name, 4 if name == "fst" else 3) for title, name in shown.items()}
    return grouped("dp", {"": "generator", "epsilon": "epsilon"}, columns, **where)


def studies() -> list[str]:
    """Whole studies by mode, next to public individuals and mosaics of them; a cell per seed."""

    def with_interval(rows: list[dict]) -> str:
        shown = (r for r in rows if r["worst_attack"])
        numbers = ([number(r[c]) for c in ("worst_attack", "low", "high")] for r in shown)
        return " ".join(f"{value} ({low}-{high})" for value, low, high in numbers)

    def fit(rows: list[dict]) -> str:
        uses = ("frequencies", "linkage", "ancestry", "haplotypes", "rare")
        limits = [" ".join(use for use in uses if r[use] != "fit") or "none" for r in rows]
        return ", ".join(limits)

    columns: dict[str, Column] = {
        "seeds": by_seed("seed", 0),
        "exit code of the gate": by_seed("gate", 0),
        "metrics that are weak or fail": by_seed("not_passed", 0),
        "uses with limits": fit,
        "classifier, strongest of six": by_seed("classifier"),
        "- held-out individuals": by_seed("classifier_real"),
        "- which": lambda rows: ", ".join(r["strongest"] for r in rows),
        "adversarial accuracy, holdout": by_seed("aats_holdout"),
        "- synthetic": by_seed("aats_synthetic"),
        "FST of AMR": by_seed("fst_AMR", 4),
        "- reference": by_seed("fst_AMR_real", 4),
        "components, distance": by_seed("pca"),
        "- reference ": by_seed("pca_real"),
        "worst attack (interval)": with_interval,
        "- what chance exceeds": by_seed("chance"),
        "CPU s of the jobs": by_seed("cpu_s", 0),
    }
    groups: dict[str, list[dict]] = {}
    for row in read_table(RESULTS / "release_study.tsv"):
        name = f"mode `{row['mode']}`" if row["gate"] else row["data"].replace("_", " ")
        groups.setdefault(name, []).append(row)
    return markdown(
        {"": title} | {name: cell(rows) for name, rows in groups.items()}
        for title, cell in columns.items()
    )


def filled_up(name: str) -> list[str]:
    """Recall, balanced accuracy, imputation and scores, by what fills a small group up."""
    columns: dict[str, Column] = {"splits": splits}
    columns |= {
        title: median(column, 3)
        for title, column in (
            ("recall", "recall"),
            ("balanced accuracy", "balanced"),
            ("recall, equal weights", "recall_weighted"),
            ("balanced accuracy, equal weights", "balanced_weighted"),
            ("imputed dosages, r2", "dosage_r2"),
            ("scores, r2", "score_r2"),
        )
    }
    return grouped(name, {"training individuals": "row"}, columns)


def temperatures() -> list[str]:
    """The transformer by the share of augmented rows and by temperature; a number per seed."""
    columns = {"bits/site": by_seed("bits", 4), "LD r²": by_seed("ld_r2"), "lost": by_seed("lost")}
    columns |= {
        "AATS holdout": by_seed("aats_holdout", 2),
        "AATS synthetic": by_seed("aats_synthetic", 2),
    }
    columns |= {"classifier": by_seed("classifier"), "worst attack": by_seed("worst_attack")}
    keys = {"set": "set", "generator": "generator", "options": "options"}
    return grouped("haplotypes.temperature", keys, columns)


def fillings() -> list[str]:
    """Bits of the true filling, and candidates for gaps."""

    def pair(column: str, more: str, digits: int, text: str) -> Column:
        def cell(rows: list[dict]) -> str:
            a, b = (number(rows[0][c], digits) for c in (column, more))
            return text.format(a, b) if b else a

        return cell

    keys = {"`fim_rate`": "fim_rate", "gap": "gap", "": "what"}
    columns = {
        "bits per base": first("bits", 4),
        "difference to left to right": pair("difference", "difference_se", 4, "{} ± {}"),
        "effective candidates, median (mean)": pair("effective", "effective_mean", 1, "{} ({})"),
        "identity, as proposed": first("proposed", 3),
        "identity, kept": pair("kept", "kept_se", 3, "{} ± {}"),
        "CPU s per gap": first("cpu_s", 1),
    }
    return grouped("infilling", keys, columns)


def whole(name: str) -> list[str]:
    """A table as it is, without how it was measured."""
    rows = read_table(RESULTS / f"{name}.tsv")
    columns = [column for column in rows[0] if column not in PROVENANCE]
    return markdown({column.replace("_", " "): row[column] for column in columns} for row in rows)


def peers_of_speed() -> list[str]:
    """Processor seconds of each program and the ratio of ours to them, with least and most."""
    head, *lines = peers_speed.summary(read_table(RESULTS / "peers_speed.tsv")).splitlines()
    return markdown(dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines)


def slopes_of_scale() -> list[str]:
    """Lines through time by genotypes and sites, and peak memory, in the words of the page."""
    titles = {
        "stage": "stage", "program": "program", "sites": "sites", "individuals": "individuals",
        "ns_per_genotype": "ns per genotype", "us_per_site": "µs per site", "fixed_s": "fixed, s",
        "r2": "R²", "largest_residual": "largest residual", "peak_mb": "peak, MB",
    }  # fmt: skip
    rows = read_table(RESULTS / "scale.slopes.tsv")
    return markdown({title: row[c] for c, title in titles.items()} for row in rows)


VIEWS: dict[str, Callable[[], list[str]]] = {
    "treatment-effects": partial(effects, "treatment_effects"),
    "rare-events": partial(effects, "treatment_effects.events"),
    "pharmacogenes": pharmacogenes,
    "warfarin": warfarin,
    "treatment-bias": clopidogrel_bias,
    "warfarin-bias": warfarin_bias,
    "utility-dpyd": partial(tasks, "dpyd-slice"),
    "utility-copying": partial(tasks, "dpyd-slice", "utility_tasks.copying_network"),
    "utility-chr15": partial(tasks, "chr15"),
    "utility-demo": partial(tasks, "demo", "utility_tasks.demo"),
    "rare-imputation": partial(rare, "dpyd-slice"),
    "rare-imputation-chr15": partial(rare, "chr15"),
    "rare-imputation-leak": partial(rare, "dpyd-slice", "rare_imputation.leak"),
    "leak-budget": leaks,
    "shadow-models": partial(shadows, "shadow_models"),
    "shadow-shares": partial(shadows, "shadow_models.shares"),
    "augmentation": partial(filled_up, "augmentation"),
    "augmentation.copying": partial(filled_up, "augmentation.copying_network"),
    "augmentation.adapted": partial(filled_up, "augmentation.adapted"),
    "privacy-modes": partial(modes, FIDELITY_AND_LEAK, cohort="FIN:CEU,PEL:MXL,JPT:CHB"),
    "privacy-near": partial(
        modes, FIDELITY_AND_LEAK | {"chance": "chance"}, cohort="GBR:CEU,FIN:CEU,IBS:TSI"
    ),
    "privacy-diplotypes": partial(modes, DIPLOTYPES, set="cyp2c-panel"),
    "release_study": studies,
    "privacy-805": partial(modes, LINKAGE, set="805"),
    "copying-network": partial(grouped, "copying_network", PANELS, WHOLE_PANELS),
    "likelihood": partial(grouped, "copying_network.likelihood", {"set": "set"}, LIKELIHOOD),
    "adaptation": partial(grouped, "adaptation", {"case": "case"}, WHOLE_PANELS),
    "public-templates": partial(
        grouped, "dp", {"": "generator"}, WHOLE_PANELS, set="dpyd-slice", cohort="1204 of all"
    ),
    "generators-dpyd": partial(judged, "haplotypes", set="dpyd-slice"),
    "generators-demo": partial(judged, "haplotypes", set="demo"),
    "generators-805": partial(judged, "haplotypes", set="805"),
    "gan_embeddings": embeddings,
    "transformer": partial(judged, "haplotypes.transformer"),
    "anchored": partial(judged, "haplotypes.anchored"),
    "transformer-steps": partial(judged, "haplotypes.steps"),
    "temperature": temperatures,
    "infilling": fillings,
    "peers_speed": peers_of_speed,
    "scale.slopes": slopes_of_scale,
}


def view(name: str) -> list[str]:
    """A table by its name in `VIEWS`, or by that of its file."""
    return VIEWS[name]() if name in VIEWS else whole(name)
