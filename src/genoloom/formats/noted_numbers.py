"""Files of numbers that are noted one after the other, each under a name: the ledger of leaks and
the budget of privacy. JSON: {"version": 1, GROUP: {NAME: {KEY: number}}}.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = 1


def read_numbers(
    path: Path, group: str, key: str, fits: Callable[[str, float], bool]
) -> dict[str, float] | None:
    """The numbers by name; empty where there is no file yet, None where it is damaged, of another
    version, or holds a name and number that do not fit.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = {name: float(entry[key]) for name, entry in content[group].items()}
        whole = content["version"] == VERSION and all(fits(*entry) for entry in found.items())
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        return None
    return found if whole else None


def numbers_text(group: str, key: str, numbers: dict[str, float]) -> str:
    """The text of such a file."""
    entries = {name: {key: numbers[name]} for name in sorted(numbers)}
    return json.dumps({"version": VERSION, group: entries}, indent=2) + "\n"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait for other writers."""
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
