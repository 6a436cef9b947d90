"""What the page shows of utility and of treatment effects: tables, and plots as SVG text."""

import numpy as np

from genoloom.popgen.frequencies import BIN_NAMES
from genoloom.report.collect import PanelData
from genoloom.report.data import DataSet, EffectMetric, TaskMetric
from genoloom.report.plots import INK, MUTED, REAL, SYNTHETIC, TRAIN, draw_axes, legend, svg
from genoloom.report.star_alleles import DISTANCES, distances, star_table

LEARNERS = ("S", "T", "X", "DR", "causal forest")
PANEL_COLOURS = {
    "real": REAL,
    "synthetic": SYNTHETIC,
    "both": TRAIN,
    "mosaic": MUTED,
    "model": "#882255",
}
OF_DR = {  # metric: what the table calls it, of the DR-learner
    "policy_value": "policy value",
    "policy_value_weighted": "policy value by weighting",
    "calibration_slope": "calibration",
    "rank_agreement": "rank agreement",
    "qini": "Qini",
}
CONTROLS = ("genotype decoupled", "main effects only", "treatment shuffled")
DATA_COLOURS = {
    "real": REAL, "genotypes": SYNTHETIC, "factorised": "#CC79A7", "joint": "#E69F00",
    **dict(zip(CONTROLS, ("#999999", "#BBBBBB", "#DDDDDD"), strict=True)),
}  # fmt: skip
METHODS = {
    "li_stephens": ("-", "o", "Li-Stephens"),
    "beagle": ("--", "s", "Beagle"),
    "minimac4": (":", "^", "minimac4"),
}
TITLES = {name: title for name, (_, _, title) in METHODS.items()} | {"logistic": "binary traits"}


def utility_view(data: DataSet, panel: PanelData, learned: list[str]) -> dict | None:
    """Tables of all generators and plots of the `learned` ones; None where nothing was run."""
    if not data.utility and not data.effects and not data.star_alleles:
        return None
    columns = list(dict.fromkeys(f.generator for f in [*data.utility, *data.effects]))
    views = []
    for name in learned:
        tasks = [f for f in data.utility if f.generator == name]
        effects = [f for f in data.effects if f.generator == name]
        stars = [f for f in data.star_alleles if f.generator == name]
        drawn = {}
        if any(f.metric == "dosage_r2" for f in tasks):
            drawn["imputation"] = imputation(tasks)
        if any(f.metric == "power" for f in tasks):
            drawn["power"] = power(tasks)
        if panel.p_values.get(name):
            drawn["qq"] = quantiles(panel.p_values[name])
        if effects:
            drawn["pehe"] = learner_bars(effects, "root_pehe_ratio", "root PEHE over real")
            drawn["policy"] = learner_bars(effects, "policy_value", "gain of the policy")
            drawn["diplotypes"] = diplotypes(effects)
        if any(f.metric in DISTANCES for f in stars):
            drawn["star_alleles"] = distances(stars)
        if drawn:
            views.append({"name": name, "plots": drawn})
    return {
        "columns": columns,
        "tasks": _task_table(data.utility, columns),
        "effects": _effect_table(data.effects),
        "learners": [*_learners(data.effects), "constant effect", "zero effect"],
        "of_dr": list(OF_DR.values()),
        "star_alleles": star_table(data.star_alleles),
        "generators": views,
        "all": [f.model_dump() for f in data.utility],
    }


def _task_table(tasks: list[TaskMetric], columns: list[str]) -> list[dict]:
    """Metrics over all individuals: of real and mosaic haplotypes, and of each generator."""
    whole = [f for f in tasks if f.population == "all"]
    found: dict[tuple, dict] = {}
    for f in whole:
        method = f", {TITLES[f.method]}" if f.method in TITLES else ""
        label = f"{f.title}{method}{f', {f.bin}' if f.bin != 'all' else ''}"
        row = found.setdefault((f.metric, f.method, f.bin), {"name": label})
        if f.panel == "synthetic":
            row[f.generator] = f
        elif f.panel in ("real", "mosaic"):
            row.setdefault(f"~{f.panel}", f)
    cells = ["~real", "~mosaic", *columns]
    return [row | {"cells": [row.get(name) for name in cells]} for row in found.values()]


def _effect_table(effects: list[EffectMetric]) -> list[dict]:
    """Root PEHE of real data, and ratios to it by generator, data and learner; controls once."""
    found: dict[tuple[str, str], dict] = {}
    errors: dict[str, float | None] = {}
    for f in effects:
        if f.group != "all":
            continue
        if (f.data, f.metric) == ("real", "root_pehe"):
            errors.setdefault(f.learner, f.value)
        shared = f.data in CONTROLS or f.data in ("real", "joint")
        row = found.setdefault(("" if shared else f.generator, f.data), {})
        if f.metric == "root_pehe_ratio" and f.learner != "zero effect":
            row.setdefault(f.learner, f.value)
        elif f.learner == "DR" and f.metric in OF_DR:
            row.setdefault(OF_DR[f.metric], f.value)
    rows = [
        row | {"generator": who, "data": data}
        for (who, data), row in found.items()
        if data in DATA_COLOURS
    ]
    rows.sort(key=lambda row: list(DATA_COLOURS).index(row["data"]))
    first = errors | {"generator": "", "data": "real: root PEHE itself"}
    return [first, *rows] if errors else rows


