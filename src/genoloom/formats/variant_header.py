"""What comes before the records of a VCF or BCF: its form, samples and contigs.

Read here and not by htslib, so that what is wrong is reported by line, and so that no name of an
individual reaches a message. The content decides what a file is, never its name.
"""

import codecs
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from genoloom.errors import InputError
from genoloom.formats.text import AGAIN, FOREIGN, ZSTD_MAGIC, is_bgzf, open_raw

CONTIG_LINE = 4096  # characters of a ##contig line that are looked at
CHUNK = 1 << 16
LARGEST_PIECE = 1 << 20  # of what is unpacked: a small file may hold gigabytes
LONGEST = 1 << 27  # bytes of a header
COLUMNS = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
BOM = codecs.BOM_UTF8
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
TO_UTF8 = "convert the text, for example: iconv -f LATIN1 -t UTF-8 IN.vcf > OUT.vcf"
_OTHER_FORMS = FOREIGN | {
    ZSTD_MAGIC: ("compressed with zstd", "unpack it with unzstd"),
    codecs.BOM_UTF16_LE: ("text in UTF-16", "save it as UTF-8"),
    codecs.BOM_UTF16_BE: ("text in UTF-16", "save it as UTF-8"),
    b"@HD": ("a SAM file", "give the genotypes that were called from it"),
    b">": ("a FASTA file", "give it where a reference is asked for"),
    b"l\x1b\x01": ("a PLINK 1 .bed, which has no phase", "give the phased VCF, BCF or .pgen"),
    b"l\x1b": ("a .pgen under another name", "call it .pgen, with .pvar and .psam next to it"),
}
# a second reader of a pipe would find nothing, or wait for ever
_pipes_read: set[tuple[int, int]] = set()


class NoVariants(InputError):
    """A file is of no form that is known."""


@dataclass(frozen=True)
class Header:
    """The form of a file and what its header says.

    Attributes
    ----------
    path : Path
    bcf : bool
        BCF, else VCF.
    packing : str
        "plain", "gzip" or "bgzf".
    samples : list of str
    contigs : dict
        The contigs that the header declares, by number: in a BCF the one that records use.
    lengths : dict
        Base pairs of the contigs that have a length.
    version : (int, int)
        Of the VCF text.
    lines : int
        Lines of the header.
    raw : bytes
        The header, uncompressed, without a byte order mark.
    bom : bool
        A byte order mark comes before it.
    pipe : int or None
        The open file descriptor of a pipe; None for a file.
    taken : bytes
        What has been read from the pipe already.
    """

    path: Path
    bcf: bool
    packing: str
    samples: list[str]
    contigs: dict[int, str]
    lengths: dict[str, int]
    version: tuple[int, int]
    lines: int
    raw: bytes = field(repr=False)
    bom: bool = False
    pipe: int | None = None
    taken: bytes = field(default=b"", repr=False)


def real_path(path: str | Path) -> Path:
    """`path`, with `-` as standard input; raise an InputError where there is nothing to read."""
    path = Path("/dev/stdin") if str(path) == "-" else Path(path)
    if not path.exists():
        raise InputError(
            path, "not found", remedy="check the path; it is relative to where the command runs"
        )
    if path.is_dir():
        raise InputError(path, "is a directory", expected="a file")
    return path


def is_pipe(path: Path) -> bool:
    """Whether a path that exists is no regular file, and may be read once only."""
    return not stat.S_ISREG(os.stat(path).st_mode)


def read_header(path: str | Path, need_samples: bool = True) -> Header:
    """The header of a VCF or BCF file, plain, gzip or bgzip, or of a pipe, whatever it is called.

    Raises
    ------
    InputError
        The file is missing, of another format, truncated, not UTF-8, has no samples (unless they
        are not needed) or one of them twice.
    """
    path = real_path(path)
    pipe = is_pipe(path)
    with open_raw(path) as handle:
        descriptor = os.dup(handle.fileno())
    taken: list[bytes] = []
    try:
        if pipe:
            _once(path, descriptor)
        found = _parse(path, descriptor, taken)
        if found["packing"] == "bgzf" and not pipe:
            _check_end(path, descriptor)
        if need_samples or found["samples"]:
            check_samples(path, found["samples"])
    except BaseException:
        os.close(descriptor)
        raise
    if pipe:
        return Header(path, **found, pipe=descriptor, taken=b"".join(taken))
    os.close(descriptor)
    return Header(path, **found)


