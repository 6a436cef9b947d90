"""One way to log: to stderr for the individual watching, and to the file the workflow keeps."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

from genoloom.errors import InputError
from genoloom.faults import explain


class _Stderr(logging.StreamHandler):
    """To stderr; when nobody reads it any more, the work goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say nothing: there is nowhere to say it."""


class _LogFile(logging.FileHandler):
    """To a file that was asked for; when it cannot be written, the command ends."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Raise the error as a message, once."""
        error = sys.exc_info()[1]
        logging.getLogger().removeHandler(self)
        stream, self.stream = self.stream, None
        # what could not be written cannot be flushed either
        with suppress(OSError, AttributeError):
            stream.close()
        raise explain(error, self.baseFilename) or InputError(
            self.baseFilename, "cannot be written"
        ) from error


def configure_logging(log_file: Path | None = None, verbose: bool = False) -> None:
    """Send the package's log to stderr and, when given, also to `log_file` (started afresh).

    Raises
    ------
    OSError
        The file cannot be made.
    """
    handlers: list[logging.Handler] = [_Stderr(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(_LogFile(log_file, mode="w"))
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )
    if not verbose:
        for noisy in ("matplotlib", "fontTools", "PIL", "torch"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
