"""Write and read the cohort sheet."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np

from genoloom.cohort import ADMIXED, Cohort, make_people, parse_shares
from genoloom.config import CohortOptions
from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.tables import read_table, write_table
from genoloom.panel import People
from genoloom.seeds import derive_seed

log = logging.getLogger(__name__)

COLUMNS = ["person", "population", "sex", "seed", "ancestry", "generations", "inbreeding", "meioses"]


def make_cohort(*, model: Path, split: Path, out: Path, options: CohortOptions, seed: int) -> None:
    """Write the sheet of synthetic people: who they are, and what their haplotypes follow from beside the model.

    Parameters
    ----------
    model : Path
        Any model of the generator; says which populations there are.
    split : Path
        The split table: the training mix and size are the defaults.
    """
    made = Making("cohort", {"model": model, "split": split})
    known = read_description(model, "haplotypes")["population_names"]
    table = read_table(split)
    counted = Counter(row["population"] for row in table if row["role"] == "train")
    trained = {name: counted[name] for name in known}
    above = {row["population"]: row.get("superpopulation") or "" for row in table}
    size = options.size or sum(trained.values())
    if options.populations == "panel":
        shares = {name: trained[name] / sum(trained.values()) for name in known}
    else:
        shares = parse_shares(options.populations, trained, above)
    people = make_people(shares, size, options.female, seed)
    ancestry = ""
    if options.admixture is not None:
        if ADMIXED in known:
            raise InputError(
                "--admixture", f"the panel has a population '{ADMIXED}' of its own", remedy="rename it in the sheet of people"
            )
        parsed = parse_shares(options.admixture, trained, above, "--admixture")
        ancestry = ",".join(f"{name}:{share:.6g}" for name, share in parsed.items() if share > 0)
    chosen = np.random.default_rng(derive_seed(seed, "admixed")).permutation(size)
    admixed = set(chosen[: max(1, round(options.admixed * size)) if ancestry else 0].tolist())
    rows = [
        {
            "person": person, "population": ADMIXED if i in admixed else people.population[i], "sex": people.sex[i],
            "seed": derive_seed(seed, "person", person), "ancestry": ancestry if i in admixed else "",
            "generations": options.generations if i in admixed else 0.0,
            "inbreeding": options.inbreeding, "meioses": options.meioses if options.inbreeding > 0 else 0.0,
        }
        for i, person in enumerate(people.id)
    ]  # fmt: skip
    write_table(out, COLUMNS, rows)
    made.write(record_path(out.with_suffix("")), [out], seed=seed)
    log.info("%d synthetic people, %d of them admixed", size, len(admixed))


def read_cohort(path: str | Path) -> Cohort:
    """The synthetic people of a cohort sheet.

    Raises
    ------
    InputError
        The file is missing or is no cohort sheet.
    """
    if not Path(path).exists():
        raise InputError(path, "not found", remedy="make it with `genoloom cohort`")
    rows = read_table(path)
    if not rows or set(COLUMNS) - set(rows[0]):
        raise InputError(
            path, "is no cohort sheet", expected=f"the columns {', '.join(COLUMNS)}", remedy="make it with `genoloom cohort`"
        )  # fmt: skip
    try:
        numbers = [[float(r[name]) for r in rows] for name in ("generations", "inbreeding", "meioses")]
        ancestry = [_ancestry(r["ancestry"]) for r in rows]
        seeds = [int(r["seed"]) for r in rows]
    except ValueError as error:
        raise InputError(path, f"holds no number where one is due ({error})", remedy="make it with `genoloom cohort`") from None
    people = People([r["person"] for r in rows], [r["population"] for r in rows], [r["sex"] for r in rows])
    return Cohort(people, seeds, ancestry, *numbers)


def _ancestry(text: str) -> dict[str, float]:
    """Shares of populations, scaled to sum to one; empty for a person who is not admixed."""
    pairs = [part.rsplit(":", 1) for part in text.split(",") if part]
    shares = {name: float(number) for name, number in pairs}
    return {name: share / sum(shares.values()) for name, share in shares.items()}
