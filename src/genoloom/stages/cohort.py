"""Write and read the cohort sheet."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np

from genoloom.cohort import ADMIXED, make_families, make_individuals, parse_shares
from genoloom.config import CohortOptions
from genoloom.errors import InputError
from genoloom.formats.cohort_sheets import COLUMNS
from genoloom.formats.models import is_public, read_description
from genoloom.formats.pedigree import write_pedigree
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.splits import read_split
from genoloom.formats.tables import write_table
from genoloom.models.haplotype.base import HaplotypeDescription
from genoloom.panel import Individuals
from genoloom.seeds import derive_seed

log = logging.getLogger(__name__)


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
        `statistics` has both, and the table is not opened.

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
