"""The reference FASTA: contigs, bases, and the checks of variants against them."""

from pathlib import Path

import pysam

from genoloom.errors import InputError

IUPAC = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


def check_fasta_text(path: str | Path, head_bytes: int = 1 << 22) -> None:
    """Refuse a FASTA whose sequence lines hold white space or foreign characters, within its first `head_bytes`.

    htslib counts such characters as bases, so that every later coordinate would be wrong.

    Raises
    ------
    InputError
        Names the line.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "not found")
    try:
        with pysam.BGZFile(str(path), "rb") as handle:  # reads plain, gzip and bgzip alike
            text = handle.read(head_bytes)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error})") from None
    if not text.startswith(b">"):
        raise InputError(path, "does not begin with '>'", expected="FASTA")
    complete = text[: text.rfind(b"\n")] if len(text) == head_bytes else text
    for number, line in enumerate(complete.split(b"\n"), 1):
        line = line.rstrip(b"\r")
        if line.startswith(b">") or line.isalpha() or not line:
            continue
        bad = next(chr(c) for c in line if not chr(c).isalpha())
        raise InputError(
            path,
            f"line {number}: the character {bad!r} in a sequence line",
            expected="letters only (A, C, G, T, N and IUPAC codes)",
            remedy="remove it, for example: sed '/^>/!s/[[:space:]]//g'",
        )


class Reference:
    """A FASTA with its index; the index is made beside the file when it is missing.

    Parameters
    ----------
    path : Path
        FASTA, plain or bgzip.

    Raises
    ------
    InputError
        Not FASTA, gzip instead of bgzip, or no index and no right to write one.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        check_fasta_text(self.path)
        try:
            self._fasta = pysam.FastaFile(str(self.path))
        except (OSError, ValueError) as error:
            raise InputError(
                self.path,
                f"cannot be opened with an index ({error})",
                expected="plain or bgzip-compressed FASTA",
                remedy=f"bgzip it and run: samtools faidx {self.path.name}",
            ) from None
        self.lengths: dict[str, int] = dict(zip(self._fasta.references, self._fasta.lengths, strict=True))

    def check_contig(self, contig: str, source: str | Path) -> None:
        """Raise an InputError, with the remedy, unless `contig` (of `source`) is in the FASTA."""
        if contig in self.lengths:
            return
        other = contig.removeprefix("chr") if contig.startswith("chr") else f"chr{contig}"
        if other in self.lengths:
            raise InputError(
                source,
                f"contig '{contig}' is called '{other}' in {self.path}",
                expected="the same names on both sides",
                remedy=f"rename one side: bcftools annotate --rename-chrs names.txt, where names.txt holds '{contig} {other}'",
            )
        shown = ", ".join(list(self.lengths)[:5])
        raise InputError(source, f"contig '{contig}' is not in {self.path}", expected=f"one of {shown} ...")

    def fetch(self, contig: str, start: int, stop: int) -> str:
        """Bases [start, stop) of `contig`, 0-based, in the case of the file; short where the contig ends."""
        return self._fasta.fetch(contig, max(0, start), min(stop, self.lengths[contig]))

    def compare(self, contig: str, position: int, ref: str) -> str:
        """'match', 'ambiguous' (an IUPAC code that allows the base) or 'mismatch' of REF at the 1-based `position`."""
        bases = self.fetch(contig, position - 1, position - 1 + len(ref)).upper()
        ref = ref.upper()
        if bases == ref:
            return "match"
        if len(bases) == len(ref) and all(a == b or b in IUPAC.get(a, "") for a, b in zip(bases, ref, strict=True)):
            return "ambiguous"
        return "mismatch"
