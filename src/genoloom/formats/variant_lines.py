"""Plain lines of a bgzip VCF: FORMAT is GT alone and every call is like `0|1`.

htslib takes most of its time for genotypes, and these are four bytes each. It reads what comes
before them, and the other lines whole, so that nothing else is understood here.
"""

import os
import re
import resource
import zlib
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import chain

import cyvcf2
import numpy as np

from genoloom.formats.variant_feeder import Plan
from genoloom.formats.variant_header import Header

CHUNK = 1 << 22  # bytes of text that are looked at together
LONGEST = 1 << 26  # of a line
DESCRIPTORS = "/proc/self/fd"
_BLOCK = re.compile(rb"\x1f\x8b\x08\x04.{6}\x06\0BC\x02\0(..)", re.DOTALL)
_GT = re.compile(rb"##FORMAT=<ID=GT,Number=1,Type=String[,>]")
_SETS = re.compile(rb"##FORMAT=<ID=PSL?,")
# eight columns, none of them empty, before the calls
_BEFORE = re.compile(rb"([^\t\n\r\0]+)(?:\t[^\t\n\r\0]+){7}\tGT\t")
_NAME = re.compile(rb"[0-9A-Za-z_.]+")  # of a contig
_CALL = np.frombuffer(b"0|0\t", dtype="<u4")[0]
_LAST = np.frombuffer(b"\0\0\0\t", dtype="<u4")[0] ^ np.frombuffer(b"\0\0\0\n", dtype="<u4")[0]

Records = Iterator[tuple[cyvcf2.Variant, np.ndarray | None]]


def plain_records(plan: Plan) -> Generator[tuple, None, Plan | None]:
    """Yield each record as htslib has it, with its alleles, int8 (n_individuals, 2), where its line
    is plain, all calls being phased; else None, and the record has them.

    Returns
    -------
    Plan or None
        What has not been read: all, if the file is of another kind; from a chunk on that has no
        plain line; from where it is damaged.

    Raises
    ------
    Exception
        As htslib does, at the same record.
    """
    header = plan.header
    if not _possible(header):
        return plan
    at, skip = divmod(plan.start, 1 << 16) if plan.start is not None else (0, len(header.raw))
    contigs = {name.encode() for name in header.contigs.values()}
    with open(header.path, "rb") as handle:
        for text, start in _whole_lines(handle, at, skip, max(CHUNK, 2 * len(header.raw))):
            lines, calls, others = _looked_at(text, len(header.samples), contigs)
            if not (len(calls) and all(map(_NAME.fullmatch, others))):
                return replace(plan, header=header, start=start)
            if others:
                # htslib adds contigs that are not declared to its header when they come
                yield from ((record, None) for record in _read(header.raw, text))
                contigs |= others
                header = _with_contigs(header, others)
            else:
                yield from _merged(text, lines, calls, header)
    return None


def _possible(header: Header) -> bool:
    largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)  # of files in memory, too
    return (
        header.packing == "bgzf"
        and not (header.bcf or header.bom)
        and header.pipe is None
        and header.version < (4, 4)
        and _GT.search(header.raw) is not None
        and _SETS.search(header.raw) is None
        and len(header.samples) > 0
        and hasattr(os, "memfd_create")
        and (largest == resource.RLIM_INFINITY or largest > 2 * LONGEST)
        and os.path.exists(DESCRIPTORS)
    )


def _blocks(handle, at: int) -> Iterator[tuple[int, bytes | None]]:
    """Offset and content of the bgzip blocks from `at` on; None of a damaged one, the last."""
    handle.seek(at)
    while head := handle.read(18):
        content = None
        if match := _BLOCK.fullmatch(head):
            content = _unpacked(handle, int.from_bytes(match[1], "little") + 1)
        yield at, content
        if content is None:
            return
        at = handle.tell()


def _unpacked(handle, size: int) -> bytes | None:
    """The content of a block of this size, after its head."""
    data = handle.read(max(8, size - 18))
    check, length = int.from_bytes(data[-8:-4], "little"), int.from_bytes(data[-4:], "little")
    if len(data) != size - 18 or length > 1 << 16:
        return None
    try:
        content = zlib.decompress(data[:-8], -15, max(1, length))
    except zlib.error:
        return None
    return content if len(content) == length and zlib.crc32(content) == check else None


