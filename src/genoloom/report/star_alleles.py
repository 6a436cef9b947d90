"""What the page shows of star alleles: a table by gene, and their distances as SVG text."""

from genoloom.report.data import StarMetric
from genoloom.report.plots import INK, SYNTHETIC, draw_axes, legend, svg

ROWS = {  # metric: title
    "diplotype_tv": "diplotypes",
    "phenotype_tv": "phenotypes",
    "unmatched_haplotypes": "haplotypes that no allele explains",
    "alleles_lost": "alleles lost",
}
DISTANCES = ("diplotype_tv", "phenotype_tv")
SHADES = {"diplotype_tv": SYNTHETIC, "phenotype_tv": "#CC79A7"}
TWICE = 2  # times the distance of real individuals is what is asked for


def star_table(stars: list[StarMetric]) -> dict | None:
    """By gene and metric the values of real individuals and of each generator: of everybody, and of
    the population that is furthest from what is asked for; None where nothing was called.
    """
    if not stars:
        return None
    columns = list(dict.fromkeys(f.generator for f in stars))
    rows = []
    for gene in dict.fromkeys(f.gene for f in stars):
        for metric, title in ROWS.items():
            own = [f for f in stars if (f.gene, f.metric) == (gene, metric)]
            whole = {_who(f): f.value for f in own if f.population == "all"}
            if whole:
                cells = [whole.get(name) for name in ("", *columns)]
                rows.append({"name": f"{gene}, {title}", "cells": cells})
            parts = {name: _worst(own, name) for name in columns} if metric in DISTANCES else {}
            if any(parts.values()):
                cells = [None, *(parts[name] for name in columns)]
                rows.append({"name": f"{gene}, {title}, worst population", "cells": cells})
    return {"columns": columns, "rows": rows}


def _who(metric: StarMetric) -> str:
    """The generator; "" for real individuals, which are the same in all tables."""
    return "" if metric.data == "real" else metric.generator


def _worst(own: list[StarMetric], generator: str) -> str | None:
    """Such as "0.21 (real 0.08), FIN"."""
    of = {(f.population, f.data): f.value for f in own if f.generator == generator}
    pairs = [
        (value, of[name, "real"], name)
        for (name, data), value in of.items()
        if data == "synthetic" and name != "all" and value is not None and of.get((name, "real"))
    ]
    if not pairs:
        return None
    value, real, name = max(pairs, key=lambda pair: pair[0] / pair[1])
    return f"{value:.2g} (real {real:.2g}), {name}"


def distances(stars: list[StarMetric]) -> str:
    """Distances of synthetic from held-out individuals, divided by the distances of training
    individuals, a point for each gene and population.
    """
    figure, axes = draw_axes(4.4, 4.3)
    of = {(f.metric, f.gene, f.population, f.data): f.value for f in stars}
    top = 0.01
    for metric in DISTANCES:
        pairs = [
            (of[metric, gene, population, "real"], value)
            for (own, gene, population, data), value in of.items()
            if (own, data) == (metric, "synthetic") and (metric, gene, population, "real") in of
        ]
        if pairs:
            x, y = zip(*pairs, strict=True)
            label = f"{ROWS[metric]}, a gene and a population"
            axes.plot(x, y, "o", ms=4, color=SHADES[metric], label=label)
            top = max(top, *x)
    axes.plot([0, top], [0, top], color=INK, lw=0.8, label="as real individuals")
    axes.plot([0, top], [0, TWICE * top], ":", color=INK, lw=0.8, label="twice as far")
    axes.set_xlabel("distance of training individuals")
    axes.set_ylabel("distance of synthetic individuals")
    legend(axes)
    return svg(figure)
