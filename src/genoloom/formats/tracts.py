"""True tracts of synthetic individuals as BED-like files: 0-based, half-open intervals, with a
header line.

A tract begins at its first site and ends where the next one begins, or at the last site: between
two sites nothing is known.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genoloom.cohort import ADMIXED
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


def write_tracts(
    prefix: str | Path,
    sites: Sites,
    individuals: Individuals,
    haploid: np.ndarray,
    ancestry: Tracts,
    names: list[str],
    autozygous: Tracts | None,
) -> list[Path]:
    """Write where individuals are autozygous and admixed, if any are; returns the files.

    Parameters
    ----------
    haploid : ndarray of bool, shape (n_individuals,)
        Of them haplotype 1 alone has an ancestry, and nothing is autozygous.
    ancestry : Tracts
        Indices of `names`, of the haplotypes (1, 2) of everybody.
    autozygous : Tracts or None
        1 where the two haplotypes of an individual are copies of one.
    """
    tables = {}
    if autozygous is not None:
        tables[f"{prefix}.autozygous.bed"] = (
            AUTOZYGOUS_COLUMNS,
            [
                (sites.contig, start, end, individual)
                for i, individual in enumerate(individuals.id)
                for start, end, label in _intervals(sites, autozygous, i)
                if label == 1 and not haploid[i]
            ],
        )
    if ADMIXED in individuals.population:
        tables[f"{prefix}.ancestry.bed"] = (
            ANCESTRY_COLUMNS,
            [
                (sites.contig, start, end, names[label], individual, h + 1)
                for i, individual in enumerate(individuals.id)
                for h in ((0,) if haploid[i] else (0, 1))
                for start, end, label in _intervals(sites, ancestry, 2 * i + h)
            ],
        )
    for path, (columns, rows) in tables.items():
        write_table(path, columns, [dict(zip(columns, row, strict=True)) for row in rows])
    return [Path(path) for path in tables]
