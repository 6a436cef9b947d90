"""The report's page: tables and plots into one HTML file that needs nothing else."""

import base64
from importlib.resources import files

import jinja2

from genoloom.models.sequence import BASELINES
from genoloom.privacy.attack_ids import WORST_ROWS, AttackId
from genoloom.records import package_table
from genoloom.report import plots as draw
from genoloom.report.bars import FITNESS_MARKS, badges, bar, scale_end, ticks
from genoloom.report.collect import PanelData, SequenceData
from genoloom.report.data import Attack, DataSet, Metric, ReportData
from genoloom.report.modes import frontier
from genoloom.report.summary import guide_rows, summarise_panel, summarise_set
from genoloom.report.utility import utility_view
from genoloom.report.words import copying_sentence, metric_name, mosaics, reference
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.verdicts import REAL, Role

HAPLOTYPE_HEADINGS = {
    "generator": "generator", "role": "role", "sites_lost": "sites lost",
    "ld_r2_correlation": "LD r² correlation",
    "classifier_auc": "classifier AUC", "aats_holdout": "AATS holdout",
    "aats_synthetic": "AATS synthetic",
    "worst_attack": "worst attack AUC", "fidelity": "fidelity", "privacy": "privacy",
}  # fmt: skip
SEQUENCE_HEADINGS = {
    "generator": "generator", "role": "role", "bits_per_base": "bits per base",
    "gc_distance": "GC distance",
    "kmer6_auc": "6-mer classifier AUC", "cnn_auc": "convolutional classifier AUC",
    "worst_attack": "worst attack AUC", "fidelity": "fidelity", "privacy": "privacy",
}  # fmt: skip
MODE_HEADINGS = {
    "generator": "data", "epsilon": "epsilon", "permitted_auc": "AUC permitted",
    "permitted_rate": "true positives permitted", "worst_attack": "worst attack AUC",
    "classifier_auc": "classifier AUC", "ld_r2_correlation": "LD r² correlation",
    "pca_distance": "PCA distance", "fst_matrix_error": "FST error",
}  # fmt: skip
MODE_HELP = {
    "epsilon": "Of differential privacy, for all genotypes of an individual; 0: nothing of the "
    "cohort's genotypes is in the data",
    "permitted_auc": "Largest AUC that the guarantee permits to any attack, with any knowledge",
    "permitted_rate": "Largest share of training individuals that any attack finds at 1 % false "
    "positives",
}
BINS = "~bins"  # the tab of frequency bins and windows, next to the tabs of populations
GUIDE = {
    "trade_off": "Good: the green corner. In the grey area copying real haplotypes in pieces does "
    "as well. Bars: 95 % intervals over individuals.",
    "frontier": "Good: low in both. The line is the largest AUC that epsilon permits to any "
    "attack; data of which nothing of the cohort is known are left of it, data without a guarantee right. "
    "Other epsilons are not tried: each would be measured of the cohort, and count.",
    "decay": "Good: the line lies on that of the holdout individuals at every distance.",
    "spectrum": "Good: the markers are on the bars. Too few in the first columns means that rare "
    "variants were lost.",
    "frequency": "Good: a narrow band on the diagonal. Even independent sites manage this, so it "
    "proves little alone.",
    "pca": "Good: the synthetic individuals of a population fill the ellipse that holds 95 % of "
    "its holdout individuals. No real individual is drawn.",
    "training": "Good: both curves fall together. When the training curve falls below the other, "
    "the model has begun to memorise.",
    "distances": "Good: synthetic individuals are as far from each other as holdout individuals "
    "are.",
    "bits": "Good: shorter than the bars of all chains, the whole mixture included. It is the cost "
    "of predicting real holdout sequences.",
    "gc": "Good: the orange outline follows the blue one.",
    "kmers": "Good: points on the diagonal.",
    "places": "Good: the orange line follows the edge of the blue area, peaks included.",
    "logo": "Good: the same letters as tall in both rows. Height is information (2 bits: always "
    "this base), at the places where the holdout sequences hold most of it.",
    "guidance": "Good: at some weight the orange line comes up to the blue one, and well above the "
    "dashed lines: the label then moves more than the GC content.",
    "imputation": "Good: orange lies on blue, also for rare variants, and above grey. Bars: spread "
    "over individuals.",
    "qq": "Good: orange follows blue, and dotted lines follow the diagonal.",
    "pehe": "Good: orange reaches 1, which is training on as many real individuals. The grey "
    "controls lack what treatment decisions need and must be high.",
    "policy": "Good: as tall as blue. Gain of treating those whose estimate is above the cost.",
    "diplotypes": "Good: points on the diagonal. Effects are planted.",
    "power": "Good: orange as tall as blue; null sites at the line. Phenotypes come from the true "
    "model.",
    "star_alleles": "Good: points below the dotted line. Near 0 a distance is mostly chance.",
    "identity": "Good: synthetic sequences are no nearer to training sequences than holdout ones "
    "are.",
}


