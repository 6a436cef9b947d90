"""Registered public panels, and how they fit a cohort."""

from pathlib import Path

import numpy as np

from genoloom.config_sheets import check_name
from genoloom.errors import InputError
from genoloom.formats.models import file_digest
from genoloom.formats.public_panels import PublicPanel, read_public_panel
from genoloom.panel import Panel
from genoloom.panels.relatives import MAX_INDIVIDUALS, relatives_of

AGAIN = "register the panel again with `genoloom panel add`, under another name"


def registered(folder: Path, name: str) -> PublicPanel:
    """The record of a panel whose files are as they were registered.

    Raises
    ------
    InputError
        There is no such panel, or a file is missing or has changed.
    """
    check_name("public panel", name)
    record = read_public_panel(folder / name)
    for part in record.contigs.values():
        for file, digest in part.files.items():
            path = folder / name / Path(file).name
            if not path.is_file():
                raise InputError(path, "not found", remedy=AGAIN)
            if file_digest(path) != digest:
                raise InputError(path, "is not the file that was registered", remedy=AGAIN)
    return record


def labels_fit(
    labels: dict[str, str], wanted: set[str], known: dict[str, int], place: Path
) -> None:
    """Raise an InputError unless each population `wanted` has a counterpart in a public panel."""
    lacking = sorted(label for label in wanted if labels.get(label, label) not in known)
    if lacking:
        raise InputError(
            place,
            f"has no population '{lacking[0]}'",
            expected=f"one of {', '.join(known)}",
            remedy="say which population of the public panel represents it "
            f"(privacy.populations, --populations): {lacking[0]}:{next(iter(known))}",
        )


def related_to(cohort: list[Panel], public: list[Panel]) -> np.ndarray:
    """Which individuals of a public panel are in a cohort or closely related to somebody in it,
    bool (n_individuals,).

    Parameters
    ----------
    cohort, public : list of Panel
        Contig by contig, at the same sites. Names count as well as genotypes.
    """
    ours, theirs = cohort[0].individuals, public[0].individuals
    n, names = len(ours), set(ours.id)
    found = np.array([name in names for name in theirs.id])
    step = MAX_INDIVIDUALS - n
    if step <= 0:
        raise InputError(
            "cohort",
            f"has {n} individuals: too many to look for relatives in a public panel",
            expected=f"fewer than {MAX_INDIVIDUALS}",
        )
    for start in range(0, len(theirs), step):
        part = np.arange(start, min(start + step, len(theirs)))
        joined = [
            a.joined_with(b.take_individuals(part)) for a, b in zip(cohort, public, strict=True)
        ]
        pairs = relatives_of(joined, "cohort and public panel").pairs
        across = pairs[(pairs[:, 0] < n) & (pairs[:, 1] >= n)]
        found[start + across[:, 1] - n] = True
    return found
