"""Directories with data that identify real individuals: only their owner may read them."""

import logging
import stat
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

RESULTS = "results"
PRIVATE = (
    "panels",
    "splits",
    "templates",
    "statistics",
    "models",
    "private",
    ".state",
)  # below the results


def close_directory(folder: Path) -> None:
    """Make `folder` where it is missing, and close it to others (mode 0700).

    Within the workflow's results the directory of `PRIVATE` above it is closed too: Snakemake makes
    directories before any command runs, with the modes that the umask leaves. The working
    directory, those above it, the home directory and shared ones such as /tmp are left as they are,
    with a warning.
    """
    with suppress(OSError):  # whoever writes into it says what is wrong, with a remedy
        folder.mkdir(parents=True, exist_ok=True)
    above = [p for p in folder.absolute().parents if p.name in PRIVATE and p.parent.name == RESULTS]
    for place in (folder, *above[:1]):
        if not place.is_dir():
            continue
        try:
            if _is_shared(place):
                log.warning(
                    "the directory of the output is not closed to others: give it one of its own"
                )
            else:
                place.chmod(0o700)
        except PermissionError:
            log.warning(
                "the directory of the output belongs to somebody else and is not closed to others"
            )


def _is_shared(place: Path) -> bool:
    whole, here = place.resolve(), Path.cwd().resolve()
    with suppress(RuntimeError):  # a container may have no home
        if whole == Path.home().resolve():
            return True
    return whole == here or whole in here.parents or bool(whole.stat().st_mode & stat.S_ISVTX)
