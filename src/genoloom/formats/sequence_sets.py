"""Sequences in and out: FASTA, tables, plain text, BED intervals, and the sets that GenoLoom itself
writes.

Kept in a FASTA header, after the name, as `key=value` words: `label`, and in sets of our own
`cluster` and `stranded`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.bgzip import create_bgzip
from genoloom.formats.names import other_contig_name
from genoloom.formats.text import (
    MAX_SEQUENCE,
    as_text,
    byte_lines,
    split_rows,
    text_lines,
    whole_number,
    wrong_cells,
)
from genoloom.sequences import LABEL_JOIN, SequenceSet, decode, encode, pad

LINE_BASES = 80
MAX_POSITION = 1 << 40
MOST_BASES = 1 << 35  # of a set, as a matrix
EXPECTED = "A, C, G, T, U, N and IUPAC codes only, in either case"
DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


@dataclass(frozen=True)
class Record:
    """One sequence of a file: `bases` uint8 in 0..4 (see `genoloom.sequences`), `tags` from its
    header or row.
    """

    name: str
    bases: np.ndarray
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Interval:
    """An interval of a BED file, 0-based half-open; `strand` is "+" or "-", `label` "" where there
    is none.
    """

    contig: str
    start: int
    stop: int
    label: str
    strand: str


def read_records(path: str | Path, label_column: str = "label") -> Iterator[Record]:
    """Sequences of a file, one at a time, in its order.

    A file that begins with `>` is FASTA. One named .csv, .tsv or .tab (or the same with .gz) is a
    table with a column `seq` and optional columns `label` and `name`; other columns are left alone.
    `label_column` names another column than `label`, or several with commas between them, whose
    cells are joined by "+". Anything else is text, one sequence per line; there blank lines and
    lines that begin with `#` are no sequences.

    Raises
    ------
    InputError
        A character that is no IUPAC letter (white space inside a sequence is one), with its line; a
        name that is listed twice; a table without `seq`; a damaged file; no sequence at all.
    """
    fasta, lines = _begun(path)
    if fasta:
        records = _read_fasta(path, lines)
    elif delimiter := table_delimiter(path):
        records = _read_table(path, _texts(path, lines), delimiter, label_column)
    else:
        records = _read_lines(path, _texts(path, lines))
    names: dict[str, int] = {}
    for number, record in enumerate(records, 1):
        if (first := names.setdefault(record.name, number)) != number:
            # of an individual, perhaps
            name = (
                f"the name '{record.name}'" if re.fullmatch("[a-z]{1,8}", record.name) else "a name"
            )
            found = f"{name} is listed twice: of sequences {first} and {number}"
            raise InputError(path, found, expected="one sequence per name")
        yield record
    if not names:
        raise InputError(path, "holds no sequence")


def _begun(path: str | Path) -> tuple[bool, Iterator[tuple[int, bytes]]]:
    """Whether a file is FASTA, that is whether its first line that is not blank begins with `>`;
    and its lines.
    """
    lines = byte_lines(path, MAX_SEQUENCE)
    first = next((line for line in lines if line[1].strip()), None)
    return first is not None and first[1].startswith(b">"), chain([first] if first else [], lines)


def _texts(path: str | Path, lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    return ((number, as_text(path, number, line)) for number, line in lines)


def is_fasta(path: str | Path) -> bool:
    """Whether a file begins with `>`, blank lines aside."""
    return _begun(path)[0]


def table_delimiter(path: str | Path) -> str | None:
    """The delimiter of a table, by its file name; None for FASTA and text."""
    name = re.sub(r"\.(gz|bgz|zst)$", "", str(path).lower())
    return DELIMITERS.get(Path(name).suffix)


def _read_fasta(path: str | Path, numbered: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
    header, lines, first = b"", [], 0
    for number, line in numbered:
        if not line.startswith(b">"):
            lines.append(line)
            continue
        if first:
            yield _fasta_record(path, header, lines, first)
        header, lines, first = line, [], number
    yield _fasta_record(path, header, lines, first)


def _fasta_record(path: str | Path, header: bytes, lines: list[bytes], line: int) -> Record:
    # many descriptions are Latin-1, and of no matter
    words = header[1:].decode("utf-8", "replace").split()
    if not words or header[1:2].isspace():
        raise InputError(
            path, f"line {line}: a header without a name", expected=">name [label=...]"
        )
    tags = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    if "\ufffd" in words[0] + tags.get("label", ""):
        as_text(path, line, header)
    bases = encode(b"".join(lines))
    if (bases == 255).any():
        offset = next(i for i, text in enumerate(lines, 1) if (encode(text) == 255).any())
        _refuse_letter(path, line + offset, lines[offset - 1])
    return Record(words[0], bases, tags)


def _refuse_letter(path: str | Path, line: int, text: bytes) -> None:
    bad = chr(text[int(np.argmax(encode(text) == 255))])
    raise InputError(
        path,
        f"line {line}: the character {bad!r} in a sequence",
        expected=EXPECTED,
        remedy="remove it; spaces: sed '/^>/!s/[[:space:]]//g'; gaps: write the sequences without "
        "alignment",
    )


def _checked(path: str | Path, line: int, text: str) -> np.ndarray:
    letters = text.encode("ascii", "replace")
    bases = encode(letters)
    if (bases == 255).any():
        _refuse_letter(path, line, letters)
    return bases


def _read_table(
    path: str | Path, lines: Iterable[tuple[int, str]], delimiter: str, label_column: str
) -> Iterator[Record]:
    rows = split_rows(path, lines, delimiter)
    columns = [name.strip() for name in next(rows, (0, []))[1]]
    if "seq" not in columns:
        raise InputError(
            path, f"has no column 'seq' among the {len(columns)} of its header",
            expected="seq[, label][, name]",
            remedy=f"name the column of sequences 'seq'; columns are divided by {delimiter!r} here",
        )  # fmt: skip
    if len(set(columns)) < len(columns):
        raise InputError(path, "two columns have the same name")
    wanted = label_column.split(",")
    for name in wanted if wanted != ["label"] else ():
        if name not in columns:
            raise InputError(
                path, f"has no column '{name}'", expected=f"one of {', '.join(columns)}"
            )
    for n, (line, cells) in enumerate(rows, 1):
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise wrong_cells(path, line, cells, columns)
        row = dict(zip(columns, cells, strict=False))
        if "seq" not in row:
            raise InputError(path, f"line {line}: no cell in the column 'seq'")
        labels = [_one_word(row.get(name, "")) for name in wanted]
        if len(labels) > 1:
            labels = [cell.replace(LABEL_JOIN, "_") for cell in labels]
        tags = {"label": LABEL_JOIN.join(labels)} if any(labels) else {}
        yield Record(
            _one_word(row.get("name", "") or f"row{n}"),
            _checked(path, line, row["seq"].strip()),
            tags,
        )


def _one_word(text: str) -> str:
    """Labels and names are in FASTA headers, where white space would end them."""
    return "_".join(text.split())


def _read_lines(path: str | Path, lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    for number, line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            yield Record(f"line{number}", _checked(path, number, text))


def read_intervals(path: str | Path) -> list[Interval]:
    """Intervals of a BED file: contig, start, stop (0-based half-open), and optionally name (the
    label), score, strand.

    Raises
    ------
    InputError
        Fewer than three columns, positions that are no interval, or a strand other than +, - and
        '.'; with the line.
    """
    intervals = []
    for number, line in text_lines(path):
        if line.strip() and not line.startswith(("#", "track", "browser")):
            intervals.append(_interval(path, number, line.split("\t")))
    if not intervals:
        raise InputError(
            path,
            "holds no interval",
            expected="BED: contig, start, stop[, name[, score[, strand]]]",
        )
    return intervals


def _interval(path: str | Path, number: int, cells: list[str]) -> Interval:
    if len(cells) < 3:
        raise InputError(
            path,
            f"line {number}: {len(cells)} columns",
            expected="at least three, separated by tabs",
        )
    try:
        start, stop = (whole_number(cell, -MAX_SEQUENCE, MAX_POSITION) for cell in cells[1:3])
    except ValueError as error:
        raise InputError(
            path, f"line {number}: columns 2 and 3 are no positions ({error})"
        ) from None
    if not 0 <= start < stop:
        raise InputError(
            path,
            f"line {number}: {start} to {stop}",
            expected="0 <= start < stop, 0-based half-open",
        )
    strand = cells[5] if len(cells) > 5 else "."
    if strand not in ("+", "-", "."):
        raise InputError(path, f"line {number}: the strand is none", expected="+, - or .")
    label = _one_word(cells[3]) if len(cells) > 3 and cells[3] != "." else ""
    return Interval(cells[0], start, stop, label, "-" if strand == "-" else "+")


def check_lengths(path: str | Path, lengths: list[int]) -> None:
    """Raise an InputError where sequences as rows of a matrix, as long as the longest, would fill
    the memory.
    """
    if (cells := len(lengths) * max(lengths, default=0)) > MOST_BASES:
        raise InputError(
            path,
            f"{len(lengths)} sequences of up to {max(lengths)} bases take {cells / 1e9:.0f} GB as "
            "a matrix",
            expected=f"at most {MOST_BASES / 1e9:.0f}",
            remedy="cut them: genoloom sequences prepare --window",
        )


def read_pieces(
    source: Path, regions: Path | None, label_column: str
) -> Iterator[tuple[Record, list[Interval]]]:
    """Each sequence of a source with its intervals; without regions, it is one.

    Raises
    ------
    InputError
        As `read_records` and `read_intervals`; or regions of a source that is no FASTA, of another
        contig or after its end.
    """
    if regions is not None and not is_fasta(source):
        raise InputError(
            regions, f"intervals need a FASTA, and {source} is none", remedy="leave --regions out"
        )
    by_contig: dict[str, list[Interval]] = {}
    for interval in read_intervals(regions) if regions is not None else []:
        by_contig.setdefault(interval.contig, []).append(interval)
    names = []
    for record in read_records(source, label_column):
        names.append(record.name)
        if regions is None:
            yield (
                record,
                [Interval(record.name, 0, len(record.bases), record.tags.get("label", ""), "+")],
            )
            continue
        intervals = by_contig.pop(record.name, [])
        for interval in intervals:
            _check_end(regions, interval, record)
        yield record, intervals
    if by_contig:
        _refuse_contig(regions, next(iter(by_contig)), source, names)


def _check_end(regions: Path, interval: Interval, record: Record) -> None:
    if interval.stop > len(record.bases):
        found = f"{interval.contig}:{interval.start + 1}-{interval.stop} ends after its contig"
        raise InputError(regions, found, expected=f"at most {len(record.bases)}")


def _refuse_contig(regions: Path, contig: str, source: Path, names: list[str]) -> None:
    other = other_contig_name(contig)
    remedy = (
        f"rename one side: it is called '{other}' there"
        if other in names
        else f"found {', '.join(names[:5])}"
    )
    raise InputError(
        regions,
        f"contig '{contig}' is not in {source}",
        expected="the same names on both sides",
        remedy=remedy,
    )


def write_fasta(path: str | Path, records: Iterable[tuple[str, str]]) -> None:
    """Write (header without '>', letters) records; bgzip where the name ends in .gz. Nothing
    partial is left.
    """
    packed = str(path).endswith(".gz")
    with write_beside(path) as [part], create_bgzip(part) if packed else open(part, "wb") as handle:
        for header, letters in records:
            lines = (letters[i : i + LINE_BASES] for i in range(0, len(letters), LINE_BASES))
            handle.write("\n".join([f">{header}", *lines, ""]).encode())


def write_set(path: str | Path, sequences: SequenceSet) -> None:
    """A sequence set as FASTA; label, cluster and stranded are in the headers, so the file is all
    that training needs.
    """
    write_fasta(path, _set_records(sequences))


def _set_records(sequences: SequenceSet) -> Iterator[tuple[str, str]]:
    stranded = str(sequences.stranded).lower()
    for i, name in enumerate(sequences.name):
        label = f" label={sequences.label[i]}" if sequences.label[i] else ""
        header = f"{name}{label} cluster={sequences.cluster[i]} stranded={stranded}"
        yield header, decode(sequences.bases[i, : sequences.length[i]])


def read_set(path: str | Path, stranded: bool | None = None) -> SequenceSet:
    """A sequence set from `write_set`, or any file of sequences.

    Without `cluster` in the headers each sequence is its own cluster; without `stranded` both
    strands count. What is given as `stranded` comes before the headers.

    Raises
    ------
    InputError
        As `read_records`; or an empty sequence, a cluster that is no number, a mix of `stranded`.
    """
    records = list(read_records(path))
    empty = next((number for number, r in enumerate(records, 1) if len(r.bases) == 0), None)
    if empty is not None:
        raise InputError(path, f"sequence {empty} is empty")
    if any("strands" in r.tags for r in records):
        raise InputError(
            path,
            "headers have strands=, as an earlier version wrote it",
            expected="stranded=true or stranded=false",
            remedy="prepare the set again with `genoloom sequences prepare`",
        )
    said = {r.tags.get("stranded", "false") for r in records}
    if said not in ({"true"}, {"false"}):
        raise InputError(
            path,
            "headers differ in stranded=, or have another word there",
            expected="stranded=true or stranded=false in all headers",
        )
    check_lengths(path, [len(r.bases) for r in records])
    bases, length = pad([r.bases for r in records])
    try:
        clusters = [
            whole_number(str(r.tags.get("cluster", i)), 0, 2**62) for i, r in enumerate(records)
        ]
    except ValueError as error:
        raise InputError(path, f"a cluster {error}") from None
    cluster = np.array(clusters, dtype=np.int64)
    labels = [r.tags.get("label", "") for r in records]
    if stranded is None:
        stranded = said == {"true"}
    return SequenceSet([r.name for r in records], bases, length, labels, cluster, stranded)
