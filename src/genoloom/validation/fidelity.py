"""Fidelity of synthetic haplotypes: every metric, what real individuals score, and the verdict.

`Collector` reads the variants once, window by window; `measure_all` takes the metrics;
`fidelity_rows` judges them.

Everything is compared with the held-out half H. The *reference* of a metric is what real
individuals score against other real individuals: the mean over random halvings of H and the
training individuals T together, stratified by population. Its spread is the standard deviation over
halvings. Levels (of one sample), such as the share of lost sites, have H's own level as reference.

*z* is the distance of the metric from the reference in these spreads. It does not depend on the
synthetic individuals: a generator cannot widen it by being far off, and it is the same for all
generators of a panel. Sites are modelled because T carries them, which the rarest alleles of T
show; both halves of a halving hold a part of T.
The baseline row `real` is T as if it were synthetic.
"""

import math

import numpy as np

from genoloom.validation.cohorts import Group
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.metric_table import Measured
from genoloom.validation.rows import ALL, MetricRow
from genoloom.validation.verdicts import REAL, Chance, Role, Verdict, judge, worst


def fidelity_rows(
    measured: list[Measured], name: str, role: Role, n: int, group: str = Group.SYNTHETIC
) -> list[MetricRow]:
    """Rows of the table for the generator `name`; the last one, `overall`, is the worst verdict of
    all.

    Parameters
    ----------
    n : int
        Individuals per group.
    group : str
        Whose values are judged: a key of `Measured.values`.
    """
    known, family = Chance.of_family(len(measured)), family_chance(measured)
    rows = []
    for m in measured:
        chance = family if len(m.departures) else known
        found = judge(
            m.metric.name.metric_type,
            m.values[group],
            m.reference,
            m.null_sd,
            m.metric.tolerance,
            chance,
            unit=m.metric.unit,
        )
        rows.append(
            MetricRow(
                name,
                role,
                m.metric.name,
                m.part.population,
                m.part.bin,
                m.values[group],
                m.reference,
                m.null_sd,
                found.nfr,
                found.z,
                n if m.n is None else m.n,
                found.verdict,
            )
        )
    verdict = worst([row.verdict for row in rows])
    off = sum(row.verdict is not Verdict.PASS for row in rows)
    none = [math.nan] * 4
    return [*rows, MetricRow(name, role, MetricId.OVERALL, ALL, ALL, float(off), *none, n, verdict)]


def real_rows(measured: list[Measured], n: int) -> list[MetricRow]:
    """Rows of the training individuals as if they were synthetic, without what the choice of sites
    decides.
    """
    chosen = [m for m in measured if not (m.metric.ascertained or m.part.ascertained)]
    return fidelity_rows(chosen, REAL, Role.BASELINE, n, Group.TRAIN)


def family_chance(measured: list[Measured]) -> Chance:
    """The bound of all metrics of a panel, the same for all its generators.

    A metric with more halvings gives the first ones.
    """
    departures = [m.departures for m in measured if len(m.departures)]
    if not departures:
        return Chance.of_family(len(measured))
    fewest = min(map(len, departures))
    return Chance.of_halvings(
        np.nan_to_num(np.stack([metrics[:fewest] for metrics in departures], axis=1))
    )
