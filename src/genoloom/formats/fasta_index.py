"""Indexes of FASTA files: .fai, and .gzi of bgzip. One that does not belong to its file is not
used.

htslib believes an index whatever the file says, and an index of another file gives other bases. So
each record of a .fai is compared with the header line that it points after, and each entry of a
.gzi with the blocks of the file. The layouts: the manual page faidx(5) of samtools, and the
specification of BGZF in SAMv1, section 4.1.
"""

import codecs
import logging
import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pysam

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.text import (
    AGAIN,
    GZIP_MAGIC,
    MAX_SEQUENCE,
    ZSTD_MAGIC,
    byte_lines,
    is_bgzf,
    open_raw,
    unpacked,
)
from genoloom.formats.variant_header import BGZF_END

log = logging.getLogger(__name__)

# an index may be so much older than its file: copies and checkouts write both in any order
OLDER_S = 1
LONGEST_HEADER = 1 << 20


def find_index(path: Path, scratch: Path) -> tuple[Path, Path | None]:
    """The .fai, and the .gzi of a bgzip file: those next to `path` where they fit it, else new
    ones.

    New ones are put next to the file where it had none and the directory can be written, else into
    `scratch`.

    Raises
    ------
    InputError
        The FASTA cannot be indexed, with the line and the reason.
    """
    with open_raw(path) as handle:
        packed = handle.peek(2)[:2] == GZIP_MAGIC
        blocks = _blocks(path, handle) if packed else []
    ends = [".fai", ".gzi"] if packed else [".fai"]
    index_files = [Path(f"{path}{end}") for end in ends]
    fault = _faults(path, index_files, blocks)
    if not fault:
        return index_files[0], index_files[1] if packed else None
    indexes = [scratch / f"index{end}" for end in ends]
    _build(path, indexes)
    if still := _faults(path, indexes, blocks):
        raise explain(path, still)
    if any(index.exists() for index in index_files):
        log.warning(
            "%s: its index %s; a new one is used for now (lasting: samtools faidx %s)",
            path,
            fault,
            path.name,
        )
        return indexes[0], indexes[1] if packed else None
    try:
        with write_beside(*index_files) as parts:
            for part, index in zip(parts, indexes, strict=True):
                part.write_bytes(index.read_bytes())
    except InputError:  # the directory cannot be written
        return indexes[0], indexes[1] if packed else None
    return index_files[0], index_files[1] if packed else None


def _build(path: Path, indexes: list[Path]) -> None:
    """New indexes by samtools; its messages say less than `explain`."""
    verbosity = pysam.set_verbosity(0)
    names = [
        word
        for option, index in zip(("--fai-idx", "--gzi-idx"), indexes, strict=False)
        for word in (option, str(index))
    ]
    try:
        pysam.samtools.faidx(*names, str(path))
    except pysam.SamtoolsError:
        raise explain(path, "cannot be made") from None
    finally:
        pysam.set_verbosity(verbosity)


def _faults(path: Path, indexes: list[Path], blocks: list[tuple[int, int]]) -> str:
    """Why the first that cannot be used cannot; empty where all can."""
    return next(filter(None, (_fault(path, index, blocks) for index in indexes)), "")


def _fault(path: Path, index: Path, blocks: list[tuple[int, int]]) -> str:
    """Why an index cannot be used; empty where it can."""
    try:
        if index.stat().st_mtime + OLDER_S < path.stat().st_mtime:
            return f"{index.suffix} is older than the file"
        fits = (
            _gzi_fits(index, blocks) if index.suffix == ".gzi" else _fai_fits(path, index, blocks)
        )
    except FileNotFoundError:
        return f"{index.suffix} is not there"
    except (OSError, ValueError, OverflowError, struct.error):
        return f"{index.suffix} is damaged"
    return "" if fits else f"{index.suffix} is of another file"


def _blocks(path: Path, handle) -> list[tuple[int, int]]:
    """Where each block of a bgzip file begins: (byte of the file, byte of its content); the last is
    the empty one.
    """
    size, place, content, blocks, length = path.stat().st_size, 0, 0, [], 0
    while place < size:
        handle.seek(place)
        head = handle.read(18)
        if len(head) < 18 or not is_bgzf(head):
            if not blocks:
                raise InputError(
                    path, "is compressed by gzip", expected="FASTA, plain or compressed by bgzip",
                    remedy=f"gzip -dc {path.name} | bgzip > NEW.fa.gz",
                )  # fmt: skip
            raise InputError(path, f"is damaged at byte {place}", remedy=AGAIN)
        blocks.append((place, content))
        place += struct.unpack("<H", head[16:18])[0] + 1
        handle.seek(place - 4)
        last = handle.read(4)
        length = struct.unpack("<I", last)[0] if len(last) == 4 else 1
        content += length
    if place != size or length:
        raise InputError(path, "is cut off: no end-of-file block", remedy=AGAIN)
    return blocks


def _gzi_fits(index: Path, blocks: list[tuple[int, int]]) -> bool:
    """Every block but the first, and perhaps the empty last one, is listed, and nothing else."""
    raw = index.read_bytes()
    (count,) = struct.unpack("<Q", raw[:8])
    if len(raw) != 8 + 16 * count:
        return False
    entries = list(struct.iter_unpack("<QQ", raw[8:]))
    return entries in (blocks[1:], blocks[1:-1])


