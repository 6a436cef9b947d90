"""Genetic maps: SHAPEIT (`pos chr cM`), PLINK `.map`, and HapMap/Eagle tables with a rate column."""

import gzip
from pathlib import Path

import numpy as np

from genoloom.errors import InputError


def read_map(path: str | Path, contig: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions (int64, 1-based base pairs) and genetic positions (float64, centimorgans) of one contig's map.

    Raises
    ------
    InputError
        The form is not known, there is no row of the contig, or the map does not rise.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "not found")
    handle = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with handle:
        rows = [(n, line.split()) for n, line in enumerate(handle, 1) if line.strip()]
    if not rows:
        raise InputError(path, "is empty", expected="a genetic map")
    at_contig, at_position, at_cm, has_header = _columns(path, rows[0][1])
    points = []
    for number, cells in rows[has_header:]:
        try:
            if at_contig is None or _same_contig(cells[at_contig], contig):
                points.append((int(float(cells[at_position])), float(cells[at_cm])))
        except (IndexError, ValueError):
            raise InputError(path, f"line {number}: '{' '.join(cells)}' is no row of the map") from None
    if not points:
        raise InputError(path, f"has no row of contig {contig}", remedy="give the map of this contig and genome build")
    position, cm = np.array(points).T
    if (np.diff(position) < 0).any() or (np.diff(cm) < 0).any():
        at = int(np.argmax((np.diff(position) < 0) | (np.diff(cm) < 0))) + 1
        raise InputError(path, f"falls at position {int(position[at])}", expected="rising positions and centimorgans")
    return position.astype(np.int64), cm


def _columns(path: Path, first: list[str]) -> tuple[int | None, int, int, int]:
    """Where contig, position and cM stand, and the number of header lines."""
    names = [name.lower() for name in first]
    if names[:3] == ["pos", "chr", "cm"]:  # SHAPEIT
        return 1, 0, 2, 1
    if names[0].startswith(("chr", "#chr")) and len(names) >= 4 and not first[-1].replace(".", "").isdigit():  # HapMap, Eagle
        return 0, 1, 3, 1
    if len(names) == 4 and names[3].isdigit():  # PLINK: contig, name, cM, position
        return 0, 3, 2, 0
    raise InputError(
        path, f"first line '{' '.join(first)}'", expected="a SHAPEIT (pos chr cM), PLINK .map or HapMap (chr pos rate cM) map"
    )


def _same_contig(a: str, b: str) -> bool:
    return a.removeprefix("chr") == b.removeprefix("chr")


def interpolate(map_position: np.ndarray, map_cm: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Genetic positions of `position`, linear between the map's points and level beyond its ends, float64."""
    return np.interp(position, map_position, map_cm)