def render(
    report: ReportData, panels: list[PanelData], sets: list[SequenceData]
) -> tuple[str, dict[str, str]]:
    """The whole page as HTML text, and its plots as SVG texts by the names of their files.

    `report` holds the numbers, `panels` and `sets` what the plots draw.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"cell": cell, "image": image, "fitness_mark": FITNESS_MARKS.get}
    environment.filters["help"] = help_of
    here = files("genoloom.report")
    template = environment.from_string((here / "template.html").read_text(encoding="utf-8"))
    data = {(part.data_type, part.name): part for part in report.data}
    views = {
        "haplotypes": [_panel_view(data["haplotypes", panel.name], panel) for panel in panels],
        "sequences": [_set_view(data["sequences", own.name], own) for own in sets],
    }
    page = template.render(
        version=report.genoloom,
        style=(here / "style.css").read_text(encoding="utf-8"),
        script=(here / "script.js").read_text(encoding="utf-8"),
        guide=GUIDE,
        references=package_table("genoloom.report", "references.tsv"),
        panels=views["haplotypes"],
        sets=views["sequences"],
        haplotype_headings=HAPLOTYPE_HEADINGS,
        sequence_headings=SEQUENCE_HEADINGS,
        mode_headings=MODE_HEADINGS,
    )
    return page, _plots(views)


def _plots(views: dict[str, list[dict]]) -> dict[str, str]:
    """SVG texts by names such as `haplotypes/demo/trade_off.svg`."""
    found = {}
    for kind, shown in views.items():
        for view in shown:
            own = dict(view["shared"])
            for generator in view["generators"]:
                for plot, svg in generator["plots"].items():
                    own[f"{generator['name']}.{plot}"] = svg
            found |= {f"{kind}/{view['name']}/{name}.svg": svg for name, svg in own.items()}
    return found


def cell(value) -> str:
    """A number as the page shows it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return f"{value:.4g}"


def help_of(column: str) -> str:
    """What a column of the summary says, in one line."""
    if column == "worst_attack":
        return AttackId.WORST.help
    if column in MODE_HELP:
        return MODE_HELP[column]
    return MetricId(column).help if column in tuple(MetricId) else ""


