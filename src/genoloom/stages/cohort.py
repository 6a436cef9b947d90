"""Write and read the cohort sheet."""

import logging
import math
from collections import Counter
from pathlib import Path

import numpy as np

from genoloom.cohort import ADMIXED, Cohort, make_families, make_individuals, parse_shares
from genoloom.config import CohortOptions
from genoloom.errors import InputError
from genoloom.formats.models import is_public, read_description
from genoloom.formats.pedigree import write_pedigree
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.splits import read_split
from genoloom.formats.tables import Row, read_table, write_table
from genoloom.formats.text import real_number
from genoloom.models.haplotype.base import HaplotypeDescription
from genoloom.panel import Individuals
from genoloom.seeds import derive_seed

log = logging.getLogger(__name__)

COLUMNS = [
    "individual",
    "population",
    "sex",
    "seed",
    "ancestry",
    "generations",
    "inbreeding",
    "meioses",
    "family",
    "father",
    "mother",
]
MAKE = "make it with `genoloom cohort`"
MOST_REDRAWN = 1e6  # a Morgan: beyond one in a hundred base pairs nothing is a tract


def make_cohort(
    *, model: Path, split: Path | None, out: Path, options: CohortOptions, seed: int
) -> None:
    """Write the sheet of synthetic individuals: who they are, and what their haplotypes follow from
    next to the model. Of families there is a PLINK .fam next to the sheet.

    Parameters
    ----------
    model : Path
        Any model of the generator; says which populations there are.
    split : Path, optional
        The split table: the training mix and size are the defaults. A model in mode `public` or
        `statistics` is told both, and the table is not opened.

    Raises
    ------
    InputError
        Size and mix are not known, or the size is too small for one family.
    """
    described = read_description(model, "haplotypes", HaplotypeDescription)
    known = [*described["population_names"], *described.get("labels", {})]
    if is_public(described):
        if options.size is None or options.populations == "panel":
            raise InputError(
                "--size, --populations",
                "are not both given, and a model in mode public or statistics knows nothing of the "
                "cohort's size and mix",
                expected="size and mix as you type them, such as --size 150 --populations "
                + ",".join(f"{name}:1" for name in known[:2]),
            )
        split = None
    elif split is None:
        raise InputError("--split", "is not given", expected="the split that the model trained on")
    record = Making("cohort", {"model": model, "split": split})
    trained, above = (dict.fromkeys(known, 1), {}) if split is None else _trained(split, known)
    size = options.size or sum(trained.values())
    if options.populations == "panel":
        shares = {name: trained[name] / sum(trained.values()) for name in known}
    else:
        shares = parse_shares(options.populations, trained, above)
    ancestry = ""
    if options.admixture is not None:
        if ADMIXED in known:
            raise InputError(
                "--admixture",
                f"the panel has a population '{ADMIXED}' of its own",
                remedy="rename it in the sheet of individuals",
            )
        parsed = parse_shares(options.admixture, trained, above, "--admixture")
        ancestry = ",".join(f"{name}:{share:.6g}" for name, share in parsed.items() if share > 0)
    individuals, parents = _make_everybody(shares, size, options, seed)
    admixed = [bool(ancestry) and population == ADMIXED for population in individuals.population]
    rows = [
        {
            "individual": individual,
            "population": individuals.population[i],
            "sex": individuals.sex[i],
            "seed": derive_seed(seed, "person", individual),
            "ancestry": ancestry if admixed[i] else "",
            "generations": options.generations if admixed[i] else 0.0,
            "inbreeding": 0.0 if parents[i][0] else options.inbreeding,
            "meioses": 0.0 if parents[i][0] or options.inbreeding == 0 else options.meioses,
            "family": individuals.family[i],
            "father": parents[i][0],
            "mother": parents[i][1],
        }
        for i, individual in enumerate(individuals.id)
    ]
    write_table(out, COLUMNS, rows)
    written = [out]
    if options.children:
        written.append(out.with_suffix(".fam"))
        write_pedigree(written[-1], individuals, parents)
    record.write(record_path(out.with_suffix("")), written, seed=seed)
    n_children = sum(bool(father) for father, _ in parents)
    log.info(
        "%d synthetic individuals, %d of them admixed, %d of them children",
        size, sum(admixed), n_children,
    )  # fmt: skip


