"""Containers: which are known, and what is in them."""

import bz2
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import zstandard

CHUNK = 1 << 20
UNREADABLE = (
    OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
    zstandard.ZstdError, NotImplementedError,
    RuntimeError, struct.error,
)  # fmt: skip
STREAMS: dict[str, Callable] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    "zlib": lambda: zlib.decompressobj(),
    "deflate": lambda: zlib.decompressobj(wbits=-15),
}
MAGIC = {
    b"\x1f\x8b\x08": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip", b"\x89PNG\r\n\x1a\n": "png",
}  # fmt: skip
# what nothing here can open
CLOSED = (
    b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"LZIP\x01",
    b"\x89LZO\x00\r\n\x1a\n", b"\xff\x06\x00\x00sNaPpY", b"crypt4gh", b"MSCF\0\0\0\0",
    *(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60)),
)  # fmt: skip
# the same where it may begin anywhere: what is shorter is there by chance
EMBEDDED = {
    b"\x1f\x8b\x08": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x78\x01": "zlib", b"\x78\x5e": "zlib", b"\x78\x9c": "zlib", b"\x78\xda": "zlib",
    b"\x89PNG\r\n\x1a\n": "png",
}  # fmt: skip
# and lz4 by the flags and block sizes that its frames can have
EMBEDDED_CLOSED = re.compile(
    b"|".join(re.escape(magic) for magic in CLOSED if len(magic) > 4)
    + rb"|\x04\x22\x4d\x18[\x40-\x7d][\x40\x50\x60\x70]"
)


def kind_of(head: bytes) -> str | None:
    """The kind of container that begins so; "closed" for one that cannot be opened; None for
    none.
    """
    # compress; a .gzi may begin with those two bytes
    packed = head[:2] == b"\x1f\x9d" and 0x89 <= head[2] <= 0x90
    old_lzma = head[:3] == b"\x5d\0\0" and head[5:13] == b"\xff" * 8
    if packed or old_lzma or any(head.startswith(magic) for magic in CLOSED):
        return "closed"
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)


def decompress(handle: BinaryIO, kind: str) -> Iterator[tuple[int, bytes]]:
    """The contents of all members or frames, with the number of the member; what comes after them
    is an error.
    """
    pending, number = b"", 0
    while pending or (pending := handle.read(CHUNK)):
        member = STREAMS[kind]()
        while not member.eof:
            if not pending and not (pending := handle.read(CHUNK)):
                raise EOFError("the last member is not whole")
            yield number, member.decompress(pending)
            pending = member.unused_data
        pending = pending.lstrip(b"\0")
        number += 1


def first_stream(handle: BinaryIO, place: int, kind: str) -> Iterator[bytes]:
    """The contents of the one stream that begins at `place`; what follows is left alone."""
    handle.seek(place)
    member = STREAMS[kind]()
    while not member.eof:
        pending = handle.read(1 << 16)
        if not pending:
            raise EOFError("the stream is not whole")
        yield member.decompress(pending)


def zip_member(handle: BinaryIO, place: int) -> tuple[bytes, int] | None:
    """Name and first byte of the deflated contents of a zip member whose header begins at `place`.

    None where it is none, or its contents are there as they are.

    Raises
    ------
    ValueError
        It is encrypted or packed in another way.
    """
    handle.seek(place + 4)
    version, flags, method, name, extra = struct.unpack("<HHH16xHH", handle.read(26))
    if version > 63 or name > 4096 or method > 99:
        return None
    called = handle.read(name)
    if method == 0 and not flags & 1:
        return None
    if method != 8 or flags & 1:
        raise ValueError("cannot be opened")
    return called, place + 30 + name + extra


def png_chunks(handle: BinaryIO, place: int = 0) -> Iterator[bytes]:
    """The contents of the chunks of a PNG, decompressed where they are compressed, pixels
    together.
    """
    handle.seek(place + 8)
    pixels = b""
    while len(header := handle.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        data = handle.read(length)
        if len(data) < length:
            raise EOFError("the last chunk is not whole")
        handle.read(4)
        if kind == b"IDAT":
            pixels += data
        elif kind in (b"zTXt", b"iCCP"):
            yield data
            yield zlib.decompress(data[data.index(b"\0") + 2 :])
        elif kind == b"iTXt":
            yield data
            keyword = data.index(b"\0")
            if data[keyword + 1 : keyword + 2] == b"\x01":
                language = data.index(b"\0", keyword + 3)
                yield zlib.decompress(data[data.index(b"\0", language + 1) + 1 :])
        elif kind == b"IEND":
            break
        else:
            yield data
            yield data[2:]  # after the byte order of an eXIf chunk
    while pixels:
        stream = zlib.decompressobj()
        yield stream.decompress(pixels)
        if not stream.eof or len(stream.unused_data) >= len(pixels):
            break
        pixels = stream.unused_data