def _whole_lines(handle, at: int, skip: int, enough: int) -> Iterator[tuple[bytes, int]]:
    """Pieces of whole lines, of about `enough` bytes, from `skip` bytes after the beginning of the
    block at `at` on, each with the virtual offset where it begins. Where lines do not end, or
    blocks are damaged, the last one is without text.
    """
    parts, size, wanted = [], 0, enough
    places: list[tuple[int, int]] = []  # offset of a block, and where it begins in the parts
    for where, content in chain(_blocks(handle, at), [(None, None)]):
        if content is not None:
            if skip >= len(content):
                skip -= len(content)
                continue
            places.append((where, size - skip))
            parts.append(content[skip:])
            size += len(parts[-1])
            skip = 0
            if size < wanted:
                continue
        text = b"".join(parts)
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end], places[0][0] << 16 | -places[0][1]
            stops = [begin for _, begin in places[1:]] + [size]
            places = [
                (block, begin - end)
                for (block, begin), stop in zip(places, stops, strict=True)
                if stop > end
            ]
        parts, size = [text[end:]], size - end
        wanted = enough if end else 2 * size
        if size > LONGEST or (content is None and (size or where is not None)):
            yield b"", places[0][0] << 16 | -places[0][1] if size else where << 16
            return


def _looked_at(
    text: bytes, n: int, contigs: set[bytes]
) -> tuple[list[tuple[int, int, int]], np.ndarray, set[bytes]]:
    """Of each line where it begins, where its calls begin (0: it is not plain) and where it ends;
    the alleles of those that are plain, int8 (n_plain, n_individuals, 2); and what is in place of
    one of the contigs.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    rows = np.empty((len(text) // (4 * n), 4 * n), dtype=np.uint8)
    lines, begin, k, others = [], 0, 0, set()
    while begin < len(text):
        end = text.index(b"\n", begin) + 1
        calls = end - 4 * n
        before = _BEFORE.fullmatch(text, begin, calls) if calls > begin else None
        if before is not None:
            rows[k] = data[calls:end]
            k += 1
        else:
            calls = 0
        contig = before[1] if before else text[begin:end].partition(b"\t")[0]
        if contig not in contigs:
            others.add(contig)
        lines.append((begin, calls, end))
        begin = end
    words = rows[:k].view("<u4")
    words ^= _CALL  # leaves the numbers of the alleles, and nothing else
    words[:, -1] ^= _LAST
    pairs = words.view("<u2")
    plain = pairs.max(axis=1, initial=0) <= 9
    if not plain.all():
        found = iter(plain.tolist())
        lines = [(b, calls if calls and next(found) else 0, e) for b, calls, e in lines]
        pairs = pairs[plain]
    return lines, pairs.astype(np.int8).reshape(-1, n, 2), others


def _with_contigs(header: Header, contigs: set[bytes]) -> Header:
    """The header, with contigs that are not declared as htslib adds them."""
    before, names = _parts(header)
    added = b"".join(b"##contig=<ID=%s>\n" % contig for contig in sorted(contigs))
    return replace(header, raw=before + added + names)


def _parts(header: Header) -> tuple[bytes, bytes]:
    """What comes before the line with the names of the individuals, and that line."""
    at = header.raw.rindex(b"\n", 0, -1) + 1
    return header.raw[:at], header.raw[at:]


def _merged(
    text: bytes, lines: list[tuple[int, int, int]], alleles: np.ndarray, header: Header
) -> Records:
    """The records of some lines."""
    before, names = _parts(header)
    columns = names.rstrip(b"\r\n").split(b"\t")[:8]
    rest = len(b"\tGT\t")
    starts = _read(
        before + b"\t".join(columns),
        *(b"\n" + text[begin : calls - rest] for begin, calls, _ in lines if calls),
        b"\n",
    )
    others = None
    plain = iter(alleles)
    for begin, calls, _ in lines:
        if not calls:
            if others is None:
                others = _read(header.raw, *(text[b:end] for b, calls, end in lines if not calls))
            yield next(others), None
            continue
        try:
            record = next(starts)
        except Exception:  # whatever htslib does not take: it says so of the whole line
            yield from ((record, None) for record in _read(header.raw, text[begin:]))
            return
        yield record, next(plain)


def _read(*parts: bytes) -> Iterator[cyvcf2.Variant]:
    """What htslib reads from a text in memory."""
    descriptor = os.memfd_create("records")
    with open(descriptor, "wb") as file:
        file.writelines(parts)
        file.flush()
        # by its path, since cyvcf2 does not close what it was given as a descriptor
        return iter(cyvcf2.VCF(f"{DESCRIPTORS}/{descriptor}", gts012=False, lazy=True))
