"""Figures as SVG text. Fixed, colour-blind safe colours: real individuals blue, synthetic orange,
baselines grey.
"""

import io
import math
from dataclasses import dataclass
from itertools import cycle, pairwise

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Ellipse, PathPatch, Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from genoloom.report.data import CohortLeak, Judgement
from genoloom.report.words import mosaics, placed
from genoloom.validation.verdicts import SIZES, MetricType, Role

# Okabe & Ito, https://jfly.uni-koeln.de/color/
REAL, SYNTHETIC, TRAIN, INK, MUTED = "#0072B2", "#D55E00", "#009E73", "#222222", "#767676"
GOOD = "#00745A"
GENERATOR_COLOURS = {"transformer": "#D55E00", "gan": "#CC79A7"}
SYNTHETIC_COLOURS = ("#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#44AA99")
BASELINE_LINES = (":", "--", "-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = "osD^vP*Xh"
BASE_COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}
LOGO_WIDTH = 40  # places

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


def svg(figure, tight: bool = True) -> str:
    """The text of a figure, which is closed."""
    if tight:
        figure.tight_layout()
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def draw_axes(width: float = 4.6, height: float = 3.4):
    """A figure of this size in inches, and its axes."""
    return plt.subplots(figsize=(width, height))


def colour(name: str) -> str:
    """The colour of a generator or baseline."""
    return GENERATOR_COLOURS.get(name, REAL if name == "real" else MUTED)


@dataclass(frozen=True)
class Style:
    """How one generator or baseline is drawn: the same in every figure of a panel."""

    colour: str
    marker: str
    line: str
    width: float


def styles(roles: dict[str, Role]) -> dict[str, Style]:
    """A style for each name of {name: role}: generators in colours of their own, baselines grey and
    distinguished by their lines.
    """
    spare = iter(
        [c for c in SYNTHETIC_COLOURS if c not in {GENERATOR_COLOURS.get(name) for name in roles}]
        * len(roles)
    )
    lines, markers = cycle(BASELINE_LINES), cycle(MARKERS)
    drawn = {}
    for name, role in roles.items():
        if role == Role.GENERATOR:
            drawn[name] = Style(GENERATOR_COLOURS.get(name) or next(spare), next(markers), "-", 2.2)
        else:
            drawn[name] = Style(MUTED, next(markers), next(lines), 1.2)
    return drawn


def trade_off(judgements: list[Judgement], drawn: dict[str, Style], leak: CohortLeak | None) -> str:
    """Fidelity against leak: AUCs of the classifier and of the worst attack.

    Both axes run towards 0.5, so up and right is good. The grey area is what mosaics of training
    haplotypes reach: there one of them is as faithful and leaks no more.
    """
    figure, axes = draw_axes(4.0, 4.3)
    shown = placed(judgements)
    limit = leak.max_auc if leak and 0.5 < leak.max_auc < 1 else 0.6
    most = max([0.8, *(0.02 + (j.worst_attack_high or j.worst_attack) for j in shown)])
    axes.set_xlim(1.03, 0.45)
    axes.set_ylim(min(most, 1.03), 0.42)
    width = 0.05 + SIZES[MetricType.ACCURACY].small
    axes.add_patch(Rectangle((0.45, 0.42), width, limit - 0.42, fc=GOOD, alpha=0.3, lw=0))
    axes.annotate(
        "good", (0.45 + width + 0.01, 0.435), ha="right", va="top", color=GOOD, weight="bold"
    )
    _pareto_front(axes, mosaics(judgements))
    axes.axhline(limit, color=INK, lw=1, ls="--", label=f"limit of the leak, {limit:g}")
    if leak and leak.unavoidable is not None:
        axes.axhline(leak.unavoidable, color=INK, lw=1, ls=":", label="unavoidable leak")
    for judgement in judgements:
        if judgement.generator == "real" and judgement.classifier_auc is not None:
            axes.axvline(
                judgement.classifier_auc, color=REAL, lw=1.2, ls="--", label="real individuals"
            )
    for j in shown:
        style = drawn[j.generator]
        low, high = (
            j.worst_attack if end is None else end
            for end in (j.worst_attack_low, j.worst_attack_high)
        )
        error = [[max(0.0, j.worst_attack - low)], [max(0.0, high - j.worst_attack)]]
        axes.errorbar(
            j.classifier_auc, j.worst_attack, yerr=error, fmt=style.marker,
            ms=9 if style.width > 2 else 7, color=style.colour,
            mfc=style.colour if style.width > 2 else "white", capsize=3, label=j.generator,
            zorder=3,
        )  # fmt: skip
    axes.set_xlabel("more faithful \N{RIGHTWARDS ARROW}", weight="bold")
    axes.set_ylabel("less leak \N{RIGHTWARDS ARROW}", weight="bold")
    small = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 8.5}
    small |= {"ha": "center", "va": "center", "color": MUTED}
    axes.annotate("AUC of the classifier, synthetic against real", (0.5, 0), (0, -42), **small)
    axes.annotate("AUC of the worst attack", (0, 0.5), (-52, 0), rotation=90, **small)
    handles, labels = axes.get_legend_handles_labels()
    lines = math.ceil(len(labels) / 2)
    figure.legend(handles, labels, loc="lower center", ncol=2, frameon=False, fontsize=8.5)
    figure.subplots_adjust(left=0.21, right=0.98, top=0.98, bottom=(0.75 + 0.18 * lines) / 4.3)
    return svg(figure, tight=False)


