"""Star alleles, diplotypes, phenotypes and activity scores of pharmacogenes, from phased
haplotypes.

Alleles and phenotypes come from the tables of pypgx 0.27.0 (Lee et al. 2022,
doi:10.1371/journal.pone.0272129; MIT licence), which follow PharmVar and CPIC. A build's own
sequence need not be that of the reference allele: that of GRCh37 has CYP3A5*3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from genoloom.records import package_table

BUILDS = ("GRCh37", "GRCh38")
UNMATCHED = "unmatched"  # variants that no allele has together
INDETERMINATE = "Indeterminate"
# genes whose alleles are not known without copy numbers
COPY_NUMBER = (
    "CYP2A6", "CYP2B6", "CYP2D6", "CYP2E1", "G6PD", "GSTM1", "GSTT1", "SLC22A2", "SULT1A1",
    "UGT1A4", "UGT2B15", "UGT2B17",
)  # fmt: skip
# first what decides where a haplotype fits several alleles; as in pypgx
FUNCTIONS = (
    "No Function", "Severely Decreased Function", "Decreased Function",
    "Possible Decreased Function", "Increased Function", "Possible Increased Function",
    "Unfavorable Response", "Malignant Hyperthermia Associated", "Uncertain Function",
    "Unknown Function", "Normal Function", "Favorable Response",
)  # fmt: skip

Variant = tuple[int, str, str]  # 1-based position, REF, ALT


@dataclass(frozen=True)
class Allele:
    """A star allele.

    Attributes
    ----------
    score : float
        Activity score; nan where there is none.
    core : dict
        By build, the variants that define it, next to the build's own sequence.
    coding : dict
        By build, how many of them change the protein.
    """

    name: str
    function: str
    score: float
    core: dict[str, frozenset[Variant]]
    coding: dict[str, int]


@dataclass(frozen=True)
class Gene:
    """A gene, its alleles, and what they make together.

    Attributes
    ----------
    contig : str
        Without "chr".
    reference : str
        The reference allele.
    default : dict
        By build, the allele of the build's own sequence.
    phenotypes : dict
        Of two functions, the smaller word first; empty where scores decide, or nothing is known.
    unpaired : frozenset of str
        Alleles of which the tables have a function, but no phenotype with any other.
    """

    name: str
    contig: str
    alleles: tuple[Allele, ...]
    reference: str
    default: dict[str, str]
    phenotypes: dict[tuple[str, str], str]
    unpaired: frozenset[str]

    def variants(self, build: str) -> list[Variant]:
        """The defining variants in one build, ascending."""
        return sorted(set().union(*(allele.core[build] for allele in self.alleles)))

    @property
    def scored(self) -> bool:
        return not all(np.isnan(allele.score) for allele in self.alleles)

    @property
    def has_phenotypes(self) -> bool:
        return self.scored or bool(self.phenotypes)

    def phenotype(self, one: str, other: str) -> str:
        """Of two alleles: by the sum of their activity scores (CYP2C9 and DPYD: below 1 poor,
        below 2 intermediate, Gaedigk et al. 2018, doi:10.1002/cpt.910), else by their functions.
        """
        pair = [allele for name in (one, other) for allele in self.alleles if allele.name == name]
        if len(pair) < 2 or self.unpaired & {one, other}:
            return INDETERMINATE
        if self.scored:
            score = sum(allele.score for allele in pair)
            words = ("Poor Metabolizer", "Intermediate Metabolizer", "Normal Metabolizer")
            return INDETERMINATE if np.isnan(score) else words[min(int(score), 2)]
        functions = tuple(sorted(allele.function for allele in pair))
        return self.phenotypes.get(functions, INDETERMINATE)


def _core(cell: str) -> tuple[str, frozenset[Variant], int]:
    """Contig, variants, and how many of them change the protein, which "!" says."""
    parts = [part.rstrip("!").split("-") for part in cell.split(",") if part]
    variants = frozenset((int(position), ref, alt) for _, position, ref, alt in parts)
    return parts[0][0] if parts else "", variants, cell.count("!")


@cache
def read_genes() -> dict[str, Gene]:
    """Genes whose star alleles are known without copy numbers, by name."""
    phenotypes: dict[str, dict[tuple[str, str], str]] = {}
    for gene, functions, phenotype in package_table("genoloom.treatment", "star_phenotypes.tsv"):
        one, other = functions.split("/")
        phenotypes.setdefault(gene, {})[one, other] = phenotype
    grouped: dict[str, list[list[str]]] = {}
    for gene, *cells in package_table("genoloom.treatment", "star_alleles.tsv"):
        grouped.setdefault(gene, []).append(cells)
    genes = {}
    for name, rows in grouped.items():
        cores = [dict(zip(BUILDS, map(_core, row[4:]), strict=True)) for row in rows]
        noted = [(word, allele) for allele, _, _, notes, *_ in rows for word in notes.split(",")]
        base, unpaired = dict(noted), [own for word, own in noted if word == "unpaired"]
        contig = next(c for own in cores for c, _, _ in own.values() if c)
        alleles = tuple(
            Allele(
                allele, function, float(score or "nan"),
                {build: core for build, (_, core, _) in own.items()},
                {build: coding for build, (_, _, coding) in own.items()},
            )
            for (allele, function, score, *_), own in zip(rows, cores, strict=True)
        )  # fmt: skip
        default = {build: base[build] for build in BUILDS}
        genes[name] = Gene(
            name, contig, alleles, base["reference"], default, phenotypes.get(name, {}),
            frozenset(unpaired),
        )  # fmt: skip
    return genes


@dataclass(frozen=True)
class StarCalls:
    """What the haplotypes of individuals say, two for each, in the order of the matrix.

    Attributes
    ----------
    best : list of str
        The allele of the worst function that the haplotype has.
    whole : list of bool
        Whether every defining variant of the haplotype is of an allele that it has.
    """

    gene: Gene
    best: list[str]
    whole: list[bool]

    @property
    def allele(self) -> list[str]:
        """`best`, or "unmatched"."""
        pairs = zip(self.best, self.whole, strict=True)
        return [name if whole else UNMATCHED for name, whole in pairs]

    @property
    def diplotype(self) -> list[str]:
        """Such as *1/*2, in the order of the gene's alleles."""
        order = [*(allele.name for allele in self.gene.alleles), UNMATCHED]
        return ["/".join(sorted(pair, key=order.index)) for pair in self._pairs()]

    @property
    def phenotype(self) -> list[str]:
        known: dict[tuple[str, str], str] = {}
        for pair in self._pairs():
            if pair not in known:
                known[pair] = self.gene.phenotype(*pair)
        return [known[pair] for pair in self._pairs()]

    @property
    def score(self) -> np.ndarray:
        """Activity scores of individuals, float64; nan where one allele has none."""
        score = {allele.name: allele.score for allele in self.gene.alleles}
        return np.array([sum(score.get(a, np.nan) for a in pair) for pair in self._pairs()])

    def _pairs(self) -> list[tuple[str, str]]:
        allele = self.allele
        return list(zip(allele[0::2], allele[1::2], strict=True))


def call_star_alleles(gene: Gene, build: str, carried: np.ndarray) -> StarCalls:
    """Star alleles of phased haplotypes.

    A haplotype has the alleles whose defining variants it carries all, but for those that are part
    of another one that it has; of these the one of the worst function counts, then that of most
    variants, then of most that change the protein, then any but the reference allele (the order
    of pypgx). A variant that the panel lacks is one that nobody carries.

    Parameters
    ----------
    carried : ndarray of bool, shape (n_variants, n_haplotypes)
        Whether haplotypes have the variants of `gene.variants(build)`.
    """
    variants = gene.variants(build)
    cache: dict[bytes, tuple[str, bool]] = {}
    called = []
    for column in np.ascontiguousarray(carried.T):
        key = column.tobytes()
        if key not in cache:
            own = frozenset(variants[i] for i in np.flatnonzero(column))
            cache[key] = _call(gene, build, own)
        called.append(cache[key])
    return StarCalls(gene, [name for name, _ in called], [whole for _, whole in called])


def _call(gene: Gene, build: str, carried: frozenset[Variant]) -> tuple[str, bool]:
    fitting = [allele for allele in gene.alleles if allele.core[build] <= carried]
    cores = [allele.core[build] for allele in fitting]
    whole = frozenset().union(*cores) == carried
    fitting = [a for a in fitting if not any(a.core[build] < other for other in cores)]
    default = gene.default[build]
    names = {allele.name for allele in fitting}
    if gene.reference not in names and default not in names:
        fitting += [allele for allele in gene.alleles if allele.name == default]

    def rank(allele: Allele) -> tuple:
        counts = -len(allele.core[build]), -allele.coding[build]
        return FUNCTIONS.index(allele.function), *counts, allele.name == gene.reference

    return min(fitting, key=rank).name, whole


def shortest(position: int, ref: str, alt: str) -> Variant:
    """A variant without the bases that both alleles share, first at the end, then before, but for
    one: how variants of one site, such as CAT, C and CATAT, are named when they are alone.
    """
    while min(len(ref), len(alt)) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while min(len(ref), len(alt)) > 1 and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def read_carried(
    keys: Sequence[Variant], read, variants: Sequence[Variant], n_haplotypes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Who carries which variant of a panel, and which variants the panel has.

    Parameters
    ----------
    keys : sequence of (position, ref, alt)
        Of the panel's sites. REF and ALT may be exchanged.
    read : callable
        From a row to its alleles, int8, shape (n_haplotypes,).

    Returns
    -------
    (ndarray of bool, shape (n_variants, n_haplotypes), ndarray of bool, shape (n_variants,))
    """
    at: dict[Variant, int] = {}
    for row, (position, ref, alt) in enumerate(keys):
        at.setdefault(shortest(position, ref.upper(), alt.upper()), row)
    carried = np.zeros((len(variants), n_haplotypes), dtype=bool)
    known = np.zeros(len(variants), dtype=bool)
    for i, (position, ref, alt) in enumerate(variants):
        for key, allele in ((shortest(position, ref, alt), 1), (shortest(position, alt, ref), 0)):
            if not known[i] and key in at:
                carried[i], known[i] = read(at[key]) == allele, True
    return carried, known
