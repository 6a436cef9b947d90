"""Star alleles, diplotypes and metaboliser phenotypes of CYP2C19, from phased haplotypes.

Defining variants and functions come from the tables of pypgx 0.27.0 (Lee et al. 2022,
doi:10.1371/journal.pone.0272129; MIT licence), which follow PharmVar and CPIC. Left out are
structural alleles (*36, *37), which need copy numbers, *39, whose function is not known, and
rs3758581, which distinguishes *38 from *1: both are of normal function and count as *1 here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GENE, CONTIG = "CYP2C19", "10"
REFERENCE = "*1"
UNMATCHED = "unmatched"  # variants that no allele has together
# Worst for the enzyme first: it decides where a haplotype fits several alleles.
FUNCTIONS = ("no", "decreased", "increased", "uncertain", "normal")


@dataclass(frozen=True)
class Variant:
    """A defining variant: rs-number, positions (1-based) in both builds, alleles."""

    name: str
    grch37: int
    grch38: int
    ref: str
    alt: str


VARIANTS = tuple(
    Variant(name, int(old), int(new), ref, alt)
    for name, old, new, ref, alt in (
        line.split()
        for line in """\
rs12248560 96521657 94761900 C T
rs28399504 96522463 94762706 A G
rs367543002 96522469 94762712 C T
rs367543003 96522472 94762715 T C
rs55752064 96522512 94762755 T C
rs17882687 96522517 94762760 A C
rs1564656981 96522545 94762788 A T
rs1564657013 96522613 94762856 A G
rs145328984 96534863 94775106 C T
rs1564660997 96534878 94775121 C T
rs118203756 96534917 94775160 G C
rs1288601658 96534942 94775185 A G
rs12769205 96535124 94775367 A G
rs41291556 96535173 94775416 T C
rs72552267 96535210 94775453 G A
rs17884712 96535246 94775489 G A
rs58973490 96535264 94775507 G A
rs140278421 96540331 94780574 G C
rs370803989 96540336 94780579 G A
rs4986893 96540410 94780653 G A
rs6413438 96541615 94781858 C T
rs4244285 96541616 94781859 G A
rs375781227 96541701 94781944 G A
rs72558186 96541756 94781999 T A
rs138142612 96602618 94842861 G A
rs118203757 96602636 94842879 G A
rs113934938 96602752 94842995 G A
rs17879685 96609752 94849995 C T
rs56337013 96612495 94852738 C T
rs192154563 96612522 94852765 C T
rs118203759 96612542 94852785 C G
rs55640102 96612671 94852914 A C
""".splitlines()
    )
)
NAMES = [variant.name for variant in VARIANTS]

# allele: function, defining variants
ALLELES = {
    allele: (function, tuple(variants))
    for allele, function, *variants in (
        line.split()
        for line in """\
*2 no rs12769205 rs4244285
*3 no rs4986893
*4 no rs28399504
*5 no rs56337013
*6 no rs72552267
*7 no rs72558186
*8 no rs41291556
*9 decreased rs17884712
*10 decreased rs6413438
*11 normal rs58973490
*12 uncertain rs55640102
*13 normal rs17879685
*14 uncertain rs55752064
*15 normal rs17882687
*16 decreased rs192154563
*17 increased rs12248560
*18 normal rs138142612
*19 decreased rs1564657013
*22 no rs140278421
*23 uncertain rs118203756
*24 no rs118203757
*25 decreased rs118203759
*26 decreased rs375781227
*28 normal rs17882687 rs113934938
*29 uncertain rs1564656981
*30 uncertain rs145328984
*31 uncertain rs1564660997
*32 uncertain rs1288601658
*33 uncertain rs370803989
*34 uncertain rs367543002 rs367543003
*35 no rs12769205
""".splitlines()
    )
}
FUNCTION = {REFERENCE: "normal"} | {allele: function for allele, (function, _) in ALLELES.items()}

# CPIC's terms, by the functions of both haplotypes; with an uncertain one: indeterminate
PHENOTYPES = {
    frozenset(("no",)): "poor metabolizer",
    frozenset(("no", "decreased")): "likely poor metabolizer",
    frozenset(("no", "normal")): "intermediate metabolizer",
    frozenset(("no", "increased")): "intermediate metabolizer",
    frozenset(("decreased",)): "likely intermediate metabolizer",
    frozenset(("decreased", "normal")): "likely intermediate metabolizer",
    frozenset(("decreased", "increased")): "likely intermediate metabolizer",
    frozenset(("normal",)): "normal metabolizer",
    frozenset(("normal", "increased")): "rapid metabolizer",
    frozenset(("increased",)): "ultrarapid metabolizer",
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
    carried : ndarray of bool, shape (len(VARIANTS), n_haplotypes)
    known : sequence of bool, length len(VARIANTS)
        The panel has the variant. Definitions go without those that it lacks.
    """
    at = {name: i for i, name in enumerate(NAMES)}
    definitions = {}
    for allele, (_, variants) in ALLELES.items():
        rows = frozenset(at[name] for name in variants if known[at[name]])
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
