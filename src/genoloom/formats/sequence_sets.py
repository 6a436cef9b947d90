"""Sequences in and out: FASTA, tables, plain text, BED intervals, and the sets that GenoLoom itself writes.

Kept in a FASTA header, after the name, as `key=value` words: `label`, and in sets of our own `cluster` and `strands`.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pysam

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.sequences import LABEL_JOIN, SequenceSet, decode, encode, pad

LINE_BASES = 80
EXPECTED = "A, C, G, T, U, N and IUPAC codes only, in either case"
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


@dataclass(frozen=True)
class Record:
    """One sequence of a file: `bases` uint8 in 0..4 (see `genoloom.sequences`), `tags` from its header or row."""

    name: str
    bases: np.ndarray
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Interval:
    """An interval of a BED file, 0-based half-open; `strand` is "+" or "-", `label` "" where there is none."""

    contig: str
    start: int
    stop: int
    label: str
    strand: str


@contextmanager
def _open_text(path: str | Path) -> Iterator[io.BufferedReader]:
    """The bytes of a plain, gzip or bgzip file."""
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else open(path, "rb") as handle:
            yield handle
    except FileNotFoundError:
        raise InputError(path, "not found", remedy="check the path; it is relative to where the command runs") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(path, f"is damaged or cut off ({error})", remedy="copy or download it again") from None


def read_records(path: str | Path, label_column: str = "label") -> Iterator[Record]:
    """Sequences of a file, one at a time, in its order.

    A file that begins with `>` is FASTA. One named .csv, .tsv or .tab (or the same with .gz) is a table with a column
    `seq` and optional columns `label` and `name`; other columns are left alone. `label_column` names another column than
    `label`, or several with commas between them, whose cells are joined by "+". Anything else is text, one
    sequence a line; there blank lines and lines that begin with `#` are no sequences.

    Raises
    ------
    InputError
        A character that is no IUPAC letter (white space inside a sequence is one), with its line; a name that
        stands twice; a table without `seq`; a damaged file; no sequence at all.
    """
    with _open_text(path) as handle:
        if handle.peek(1)[:1] == b">":
            records = _read_fasta(path, handle)
        elif delimiter := table_delimiter(path):
            records = _read_table(path, handle, delimiter, label_column)
        else:
            records = _read_lines(path, handle)
        names = set()
        for record in records:
            if record.name in names:
                raise InputError(path, f"the name '{record.name}' stands twice", expected="one sequence a name")
            names.add(record.name)
            yield record
    if not names:
        raise InputError(path, "holds no sequence")


def is_fasta(path: str | Path) -> bool:
    """Whether a file begins with `>`."""
    with _open_text(path) as handle:
        return handle.peek(1)[:1] == b">"


def table_delimiter(path: str | Path) -> str | None:
    """The delimiter of a table, by its file name; None for FASTA and text."""
    return DELIMITERS.get(Path(str(path).lower().removesuffix(".gz")).suffix)


def _read_fasta(path: str | Path, handle: io.BufferedReader) -> Iterator[Record]:
    header, lines, first = b"", [], 1
    for number, line in enumerate(handle, 1):
        line = line.rstrip(b"\r\n")
        if not line.startswith(b">"):
            lines.append(line)
            continue
        if number > 1:
            yield _fasta_record(path, header, lines, first)
        header, lines, first = line, [], number
    yield _fasta_record(path, header, lines, first)


def _fasta_record(path: str | Path, header: bytes, lines: list[bytes], line: int) -> Record:
    words = header[1:].decode("utf-8", "replace").split()
    if not words or header[1:2].isspace():
        raise InputError(path, f"line {line}: a header without a name", expected=">name [label=...]")
    bases = encode(b"".join(lines))
    if (bases == 255).any():
        offset = next(i for i, text in enumerate(lines, 1) if (encode(text) == 255).any())
        _refuse_letter(path, line + offset, lines[offset - 1])
    tags = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    return Record(words[0], bases, tags)


def _refuse_letter(path: str | Path, line: int, text: bytes) -> None:
    bad = chr(text[int(np.argmax(encode(text) == 255))])
    raise InputError(
        path,
        f"line {line}: the character {bad!r} in a sequence",
        expected=EXPECTED,
        remedy="remove it; spaces: sed '/^>/!s/[[:space:]]//g'; gaps: write the sequences without alignment",
    )


def _checked(path: str | Path, line: int, text: str) -> np.ndarray:
    letters = text.encode("ascii", "replace")
    bases = encode(letters)
    if (bases == 255).any():
        _refuse_letter(path, line, letters)
    return bases


def _decoded(path: str | Path, handle: io.BufferedReader) -> io.TextIOWrapper:
    return io.TextIOWrapper(handle, encoding="utf-8-sig", errors="replace", newline="")


def _read_table(path: str | Path, handle: io.BufferedReader, delimiter: str, label_column: str) -> Iterator[Record]:
    reader = csv.DictReader(_decoded(path, handle), delimiter=delimiter)
    columns = reader.fieldnames or []
    if "seq" not in columns:
        raise InputError(path, "has no column 'seq'", expected="seq[, label][, name]", remedy=f"found {', '.join(columns)}")
    wanted = label_column.split(",")
    for name in wanted if wanted != ["label"] else ():
        if name not in columns:
            raise InputError(path, f"has no column '{name}'", expected=f"one of {', '.join(columns)}")
    for n, row in enumerate(reader, 1):
        if row["seq"] is None:
            raise InputError(path, f"line {reader.line_num}: no cell in the column 'seq'")
        cells = [_one_word(row.get(name) or "") for name in wanted]
        if len(cells) > 1:
            cells = [cell.replace(LABEL_JOIN, "_") for cell in cells]
        tags = {"label": LABEL_JOIN.join(cells)} if any(cells) else {}
        yield Record(_one_word(row.get("name") or f"row{n}"), _checked(path, reader.line_num, row["seq"].strip()), tags)


def _one_word(text: str) -> str:
    """Labels and names stand in FASTA headers, where white space would end them."""
    return "_".join(text.split())


def _read_lines(path: str | Path, handle: io.BufferedReader) -> Iterator[Record]:
    for number, line in enumerate(_decoded(path, handle), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield Record(f"line{number}", _checked(path, number, text))


def read_intervals(path: str | Path) -> list[Interval]:
    """Intervals of a BED file: contig, start, stop (0-based half-open), and optionally name (the label), score, strand.

    Raises
    ------
    InputError
        Fewer than three columns, positions that are no interval, or a strand other than +, - and '.'; with the line.
    """
    intervals = []
    with _open_text(path) as handle:
        for number, line in enumerate(_decoded(path, handle), 1):
            if not line.strip() or line.startswith(("#", "track", "browser")):
                continue
            intervals.append(_interval(path, number, line.rstrip("\r\n").split("\t")))
    if not intervals:
        raise InputError(path, "holds no interval", expected="BED: contig, start, stop[, name[, score[, strand]]]")
    return intervals


def _interval(path: str | Path, number: int, cells: list[str]) -> Interval:
    if len(cells) < 3:
        raise InputError(path, f"line {number}: {len(cells)} columns", expected="at least three, separated by tabs")
    try:
        start, stop = int(cells[1]), int(cells[2])
    except ValueError:
        raise InputError(path, f"line {number}: '{cells[1]}' and '{cells[2]}' are no positions") from None
    if not 0 <= start < stop:
        raise InputError(path, f"line {number}: {start} to {stop}", expected="0 <= start < stop, 0-based half-open")
    strand = cells[5] if len(cells) > 5 else "."
    if strand not in ("+", "-", "."):
        raise InputError(path, f"line {number}: strand '{strand}'", expected="+, - or .")
    label = _one_word(cells[3]) if len(cells) > 3 and cells[3] != "." else ""
    return Interval(cells[0], start, stop, label, "-" if strand == "-" else "+")


def write_fasta(path: str | Path, records: Iterable[tuple[str, str]]) -> None:
    """Write (header without '>', letters) records; bgzip where the name ends in .gz. Nothing partial is left."""
    opened = pysam.BGZFile if str(path).endswith(".gz") else open
    with write_beside(path) as [part], opened(str(part), "wb") as handle:
        for header, letters in records:
            lines = (letters[i : i + LINE_BASES] for i in range(0, len(letters), LINE_BASES))
            handle.write("\n".join([f">{header}", *lines, ""]).encode())


def write_set(path: str | Path, sequences: SequenceSet) -> None:
    """A sequence set as FASTA; label, cluster and strands stand in the headers, so the file is all that training needs."""
    write_fasta(path, _set_records(sequences))


def _set_records(sequences: SequenceSet) -> Iterator[tuple[str, str]]:
    strands = "both" if sequences.both_strands else "one"
    for i, name in enumerate(sequences.name):
        label = f" label={sequences.label[i]}" if sequences.label[i] else ""
        header = f"{name}{label} cluster={sequences.cluster[i]} strands={strands}"
        yield header, decode(sequences.bases[i, : sequences.length[i]])


def read_set(path: str | Path) -> SequenceSet:
    """A sequence set from `write_set`, or any file of sequences.

    Without `cluster` in the headers each sequence is its own cluster; without `strands` both strands count.

    Raises
    ------
    InputError
        As `read_records`; or an empty sequence, a cluster that is no number, or a mix of strands.
    """
    records = list(read_records(path))
    empty = next((r.name for r in records if len(r.bases) == 0), None)
    if empty is not None:
        raise InputError(path, f"the sequence '{empty}' is empty")
    strands = {r.tags.get("strands", "both") for r in records}
    if strands not in ({"both"}, {"one"}):
        raise InputError(path, f"strands={', '.join(sorted(strands))}", expected="strands=both or strands=one in all headers")
    bases, length = pad([r.bases for r in records])
    try:
        cluster = np.array([int(r.tags.get("cluster", i)) for i, r in enumerate(records)], dtype=np.int64)
    except ValueError as error:
        raise InputError(path, f"a cluster is no number ({error})") from None
    labels = [r.tags.get("label", "") for r in records]
    return SequenceSet([r.name for r in records], bases, length, labels, cluster, strands == {"both"})