def _make_everybody(
    shares: dict[str, float], size: int, options: CohortOptions, seed: int
) -> tuple[Individuals, list[tuple[str, str]]]:
    """The individuals and their parents; a family is admixed as a whole."""
    couples = 0
    if options.children:
        couples = round(options.in_families * size) // (2 + options.children)
        if couples == 0:
            raise InputError(
                "--children", f"{options.children} and both parents are no family of "
                f"{options.in_families:g} of {size} individuals",
                expected="room for one family", remedy="raise --size or --in-families",
            )  # fmt: skip
    n_units = size - couples * (1 + options.children)
    units = make_individuals(shares, n_units, options.female, seed)
    if options.admixture is not None:
        chosen = np.random.default_rng(derive_seed(seed, "admixed")).permutation(n_units)
        for i in chosen[: max(1, round(options.admixed * n_units))]:
            units.population[i] = ADMIXED
    if not couples:
        return units, [("", "")] * size
    return make_families(units, couples, options.children, options.female, seed)


def _trained(split: Path, known: list[str]) -> tuple[dict[str, int], dict[str, str]]:
    """Training individuals of each population of a model, and the superpopulation of each."""
    table = read_split(split)
    counted = Counter(row["population"] for row in table if row["role"] == "train")
    trained = {name: counted[name] for name in known}
    if not sum(trained.values()):
        raise InputError(
            split,
            "has no training individual of a population of the model",
            remedy="give the split it was trained with",
        )
    return trained, {row["population"]: row.get("superpopulation") or "" for row in table}


def read_cohort(path: str | Path) -> Cohort:
    """The synthetic individuals of a cohort sheet.

    Raises
    ------
    InputError
        The file is missing or is no cohort sheet; with the line.
    """
    rows = read_table(path, COLUMNS, MAKE)
    if not rows:
        raise InputError(path, "names nobody", remedy=MAKE)
    lines: dict[str, int] = {}
    sex: dict[str, str] = {}
    for row in rows:
        _check_parents(row, sex)
        sex[row["individual"]] = row["sex"]
        if (
            not row["individual"]
            or (line := lines.setdefault(row["individual"], row.line)) != row.line
        ):
            found = (
                f"the individual of line {line} again"
                if row["individual"]
                else "an individual without a name"
            )
            raise InputError(
                path, f"line {row.line}: {found}", expected="one row per individual", remedy=MAKE
            )
        if row["individual"] == "0" or row["individual"] != "".join(row["individual"].split()):
            raise row.refuse(
                "individual",
                "is no name that PLINK files can hold",
                expected="no white space, not 0",
            )
        if row["family"] != "".join(row["family"].split()):
            raise row.refuse("family", "has white space", expected="a name, or nothing")
    individuals = Individuals(
        [row["individual"] for row in rows],
        [row["population"] for row in rows],
        [row.one_of("sex", ("female", "male", "unknown")) for row in rows],
        [row["family"] for row in rows],
    )
    return Cohort(
        individuals,
        seed=[row.integer("seed", 0, 2**63 - 1) for row in rows],
        ancestry=[_ancestry(row) for row in rows],
        generations=[row.number("generations", 0, MOST_REDRAWN) for row in rows],
        inbreeding=[row.number("inbreeding", 0, 1) for row in rows],
        meioses=[row.number("meioses", 0, MOST_REDRAWN) for row in rows],
        parents=[(row["father"], row["mother"]) for row in rows],
    )


def _check_parents(row: Row, sex: dict[str, str]) -> None:
    """Raise unless the parents are a man and a woman of `sex`, the rows before, or there are
    none.
    """
    if not row["father"] and not row["mother"]:
        return
    for role, needed in (("father", "male"), ("mother", "female")):
        if sex.get(row[role]) != needed:
            raise row.refuse(
                role, f"names no {needed} individual of an earlier line",
                expected="both parents on lines before their children, or neither",
            )  # fmt: skip
    if row.number("inbreeding", 0, 1) > 0:
        raise row.refuse(
            "inbreeding", "is that of somebody who has parents",
            expected="0: it follows from the parents",
        )  # fmt: skip


def _ancestry(row: Row) -> dict[str, float]:
    """Shares of populations, scaled to sum to one; empty for an individual who is not admixed."""
    pairs = [part.rsplit(":", 1) for part in row["ancestry"].split(",") if part]
    try:
        shares = {name: real_number(number) for name, number in pairs}
    except ValueError:
        raise row.refuse(
            "ancestry", "is no list of shares", expected="such as EUR:0.8,AFR:0.2"
        ) from None
    total = sum(shares.values())
    if pairs and (len(shares) < len(pairs) or min(shares.values()) < 0 or not 0 < total < math.inf):
        raise row.refuse(
            "ancestry",
            "is no list of shares",
            expected="each population once, with a share from 0 on",
        )
    return {name: share / total for name, share in shares.items()}
