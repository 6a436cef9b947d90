"""Records of a VCF or BCF, decoded by htslib in a process of its own and streamed in blocks of
plain numbers and text.

On a damaged file htslib may end the process, loop or ask for any amount of memory. Here it then
ends only a child, which has a limit of processor time for each record and of memory, and the parent
raises an InputError that says how far it came. What htslib prints is caught, and only known reasons
are shown: it would name individuals.

    parent  <--- blocks (a pipe) ---  reader (htslib)  <--- bytes (a pipe, where needed) ---  feeder
"""

import faulthandler
import json
import multiprocessing
import os
import re
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import cyvcf2
import numpy as np

from genoloom.errors import InputError
from genoloom.formats.text import AGAIN
from genoloom.formats.variant_feeder import Plan, open_data
from genoloom.formats.variant_header import CHUNK, Header
from genoloom.formats.variant_lines import plain_records

SECONDS = 6  # of processor time for one record; one of 2,504 individuals takes 0.1 ms
INTERRUPTS = {signal.SIGINT, signal.SIGTERM}
MEMORY = 768 << 20  # bytes beyond what the process has when it begins
BLOCK_RECORDS, BLOCK_ALLELES = 256, 1 << 21
LARGEST_BLOCK = 1 << 30
ABSENT = -2  # in place of alleles that a call of lower ploidy does not have
REASONS = (
    (r"CRC32|[Ii]nflate|BGZF|GZIP|bgzf_", "the compressed data are damaged"),
    (r"no contig|Invalid contig name: \"\"", "the line, or its column CHROM, is empty"),
    (r"codec can't decode", "text that is not UTF-8"),
    (r"Couldn't read GT data|Could not read GT", "a genotype (GT) is neither a number nor '.'"),
    (
        r"Number of columns|Incorrect number of FORMAT|number of samples",
        "the columns are not as many as the samples",
    ),
    (r"[Pp]osition|POS|Coordinate", "the position cannot be read"),
    (r"Incomplete line|No sample columns|Truncated", "columns are missing"),
    (r"FORMAT|INFO|FILTER", "a column does not agree with the header"),
    (r"[Oo]ut of memory|memory|allocate", "a record asks for too much memory"),
    (r"BCF|bcf_record_check|[Tt]runcated", "the BCF data are damaged"),
    (r"header|contig", "the header cannot be read"),
)


class Block(NamedTuple):
    """Successive records of one contig and one ploidy.

    `alleles` is int8 or int16 (n_records, n_individuals, ploidy), ploidy 0 where there are no
    genotypes; -1 missing, -2 where a call has fewer alleles. `phased` is bool (n_records,
    n_individuals), and False for a heterozygous call of another phase set (FORMAT/PS) than the
    individual's first one of the contig; `other_sets` counts these by record. `text` has (position,
    id, ref, alts, filters, last base of a symbolic allele or None) of each record.
    """

    contig: str
    text: list
    alleles: np.ndarray
    phased: np.ndarray
    other_sets: list[int]

    def highest(self) -> list[int]:
        """The last allele that is called at each record, -1 without genotypes."""
        return self.alleles.reshape(len(self.text), -1).max(axis=1, initial=-1).tolist()


def read_blocks(plan: Plan) -> Iterator[Block]:
    """Stream the records of `plan`.

    Raises
    ------
    InputError
        The file is damaged: with the place, as contig:position or line, and the reason where it is
        known.
    """
    context, parent = multiprocessing.get_context("fork"), os.getpid()
    receive, send = context.Pipe(duplex=False)
    said, errors = os.pipe()
    os.set_blocking(errors, False)  # what nobody reads is lost, instead of stopping the reader
    os.set_blocking(said, False)
    process = context.Process(target=_read, args=(plan, receive, send, errors), daemon=True)
    try:
        # Python loses an interrupt that comes while it forks
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    except OSError as error:
        raise InputError(
            plan.header.path, f"no process can be started to read it ({error.strerror})"
        ) from None
    send.close()
    os.close(errors)
    tail, last = b"", {"contig": "", "position": 0, "records": 0}
    try:
        while True:
            try:
                message = json.loads(receive.recv_bytes(LARGEST_BLOCK))
                if message["kind"] == "block":
                    block = _unpack(message, receive)
            except (EOFError, OSError, ValueError):
                process.join(5)
                message = {"kind": "died", "code": process.exitcode}
            tail = _drained(said, tail)
            if message["kind"] == "end":
                return
            if message["kind"] != "block":
                raise _failure(plan, message, last, tail.decode(errors="replace"))
            last = {
                "contig": block.contig,
                "position": block.text[-1][0],
                "records": message["records"],
            }
            yield block
    finally:
        # a process that was forked meanwhile has a copy of this generator
        if os.getpid() == parent:
            process.kill()
            process.join()
            receive.close()
            os.close(said)


