"""Fidelity of synthetic haplotypes: every metric beside what real people score on it, and the verdict over all.

`Collector` reads the variants once, window by window; `measure_all` takes the figures; `fidelity_rows` judges them.

The reference is always the held-out half H. The *floor* of a metric is what real people score against other real people:
the mean over random halvings of H and the training people T together, stratified by population; their standard deviation
is its spread. Levels (one sample, no reference), such as the share of lost sites, have H's own level as floor, and the
spread of the difference between two halves: sites are modelled because T carries them, so T, and less so a halving, lose
too few. The control row `real` is T taken as if it were synthetic.
"""

from genoloom.validation.metric_table import Measured
from genoloom.validation.verdicts import Chance, judge, worst

COLUMNS = ["row", "kind", "metric", "population", "bin", "value", "floor", "floor_sd", "nfr", "z", "n", "verdict"]


def fidelity_rows(measured: list[Measured], name: str, kind: str, n: int, group: str = "S") -> list[dict]:
    """Rows of the table for the generator `name`; the last one, `overall`, is the worst verdict of all."""
    return _judged([(m, m.synthetic[group]) for m in measured], name, kind, n)


def real_rows(measured: list[Measured], n: int) -> list[dict]:
    """Rows of the training people, taken as if they were synthetic; without what the choice of sites decides for them."""
    return _judged([(m, m.real) for m in measured if not m.metric.ascertained], "real", "control", n)


def _judged(figures: list[tuple[Measured, float]], name: str, kind: str, n: int) -> list[dict]:
    rows = []
    for m, value in figures:
        chance = Chance.of_family(len(figures), m.resplits)
        found = judge(m.metric.kind, value, m.floor, m.spread, m.metric.tolerance, chance)
        rows.append(
            {
                "row": name, "kind": kind, "metric": m.metric.name, "population": m.part.population, "bin": m.part.bin,
                "value": value, "floor": m.floor, "floor_sd": m.spread, "nfr": found.nfr, "z": found.z, "n": n,
                "verdict": found.verdict,
            }
        )  # fmt: skip
    verdict = worst([row["verdict"] for row in rows])
    off = sum(row["verdict"] != "pass" for row in rows)
    overall = dict.fromkeys(COLUMNS) | {"row": name, "kind": kind, "metric": "overall", "population": "all", "bin": "all"}
    return [*rows, overall | {"value": float(off), "n": n, "verdict": verdict}]
