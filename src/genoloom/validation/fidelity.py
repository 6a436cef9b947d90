"""Fidelity of synthetic haplotypes: every metric beside what real people score on it, and the verdict over all.

`Collector` reads the variants once, window by window; `measure_all` takes the figures; `fidelity_rows` judges them.

The reference is always the held-out half H. The *floor* of a metric is what real people score against other real people:
the mean over random halvings of H and the training people T together, stratified by population; their standard deviation
is its spread. Levels (one sample, no reference), such as the share of lost sites, have H's own level as floor.

*z* asks another question: how far is the figure from what it would be if the labels "synthetic" and "held-out" meant nothing?
It is the distance from the mean over random halvings of both together, in their standard deviations: a permutation test. It
holds whatever the sites were chosen by (they are modelled because T carries them, so halvings of T and H are no measure of
chance at rare sites), and it knows the people that are compared: one rare long haplotype weighs as much on either side.
The control row `real` is T taken as if it were synthetic; its z is that of the halvings.
"""

import numpy as np

from genoloom.popgen.frequencies import BIN_NAMES
from genoloom.validation.metric_table import Measured
from genoloom.validation.verdicts import Chance, judge, worst

COLUMNS = ["row", "kind", "metric", "population", "bin", "value", "floor", "floor_sd", "nfr", "z", "n", "verdict"]


def fidelity_rows(measured: list[Measured], name: str, kind: str, n: int, group: str = "S") -> list[dict]:
    """Rows of the table for the generator `name`; the last one, `overall`, is the worst verdict of all."""
    return _judged(measured, name, kind, n, group)


def real_rows(measured: list[Measured], n: int) -> list[dict]:
    """Rows of the training people, taken as if they were synthetic; without what the choice of sites decides for them."""
    chosen = [m for m in measured if not m.metric.ascertained and m.part.bin not in BIN_NAMES]
    return _judged(chosen, "real", "control", n, "T")


def _judged(measured: list[Measured], name: str, kind: str, n: int, group: str) -> list[dict]:
    known = Chance.of_family(len(measured))
    family = _family([m.permuted[group].departures for m in measured if group in m.permuted]) or known
    rows = []
    for m in measured:
        own = m.permuted.get(group)
        chance = family if own and len(own.departures) else known
        z = own.z if own else None
        found = judge(m.metric.kind, m.values[group], m.floor, m.floor_sd, m.metric.tolerance, chance, z)
        rows.append(
            {
                "row": name, "kind": kind, "metric": m.metric.name, "population": m.part.population, "bin": m.part.bin,
                "value": m.values[group], "floor": m.floor, "floor_sd": m.floor_sd, "nfr": found.nfr, "z": found.z, "n": n,
                "verdict": found.verdict,
            }
        )  # fmt: skip
    verdict = worst([row["verdict"] for row in rows])
    off = sum(row["verdict"] != "pass" for row in rows)
    overall = dict.fromkeys(COLUMNS) | {"row": name, "kind": kind, "metric": "overall", "population": "all", "bin": "all"}
    return [*rows, overall | {"value": float(off), "n": n, "verdict": verdict}]


def _family(departures: list[np.ndarray]) -> Chance | None:
    """The bound of all figures that were permuted; None where none was. A figure with more permutations gives the first ones."""
    permuted = [figures for figures in departures if len(figures)]
    if not permuted:
        return None
    fewest = min(map(len, permuted))
    return Chance.of_permutations(np.nan_to_num(np.stack([figures[:fewest] for figures in permuted], axis=1)))
