"""The panel store: a PLINK 2 file set of phased, biallelic genotypes of one contig.

`{prefix}.pgen` holds the alleles with phase, `{prefix}.pvar.zst` the sites (with the genetic
position in the column `CM` when there is a map), `{prefix}.psam` the individuals. plink2 reads all
three. A PGEN knows no half-missing call: both alleles of an individual are called or both are
missing. Nor does it know haploid calls, which are as homozygous ones; who is haploid follows from
the SEX of the .psam and the line `##genoloom_ploidy` of the .pvar.

    panel = open_panel(prefix)                       # reads sites and individuals; alleles are read
    block by block

    with PanelWriter(prefix, individuals, contig) as writer:
        writer.append(sites, alleles)                # Sites, int8 (n_variants, 2 * n_individuals);
        any number of times
"""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pgenlib
import zstandard

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.plink_tables import PLOIDY_LINE, read_psam, read_pvar
from genoloom.formats.text import open_raw
from genoloom.panel import Individuals, Panel, Sites
from genoloom.ploidy import Ploidy

_SEX_CODES = {"male": "1", "female": "2", "unknown": "NA"}


def panel_files(prefix: Path) -> list[Path]:
    """The three files of a panel: .pgen, .pvar.zst, .psam."""
    return [Path(f"{prefix}{suffix}") for suffix in (".pgen", ".pvar.zst", ".psam")]


class PgenHaplotypes:
    """A haplotype source over a .pgen file; alleles are decoded when they are read.

    The file is opened anew in each process and for each source, so a source may be pickled or
    forked.

    Parameters
    ----------
    n_alleles : ndarray, int64, shape (n_variants,), optional
        How many alleles each variant has, at most 127; two each where it is not given.
    """

    def __init__(
        self, path: Path, n_individuals: int, n_variants: int, n_alleles: np.ndarray | None = None
    ):
        self.path = Path(path)
        self.n_individuals = n_individuals
        self.n_variants = n_variants
        self.n_alleles = n_alleles
        self.n_haplotypes = 2 * n_individuals
        self._reader = None

    def __getstate__(self):
        return {**self.__dict__, "_reader": None}

    def _open(self) -> pgenlib.PgenReader:
        if self._reader is None:
            _check_pgen(self.path, self.n_individuals, self.n_variants)
            try:
                self._reader = pgenlib.PgenReader(
                    str(self.path).encode(),
                    raw_sample_ct=self.n_individuals,
                    allele_idx_offsets=self._allele_offsets(),
                )
            except (RuntimeError, MemoryError, ValueError) as error:
                raise InputError(
                    self.path,
                    f"is damaged ({error})",
                    remedy="copy it again, or make it anew with plink2",
                ) from None
        return self._reader

    def _allele_offsets(self) -> np.ndarray | None:
        """Where the alleles of each variant begin among all alleles, as pgenlib wants it; None
        where all have two.
        """
        if self.n_alleles is None or (self.n_alleles == 2).all():
            return None
        return np.append(0, np.cumsum(self.n_alleles)).astype(np.uintp)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Alleles of the variants [start, stop), int8, shape (stop - start, n_haplotypes): 0 REF,
        from 1 ALT; -1 missing.

        Raises
        ------
        InputError
            The file is damaged or does not agree with its .pvar and .psam.
        """
        return self.read_with_phase(start, stop)[0]

    def read_with_phase(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Alleles as in `read`, and whether each heterozygous call is phased, bool, shape (stop -
        start, n_individuals).
        """
        alleles = np.empty((stop - start, self.n_haplotypes), dtype=np.int32)
        phased = np.empty((stop - start, self.n_individuals), dtype=np.bool_)
        if stop > start:
            try:
                self._open().read_alleles_and_phasepresent_range(start, stop, alleles, phased)
            except (RuntimeError, MemoryError, ValueError) as error:
                raise InputError(
                    self.path, f"variants {start + 1}-{stop} cannot be read ({error})"
                ) from None
            most = 2 if self.n_alleles is None else self.n_alleles[start:stop, None]
            if (alleles >= most).any():
                raise InputError(
                    self.path,
                    f"variants {start + 1}-{stop} have alleles that their table does not name",
                )
        return np.where(alleles < 0, -1, alleles).astype(np.int8), phased