def image(svg: str) -> str:
    """An SVG as a data address; as an image its ids cannot clash with the ids of another one."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _first_view(data: DataSet) -> dict:
    """What the page says first of a data set: a block for each generator, and the baselines."""
    copying = mosaics(data.judgements)
    top = scale_end(data)
    blocks = {
        role: [
            {
                "judgement": j,
                "bar": bar(j, data.leak, top),
                "badges": badges(j),
                "copying": copying_sentence(j, copying),
            }
            for j in data.judgements
            if j.role == role
        ]
        for role in Role
    }
    others = [*blocks[Role.BASELINE], *blocks[Role.COMPARISON]]
    baselines = [block for block in others if block["bar"]]
    return {"cards": blocks["generator"], "baselines": baselines, "ticks": ticks(top)}


def _panel_view(data: DataSet, panel: PanelData) -> dict:
    roles = {j.generator: j.role for j in data.judgements}
    shown = {name: role for name, role in roles.items() if role in tuple(Role) and name != REAL}
    drawn = draw.styles({name: shown[name] for name in panel.details} | shown)
    phased = {name: own for name, own in panel.details.items() if own.get("phased", True)}
    shared = {"trade_off": draw.trade_off(data.judgements, drawn, data.leak)}
    if phased:
        shared["decay"] = draw.decay(phased, drawn)
    shared["spectrum"] = draw.spectrum(panel.details, drawn)
    if data.modes:
        of_holdout = next(
            (m.reference for m in data.metrics if m.metric == MetricId.CLASSIFIER_AUC), None
        )
        shared["frontier"] = frontier(data.modes, data.judgements, drawn, of_holdout)
    learned = [name for name, role in roles.items() if role == Role.GENERATOR]
    return {
        "name": panel.name,
        "data": data,
        "first": _first_view(data),
        "guides": guide_rows(data, list(HAPLOTYPE_HEADINGS)),
        "mode_guides": guide_rows(data, list(MODE_HEADINGS)),
        "summary": summarise_panel(panel.name, panel.fidelity, panel.privacy),
        "shared": shared,
        "generators": [_generator_view(panel, name) for name in learned],
        "groups": _groups(data),
        "utility": utility_view(data, panel, learned),
        "metrics": [row.model_dump() for row in data.metrics if row.metric != MetricId.OVERALL],
        "attacks": [row.model_dump() | {"reference": reference(row)} for row in data.attacks],
    }


def _groups(data: DataSet) -> list[dict]:
    """For all individuals, for frequency bins and windows, and for each population, a table of
    values (rows) by generator (columns).
    """
    populations = sorted({row.population for row in [*data.metrics, *data.attacks]} - {"all"})
    metrics = [m for m in data.metrics if m.metric != MetricId.OVERALL]
    columns = [j.generator for j in data.judgements]
    groups = []
    for name in ["all", BINS, *populations]:
        own = [m for m in metrics if m.population == ("all" if name == BINS else name)]
        if name in ("all", BINS):
            own = [m for m in own if (m.bin != "all") == (name == BINS)]
        table: dict[str, dict] = {}
        for metric in own:
            table.setdefault(metric_name(metric), {})[metric.generator] = metric
        against = sorted(
            (a for a in data.attacks if a.population == name),
            key=lambda a: a.attack not in WORST_ROWS,
        )
        for attack in against:
            label = f"{attack.title} ({attack.measure.title})"
            table.setdefault(label, {})[attack.generator] = attack
        rows = [_group_row(label, cells, columns) for label, cells in table.items()]
        groups.append(
            {
                "name": name,
                "title": {"all": "all individuals", BINS: "bins and windows"}.get(name, name),
                "rows": rows,
            }
        )
    return [{"columns": columns, **group} for group in groups if group["rows"]]


def _group_row(name: str, cells: dict[str, Metric | Attack], columns: list[str]) -> dict:
    """A line of a table by population; the reference is a span where it differs."""
    known = sorted({value for cell in cells.values() if (value := reference(cell)) is not None})
    return {
        "name": name,
        "better": next(iter(cells.values())).better,
        "help": next(iter(cells.values())).help,
        "reference": [known[0], known[-1]] if known else [],
        "cells": [cells.get(column) for column in columns],
    }


def _generator_view(panel: PanelData, name: str) -> dict:
    data = panel.details[name]
    edges = data["distances"]["edges"]
    groups = {k: v for k, v in data["distances"].items() if k != "edges"}
    drawn = {
        "pca": draw.pca(data, name),
        "frequency": draw.frequency(data, name),
        "distances": draw.histogram(edges, groups, "differing sites between two haplotypes"),
    }
    if panel.history.get(name):
        drawn["training"] = draw.training(panel.history[name], name)
    return {"name": name, "plots": drawn}


def _set_view(data: DataSet, own: SequenceData) -> dict:
    summary = summarise_set(own.name, own.fidelity, own.privacy)
    bits = {
        row["generator"]: row["bits_per_base"]
        for row in summary
        if row["bits_per_base"] is not None and row["generator"] != REAL
    }
    chains = next(iter(own.details.values()), {}).get("bits", {})
    bits = {
        word: value
        for word, value in chains.items()
        if word.startswith("order") or word in BASELINES
    } | bits
    learned = [row["generator"] for row in summary if row["role"] == Role.GENERATOR]
    return {
        "name": own.name,
        "data": data,
        "first": _first_view(data),
        "guides": guide_rows(data, list(SEQUENCE_HEADINGS)),
        "summary": summary,
        "shared": {"bits": draw.bits(bits)} if bits else {},
        "generators": [_sequence_view(own, name) for name in learned],
        "metrics": [row.model_dump() for row in data.metrics if row.metric != MetricId.OVERALL],
        "attacks": [row.model_dump() | {"reference": reference(row)} for row in data.attacks],
    }


def _sequence_view(data: SequenceData, name: str) -> dict:
    details = data.details[name]
    drawn = {}
    if "gc" in details:
        groups = {k: v for k, v in details["gc"].items() if k != "edges"}
        drawn["gc"] = draw.histogram(details["gc"]["edges"], groups, "GC content of a sequence")
    if "kmers" in details:
        drawn["kmers"] = draw.scatter(
            details["kmers"]["holdout"],
            details["kmers"]["synthetic"],
            "4-mer frequency, holdout",
            f"4-mer frequency, {name}",
        )
    if "identity" in details:
        groups = {k: v for k, v in details["identity"].items() if k != "edges"}
        drawn["identity"] = draw.histogram(
            details["identity"]["edges"], groups, "identity with the nearest training sequence"
        )
    if "places" in details:
        drawn["logo"] = draw.logo(details["places"], name)
        drawn["places"] = draw.places(details["places"], name)
    if details.get("guidance"):
        drawn["guidance"] = draw.guidance(details["guidance"], name)
    if data.history.get(name):
        drawn["training"] = draw.training(data.history[name], name)
    return {"name": name, "plots": drawn}