def _check_end(path: Path, descriptor: int) -> None:
    """htslib may read a truncated file without complaint."""
    size = os.fstat(descriptor).st_size
    if os.pread(descriptor, len(BGZF_END), max(0, size - len(BGZF_END))) != BGZF_END:
        raise InputError(
            path, f"is truncated: no end-of-file block after {size} bytes", remedy=AGAIN
        )


def _once(path: Path, descriptor: int) -> None:
    status = os.fstat(descriptor)
    key = (status.st_dev, status.st_ino)
    if stat.S_ISFIFO(status.st_mode) and key in _pipes_read:
        raise InputError(
            path, "is a pipe, and this command reads its input more than once",
            remedy="write it to a file first, and give that file",
        )  # fmt: skip
    _pipes_read.add(key)


def _parse(path: Path, descriptor: int, taken: list[bytes]) -> dict:
    """The fields of a `Header`; what is read is added to `taken`."""

    raw = chunks_of(descriptor, taken)
    head = b""
    for piece in raw:  # a pipe may give a few bytes at a time
        head += piece
        if len(head) >= 18:
            break
    if not head:
        raise InputError(path, "is empty", expected="VCF or BCF", remedy=AGAIN)
    packed = head[:2] == b"\x1f\x8b"
    packing = "bgzf" if is_bgzf(head) else "gzip" if packed else "plain"
    pieces = chain([head], raw)
    text = b""
    stream = unpacked(path, pieces) if packed else pieces
    for piece in stream:
        text += piece
        if len(text) >= 18:
            break
    bom = text.startswith(BOM)
    text = text[len(BOM) :] if bom else text
    if text.startswith(b"BCF\x02"):
        text = _bcf_text(path, text, stream)
        return {
            "bcf": True,
            "packing": packing,
            "raw": text,
            **_fields(path, _header_lines(path, text[9:].rstrip(b"\0")), True),
        }
    if not text.startswith(b"##fileformat=VCF"):
        raise _what_else(path, text)
    text = _vcf_text(path, text, stream)
    return {
        "bcf": False,
        "packing": packing,
        "raw": text,
        "bom": bom,
        **_fields(path, _header_lines(path, text), False),
    }


def chunks_of(descriptor: int, taken: list[bytes] | None = None) -> Iterator[bytes]:
    """The bytes of a file from where it is; those that are read are added to `taken`."""
    while piece := os.read(descriptor, CHUNK):
        if taken is not None:
            taken.append(piece)
        yield piece


