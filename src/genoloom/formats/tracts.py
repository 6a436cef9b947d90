"""True tracts of synthetic people as BED-like files: 0-based, half-open intervals, with a header
line.

A tract begins at its first site and ends where the next one begins, or at the last site: between
two sites nothing tells.
"""

from collections.abc import Iterator
from pathlib import Path

from genoloom.formats.tables import write_table
from genoloom.panel import People, Sites
from genoloom.tracts import Tracts

ANCESTRY_COLUMNS = ["#contig", "start", "end", "ancestry", "person", "haplotype"]
AUTOZYGOUS_COLUMNS = ["#contig", "start", "end", "person"]


def _intervals(sites: Sites, tracts: Tracts, row: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, label) of the tracts of one row."""
    starts = (sites.position[tracts.first[row]] - 1).tolist()
    ends = [*starts[1:], int(sites.position[-1])]
    yield from zip(starts, ends, tracts.label[row].tolist(), strict=True)


def write_ancestry(
    path: str | Path, sites: Sites, people: People, ancestry: Tracts, names: list[str]
) -> None:
    """The ancestry of both haplotypes (1, 2) of everybody along the contig."""
    rows = [
        dict(
            zip(
                ANCESTRY_COLUMNS,
                (sites.contig, start, end, names[label], person, h + 1),
                strict=True,
            )
        )
        for i, person in enumerate(people.id)
        for h in (0, 1)
        for start, end, label in _intervals(sites, ancestry, 2 * i + h)
    ]
    write_table(path, ANCESTRY_COLUMNS, rows)


def write_autozygous(path: str | Path, sites: Sites, people: People, autozygous: Tracts) -> None:
    """Where the two haplotypes of a person are copies of one."""
    rows = [
        dict(zip(AUTOZYGOUS_COLUMNS, (sites.contig, start, end, person), strict=True))
        for i, person in enumerate(people.id)
        for start, end, label in _intervals(sites, autozygous, i)
        if label == 1
    ]
    write_table(path, AUTOZYGOUS_COLUMNS, rows)