def _fai_fits(path: Path, index: Path, blocks: list[tuple[int, int]]) -> bool:
    """Each record begins after the header of its name, ends where the next begins, and the last at
    the file's end.
    """
    records = []
    for line in index.read_bytes().decode().splitlines():
        name, *numbers = line.split("\t")
        records.append((name, *map(int, numbers)))
    if not records or any(len(record) != 5 for record in records):
        return False
    with open_raw(path) as handle:
        read = _reader(handle, blocks)
        place = 0
        for name, length, offset, bases, width in records:
            if (
                min(length, offset, bases) < 0
                or (length and width - bases not in (1, 2))
                or not 0 < offset - place <= LONGEST_HEADER
            ):
                return False
            before = rb"(\r?\n)+" if place else rb"(\r?\n)*"
            if not re.fullmatch(
                before + rb">" + re.escape(name.encode()) + rb"([ \t][^\n]*)?\r?\n",
                read(place, offset - place),
            ):
                return False
            if length > bases and read(offset + bases, width - bases) not in (b"\n", b"\r\n"):
                return False
            full, rest = divmod(length, bases) if bases else (0, 0)
            place = offset + full * width + rest - (width - bases if full and not rest else 0)
        size = blocks[-1][1] if blocks else path.stat().st_size
        return place <= size <= place + 64 and not read(place, 64).strip(b"\r\n")


def _reader(handle, blocks: list[tuple[int, int]]) -> Callable[[int, int], bytes]:
    """A function that reads `size` bytes of the content from `start` on."""

    def plain(start: int, size: int) -> bytes:
        handle.seek(start)
        return handle.read(size)

    def unpacked(start: int, size: int) -> bytes:
        at = bisect_right(blocks, start, key=lambda block: block[1]) - 1
        skip, found = start - blocks[at][1], b""
        for (place, _), (following, _) in pairwise(blocks[at:]):
            handle.seek(place)
            found += zlib.decompress(handle.read(following - place), 31)
            if len(found) >= skip + size:
                break
        return found[skip : skip + size]

    def checked(start: int, size: int) -> bytes:
        try:
            return unpacked(start, size)
        except zlib.error as error:
            raise ValueError(str(error)) from None

    return checked if blocks else plain


def explain(path: Path, otherwise: str) -> InputError:
    """Why a FASTA cannot be indexed, with the line and a command that mends it."""
    with open_raw(path) as handle:
        raw = handle.peek(4)[:4]
        head = next(unpacked(path, handle), b"")
    packed = raw.startswith(GZIP_MAGIC)
    show, into = (
        (f"bgzip -dc {path.name} |", "| bgzip > NEW.fa.gz")
        if packed
        else (f"cat {path.name} |", "> NEW.fa")
    )
    expected = (
        "FASTA in which all lines of a sequence but the last are equally long, as samtools faidx "
        "needs it"
    )
    if head.startswith(codecs.BOM_UTF8):
        return InputError(
            path,
            "begins with a byte-order mark",
            expected,
            f"{show} sed '1s/^\\xEF\\xBB\\xBF//' {into}",
        )
    if b"\r" in head and b"\n" not in head:
        return InputError(
            path, "has lines that end in CR alone", expected, f"{show} tr '\\r' '\\n' {into}"
        )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return InputError(path, "is UTF-16", expected, f"{show} iconv -f UTF-16 -t UTF-8 {into}")
    if raw.startswith(ZSTD_MAGIC):
        return InputError(
            path, "is compressed by zstd", expected, f"zstd -dc {path.name} | bgzip > NEW.fa.gz"
        )
    names: dict[bytes, int] = {}
    first, short, blank = 0, 0, 0
    for number, line in byte_lines(path, MAX_SEQUENCE):
        if line.startswith(b">"):
            if names and not first:
                return InputError(
                    path,
                    f"line {number}: the sequence before it has no bases",
                    expected,
                    "take it out",
                )
            name = (
                line[1:].split(maxsplit=1)[0]
                if line[1:].strip() and not line[1:2].isspace()
                else b""
            )
            if not name:
                return InputError(path, f"line {number}: a header without a name", ">name")
            if (other := names.setdefault(name, number)) != number:
                return InputError(
                    path,
                    f"line {number}: the name of line {other} again",
                    "each name once",
                    "rename one of them",
                )
            first, short, blank = 0, 0, 0
        elif not line.strip():
            blank = blank or number
        elif blank or not names:
            found = (
                f"line {blank}: blank, within a sequence"
                if blank
                else f"line {number}: a sequence without a header"
            )
            return InputError(
                path, found, expected, f"{show} sed '/^[[:space:]]*$/d' {into}" if blank else ""
            )
        elif short or len(line) > (first or len(line)):
            found = (
                f"line {short or number}: {'shorter' if short else 'longer'} than the lines "
                "before, within a sequence"
            )
            join = (
                """awk '/^>/ {if (n++) print ""; print; next} {printf "%s", $0} END {print ""}'"""
            )
            return InputError(path, found, expected, f"{show} {join} {into}")
        else:
            first = first or len(line)
            short = number if len(line) < first else 0
    if not first:
        return InputError(
            path, "ends with a header without bases" if names else "holds no sequence", "FASTA"
        )
    return InputError(
        path,
        f"its index {otherwise}: lines end in different ways",
        expected,
        f"{show} tr -d '\\r' {into}",
    )


def index_fasta(fasta: Path, fai: Path, gzi: Path) -> None:
    """Write the .fai and .gzi of a FASTA, of which they lie next to it under other names."""
    if fasta.stat().st_size <= len(BGZF_END):  # a part without individuals
        fai.touch()
        gzi.write_bytes(bytes(8))
        return
    pysam.faidx(str(fasta))
    Path(f"{fasta}.fai").replace(fai)
    Path(f"{fasta}.gzi").replace(gzi)
