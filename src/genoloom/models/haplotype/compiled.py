"""Loops that numba compiles."""

import logging

import numba

log = logging.getLogger(__name__)


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
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # no folder that can be written to
        log.info("no place to keep compiled code; set NUMBA_CACHE_DIR to one")
        return numba.njit(function, **settings)
