"""Where the two haplotypes of an individual were joined wrongly: the gain in likelihood when their
tails are exchanged.

At the boundary before block k the blocks [k, k + REACH) of one haplotype are scored after the past
of the other, and the reverse, and compared with the two as they are. All four see the same number
of blocks of the past, at most PAST.
"""

from collections.abc import Iterator

import numpy as np
import torch

from genoloom.models.haplotype.blocks import BlockTokenizer, read_blocks
from genoloom.models.haplotype.transformer_network import HaplotypeTransformer, score_window
from genoloom.panel import HaplotypeSource
from genoloom.training_config import TransformerOptions

PAST, REACH = 12, 4  # blocks
READ_BLOCKS = 128  # fetched from the source at a time


@torch.no_grad()
def switch_log_odds(
    model: HaplotypeTransformer,
    tokenizer: BlockTokenizer,
    options: TransformerOptions,
    haplotypes: HaplotypeSource,
    population: np.ndarray,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (k, log odds of a switch before block k) for k = 1, 2, ...; float64, shape
    (n_individuals,).

    Parameters
    ----------
    haplotypes : HaplotypeSource
        Columns 2 i and 2 i + 1 are one individual.
    population : ndarray, int64, shape (n_haplotypes,)
        Labels of the network.
    """
    reach = max(1, min(REACH, options.context // 2))
    past = min(PAST, options.context - reach)
    for low in range(1, tokenizer.n_blocks, READ_BLOCKS):
        high = min(low + READ_BLOCKS, tokenizer.n_blocks)
        origin = max(0, low - past)
        alleles = read_blocks(
            haplotypes, options.block_size, origin, min(high - 1 + reach, tokenizer.n_blocks)
        )
        for k in range(low, high):
            start, stop = max(0, k - past), min(k + reach, tokenizer.n_blocks)
            near = alleles[:, start - origin : stop - origin]
            yield k, _log_odds(model, near, population, (start, k, stop))


def _log_odds(
    model, near: np.ndarray, population: np.ndarray, span: tuple[int, int, int]
) -> np.ndarray:
    """Gain of the exchange for each individual; 0 where either side holds no difference between the
    two haplotypes.
    """
    start, k, _ = span
    first, second = near[0::2], near[1::2]  # (n_individuals, T, L) each
    differs = (first != second).any(axis=2)
    informative = np.flatnonzero(
        differs[:, : k - start].any(axis=1) & differs[:, k - start :].any(axis=1)
    )
    gain = np.zeros(len(first))
    if len(informative):
        a, b, labels = first[informative], second[informative], population[0::2][informative]
        heads = (a[:, : k - start], b[:, : k - start])
        tails = (a[:, k - start :], b[:, k - start :])
        rows = np.concatenate(
            [
                np.concatenate([heads[i], tails[j]], axis=1)
                for i, j in ((0, 1), (1, 0), (0, 0), (1, 1))
            ]
        )
        scores = score_window(model, rows, np.tile(labels, 4), span).sum(axis=1).reshape(4, -1)
        gain[informative] = scores[0] + scores[1] - scores[2] - scores[3]
    return gain
