"""Bytes for htslib that it cannot open itself, written to a pipe by a child process.

They are gzip data (whose end only we check), text with a byte order mark or with the phase prefixes
of VCF 4.4, a pipe of which the header has been read, and a file from an offset on.
"""

import os
import re
import signal
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from genoloom.formats.variant_header import BGZF_END, BOM, Header, chunks_of, unpacked


@dataclass(frozen=True)
class Plan:
    """What to read.

    Attributes
    ----------
    contig : str, optional
        Only this one; all otherwise.
    region : (int, int), optional
        1-based; only records whose position is inside.
    start : int, optional
        Virtual offset at which the records begin that are asked for; they end where the contig or
        the region does.
    genotypes : bool
        Otherwise one record of each run of a contig is enough, without its genotypes.
    """

    header: Header
    contig: str | None = None
    region: tuple[int, int] | None = None
    start: int | None = None
    genotypes: bool = True


class Feeder:
    """A child that writes to a pipe; `pid` is 0 where there is none (any more)."""

    def __init__(self, pid: int = 0):
        self.pid = pid

    def failed(self, patience: float | None) -> bool:
        """Whether it found the data truncated or damaged; waits for its end, for this many seconds
        at most.
        """
        until = time.monotonic() + (patience or 0)
        while self.pid:
            done, status = os.waitpid(self.pid, 0 if patience is None else os.WNOHANG)
            if done:
                self.pid = 0
                return status != 0
            if time.monotonic() > until:
                break
            time.sleep(0.01)
        return False

    def stop(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def open_data(plan: Plan) -> tuple[int, Feeder]:
    """A descriptor for htslib, and the process that feeds it, if any: htslib may read the file
    itself.
    """
    header = plan.header
    rewrite = (
        header.packing == "gzip" or header.bom or (not header.bcf and header.version >= (4, 4))
    )
    if not rewrite and header.pipe is None and plan.start is None:
        return os.open(header.path, os.O_RDONLY), Feeder()
    ours, theirs = os.pipe()
    feeder = os.fork()
    if feeder:
        os.close(theirs)
        return ours, Feeder(feeder)
    os.close(ours)
    code = 0
    try:
        pieces = _raw(plan)
        if rewrite:
            pieces = unpacked(header.path, pieces) if header.packing != "plain" else pieces
            pieces = _without_mark(pieces) if header.bom else pieces
            pieces = (
                _without_prefixes(pieces) if not header.bcf and header.version >= (4, 4) else pieces
            )
        for piece in pieces:
            _write(theirs, piece)
    except BrokenPipeError:
        pass
    except BaseException:
        code = 3
    os._exit(code)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _raw(plan: Plan) -> Iterator[bytes]:
    """The bytes of the file or pipe from its beginning; or its header, and all from the record on
    at an offset.
    """
    header = plan.header
    if header.pipe is not None:
        yield header.taken
        end = header.taken
        for piece in chunks_of(header.pipe):
            end = (end + piece)[-len(BGZF_END) :]
            yield piece
        if header.packing == "bgzf" and not end.endswith(BGZF_END):
            raise EOFError("no end-of-file block")
        return
    descriptor = os.open(header.path, os.O_RDONLY)
    if plan.start is not None:
        for at in range(0, len(header.raw), 1 << 15):
            yield bgzip_block(header.raw[at : at + (1 << 15)])
        at, inside = plan.start >> 16, plan.start & 0xFFFF
        if inside:  # else the block may be damaged, which htslib says
            size = int.from_bytes(os.pread(descriptor, 2, at + 16), "little") + 1
            yield bgzip_block(zlib.decompress(os.pread(descriptor, size, at)[18:-8], -15)[inside:])
            at += size
        os.lseek(descriptor, at, os.SEEK_SET)
    yield from chunks_of(descriptor)


def bgzip_block(content: bytes) -> bytes:
    """One bgzip block, of at most 2^16 bytes: SAM specification, section 4.1."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    data = packer.compress(content) + packer.flush()
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(data) + 25)
    return head + data + struct.pack("<II", zlib.crc32(content), len(content))


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(BOM):
            break
    yield head.removeprefix(BOM)
    yield from pieces


_PARTLY = re.compile(rb"\t/([0-9.]+)\|([0-9.]+)(?=[\t:\r\n])")
_PREFIX = re.compile(rb"\t[/|](?=[0-9.])")


def _without_prefixes(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Genotypes as VCF 4.3 writes them: `|0|1` as 0|1, `/0/1` as 0/1, and `/0|1`, where one allele
    has no phase, as 0/1.
    """
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield b"".join(_plain_genotypes(line + b"\n") for line in lines)
    yield _plain_genotypes(rest)


def _plain_genotypes(line: bytes) -> bytes:
    if line.startswith(b"#") or (b"\t|" not in line and b"\t/" not in line):
        return line
    columns = line.split(b"\t", 9)
    if len(columns) < 10:
        return line
    calls = _PREFIX.sub(b"\t", _PARTLY.sub(rb"\t\1/\2", b"\t" + columns[9]))
    return b"\t".join([*columns[:9], calls[1:]])
