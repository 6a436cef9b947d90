"""Genotypes in: records of one contig from VCF, BCF or a PLINK 2 file set, checked as they stream.

What no later step could notice is checked here: a truncated file, duplicate samples, contig names, the order of the
records, ploidy. Positions are 1-based.
"""

import gzip
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cyvcf2
import numpy as np
import pysam
import pysam.bcftools

from genoloom.errors import InputError
from genoloom.formats.pgen import PgenHaplotypes, read_psam, read_pvar
from genoloom.panel import Sites

log = logging.getLogger(__name__)

_BGZF_MAGIC = b"\x1f\x8b\x08\x04"
_BGZF_EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_FILL = -2  # cyvcf2's padding where a call has fewer alleles than the record's ploidy


@dataclass(frozen=True)
class Record:
    """One record of the input.

    Attributes
    ----------
    position : int, 1-based
    id, ref : str
    alts : list of str
    alleles : ndarray, int16, shape (2 * n_people,)
        Index into (ref, *alts); -1 missing.
    unphased : ndarray, bool, shape (n_people,)
        Heterozygous calls whose phase is not given.
    """

    position: int
    id: str
    ref: str
    alts: list[str]
    alleles: np.ndarray
    unphased: np.ndarray


class VariantFile:
    """Samples, contigs and records of a genotype file. Use `open_variants`."""

    path: Path
    samples: list[str]
    contig_length: int | None

    def records(self) -> Iterator[Record]:
        """The records of the contig (and region), in order."""
        raise NotImplementedError


def open_variants(path: str | Path, contig: str, region: tuple[int, int] | None = None) -> VariantFile:
    """Open `path` (.vcf, .vcf.gz, .bcf or .pgen) at one contig.

    Parameters
    ----------
    region : (start, end), optional
        1-based, both ends included; a VCF or BCF then needs its index.

    Raises
    ------
    InputError
        See the module's docstring; each message names the file and, where there is one, the record.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "not found", remedy="check the path; it is relative to where the command runs")
    if path.suffix == ".pgen":
        return PgenFile(path, contig, region)
    return VcfFile(path, contig, region)


def list_contigs(path: str | Path) -> list[str]:
    """The contigs that have records, in the order of the file: from the index when there is one, else by reading.

    Raises
    ------
    InputError
        The file is missing, truncated or no genotype file.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "not found", remedy="check the path; it is relative to where the command runs")
    if path.suffix == ".pgen":
        stem = path.with_suffix("")
        return [run.contig for run in read_pvar(next(p for p in pvar_candidates(stem) if p.exists()))]
    check_complete(path)
    if any(Path(f"{path}{suffix}").exists() for suffix in (".tbi", ".csi")):
        return [line.split("\t")[0] for line in pysam.bcftools.index("-s", str(path)).splitlines()]
    try:
        return list(dict.fromkeys(variant.CHROM for variant in cyvcf2.VCF(str(path), gts012=False, lazy=True)))
    except Exception as error:  # cyvcf2 raises bare Exceptions
        raise InputError(path, f"cannot be read as VCF or BCF ({str(error).strip()})") from None


def pvar_candidates(stem: Path) -> list[Path]:
    return [Path(f"{stem}.pvar"), Path(f"{stem}.pvar.zst")]


