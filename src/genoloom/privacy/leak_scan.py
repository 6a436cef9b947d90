"""Search every byte of some files for what must not leave: names of real people, paths, hosts, users, canaries.

Looked into, to any depth up to `MAX_DEPTH`: gzip and bgzip, zip, Zstandard, the compressed text of PNG, the header of
safetensors, and in text base64 data addresses, percent escapes and entities. A container that cannot be read, is nested
deeper, or a text that is too large to look into is itself a finding: what was not searched does not leave.

What is searched for where, so that short names do not find themselves everywhere:

- names of real people with at least six characters, among them a letter and a digit (HG00096): everywhere, bounded by
  anything but letters and digits. Others ("1", "anna") stand in too many numbers and words; they are looked for only
  where people are named, by the caller: every name there must be one of the synthetic people's;
- paths below the usual roots (/home, /Users, /tmp, ...), C:\\ paths and this machine's own: everywhere;
- user and host names of at least four characters that are no common word (root, user, ...): as whole words;
- canaries: everywhere, as they are.
"""

import base64
import binascii
import html
import io
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

import zstandard

CHUNK = 1 << 20
OVERLAP = 1 << 12  # longer than anything searched for
MAX_DEPTH = 6
MAX_TEXT = 1 << 28  # bytes of a text whose data addresses are looked into
IN_MEMORY = 1 << 26
COMMON_WORDS = {
    "root", "user", "users", "admin", "administrator", "ubuntu", "debian", "centos", "localhost", "localdomain", "nobody",
    "home", "test", "data", "runner", "docker", "guest", "genoloom", "snakemake", "synthetic", "release",
}  # fmt: skip
ROOTS = (
    "home", "Users", "root", "tmp", "var", "mnt", "media", "srv", "opt", "data", "scratch", "work", "workspace", "gpfs", "lustre",
    "nfs", "vol", "volumes", "Volumes", "project", "projects", "proj", "private", "shared", "storage", "cluster", "afs", "usr",
)  # fmt: skip
_PATH = re.compile(
    rb"(?<![A-Za-z0-9_.~/-])(?:file://)?/(?:"
    + "|".join(ROOTS).encode()
    + rb")/(?:[A-Za-z0-9_.+-]{2,}|[A-Za-z0-9_.+-]/[A-Za-z0-9_.+-])"
)
_WINDOWS_PATH = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z]:\\{1,2}[A-Za-z0-9_. -]{2,}\\{1,2}")
_DATA_ADDRESS = re.compile(rb";base64,([A-Za-z0-9+/=\s]{8,})")
_MAGIC = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd", b"\x89PNG\r\n\x1a\n": "png"}


@dataclass(frozen=True)
class Finding:
    """Something that must not leave. It does not repeat what was found."""

    file: str
    kind: str


