"""The ledger of leaks: what earlier releases of the same individuals have given away; private.

Of each release it has the separation (d'^2) of `genoloom.privacy.leak_budget.Leak`; separations add
up.
"""

import math
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.noted_numbers import VERSION, alone, numbers_text, read_numbers

LEDGER = "private/{}/leak_ledger.json"  # of a panel, below the results
KEYS = "releases", "separation"


def read_ledger(path: str | Path) -> dict[str, float]:
    """The separation of each earlier release, by its name; empty where there is no file yet.

    Raises
    ------
    InputError
        The file is damaged or of another version.
    """
    found = read_numbers(Path(path), *KEYS, lambda _, separation: 0 <= separation < math.inf)
    if found is None:
        raise InputError(
            path, "is no ledger of leaks",
            expected=f"a file of `genoloom release`, version {VERSION}",
            remedy="restore it from a backup: without it earlier releases would be forgotten",
        )  # fmt: skip
    return found


def add_to_ledger(path: str | Path, name: str, separation: float) -> None:
    """Note a release; the same name (the same files) is noted once. Waits for other writers."""
    path = Path(path)
    with alone(path.with_suffix(".lock")):
        ledger = read_ledger(path) | {name: separation}
        with write_beside(path) as [part]:
            part.write_text(numbers_text(*KEYS, ledger))
