"""Tracts along a contig: where each haplotype has which ancestry, and where an individual's two
haplotypes are one.

Both are drawn as a process along the genetic map that begins anew at Poisson events: at each event
the state is drawn again, whatever it was.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tracts:
    """A label for each row (a haplotype or an individual) at each variant.

    Attributes
    ----------
    first : list of ndarray, int64
        For each row the variants at which its tracts begin, rising, the first of them 0.
    label : list of ndarray, int64
        Label of each tract.
    """

    first: list[np.ndarray]
    label: list[np.ndarray]

    @classmethod
    def constant(cls, labels: np.ndarray) -> "Tracts":
        """One tract a row."""
        return cls(
            [np.zeros(1, dtype=np.int64)] * len(labels),
            [np.array([label]) for label in labels.tolist()],
        )

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows) -> "Tracts":
        """The tracts of the rows at these integers."""
        return Tracts([self.first[i] for i in rows], [self.label[i] for i in rows])

    def at(self, start: int, stop: int) -> np.ndarray:
        """Labels at the variants [start, stop), int64, shape (stop - start, n_rows)."""
        sites = np.arange(start, stop)
        columns = [
            label[np.searchsorted(first, sites, side="right") - 1]
            for first, label in zip(self.first, self.label, strict=True)
        ]
        return np.stack(columns, axis=1) if columns else np.empty((stop - start, 0), dtype=np.int64)

    def moved_to(self, start: np.ndarray) -> "Tracts":
        """The tracts with each border moved from its variant to the variant `start` of it, int64,
        shape (n_variants,).
        """
        first, label = [], []
        for begins, names in zip(self.first, self.label, strict=True):
            moved = start[begins]
            last_of_its_place = np.append(np.diff(moved) > 0, True)
            merged = _merge(moved[last_of_its_place], names[last_of_its_place])
            first.append(merged[0])
            label.append(merged[1])
        return Tracts(first, label)

    def through(self, source: "Tracts") -> "Tracts":
        """Tracts of what the rows of `source` have, where the labels of these are such rows."""
        first, label = [], []
        for begins, rows in zip(self.first, self.label, strict=True):
            places, names = [], []
            for start, stop, row in zip(begins, [*begins[1:], np.inf], rows, strict=True):
                given = source.first[row]
                inside = slice(
                    np.searchsorted(given, start, side="right") - 1, np.searchsorted(given, stop)
                )
                places.append(np.maximum(given[inside], start))
                names.append(source.label[row][inside])
            merged = _merge(np.concatenate(places), np.concatenate(names))
            first.append(merged[0])
            label.append(merged[1])
        return Tracts(first, label)

    def second_copies_first(self, copied: "Tracts") -> "Tracts":
        """Tracts of two rows per individual, the second row's being the first row's where `copied`
        (one row per individual) is 1.
        """
        first, label = list(self.first), list(self.label)
        for i in range(len(copied)):
            edges = np.unique(np.concatenate([first[2 * i], first[2 * i + 1], copied.first[i]]))
            same, one, two = (
                values[np.searchsorted(starts, edges, side="right") - 1]
                for starts, values in (
                    (copied.first[i], copied.label[i]),
                    (first[2 * i], label[2 * i]),
                    (first[2 * i + 1], label[2 * i + 1]),
                )
            )
            first[2 * i + 1], label[2 * i + 1] = _merge(edges, np.where(same == 1, one, two))
        return Tracts(first, label)


def draw_tracts(
    seed: int, map_cm: np.ndarray, shares: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """First variants and labels of the tracts of one row.

    Events come at `rate` a Morgan, and at each the label is drawn by `shares`, so that a label's
    share of the genome is its share, and its tracts are exponential with mean 1 / (rate (1 -
    share)) Morgans (a pulse of admixture `rate` generations ago: Gravel 2012,
    doi:10.1534/genetics.112.139808; for two states, autozygosity: Leutenegger et al. 2003,
    doi:10.1086/378207).

    Parameters
    ----------
    map_cm : ndarray, float64, shape (n_variants,)
        Rising genetic positions, in centimorgans.
    shares : ndarray, float64, shape (n_labels,)
        Sums to one.
    rate : float
    """
    rng = np.random.default_rng(seed)
    low, high = map_cm[0], map_cm[-1]
    events = np.sort(rng.uniform(low, high, rng.poisson(rate * (high - low) / 100)))
    labels = rng.choice(len(shares), size=len(events) + 1, p=shares)
    first = np.concatenate([[0], np.searchsorted(map_cm, events)])
    # of events between the same two variants only the last is seen
    last_of_its_place = np.append(np.diff(first) > 0, True)
    return _merge(first[last_of_its_place], labels[last_of_its_place])


def _merge(first: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring tracts of one label joined."""
    kept = np.append(True, label[1:] != label[:-1])
    return first[kept], label[kept]
