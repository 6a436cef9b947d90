"""A synthetic cohort table of covariates, treatment and outcome, learned from the training
individuals of one that the user brings, factor by factor: P(X) P(T | X) P(Y | X, T).
"""

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genoloom.disclosure import FEW, individuals_count
from genoloom.errors import InputError
from genoloom.formats.splits import read_split
from genoloom.formats.tables import Row, read_table, write_table
from genoloom.seeds import derive_seed
from genoloom.treatment.routes import copula_draw, draw_outcomes
from genoloom.treatment.sandbox import Trial

log = logging.getLogger(__name__)

FEWEST = 100  # training individuals
LEVELS = 20  # at most, of a column of whole numbers whose values alone are drawn
INDIVIDUAL = "individual"
EVENT = 100.0  # how `genoloom.treatment` writes that something happened


@dataclass(frozen=True)
class Column:
    """A covariate as numbers.

    Attributes
    ----------
    values : ndarray, float64, shape (n_individuals,)
        In standard deviations from the mean.
    levels : list of str
        What a category is called, by its number; empty for numbers.
    """

    values: np.ndarray
    mean: float
    sd: float
    whole: bool
    levels: list[str]

    @property
    def discrete(self) -> bool:
        """Whether only its own values are drawn."""
        return bool(self.levels) or (self.whole and len(np.unique(self.values)) <= LEVELS)

    def cells(self, drawn: np.ndarray) -> list:
        """Drawn values as the table has them."""
        values = drawn * self.sd + self.mean
        if self.whole:
            values = np.rint(values).astype(int)
        return [self.levels[v] for v in values] if self.levels else values.tolist()


def trial_table(
    *, table: Path, split: Path, treatment: str, outcome: str, individuals: int | None, out: Path,
    seed: int,
) -> None:  # fmt: skip
    """Write as many synthetic individuals as trained, or `individuals`.

    The rows of holdout individuals are not looked at. Columns of numbers, of whole numbers and of
    categories are drawn together from a Gaussian copula.

    Parameters
    ----------
    table : Path
        With a column `individual`, the treatment (0 or 1), the outcome (a number, or 0 and 1), and
        covariates: all other columns.
    split : Path
        Who trains.

    Raises
    ------
    InputError
        A column is not there, or a cell is empty or no number; a category has up to 20 training
        individuals; individuals are named twice or not in the split; fewer than 100 train, or up to
        20 with one of the treatments.
    """
    rows = _training_rows(table, split, (treatment, outcome))
    t = np.array([row.number(treatment) for row in rows])
    y = np.array([row.number(outcome) for row in rows])
    arms = Counter(t.tolist())
    if set(arms) != {0.0, 1.0} or min(arms.values()) <= FEW:
        raise InputError(
            table, f"column '{treatment}' does not have more than {FEW} training individuals with "
            "each of 0 and 1", expected="two treatments, 0 and 1",
        )  # fmt: skip
    names = [name for name in rows[0] if name not in (INDIVIDUAL, treatment, outcome)]
    if not names:
        raise InputError(table, "has no covariate", expected="a column besides those named")
    columns = {name: _column(table, name, rows) for name in names}
    event = set(y.tolist()) <= {0.0, 1.0}
    real = Trial(np.stack([c.values for c in columns.values()], axis=1), t, y * EVENT**event)
    rng = np.random.default_rng(derive_seed(seed, "trial table"))
    discrete = [c.discrete for c in columns.values()]
    n = individuals or len(rows)
    x = copula_draw(real.x, discrete, n, rng)
    synthetic = draw_outcomes(real, x, rng, derive_seed(seed, "trial outcomes"))
    cells = {INDIVIDUAL: [f"synthetic{i + 1}" for i in range(n)]}
    cells |= {name: c.cells(synthetic.x[:, i]) for i, (name, c) in enumerate(columns.items())}
    outcomes = (synthetic.y / EVENT).astype(int) if event else synthetic.y
    cells |= {treatment: synthetic.t.astype(int).tolist(), outcome: outcomes.tolist()}
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = [dict(zip(cells, line, strict=True)) for line in zip(*cells.values(), strict=True)]
    write_table(out, list(rows[0]), lines)
    log.info("%s trained; %d synthetic individuals", individuals_count(len(rows)), n)


def _training_rows(table: Path, split: Path, needed: tuple[str, ...]) -> list[Row]:
    roles = {row["individual"]: row["role"] for row in read_split(split)}
    rows = read_table(table, (INDIVIDUAL, *needed))
    seen: set[str] = set()
    for row in rows:
        name = row[INDIVIDUAL]
        if name in seen or name not in roles:
            raise InputError(
                table,
                f"line {row.line}: the individual is {'named twice' if name in seen else 'not in'}"
                f"{'' if name in seen else f' {split.name}'}",
                expected="one row per individual of the split",
            )
        seen.add(name)
    rows = [row for row in rows if roles[row[INDIVIDUAL]] == "train"]
    if len(rows) < FEWEST:
        raise InputError(
            table, f"has {individuals_count(len(rows), 'training individuals')}",
            expected=f"at least {FEWEST}",
        )  # fmt: skip
    return rows


def _column(table: Path, name: str, rows: list[Row]) -> Column:
    cells = [row[name] for row in rows]
    for row in rows:
        if not row[name]:
            raise InputError(
                table, f"line {row.line}: column '{name}' is empty",
                expected="a value for every training individual",
                remedy="leave the individual or the column out",
            )  # fmt: skip
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        levels = sorted(set(cells))
        if min(Counter(cells).values()) <= FEW:
            raise InputError(
                table, f"column '{name}' has a category of up to {FEW} training individuals",
                expected="numbers, or categories of more", remedy="join rare categories",
            ) from None  # fmt: skip
        values = np.array([levels.index(cell) for cell in cells], dtype=float)
        return Column(*_scaled(values), True, levels)
    if not np.isfinite(values).all():
        raise InputError(table, f"column '{name}' has a number that is not finite")
    return Column(*_scaled(values), bool((values == np.rint(values)).all()), [])


def _scaled(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    mean, sd = float(values.mean()), float(values.std()) or 1.0
    return (values - mean) / sd, mean, sd