def unpacked(path: Path, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content of gzip data, of any number of members, which may be padded with zeros.

    Raises
    ------
    InputError
        The data end within a member, or are damaged.
    """
    member, begun = zlib.decompressobj(31), True
    try:
        for piece in pieces:
            more = True
            while more:
                if not begun:
                    piece = piece.lstrip(b"\0")
                    member, begun = zlib.decompressobj(31), bool(piece)
                out = member.decompress(piece, LARGEST_PIECE) if begun else b""
                if out:
                    yield out
                piece, begun = (
                    (member.unused_data, False) if member.eof else (member.unconsumed_tail, begun)
                )
                more = bool(piece) or len(out) == LARGEST_PIECE
    except zlib.error:
        raise InputError(
            path, "is truncated or damaged: its compressed data cannot be read", remedy=AGAIN
        ) from None
    if begun:
        raise InputError(
            path, "is truncated or damaged: its compressed data end too early", remedy=AGAIN
        )


def _what_else(path: Path, text: bytes) -> InputError:
    """What a file is that is no VCF, as far as it shows."""
    expected = "VCF (first line ##fileformat=VCF...) or BCF, plain or compressed with gzip or bgzip"
    for magic, (kind, remedy) in _OTHER_FORMS.items():
        if text.startswith(magic):
            return InputError(path, f"is {kind}", expected=expected, remedy=remedy)
    if text.lstrip()[:1] == b"<":
        return InputError(
            path, "is a web page (HTML or XML), not genotypes", expected=expected, remedy=AGAIN
        )
    if text.startswith(b"#CHROM"):
        return InputError(
            path,
            "has no line ##fileformat before #CHROM",
            expected=expected,
            remedy="write it as the first line",
        )
    return NoVariants(path, "is neither VCF nor BCF", expected=expected)


def _bcf_text(path: Path, text: bytes, stream: Iterator[bytes]) -> bytes:
    """Magic, length and text of the header of a BCF."""
    size = 9 + int.from_bytes(text[5:9], "little")
    if size > LONGEST:
        raise InputError(path, f"is damaged: its header is said to have {size} bytes", remedy=AGAIN)
    buffer = bytearray(text)
    while len(buffer) < size:
        piece = next(stream, b"")
        if not piece:
            raise InputError(path, "is truncated within its header", remedy=AGAIN)
        buffer += piece
    return bytes(buffer[:size])


def _vcf_text(path: Path, text: bytes, stream: Iterator[bytes]) -> bytes:
    """The header lines of a VCF, the line #CHROM being the last."""
    buffer, at = bytearray(text), 0
    while True:
        while (end := buffer.find(b"\n", at)) >= 0:
            last = buffer.startswith(b"#CHROM", at)
            if not last and not buffer.startswith(b"#", at):
                line = 1 + buffer.count(b"\n", 0, at)
                raise InputError(
                    path,
                    f"line {line}: a line without '#' before the line #CHROM",
                    expected="a VCF header",
                )
            at = end + 1
            if last:
                return bytes(buffer[:at])
        if len(buffer) > LONGEST:
            raise InputError(
                path,
                f"has no line #CHROM in its first {LONGEST >> 20} MiB",
                expected="a VCF header",
            )
        piece = next(stream, b"")
        if not piece:
            if buffer.startswith(b"#CHROM", at):  # nothing after it, not even the end of the line
                return bytes(buffer) + b"\n"
            raise InputError(path, "ends within its header: there is no line #CHROM", remedy=AGAIN)
        buffer += piece


def _header_lines(path: Path, text: bytes) -> list[str]:
    lines = []
    for number, line in enumerate(text.split(b"\n"), 1):
        try:
            lines.append(line.rstrip(b"\r").decode())
        except UnicodeDecodeError as error:
            raise InputError(
                path, f"line {number} of the header: byte {line[error.start]:#04x} is not UTF-8",
                expected="text in UTF-8",
                remedy=TO_UTF8,
            ) from None  # fmt: skip
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _fields(path: Path, lines: list[str], bcf: bool) -> dict:
    version = re.match(r"##fileformat=VCFv(\d+)\.(\d+)", lines[0]) if lines else None
    if not lines or not lines[-1].startswith("#CHROM"):
        raise InputError(
            path, "is damaged: its header does not end with the line #CHROM", remedy=AGAIN
        )
    columns = lines[-1].split("\t")
    where = f"line {len(lines)} of the header"
    if columns[:8] != COLUMNS:
        loose = lines[-1].split()[:8] == COLUMNS
        found = (
            "spaces are in place of tabs in the line #CHROM"
            if loose
            else "the columns are not the columns of VCF"
        )
        raise InputError(
            path,
            f"{where}: {found}",
            expected="the columns CHROM to FORMAT, then the samples, tabs between them",
        )
    contigs, lengths = _contigs(lines, bcf)
    return {
        "samples": columns[9:], "contigs": contigs, "lengths": lengths, "lines": len(lines),
        "version": (int(version[1]), int(version[2])) if version else (4, 2),
    }  # fmt: skip


def check_samples(path: Path, samples: list[str]) -> None:
    """Raise an InputError unless there are samples, all with a name, no name twice. Names are not
    shown.
    """
    if not samples:
        raise InputError(path, "holds no samples", expected="genotypes of at least two individuals")
    place: dict[str, int] = {}
    for number, name in enumerate(samples, 1):
        if not name.strip():
            raise InputError(
                path,
                f"sample {number} (counted from 1) has no name",
                expected="a name for every sample",
            )
        if (first := place.setdefault(name, number)) != number:
            raise InputError(
                path,
                f"samples {first} and {number} (counted from 1) have the same name",
                expected="unique sample names",
                remedy="name them anew, one name per line in NAMES: bcftools reheader -s NAMES -o "
                "OUT IN",
            )


def _contigs(lines: list[str], bcf: bool) -> tuple[dict[int, str], dict[str, int]]:
    """Contigs and lengths that a header declares. A BCF may number its contigs (IDX)."""
    names: dict[int, str] = {}
    seen: set[str] = set()
    lengths: dict[str, int] = {}
    for line in lines:
        if not line.startswith("##contig=<"):
            continue
        # a bounded part: the pattern may look at a character once for each tag
        tags = dict(re.findall(r'(?:^|,)\s*(\w+)=("(?:[^"\\]|\\.)*"|[^,>]*)', line[10:CONTIG_LINE]))
        name = tags.get("ID", "")
        if not name or name in seen:
            continue
        seen.add(name)
        number = (
            int(tags["IDX"])
            if bcf and re.fullmatch(r"\d{1,9}", tags.get("IDX", ""))
            else len(names)
        )
        names[number] = name
        if re.fullmatch(r"\d{1,12}", tags.get("length", "")) and int(tags["length"]) > 0:
            lengths[name] = int(tags["length"])
    return names, lengths