def _pareto_front(axes, copying: list[Judgement]) -> None:
    """Shade what mosaics dominate: the union of the quadrants where both AUCs are higher."""
    corners = sorted((j.classifier_auc, j.worst_attack) for j in copying)
    if not corners:
        return
    highest, widest = axes.get_ylim()[0], axes.get_xlim()[0]
    x, y = [corners[0][0]], [highest]
    lowest = highest
    for px, py in corners:
        if py < lowest:
            x += [px, px]
            y += [lowest, py]
            lowest = py
    x, y = [*x, widest], [*y, lowest]
    axes.fill_between(x, y, highest, color=MUTED, alpha=0.13, lw=0, label="copying does as well")
    axes.plot(x, y, color=MUTED, lw=1.5)


def legend(axes, below: float = 0.16) -> None:
    """Under the axes, so that it hides nothing and the figure stays readable on a phone."""
    axes.legend(
        frameon=False,
        fontsize=8.5,
        loc="upper center",
        bbox_to_anchor=(0.46, -below),
        ncol=3,
        columnspacing=1.2,
    )


def decay(details: dict[str, dict], drawn: dict[str, Style]) -> str:
    """LD decay of every generator with phase, next to the holdout individuals."""
    figure, axes = draw_axes(5.0, 4.3)
    some = next(iter(details.values()))["decay"]
    used = np.array(some["used"])
    edges = [edge if edge is not None else math.inf for edge in some["edges_bp"]]
    middle = np.array(
        [math.sqrt(max(a, 100) * (b if math.isfinite(b) else 3 * a)) for a, b in pairwise(edges)]
    )[used]
    for name, data in details.items():
        values, style = np.array(data["decay"]["synthetic"])[used], drawn[name]
        axes.plot(
            middle, values, linestyle=style.line, color=style.colour, lw=style.width, label=name
        )
    axes.plot(
        middle,
        np.array(some["holdout"])[used],
        "-o",
        color=REAL,
        lw=2,
        ms=4,
        label="holdout individuals",
    )
    axes.set_xscale("log")
    axes.set_xlabel("distance between sites, base pairs")
    axes.set_ylabel("mean r²")
    axes.set_ylim(bottom=0)
    legend(axes)
    return svg(figure)


def spectrum(details: dict[str, dict], drawn: dict[str, Style]) -> str:
    """Site frequency spectrum of every generator next to the holdout individuals."""
    figure, axes = draw_axes(5.0, 4.3)
    some = next(iter(details.values()))["spectrum"]
    x = np.arange(len(some["from_count"]))
    labels = [
        str(a) if a == b else f"{a}-{b}"
        for a, b in zip(some["from_count"], some["to_count"], strict=True)
    ]
    axes.bar(x, some["holdout"], color=REAL, alpha=0.35, label="holdout individuals")
    for name, data in details.items():
        style = drawn[name]
        axes.plot(
            x,
            data["spectrum"]["synthetic"],
            style.marker,
            ms=5,
            color=style.colour,
            label=name,
            mfc="none",
            mew=1.4,
        )
    axes.set_xticks(x, labels, rotation=60, fontsize=8)
    axes.set_xlabel("copies of the minor allele")
    axes.set_ylabel("share of polymorphic sites")
    legend(axes, below=0.3)
    return svg(figure)


def frequency(data: dict, name: str) -> str:
    """Density of sites over holdout and synthetic allele frequency."""
    figure, axes = draw_axes(4.2, 3.6)
    sites = np.array(data["frequency"]["sites"], dtype=float)
    edges = np.array(data["frequency"]["edges"])
    mesh = axes.pcolormesh(
        edges,
        edges,
        np.ma.masked_equal(sites.T, 0),
        norm=LogNorm(vmin=1),
        cmap="cividis",
        edgecolors="none",
    )
    axes.plot([0, 1], [0, 1], color=SYNTHETIC, lw=1)
    figure.colorbar(mesh, label="sites")
    axes.set_xlabel("allele frequency, holdout individuals")
    axes.set_ylabel(f"allele frequency, {name}")
    return svg(figure)


