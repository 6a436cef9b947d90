"""The index of a bgzip VCF or BCF (.tbi, .csi): whether it belongs to the file, and where a contig
or region begins.

htslib takes any index next to a file, may end the process on a damaged one, and reads fewer records
through a stale one. So the index is read here, as a place to start reading only, and it is used
only where it is not older than the file (or was written with it), its chunks cover all records of
the file without a gap, and records are where it says.

Forms: tabix.pdf and CSIv1.pdf, https://samtools.github.io/hts-specs/.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.models import file_digest
from genoloom.formats.provenance import read_provenance, record_path
from genoloom.formats.text import is_bgzf
from genoloom.formats.variant_header import BOM, Header, chunks_of, unpacked
from genoloom.formats.vcf_write import VARIANT_SUFFIXES

PROBES = 64  # chunks whose first record is looked at
SUFFIXES = (".csi", ".tbi")  # in the order in which htslib looks for them
_LARGEST = 1 << 26  # bytes of an index
_CHUNK = np.dtype([("begin", "<u8"), ("end", "<u8")])


class _Unfit(Exception):
    """Why an index is not used."""


@dataclass(frozen=True)
class _Contig:
    """Offsets are virtual: of a block in the file, times 2^16, plus that of a byte in the block's
    content.
    """

    bins: np.ndarray  # of each chunk
    chunks: np.ndarray  # of _CHUNK
    windows: np.ndarray  # .tbi: of each 16 kb, the first record that reaches it
    firsts: dict[int, int]  # .csi: of each bin, the first record that reaches it

    @property
    def begin(self) -> int:
        return int(self.chunks["begin"].min())


@dataclass(frozen=True)
class Index:
    """An index that fits its file: `_Contig` by name, of those that have records."""

    contigs: dict[str, _Contig]
    min_shift: int
    depth: int

    def start(self, contig: str, position: int) -> int:
        """Virtual offset of a record of the contig, none of those at `position` (1-based) or later
        before it.
        """
        found = self.contigs[contig]
        if len(found.windows):
            window = min((position - 1) >> self.min_shift, len(found.windows) - 1)
            return max(found.begin, int(found.windows[window]))
        leaf = ((1 << 3 * self.depth) - 1) // 7 + ((position - 1) >> self.min_shift)
        # as htslib: neighbours to the left, then the parent
        while leaf > 0 and leaf not in found.firsts:
            parent = (leaf - 1) >> 3
            leaf = leaf - 1 if leaf > (parent << 3) + 1 else parent
        return max(found.begin, found.firsts.get(leaf, 0))


def find_index(header: Header) -> tuple[Index | None, str]:
    """The index next to a file, or why it is not used: "" where there is none.

    Never raises for what is in the index.
    """
    if header.packing != "bgzf" or header.pipe is not None:
        return None, ""
    path = next((p for s in SUFFIXES if (p := Path(f"{header.path}{s}")).exists()), None)
    if path is None:
        return None, ""
    try:
        return _checked(path, header), ""
    except _Unfit as why:
        return None, f"the index {path.name} {why}"
    except (InputError, OSError, struct.error, ValueError):
        return None, f"the index {path.name} is damaged"


def made_together(path: Path, variants: Path) -> bool:
    """Whether a record of provenance, no older than the file, says that this index was written with
    it. Snakemake dates the outputs of a rule when the job has ended, and the index, whose name
    follows from the length of the contig, is none of them.
    """
    name = variants.name
    stem = next((name.removesuffix(s) for s in VARIANT_SUFFIXES if name.endswith(s)), name)
    record = record_path(variants.with_name(stem))
    try:
        if record.stat().st_mtime < variants.stat().st_mtime:
            return False
        return read_provenance(record).outputs.get(path.name) == file_digest(path)
    except (InputError, OSError):
        return False


def _checked(path: Path, header: Header) -> Index:
    older = path.stat().st_mtime < header.path.stat().st_mtime
    if older and not made_together(path, header.path):
        raise _Unfit("is older than the file")
    data = bytearray()
    with open(path, "rb", buffering=0) as handle:
        packed = os.pread(handle.fileno(), 2, 0) == b"\x1f\x8b"
        pieces = chunks_of(handle.fileno())
        for piece in unpacked(path, pieces) if packed else pieces:
            data += piece
            if len(data) > _LARGEST:
                raise _Unfit("is damaged")
    if not data:
        raise _Unfit("is empty")
    if data[:4] == b"TBI\x01":
        index = _read_tbi(_Numbers(bytes(data)))
    elif data[:4] == b"CSI\x01":
        index = _read_csi(_Numbers(bytes(data)), header)
    else:
        raise _Unfit("is no index")
    with open(header.path, "rb") as handle:
        _fit(index, header, _Blocks(handle.fileno()))
    return index


class _Numbers:
    """Numbers in turn from little-endian data, after the magic number."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 4

    def take(self, form: str) -> tuple:
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def array(self, kind, n: int) -> np.ndarray:
        size = n * np.dtype(kind).itemsize
        return np.frombuffer(self.text(size), dtype=kind)

    def text(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise _Unfit("is damaged")
        self.at += size
        return self.data[self.at - size : self.at]


def _names(data: bytes) -> list[str]:
    return [name.decode() for name in data.split(b"\0")[:-1]]


def _read_tbi(source: _Numbers) -> Index:
    n, form, column, begin, _, _, _, size = source.take("8i")
    if form & 0xFFFF != 2 or (column, begin) != (1, 2):
        raise _Unfit("is not of a VCF")
    return _by_contig(source, n, _names(source.text(size)), 14, 5, tbi=True)


def _read_csi(source: _Numbers, header: Header) -> Index:
    min_shift, depth, size = source.take("3i")
    extra = source.text(size)
    [n] = source.take("i")
    if not (0 < min_shift < 32 and 0 < depth < 12 and 0 <= n <= len(source.data)):
        raise _Unfit("is damaged")
    names = [header.contigs.get(i, "") for i in range(n)] if header.bcf else _names(extra[28:])
    return _by_contig(source, n, names, min_shift, depth, tbi=False)


def _by_contig(
    source: _Numbers, n: int, names: list[str], min_shift: int, depth: int, tbi: bool
) -> Index:
    if n != len(names) or len(set(names) - {""}) < n - names.count(""):
        raise _Unfit("is damaged")
    last = ((1 << 3 * (depth + 1)) - 1) // 7 + 1  # a pseudo-bin, which counts records
    contigs = {}
    for name in names:
        bins, chunks, firsts = [], [], {}
        [many] = source.take("i")
        for _ in range(many):
            number, first, count = (
                (*source.take("I"), 0, *source.take("i")) if tbi else source.take("IQi")
            )
            found = source.array(_CHUNK, count)
            if number > last or (number < last and not count):
                raise _Unfit("is damaged")
            if number < last:
                firsts[number] = first
                bins.append(np.full(count, number))
                chunks.append(found)
        windows = source.array("<u8", *source.take("i")) if tbi else np.empty(0, dtype=np.uint64)
        if chunks:
            contigs[name] = _Contig(np.concatenate(bins), np.concatenate(chunks), windows, firsts)
    # the number of records without a place may follow
    if len(source.data) - source.at not in (0, 8):
        raise _Unfit("is damaged")
    return Index(contigs, min_shift, depth)


class _Blocks:
    """The blocks of a bgzip file."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def block(self, at: int) -> tuple[bytes, int]:
        """Content of the block at a byte of the file, and where the next begins."""
        head = os.pread(self.descriptor, 18, at)
        if not is_bgzf(head):
            raise _Unfit("does not fit the file")
        size = int.from_bytes(head[16:18], "little") + 1
        try:
            return zlib.decompress(os.pread(self.descriptor, size, at)[18:-8], -15), at + size
        except zlib.error:
            raise _Unfit("does not fit the file, or the file is damaged") from None

    def read(self, offset: int, n: int) -> bytes:
        """Up to `n` bytes of content from a virtual offset on."""
        content, after = self.block(offset >> 16)
        found = content[offset & 0xFFFF :]
        while len(found) < n and after < self.size:
            content, after = self.block(after)
            found += content
        return found[:n]

    def place(self, offset: int) -> int:
        """The offset; where it comes after the last byte of a block, that of the next byte."""
        while offset >> 16 < self.size:
            content, after = self.block(offset >> 16)
            if offset & 0xFFFF < len(content):
                return offset
            if offset & 0xFFFF > len(content):
                raise _Unfit("does not fit the file")
            offset = after << 16
        return offset


def _fit(index: Index, header: Header, blocks: _Blocks) -> None:
    """Raise `_Unfit` unless the chunks cover all from the first record to the end, and records
    begin where they say.
    """
    at, left = 0, len(header.raw) + len(BOM) * header.bom
    content, after = blocks.block(0)
    while left > len(content):
        at, left = after, left - len(content)
        content, after = blocks.block(at)
    first = at << 16 | left
    if not index.contigs:
        if blocks.place(first) >> 16 < blocks.size:
            raise _Unfit("is of a file without records")
        return
    chunks = np.concatenate([contig.chunks for contig in index.contigs.values()])
    of = np.repeat(
        np.arange(len(index.contigs)), [len(contig.chunks) for contig in index.contigs.values()]
    )
    bins = np.concatenate([contig.bins for contig in index.contigs.values()])
    order = np.argsort(chunks["begin"], kind="stable")
    chunks, of, bins = chunks[order], of[order], bins[order]
    reached = np.maximum.accumulate(chunks["end"])
    if (chunks["begin"] >= chunks["end"]).any() or int(reached[-1]) >> 16 > blocks.size:
        raise _Unfit("does not fit the file: it is of a longer one, or damaged")
    before = np.concatenate([np.array([first], dtype=np.uint64), reached[:-1]])
    for i in np.flatnonzero(chunks["begin"] > before):
        if blocks.place(int(before[i])) != blocks.place(int(chunks["begin"][i])):
            raise _Unfit("does not fit the file: it leaves out a part of it")
    if blocks.place(int(reached[-1])) >> 16 < blocks.size:
        raise _Unfit("does not fit the file: it is of a shorter one")
    names = list(index.contigs)
    for i in np.linspace(0, len(chunks) - 1, min(PROBES, len(chunks))).astype(int):
        contig, position = _record(blocks, header, int(chunks["begin"][i]))
        if contig != names[of[i]] or not _in_bin(position, int(bins[i]), index):
            raise _Unfit("does not fit the file: other records are where it says")


def _record(blocks: _Blocks, header: Header, offset: int) -> tuple[str, int]:
    """Contig and position (1-based) of the record at a virtual offset."""
    data = blocks.read(offset, 4096)
    if header.bcf:
        number, position = struct.unpack_from("<ii", data, 8)
        return header.contigs.get(number, ""), position + 1
    if offset & 0xFFFF and blocks.read(offset - 1, 1) != b"\n":
        raise _Unfit("does not fit the file: no record begins where it says")
    contig, position, *_ = data.split(b"\t", 2)
    return contig.decode(), int(position)


def _in_bin(position: int, number: int, index: Index) -> bool:
    """Whether the bin holds the position."""
    low, level = 0, 0
    while level < index.depth and number >= low + (1 << 3 * level):
        low, level = low + (1 << 3 * level), level + 1
    shift = index.min_shift + 3 * (index.depth - level)
    return max(position - 1, 0) >> shift == number - low


def fits_start(index: Index, header: Header, contig: str, position: int) -> int | None:
    """`Index.start`, or None where the record there shows that records would be missed."""
    try:
        offset = index.start(contig, position)
        with open(header.path, "rb") as handle:
            found, first = _record(_Blocks(handle.fileno()), header, offset)
    except (_Unfit, OSError, struct.error, ValueError):
        return None
    return (
        offset
        if found == contig and (first <= position or offset == index.contigs[contig].begin)
        else None
    )
