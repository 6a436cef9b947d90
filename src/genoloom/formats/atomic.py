"""Files appear under their final name only when they are complete."""

import errno
import glob
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from genoloom.errors import GenoLoomError, InputError
from genoloom.faults import explain, is_full

# file systems are shared, numbers of processes are not
HOST = re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:32] or "host"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
NAME_MAX = 255  # bytes of a file name, on every file system in common use


@contextmanager
def write_beside(*targets: str | Path) -> Iterator[list[Path]]:
    """Yield one temporary path for each target; rename them all when the block ends well.

    The temporary files are in the target's directory under a hidden name that keeps the target's
    suffixes. They are flushed to disk before the rename and removed when the block raises; what a
    killed process has left of the same targets is removed as well.

    Raises
    ------
    InputError
        The directory cannot be made or written, a name is too long, or the disk is full.
    """
    finals = [Path(t) for t in targets]
    parts = [p.with_name(f".part-{HOST}-{os.getpid()}-{p.name}") for p in finals]
    longest = max(len(os.fsencode(part.name)) for part in parts)
    if longest > NAME_MAX:  # htslib would crash on it
        found = f"the name of a file to write is {longest - NAME_MAX} bytes too long"
        raise InputError(finals[0].parent, found, remedy="choose a shorter name")
    placed: list[Path] = []
    try:
        for final in finals:
            final.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(final.parent, os.W_OK):
                raise PermissionError(errno.EACCES, "Permission denied", str(final.parent))
            if final.is_dir():
                raise IsADirectoryError(errno.EISDIR, "Is a directory", str(final))
            for left in left_over(final):
                left.unlink(missing_ok=True)
        yield parts
        for part in parts:
            with open(part, "rb+") as handle:
                os.fsync(handle.fileno())
        for part, final in zip(parts, finals, strict=True):
            os.replace(part, final)
            placed.append(final)
    except BaseException as error:  # an interrupt too must leave all or none
        if len(placed) < len(finals):
            for final in placed:
                final.unlink(missing_ok=True)
        expected = isinstance(error, GenoLoomError) or not isinstance(error, Exception)
        fault = None if expected else _explain(error, finals[0])
        if fault is None:
            raise
        raise fault from error
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink()


def left_over(final: Path) -> Iterator[Path]:
    """The parts of a target whose process, on this machine, is gone."""
    mark = f".part-{HOST}-"
    for part in final.parent.glob(f"{mark}*-{glob.escape(final.name)}"):
        number = part.name.removeprefix(mark).removesuffix(f"-{final.name}")
        if number.isdigit() and not psutil.pid_exists(int(number)):
            yield part


def _explain(error: Exception, final: Path) -> GenoLoomError | None:
    place = final.parent
    number = getattr(error, "errno", None)
    file = getattr(error, "filename", None)
    if isinstance(file, str | Path) and not (
        place.is_relative_to(file) or Path(file).is_relative_to(place)
    ):
        return explain(error)  # some input
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(
            place, "the output directory cannot be written", remedy="choose a writable directory"
        )
    if number in (errno.EEXIST, errno.ENOTDIR):
        return InputError(
            place, "is no directory: a file is in the way", remedy="choose another directory"
        )
    # libraries also fail in other words, or with numbers of their own, when the disk is full
    if number in NO_SPACE or is_full(place):
        free = shutil.disk_usage(place).free / 1e6 if place.exists() else 0
        return InputError(
            place,
            f"no space left while writing {final.name} ({free:.0f} MB free)",
            remedy="free some space and run again",
        )
    return explain(error, final)
