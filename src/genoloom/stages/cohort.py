"""Write the cohort sheet."""

import logging
from collections import Counter
from pathlib import Path

from genoloom.cohort import make_people, parse_shares
from genoloom.config import CohortOptions
from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.tables import read_table, write_table
from genoloom.panel import People
from genoloom.seeds import derive_seed

log = logging.getLogger(__name__)

COLUMNS = ["person", "population", "sex", "seed"]


def make_cohort(*, model: Path, split: Path, out: Path, options: CohortOptions, seed: int) -> None:
    """Write the sheet of synthetic people: person, population, sex, seed.

    Parameters
    ----------
    model : Path
        Any model of the generator; says which populations there are.
    split : Path
        The split table: the training mix and size are the defaults.
    """
    known = read_description(model, "haplotypes")["population_names"]
    trained = Counter(row["population"] for row in read_table(split) if row["role"] == "train")
    size = options.size or sum(trained.values())
    if options.populations == "panel":
        shares = {name: trained[name] / sum(trained.values()) for name in known}
    else:
        shares = parse_shares(options.populations, known)
    people = make_people(shares, size, options.female, seed)
    cells = zip(people.id, people.population, people.sex, strict=True)
    rows = [{"person": i, "population": p, "sex": s, "seed": derive_seed(seed, "person", i)} for i, p, s in cells]
    write_table(out, COLUMNS, rows)
    log.info("%d synthetic people", size)


def read_cohort(path: str | Path) -> tuple[People, list[int]]:
    """The synthetic people and the seed of each."""
    if not Path(path).exists():
        raise InputError(path, "not found", remedy="make it with `genoloom cohort`")
    rows = read_table(path)
    if not rows or set(COLUMNS) - set(rows[0]):
        raise InputError(path, "is no cohort sheet", expected=f"the columns {', '.join(COLUMNS)}")
    people = People([r["person"] for r in rows], [r["population"] for r in rows], [r["sex"] for r in rows])
    return people, [int(r["seed"]) for r in rows]
