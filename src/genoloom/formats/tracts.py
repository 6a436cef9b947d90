"""True tracts of synthetic individuals as BED-like files: 0-based, half-open intervals, with a
header line.

A tract begins at its first site and ends where the next one begins, or at the last site: between
two sites nothing tells.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genoloom.formats.tables import write_table
from genoloom.panel import Individuals, Sites
from genoloom.tracts import Tracts

ANCESTRY_COLUMNS = ["#contig", "start", "end", "ancestry", "individual", "haplotype"]
AUTOZYGOUS_COLUMNS = ["#contig", "start", "end", "individual"]


def _intervals(sites: Sites, tracts: Tracts, row: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, label) of the tracts of one row."""
    starts = (sites.position[tracts.first[row]] - 1).tolist()
    ends = [*starts[1:], int(sites.position[-1])]
    yield from zip(starts, ends, tracts.label[row].tolist(), strict=True)


def write_ancestry(
    path: str | Path,
    sites: Sites,
    individuals: Individuals,
    ancestry: Tracts,
    names: list[str],
    haploid: np.ndarray,
) -> None:
    """The ancestry of the haplotypes (1, 2) of everybody along the contig; 1 alone of who is
    haploid (bool, (n_individuals,)).
    """
    rows = [
        dict(
            zip(
                ANCESTRY_COLUMNS,
                (sites.contig, start, end, names[label], individual, h + 1),
                strict=True,
            )
        )
        for i, individual in enumerate(individuals.id)
        for h in ((0,) if haploid[i] else (0, 1))
        for start, end, label in _intervals(sites, ancestry, 2 * i + h)
    ]
    write_table(path, ANCESTRY_COLUMNS, rows)


def write_autozygous(
    path: str | Path,
    sites: Sites,
    individuals: Individuals,
    autozygous: Tracts,
    haploid: np.ndarray,
) -> None:
    """Where the two haplotypes of an individual are copies of one; nowhere of who is haploid."""
    rows = [
        dict(zip(AUTOZYGOUS_COLUMNS, (sites.contig, start, end, individual), strict=True))
        for i, individual in enumerate(individuals.id)
        for start, end, label in _intervals(sites, autozygous, i)
        if label == 1 and not haploid[i]
    ]
    write_table(path, AUTOZYGOUS_COLUMNS, rows)
