"""Files appear under their final name only when they are complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genoloom.errors import InputError


@contextmanager
def write_beside(*targets: str | Path) -> Iterator[list[Path]]:
    """Yield one temporary path for each target; rename them all when the block ends well.

    The temporary files stand in the target's directory under a hidden name that keeps the target's
    suffixes. They are flushed to disk before the rename and removed when the block raises.

    Raises
    ------
    InputError
        The directory cannot be made or written, or the disk is full.
    """
    finals = [Path(t) for t in targets]
    parts = [p.with_name(f".part-{os.getpid()}-{p.name}") for p in finals]
    try:
        for final in finals:
            final.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(final.parent, os.W_OK):
                raise PermissionError(13, "Permission denied", str(final.parent))
        yield parts
        for part in parts:
            with open(part, "rb+") as handle:
                os.fsync(handle.fileno())
        for part, final in zip(parts, finals, strict=True):
            os.replace(part, final)
    except OSError as error:
        raise _explain(error, finals[0]) from error
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink()


def _explain(error: OSError, final: Path) -> Exception:
    place = final.parent
    if error.errno in (13, 30):  # EACCES, EROFS
        return InputError(place, "the output directory cannot be written", remedy="choose a writable directory")
    if error.errno in (17, 20):  # EEXIST, ENOTDIR
        return InputError(place, "is no directory: a file is in the way", remedy="choose another directory")
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        free = shutil.disk_usage(place).free / 1e6 if place.exists() else 0
        return InputError(
            place, f"no space left while writing {final.name} ({free:.0f} MB free)", remedy="free some space and run again"
        )
    return error