def imputation(tasks: list[TaskMetric]) -> str:
    """Dosage r2 by frequency bin, a line for each panel and imputer."""
    figure, axes = draw_axes(5.0, 4.3)
    own = [f for f in tasks if f.metric == "dosage_r2" and f.population == "all"]
    for method, (line, marker, title) in METHODS.items():
        for panel, shade in PANEL_COLOURS.items():
            found = {f.bin: f for f in own if (f.method, f.panel) == (method, panel)}
            at = [i for i, name in enumerate(BIN_NAMES) if name in found]
            if not at:
                continue
            cells = [found[BIN_NAMES[i]] for i in at]
            label = panel if method == "li_stephens" else f"{panel}, {title}"
            axes.errorbar(
                at, [f.value for f in cells], yerr=[f.sd or 0 for f in cells], linestyle=line,
                marker=marker, ms=4, color=shade, lw=1.6, capsize=2, label=label,
            )  # fmt: skip
    axes.set_xticks(range(len(BIN_NAMES)), BIN_NAMES)
    axes.set_xlabel("minor allele frequency")
    axes.set_ylabel("dosage r²")
    axes.set_ylim(0, 1)
    legend(axes)
    return svg(figure)


def _bars(axes, found: dict[str, list], colours: dict[str, str]) -> None:
    """Groups of bars, one of each group for each name; None has no height."""
    width = 0.8 / max(len(found), 1)
    for i, (name, own) in enumerate(found.items()):
        at = np.arange(len(own)) + (i - (len(found) - 1) / 2) * width
        axes.bar(
            at, [f.value or 0 if f else 0 for f in own], width,
            yerr=[(f.sd or 0) if f else 0 for f in own], color=colours[name], label=name,
            error_kw={"lw": 0.8},
        )  # fmt: skip


def power(tasks: list[TaskMetric]) -> str:
    """Shares of causal sites found and of null sites with p < 0.05, a bar for each panel."""
    figure, axes = draw_axes(5.0, 4.3)
    found = {(f.metric, f.method, f.panel): f for f in tasks if f.population == "all"}
    bars = [
        (f"{title}{f', {TITLES[method]}' if method else ''}", metric, method)
        for metric, title in (("power", "causal sites found"), ("false_positives", "null sites"))
        for method in ("", "logistic")
        if (metric, method, "real") in found
    ]
    panels = [name for name in PANEL_COLOURS if any(key[2] == name for key in found)]
    panels = [name for name in panels if any((m, k, name) in found for _, m, k in bars)]
    own = {name: [found.get((m, k, name)) for _, m, k in bars] for name in panels}
    _bars(axes, own, PANEL_COLOURS)
    axes.axhline(0.05, color=INK, lw=0.8)
    axes.set_xticks(range(len(bars)), [title.replace(", ", ",\n") for title, _, _ in bars])
    axes.set_ylabel("share")
    legend(axes)
    return svg(figure)


def quantiles(p_values: dict) -> str:
    """Quantiles of p-values of planted and of null traits."""
    figure, axes = draw_axes(5.0, 4.3)
    expected = np.array(p_values["expected"])
    order = np.argsort(expected)
    for kind, line in (("planted", "-"), ("null", ":"), ("null, binary", "-.")):
        for panel in ("real", "synthetic") if kind in p_values else ():
            seen = np.maximum(np.array(p_values[kind][panel])[order], 1e-30)
            axes.plot(
                -np.log10(expected[order]), -np.log10(seen), line, color=PANEL_COLOURS[panel],
                lw=1.8, label=f"{kind}, {panel}",
            )  # fmt: skip
    top = -np.log10(expected.min())
    axes.plot([0, top], [0, top], color=INK, lw=0.8)
    axes.set_xlabel("expected −log10 p")
    axes.set_ylabel("observed −log10 p")
    legend(axes)
    return svg(figure)


def _learners(effects: list[EffectMetric]) -> list[str]:
    """Which of `LEARNERS` were run; the causal forest is optional."""
    run = {f.learner for f in effects}
    return [name for name in LEARNERS if name in run] or [*LEARNERS[:4]]


def learner_bars(effects: list[EffectMetric], metric: str, ylabel: str) -> str:
    """One metric by learner, a bar for each data that it was trained on."""
    figure, axes = draw_axes(5.4, 4.3)
    found = {(f.data, f.learner): f for f in effects if f.metric == metric and f.group == "all"}
    learners = _learners(effects)
    data = [name for name in DATA_COLOURS if (name, learners[0]) in found]
    _bars(axes, {name: [found.get((name, own)) for own in learners] for name in data}, DATA_COLOURS)
    if metric.endswith("_ratio"):
        axes.axhline(1, color=INK, lw=0.8)
    axes.set_xticks(range(len(learners)), learners)
    axes.set_xlabel("learner")
    axes.set_ylabel(ylabel)
    legend(axes)
    return svg(figure)


def diplotypes(effects: list[EffectMetric]) -> str:
    """Mean estimated effect of each diplotype and phenotype against the true one, DR-learner."""
    figure, axes = draw_axes(4.4, 4.3)
    effect = {f.group: f.value for f in effects if (f.data, f.metric) == ("truth", "effect")}
    for data in ("real", "genotypes", "factorised"):
        bias = {
            f.group: f for f in effects
            if (f.data, f.learner, f.metric) == (data, "DR", "bias") and f.group in effect
        }  # fmt: skip
        if bias:
            x = [effect[name] for name in bias]
            y = [effect[name] + f.value for name, f in bias.items()]
            spread = [f.sd or 0 for f in bias.values()]
            axes.errorbar(x, y, spread, fmt="o", ms=4, color=DATA_COLOURS[data], label=data, lw=1)
    ends = [min(effect.values(), default=0), max(effect.values(), default=1)]
    axes.plot(ends, ends, color=INK, lw=0.8)
    axes.set_xlabel("true effect of a diplotype")
    axes.set_ylabel("mean estimate")
    legend(axes)
    return svg(figure)
