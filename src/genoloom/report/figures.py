"""Figures as SVG text. Fixed, colour-blind safe colours: real people blue, synthetic orange, controls grey."""

import io
import math
from itertools import pairwise

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Ellipse

# Okabe & Ito, https://jfly.uni-koeln.de/color/
REAL, SYNTHETIC, TRAIN, INK, MUTED = "#0072B2", "#D55E00", "#009E73", "#222222", "#767676"
GENERATOR_COLOURS = {"transformer": "#D55E00", "gan": "#CC79A7"}
CONTROL_STYLES = {"independent": ":", "markov": "--", "mosaic": "-.", "matched_mosaic": (0, (3, 1, 1, 1, 1, 1))}
MARKERS = "osD^vP*Xh"

plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "genoloom",
        "font.family": "sans-serif",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "figure.facecolor": "white",
    }
)


def _svg(figure) -> str:
    figure.tight_layout()
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _axes(width: float = 4.6, height: float = 3.4):
    return plt.subplots(figsize=(width, height))


def colour(name: str) -> str:
    """The colour of a generator or control."""
    return GENERATOR_COLOURS.get(name, REAL if name == "real" else MUTED)


def plane(summary: list[dict]) -> str:
    """Fidelity against privacy: classifier AUC and worst attack AUC of every generator; the good corner is (0.5, 0.5)."""
    figure, axes = _axes(5.2, 4.0)
    axes.axhspan(0.0, 0.6, color=TRAIN, alpha=0.06)
    axes.axhline(0.5, color=MUTED, lw=0.6)
    axes.axvline(0.5, color=MUTED, lw=0.6)
    for marker, row in zip(MARKERS, summary, strict=False):
        x, y = row["classifier_auc"], row["worst_attack"]
        if x is None:
            continue
        name = row["generator"]
        if name == "real":
            axes.axvline(x, color=REAL, lw=1.5, ls="--", label="real people (floor)")
        elif y is not None:
            low, high = row["worst_attack_low"], row["worst_attack_high"]
            axes.errorbar(
                x,
                y,
                yerr=[[max(0.0, y - low)], [max(0.0, high - y)]],
                fmt=marker,
                ms=8,
                color=colour(name),
                capsize=3,
                label=name,
            )
    axes.set_xlabel("classifier AUC, synthetic against held-out (0.5: cannot tell)")
    axes.set_ylabel("worst membership attack AUC")
    axes.set_xlim(0.4, 1.03)
    axes.set_ylim(0.42, max(0.8, 0.05 + max((r["worst_attack_high"] or 0.5) for r in summary)))
    axes.legend(frameon=False, fontsize=9)
    return _svg(figure)


def decay(figures: dict[str, dict]) -> str:
    """LD decay of every generator beside the held-out people."""
    figure, axes = _axes()
    some = next(iter(figures.values()))["decay"]
    used = np.array(some["used"])
    edges = [edge if edge is not None else math.inf for edge in some["edges_bp"]]
    middle = np.array([math.sqrt(max(a, 100) * (b if math.isfinite(b) else 3 * a)) for a, b in pairwise(edges)])[used]
    for name, data in figures.items():
        style = CONTROL_STYLES.get(name, "-")
        values = np.array(data["decay"]["synthetic"])[used]
        axes.plot(middle, values, ls=style, color=colour(name), lw=2 if name in GENERATOR_COLOURS else 1.2, label=name)
    axes.plot(middle, np.array(some["holdout"])[used], "-o", color=REAL, lw=2, ms=4, label="held-out people")
    axes.set_xscale("log")
    axes.set_xlabel("distance between sites, base pairs")
    axes.set_ylabel("mean r²")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def spectrum(figures: dict[str, dict]) -> str:
    """Site frequency spectrum of every generator beside the held-out people."""
    figure, axes = _axes()
    some = next(iter(figures.values()))["spectrum"]
    x = np.arange(len(some["from_count"]))
    labels = [str(a) if a == b else f"{a}-{b}" for a, b in zip(some["from_count"], some["to_count"], strict=True)]
    axes.bar(x, some["holdout"], color=REAL, alpha=0.35, label="held-out people")
    for marker, (name, data) in zip(MARKERS, figures.items(), strict=False):
        axes.plot(x, data["spectrum"]["synthetic"], marker, ms=5, color=colour(name), label=name, mfc="none", mew=1.4)
    axes.set_xticks(x, labels, rotation=60, fontsize=8)
    axes.set_xlabel("copies of the minor allele")
    axes.set_ylabel("share of polymorphic sites")
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def frequency(data: dict, name: str) -> str:
    """Density of sites over held-out and synthetic allele frequency."""
    figure, axes = _axes(4.2, 3.6)
    sites = np.array(data["frequency"]["sites"], dtype=float)
    edges = np.array(data["frequency"]["edges"])
    mesh = axes.pcolormesh(edges, edges, np.ma.masked_equal(sites.T, 0), norm=LogNorm(vmin=1), cmap="cividis", edgecolors="none")
    axes.plot([0, 1], [0, 1], color=SYNTHETIC, lw=1)
    figure.colorbar(mesh, label="sites")
    axes.set_xlabel("allele frequency, held-out people")
    axes.set_ylabel(f"allele frequency, {name}")
    return _svg(figure)


