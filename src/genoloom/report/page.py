"""The report's page: tables and figures into one HTML file that needs nothing else."""

import base64
from dataclasses import dataclass, field
from importlib.resources import files

import jinja2

from genoloom import __version__
from genoloom.report import figures as draw
from genoloom.report.summary import summarise_panel, summarise_set

HAPLOTYPE_HEADINGS = {
    "generator": "generator", "kind": "kind", "sites_lost": "sites lost", "ld_r2_correlation": "LD r² correlation",
    "classifier_auc": "classifier AUC", "aats_truth": "AATS truth", "aats_synthetic": "AATS synthetic",
    "worst_attack": "worst attack AUC", "fidelity": "fidelity", "privacy": "privacy",
}  # fmt: skip
SEQUENCE_HEADINGS = {
    "generator": "generator", "kind": "kind", "bits_per_base": "bits per base", "gc_distance": "GC distance",
    "kmer6_auc": "6-mer classifier AUC", "cnn_auc": "convolutional classifier AUC",
    "nearest_identity": "nearest training identity", "verdict": "verdict",
}  # fmt: skip
GUIDE = {
    "plane": "Good: low and to the left, inside the shaded band. Generators that copy people are faithful but high; "
    "independent sites are private but far right.",
    "decay": "Good: the line lies on that of the held-out people at every distance.",
    "spectrum": "Good: the markers stand on the bars. Too few in the first columns means that rare variants were lost.",
    "frequency": "Good: a narrow band on the diagonal. Even independent sites manage this, so it proves little alone.",
    "pca": "Good: the synthetic people of a population fill the ellipse that holds 95 % of its held-out people. "
    "No real person is drawn.",
    "training": "Good: both curves fall together. When the training curve leaves the other behind, the model has begun to memorise.",
    "distances": "Good: synthetic people are as far from each other as held-out people are.",
    "bits": "Good: shorter than the bars of all chains, the adaptive one included. It is the cost of predicting unseen real sequences.",
    "gc": "Good: the orange outline follows the blue one.",
    "kmers": "Good: points on the diagonal.",
    "places": "Good: the orange line follows the edge of the blue area, peaks included.",
    "identity": "Good: synthetic sequences are no nearer to training sequences than held-out ones are.",
}


@dataclass
class PanelData:
    """What the report shows of one panel; tables are rows of text cells, by generator."""

    name: str
    fidelity: dict[str, list[dict]]
    privacy: dict[str, list[dict]]
    figures: dict[str, dict]
    history: dict[str, list[dict]] = field(default_factory=dict)
    models: list[dict] = field(default_factory=list)


@dataclass
class SequenceData:
    """What the report shows of one sequence set."""

    name: str
    tables: dict[str, list[dict]]
    figures: dict[str, dict]
    history: dict[str, list[dict]] = field(default_factory=dict)
    models: list[dict] = field(default_factory=list)


def render(panels: list[PanelData], sets: list[SequenceData]) -> str:
    """The whole page as HTML text."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"cell": cell, "image": image}
    here = files("genoloom.report")
    template = environment.from_string((here / "template.html").read_text(encoding="utf-8"))
    return template.render(
        version=__version__,
        style=(here / "style.css").read_text(encoding="utf-8"),
        script=(here / "script.js").read_text(encoding="utf-8"),
        guide=GUIDE,
        panels=[_panel_view(panel) for panel in panels],
        sets=[_set_view(data) for data in sets],
        haplotype_headings=HAPLOTYPE_HEADINGS,
        sequence_headings=SEQUENCE_HEADINGS,
    )


def cell(value) -> str:
    """A figure as the page shows it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return f"{value:.4g}"


def image(svg: str) -> str:
    """An SVG as a data address; as an image its ids cannot clash with those of another figure."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _panel_view(panel: PanelData) -> dict:
    summary = summarise_panel(panel.name, panel.fidelity, panel.privacy)
    learned = [row["generator"] for row in summary if row["kind"] == "generator"]
    some = next(iter(panel.figures.values()))
    own = [row for name, table in panel.fidelity.items() for row in table if row["row"] == name]
    first = next(iter(panel.fidelity.values()))
    return {
        "name": panel.name,
        "summary": summary,
        "people": some["people"],
        "sites": some["sites"],
        "shared": {"plane": draw.plane(summary), "decay": draw.decay(panel.figures), "spectrum": draw.spectrum(panel.figures)},
        "generators": [_generator_view(panel, name) for name in learned],
        "metrics": own + [row for row in first if row["row"] == "real"],
        "attacks": [row for name, table in panel.privacy.items() for row in table if row["row"] == name],
        "models": panel.models,
    }


def _generator_view(panel: PanelData, name: str) -> dict:
    data = panel.figures[name]
    edges, groups = data["distances"]["edges"], {k: v for k, v in data["distances"].items() if k != "edges"}
    drawn = {
        "pca": draw.pca(data, name),
        "frequency": draw.frequency(data, name),
        "distances": draw.histogram(edges, groups, "differing sites between two haplotypes"),
    }
    if panel.history.get(name):
        drawn["training"] = draw.training(panel.history[name], name)
    return {"name": name, "figures": drawn}


def _set_view(data: SequenceData) -> dict:
    summary = summarise_set(data.name, data.tables)
    bits = {
        row["generator"]: row["bits_per_base"]
        for row in summary
        if row["bits_per_base"] is not None and row["generator"] != "real"
    }
    chains = next(iter(data.figures.values()), {}).get("bits", {})
    bits |= {word: figure for word, figure in chains.items() if word.startswith("order")}
    learned = [row["generator"] for row in summary if row["kind"] == "generator"]
    return {
        "name": data.name,
        "summary": summary,
        "shared": {"bits": draw.bits(bits)} if bits else {},
        "generators": [_sequence_view(data, name) for name in learned],
        "metrics": [row for name, table in data.tables.items() for row in table if row["row"] == name]
        + [row for row in next(iter(data.tables.values())) if row["row"] == "real"],
        "models": data.models,
    }


def _sequence_view(data: SequenceData, name: str) -> dict:
    figures = data.figures[name]
    drawn = {}
    if "gc" in figures:
        groups = {k: v for k, v in figures["gc"].items() if k != "edges"}
        drawn["gc"] = draw.histogram(figures["gc"]["edges"], groups, "GC content of a sequence")
    if "kmers" in figures:
        drawn["kmers"] = draw.scatter(
            figures["kmers"]["holdout"], figures["kmers"]["synthetic"], "4-mer frequency, held-out", f"4-mer frequency, {name}"
        )
    if "identity" in figures:
        groups = {k: v for k, v in figures["identity"].items() if k != "edges"}
        drawn["identity"] = draw.histogram(figures["identity"]["edges"], groups, "identity with the nearest training sequence")
    if "places" in figures:
        drawn["places"] = draw.places(figures["places"], name)
    if data.history.get(name):
        drawn["training"] = draw.training(data.history[name], name)
    return {"name": name, "figures": drawn}
