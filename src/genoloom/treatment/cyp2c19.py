"""Star alleles, diplotypes and metaboliser phenotypes of CYP2C19 as the planted trial has them.

The package's table of star alleles (`genoloom.treatment.star_alleles`) lacks structural alleles
(*36, *37), which need copy numbers. Left out of it are *39, whose function is not known, and
rs3758581, which distinguishes *38 from *1: both are of normal function and count as *1 here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genoloom.treatment.star_alleles import BUILDS, UNMATCHED, read_genes

GENE = read_genes()["CYP2C19"]
REFERENCE = "*1"
# Worst for the enzyme first: it decides where a haplotype fits several alleles.
FUNCTIONS = ("no", "decreased", "increased", "uncertain", "normal")
# rs-numbers of the defining variants, ascending
NAMES = [
    "rs12248560", "rs28399504", "rs367543002", "rs367543003", "rs55752064", "rs17882687",
    "rs1564656981", "rs1564657013", "rs145328984", "rs1564660997", "rs118203756",
    "rs1288601658", "rs12769205", "rs41291556", "rs72552267", "rs17884712", "rs58973490",
    "rs140278421", "rs370803989", "rs4986893", "rs6413438", "rs4244285", "rs375781227",
    "rs72558186", "rs138142612", "rs118203757", "rs113934938", "rs17879685", "rs56337013",
    "rs192154563", "rs118203759", "rs55640102",
]  # fmt: skip

_DEFINED = [own for own in GENE.alleles if own.name not in (REFERENCE, "*38", "*39")]
VARIANTS = {build: sorted(set().union(*(own.core[build] for own in _DEFINED))) for build in BUILDS}
# rows of the variants that define an allele
ALLELES = {
    own.name: frozenset(map(VARIANTS["GRCh37"].index, own.core["GRCh37"])) for own in _DEFINED
}
FUNCTION = {own.name: own.function.split()[0].lower() for own in GENE.alleles}
# CPIC's terms, by the functions of both haplotypes
PHENOTYPES = {
    frozenset(function.split()[0].lower() for function in pair): phenotype.lower()
    for pair, phenotype in GENE.phenotypes.items()
}
INDETERMINATE = "indeterminate"


@dataclass(frozen=True)
class Diplotypes:
    """What the haplotypes of individuals say, two for each, in the order of the matrix.

    Attributes
    ----------
    allele, function : list of str, length 2 * n_individuals
    """

    allele: list[str]
    function: list[str]

    def __len__(self) -> int:
        return len(self.allele) // 2

    @property
    def names(self) -> list[str]:
        """Diplotypes such as *1/*2, the smaller number first."""
        pairs = zip(self.allele[0::2], self.allele[1::2], strict=True)
        return ["/".join(sorted(pair, key=_number)) for pair in pairs]

    @property
    def phenotype(self) -> list[str]:
        pairs = zip(self.function[0::2], self.function[1::2], strict=True)
        return [PHENOTYPES.get(frozenset(pair), INDETERMINATE) for pair in pairs]

    @property
    def features(self) -> np.ndarray:
        """Haplotypes without, with decreased and with increased function; shape (n, 3)."""
        return np.stack([self.count(f) for f in ("no", "decreased", "increased")], axis=1)

    def count(self, function: str) -> np.ndarray:
        """Haplotypes of this function of each individual, float64, shape (n_individuals,)."""
        of = np.array(self.function) == function
        return (of[0::2].astype(float) + of[1::2]).astype(float)


class PlantedDiplotypes(Diplotypes):
    """Copies of a variant that is planted as a loss of function; no gene, and no phenotype."""

    @property
    def names(self) -> list[str]:
        return [("no copy", "one copy", "two copies")[int(n)] for n in self.count("no")]

    @property
    def phenotype(self) -> list[str]:
        return self.names


def plant(carried: np.ndarray) -> PlantedDiplotypes:
    """Haplotypes that carry a variant, bool, shape (n_haplotypes,), as ones without function."""
    function = np.where(carried, "no", "normal").tolist()
    return PlantedDiplotypes(["planted" if own else REFERENCE for own in carried], function)


def _number(allele: str) -> int:
    return int(allele[1:]) if allele[1:].isdigit() else 1000


def call_diplotypes(carried: np.ndarray, known: Sequence[bool]) -> Diplotypes:
    """Star alleles of phased haplotypes.

    A haplotype has the allele whose defining variants it carries all; of several that of the worst
    function, then that of most variants. Variants in addition to this allele's are allowed if they
    define another one that it also carries (*4 with *17 is *4). Others, such as rs4244285 without
    rs12769205, make it `unmatched`, with the worst function that a variant of it has.

    Parameters
    ----------
    carried : ndarray of bool, shape (len(NAMES), n_haplotypes)
        Whether haplotypes have the variants of a build in `VARIANTS`.
    known : sequence of bool, length len(NAMES)
        The panel has the variant. Definitions go without those that it lacks.
    """
    definitions = {}
    for allele, variants in ALLELES.items():
        rows = frozenset(row for row in variants if known[row])
        if rows and rows not in definitions.values():
            definitions[allele] = rows
    cache: dict[bytes, tuple[str, str]] = {}
    called = []
    for column in np.ascontiguousarray(carried.T):
        key = column.tobytes()
        if key not in cache:
            cache[key] = _call(set(np.flatnonzero(column).tolist()), definitions)
        called.append(cache[key])
    return Diplotypes([allele for allele, _ in called], [function for _, function in called])


def _call(rows: set[int], definitions: dict[str, frozenset[int]]) -> tuple[str, str]:
    if not rows:
        return REFERENCE, FUNCTION[REFERENCE]

    def rank(allele: str) -> tuple[int, int]:
        return FUNCTIONS.index(FUNCTION[allele]), -len(definitions[allele])

    fitting = sorted((a for a, needed in definitions.items() if needed <= rows), key=rank)
    explained = set().union(*(definitions[allele] for allele in fitting))
    if fitting and explained >= rows:
        return fitting[0], FUNCTION[fitting[0]]
    touched = [allele for allele, needed in definitions.items() if needed & rows]
    functions = [FUNCTION[allele] for allele in touched]
    return UNMATCHED, min(functions, key=FUNCTIONS.index) if functions else "uncertain"


def total_variation(one: Sequence[str], other: Sequence[str]) -> float:
    """Half the sum of absolute differences of the frequencies of labels: 0 equal, 1 disjoint."""
    p, q = Counter(one), Counter(other)
    return sum(abs(p[k] / len(one) - q[k] / len(other)) for k in p.keys() | q.keys()) / 2
