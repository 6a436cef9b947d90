"""Loops that numba compiles."""

import hashlib
import logging
import os
from functools import cache
from pathlib import Path

import numba

log = logging.getLogger(__name__)

HERE = Path(__file__).parent


def jit(function):
    """Compile on first use and keep the machine code on disk; without a place to write to, compile
    in each process.
    """
    settings = {
        "nogil": True,
        "fastmath": {"contract"},
        "error_model": "numpy",
        "boundscheck": False,
    }
    folder = cache_folder()
    if folder is None:
        return numba.njit(function, **settings)
    # numba reads the setting when a function is decorated
    given, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
    try:
        return numba.njit(function, cache=True, **settings)
    finally:
        numba.config.CACHE_DIR = given


@cache
def cache_folder() -> Path | None:
    """A folder of machine code for these very sources; None where none can be written.

    numba looks only at the file of a function itself, and would go on using machine code whose
    inlined functions, in other files, have changed since.
    """
    digest = hashlib.sha256()
    for path in sorted(HERE.glob("*.py")):
        source = path.read_bytes()
        if b"import jit" in source:
            digest.update(source)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    given = numba.config.CACHE_DIR
    for place in [Path(given)] if given else [HERE / "__pycache__", caches / "genoloom"]:
        folder = place / f"compiled-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    log.info("no place to keep compiled code; set NUMBA_CACHE_DIR to one")
    return None