def _drained(descriptor: int, tail: bytes) -> bytes:
    with suppress(BlockingIOError):
        while piece := os.read(descriptor, CHUNK):
            tail = (tail + piece)[-8192:]
    return tail


def _unpack(message: dict, receive) -> Block:
    n, n_individuals, ploidy = message["shape"]
    alleles = np.frombuffer(receive.recv_bytes(LARGEST_BLOCK), dtype=message["dtype"]).reshape(
        n, n_individuals, ploidy
    )
    bits = np.frombuffer(receive.recv_bytes(LARGEST_BLOCK), dtype=np.uint8)
    phased = np.unpackbits(bits, count=n * n_individuals).reshape(n, n_individuals).view(bool)
    return Block(message["contig"], message["text"], alleles, phased, message["other_sets"])


def _failure(plan: Plan, message: dict, last: dict, said: str) -> InputError:
    """What became of the reader, in our words."""
    path, header = plan.header.path, plan.header
    last = {**last, **message.get("last", {})}
    place = (
        f"after {last['contig']}:{last['position']}"
        if last["records"]
        else "before the first record asked for"
    )
    if message["kind"] == "died":
        code = message["code"]
        if code == -signal.SIGXCPU:
            found = f"damaged {place}: a record took more than {SECONDS} seconds to read"
        elif code is not None and code < 0:
            found = f"damaged {place}: htslib ended on it ({signal.Signals(-code).name})"
        else:
            found = f"damaged {place}: htslib gave up"
        return InputError(path, found, expected="a well-formed VCF or BCF", remedy=AGAIN)
    if message["kind"] == "refused":
        return InputError(path, message["found"], message["expected"], message["remedy"])
    if last.get("line") and not header.bcf:
        place = f"at line {last['line']}, {place}"
    reason = next(
        (words for pattern, words in REASONS if re.search(pattern, said + message["error"])), ""
    )
    return InputError(
        path,
        f"damaged {place}" + (f": {reason}" if reason else ""),
        expected="a well-formed VCF or BCF",
        remedy=AGAIN
        if header.bcf or "compress" in reason
        else "mend the record or leave it out, or make the file again",
    )


# ---- in the child


def _read(plan: Plan, receive, send, errors: int) -> None:
    """Run as the reader: send blocks, then one message that says how it ended."""
    receive.close()
    faulthandler.disable()
    os.dup2(errors, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees to it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)
    last = {"contig": "", "position": 0, "records": 0}
    if plan.start is None:
        last["line"] = plan.header.lines + 1
    try:
        _limit_memory()
        _send_records(plan, send, last)
        message = {"kind": "end"}
    except InputError as error:
        message = {
            "kind": "refused",
            "found": error.found,
            "expected": error.expected,
            "remedy": error.remedy,
        }
    except MemoryError:
        message = {"kind": "failed", "error": "out of memory"}
    except BrokenPipeError:
        os._exit(0)
    except Exception as error:  # cyvcf2 raises bare Exceptions
        message = {"kind": "failed", "error": str(error)}
    with suppress(OSError):
        send.send_bytes(json.dumps({**message, "last": last}).encode())
    os._exit(0)


