"""Bars and badges of the first screen, as the template draws them."""

from dataclasses import dataclass
from math import ceil

from genoloom.report.data import CohortLeak, DataSet, Judgement
from genoloom.report.first_screen import SHORT_USES
from genoloom.report.words import with_interval
from genoloom.validation.uses import Fitness
from genoloom.validation.verdicts import Verdict

CHANCE = 0.5
FITNESS_MARKS = {  # drawn like the verdict that means as much
    Fitness.FIT: Verdict.PASS,
    Fitness.LIMITS: Verdict.WEAK,
    Fitness.NOT_RUN: Verdict.NOT_RUN,
    Fitness.NOT_FIT: Verdict.FAIL,
}


@dataclass(frozen=True)
class Bar:
    """The leak of one generator: values as text, and positions in percent of the width of the bar.

    The excess is between the end of the unavoidable part and that of the attack, on either side.
    `interval` is (position, width).
    """

    worst: str
    unavoidable: str
    excess: str
    unavoidable_end: float | None
    attack_end: float
    interval: tuple[float, float]
    limit: float | None
    excess_limit: float | None
    unavoidable_verdict: Verdict | None
    excess_verdict: Verdict | None


def scale_end(data: DataSet) -> float:
    """The AUC at the right end of all bars of a data set."""
    seen = [data.leak.max_auc] if data.leak else []
    for j in data.judgements:
        ends = (j.worst_attack, j.worst_attack_high, j.unavoidable)
        seen += [end for end in ends if end is not None]
    return min(1.0, max(0.7, ceil(round(10 * max(seen, default=0.7) + 0.2, 6)) / 10))


def ticks(top: float) -> list[tuple[str, float]]:
    """AUCs below the bars, and their places."""
    return [(f"{auc / 10:.1f}", _place(auc / 10, top)) for auc in range(5, round(10 * top) + 1)]


def bar(judgement: Judgement, leak: CohortLeak | None, top: float) -> Bar | None:
    """None where the generator was not audited."""
    j = judgement
    if j.worst_attack is None:
        return None
    ends = (j.worst_attack_low, j.worst_attack_high)
    low, high = (j.worst_attack if end is None else end for end in ends)
    unavoidable = j.unavoidable
    split = leak is not None and unavoidable is not None
    return Bar(
        worst=with_interval(j.worst_attack, j.worst_attack_low, j.worst_attack_high),
        unavoidable=with_interval(unavoidable),
        excess=with_interval(j.excess, j.excess_low, j.excess_high),
        unavoidable_end=None if unavoidable is None else _place(unavoidable, top),
        attack_end=_place(j.worst_attack, top),
        interval=(_place(low, top), _place(high, top) - _place(low, top)),
        limit=_place(leak.max_auc, top) if leak else None,
        excess_limit=_place(unavoidable + leak.max_excess, top) if split else None,
        unavoidable_verdict=_verdict(unavoidable, unavoidable, leak.max_auc) if split else None,
        excess_verdict=_verdict(j.excess_low, j.excess_high, leak.max_excess) if split else None,
    )


def _verdict(low: float | None, high: float | None, limit: float) -> Verdict | None:
    if low is None or high is None:
        return None
    return Verdict.PASS if high <= limit else Verdict.WEAK if low <= limit else Verdict.FAIL


def _place(auc: float, top: float) -> float:
    return round(100 * (min(max(auc, CHANCE), top) - CHANCE) / (top - CHANCE), 2)


def badges(judgement: Judgement) -> list[dict]:
    """For each use: how fit for all individuals, and where worst, with the reasons."""
    parts = {grade.use: grade for grade in judgement.uses if grade.population != "all"}
    return [
        {"name": SHORT_USES[grade.use], "whole": grade, "part": parts.get(grade.use)}
        for grade in judgement.uses if grade.population == "all"
    ]  # fmt: skip
