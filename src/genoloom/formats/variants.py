"""Genotypes in: records of one contig from VCF, BCF or a PLINK 2 file set, checked as they stream.

What no later step could notice is checked here: a truncated file, duplicate samples, contig names,
the order of the records, ploidy, alleles that a record does not have. Positions are 1-based.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.names import other_contig_name
from genoloom.formats.pgen import PgenHaplotypes
from genoloom.formats.plink_tables import read_filters, read_psam, read_pvar, tables_beside
from genoloom.formats.variant_header import TO_UTF8, Header, check_samples, read_header, real_path
from genoloom.formats.variant_index import Index, find_index, fits_start
from genoloom.formats.variant_process import ABSENT, Block, Plan, read_blocks
from genoloom.panel import Individuals, Sites

log = logging.getLogger(__name__)

MOST_ALLELES = 127  # of one variant of a .pgen: alleles are int8

_said: set[str] = set()  # remarks on an index, which may be looked at many times


@dataclass(frozen=True)
class Record:
    """One record of the input.

    Attributes
    ----------
    position : int, 1-based
    id, ref : str
    alts : list of str
    alleles : ndarray, int8 or int16, shape (2 * n_individuals,)
        Index into (ref, *alts); -1 missing.
    unphased : ndarray, bool, shape (n_individuals,)
        Heterozygous calls whose phase is not given, or is given within another phase set than the
        individual's first.
    filters : list of str
        Of the column FILTER; "." where it says nothing.
    lone_missing : int
        Calls of a single '.', which count as missing.
    other_sets : int
        How many of `unphased` are so by their phase set.
    fault : InputError, optional
        Why there are no genotypes to use; raised by `alleles` and `unphased`, so that a record that
        nobody wants cannot stop a run.
    """

    position: int
    id: str
    ref: str
    alts: list[str]
    calls: np.ndarray | None
    without_phase: np.ndarray | None
    filters: list[str] = field(default_factory=lambda: ["."])
    lone_missing: int = 0
    other_sets: int = 0
    fault: InputError | None = None

    @property
    def alleles(self) -> np.ndarray:
        if self.fault is not None:
            raise self.fault
        return self.calls

    @property
    def unphased(self) -> np.ndarray:
        if self.fault is not None:
            raise self.fault
        return self.without_phase


class NoRecords(InputError):
    """A file has no record of the contig or region."""


class VariantFile:
    """Samples, contigs and records of a genotype file. Use `open_variants`."""

    path: Path
    samples: list[str]
    contig_length: int | None
    indexed: bool = False
    # whose calls may have one allele, which is then given twice, bool (n_individuals,); None:
    # nobody
    may_be_haploid: np.ndarray | None = None
    individuals: Individuals | None = None  # where the file set says more of them than names

    def records(self) -> Iterator[Record]:
        """The records of the contig (and region), in order."""
        raise NotImplementedError


def open_variants(
    path: str | Path, contig: str, region: tuple[int, int] | None = None
) -> VariantFile:
    """Open `path` at one contig: a PLINK 2 .pgen by its name, else VCF or BCF by its content; `-`
    is standard input.

    Parameters
    ----------
    region : (start, end), optional
        1-based, both ends included; a file then needs an index.

    Raises
    ------
    InputError
        See the module's docstring; each message names the file and, where there is one, the record.
    """
    path = real_path(path)
    if path.suffix == ".pgen":
        return PgenFile(path, contig, region)
    return VcfFile(path, contig, region)


def list_contigs(path: str | Path) -> list[str]:
    """The contigs that have records, in the order of the file: from its index where that can be
    used, else by reading.

    Raises
    ------
    InputError
        The file is missing, truncated or no genotype file.
    """
    path = real_path(path)
    if path.suffix == ".pgen":
        return [run.contig for run in read_pvar(tables_beside(path)[0])]
    header = read_header(path, need_samples=False)
    if (index := usable_index(header)) is not None:
        return sorted(index.contigs, key=lambda contig: index.contigs[contig].begin)
    return list(dict.fromkeys(block.contig for block in read_blocks(Plan(header, genotypes=False))))


def usable_index(header: Header) -> Index | None:
    """The index of a file; one that does not fit is not used, which is said once."""
    index, why = find_index(header)
    if why and str(header.path) not in _said:
        _said.add(str(header.path))
        log.warning("%s: %s; it is not used, the whole file is read", header.path.name, why)
    return index


def _no_contig(path: Path, contig: str, names: list[str]) -> NoRecords:
    other = other_contig_name(contig)
    if other in names:
        return NoRecords(
            path, f"has no contig '{contig}', but '{other}'", remedy=f"ask for contig '{other}'"
        )
    shown = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return NoRecords(
        path, f"has no record of contig '{contig}'", expected=f"one of {shown}" if names else ""
    )


class VcfFile(VariantFile):
    """A VCF or BCF. With an index only the contig or region is read, else the whole file.

    Without a contig the file is only good for `contigs`. A file may be read any number of times, a
    pipe once.
    """

    def __init__(
        self, path: Path, contig: str | None = None, region: tuple[int, int] | None = None
    ):
        self.header = read_header(path)
        self.path, self.contig, self.region = self.header.path, contig, region
        self.samples, self.lengths = self.header.samples, self.header.lengths
        self.contig_length = self.lengths.get(contig)
        # the whole of a file's only contig needs no index
        alone = contig is not None and region is None and list(self.lengths) == [contig]
        self._index = None if contig is None or alone else usable_index(self.header)
        self.indexed = self._index is not None or (alone and not self._has_no_index())
        self._read = False
        if (
            region is not None
            and self._index is None
            and self.header.pipe is None
            and self._has_no_index()
        ):
            raise InputError(
                self.path,
                "has no index, which a region needs",
                remedy=f"run: {self._way_to_an_index()}",
            )
        names = list(self._index.contigs) if self._index else list(self.header.contigs.values())
        if (
            contig is not None
            and contig not in names
            and (self._index or other_contig_name(contig) in names)
        ):
            raise _no_contig(self.path, contig, names)

    def _has_no_index(self) -> bool:
        return not any(Path(f"{self.path}{suffix}").exists() for suffix in (".tbi", ".csi"))

    def _way_to_an_index(self) -> str:
        if self.header.packing == "bgzf":
            return f"bcftools index {self.path}" if self.header.bcf else f"tabix -p vcf {self.path}"
        out = self.path.with_suffix(".indexed.vcf.gz")
        return f"bcftools view -Oz -o {out} {self.path} && tabix -p vcf {out}, and give that file"

    def _blocks(self, contig: str | None = None) -> Iterator[Block]:
        if self._read and self.header.pipe is not None:
            raise InputError(
                self.path, "is a pipe, and this command reads its input more than once",
                remedy="write it to a file first, and give that file",
            )  # fmt: skip
        self._read = True
        start = None
        whole = (
            self._index is not None
            and self.region is None
            and list(self._index.contigs) == [contig]
        )
        if contig is not None and self._index is not None and not whole:
            start = fits_start(
                self._index, self.header, contig, self.region[0] if self.region else 1
            )
            if start is None:
                log.warning(
                    "%s: the index does not fit the file; the whole file is read", self.path.name
                )
        return read_blocks(Plan(self.header, contig, self.region if contig else None, start))

    def records(self) -> Iterator[Record]:
        """The records of the contig (and region), in order.

        Raises
        ------
        InputError
            The file is damaged or not sorted; `NoRecords` where there is no such record.
        """
        n = 0
        for record in self._in_order(self._blocks(self.contig)):
            n += 1
            yield record
        if n == 0:
            raise self._nothing()

    def _nothing(self) -> NoRecords:
        if self.region is None:
            # a header need not declare its contigs: the records are asked which there are
            names = list_contigs(self.path) if self.header.pipe is None else []
            return _no_contig(self.path, self.contig, names)
        start, end = self.region
        return NoRecords(
            self.path, f"has no record of contig '{self.contig}' from {start} to {end}"
        )

    def contigs(self) -> Iterator[tuple[str, Iterator[Record]]]:
        """Every contig with its records, in one pass that needs no index; use up the records before
        the next contig.
        """
        seen: set[str] = set()
        for contig, blocks in groupby(self._blocks(), key=lambda block: block.contig):
            if contig in seen:
                raise InputError(
                    self.path,
                    f"contig {contig} is in several places",
                    remedy="bcftools sort -Oz -o OUT.vcf.gz IN",
                )
            seen.add(contig)
            yield contig, self._in_order(blocks)

    def _in_order(self, blocks: Iterator[Block]) -> Iterator[Record]:
        last = 0
        for block in blocks:
            for record in self._of_block(block):
                if last > record.position:
                    raise InputError(
                        self.path,
                        f"{block.contig}:{record.position} comes after {block.contig}:{last}",
                        expected="sorted records", remedy="bcftools sort -Oz -o OUT.vcf.gz IN",
                    )  # fmt: skip
                last = record.position
                yield record

    def _of_block(self, block: Block) -> Iterator[Record]:
        """The records of a block, with what is wrong with the genotypes of each."""
        alleles, phased = block.alleles, block.phased
        n, n_individuals, ploidy = alleles.shape
        lone, short = np.zeros(n, dtype=int), np.zeros(n, dtype=bool)
        complete = alleles.min(initial=0) >= 0  # nearly always, and then much need not be looked at
        # a site at which everybody has '.'
        if ploidy == 1 and (nobody := (alleles < 0).all(axis=(1, 2))).any():
            lone = np.where(nobody, n_individuals, 0)
            if nobody.all():
                alleles, ploidy = np.full((n, n_individuals, 2), -1, dtype=np.int8), 2
        elif ploidy == 2 and not complete:
            alone = (alleles[:, :, 0] == -1) & (alleles[:, :, 1] == ABSENT)
            lone = alone.sum(axis=1)
            alleles = np.where(alone[:, :, None], np.int8(-1), alleles)
        if self.may_be_haploid is not None:
            if ploidy == 1 and self.may_be_haploid.all():
                alleles, ploidy = np.repeat(alleles, 2, axis=2), 2
                lone = (alleles[:, :, 0] < 0).sum(axis=1)
            elif ploidy == 2:
                one = (alleles[:, :, 1] == ABSENT) & self.may_be_haploid
                alleles = np.where(one[:, :, None], alleles[:, :, :1], alleles)
        unphased = np.zeros(phased.shape, dtype=bool)
        if ploidy == 2:
            if not phased.all():
                unphased = (alleles[:, :, 0] != alleles[:, :, 1]) & ~phased
            if not complete:
                unphased &= (alleles[:, :, 0] >= 0) & (alleles[:, :, 1] >= 0)
                short = (alleles == ABSENT).any(axis=(1, 2))
        texts = zip(block.text, block.highest(), strict=True)
        for i, ((position, name, ref, alts, filters, _), highest) in enumerate(texts):
            place = f"{block.contig}:{position}"
            fault = self._fault(place, block, i, highest)
            calls = without_phase = None
            if fault is None and ploidy == 2 and not short[i]:
                calls, without_phase = alleles[i].ravel(), unphased[i]
            elif fault is None and ploidy == 1 and lone[i]:
                calls = np.full(2 * n_individuals, -1, dtype=np.int8)
                without_phase = np.zeros(n_individuals, dtype=bool)
            elif fault is None:
                fault = wrong_ploidy(self.path, place, ploidy, self.may_be_haploid is not None)
            yield Record(
                position,
                name,
                ref,
                alts,
                calls,
                without_phase,
                filters or ["."],
                int(lone[i]),
                block.other_sets[i],
                fault,
            )

    def _fault(self, place: str, block: Block, i: int, highest: int) -> InputError | None:
        """What is wrong with a record at any ploidy."""
        name, _, alts = block.text[i][1:4]
        if block.alleles.shape[2] == 0:
            expected = "a well-formed record with genotypes of everybody"
            return InputError(
                self.path, f"{place}: no genotypes (GT) can be read", expected=expected
            )
        if highest > len(alts):
            return InputError(
                self.path, f"{place}: a genotype has the allele {highest}",
                expected=f"0 to {len(alts)}, as REF and ALT have",
            )  # fmt: skip
        if "\ufffd" in name:
            return InputError(
                self.path, f"{place}: the ID is not UTF-8", expected="text in UTF-8", remedy=TO_UTF8
            )
        return None


def wrong_ploidy(path: Path, place: str, ploidy: int, of_females: bool = False) -> InputError:
    """The error of calls that are not diploid, at `place` (contig:position), or are haploid of
    those who are not haploid there (`of_females`).
    """
    if ploidy > 2:
        return InputError(
            path,
            f"{place}: ploidy {ploidy} calls",
            expected="diploid calls of everybody: other ploidies are not supported",
            remedy="take the diploid individuals or contigs only: bcftools view -S NAMES or -t "
            "CONTIG",
        )
    if of_females:
        return InputError(
            path,
            f"{place}: a haploid call of somebody who is not male",
            expected="diploid calls of females, haploid ones of males",
            remedy="correct the sexes in the sheet of individuals",
        )
    found = "haploid calls" if ploidy == 1 else "haploid calls next to diploid ones"
    return InputError(
        path,
        f"{place}: {found}",
        expected="diploid calls of everybody",
        remedy="with `genoloom prepare`, say who is haploid here: --ploidy x-linked (males, by the "
        "sheet of --samples) or haploid (everybody); else keep females only (bcftools view -S "
        "NAMES), or write haploid calls as homozygous: bcftools +fixploidy IN -o OUT -- -f 2",
    )


def check_biallelic(path: Path, sites: Sites) -> None:
    """Raise an InputError unless the sites of one contig of a PLINK file are biallelic and
    sorted.
    """
    many = [i for i, alt in enumerate(sites.alt) if "," in alt]
    if many:
        files = str(path).split(".pvar")[0] + (" vzs" if path.suffix == ".zst" else "")
        raise InputError(
            path,
            f"{len(many)} multiallelic variants, the first "
            f"{sites.contig}:{sites.position[many[0]]}",
            expected="biallelic variants in a .pgen",
            remedy=f"split them (plink2 --pfile {files} --make-pgen multiallelics=- --out NEW), or "
            "give the VCF",
        )
    check_sorted(path, sites)


def check_sorted(path: Path, sites: Sites) -> None:
    """Raise an InputError unless the positions of the sites rise."""
    falls = np.flatnonzero(np.diff(sites.position) < 0)
    if len(falls):
        raise InputError(
            path,
            f"{sites.contig}:{sites.position[falls[0] + 1]} comes after "
            f"{sites.contig}:{sites.position[falls[0]]}",
            expected="sorted variants",
            remedy="plink2 --pfile IN --sort-vars --make-pgen --out NEW",
        )


def _alternates(text: str) -> list[str]:
    return [] if text == "." else text.split(",")


class PgenFile(VariantFile):
    """A PLINK 2 file set: .pgen next to .pvar or .pvar.zst and .psam."""

    def __init__(self, path: Path, contig: str, region: tuple[int, int] | None):
        self.path, self.contig = path, contig
        pvar, psam = tables_beside(path)
        self.individuals = read_psam(psam)
        self.samples = self.individuals.id
        check_samples(path, self.samples)
        runs = read_pvar(pvar)
        names = [run.contig for run in runs]
        if names.count(contig) != 1:
            if contig in names:
                raise InputError(
                    pvar,
                    f"contig {contig} is in {names.count(contig)} places",
                    remedy="plink2 --pfile IN --sort-vars --make-pgen --out NEW",
                )
            raise _no_contig(pvar, contig, names)
        at = names.index(contig)
        self.first = sum(len(run) for run in runs[:at])
        self.sites, self.region = runs[at], region
        self.contig_length = self.sites.contig_length
        check_sorted(pvar, self.sites)
        n_alleles = np.array(
            [2 + alt.count(",") for run in runs for alt in run.alt], dtype=np.int64
        )
        if (n_alleles > MOST_ALLELES).any():
            raise InputError(
                pvar,
                f"a variant with {n_alleles.max()} alleles",
                expected=f"at most {MOST_ALLELES}",
            )
        self._haplotypes = PgenHaplotypes(path, len(self.samples), len(n_alleles), n_alleles)
        self._filters = read_filters(pvar)[self.first : self.first + len(self.sites)]

    def records(self) -> Iterator[Record]:
        low, high = self.region or (0, np.iinfo(np.int64).max)
        position = self.sites.position
        start, end = np.searchsorted(position, [low, high + (self.region is not None)]).tolist()
        for block in range(start, end, 1024):
            stop = min(block + 1024, end)
            alleles, phased = self._haplotypes.read_with_phase(
                self.first + block, self.first + stop
            )
            heterozygous = alleles[:, 0::2] != alleles[:, 1::2]
            for i in range(block, stop):
                row = i - block
                yield Record(
                    int(position[i]), self.sites.id[i], self.sites.ref[i],
                    _alternates(self.sites.alt[i]),
                    alleles[row], heterozygous[row] & ~phased[row],
                    self._filters[i].split(";") if self._filters else ["."],
                )  # fmt: skip
