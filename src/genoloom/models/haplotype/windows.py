"""Where a contig is cut into windows that are trained apart from each other."""

from dataclasses import dataclass

import numpy as np

from genoloom.training_config import TransformerOptions

LONGEST_BLOCK = 32  # that is chosen where the options name none
SHIFT = 1 / 8  # of a window: how far a border may move to where recombination is frequent
AROUND = 16  # sites whose distance on the map says how frequent it is


@dataclass(frozen=True)
class Window:
    """Variants [start, stop) of a contig are modelled, [first, stop) drawn and scored; 0-based."""

    start: int
    first: int
    stop: int

    @property
    def overlap(self) -> int:
        return self.first - self.start


def cut(map_cm: np.ndarray, options: TransformerOptions) -> list[Window]:
    """The windows of a contig.

    Parameters
    ----------
    map_cm : ndarray, float64, shape (n_variants,)
    options : TransformerOptions
        `window` says about how many variants are in one, None makes one of all; `overlap`, how many
        it has in common with the one before it, at least, in whole blocks.
    """
    n, size = len(map_cm), options.window
    block = options.block_size or LONGEST_BLOCK
    asked = options.context // 2 * block if options.overlap is None else options.overlap
    overlap = -(-asked // block) * block
    number = 1 if size is None else max(1, round(n / size))
    width = np.minimum(np.arange(n) + AROUND // 2, n - 1)
    spread = np.round(map_cm[width] - map_cm[np.maximum(np.arange(n) - AROUND // 2, 0)], 9)
    borders = [0]
    for k in range(1, number):
        middle, reach = n * k // number, int(SHIFT * n / number)
        near = np.arange(middle - reach, middle + reach + 1)
        best = np.flatnonzero(spread[near] == spread[near].max())
        borders.append(int(near[best[np.abs(best - reach).argmin()]]))
    return [
        Window(first - min(overlap, first // block * block), first, stop)
        for first, stop in zip(borders, [*borders[1:], n], strict=True)
    ]
