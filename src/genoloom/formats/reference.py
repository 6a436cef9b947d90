"""The reference FASTA: contigs, bases, and the checks of variants against them."""

import tempfile
from pathlib import Path

import pysam

from genoloom.errors import InputError
from genoloom.formats.fasta_index import find_index
from genoloom.formats.names import other_contig_name
from genoloom.formats.text import AGAIN, MAX_SEQUENCE, byte_lines

HEAD_BYTES = 1 << 22
IUPAC = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


def check_fasta_text(path: str | Path) -> None:
    """Refuse a FASTA whose sequence lines hold white space or foreign characters, within its first
    `HEAD_BYTES`.

    htslib counts such characters as bases, so that every later coordinate would be wrong.

    Raises
    ------
    InputError
        Names the line.
    """
    size = 0
    for number, line in byte_lines(path, MAX_SEQUENCE):
        size += len(line) + 1
        if size > HEAD_BYTES:
            return
        if not line or line.startswith(b">") or line.isalpha():
            continue
        bad = next(chr(c) for c in line if not chr(c).isascii() or not chr(c).isalpha())
        raise InputError(
            path,
            f"line {number}: the character {bad!r} in a sequence line",
            expected="FASTA, with letters only (A, C, G, T, N and IUPAC codes) in sequences",
            remedy="remove it, for example: sed '/^>/!s/[[:space:]]//g'",
        )
    if not size:
        raise InputError(path, "is empty", expected="FASTA")


class Reference:
    """A FASTA with its index.

    The index is made next to the file when it is missing; one that is older than the file, damaged
    or of another file is not used, which is said.

    Parameters
    ----------
    path : Path
        FASTA, plain or bgzip.

    Raises
    ------
    InputError
        Not FASTA, gzip instead of bgzip, or of a form that cannot be indexed, with the line and a
        command that mends it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        check_fasta_text(self.path)
        with tempfile.TemporaryDirectory() as scratch:  # pysam reads the index when it opens
            fai, gzi = find_index(self.path, Path(scratch))
            try:
                self._fasta = pysam.FastaFile(str(self.path), str(fai), gzi and str(gzi))
            except (OSError, ValueError) as error:
                raise InputError(
                    self.path, f"cannot be opened ({error})", expected="FASTA, plain or bgzip"
                ) from None
        self.lengths: dict[str, int] = dict(
            zip(self._fasta.references, self._fasta.lengths, strict=True)
        )

    def check_contig(self, contig: str, source: str | Path) -> None:
        """Raise an InputError, with the remedy, unless `contig` (of `source`) is in the FASTA."""
        if contig in self.lengths:
            return
        other = other_contig_name(contig)
        if other in self.lengths:
            raise InputError(
                source,
                f"contig '{contig}' is called '{other}' in {self.path}",
                expected="the same names on both sides",
                remedy="rename one side: bcftools annotate --rename-chrs names.txt, where "
                f"names.txt holds '{contig} {other}'",
            )
        shown = ", ".join(list(self.lengths)[:5])
        raise InputError(
            source, f"contig '{contig}' is not in {self.path}", expected=f"one of {shown} ..."
        )

    def fetch(self, contig: str, start: int, stop: int) -> str:
        """Bases [start, stop) of `contig`, 0-based, in the case of the file; short where the contig
        ends.
        """
        start, stop = max(0, start), min(stop, self.lengths[contig])
        if stop <= start:
            return ""
        try:
            bases = self._fasta.fetch(contig, start, stop)
        except (OSError, ValueError):  # htslib found damage
            bases = ""
        if len(bases) != stop - start or not bases.isalpha():
            raise InputError(
                self.path,
                f"{contig}:{start + 1}-{stop} cannot be read: the file is damaged, or no base "
                "is there",
                expected="letters (A, C, G, T, N and IUPAC codes)",
                remedy=AGAIN,
            )
        return bases

    def compare(self, contig: str, position: int, ref: str) -> str:
        """'match', 'ambiguous' (an IUPAC code that allows the base) or 'mismatch' of REF at the
        1-based `position`.
        """
        bases = self.fetch(contig, position - 1, position - 1 + len(ref)).upper()
        ref = ref.upper()
        if bases == ref:
            return "match"
        if len(bases) == len(ref) and all(
            a == b or b in IUPAC.get(a, "") for a, b in zip(bases, ref, strict=True)
        ):
            return "ambiguous"
        return "mismatch"
