"""Close relatives and duplicates among the individuals of some panels."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.pedigree import read_pedigree
from genoloom.panel import Panel, fill_missing
from genoloom.popgen.relatives import Relatives, find_relatives

log = logging.getLogger(__name__)

MIN_FREQUENCY = 0.01  # rarer sites tell little of kinship
MAX_SITES = 100_000  # evenly spaced ones are taken of more
MAX_INDIVIDUALS = 20_000  # time grows with the square
BLOCK = 2048


def relatives_of(panels: list[Panel], source: str) -> Relatives | None:
    """Relatives among the same individuals of one or more contigs; None where they are too many.

    Says what could be found and what could not.
    """
    individuals = panels[0].individuals
    if len(individuals) > MAX_INDIVIDUALS:
        log.warning(
            "%s: relatives are not looked for among more than %d individuals; name a pedigree "
            "(split.pedigree)",
            source,
            MAX_INDIVIDUALS,
        )
        return None
    step = max(1, -(-sum(len(panel.sites) for panel in panels) // MAX_SITES))
    found = find_relatives(lambda: _dosages(panels, step), np.array(individuals.population))
    if not found.duplicates and len(individuals) > 1:
        log.warning(
            "%s: too few sites to find relatives, or duplicates, by genotypes: many individuals "
            "have the same ones; name a pedigree (split.pedigree)",
            source,
        )
    elif found.degree is None:
        found_as = "parents and children, and duplicates" if found.parents else "duplicates"
        log.info(
            "%s: too few independent sites to find relatives by kinship; only %s are looked for",
            source,
            found_as,
        )
    elif found.degree == 1:
        log.info("%s: too few independent sites to find relatives beyond the first degree", source)
    return found


def _dosages(panels: list[Panel], step: int) -> Iterator[np.ndarray]:
    for panel in panels:
        for _, _, alleles in panel.blocks(BLOCK * step):
            alleles = alleles[::step]
            known = np.maximum((alleles >= 0).sum(axis=1), 1)
            frequency = (alleles == 1).sum(axis=1) / known
            alleles = fill_missing(alleles)
            common = (frequency >= MIN_FREQUENCY) & (frequency <= 1 - MIN_FREQUENCY)
            yield (alleles[:, 0::2] + alleles[:, 1::2])[common].astype(np.int8)


def pedigree_pairs(path: Path, individuals: list[str]) -> tuple[int, list[tuple[int, int]]]:
    """How many nodes there are, and the pairs of parent and child among them.

    The first nodes are `individuals`; parents who are not among them follow, so that their children
    are joined.

    Raises
    ------
    InputError
        No row of the pedigree is about these individuals.
    """
    rows = read_pedigree(path)
    node = {name: i for i, name in enumerate(individuals)}
    if not any(child in node for child, _, _ in rows):
        raise InputError(
            path, "names none of the panel's individuals", expected="the names of the genotype file"
        )
    for names in rows:
        for name in filter(None, names):
            node.setdefault(name, len(node))
    pairs = [
        (node[child], node[parent]) for child, *parents in rows for parent in parents if parent
    ]
    return len(node), pairs


def warn_of_relatives(panels: list[Panel], roles: list[str]) -> None:
    """Warn where a training individual is a duplicate or a close relative of a held-out one."""
    found = relatives_of(panels, "training and held-out individuals")
    if found is None or not len(found.pairs):
        return
    role = np.array(roles)
    across = int((role[found.pairs[:, 0]] != role[found.pairs[:, 1]]).sum())
    if across:
        log.warning(
            "%s of a training and a held-out individual are duplicates or close relatives: attacks "
            "are blunted and reference values too good; take one of each pair out of the held-out "
            "files",
            individuals_count(across, "pairs"),
        )
