"""VCF records passed on as text, every column as it is, for stages that add to INFO.

Text needs no htslib, which ends the process where a record has a name that the header does not
declare. What is not declared is declared in the output. BCF is turned into text, and text into BCF,
by htslib in a process of its own.

    with open_vcf_text(path) as source, write_vcf_text(out, source, more, lengths) as (writer, _):
        for row in source.rows():
            writer.write(row)
"""

import logging
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

import pysam

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.bgzip import create_bgzip
from genoloom.formats.text import AGAIN, open_raw, text_lines, whole_number
from genoloom.formats.variant_header import COLUMNS, check_samples
from genoloom.formats.vcf_write import LAST_POSITION, TBI_END

log = logging.getLogger(__name__)

LONGEST_LINE = 1 << 29  # bytes; a record of a million individuals has a few million
# number and type of what VCF 4.2, section 1.4.1, reserves; anything else is declared as text
RESERVED = {("INFO", name): "1,Type=Integer" for name in ("AN", "DP", "END", "NS")} | {
    ("INFO", "AA"): "1,Type=String",
    ("INFO", "AC"): "A,Type=Integer",
    ("INFO", "AF"): "A,Type=Float",
    ("FORMAT", "GT"): "1,Type=String",
    ("FORMAT", "DP"): "1,Type=Integer",
    ("FORMAT", "GQ"): "1,Type=Integer",
}
_CONVERT = "import sys, pysam.bcftools as b; b.view(*sys.argv[1:], catch_stdout=False)"


class Row:
    """One record: `cells` has the eight fixed columns, FORMAT, and the samples in one piece."""

    __slots__ = ("cells", "position")

    def __init__(self, cells: list[str], position: int):
        self.cells, self.position = cells, position

    @property
    def place(self) -> str:
        return f"{self.cells[0]}:{self.position}"

    @property
    def alleles(self) -> list[str]:
        """REF and the alternates; REF alone where there are none."""
        return [self.cells[3], *([] if self.cells[4] == "." else self.cells[4].split(","))]

    @property
    def info(self) -> dict[str, str]:
        """The fields of INFO; a flag has an empty value."""
        fields = [] if self.cells[7] == "." else self.cells[7].split(";")
        return dict(field.partition("=")[::2] for field in fields)

    def set_info(self, key: str, value: str | None) -> None:
        """Set one field of INFO, as the last; None takes it away."""
        fields = self.cells[7].split(";")
        kept = [f for f in fields if f not in (".", "") and f.partition("=")[0] != key]
        self.cells[7] = ";".join(kept + ([f"{key}={value}"] if value is not None else [])) or "."

    def genotypes(self) -> list[int]:
        """The alleles that are called in all samples together."""
        keys = self.cells[8].split(":") if len(self.cells) > 9 else []
        if "GT" not in keys:
            return []
        at = keys.index("GT")
        calls = (cell.split(":")[at : at + 1] for cell in self.cells[9].split("\t"))
        return [int(a) for call in calls for text in call for a in re.findall(r"[0-9]+", text)]


class VcfText:
    """Header and records of a VCF in text. Use `open_vcf_text`."""

    def __init__(self, path: Path, text: Path):
        self.path, self._lines = path, text_lines(text, LONGEST_LINE)
        self.header: list[str] = []
        for number, line in self._lines:
            if number == 1 and not line.startswith("##fileformat=VCF"):
                found = "is no VCF: its first line is not ##fileformat=VCF..."
                raise InputError(path, found, expected="VCF or BCF")
            if not line.startswith("#"):
                found = f"line {number}: a record before the line #CHROM"
                raise InputError(path, found, expected="a VCF header")
            self.header.append(line)
            if line.startswith("#CHROM"):
                break
        columns = self.header[-1].split("\t") if self.header else []
        if columns[:8] != COLUMNS:
            found = "its header does not end with the line #CHROM of VCF"
            raise InputError(path, found, expected="\t".join(COLUMNS))
        self.n_samples = max(0, len(columns) - 9)
        if self.n_samples:
            check_samples(path, columns[9:])

    def rows(self) -> Iterator[Row]:
        """The records in the order of the file.

        Raises
        ------
        InputError
            A line with too few or too many columns, or without a position.
        """
        for number, line in self._lines:
            if not line:
                continue
            cells = line.split("\t", 9)
            n = cells[9].count("\t") + 1 if len(cells) > 9 else 0
            if len(cells) < 8 or n != self.n_samples:
                found = f"line {number}: {len(cells[:9]) + n} columns"
                wanted = 9 + self.n_samples if self.n_samples else "8 or 9"
                expected = f"{wanted}, as in the line #CHROM"
                raise InputError(self.path, found, expected=expected)
            try:
                position = whole_number(cells[1], 1, LAST_POSITION)
            except ValueError as error:
                found = f"line {number}: POS {error}"
                raise InputError(self.path, found, expected="a position from 1 on") from None
            yield Row(cells, position)


