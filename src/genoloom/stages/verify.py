"""Whether a folder of results is what was written: sizes and digests, whoever looks and when."""

import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from genoloom.errors import GenoLoomError, InputError
from genoloom.evidence.bundle import MANIFEST, MARKER
from genoloom.formats.models import file_digest
from genoloom.formats.provenance import SUFFIX, read_provenance
from genoloom.formats.text import read_json, text_lines
from genoloom.run_crate import METADATA

log = logging.getLogger(__name__)

MOST_SAID = 50
LATER = (MANIFEST, MARKER)  # which no manifest names


class ChangedError(GenoLoomError):
    """Files are not what was recorded of them."""


def verify(*, directory: Path) -> int:
    """Compare the files of a folder with their digests; returns how many were compared.

    The digests come from an RO-Crate (`genoloom crate`, a release), of a release's manifest, and
    of the records that the stages write next to their files (`*.provenance.json`): all that are
    there.

    Raises
    ------
    InputError
        No digests are found, or their file is damaged.
    ChangedError
        Lists the files that are missing or differ, and those that a manifest does not name.
    """
    expected: dict[Path, set[str]] = {}
    for path, digest in _digests(directory):
        expected.setdefault(path, set()).add(digest)
    if not expected:
        raise InputError(
            directory,
            "holds no digests",
            expected=f"{METADATA}, {MANIFEST} or records (*{SUFFIX})",
            remedy="of a run: genoloom crate DIR",
        )
    found = []
    for path, digests in sorted(expected.items()):
        name = path.relative_to(directory.resolve())
        if not path.is_file():
            found.append(f"{name}: is missing")
        elif len(digests) > 1:
            found.append(f"{name}: its digests contradict each other")
        elif digests != {file_digest(path)}:
            found.append(f"{name}: is not what was written")
    if (directory / MANIFEST).is_file():
        found += [
            f"{path.name}: is not in {MANIFEST}"
            for path in sorted(directory.iterdir())
            if path.is_file() and path.resolve() not in expected and path.name not in LATER
        ]
    if found:
        more = f"\n  and {len(found) - MOST_SAID} more" if len(found) > MOST_SAID else ""
        raise ChangedError(
            f"{directory}: {len(found)} of {len(expected)} files differ\n  "
            + "\n  ".join(found[:MOST_SAID])
            + more
        )
    log.info("%s: %d files are what was written", directory, len(expected))
    return len(expected)


def _digests(directory: Path) -> Iterator[tuple[Path, str]]:
    """Files and what their SHA-256 should be."""
    root = directory.resolve()
    if (directory / METADATA).is_file():
        words = read_json(directory / METADATA, ("@graph",), "write it again: genoloom crate DIR")
        entities = words["@graph"] if isinstance(words["@graph"], list) else []
        for entity in entities:
            if isinstance(entity, dict) and isinstance(entity.get("sha256"), str):
                yield _inside(root, unquote(str(entity.get("@id")))), entity["sha256"]
    if (directory / MANIFEST).is_file():
        for number, line in text_lines(directory / MANIFEST):
            digest, _, name = line.partition("  ")
            if len(digest) != 64 or not name:
                raise InputError(directory / MANIFEST, f"line {number}: is no digest and name")
            yield _inside(root, name), digest
    for record in sorted(root.rglob(f"*{SUFFIX}")):
        for name, digest in read_provenance(record).outputs.items():
            yield _of_record(root, record.parent / name, digest), digest


def _of_record(root: Path, path: Path, digest: str) -> Path:
    """An output of a record: next to it, or, as the summary of a panel, in another folder."""
    if not path.is_file():
        path = next((p for p in root.rglob(path.name) if file_digest(p) == digest), path)
    return _inside(root, str(path.relative_to(root)))


def _inside(root: Path, name: str) -> Path:
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise InputError(root, f"a digest of '{name}'", expected="files of the folder itself")
    return path
