"""Data of privacy modes next to public individuals: a row each, and the frontier of fidelity and
leak against epsilon.
"""

import math

import numpy as np

from genoloom.privacy.accounting import largest_auc, largest_rate_of_gaussian, mu_of
from genoloom.report.data import Judgement, Metric, ModeRow
from genoloom.report.plots import INK, MUTED, REAL, Style, plt, svg
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.verdicts import REAL as REAL_ROW
from genoloom.validation.verdicts import ComparisonRow, Role

METRICS = (
    MetricId.CLASSIFIER_AUC,
    MetricId.LD_R2_CORRELATION,
    MetricId.PCA_DISTANCE,
    MetricId.FST_MATRIX_ERROR,
)
DELTA = 1e-5  # of the line, where no data have an epsilon
LEAST, MOST = 0.25, 16.0  # epsilon of the line
NOTHING, NO_LIMIT = 0.1, 40.0  # where data are drawn that nothing or anything is known of
APART = 0.06  # of two at the same place, in powers of ten


def mode_rows(
    models: list[dict], judgements: list[Judgement], metrics: list[Metric]
) -> list[ModeRow]:
    """A row for each generator and comparison row, the smallest epsilon first; none where no model
    is of a privacy mode.

    Parameters
    ----------
    models : list of dict
        Descriptions: the guarantee of a model is its `privacy`.
    """
    recorded = {m["generator"]: m["privacy"] for m in models if m.get("privacy")}
    recorded |= {
        row.value: {"mode": "public"} for row in ComparisonRow if row != ComparisonRow.TWIN
    }
    if not any(m.get("privacy") for m in models):
        return []
    value = {
        (m.generator, m.metric): m.value
        for m in reversed(metrics)
        if m.population == m.bin == "all"
    }
    rows = [
        ModeRow(
            generator=j.generator,
            help=_help(j, recorded.get(j.generator)),
            **_guarantee(recorded.get(j.generator)),
            worst_attack=j.worst_attack,
            worst_attack_low=j.worst_attack_low,
            worst_attack_high=j.worst_attack_high,
            **{name: value.get((j.generator, name)) for name in METRICS},
        )
        for j in judgements
        if j.role in (Role.GENERATOR, Role.COMPARISON)
    ]
    return sorted(rows, key=_order)


def _order(row: ModeRow) -> float:
    return math.inf if row.epsilon is None else row.epsilon


def _help(judgement: Judgement, recorded: dict | None) -> str:
    if judgement.role == Role.COMPARISON:
        return ComparisonRow(judgement.generator).help
    if recorded is None:
        return "Learns from the training individuals, without a guarantee."
    if recorded["mode"] == "public":
        return "Mode public: nothing of the genotypes of the cohort is in the data."
    if recorded["epsilon"] is None:
        return "Mode statistics with counts without noise: no guarantee."
    return "Mode statistics: follows noised statistics of the cohort."


def _guarantee(recorded: dict | None) -> dict:
    """Epsilon, delta, and what they permit at most; nothing where there is no guarantee."""
    if recorded is None or (recorded["mode"] != "public" and recorded["epsilon"] is None):
        return {}
    mu = 0.0 if recorded["mode"] == "public" else recorded["mu"]
    return {
        "epsilon": 0.0 if mu == 0 else recorded["epsilon"],
        "delta": None if mu == 0 else recorded["delta"],
        "permitted_auc": largest_auc(mu),
        "permitted_rate": largest_rate_of_gaussian(mu),
    }


def frontier(
    rows: list[ModeRow],
    judgements: list[Judgement],
    drawn: dict[str, Style],
    reference: float | None,
) -> str:
    """Classifier and worst attack against epsilon; the line is the largest AUC that epsilon permits
    to any attack.

    Parameters
    ----------
    reference : float or None
        What held-out individuals score on the classifier.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(5.0, 5.6), sharex=True)
    for axes in (above, below):
        axes.set_xscale("log")
        for place in (0.16, 25.0):
            axes.axvline(place, color=MUTED, lw=0.6, ls=":")
    if reference is not None:
        above.axhline(reference, color=REAL, lw=1, ls="--", label="reference")
    own = {j.generator: j for j in judgements}
    if REAL_ROW in own and own[REAL_ROW].classifier_auc is not None:
        above.axhline(own[REAL_ROW].classifier_auc, color=REAL, lw=1, label="real individuals")
    delta = next((row.delta for row in rows if row.delta is not None), DELTA)
    epsilon = np.geomspace(LEAST, MOST, 40)
    permitted = [largest_auc(mu_of(float(e), delta)) for e in epsilon]
    below.plot(epsilon, permitted, color=INK, lw=1, label="permitted at most")
    for ends, auc in (((0.07, 0.15), 0.5), ((27.0, 150.0), 1.0)):
        below.plot(ends, (auc, auc), color=INK, lw=1)
    at_place: dict[float, int] = {}
    for row in rows:
        place = NO_LIMIT if row.epsilon is None else max(row.epsilon, NOTHING)
        number = at_place[place] = at_place.get(place, -1) + 1
        x, style = place * 10 ** (APART * number), drawn[row.generator]
        look = {"color": style.colour, "ms": 7, "label": row.generator}
        look["mfc"] = style.colour if style.width > 2 else "white"
        if row.classifier_auc is not None:
            above.plot(x, row.classifier_auc, style.marker, **look)
        if row.worst_attack is not None:
            ends = row.worst_attack_low, row.worst_attack_high
            low, high = (row.worst_attack if end is None else end for end in ends)
            error = [[max(0.0, row.worst_attack - low)], [max(0.0, high - row.worst_attack)]]
            below.errorbar(x, row.worst_attack, yerr=error, fmt=style.marker, capsize=3, **look)
    above.set_ylabel("AUC of the classifier")
    below.set_ylabel("AUC of the worst attack")
    below.set_xlabel("epsilon: what the data may reveal of an individual")
    below.set_xticks(
        [NOTHING, 0.5, 1, 3, 8, NO_LIMIT], ["nothing", "0.5", "1", "3", "8", "no limit"]
    )
    below.minorticks_off()
    below.set_xlim(0.07, 150)
    found = dict(zip(*reversed(above.get_legend_handles_labels()), strict=True))
    for handle, label in zip(*below.get_legend_handles_labels(), strict=True):
        found.setdefault(label, handle)
    lines = math.ceil(len(found) / 2)
    figure.legend(
        found.values(), found.keys(), loc="lower center", ncol=2, frameon=False, fontsize=8.5
    )
    figure.subplots_adjust(
        left=0.15, right=0.98, top=0.98, bottom=(0.6 + 0.2 * lines) / 5.6, hspace=0.1
    )
    return svg(figure, tight=False)
