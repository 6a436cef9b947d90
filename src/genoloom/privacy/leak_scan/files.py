"""The scan of a file and of all that it holds."""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import BinaryIO

from genoloom.privacy.leak_scan import texts
from genoloom.privacy.leak_scan.containers import (
    CHUNK,
    EMBEDDED,
    EMBEDDED_CLOSED,
    UNREADABLE,
    decompress,
    first_stream,
    kind_of,
    png_chunks,
    zip_member,
)
from genoloom.privacy.leak_scan.forbidden import Forbidden

OVERLAP = 1 << 12  # longer than anything searched for
MAX_DEPTH = 6
MAX_TEXT = 1 << 26  # bytes of a text, without genotypes and sequences, that are decoded at once
MAX_JSON = 1 << 28
IN_MEMORY = 1 << 26
ROUNDS = 3  # of escapes within escapes
UNREAD, TOO_DEEP = "contents that cannot be read", "contents nested too deep to look into"


@dataclass(frozen=True)
class Finding:
    """Something that must not leave. It does not repeat what was found."""

    file: str
    kind: str


def scan(handle: BinaryIO, file: str, forbidden: Forbidden, depth: int = 0) -> set[Finding]:
    """Everything found in a seekable binary file and in what it contains.

    Parameters
    ----------
    file : str
        What findings call it; searched as well.
    """
    found = {Finding(file, kind) for kind in forbidden.search_text(file.encode())}
    head = handle.read(16)
    handle.seek(0)
    kind = kind_of(head)
    if kind == "closed":
        return found | {Finding(file, UNREAD)} | _raw(handle, file, forbidden)
    if kind and depth >= MAX_DEPTH:
        return found | {Finding(file, TOO_DEEP)}
    try:
        if kind:
            found |= _raw(handle, file, forbidden)
            handle.seek(0)
            return found | _scan_container(kind, handle, file, forbidden, depth + 1)
        found |= _Plain(file, forbidden, depth).scan(handle)
        if file.endswith((".json", ".jsonld", ".safetensors")):
            handle.seek(0)
            found |= _scan_json(handle, file, forbidden)
    except UNREADABLE:
        return found | {Finding(file, UNREAD)}
    return found


def _overlapping(handle: BinaryIO) -> Iterator[bytes]:
    tail = b""
    while chunk := handle.read(CHUNK):
        yield tail + chunk
        tail = (tail + chunk)[-OVERLAP:]


def _raw(handle: BinaryIO, file: str, forbidden: Forbidden) -> set[Finding]:
    """What is in the bytes as they are."""
    return {Finding(file, kind) for data in _overlapping(handle) for kind in forbidden.search(data)}


def _scan_container(
    kind: str, handle: BinaryIO, file: str, forbidden: Forbidden, depth: int
) -> set[Finding]:
    found: set[Finding] = set()
    if kind == "zip":
        with zipfile.ZipFile(handle) as archive:
            for member in archive.infolist():
                with archive.open(member) as stream:
                    name = f"{file}/{member.filename}"
                    found |= _scan_stream(
                        iter(lambda s=stream: s.read(CHUNK), b""), name, forbidden, depth
                    )
        # members that its directory does not name, and what comes before the first
        handle.seek(0)
        return found | _Plain(file, forbidden, depth).scan(handle)
    if kind == "png":
        for data in png_chunks(handle):
            found |= scan(io.BytesIO(data), file, forbidden, depth)
        return found
    # bgzip: blocks of one text, and not texts of their own
    blocked = handle.read(18)[12:14] == b"BC"
    handle.seek(0)
    found |= _scan_stream((data for _, data in decompress(handle, kind)), file, forbidden, depth)
    if not blocked:
        handle.seek(0)
        for number, member in groupby(decompress(handle, kind), key=lambda item: item[0]):
            if number:
                found |= _scan_stream((data for _, data in member), file, forbidden, depth)
    return found


