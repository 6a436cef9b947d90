"""The ledger of leaks: what earlier releases of the same individuals have given away; private.

Of each release it has the separation (d'^2) of `genoloom.privacy.leak_budget.Leak`; separations add
up.
"""

import fcntl
import json
import math
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside

VERSION = 1
LEDGER = "private/{}/leak_ledger.json"  # of a panel, below the results


def read_ledger(path: str | Path) -> dict[str, float]:
    """The separation of each earlier release, by its name; empty where there is no file yet.

    Raises
    ------
    InputError
        The file is damaged or of another version.
    """
    path = Path(path)
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError
        found = {name: float(entry["separation"]) for name, entry in content["releases"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        found = None
    if found is None or not all(0 <= value < math.inf for value in found.values()):
        raise InputError(
            path, "is no ledger of leaks",
            expected=f"a file of `genoloom release`, version {VERSION}",
            remedy="restore it from a backup: without it earlier releases would be forgotten",
        )  # fmt: skip
    return found


def add_to_ledger(path: str | Path, name: str, separation: float) -> None:
    """Note a release; the same name (the same files) is noted once. Waits for other writers."""
    path = Path(path)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ledger = read_ledger(path) | {name: separation}
        releases = {key: {"separation": ledger[key]} for key in sorted(ledger)}
        with write_beside(path) as [part]:
            part.write_text(json.dumps({"version": VERSION, "releases": releases}, indent=2) + "\n")
