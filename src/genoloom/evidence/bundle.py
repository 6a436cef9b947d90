"""Where a bundle is made, its seal, and the removal of an older one and of nothing else.

A bundle is known by its marker: a file with the digest of the manifest, which has the digests of
all other files. A directory with another file, or with one that was changed, is somebody's own.
"""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from genoloom import __version__
from genoloom.errors import GenoLoomError, InputError
from genoloom.formats.atomic import HOST, left_over, write_beside
from genoloom.formats.models import file_digest
from genoloom.privacy.bundle import ro_crate
from genoloom.privacy.leak_scan import Forbidden, scan

log = logging.getLogger(__name__)

MANIFEST = "MANIFEST.sha256"
MARKER = ".genoloom-release"
MADE_BY = "genoloom release"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")
REMEDY = "choose another --out, or move it away"


@contextmanager
def made_beside(out: Path) -> Iterator[Path]:
    """A directory, closed to others, for a bundle that has not passed yet; it goes when the block
    ends.

    What killed releases left of the same bundle is removed as well.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    for part in left_over(out):
        shutil.rmtree(part, ignore_errors=True)
    scratch = out.with_name(f".part-{HOST}-{os.getpid()}-{out.name}")
    scratch.mkdir(mode=0o700)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def finish_bundle(bundle: Path, readme: str, facts: dict) -> None:
    """Write what says of the files of a bundle what they are: README, RO-Crate, and the seal."""
    with write_beside(bundle / "README.md") as [part]:
        part.write_text(readme)
    files = {
        path.name: (path.stat().st_size, file_digest(path)) for path in sorted(bundle.iterdir())
    }
    with write_beside(bundle / "ro-crate-metadata.json") as [part]:
        part.write_text(ro_crate(facts, files))
    seal(bundle)


def seal(bundle: Path) -> None:
    """Write manifest and marker: the last files of a bundle."""
    digests = {path.name: file_digest(path) for path in sorted(bundle.iterdir())}
    with write_beside(bundle / MANIFEST) as [part]:
        part.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    marker = {
        "made_by": MADE_BY,
        "version": __version__,
        "manifest": file_digest(bundle / MANIFEST),
    }
    with write_beside(bundle / MARKER) as [part]:
        part.write_text(json.dumps(marker) + "\n")


def leaks(bundle: Path, forbidden: Forbidden) -> list[str]:
    """What the leak scan finds in a bundle."""
    found = set()
    for path in sorted(bundle.iterdir()):
        with open(path, "rb") as handle:
            found |= scan(handle, path.name, forbidden)
    log.info("leak scan: %d files searched, %d findings", len(list(bundle.iterdir())), len(found))
    return [
        f"leak scan: {finding.file}: {finding.kind}"
        for finding in sorted(found, key=lambda f: (f.file, f.kind))
    ]


def attempt(what: str, check: Callable[[], list[str] | None]) -> list[str]:
    """The reasons that a check finds; whatever it stumbles over is a reason too."""
    try:
        return check() or []
    except GenoLoomError as error:
        return [
            f"{what}: {Path(getattr(error, 'source', '')).name} "
            f"{getattr(error, 'found', '') or 'cannot be read'}"
        ]
    except MemoryError:
        raise
    except Exception as error:  # damaged files break things in ways that nobody lists
        return [f"{what}: cannot be read ({type(error).__name__})"]


def remove_bundle(out: Path) -> None:
    """Remove the bundle at `out`, if there is one, and what killed removals left of others.

    Raises
    ------
    InputError
        Something that no release wrote is there: it is left as it is.
    """
    if out.name in ("", ".."):
        raise InputError(
            "--out", f"'{out}' names no directory of its own", remedy="choose another --out"
        )
    try:
        for leftover in out.parent.glob(f".old-*-{escape(out.name)}"):
            if re.fullmatch(rf"\.old-\d+-{re.escape(out.name)}", leftover.name) and not _strange(
                leftover, whole=False
            ):
                _delete(leftover)
        if out.is_symlink():
            raise InputError(out, "is a symbolic link, not a bundle", remedy=REMEDY)
        if not out.exists():
            return
        problem = _strange(out, whole=True)
        if problem:
            raise InputError(
                out, f"is there and is no bundle as it was released: {problem}", remedy=REMEDY
            )
        # a killed removal never looks like a bundle
        gone = out.with_name(f".old-{os.getpid()}-{out.name}")
        os.replace(out, gone)
        _delete(gone)
    except OSError as error:
        raise InputError(out, f"cannot be removed ({error.strerror})", remedy=REMEDY) from None


def _strange(folder: Path, whole: bool) -> str:
    """What in `folder` no release wrote; empty when all is ours. Not `whole`: files may be
    missing.
    """
    if folder.is_symlink() or not folder.is_dir():
        return "it is no directory"
    found = {path.name for path in folder.iterdir()}
    if not found:
        return ""
    if any((folder / name).is_symlink() or not (folder / name).is_file() for name in found):
        return "it holds more than files"
    if MARKER not in found:
        return f"it has no {MARKER}"
    if not whole and found == {MARKER}:
        return ""
    listed = _listed(folder)
    if listed is None:
        return f"{MARKER} and {MANIFEST} do not belong together"
    strange = (
        sorted(found ^ {*listed, MANIFEST, MARKER})
        if whole
        else sorted(found - {*listed, MANIFEST, MARKER})
    )
    if strange:
        return f"{len(strange)} files are missing or of somebody else"
    changed = [name for name in found & listed.keys() if file_digest(folder / name) != listed[name]]
    return f"{len(changed)} files were changed" if changed else ""


def _listed(folder: Path) -> dict[str, str] | None:
    """Digests by name in the manifest; None unless the marker is ours and is of this manifest."""
    try:
        marker = json.loads((folder / MARKER).read_text())
        text = (folder / MANIFEST).read_text()
        if marker["made_by"] != MADE_BY or marker["manifest"] != file_digest(folder / MANIFEST):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    lines = [_LINE.fullmatch(line) for line in text.splitlines()]
    return {line[2]: line[1] for line in lines} if all(lines) else None


def _delete(folder: Path) -> None:
    """Manifest and marker go last, so that whoever finds the rest still knows what it was."""
    last = (MANIFEST, MARKER)
    for path in sorted(
        folder.iterdir(), key=lambda path: last.index(path.name) if path.name in last else -1
    ):
        path.unlink(missing_ok=True)
    folder.rmdir()
