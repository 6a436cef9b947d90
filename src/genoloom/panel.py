"""Phased haplotypes in memory or in a file that is read when needed: sites, individuals and the
matrix that joins them.

Vocabulary, the same everywhere:

- alleles are int8: 0 reference, 1 alternate, -1 missing;
- a haplotype matrix is variant-major, shape (n_variants, n_haplotypes);
- in a panel, individual `i` owns the columns `2 i` and `2 i + 1`; of who is haploid on the contig
  (`Panel.haploid`) the second is a copy of the first, as in a PGEN, and is no haplotype:
  `Panel.own_columns` leaves it out, and `paired` joins haploid individuals two by two;
- positions are 1-based, as in VCF.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from genoloom.errors import InputError
from genoloom.ploidy import Ploidy

log = logging.getLogger(__name__)

AT_ONCE = 2**25  # alleles
CM_PER_BASE = 1e-6  # without a map: one centimorgan a megabase, the human average


@dataclass(frozen=True)
class Sites:
    """Biallelic sites of one contig, in the order of the file.

    Attributes
    ----------
    contig : str
    position : ndarray, int64, shape (n_variants,), 1-based
    ref, alt, id : ndarray of str objects, shape (n_variants,)
    cm : ndarray, float64, shape (n_variants,)
        Genetic position in centimorgans; NaN throughout where no map was given.
    contig_length : int or None
        Length of the contig in base pairs, where the input or the reference says.
    ploidy : Ploidy
        Who has one haplotype of it, and who two.
    """

    contig: str
    position: np.ndarray
    ref: np.ndarray
    alt: np.ndarray
    id: np.ndarray
    cm: np.ndarray
    contig_length: int | None = None
    ploidy: Ploidy = Ploidy.DIPLOID

    def __len__(self) -> int:
        return len(self.position)

    def take(self, index) -> "Sites":
        """The sites at `index` (slice, boolean mask or integer array)."""
        columns = (
            values[index] for values in (self.position, self.ref, self.alt, self.id, self.cm)
        )
        return Sites(self.contig, *columns, self.contig_length, self.ploidy)

    def keys(self) -> list[tuple[int, str, str]]:
        """(position, ref, alt) of every site: what identifies it across files."""
        return list(zip(self.position.tolist(), self.ref.tolist(), self.alt.tolist(), strict=True))

    def digest(self) -> str:
        """SHA-256 over contig, positions and alleles."""
        h = hashlib.sha256(self.contig.encode())
        for key in self.keys():
            h.update(f"\n{key[0]}\t{key[1]}\t{key[2]}".encode())
        return h.hexdigest()


@dataclass(frozen=True)
class Individuals:
    """The individuals of a panel or of a synthetic cohort.

    Attributes
    ----------
    id : list of str
    population : list of str
        "unknown" where no sheet names one; the default.
    sex : list of str
        "male", "female" or "unknown", the default.
    family, superpopulation : list of str
        "" where there is none; the default.
    """

    id: list[str]
    population: list[str] = field(default_factory=list)
    sex: list[str] = field(default_factory=list)
    family: list[str] = field(default_factory=list)
    superpopulation: list[str] = field(default_factory=list)

    def __post_init__(self):
        for column in fields(self)[1:]:
            if not getattr(self, column.name):
                nothing = "unknown" if column.name in ("population", "sex") else ""
                object.__setattr__(self, column.name, [nothing] * len(self.id))

    def __len__(self) -> int:
        return len(self.id)

    def take(self, index) -> "Individuals":
        index = np.arange(len(self))[index].tolist()
        columns = (getattr(self, column.name) for column in fields(Individuals))
        return Individuals(*([values[i] for i in index] for values in columns))


def join_individuals(*parts: Individuals) -> Individuals:
    """The individuals of several groups in one list, with all that is known of them."""
    columns = (column.name for column in fields(Individuals))
    return Individuals(*([x for part in parts for x in getattr(part, name)] for name in columns))


class HaplotypeSource(Protocol):
    """Whatever can hand out blocks of haplotypes: a panel on disk, an array, a view of either."""

    n_variants: int
    n_haplotypes: int

    def read(self, start: int, stop: int) -> np.ndarray:
        """Alleles of the variants [start, stop), int8, shape (stop - start, n_haplotypes)."""
        ...


@dataclass(frozen=True)
class ArrayHaplotypes:
    """A haplotype source over an int8 array of shape (n_variants, n_haplotypes)."""

    alleles: np.ndarray

    @property
    def n_variants(self) -> int:
        return self.alleles.shape[0]

    @property
    def n_haplotypes(self) -> int:
        return self.alleles.shape[1]

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.alleles[start:stop]


@dataclass(frozen=True)
class HaplotypeView:
    """Some variants and some haplotypes of another source, read through it block by block.

    `variants` (int64, sorted but for sites at one position) and `haplotypes` (int64) index the
    parent; None takes all.
    """

    parent: HaplotypeSource
    variants: np.ndarray | None = None
    haplotypes: np.ndarray | None = None

    @property
    def n_variants(self) -> int:
        return self.parent.n_variants if self.variants is None else len(self.variants)

    @property
    def n_haplotypes(self) -> int:
        return self.parent.n_haplotypes if self.haplotypes is None else len(self.haplotypes)

    def read(self, start: int, stop: int) -> np.ndarray:
        if self.variants is None:
            block = self.parent.read(start, stop)
        else:
            wanted = self.variants[start:stop]
            if len(wanted) == 0:
                return np.empty((0, self.n_haplotypes), dtype=np.int8)
            first = int(wanted.min())
            block = self.parent.read(first, int(wanted.max()) + 1)[wanted - first]
        return block if self.haplotypes is None else block[:, self.haplotypes]


@dataclass(frozen=True)
class _OfParent:
    """Another source, variant by variant and haplotype by haplotype."""

    parent: HaplotypeSource

    @property
    def n_variants(self) -> int:
        return self.parent.n_variants

    @property
    def n_haplotypes(self) -> int:
        return self.parent.n_haplotypes


@dataclass(frozen=True)
class SwappedHaplotypes(_OfParent):
    """Another source with 0 and 1 exchanged at the variants where `swapped` (bool, shape
    (n_variants,)) says so.
    """

    swapped: np.ndarray

    def read(self, start: int, stop: int) -> np.ndarray:
        block = self.parent.read(start, stop)
        swap = self.swapped[start:stop, None] & (block >= 0)
        return np.where(swap, 1 - block, block)


@dataclass(frozen=True)
class UnphasedHaplotypes(_OfParent):
    """Another source with the two alleles of each call in ascending order, so that nothing depends
    on phase.

    The first column of an individual then carries the alternate allele where the genotype is 1/1,
    the second where it is 0/1 or 1/1; the Hamming distances of two individuals' first and second
    columns add up to their genotype distance.
    """

    def read(self, start: int, stop: int) -> np.ndarray:
        block = self.parent.read(start, stop)
        return np.sort(block.reshape(len(block), -1, 2), axis=2).reshape(block.shape)


@dataclass(frozen=True)
class JoinedHaplotypes:
    """Sources with the same variants, side by side."""

    parts: tuple[HaplotypeSource, ...]

    @property
    def n_variants(self) -> int:
        return self.parts[0].n_variants

    @property
    def n_haplotypes(self) -> int:
        return sum(part.n_haplotypes for part in self.parts)

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.concatenate([part.read(start, stop) for part in self.parts], axis=1)


def haplotype_columns(individuals: np.ndarray) -> np.ndarray:
    """The matrix columns of the individuals at `individuals` (integer indices), shape (2 *
    n_individuals,).
    """
    individuals = np.asarray(individuals, dtype=np.int64)
    return np.stack([2 * individuals, 2 * individuals + 1], axis=1).ravel()


@dataclass(frozen=True)
class Panel:
    """Phased haplotypes of a cohort on one contig."""

    sites: Sites
    individuals: Individuals
    haplotypes: HaplotypeSource

    @property
    def haploid(self) -> np.ndarray:
        """Who has one haplotype, bool (n_individuals,)."""
        return self.sites.ploidy.haploid(self.individuals.sex)

    def own_columns(self) -> np.ndarray:
        """The columns that are haplotypes: one of who is haploid, two of everybody else; int64."""
        return own_columns(self.haploid)

    def take_individuals(self, index) -> "Panel":
        """The panel of the individuals at `index`, in that order; nothing is read."""
        index = np.arange(len(self.individuals))[index]
        view = HaplotypeView(self.haplotypes, haplotypes=haplotype_columns(index))
        return replace(self, individuals=self.individuals.take(index), haplotypes=view)

    def take_sites(self, index) -> "Panel":
        """The panel at the sites `index` (sorted); nothing is read."""
        index = np.arange(len(self.sites))[index]
        view = HaplotypeView(self.haplotypes, variants=index)
        return replace(self, sites=self.sites.take(index), haplotypes=view)

    def joined_with(self, other: "Panel") -> "Panel":
        """The panel of these individuals and, after them, the individuals of another panel with the
        same sites; nothing is read.
        """
        joined = JoinedHaplotypes((self.haplotypes, other.haplotypes))
        return replace(
            self,
            individuals=join_individuals(self.individuals, other.individuals),
            haplotypes=joined,
        )

    def blocks(self, size: int | None = None, most: int = 4096):
        """Yield (start, stop, alleles) over all variants, `size` at a time; by default `most`, and
        fewer of so many haplotypes that they would be more than `AT_ONCE` alleles.
        """
        size = size or max(1, min(most, AT_ONCE // max(1, self.haplotypes.n_haplotypes)))
        for start in range(0, len(self.sites), size):
            stop = min(start + size, len(self.sites))
            yield start, stop, self.haplotypes.read(start, stop)


def own_columns(haploid: np.ndarray) -> np.ndarray:
    """The matrix columns that are haplotypes, int64; `haploid` is bool (n_individuals,)."""
    second = np.repeat(haploid, 2) & (np.arange(2 * len(haploid)) % 2 == 1)
    return np.flatnonzero(~second)


def paired(panel: Panel, group: list[str]) -> tuple[Panel, np.ndarray]:
    """The panel with its haploid individuals joined two by two: every column is one haplotype.

    The pseudo-diploid individuals of chromosome X studies (Li & Durbin 2011,
    doi:10.1038/nature10231): two individuals of one sex, population and `group`, in the order of
    the panel; of an odd number the last is left out. What such a pair has at a site are two
    haplotypes and no genotype. Nothing is read.

    Parameters
    ----------
    group : list of str
        What members of a pair must share next to sex and population, such as their role.

    Returns
    -------
    Panel
        Diploid.
    ndarray, int64
        The individual whose first haplotype each row has, rising.
    """
    haploid, individuals = panel.haploid, panel.individuals
    rows, waiting = [], {}
    for i in range(len(individuals)):
        if not haploid[i]:
            rows.append((i, 2 * i, 2 * i + 1, individuals.id[i]))
            continue
        kind = individuals.sex[i], individuals.population[i], group[i]
        first = waiting.pop(kind, None)
        if first is None:
            waiting[kind] = i
        else:
            rows.append((first, 2 * first, 2 * i, f"{individuals.id[first]}+{individuals.id[i]}"))
    rows.sort()
    first = np.array([row[0] for row in rows], dtype=np.int64)
    columns = np.array([row[1:3] for row in rows], dtype=np.int64).reshape(-1)
    joined = Panel(
        replace(panel.sites, ploidy=Ploidy.DIPLOID),
        replace(individuals.take(first), id=[row[3] for row in rows]),
        HaplotypeView(panel.haplotypes, haplotypes=columns),
    )
    return joined, first


def by_ploidy(individuals: Individuals, ploidy: Ploidy) -> Individuals:
    """The same individuals, where those who differ in their number of haplotypes on a contig are
    populations of their own: the males and the females of an X.
    """
    if ploidy is not Ploidy.X_LINKED:
        return individuals
    names = np.where(ploidy.haploid(individuals.sex), "haploid", "diploid")
    labels = [f"{p}, {name}" for p, name in zip(individuals.population, names, strict=True)]
    return replace(individuals, population=labels)


def allele_counts(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Alternate and called allele counts of every site, int64, shape (n_variants,) each."""
    alternate = np.empty(len(panel.sites), dtype=np.int64)
    called = np.empty(len(panel.sites), dtype=np.int64)
    own = panel.own_columns()
    for start, stop, alleles in panel.blocks():
        alleles = alleles if len(own) == alleles.shape[1] else alleles[:, own]
        alternate[start:stop] = (alleles == 1).sum(axis=1)
        called[start:stop] = (alleles >= 0).sum(axis=1)
    return alternate, called