@dataclass(frozen=True)
class Forbidden:
    """What is searched for.

    Attributes
    ----------
    names : frozenset of bytes
        Of real people, those that `searchable` says can be searched for everywhere.
    words : frozenset of bytes
        User and host names.
    texts : dict of bytes to str
        Anything else, and what a finding calls it.
    """

    names: frozenset[bytes]
    words: frozenset[bytes] = frozenset()
    texts: dict[bytes, str] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str], words: Iterable[str], paths: Iterable[str], canaries: Iterable[str]) -> "Forbidden":
        """From plain text; names and words that would find themselves everywhere are left out."""
        texts = {path.encode(): "a path of this machine" for path in paths if path.count("/") + path.count("\\") >= 2}
        texts |= {canary.encode(): "a canary" for canary in canaries if canary}
        chosen = {word for word in words if len(word) >= 4 and word.lower() not in COMMON_WORDS}
        return cls(frozenset(n.encode() for n in names if searchable(n)), frozenset(w.encode() for w in chosen), texts)

    def search(self, data: bytes) -> set[str]:
        """The kinds of what stands in `data`."""
        found = set()
        if any(_bounded(data, place, name) for place, name in self._candidates(data)):
            found.add("the name of a real person")
        if any(_bounded(data, match.start(), word) for word in self.words for match in re.finditer(re.escape(word), data)):
            found.add("a user or host name")
        if _PATH.search(data) or (b":\\" in data and _WINDOWS_PATH.search(data)):
            found.add("an absolute path")
        return found | {kind for text, kind in self.texts.items() if text in data}

    def _candidates(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Places where a name of a person stands."""
        if not self.names:
            return
        by_length: dict[int, set[bytes]] = {}
        for name in self.names:
            by_length.setdefault(len(name), set()).add(name)
        beginnings = sorted({re.escape(name[:3]) for name in self.names})
        for match in re.finditer(b"|".join(beginnings), data):
            for length, names in by_length.items():
                candidate = data[match.start() : match.start() + length]
                if candidate in names:
                    yield match.start(), candidate


def searchable(name: str) -> bool:
    """Whether a name of a person is unlike numbers and words, so that it can be searched for everywhere."""
    return len(name) >= 6 and any(c.isdigit() for c in name) and any(c.isalpha() for c in name)


def _bounded(data: bytes, place: int, text: bytes) -> bool:
    before, after = data[place - 1 : place] if place else b"", data[place + len(text) : place + len(text) + 1]
    return not before.isalnum() and not after.isalnum()


def scan(handle: BinaryIO, file: str, forbidden: Forbidden, depth: int = 0) -> set[Finding]:
    """Everything found in a seekable binary file and in what it contains.

    Parameters
    ----------
    file : str
        What findings call it; searched as well.
    """
    found = {Finding(file, kind) for kind in forbidden.search(file.encode())}
    head = handle.read(16)
    handle.seek(0)
    size, as_text = 0, b"\0" not in head
    tail = b""
    while chunk := handle.read(CHUNK):
        size += len(chunk)
        data = tail + chunk
        found |= {Finding(file, kind) for kind in forbidden.search(data)}
        if b"\0" in data:  # UTF-16, and texts between zero bytes
            as_text = False
            found |= {Finding(file, kind) for kind in forbidden.search(data.replace(b"\0", b""))}
        tail = data[-OVERLAP:]
    handle.seek(0)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    try:
        if depth >= MAX_DEPTH and kind:
            return found | {Finding(file, "contents nested too deep to look into")}
        if kind:
            return found | _scan_container(kind, handle, file, forbidden, depth + 1)
        if file.endswith(".safetensors"):
            return found | _scan_safetensors(handle, file, forbidden)
        if as_text:
            return found | _scan_text(handle, file, size, forbidden, depth + 1)
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        zipfile.BadZipFile,
        zstandard.ZstdError,
        NotImplementedError,
        RuntimeError,
    ):
        return found | {Finding(file, "contents that cannot be read")}
    return found


def _scan_container(kind: str, handle: BinaryIO, file: str, forbidden: Forbidden, depth: int) -> set[Finding]:
    found: set[Finding] = set()
    if kind == "gzip":
        found |= _scan_stream(_decompress(handle, lambda: zlib.decompressobj(wbits=31)), file, forbidden, depth)
    elif kind == "zstd":
        found |= _scan_stream(_decompress(handle, zstandard.ZstdDecompressor().decompressobj), file, forbidden, depth)
    elif kind == "zip":
        with zipfile.ZipFile(handle) as archive:
            for member in archive.infolist():
                with archive.open(member) as stream:
                    found |= _scan_stream(
                        iter(lambda s=stream: s.read(CHUNK), b""), f"{file}/{member.filename}", forbidden, depth
                    )
    else:
        for text in _png_texts(handle):
            found |= scan(io.BytesIO(text), file, forbidden, depth)
    return found


def _decompress(handle: BinaryIO, decompressor: Callable) -> Iterator[bytes]:
    """The contents of all members or frames; what stands behind them, if anything, is none and an error."""
    pending = b""
    while pending or (pending := handle.read(CHUNK)):
        member = decompressor()
        while not member.eof:
            if not pending and not (pending := handle.read(CHUNK)):
                raise EOFError("the last member is not whole")
            yield member.decompress(pending)
            pending = member.unused_data
        pending = pending.lstrip(b"\0")


def _scan_stream(chunks: Iterable[bytes], file: str, forbidden: Forbidden, depth: int) -> set[Finding]:
    """Scan a stream that cannot be rewound, by way of a temporary file that is gone afterwards."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        for chunk in chunks:
            spool.write(chunk)
        spool.seek(0)
        return scan(spool, file, forbidden, depth)


def _png_texts(handle: BinaryIO) -> Iterator[bytes]:
    """Compressed texts and profiles of a PNG; the uncompressed ones have been searched as bytes."""
    handle.seek(8)
    while len(header := handle.read(8)) == 8:
        length, kind = int.from_bytes(header[:4], "big"), header[4:]
        data = handle.read(length)
        handle.read(4)
        if kind in (b"zTXt", b"iCCP"):
            yield zlib.decompress(data[data.index(b"\0") + 2 :])
        elif kind == b"iTXt":
            keyword = data.index(b"\0")
            if data[keyword + 1 : keyword + 2] == b"\x01":
                language = data.index(b"\0", keyword + 3)
                yield zlib.decompress(data[data.index(b"\0", language + 1) + 1 :])


def _scan_safetensors(handle: BinaryIO, file: str, forbidden: Forbidden) -> set[Finding]:
    """The header with its escapes taken out."""
    length = int.from_bytes(handle.read(8), "little")
    if length > MAX_TEXT:
        return {Finding(file, "contents that cannot be read")}
    texts = list(_strings(json.loads(handle.read(length))))
    return {Finding(file, kind) for text in texts for kind in forbidden.search(text.encode())}


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


def _scan_text(handle: BinaryIO, file: str, size: int, forbidden: Forbidden, depth: int) -> set[Finding]:
    """What a text hides: data addresses, percent escapes, entities, JSON escapes."""
    found: set[Finding] = set()
    if not file.endswith((".html", ".htm", ".svg", ".md", ".json", ".jsonld", ".xml", ".js", ".css", ".txt")):
        return found
    if size > MAX_TEXT:
        return {Finding(file, "a text that is too large to look into")}
    text = handle.read()
    for match in _DATA_ADDRESS.finditer(text):
        try:
            inside = base64.b64decode(re.sub(rb"\s", b"", match[1]), validate=False)
        except binascii.Error:
            found.add(Finding(file, "contents that cannot be read"))
            continue
        if depth >= MAX_DEPTH:
            found.add(Finding(file, "contents nested too deep to look into"))
            continue
        # an image may be a text with addresses of its own
        name = file if inside.startswith(tuple(_MAGIC)) else f"{file}.svg"
        found |= {Finding(file, f.kind) for f in scan(io.BytesIO(inside), name, forbidden, depth)}
    plain = [unquote_to_bytes(text), html.unescape(text.decode("utf-8", "replace")).encode()]
    if file.endswith((".json", ".jsonld")):
        plain += [value.encode() for value in _strings(json.loads(text))]
    return found | {Finding(file, kind) for variant in plain for kind in forbidden.search(variant)}
