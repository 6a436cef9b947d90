"""One way to log: to stderr for the person watching, and to the file the workflow keeps."""

import logging
import sys
from pathlib import Path


def configure_logging(log_file: Path | None = None, verbose: bool = False) -> None:
    """Send the package's log to stderr and, when given, also to `log_file` (started afresh)."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w"))
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=handlers,
        force=True,
    )
    if not verbose:
        for noisy in ("matplotlib", "fontTools", "PIL"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