def open_panel(prefix: str | Path, haploids: bool = False) -> Panel:
    """The panel at `prefix`. Sites and individuals are read now, alleles when they are asked for.

    Parameters
    ----------
    haploids : bool
        Whether the caller knows haploid individuals.

    Raises
    ------
    InputError
        A file is missing or damaged, the file set has several contigs, or the files disagree; or
        individuals are haploid.
    """
    pgen, pvar, psam = panel_files(Path(prefix))
    for path in (pgen, pvar, psam):
        if not path.exists():
            raise InputError(
                path,
                "not found",
                expected="a panel written by `genoloom prepare` or `genoloom generate`",
            )
    individuals = read_psam(psam)
    runs = read_pvar(pvar)
    if len(runs) != 1:
        raise InputError(pvar, f"{len(runs)} contigs", expected="exactly one")
    if runs[0].ploidy is not Ploidy.DIPLOID and not haploids:
        raise InputError(
            pvar,
            f"contig {runs[0].contig} is {runs[0].ploidy}: individuals are haploid on it",
            expected="a contig of which everybody has two haplotypes: this command knows no other",
            remedy="leave the contig out of this step; docs/limits.md says which steps know it",
        )
    haplotypes = PgenHaplotypes(pgen, len(individuals), len(runs[0]))
    haplotypes.read(0, 0 if len(runs[0]) == 0 else 1)  # finds damage and disagreement now
    return Panel(runs[0], individuals, haplotypes)


