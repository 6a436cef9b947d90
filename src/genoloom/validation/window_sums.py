"""Windows of long contigs: what one collector has summed in each is added to another.

What a class sums is listed in its `SUMS`, by the names of attributes: numbers and arrays, which are
added, lists of arrays, which are joined, other such objects, and dicts and lists of all these. Of
those in `LARGEST` the larger is kept. Linkage, runs and copying end at the ends of a window, as at
those of a contig.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from genoloom.validation.accumulators import Collector


@dataclass(frozen=True)
class Window:
    """Sites [start, stop) of a contig, and how many all windows before it have.

    Attributes
    ----------
    contig : int
        Number of the contig, from 0 on.
    """

    contig: int
    start: int
    stop: int
    before: int

    @property
    def rows(self) -> np.ndarray:
        """Numbers of its sites within the contig, int64 (n,)."""
        return np.arange(self.start, self.stop)


def windows_of(sizes: list[int], windows: list[int]) -> list[Window]:
    """So many even windows of each contig, which has so many sites."""
    found, before = [], 0
    for contig, (n, parts) in enumerate(zip(sizes, windows, strict=True)):
        ends = [n * k // parts for k in range(parts + 1)]
        for start, stop in pairwise(ends):
            found.append(Window(contig, start, stop, before + start))
        before += n
    return found


def sums_of(collected: Collector) -> dict[str, np.ndarray]:
    """All that was summed, by name."""
    return {name: np.asarray(holder[key]) for name, holder, key, _ in _sums(collected)}


def add_sums(collected: Collector, sums: Mapping[str, np.ndarray]) -> None:
    """Add what another collector of the same individuals, options and seed has summed."""
    for name, holder, key, largest in [*_sums(collected, fresh=sums)]:
        more = sums[name]
        if holder[key] is None:
            holder[key] = more
        elif largest:
            holder[key] = np.maximum(holder[key], more)
        else:
            holder[key] = holder[key] + (more if more.ndim else more.item())


def _sums(
    thing: Any, fresh: Mapping[str, np.ndarray] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Any, Any, bool]]:
    """Names of all sums, what holds each and under which key, and whether the larger one is kept.

    With `fresh`, lists of arrays are made longer by as many empty places as it has arrays of them,
    which alone are named.
    """
    largest = getattr(thing, "LARGEST", ())
    for key in (*thing.SUMS, *largest):
        yield from _leaves(vars(thing), key, f"{prefix}{key}", key in largest, fresh)


def _leaves(
    holder: Any, key: Any, name: str, largest: bool, fresh: Mapping[str, np.ndarray] | None
) -> Iterator[tuple[str, Any, Any, bool]]:
    value = holder[key]
    if hasattr(value, "SUMS"):
        yield from _sums(value, fresh, f"{name}.")
    elif isinstance(value, dict):
        for k in value:
            yield from _leaves(value, k, f"{name}.{k}", largest, fresh)
    elif isinstance(value, list) and value and hasattr(value[0], "SUMS"):
        for i in range(len(value)):
            yield from _leaves(value, i, f"{name}.{i}", largest, fresh)
    elif isinstance(value, list):
        first = 0 if fresh is None else len(value)
        while fresh is not None and f"{name}.{len(value) - first}" in fresh:
            value.append(None)
        for i in range(first, len(value)):
            yield f"{name}.{i - first}", value, i, largest
    else:
        yield name, holder, key, largest