def pca(data: dict, name: str) -> str:
    """Synthetic individuals on the components of the holdout individuals, whose populations are
    drawn as 95 % ellipses.
    """
    figure, axes = draw_axes(4.6, 3.8)
    ellipses, points = data["pca"]["real_ellipses"], data["pca"]["synthetic_points"]
    names = sorted({e["population"] for e in ellipses} | {p["population"] for p in points})
    for marker, population in zip(MARKERS * len(names), names, strict=False):
        own = [p for p in points if p["population"] == population]
        label = f"{population}, synthetic"
        axes.plot(
            [p["x"] for p in own],
            [p["y"] for p in own],
            marker,
            ms=3.5,
            color=SYNTHETIC,
            alpha=0.6,
            label=label,
        )
    for turn, ellipse in zip(
        np.linspace(0.4, 2 * math.pi + 0.4, len(ellipses), endpoint=False), ellipses, strict=True
    ):
        values, vectors = np.linalg.eigh(np.array(ellipse["covariance"]))
        # sqrt of the 95 % quantile of chi-square with 2 df
        width, height = 2 * 2.448 * np.sqrt(np.maximum(values, 0))
        angle = math.degrees(math.atan2(vectors[1, 0], vectors[0, 0]))
        axes.add_patch(
            Ellipse(ellipse["mean"], width, height, angle=angle, fill=False, ec=REAL, lw=1.5)
        )
        # on the rim, each at another angle: the centres of close populations coincide
        rim = (
            2.448
            * vectors
            @ (np.sqrt(np.maximum(values, 0)) * np.array([math.cos(turn), math.sin(turn)]))
        )
        place = np.array(ellipse["mean"]) + rim
        axes.annotate(
            ellipse["population"], place, color=REAL, fontsize=9, ha="center", va="center",
            weight="bold",
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.85},
        )  # fmt: skip
    axes.autoscale_view()
    axes.set_xlabel("component 1 of the holdout individuals")
    axes.set_ylabel("component 2")
    if len(names) <= 6:
        axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def training(history: list[dict], name: str) -> str:
    """Training curves: bits per site or base where there are any, else the losses and the score."""
    figure, axes = draw_axes()
    keys = [k for k in ("train_bits", "bits") if any(k in row for row in history)]
    keys = keys or [k for k in ("score", "critic", "generator") if any(k in row for row in history)]
    for key, shade in zip(keys, (MUTED, SYNTHETIC, TRAIN), strict=False):
        rows = [row for row in history if key in row and row["step"] > 0] or [
            row for row in history if key in row
        ]
        label = {"train_bits": "training individuals", "bits": "validation individuals"}.get(
            key, key
        )
        axes.plot(
            [row["step"] for row in rows],
            [row[key] for row in rows],
            color=shade,
            label=label,
            marker=".",
        )
    axes.set_xlabel("step")
    axes.set_ylabel("bits" if "bits" in keys else "loss")
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def bits(tables: dict[str, float]) -> str:
    """Bits per base of the sequence generators; lower is better."""
    figure, axes = draw_axes(4.4, 1.2 + 0.24 * len(tables))
    names = sorted(tables, key=lambda name: (-tables[name], name))
    axes.barh(names, [tables[n] for n in names], color=[colour(n) for n in names], height=0.6)
    for i, n in enumerate(names):
        axes.annotate(
            f"{tables[n]:.4f}",
            (tables[n], i),
            xytext=(-4, 0),
            textcoords="offset points",
            va="center",
            ha="right",
            color="white",
        )
    low = min(tables.values())
    axes.set_xlim(max(0, low - 0.15), 2.0)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("bits per base, holdout (2: knows nothing)")
    return svg(figure)


def histogram(edges: list[float], groups: dict[str, list[float]], xlabel: str) -> str:
    """Outlined histograms of several groups; real in blue, synthetic in orange."""
    figure, axes = draw_axes()
    shades = {"holdout": REAL, "train": TRAIN, "synthetic": SYNTHETIC, "between": MUTED}
    for name, values in groups.items():
        total = sum(values) or 1
        axes.stairs(
            [v / total for v in values], edges, color=shades.get(name, MUTED), lw=1.8, label=name
        )
    axes.set_xlabel(xlabel)
    axes.set_ylabel("share")
    axes.legend(frameon=False, fontsize=8)
    return svg(figure)


def scatter(x: list[float], y: list[float], xlabel: str, ylabel: str) -> str:
    """Points on a square with the diagonal."""
    figure, axes = draw_axes(3.8, 3.6)
    top = max([*x, *y]) * 1.05
    axes.plot([0, top], [0, top], color=MUTED, lw=0.8)
    axes.plot(x, y, "o", ms=3, color=SYNTHETIC, alpha=0.6)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    return svg(figure)