def pca(data: dict, name: str) -> str:
    """Synthetic people on the components of the held-out people, whose populations are drawn as 95 % ellipses."""
    figure, axes = _axes(4.6, 3.8)
    ellipses, points = data["pca"]["real_ellipses"], data["pca"]["synthetic_points"]
    names = sorted({e["population"] for e in ellipses} | {p["population"] for p in points})
    for marker, population in zip(MARKERS * 4, names, strict=False):
        own = [p for p in points if p["population"] == population]
        axes.plot(
            [p["x"] for p in own],
            [p["y"] for p in own],
            marker,
            ms=3.5,
            color=SYNTHETIC,
            alpha=0.6,
            label=f"{population}, synthetic",
        )
    for ellipse in ellipses:
        values, vectors = np.linalg.eigh(np.array(ellipse["covariance"]))
        width, height = 2 * 2.448 * np.sqrt(np.maximum(values, 0))  # sqrt of the 95 % quantile of chi-square with 2 df
        angle = math.degrees(math.atan2(vectors[1, 0], vectors[0, 0]))
        axes.add_patch(Ellipse(ellipse["mean"], width, height, angle=angle, fill=False, ec=REAL, lw=1.5))
        axes.annotate(ellipse["population"], ellipse["mean"], color=REAL, fontsize=9, ha="center", weight="bold")
    axes.autoscale_view()
    axes.set_xlabel("component 1 of the held-out people")
    axes.set_ylabel("component 2")
    if len(names) <= 6:
        axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def training(history: list[dict], name: str) -> str:
    """Training curves: bits per site or base where there are any, else the losses and the score."""
    figure, axes = _axes()
    keys = [k for k in ("train_bits", "bits") if any(k in row for row in history)]
    keys = keys or [k for k in ("score", "critic", "generator") if any(k in row for row in history)]
    for key, shade in zip(keys, (MUTED, SYNTHETIC, TRAIN), strict=False):
        rows = [row for row in history if key in row and row["step"] > 0] or [row for row in history if key in row]
        label = {"train_bits": "training people", "bits": "people set aside"}.get(key, key)
        axes.plot([row["step"] for row in rows], [row[key] for row in rows], color=shade, label=label, marker=".")
    axes.set_xlabel("step")
    axes.set_ylabel("bits" if "bits" in keys else "loss")
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def bits(tables: dict[str, float]) -> str:
    """Bits per base of the sequence generators; lower is better."""
    figure, axes = _axes(4.4, 1.2 + 0.24 * len(tables))
    names = sorted(tables, key=lambda name: (-tables[name], name))
    axes.barh(names, [tables[n] for n in names], color=[colour(n) for n in names], height=0.6)
    for i, n in enumerate(names):
        axes.annotate(
            f"{tables[n]:.4f}", (tables[n], i), xytext=(-4, 0), textcoords="offset points", va="center", ha="right", color="white"
        )
    low = min(tables.values())
    axes.set_xlim(max(0, low - 0.15), 2.0)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("bits per base on held-out sequences (2: knows nothing)")
    return _svg(figure)


def histogram(edges: list[float], groups: dict[str, list[float]], xlabel: str) -> str:
    """Outlined histograms of several groups; real in blue, synthetic in orange."""
    figure, axes = _axes()
    shades = {"holdout": REAL, "train": TRAIN, "synthetic": SYNTHETIC, "between": MUTED}
    for name, values in groups.items():
        total = sum(values) or 1
        axes.stairs([v / total for v in values], edges, color=shades.get(name, MUTED), lw=1.8, label=name)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("share")
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def scatter(x: list[float], y: list[float], xlabel: str, ylabel: str) -> str:
    """Points on a square with the diagonal."""
    figure, axes = _axes(3.8, 3.6)
    top = max([*x, *y]) * 1.05
    axes.plot([0, top], [0, top], color=MUTED, lw=0.8)
    axes.plot(x, y, "o", ms=3, color=SYNTHETIC, alpha=0.6)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    return _svg(figure)


def places(data: dict, name: str) -> str:
    """Share of each base at every place of sequences of one orientation: held-out as an area, synthetic as a line."""
    figure, grid = plt.subplots(4, 1, figsize=(5.2, 4.2), sharex=True)
    for axes, base, real, made in zip(
        grid, "ACGT", zip(*data["holdout"], strict=True), zip(*data["synthetic"], strict=True), strict=True
    ):
        axes.fill_between(range(1, len(real) + 1), real, color=REAL, alpha=0.3, lw=0, label="held-out")
        axes.plot(range(1, len(made) + 1), made, color=SYNTHETIC, lw=0.9, label=name)
        axes.set_ylabel(base, rotation=0, labelpad=12)
        axes.set_ylim(0, None)
    grid[0].legend(frameon=False, fontsize=8, ncols=2)
    grid[-1].set_xlabel("place in the sequence")
    return _svg(figure)
