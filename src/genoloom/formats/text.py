"""The one way in which text files are opened: every reader of text reads through this module.

The content decides what a file is, not its name: plain, gzip, bgzip or Zstandard, of any number of
members; UTF-8, with or without a byte-order mark, or UTF-16 with one; lines that end in LF, CRLF or
CR. A file that is cut off or damaged, that is no text, that is a web page, or whose lines are
longer than a reader allows is an InputError with the line. Files are read as a stream, once, so
that a pipe will do; memory is bounded by the longest line.
"""

import codecs
import csv
import gzip
import io
import json
import math
import os
import re
import select
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import zstandard

from genoloom.errors import InputError

MAX_LINE = 1 << 24  # bytes of one line; readers of sequences allow MAX_SEQUENCE
MAX_SEQUENCE = 1 << 29  # the longest human chromosome has 2.5e8 bases
PIPE_WAIT_S = 5  # how long a pipe may be without a writer
# an unpacked file that is both longer and denser than these is refused
BOMB_BYTES, BOMB_RATIO = 1 << 28, 250
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# small ones may unpack to 250,000 times their size
_CHUNK = {GZIP_MAGIC: 1 << 14, ZSTD_MAGIC: 1 << 9, b"": 1 << 18}
_HEAD = 512
AGAIN = "copy or download the file again"
FOREIGN = {  # what content of other kinds begins with: its name, and what to do
    b"PK\x03\x04": (
        "a zip archive or a spreadsheet",
        "unpack it, or save the sheet as tab-separated text (UTF-8)",
    ),
    b"\xd0\xcf\x11\xe0": (
        "a spreadsheet or document of an office program",
        "save it as tab-separated text (UTF-8)",
    ),
    b"BZh": ("compressed with bzip2", "unpack it with bunzip2"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it with unxz"),
    b"%PDF": ("a PDF document", AGAIN),
    b"BCF\x02": ("a BCF file", "give it where genotypes are asked for"),
    b"BAM\x01": ("a BAM file", "give the file that is asked for here"),
    b"crypt4gh": ("encrypted with Crypt4GH", "decrypt it with the tools of crypt4gh"),
    b"version https://git-lfs": (
        "a pointer of Git LFS, not the file itself",
        "fetch the file: git lfs pull",
    ),
}
# csv keeps one limit for the whole process; lines are bounded where they are read
csv.field_size_limit(MAX_SEQUENCE)


@contextmanager
def open_raw(path: str | Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file as they lie on the disk; a pipe is waited for, but not without end.

    Raises
    ------
    InputError
        Not found, a directory, no right to read it, a pipe that nobody writes to, or an error of
        the disk.
    """
    try:
        # a named pipe without a writer would block the call for ever
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as handle:
            kind = os.fstat(handle.fileno()).st_mode
            if stat.S_ISDIR(kind):
                raise IsADirectoryError
            if stat.S_ISFIFO(kind):
                _await_data(path, handle.fileno())
            os.set_blocking(handle.fileno(), True)
            yield handle
    except FileNotFoundError:
        remedy = "check the path; it is relative to where the command runs"
        raise InputError(path, "not found", remedy=remedy) from None
    except IsADirectoryError:
        raise InputError(path, "is a directory", expected="a file") from None
    except OSError as error:
        raise InputError(
            path, f"cannot be read ({(error.strerror or str(error)).lower()})"
        ) from None


def _await_data(path: str | Path, handle: int) -> None:
    """A pipe of the shell has a writer, however slow; a named one may have none, and would be
    waited for without end.
    """
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if "pipe:[" not in os.path.realpath(path) and not poll.poll(1000 * PIPE_WAIT_S):
        raise InputError(
            path,
            f"is a pipe to which nothing was written in {PIPE_WAIT_S} seconds",
            expected="a file",
        )


def byte_lines(path: str | Path, max_line: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line without its end) of a text file, in UTF-8 if it is Unicode at all.

    Raises
    ------
    InputError
        See the module's docstring.
    """
    with open_raw(path) as handle:
        number, parts, size = 0, [], 0
        for chunk in _even_ends(_text_chunks(path, handle)):
            if b"\0" in chunk:
                line = number + 1 + chunk[: chunk.index(b"\0")].count(b"\n")
                raise InputError(
                    path, f"line {line}: holds a byte 0: this is a binary file", expected="text"
                )
            first, *others = chunk.split(b"\n")
            parts.append(first)
            size += len(first)
            for piece in others:
                number += 1
                _check_length(path, number, size, max_line)
                yield number, b"".join(parts)
                parts, size = [piece], len(piece)
            _check_length(path, number + 1, size, max_line)
        if size:
            yield number + 1, b"".join(parts)


def _check_length(path: str | Path, number: int, size: int, most: int) -> None:
    if size > most:
        raise InputError(path, f"line {number}: longer than {most} bytes", expected="lines of text")


def text_lines(path: str | Path, max_line: int = MAX_LINE) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a text file; see `byte_lines`.

    Raises
    ------
    InputError
        Also for what is no UTF-8, with line and byte.
    """
    for number, line in byte_lines(path, max_line):
        yield number, as_text(path, number, line)


def read_json(path: str | Path, keys: Iterable[str] = (), remedy: str = "") -> dict:
    """An object of a JSON file, which has `keys` at least.

    Raises
    ------
    InputError
        Also for what is no JSON, with its line, or no such object.
    """
    try:
        found = json.loads("\n".join(line for _, line in text_lines(path)))
    except json.JSONDecodeError as error:
        raise InputError(
            path, f"line {error.lineno}: is no JSON ({error.msg})", remedy=remedy
        ) from None
    # lists in lists without end, numbers of thousands of digits
    except (RecursionError, ValueError):
        raise InputError(path, "is no JSON that can be read", remedy=remedy) from None
    lacking = [key for key in keys if not isinstance(found, dict) or key not in found]
    if lacking or not isinstance(found, dict):
        found = f"lacks '{lacking[0]}'" if lacking else "is no object"
        raise InputError(path, found, expected="a file that GenoLoom wrote", remedy=remedy)
    return found


def as_text(path: str | Path, number: int, line: bytes) -> str:
    """One line of `byte_lines` as text, or an InputError with the place of what is no UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            path, f"line {number}, byte {error.start + 1}: 0x{line[error.start]:02x} is no UTF-8",
            expected="text in UTF-8",
            remedy="convert it; from Latin-1, for example: iconv -f LATIN1 -t UTF-8 FILE > NEW",
        ) from None  # fmt: skip


def split_rows(
    path: str | Path, lines: Iterable[tuple[int, str]], delimiter: str = "\t"
) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of a delimited table; cells may be in quotation marks, as csv writes
    them.

    Raises
    ------
    InputError
        A quotation mark that is not closed or is inside a cell.
    """
    number = 0

    def counted() -> Iterator[str]:
        nonlocal number
        for number, line in lines:  # noqa: B007
            yield line + "\n"

    reader = csv.reader(counted(), delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError(
                path,
                f"line {number}: {error}",
                expected="cells without quotation marks, or wholly in them",
            ) from None
        if cells is None:
            return
        if cells:
            yield number, cells


def wrong_cells(
    path: str | Path, line: int, cells: list[str], columns: list[str], remedy: str = ""
) -> InputError:
    """The error of a row that is shorter or longer than the header of its table."""
    expected = f"{len(columns)}, as in the header"
    return InputError(path, f"line {line}: {len(cells)} cells", expected=expected, remedy=remedy)


def _text_chunks(path: str | Path, handle: io.BufferedReader) -> Iterator[bytes]:
    """The unpacked content in UTF-8 without a byte-order mark; refused at its beginning where it is
    no text.
    """
    chunks = unpacked(path, handle)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD:
            break
    for magic, (kind, remedy) in FOREIGN.items():
        if head.startswith(magic):
            raise InputError(
                path,
                f"is {kind}",
                expected="text, plain or compressed by gzip, bgzip or zstd",
                remedy=remedy,
            )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decode = codecs.getincrementaldecoder("utf-16")().decode
        rest = ((chunk, False) for chunk in chunks)
        try:
            for chunk, final in [(head, False), *rest, (b"", True)]:
                yield decode(chunk, final).encode()
        except UnicodeError as error:
            raise InputError(path, f"is damaged UTF-16 ({error})", remedy=AGAIN) from None
        return
    head = head.removeprefix(codecs.BOM_UTF8)
    if re.match(rb"\s*<[a-zA-Z!?]", head):
        raise InputError(
            path, "is a web page or XML, no table and no sequences", expected="the file itself",
            remedy="download it again: the link led to a page, perhaps one that asks to sign in",
        )  # fmt: skip
    yield head
    yield from chunks


def _even_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks in which every line ends in LF."""
    rest = b""
    for chunk in chunks:
        chunk = rest + chunk
        rest = b"\r" if chunk.endswith(b"\r") else b""  # LF may follow
        chunk = chunk[: len(chunk) - len(rest)]
        yield chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk
    if rest:
        yield b"\n"


def is_bgzf(head: bytes) -> bool:
    """Whether a file that begins with these 18 bytes is bgzip: SAM specification, section 4.1."""
    return head[:4] == b"\x1f\x8b\x08\x04" and head[12:16] == b"BC\x02\x00"


def unpacked(path: str | Path, handle: io.BufferedReader) -> Iterator[bytes]:
    """The content of a plain, gzip, bgzip or Zstandard file."""
    head = handle.peek(4)[:18]
    magic = next((m for m in (GZIP_MAGIC, ZSTD_MAGIC) if head.startswith(m)), b"")
    chunks = iter(lambda: handle.read(_CHUNK[magic]), b"")
    if not magic:
        yield from chunks
        return
    try:
        if magic == GZIP_MAGIC:
            yield from _members(path, chunks, lambda: zlib.decompressobj(31), is_bgzf(head))
        else:
            yield from _members(path, chunks, lambda: zstandard.ZstdDecompressor().decompressobj())
    except (zlib.error, zstandard.ZstdError, MemoryError) as error:
        raise InputError(path, f"is damaged or cut off ({error})", remedy=AGAIN) from None


def _members(
    path: str | Path, chunks: Iterable[bytes], begin: Callable, bgzip: bool = False
) -> Iterator[bytes]:
    """The members of a compressed file one after the other; its end is checked."""
    decoder, size, packed, unpacked = begin(), 0, 0, 0
    for data in chunks:
        packed += len(data)
        while data:
            if decoder.eof:
                data = data.lstrip(b"\0")  # padding of tapes and blocks
                if not data:
                    break
                decoder, size = begin(), 0
            piece = decoder.decompress(data)
            data = decoder.unused_data
            size += len(piece)
            unpacked += len(piece)
            if unpacked > max(BOMB_BYTES, BOMB_RATIO * packed):
                found = f"unpacks to more than {BOMB_RATIO} times its size"
                raise InputError(
                    path, found, expected="text", remedy="unpack it and look at what it holds"
                )
            yield piece
    if not decoder.eof or (bgzip and size):
        raise InputError(
            path, "is damaged or cut off: its compressed data have no end", remedy=AGAIN
        )


def whole_number(text: str, low: int, high: int) -> int:
    """An integer in [low, high], in ASCII digits.

    Raises
    ------
    ValueError
        Says what is wrong, without the text: it may be a name.
    """
    digits = text.strip()
    digits = digits[1:] if digits[:1] in "+-" else digits
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 30):
        raise ValueError("is no whole number")
    value = int(text)
    if not low <= value <= high:
        raise ValueError(f"is not from {low} to {high}")
    return value


def real_number(text: str) -> float:
    """A finite number in ASCII digits; raises as `whole_number`."""
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        raise ValueError("is no number") from None
    if not math.isfinite(value):
        raise ValueError("is no finite number")
    return value


@contextmanager
def create_text(path: str | Path, packed: bool) -> Iterator[io.TextIOBase]:
    """A text file to write, UTF-8 with LF; where `packed`, as gzip without name or time: equal
    texts give equal files.
    """
    with ExitStack() as stack:
        out = stack.enter_context(open(path, "wb"))
        if packed:
            out = stack.enter_context(gzip.GzipFile("", "wb", fileobj=out, mtime=0))
        yield stack.enter_context(io.TextIOWrapper(out, encoding="utf-8", newline="\n"))
