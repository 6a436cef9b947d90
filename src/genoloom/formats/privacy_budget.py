"""The budget of a cohort: what has been measured of it with noise, and how much privacy that cost.
Private, as it says when the cohort was changed; next to it is the key that noise comes from.

Of each measurement it has mu, see `genoloom.privacy.accounting`; squares of mu add up. An entry is
written before anything is measured, and never taken back: a run that is stopped then has spent
it.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.noted_numbers import VERSION, alone, numbers_text, read_numbers
from genoloom.formats.private_directories import close_directory

BUDGET = "private/{}/privacy_budget.json"  # of a panel, below the results
KEYS = "measured", "mu"
KEY = "noise.key"
KEY_BYTES = 32
LARGEST = 1e4


def read_budget(path: str | Path) -> dict[str, float]:
    """mu of each measurement, by its name; empty where there is no file yet.

    Raises
    ------
    InputError
        The file is damaged or of another version.
    """

    def fits(name: str, mu: float) -> bool:
        return re.fullmatch("[0-9a-f]{64}", name) is not None and 0 < mu <= LARGEST

    found = read_numbers(Path(path), *KEYS, fits)
    if found is None:
        raise InputError(
            path,
            "is no budget of privacy",
            expected=f"a file of `genoloom panel measure`, version {VERSION}",
            remedy="restore it from a backup: without it earlier measurements would be forgotten",
        )
    return found


def spend(path: Path, name: str, choose: Callable[[list[float]], float]) -> dict[str, float]:
    """Note a measurement before it is made; one of the same name is paid already. Returns the whole
    budget. Waits for other writers.

    Parameters
    ----------
    name : str
        Digest of all that is measured, and how.
    choose : callable
        mu of the measurement, given the others' mu.
    """
    with _alone(path.parent):
        budget = read_budget(path)
        if name in budget:
            return budget
        budget[name] = choose(list(budget.values()))
        with write_beside(path) as [part]:
            part.write_text(numbers_text(*KEYS, budget))
            _to_disk(part)
    return budget


def noise_key(folder: Path) -> bytes:
    """The secret key of a cohort, made by the operating system when it is first asked for.

    Raises
    ------
    InputError
        What lies there is no key.
    """
    path = folder / KEY
    with _alone(folder):
        if not path.exists():
            with write_beside(path) as [part]:
                part.touch(mode=0o600)
                part.write_bytes(secrets.token_bytes(KEY_BYTES))
                _to_disk(part)
        key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise InputError(
            path, "is no key", expected=f"{KEY_BYTES} random bytes",
            remedy="remove the file, and measure again: that is another measurement to pay for",
        )  # fmt: skip
    return key


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for other writers of a closed directory."""
    close_directory(folder)
    with alone(folder / ".budget.lock"):
        yield


def _to_disk(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
