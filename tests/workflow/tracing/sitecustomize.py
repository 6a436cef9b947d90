"""Imported by every Python process of a workflow that is traced: notes the files that a command
opens to read.

One file per process, below $GENOLOOM_TRACE: the command's log file, which names its job, then a
path a line.
"""

import os
import sys

if "--log" in sys.orig_argv and "GENOLOOM_TRACE" in os.environ:
    note = os.open(
        f"{os.environ['GENOLOOM_TRACE']}/{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND
    )
    os.write(note, f"{sys.orig_argv[sys.orig_argv.index('--log') + 1]}\n".encode())

    def _noted(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path, _, flags = arguments
            if flags & os.O_ACCMODE != os.O_WRONLY:
                os.write(note, os.fsencode(os.path.abspath(path)) + b"\n")

    sys.addaudithook(_noted)
