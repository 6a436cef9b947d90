"""Sites that one haplotype cannot carry together: two of one place, or one in its own deletion.

Two records exclude each other when they are at one position, or when the REF of the first reaches
to the position of the second. The one exception is that of `bcftools consensus`: an insertion or
deletion that begins with its reference base may be on the last base of a REF before it. What
excludes nothing here is applied whole by `bcftools consensus`.

Real haplotypes may break the rule (a SNP and an insertion that are called at one position); `count`
says how often.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from genoloom.seeds import paired_uniforms

CLOCKS = 2**50  # first counter of the random numbers that decide who stays
PAIRS = 4096  # looked at together


class Overlaps:
    """Pairs of sites of a contig that exclude each other; mends the haplotypes that have both.

    Parameters
    ----------
    position : ndarray of int, shape (n_variants,)
        1-based, rising; records at one position in the order of the file.
    ref, alt : sequence of str
    frequency : ndarray of float, shape (n_variants,), optional
        Of the alternate alleles, to decide which of two gives way; without it chance decides
        evenly.

    Attributes
    ----------
    pairs : ndarray, int64, shape (n_pairs, 2)
        First and second site of each pair, sorted.
    start : ndarray, int64, shape (n_variants,)
        First site of the group of each site: no pair lies in two groups.
    taken_out : int
        Alternates that `resolve` has taken out so far.
    """

    def __init__(self, position: np.ndarray, ref, alt, frequency: np.ndarray | None = None):
        self.pairs = excluding_pairs(position, ref, alt)
        self.start = groups(self.pairs, len(position))
        given = np.ones(len(position)) if frequency is None else frequency
        self.frequency = np.asarray(given, dtype=np.float64)
        self.taken_out = 0

    def resolve(self, blocks: Iterable[np.ndarray], seed: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the blocks without the alternates that are too many where sites exclude each other.

        Of the alternates of a haplotype that exclude each other the first by an exponential clock
        stays, those that it excludes become the reference, and so on. The rate of a clock is the
        sum of the frequencies of the alternates in its way, so that of two the one with frequency f
        gives way with chance f / (f + g): both frequencies fall by the same share, the least that
        the worse off of them can lose. What happens to a haplotype follows from it and its seed
        alone. Blocks may come out with other borders, as those that a group of sites crosses are
        joined.

        Parameters
        ----------
        blocks : iterable of ndarray, int8, shape (n, n_haplotypes)
            Consecutive, from the first site on, in 0/1.
        seed : ndarray, uint64, shape (n_haplotypes,)
        """
        done, waiting = 0, []
        for block in blocks:
            waiting.append(block)
            stop = done + sum(map(len, waiting))
            if stop < len(self.start) and self.start[stop] != stop:
                continue  # the next site belongs to a group that began in here
            alleles = np.concatenate(waiting) if len(waiting) > 1 else block
            yield self.mended(alleles, seed, done)
            done, waiting = stop, []

    def mended(
        self, alleles: np.ndarray, seed: np.ndarray, first: int = 0,
        fixed: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        """A copy of whole groups of sites from `first` on, mended as in `resolve`.

        Parameters
        ----------
        fixed : ndarray of bool, shape of `alleles`, optional
            What was observed: stays whatever the clock says.
        """
        site, other, column = self.carried(
            alleles, first
        )  # one entry per pair that a haplotype has
        if len(site) == 0:
            return alleles
        alleles = alleles.copy()
        n = alleles.shape[1]
        ends, place = np.unique(np.stack([site, other]) * n + column, return_inverse=True)
        one, two = place.reshape(2, -1)
        in_the_way = np.bincount(one, self.frequency[first + other], len(ends))
        in_the_way += np.bincount(two, self.frequency[first + site], len(ends))
        uniform = paired_uniforms(seed[ends % n], CLOCKS + first + ends // n)
        clock = -np.log1p(-uniform) / np.maximum(in_the_way, 1e-9)
        if fixed is not None:
            clock[fixed[ends // n, ends % n]] = -1.0
            both = (clock[one] < 0) & (clock[two] < 0)
            one, two = one[~both], two[~both]
        winner, loser = np.where(clock[one] <= clock[two], [one, two], [two, one])
        gone = np.zeros(len(ends), dtype=bool)
        while len(winner):
            waits = np.zeros(len(ends), dtype=bool)
            waits[loser] = True
            gone[loser[~waits[winner]]] = True
            open_pairs = ~gone[winner] & ~gone[loser]
            winner, loser = winner[open_pairs], loser[open_pairs]
        alleles[ends[gone] // n, ends[gone] % n] = 0
        self.taken_out += int(gone.sum())
        return alleles

    def spans(self, size: int = 4096) -> Iterator[tuple[int, int]]:
        """Ranges of whole groups, of `size` sites or a few more; those without a pair are left
        out.
        """
        start = 0
        while start < len(self.start):
            stop = min(start + size, len(self.start))
            while stop < len(self.start) and self.start[stop] != stop:
                stop += 1
            low, high = np.searchsorted(self.pairs[:, 0], [start, stop])
            if low < high:
                yield start, stop
            start = stop

    def carried(self, alleles: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Site, other site (both from `first` on) and haplotype of each pair that is carried,
        int64.
        """
        low, high = np.searchsorted(self.pairs[:, 0], [first, first + len(alleles)])
        found = [np.empty((3, 0), dtype=np.int64)]
        for at in range(low, high, PAIRS):
            i, j = (self.pairs[at : min(at + PAIRS, high)] - first).T
            pair, column = np.nonzero((alleles[i] == 1) & (alleles[j] == 1))
            found.append(np.stack([i[pair], j[pair], column]))
        return tuple(np.concatenate(found, axis=1))

    def count(self, alleles: np.ndarray, first: int = 0) -> np.ndarray:
        """Excluded pairs on each haplotype, in whole groups from `first` on; int64
        (n_haplotypes,).
        """
        return np.bincount(self.carried(alleles, first)[2], minlength=alleles.shape[1])


def excluding_pairs(position: np.ndarray, ref, alt) -> np.ndarray:
    """Pairs of sites that exclude each other, int64 (n_pairs, 2), sorted; see the module's text."""
    position = np.asarray(position, dtype=np.int64)
    if len(position) == 0:
        return np.empty((0, 2), dtype=np.int64)
    end = position + np.array([len(text) for text in ref]) - 1
    both = list(zip(ref, alt, strict=True))
    longer = np.array([len(a) > len(r) for r, a in both])
    anchored = np.array([r != a and (a.startswith(r) or r.startswith(a)) for r, a in both])
    passed = np.arange(1, len(position) + 1)
    n = np.searchsorted(position, end, side="right") - passed  # later sites that the REF reaches
    first = np.repeat(np.arange(len(position)), n)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(n) - n, n)
    touching = (position[second] == end[first]) & (position[second] > position[first])
    kept = ~(touching & anchored[second] & ~longer[first])
    return np.stack([first[kept], second[kept]], axis=1)


class CarriedTogether:
    """Finds, among sites that arrive in order, those that real haplotypes carry together with an
    earlier one they exclude.

    Such records are two descriptions of one place that do not fit together; a rare coincidence may
    be an error of a call, and is let through.
    """

    MOST = 0.01  # of the carriers of the rarer of the two

    def __init__(self):
        self._reaching: list[tuple[int, str, str, np.ndarray]] = []

    def refuse(self, position: int, ref: str, alt: str, alleles: np.ndarray) -> bool:
        """Whether the site is one of them; the others are remembered as long as their REF reaches
        on.

        `alleles` is int8, shape (n_haplotypes,).
        """
        self._reaching = [s for s in self._reaching if s[0] + len(s[1]) > position]
        for other, its_ref, its_alt, its_alleles in self._reaching:
            if len(excluding_pairs([other, position], [its_ref, ref], [its_alt, alt])) == 0:
                continue
            carriers, its_carriers = alleles == 1, its_alleles == 1
            together = int((carriers & its_carriers).sum())
            if together > self.MOST * min(int(carriers.sum()), int(its_carriers.sum())):
                return True
        self._reaching.append((position, ref, alt, alleles))
        return False


def groups(pairs: np.ndarray, n_variants: int) -> np.ndarray:
    """First site of the group of each site, int64 (n_variants,); no pair lies in two groups."""
    reach = np.arange(n_variants)
    np.maximum.at(reach, pairs[:, 0], pairs[:, 1])
    begins = np.arange(n_variants) > np.append(-1, np.maximum.accumulate(reach)[:-1])
    return np.maximum.accumulate(np.where(begins, np.arange(n_variants), 0))