@contextmanager
def open_vcf_text(path: Path) -> Iterator[VcfText]:
    """A VCF of any packing, or a BCF, as text.

    Raises
    ------
    InputError
        The file is missing, no VCF or BCF, or damaged.
    """
    with ExitStack() as stack:
        text = path
        if _is_bcf(path):
            text = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "text.vcf"
            if not _converted("-Ov", "-o", text, path):
                found = "is a damaged BCF: htslib cannot read it"
                raise InputError(path, found, remedy=AGAIN)
        yield VcfText(path, text)


def _is_bcf(path: Path) -> bool:
    if path.exists() and not path.is_file():
        return False  # a pipe can be read once only, and is read as text
    with open_raw(path) as handle:
        head = handle.peek(1 << 16)
    try:
        if head[:2] == b"\x1f\x8b":
            head = zlib.decompressobj(31).decompress(head, 4)
        return head[:4] == b"BCF\x02"
    except zlib.error:
        return False


def _converted(*arguments: object) -> bool:
    """Whether `bcftools view` of these arguments succeeds; what it says might name individuals."""
    command = [sys.executable, "-c", _CONVERT, "--no-version", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def write_vcf_text(
    out: Path,
    source: VcfText,
    more: list[str],
    lengths: dict[str, int],
    more_files: Sequence[Path] = (),
) -> Iterator[tuple["VcfTextWriter", list[Path]]]:
    """Write rows to .vcf, .vcf.gz (bgzip, with an index) or .bcf, by the name of the output.

    The output appears when the block ends well.

    Parameters
    ----------
    out : Path
    source : VcfText
        Where the rows come from; the header is its own.
    more : list of str
        Lines to add to the header, such as ##INFO=<ID=...; they replace lines of the same kind and
        ID.
    lengths : dict of str to int
        Lengths of contigs, for those that the header does not declare.
    more_files : list of Path
        Files of other content that shall appear together with the output; where to write them is
        yielded with the writer.
    """
    csi = max(lengths.values(), default=0) > TBI_END
    index = [Path(f"{out}{'.csi' if csi else '.tbi'}")] if out.suffix == ".gz" else []
    with ExitStack() as stack:
        part, *others = stack.enter_context(write_beside(out, *index, *more_files))
        kept = tempfile.TemporaryFile("w+", dir=out.parent, encoding="utf-8", newline="\n")
        body = stack.enter_context(kept)
        writer = VcfTextWriter(source, more, lengths, body, bool(index))
        yield writer, others[len(index) :]
        writer.finish(part, others[: len(index)], binary=out.suffix == ".bcf")
    if index:
        for other in {Path(f"{out}.tbi"), Path(f"{out}.csi")} - set(index):
            other.unlink(missing_ok=True)  # of a former run


class VcfTextWriter:
    """Keeps rows until it is known what the header must declare; see `write_vcf_text`."""

    def __init__(
        self,
        source: VcfText,
        more: list[str],
        lengths: dict[str, int],
        body: TextIO,
        in_order: bool,
    ):
        self.source, self.lengths, self.in_order, self._body = source, lengths, in_order, body
        own = {_kind_and_id(line) for line in more}
        self.header = [line for line in source.header[:-1] if _kind_and_id(line) not in own] + more
        self.declared = {_kind_and_id(line) for line in self.header} | {("FILTER", "PASS")}
        self.undeclared: dict[tuple[str, str], bool] = {}  # kind and name: whether it has values
        self._seen: set[tuple[str, str]] = set()  # texts of columns that hold nothing new
        self._contigs: dict[str, int] = {}  # last positions

    def write(self, row: Row) -> None:
        """Raises an InputError where the output has an index and the records are not sorted."""
        contig = row.cells[0]
        last = next(reversed(self._contigs), contig)
        again = contig != last and contig in self._contigs
        if self.in_order and (again or row.position < self._contigs.get(contig, 0)):
            raise InputError(
                self.source.path,
                f"{row.place}: the records are not sorted",
                expected="sorted records, for the index of a .vcf.gz",
                remedy=f"bcftools sort -Oz -o sorted.vcf.gz {self.source.path}; or write .vcf or "
                ".bcf",
            )
        self._contigs[contig] = row.position
        self._look("contig", [contig], contig)
        self._look("FILTER", row.cells[6].split(";"), row.cells[6])
        self._look("INFO", row.cells[7].split(";"), row.cells[7])
        if len(row.cells) > 8:
            self._look("FORMAT", row.cells[8].split(":"), row.cells[8])
        self._body.write("\t".join(row.cells) + "\n")

    def _look(self, kind: str, fields: list[str], text: str) -> None:
        if (kind, text) in self._seen:
            return
        if kind != "INFO":
            self._seen.add((kind, text))
        for field in fields:
            name, has_value, _ = field.partition("=") if kind == "INFO" else (field, "", "")
            if (kind, name) not in self.declared and name not in (".", ""):
                before = self.undeclared.get((kind, name), False)
                self.undeclared[kind, name] = before or bool(has_value)

    def _declaration(self, kind: str, name: str, has_value: bool) -> str:
        if kind == "contig":
            length = self.lengths.get(name)
            return f"##contig=<ID={name}" + (f",length={length}>" if length else ">")
        said = 'Description="Not declared in the input"'
        if kind == "FILTER":
            return f"##FILTER=<ID={name},{said}>"
        plain = ".,Type=String" if has_value or kind == "FORMAT" else "0,Type=Flag"
        number = RESERVED.get((kind, name), plain)
        return f"##{kind}=<ID={name},Number={number},{said}>"

    def finish(self, part: Path, index: Sequence[Path], binary: bool) -> None:
        """Write header and rows to `part`; an index makes it bgzip."""
        if self.undeclared:
            log.warning(
                "%s: names that its header does not declare: %d; the output does",
                self.source.path.name,
                len(self.undeclared),
            )
        lines = [
            *self.header,
            *(self._declaration(*key, value) for key, value in self.undeclared.items()),
            self.source.header[-1],
        ]
        text = part.with_name(f"{part.name}.vcf") if binary else part
        try:
            self._body.seek(0)
            with create_bgzip(text) if index else open(text, "wb") as handle:
                handle.write(("\n".join(lines) + "\n").encode())
                while piece := self._body.read(1 << 20):
                    handle.write(piece.encode())
            if binary and not _converted("-Ob", "-o", part, text):
                raise InputError(
                    self.source.path,
                    "a record does not agree with the header: htslib cannot write it as BCF",
                    expected="values as the header declares them", remedy="write a .vcf.gz",
                )  # fmt: skip
        finally:
            if binary:
                text.unlink(missing_ok=True)
        for path in index:
            pysam.tabix_index(
                str(part), preset="vcf", force=True, index=str(path), csi=path.suffix == ".csi"
            )


def _kind_and_id(line: str) -> tuple[str, str]:
    """Such as ("INFO", "AF"); ("", line) for lines without an ID."""
    found = re.match(r"##(\w+)=<(?:.*?,)?ID=([^,>]+)", line)
    return (found[1], found[2]) if found else ("", line)
