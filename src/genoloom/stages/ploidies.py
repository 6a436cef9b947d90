"""Contigs of several ploidies, and haploid individuals next to others."""

from collections.abc import Iterable
from pathlib import Path

from genoloom.errors import InputError
from genoloom.panel import Panel, paired


def join_haploids(
    pairs: list[tuple[Panel, Panel]], roles: list[str]
) -> tuple[list[tuple[Panel, Panel]], list[str]]:
    """Synthetic and real panels with their haploid individuals joined two by two, real ones of one
    role; and the role of each row of the real ones.
    """
    joined, first = [], None
    for synthetic, real in pairs:
        beside, first = paired(real, roles)
        joined.append((paired(synthetic, [""] * len(synthetic.individuals))[0], beside))
    return joined, [roles[i] for i in first]


def refuse_mixed_ploidies(path: Path, panels: Iterable[Panel]) -> None:
    """Raise an InputError unless the contigs can be compared individual by individual."""
    ploidies = sorted({panel.sites.ploidy for panel in panels})
    if len(ploidies) > 1:
        raise InputError(
            path,
            f"contigs of several ploidies are in one panel: {', '.join(ploidies)}",
            expected="contigs of one ploidy",
            remedy="give X, Y and MT rows of a panel of their own in the sheet of panels, with "
            "the same sheet of samples: their synthetic individuals are then the same too",
        )
