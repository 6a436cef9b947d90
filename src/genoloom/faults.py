"""Faults of the machine (no space, no memory, nothing that can be written), named as what they are.

Libraries report them in many ways: as `OSError`, with or without a number; as `MemoryError`,
`RuntimeError`, `ImportError` or an error of their own with the system's words in its text.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from genoloom.errors import GenoLoomError, InputError

WRITABLE = "choose a directory that can be written"
SPACE = "free some space and run again"
FULL = 64 * 1024  # bytes: a disk with less has no room for what failed
# what happened and what to do, by the system's number; {place} is a file, or nothing where it is
# not known
KNOWN = {
    errno.ENOSPC: ("no space left on the disk", SPACE),
    errno.EDQUOT: ("no space left: the quota is used up", SPACE),
    errno.EFBIG: (
        "no space left: a file may not become that large here",
        "raise the limit (ulimit -f) or use another disk",
    ),
    errno.EIO: ("the disk reports an input/output error", "check the disk, or use another one"),
    errno.EROFS: ("the file system is read-only", WRITABLE),
    errno.EACCES: ("permission denied", "check the permissions, or choose another place"),
    errno.EPERM: ("permission denied", "check the permissions, or choose another place"),
    errno.EMFILE: ("too many files are open", "raise the limit: ulimit -n 4096"),
    errno.ENFILE: (
        "too many files are open on this machine",
        "close other programs, or run again later",
    ),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter name or directory"),
    errno.ENOENT: ("not found", "check the path; it is relative to where the command runs"),
    errno.ENOTDIR: ("is no directory: a file is in the way", "choose another directory"),
    errno.EEXIST: ("a file is in the way", "choose another name"),
    errno.EISDIR: ("is a directory", "name a file"),
    errno.ELOOP: ("symbolic links lead in a circle", "check the links"),
    errno.ESTALE: ("the network file system has lost the file", "run again"),
    errno.ENOTCONN: ("the network file system is not connected", "mount it again and run again"),
    errno.EPIPE: ("was closed before everything was written", "read all of it, or write to a file"),
}
# those that explain an error which came while they were handled
HARD = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE)
NO_MEMORY = (errno.ENOMEM, errno.EAGAIN)  # the second: no more processes or threads
MEMORY = "not enough memory"
MORE_MEMORY = (
    "give it more (ulimit -v, the memory of the batch job), or use fewer individuals, sites or "
    "threads at a time"
)
_MEMORY_WORDS = re.compile(
    r"cannot allocate memory|can't allocate memory|unable to allocate|not enough memory|out of "
    r"memory|bad_alloc|insufficient memory|failed to map segment|can't start new "
    r"thread|alloc(ation)? failed|failed to allocate",
    re.IGNORECASE,
)
_BY_WORDS = [
    (re.compile(re.escape(os.strerror(number)), re.IGNORECASE), number)
    for number in (*HARD, errno.EACCES)
]
# htslib's way of saying that a write failed; it does not say why
_WRITE = re.compile(
    r"error (closing|writing|flushing) BGZFile|writing to BGZFile|bgzf_(write|close|flush)",
    re.IGNORECASE,
)


def explain(error: BaseException, place: str | Path = "") -> GenoLoomError | None:
    """The fault of the machine that caused an error, as a message with a remedy; None where there
    is none.

    Parameters
    ----------
    place : str or Path
        The file that was being written, where the error does not say which.
    """
    for cause, direct in _causes(error):
        if isinstance(cause, GenoLoomError):
            return None if cause is error else cause
        if _says_so(cause):
            return no_memory()
        number = _number(cause)
        if number in NO_MEMORY:
            return no_memory()
        if number in KNOWN and (direct or number in HARD):
            what, remedy = KNOWN[number]
            file = getattr(cause, "filename", None)
            # a part has a name that nobody knows
            known = (
                file is not None and not isinstance(file, int) and ".part-" not in os.fsdecode(file)
            )
            named = os.fsdecode(file) if known else str(place)
            if number == errno.EPIPE:
                named = "the output"
            return InputError(named or "a file", what, remedy=remedy)
        if isinstance(cause, OSError) and _WRITE.search(str(cause)):
            return InputError(
                str(place) or "a file",
                "no space left on the disk, or not for so large a file (ulimit -f)",
                remedy=SPACE,
            )
        if isinstance(cause, Exception) and _MEMORY_WORDS.search(str(cause)):
            return no_memory()
    return None


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory, of the machine or of its GPU."""
    return _says_so(error) or bool(_MEMORY_WORDS.search(str(error)))


def _says_so(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def is_full(folder: Path) -> bool:
    """Whether the disk of a directory has no room: what a library's error without words then
    means.
    """
    try:
        return shutil.disk_usage(folder).free < FULL
    except OSError:
        return False


def reserve(handle: int, size: int) -> None:
    """Give the open file `handle` (a descriptor) this many bytes on the disk, before it is mapped
    into memory.

    A full disk is then an error here; later it would end the process with SIGBUS.

    Raises
    ------
    OSError
        There is no room.
    """
    if size:
        os.posix_fallocate(handle, 0, size)


def no_memory() -> GenoLoomError:
    """The error of a process that may not have more memory."""
    return GenoLoomError(f"{MEMORY}\n  what to do: {MORE_MEMORY}")


def _causes(error: BaseException) -> Iterator[tuple[BaseException, bool]]:
    """The error and those that it came from, the last first, and whether it says so itself or only
    came while handling one.
    """
    seen: set[int] = set()
    direct = True
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error, direct
        direct = direct and error.__cause__ is not None
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _number(error: BaseException) -> int | None:
    """The system's number of an error, from its words where it has none."""
    if isinstance(error, OSError) and error.errno in (*KNOWN, *NO_MEMORY):
        return error.errno
    if isinstance(error, Exception):
        text = str(error)
        return next((number for words, number in _BY_WORDS if words.search(text)), None)
    return None