def majority(alleles: np.ndarray) -> np.ndarray:
    """The more frequent allele of each site, int8, shape (n_variants,); 0 when both are equally
    frequent.
    """
    return ((alleles == 1).sum(axis=1) > (alleles == 0).sum(axis=1)).astype(np.int8)


def fill_missing(alleles: np.ndarray) -> np.ndarray:
    """Missing calls as the more frequent allele of the site."""
    missing = alleles < 0
    return np.where(missing, majority(alleles)[:, None], alleles) if missing.any() else alleles


def genetic_positions(sites: Sites) -> np.ndarray:
    """Centimorgans of the sites, float64; 1 cM a megabase where there is no map."""
    if np.isnan(sites.cm).any():
        log.warning("%s: no genetic map; taking 1 cM per megabase", sites.contig)
        return sites.position * CM_PER_BASE
    return sites.cm


def join_haploids(
    pairs: list[tuple[Panel, Panel]], roles: list[str]
) -> tuple[list[tuple[Panel, Panel]], list[str]]:
    """Synthetic and real panels with their haploid individuals joined two by two, real ones of one
    role; and the role of each row of the real ones.
    """
    joined, first = [], None
    for synthetic, real in pairs:
        of_real, first = paired(real, roles)
        joined.append((paired(synthetic, [""] * len(synthetic.individuals))[0], of_real))
    return joined, [roles[i] for i in first]


def refuse_mixed_ploidies(path: Path, panels: Iterable[Panel]) -> None:
    """Raise an InputError unless the contigs can be compared individual by individual."""
    ploidies = sorted({panel.sites.ploidy for panel in panels})
    if len(ploidies) > 1:
        raise InputError(
            path,
            f"contigs of several ploidies are in one panel: {', '.join(ploidies)}",
            expected="contigs of one ploidy",
            remedy="give X, Y and MT rows of a panel of their own in the sheet of panels, with "
            "the same sheet of samples: their synthetic individuals are then the same too",
        )