def places(data: dict, name: str) -> str:
    """Share of each base at every place of sequences of one orientation: holdout as an area,
    synthetic as a line.
    """
    figure, grid = plt.subplots(4, 1, figsize=(5.2, 4.2), sharex=True)
    for axes, base, real, synthetic in zip(
        grid,
        "ACGT",
        zip(*data["holdout"], strict=True),
        zip(*data["synthetic"], strict=True),
        strict=True,
    ):
        axes.fill_between(
            range(1, len(real) + 1), real, color=REAL, alpha=0.3, lw=0, label="holdout"
        )
        axes.plot(range(1, len(synthetic) + 1), synthetic, color=SYNTHETIC, lw=0.9, label=name)
        axes.set_ylabel(base, rotation=0, labelpad=12)
        axes.set_ylim(0, None)
    grid[0].legend(frameon=False, fontsize=8, ncols=2)
    grid[-1].set_xlabel("place in the sequence")
    return svg(figure)


def information(shares: np.ndarray) -> np.ndarray:
    """Bits of information at each place, 2 - entropy, float64 (length,), of the shares of A, C, G
    and T (length, 4).

    Schneider & Stephens 1990, doi:10.1093/nar/18.20.6097, without their correction for small
    samples: 1 / (ln 2) * 3 / 2n bits.
    """
    known = np.where(shares > 0, shares, 1.0)
    return 2 + (shares * np.log2(known)).sum(axis=1)


def logo_window(shares: np.ndarray, width: int = LOGO_WIDTH) -> slice:
    """The `width` places in a row that hold most information; all of a shorter sequence."""
    width = min(width, len(shares))
    start = int(np.convolve(information(shares), np.ones(width), mode="valid").argmax())
    return slice(start, start + width)


def logo(data: dict, name: str) -> str:
    """Sequence logos of holdout and synthetic sequences, one above the other, where the holdout
    ones are least alike chance.
    """
    real, synthetic = (np.array(data[group]) for group in ("holdout", "synthetic"))
    where = logo_window(real)
    figure, grid = plt.subplots(2, 1, figsize=(7.2, 3.6), sharex=True, sharey=True)
    top = max(float(information(shares[where]).max()) for shares in (real, synthetic))
    letters = {
        base: TextPath(
            (0, 0), base, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold")
        )
        for base in "ACGT"
    }
    for axes, shares, title in zip(grid, (real, synthetic), ("holdout", name), strict=True):
        for place, row, bits in zip(
            range(where.start + 1, where.stop + 1),
            shares[where],
            information(shares[where]),
            strict=True,
        ):
            _stack(axes, place, row * bits, letters, top / 200)
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_ylabel("bits")
    grid[-1].set_xlim(where.start + 0.4, where.stop + 0.6)
    grid[-1].set_ylim(0, max(top * 1.05, 0.01))
    grid[-1].set_xlabel("place in the sequence")
    return svg(figure)


def _stack(
    axes, place: int, heights: np.ndarray, letters: dict[str, TextPath], least: float
) -> None:
    """The letters of one place, the tallest on top; those lower than `least` are too small to
    see.
    """
    bottom = 0.0
    for i in np.argsort(heights, kind="stable"):
        base, height = "ACGT"[i], heights[i]
        if height >= least:
            box = letters[base].get_extents()
            fit = (
                Affine2D().translate(-box.x0, -box.y0).scale(0.92 / box.width, height / box.height)
            )
            path = fit.translate(place - 0.46, bottom).transform_path(letters[base])
            axes.add_patch(PathPatch(path, fc=BASE_COLOURS[base], ec="none"))
        bottom += height


def guidance(data: dict, name: str) -> str:
    """What an oracle reads from sequences that were drawn under several weights of the label, and
    what GC content alone predicts.
    """
    figure, axes = draw_axes()
    axes.axhline(data["ceiling"], color=REAL, lw=1.8, label="holdout (ceiling)")
    axes.axhline(data["real_gc_only"], color=REAL, lw=1.2, ls="--", label="holdout, GC only")
    axes.plot(data["weight"], data["fidelity"], color=SYNTHETIC, marker="o", label=name)
    axes.plot(
        data["weight"],
        data["gc_only"],
        color=SYNTHETIC,
        marker="o",
        mfc="white",
        ls="--",
        lw=1.2,
        label=f"{name}, GC only",
    )
    axes.axhline(data["chance"], color=MUTED, lw=0.8, ls=":", label="chance")
    axes.set_xlabel("guidance weight (1: as trained)")
    axes.set_ylabel(data["measure"])
    legend(axes)
    return svg(figure)