def _limit_memory() -> None:
    # no such file or limit on this system: it goes without
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/statm") as handle:
            used = int(handle.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = used + MEMORY
        resource.setrlimit(
            resource.RLIMIT_AS,
            (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard),
        )


class _Clock:
    """Each record has `SECONDS` of processor time from the last call on; then the system ends the
    process.
    """

    def __init__(self):
        _, self.hard = resource.getrlimit(resource.RLIMIT_CPU)
        self.wanted = 0

    def wind(self) -> None:
        wanted = int(time.process_time()) + SECONDS + 1
        if wanted == self.wanted:
            return
        self.wanted = wanted
        with suppress(OSError, ValueError):
            soft = wanted if self.hard == resource.RLIM_INFINITY else min(wanted, self.hard)
            resource.setrlimit(resource.RLIMIT_CPU, (soft, self.hard))


def _records(plan: Plan) -> Iterator[tuple[cyvcf2.Variant, np.ndarray | None]]:
    """Each record, with its alleles, int8 (n_individuals, 2), where they have been read already and
    are phased.
    """
    plan = yield from plain_records(plan)
    if plan is None:
        return
    descriptor, feeder = open_data(plan)
    try:
        for variant in cyvcf2.VCF(descriptor, gts012=False, lazy=True):
            yield variant, None
        failed = plan.start is None and feeder.failed(patience=None)
    except Exception:
        if not feeder.failed(patience=0.2):  # it knows better why the data ended
            raise
        failed = True
    finally:
        feeder.stop()
    if failed:
        raise InputError(
            plan.header.path,
            "is truncated or damaged: its compressed data end too early",
            remedy=AGAIN,
        )


def _send_records(plan: Plan, send, last: dict) -> None:
    clock = _Clock()
    clock.wind()
    waiting, sets = _Waiting(send, len(plan.header.samples), last), _PhaseSets(plan.header)
    everybody = np.ones(len(plan.header.samples), dtype=bool)
    low, high = plan.region or (-1, 1 << 62)
    contig, wanted = None, True
    line = plan.header.lines + 1
    for variant, alleles in _records(plan):
        clock.wind()
        line += 1
        last["line"] = line if plan.start is None else 0
        here, position = variant.CHROM, variant.POS
        if not here:
            # asking such a record for REF may end the process
            if position > 1 or _calls(variant) is not None:
                last["line"] = last["line"] and line - 1
                raise ValueError("no contig")
            continue  # an empty line
        if here != contig:
            contig, wanted = here, plan.contig in (None, here)
            sets.forget()
            if not plan.genotypes:
                waiting.add(contig, (position, "", "", [], []), None, None, 0)
        if not wanted or not low <= position <= high or not plan.genotypes:
            if plan.start is not None and (not wanted or position > high):
                break
            continue
        phased, other = everybody, 0
        if alleles is None and (calls := _calls(variant)) is not None:
            alleles = calls[:, :-1]
            phased, other = sets.trusted(variant, calls)
        text = (
            position,
            variant.ID or ".",
            variant.REF,
            variant.ALT,
            variant.FILTERS,
            _end(variant),
        )
        waiting.add(contig, text, alleles, phased, other)
    waiting.flush()


def _end(variant) -> int | None:
    """Last base of a symbolic allele, by INFO/END, else by INFO/SVLEN; None where there is none or
    it is not shown.
    """
    if not any(alt.startswith("<") for alt in variant.ALT):
        return None
    with suppress(TypeError, ValueError):  # absent, or no number
        return int(variant.INFO.get("END"))
    with suppress(TypeError, ValueError):
        lengths = variant.INFO.get("SVLEN")
        return variant.POS + max(
            abs(int(n))
            for n in (lengths if isinstance(lengths, tuple) else str(lengths).split(","))
        )
    return None


def _calls(variant) -> np.ndarray | None:
    """int16 (n_individuals, ploidy + 1), the last column being the phase; None without
    genotypes.
    """
    try:
        genotype = variant.genotype
        return None if genotype is None else genotype.array()
    except Exception:  # cyvcf2 raises bare Exceptions where there is no GT
        return None


class _PhaseSets:
    """Phase within phase sets: of each individual, the first set of the contig is trusted.

    VCF 4.3: https://samtools.github.io/hts-specs/VCFv4.3.pdf, section 1.6.2, PS; phased calls
    without PS are one set.
    """

    NONE, UNSET = -1, -2

    def __init__(self, header: Header):
        self.declared = re.search(rb"##FORMAT=<ID=PSL?,", header.raw) is not None
        self.n = len(header.samples)
        self.forget()

    def forget(self) -> None:
        self.first, self.numbers = None, {}

    def trusted(self, variant, calls: np.ndarray) -> tuple[np.ndarray, int]:
        """Whose phase holds, bool (n_individuals,), and how many heterozygous calls belong to other
        sets.
        """
        phased = calls[:, -1] == 1
        formats = variant.FORMAT
        name = "PS" if "PS" in formats else "PSL" if "PSL" in formats else None
        if not (name or self.declared) or calls.shape[1] != 3:
            return phased, 0
        a, b = calls[:, 0], calls[:, 1]
        heterozygous = phased & (a != b) & (a >= 0) & (b >= 0)
        if not heterozygous.any():
            return phased, 0
        if self.first is None:
            self.first = np.full(self.n, self.UNSET, dtype=np.int64)
        sets = self._sets(variant.format(name)) if name else np.full(self.n, self.NONE)
        new = heterozygous & (self.first == self.UNSET)
        self.first[new] = sets[new]
        other = heterozygous & (self.first != sets)
        return phased & ~other, int(other.sum())

    def _sets(self, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind == "i":
            values = values[:, 0].astype(np.int64)
            return np.where(values < 0, self.NONE, values)
        names = [str(value) for value in values.ravel()[:: max(1, values.size // self.n)]]
        return np.array(
            [
                self.NONE if v in (".", "") else self.numbers.setdefault(v, len(self.numbers))
                for v in names
            ]
        )


class _Waiting:
    """Records of the same contig and ploidy, sent together."""

    def __init__(self, send, n_individuals: int, last: dict):
        self.send, self.n_individuals, self.last = send, n_individuals, last
        self.most = max(1, min(BLOCK_RECORDS, BLOCK_ALLELES // (2 * max(1, n_individuals))))
        self.key = None
        self._clear()

    def _clear(self) -> None:
        self.text, self.alleles, self.phased, self.other = [], [], [], []

    def add(
        self,
        contig: str,
        text: tuple,
        alleles: np.ndarray | None,
        phased: np.ndarray | None,
        other: int,
    ) -> None:
        if alleles is None:
            alleles = np.empty((self.n_individuals, 0), dtype=np.int8)
            phased = np.zeros(self.n_individuals, dtype=bool)
        key = (contig, alleles.shape[1])
        if key != self.key or len(self.text) == self.most:
            self.flush()
            self.key = key
        self.text.append(text)
        self.alleles.append(alleles)
        self.phased.append(phased)
        self.other.append(other)
        self.last.update(contig=contig, position=text[0], records=self.last["records"] + 1)

    def flush(self) -> None:
        if not self.text:
            return
        alleles = np.stack(self.alleles)
        if alleles.dtype != np.int8:
            narrow = alleles.max(initial=0) < 128 and alleles.min(initial=0) >= -128
            wide, alleles = alleles, np.empty(alleles.shape, np.int8 if narrow else alleles.dtype)
            for haplotype in range(alleles.shape[2]):  # numpy is slow along a last axis of two
                alleles[:, :, haplotype] = wide[:, :, haplotype]
        message = {
            "kind": "block", "contig": self.key[0], "text": self.text, "shape": alleles.shape,
            "other_sets": self.other,
            "dtype": alleles.dtype.str, "records": self.last["records"],
        }  # fmt: skip
        self.send.send_bytes(json.dumps(message).encode())
        self.send.send_bytes(alleles.tobytes())
        self.send.send_bytes(np.packbits(np.stack(self.phased)).tobytes())
        self._clear()