def check_complete(path: Path) -> None:
    """Raise an InputError unless a compressed file is whole: htslib may read a truncated one without complaint."""
    remedy = "copy or download the file again"
    with open(path, "rb") as handle:
        head = handle.read(4)
        if head == _BGZF_MAGIC:
            handle.seek(0, 2)
            size = handle.tell()
            handle.seek(max(0, size - len(_BGZF_EOF)))
            if handle.read() != _BGZF_EOF:
                raise InputError(path, f"is truncated: no end-of-file block after {size} bytes", remedy=remedy)
            return
    if head[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as handle:
                while handle.read(1 << 22):
                    pass
        except (EOFError, zlib.error, OSError) as error:
            raise InputError(path, f"is truncated or damaged ({error})", remedy=remedy) from None


def check_samples(path: Path, samples: list[str]) -> None:
    if not samples:
        raise InputError(path, "holds no samples", expected="genotypes of at least two people")
    if len(set(samples)) < len(samples):
        place: dict[str, int] = {}
        for second, name in enumerate(samples, 1):
            if (first := place.setdefault(name, second)) != second:
                found = f"samples {first} and {second} (counted from 1) have the same name"
                raise InputError(path, found, expected="unique sample names", remedy="bcftools reheader -s")


def _no_contig(path: Path, contig: str, names: list[str]) -> InputError:
    other = contig.removeprefix("chr") if contig.startswith("chr") else f"chr{contig}"
    if other in names:
        return InputError(path, f"has no contig '{contig}', but '{other}'", remedy=f"ask for contig '{other}'")
    shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return InputError(path, f"has no record of contig '{contig}'", expected=f"one of {shown}" if names else "")


class VcfFile(VariantFile):
    """A VCF or BCF through htslib. With an index only the contig is read, else the whole file.

    Without a contig the file is only good for `contigs`.
    """

    def __init__(self, path: Path, contig: str | None = None, region: tuple[int, int] | None = None):
        self.path, self.contig, self.region = path, contig, region
        check_complete(path)
        try:
            self._vcf = cyvcf2.VCF(str(path), lazy=False)
        except Exception as error:  # cyvcf2 raises bare Exceptions
            raise InputError(path, f"cannot be read as VCF or BCF ({self._why(error)})") from None
        self.samples = list(self._vcf.samples)
        check_samples(path, self.samples)
        self.indexed = any(Path(f"{path}{suffix}").exists() for suffix in (".tbi", ".csi"))
        if region is not None and not self.indexed:
            tool = "bcftools index" if path.suffix == ".bcf" else "tabix -p vcf"
            raise InputError(path, "has no index, which a region needs", remedy=f"run: {tool} {path}")
        names, self.lengths = self._contigs()
        if contig is not None and names and contig not in names:
            raise _no_contig(path, contig, names)
        self.contig_length = self.lengths.get(contig)

    def _why(self, error: Exception) -> str:
        """htslib prints the reason to stderr only; the usual one is a sample that stands twice."""
        opener = gzip.open if self.path.suffix == ".gz" else open
        if self.path.suffix != ".bcf":
            with opener(self.path, "rt", errors="replace") as handle:
                for line in handle:
                    if line.startswith("#CHROM"):
                        check_samples(self.path, line.rstrip("\n").split("\t")[9:])
                        break
        return str(error).strip() or "htslib refused it"

    def _contigs(self) -> tuple[list[str], dict[str, int]]:
        try:
            names = list(self._vcf.seqnames)
        except AttributeError:
            names = []
        try:
            lengths = {n: length for n, length in zip(names, self._vcf.seqlens, strict=True) if length > 0}
        except (AttributeError, ValueError):
            lengths = {}
        return names, lengths

    def _stream(self):
        if not self.indexed:
            return (v for v in self._vcf if self.contig == v.CHROM)
        where = self.contig if self.region is None else f"{self.contig}:{self.region[0]}-{self.region[1]}"
        return self._vcf(where)

    def records(self) -> Iterator[Record]:
        n = 0
        for record in self._in_order(self.contig, self._guarded(self._stream())):
            if self.region and not self.region[0] <= record.position <= self.region[1]:
                continue  # a deletion that begins before the region overlaps it
            n += 1
            yield record
        if n == 0:
            raise _no_contig(self.path, self.contig, [])

    def contigs(self) -> Iterator[tuple[str, Iterator[Record]]]:
        """Every contig with its records, in one pass that needs no index; use up the records before the next contig."""
        seen: set[str] = set()
        for contig, variants in groupby(self._guarded(iter(self._vcf)), key=lambda variant: variant.CHROM):
            if contig in seen:
                raise InputError(self.path, f"contig {contig} stands in several places", remedy="bcftools sort")
            seen.add(contig)
            yield contig, self._in_order(contig, variants)

    def _guarded(self, stream) -> Iterator:
        """The records as htslib gives them; damage becomes an error that says how far it came."""
        place = "the header"
        while True:
            try:
                variant = next(stream, None)
            except Exception as error:  # cyvcf2 raises bare Exceptions
                raise InputError(self.path, f"damaged after {place} ({str(error).strip()})") from None
            if variant is None:
                return
            place = f"{variant.CHROM}:{variant.POS}"
            yield variant

    def _in_order(self, contig: str, variants: Iterator) -> Iterator[Record]:
        last = 0
        for variant in variants:
            if last > variant.POS:
                raise InputError(
                    self.path, f"{contig}:{variant.POS} stands behind {contig}:{last}", expected="sorted records",
                    remedy="bcftools sort",
                )  # fmt: skip
            last = variant.POS
            yield self._record(variant)

    def _record(self, variant) -> Record:
        place = f"{variant.CHROM}:{variant.POS}"
        try:
            calls = variant.genotype.array()  # (n, ploidy + 1) int16; the last column is the phase
        except Exception:  # cyvcf2 raises bare Exceptions, or finds None
            raise InputError(
                self.path, f"{place}: no genotypes (GT) can be read", expected="a well-formed record with genotypes of everybody"
            ) from None
        if calls.shape[1] != 3:
            word = "haploid" if calls.shape[1] == 2 else f"ploidy {calls.shape[1] - 1}"
            raise _wrong_ploidy(self.path, place, f"{word} calls")
        alleles = calls[:, :2]
        short = (alleles == _FILL).any(axis=1)
        if short.any():
            raise _wrong_ploidy(self.path, place, "haploid calls beside diploid ones")
        heterozygous = (alleles[:, 0] != alleles[:, 1]) & (alleles >= 0).all(axis=1)
        unphased = heterozygous & (calls[:, 2] == 0)
        return Record(variant.POS, variant.ID or ".", variant.REF, variant.ALT, alleles.ravel(), unphased)


def _wrong_ploidy(path: Path, place: str, found: str) -> InputError:
    return InputError(
        path, f"{place}: {found}", expected="diploid calls of everybody",
        remedy="on chromosome X outside the pseudo-autosomal regions keep females only, "
        "or write males as homozygous: bcftools +fixploidy",
    )  # fmt: skip


def check_biallelic(path: Path, sites: Sites) -> None:
    """Raise an InputError unless the sites of one contig of a PLINK file are biallelic and sorted."""
    many = [i for i, alt in enumerate(sites.alt) if "," in alt]
    if many:
        raise InputError(
            path, f"{len(many)} multiallelic variants, the first {sites.contig}:{sites.position[many[0]]}",
            expected="biallelic variants in a .pgen", remedy="split them (plink2 --make-pgen vcf-mode=...), or give the VCF or BCF",
        )  # fmt: skip
    falls = np.flatnonzero(np.diff(sites.position) < 0)
    if len(falls):
        raise InputError(
            path, f"{sites.contig}:{sites.position[falls[0] + 1]} stands behind {sites.contig}:{sites.position[falls[0]]}",
            expected="sorted variants", remedy="plink2 --sort-vars",
        )  # fmt: skip


class PgenFile(VariantFile):
    """A PLINK 2 file set: .pgen beside .pvar or .pvar.zst and .psam."""

    def __init__(self, path: Path, contig: str, region: tuple[int, int] | None):
        self.path, self.contig = path, contig
        stem = path.with_suffix("")
        found = [p for p in pvar_candidates(stem) if p.exists()]
        psam = Path(f"{stem}.psam")
        if not found or not psam.exists():
            raise InputError(path, "stands alone", expected=f"{stem.name}.pvar (or .pvar.zst) and {stem.name}.psam beside it")
        self.samples = read_psam(psam).id
        check_samples(path, self.samples)
        runs = read_pvar(found[0])
        names = [run.contig for run in runs]
        if names.count(contig) != 1:
            if contig in names:
                raise InputError(found[0], f"contig {contig} stands in {names.count(contig)} places", remedy="plink2 --sort-vars")
            raise _no_contig(found[0], contig, names)
        at = names.index(contig)
        self.first = sum(len(run) for run in runs[:at])
        self.sites, self.region = runs[at], region
        self.contig_length = self.sites.contig_length
        check_biallelic(found[0], self.sites)
        self._haplotypes = PgenHaplotypes(path, len(self.samples), sum(len(run) for run in runs))

    def records(self) -> Iterator[Record]:
        low, high = self.region or (1, np.iinfo(np.int64).max)
        position = self.sites.position
        start, end = np.searchsorted(position, [low, high + (self.region is not None)]).tolist()
        for block in range(start, end, 1024):
            stop = min(block + 1024, end)
            alleles, phased = self._haplotypes.read_with_phase(self.first + block, self.first + stop)
            heterozygous = alleles[:, 0::2] != alleles[:, 1::2]
            for i in range(block, stop):
                row = i - block
                yield Record(
                    int(position[i]), self.sites.id[i], self.sites.ref[i], [self.sites.alt[i]],
                    alleles[row].astype(np.int16), heterozygous[row] & ~phased[row],
                )  # fmt: skip