def _check_pgen(path: Path, n_individuals: int, n_variants: int) -> None:
    """Compare what a .pgen or .bed says of itself with its tables, before pgenlib believes it and
    allocates.

    The layout: the PLINK 2 file format specification, github.com/chrchang/plink-ng, pgen_spec.
    """
    with open_raw(path) as handle:
        head = handle.read(11)
        size = handle.seek(0, 2)
    if head[:2] != b"\x6c\x1b":
        raise InputError(path, "is no .pgen and no .bed", expected="a file of PLINK")
    if head[2:3] == b"\x01":
        expected = 3 + n_variants * ((n_individuals + 3) // 4)
        if size != expected:
            raise InputError(
                path,
                f"has {size} bytes",
                expected=f"{expected}, for the individuals and variants of its tables",
            )
        return
    if len(head) < 11:
        raise InputError(path, "is cut off", remedy="copy it again")
    counts = int.from_bytes(head[3:7], "little"), int.from_bytes(head[7:11], "little")
    if counts[0] != n_variants:
        raise InputError(
            path,
            f"holds {counts[0]} variants",
            expected=f"{n_variants}, as in its table of variants",
        )
    if counts[1] != n_individuals:
        raise InputError(
            path,
            "holds another number of individuals than its table of them",
            expected="files that belong together",
        )


def write_panel(prefix: str | Path, panel: Panel, size: int | None = None) -> None:
    """Write a panel, `size` sites at a time (as `Panel.blocks`)."""
    sites = panel.sites
    with PanelWriter(
        prefix, panel.individuals, sites.contig, sites.contig_length, sites.ploidy
    ) as writer:
        for start, stop, alleles in panel.blocks(size):
            writer.append(sites.take(slice(start, stop)), alleles)


@dataclass
class PanelWriter:
    """Write a panel block by block; the files appear together when the block ends well.

    The PGEN header needs the number of variants, which is known only at the end, so the alleles are
    spooled in one or two bits each next to the output.

    Parameters
    ----------
    prefix : Path
    individuals : Individuals
    contig : str
    contig_length : int, optional
        In base pairs; written to the .pvar header.
    ploidy : Ploidy
        Written there too, where anybody is haploid.
    """

    prefix: str | Path
    individuals: Individuals
    contig: str
    contig_length: int | None = None
    ploidy: Ploidy = Ploidy.DIPLOID

    def __post_init__(self):
        self.prefix, self.n_variants = Path(self.prefix), 0
        self._blocks: list[tuple[int, bool]] = []  # sites, and whether calls are missing

    def __enter__(self) -> "PanelWriter":
        self._beside = write_beside(*panel_files(self.prefix))
        self._pgen, self._pvar, self._psam = self._beside.__enter__()
        self._has_cm: bool | None = None
        try:
            self._spool = tempfile.TemporaryFile(dir=self.prefix.parent)
            self._pvar_raw = open(self._pvar, "wb")
        except OSError as error:
            self._beside.__exit__(type(error), error, error.__traceback__)
            raise
        self._pvar_text = zstandard.ZstdCompressor(level=6).stream_writer(self._pvar_raw)
        return self

    def append(self, sites: Sites, alleles: np.ndarray) -> None:
        """Add sites with their alleles, int8, shape (len(sites), 2 * n_individuals), 0/1, -1
        missing in pairs.
        """
        if len(sites) == 0:
            return
        if self._has_cm is None:
            self._write_pvar_header(not np.isnan(sites.cm).any())
        rows = zip(
            sites.position.tolist(), sites.id, sites.ref, sites.alt, sites.cm.tolist(), strict=True
        )
        lines = (
            f"{self.contig}\t{pos}\t{name}\t{ref}\t{alt}"
            + (f"\t{cm:.6g}\n" if self._has_cm else "\n")
            for pos, name, ref, alt, cm in rows
        )
        self._pvar_text.write("".join(lines).encode())
        incomplete = bool(alleles.min(initial=0) < 0)
        self._spool.write(np.packbits(alleles == 1, axis=1).tobytes())
        if incomplete:
            self._spool.write(np.packbits(alleles < 0, axis=1).tobytes())
        self._blocks.append((len(sites), incomplete))
        self.n_variants += len(sites)

    def _write_pvar_header(self, has_cm: bool) -> None:
        self._has_cm = has_cm
        length = f",length={self.contig_length}" if self.contig_length else ""
        columns = "#CHROM\tPOS\tID\tREF\tALT" + ("\tCM" if has_cm else "")
        ploidy = "" if self.ploidy is Ploidy.DIPLOID else f"{PLOIDY_LINE}{self.ploidy}\n"
        self._pvar_text.write(f"##contig=<ID={self.contig}{length}>\n{ploidy}{columns}\n".encode())

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None:
                self._finish()
        except BaseException as problem:
            self._close()
            if not self._beside.__exit__(type(problem), problem, problem.__traceback__):
                raise
        else:
            self._close()
            self._beside.__exit__(kind, error, trace)

    def _close(self) -> None:
        for handle in (self._spool, self._pvar_raw):
            # of a block that failed, what was not written cannot be flushed now
            with suppress(OSError):
                handle.close()

    def _finish(self) -> None:
        if self.n_variants == 0:
            raise InputError(self.prefix, "no site to write")
        self._pvar_text.close()
        with open(self._psam, "w") as handle:
            p, above = self.individuals, any(self.individuals.superpopulation)
            handle.write("#FID\tIID\tSEX\tPOP" + ("\tSUPERPOP\n" if above else "\n"))
            for name, population, sex, family, superpopulation in zip(
                p.id, p.population, p.sex, p.family, p.superpopulation, strict=True
            ):
                last = f"\t{superpopulation or 'NA'}" if above else ""
                handle.write(f"{family or 0}\t{name}\t{_SEX_CODES[sex]}\t{population}{last}\n")
        n_individuals = len(self.individuals)
        self._spool.seek(0)
        writer = pgenlib.PgenWriter(
            str(self._pgen).encode(),
            n_individuals,
            variant_ct=self.n_variants,
            nonref_flags=False,
            hardcall_phase_present=True,
        )
        for n, incomplete in self._blocks:
            alleles = self._spooled(n).astype(np.int32)
            if incomplete:
                alleles[self._spooled(n).view(bool)] = -9
            writer.append_alleles_batch(alleles, all_phased=True)
        writer.close()

    def _spooled(self, n: int) -> np.ndarray:
        """The next bits of `n` sites, uint8, shape (n, 2 * n_individuals)."""
        n_haplotypes = 2 * len(self.individuals)
        packed = np.frombuffer(self._spool.read(n * -(-n_haplotypes // 8)), dtype=np.uint8)
        return np.unpackbits(packed.reshape(n, -1), axis=1, count=n_haplotypes)