def _scan_stream(
    chunks: Iterable[bytes], file: str, forbidden: Forbidden, depth: int
) -> set[Finding]:
    """Scan a stream that cannot be rewound, by way of a temporary file that is gone afterwards."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        for chunk in chunks:
            spool.write(chunk)
        spool.seek(0)
        return scan(spool, file, forbidden, depth)


def _scan_json(handle: BinaryIO, file: str, forbidden: Forbidden) -> set[Finding]:
    """Texts with their escapes taken out; of a model file, the texts of its header."""
    length = int.from_bytes(handle.read(8), "little") if file.endswith(".safetensors") else MAX_JSON
    if length > MAX_JSON:
        return {Finding(file, UNREAD)}
    parsed = list(_strings(json.loads(handle.read(length))))
    return {
        Finding(file, kind)
        for text in parsed
        for kind in forbidden.search_text(text.encode("utf-8", "replace"))
    }


def _strings(value) -> Iterator[str]:
    """All texts of a JSON value; texts that are JSON themselves are opened."""
    if isinstance(value, dict):
        yield from _strings(list(value.keys()) + list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value
        if value[:1] in "{[":
            try:
                yield from _strings(json.loads(value))
            except ValueError:
                return


class _Plain:
    """The scan of bytes that are no container: text, or binary data in which containers may
    are.
    """

    def __init__(self, file: str, forbidden: Forbidden, depth: int):
        self.file, self.forbidden, self.depth = file, forbidden, depth
        self.found: set[Finding] = set()
        self.text: list[bytes] = []
        self.size = 0

    def scan(self, handle: BinaryIO) -> set[Finding]:
        """All findings; a text is decoded when it has been read, binary data where a container
        seems to begin.
        """
        places: dict[int, str] = {}
        done = 0  # bytes before the chunk
        rest = b""  # the last line of a text, when it is not whole
        for data in _overlapping(handle):
            begin, tail = done, min(OVERLAP, done)
            done += len(data) - tail
            if texts.is_text(data):
                self._add(self.forbidden.search(data))
                lines, newline, last = (rest + data[tail:]).rpartition(b"\n")
                self._keep(texts.condensed(lines))
                rest = (
                    last
                    if newline or len(last) < CHUNK
                    else self._keep(texts.condensed(last)) or b""
                )
                continue
            self._add(self.forbidden.search(data))
            wide = data.replace(b"\0", b"")  # UTF-16, and texts between zero bytes
            if wide != data:
                self._add(
                    (self.forbidden.search_text if texts.is_text(wide) else self.forbidden.search)(
                        wide
                    )
                )
            self._keep(texts.printable(rest + data[tail:] if rest else data))
            rest = b""
            places |= {begin - tail + place: kind for place, kind in _beginnings(data)}
        self._keep(texts.condensed(rest))
        self._decode()
        for place, kind in sorted(places.items()):
            # another container at the beginning has been opened
            if place > 0 or kind in ("zlib", "zip"):
                self._open(handle, place, kind)
        return self.found

    def _add(self, kinds: Iterable[str]) -> None:
        self.found |= {Finding(self.file, kind) for kind in kinds}

    def _keep(self, text: bytes) -> None:
        self.text.append(text)
        self.size += len(text) + 1
        if self.size > MAX_TEXT:
            self._decode()

    def _decode(self) -> None:
        """Search what was kept of a text, in every way in which it can be read."""
        text = b"\n".join(self.text)
        self.text, self.size = [text[-OVERLAP:]], min(len(text), OVERLAP)
        seen, now = {text}, [text]
        for _ in range(ROUNDS):
            following: list[bytes] = []
            for version in now:
                self._add(self.forbidden.search_text(version))
                self._search_encoded(version)
                following += [
                    new for new in texts.decodings(version) if new not in seen and not seen.add(new)
                ]
            now = following
        self.text, self.size = ([], 0) if self.size < OVERLAP else (self.text, self.size)

    def _search_encoded(self, text: bytes) -> None:
        together: dict[bool, list[bytes]] = {True: [], False: []}
        for data in texts.encoded_bytes(text):
            kind = kind_of(data[:16])
            if (kind and kind != "closed" and len(data) > 32) or (
                len(data) >= texts.SHORTEST and texts.is_text(data)
            ):
                if self.depth + 1 >= MAX_DEPTH:
                    self._add([TOO_DEEP])
                    continue
                self.found |= {Finding(self.file, f.kind) for f in self._inner(data)}
            together[texts.is_text(data)].append(data)
        self._add(self.forbidden.search_text(b"\n".join(together[True])))
        joined = b"\n".join(together[False])
        self._add(self.forbidden.search(joined) | self.forbidden.search(joined.replace(b"\0", b"")))

    def _inner(self, data: bytes) -> set[Finding]:
        inside = scan(io.BytesIO(data), "", self.forbidden, self.depth + 1)
        return {
            finding
            for finding in inside
            if finding.kind != UNREAD or kind_of(data[:16]) in ("png", "xz")
        }

    def _open(self, handle: BinaryIO, place: int, kind: str) -> None:
        """What seems to begin at `place` is looked into, where it is what it seems to be."""
        if self.depth >= MAX_DEPTH:
            self._add([TOO_DEEP])
            return
        if kind == "closed":
            self._add([UNREAD])
            return
        certain = kind in ("xz", "png")  # so long a beginning is none by chance
        try:
            if kind == "png":
                for data in png_chunks(handle, place):
                    self.found |= scan(io.BytesIO(data), self.file, self.forbidden, self.depth + 1)
                return
            if kind == "zip":
                certain = True
                member = zip_member(handle, place)
                if member is None:
                    return
                kind, place = "deflate", member[1]
            stream = partial(first_stream, handle, place, kind)
            for _ in stream():  # to its end: only then it is one
                pass
        except UNREADABLE:
            if certain:
                self._add([UNREAD])
            return
        self.found |= _scan_stream(stream(), self.file, self.forbidden, self.depth + 1)


def _beginnings(data: bytes) -> Iterator[tuple[int, str]]:
    """Where containers seem to begin in binary data, and their kinds."""
    yield from ((match.start(), "closed") for match in EMBEDDED_CLOSED.finditer(data))
    for magic, kind in EMBEDDED.items():
        place = data.find(magic)
        while place >= 0:
            yield place, kind
            place = data.find(magic, place + 1)
