"""Which sites several files share: matched by position and alleles, with everything unmatched
counted.

A site of another file is the reference's when it has the same position and the same two alleles. In
swapped order they count as the same for substitutions, and for files that do not say which allele
is the reference (PLINK 1); an insertion and a deletion at one position are not the same variant.
The strand is never guessed: alleles that would fit on the other strand are unmatched, and counted.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from genoloom.panel import Sites

ABSENT = ("0", ".")  # the allele that nobody carries, in files that only know alleles that they saw
_COMPLEMENT = str.maketrans("ACGTacgt", "TGCATGCA")


@dataclass(frozen=True)
class SiteMatch:
    """Where the sites of a reference list are in another list.

    Attributes
    ----------
    index : ndarray, int64, shape (n_reference,)
        Index in the other list; -1 where it has no such site.
    swapped : ndarray, bool, shape (n_reference,)
        Its REF is the reference's ALT.
    counts : Counter
        Of the other list's sites: matched, swapped, duplicate, other alleles (of these other
        strand), other position.
    """

    index: np.ndarray
    swapped: np.ndarray
    counts: Counter


def match_to(reference: Sites, other: Sites, alleles_unordered: bool = False) -> SiteMatch:
    """Find the sites of `reference` among the sites of `other`, which is of the same contig.

    Parameters
    ----------
    alleles_unordered : bool
        The other file does not say which allele is the reference.
    """
    at: dict[int, list[int]] = defaultdict(list)
    for i, position in enumerate(reference.position.tolist()):
        at[position].append(i)
    alleles = [(r.upper(), a.upper()) for r, a in zip(reference.ref, reference.alt, strict=True)]
    index = np.full(len(reference), -1, dtype=np.int64)
    swapped = np.zeros(len(reference), dtype=bool)
    counts: Counter = Counter()
    for j, position in enumerate(other.position.tolist()):
        here = at.get(position)
        if here is None:
            counts["other position"] += 1
            continue
        ref, alt = other.ref[j].upper(), other.alt[j].upper()
        if alt in ABSENT:
            fitting = [i for i in here if ref in alleles[i]]
            found, swap = (
                (fitting[0], ref == alleles[fitting[0]][1]) if len(fitting) == 1 else (None, False)
            )
        else:
            found, swap = next((i for i in here if alleles[i] == (ref, alt)), None), False
            if found is None and (alleles_unordered or len(ref) == len(alt)):
                found, swap = next((i for i in here if alleles[i] == (alt, ref)), None), True
        if found is None:
            counts["other alleles"] += 1
            other_strand = {ref.translate(_COMPLEMENT), alt.translate(_COMPLEMENT)}
            counts["other strand"] += any(set(alleles[i]) == other_strand for i in here)
        elif index[found] >= 0:
            counts["duplicate"] += 1
        else:
            index[found], swapped[found] = j, swap
            counts["matched"] += 1
            counts["swapped"] += swap
    return SiteMatch(index, swapped, counts)
