"""Blocks of neighbouring sites as tokens: a vocabulary of the distinct training blocks of every
position.

A contig of `n_variants` sites is cut into blocks of `block_size` sites; the last one is filled up
with sites that exist nowhere. The tokens of a block are its distinct training rows, the most
frequent first, at most `vocabulary_size` of them. A row is a token seen through a mutation kernel:
each site differs from the token with a small chance of its own.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from genoloom.declared import MOST_COUNTED, DeclarationError, Declared
from genoloom.panel import HaplotypeSource

log = logging.getLogger(__name__)

READ_SITES = 4096  # variants fetched from the source at a time
# sites per block, longest first; share of rows that must be tokens; blocks looked at
LENGTHS, COVERED, TRIED = (32, 16, 8), 0.9, 64
SHORTEST = 4  # 16 tokens are then all there can be


def read_blocks(
    haplotypes: HaplotypeSource, block: int, start: int, stop: int, rows: np.ndarray | None = None
) -> np.ndarray:
    """Blocks [start, stop) of a source, int8, shape (n_rows, stop - start, block); filled up with
    -1 past the last variant.

    Parameters
    ----------
    haplotypes : HaplotypeSource
        (n_variants, n_haplotypes).
    block : int
        Sites a block.
    rows : ndarray of int, optional
        Haplotypes to take; all by default.
    """
    alleles = haplotypes.read(start * block, min(stop * block, haplotypes.n_variants))
    alleles = alleles.T if rows is None else alleles[:, rows].T  # (n_rows, n_sites)
    full = np.full((alleles.shape[0], (stop - start) * block), -1, dtype=np.int8)
    full[:, : alleles.shape[1]] = alleles
    return full.reshape(len(full), stop - start, block)


def iterate_blocks(
    haplotypes: HaplotypeSource, block: int, rows: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the blocks of a source in order, int8, shape (n_rows, block); parameters as in
    `read_blocks`.
    """
    n_blocks = -(-haplotypes.n_variants // block)
    at_once = max(1, READ_SITES // block)
    for start in range(0, n_blocks, at_once):
        yield from read_blocks(
            haplotypes, block, start, min(start + at_once, n_blocks), rows
        ).swapaxes(0, 1)


def choose_block(
    haplotypes: HaplotypeSource,
    *,
    vocabulary_size: int,
    carriers: int = 1,
    rows: np.ndarray,
    validation: np.ndarray,
    lengths: tuple = LENGTHS,
    shortest: int = SHORTEST,
) -> int:
    """Sites a block: the longest of `lengths` at which 90 % of the validation haplotypes are tokens
    of the others; else `shortest`.

    Linked sites have few distinct blocks, so long ones lose nothing; where sites are not linked,
    nearly every block of 32 is a new one, and a vocabulary would know next to nothing of it.

    Parameters
    ----------
    vocabulary_size, carriers, rows
        As of `BlockTokenizer.fit`.
    validation : ndarray of int
        Validation haplotypes; where there are none, `rows` themselves.
    lengths : tuple of int
        Sites, longest first.
    """
    validation = validation if len(validation) else rows
    for block in lengths:
        n_blocks = -(-haplotypes.n_variants // block)
        covered = []
        for k in np.unique(np.linspace(0, n_blocks - 1, min(TRIED, n_blocks)).astype(int)):
            alleles = read_blocks(haplotypes, block, k, k + 1)[:, 0]
            known, _, _ = _fit_block(alleles[rows], vocabulary_size, carriers)
            covered.append((_nearest(known, alleles[validation])[1] == 0).mean())
        log.info(
            "blocks of %d sites: %.1f %% of the validation haplotypes are tokens",
            block,
            100 * np.mean(covered),
        )
        if np.mean(covered) >= COVERED:
            return block
    return shortest


@dataclass(frozen=True)
class BlockTokenizer:
    """The tokens of every block.

    Attributes
    ----------
    n_variants : int
    alleles : ndarray, int8, shape (n_blocks, vocabulary_size, block)
        Alleles 0/1 of each token; rows past a block's last token are 0, and so are sites past the
        last variant.
    count : ndarray, int64, shape (n_blocks, vocabulary_size)
        Training rows that are this token or nearest to it; 0 where a block has no such token.
    error : ndarray, float32, shape (n_blocks, block)
        Share of the training rows that differ from their nearest token at the site: what a capped
        vocabulary leaves out.
    """

    n_variants: int
    alleles: np.ndarray
    count: np.ndarray
    error: np.ndarray

    @classmethod
    def fit(
        cls,
        haplotypes: HaplotypeSource,
        *,
        block: int,
        vocabulary_size: int,
        carriers: int = 1,
        rows: np.ndarray | None = None,
    ) -> "BlockTokenizer":
        """Collect the tokens of the training rows, reading the source once: blocks of at least
        `carriers` rows, or else the first.

        Rows with missing calls make no tokens (unless no row of the block is complete: then missing
        is taken as 0) and count for the token that is nearest at their called sites.
        """
        fitted = [
            _fit_block(alleles, vocabulary_size, carriers)
            for alleles in iterate_blocks(haplotypes, block, rows)
        ]
        vocabulary_size = max(len(count) for _, count, _ in fitted)
        table = np.zeros((len(fitted), vocabulary_size, block), dtype=np.int8)
        counts = np.zeros((len(fitted), vocabulary_size), dtype=np.int64)
        for k, (token_alleles, count, _) in enumerate(fitted):
            table[k, : len(count)], counts[k, : len(count)] = token_alleles, count
        return cls(
            haplotypes.n_variants, table, counts, np.stack([error for _, _, error in fitted])
        )

    @classmethod
    def declare(cls, arrays: Declared, n_variants: int, block: int) -> "BlockTokenizer":
        """Declare the arrays of a tokenizer; returns one of their shapes that takes no memory, to
        build networks on.
        """
        K = -(-n_variants // block)
        _, C, _ = arrays.expect("tokenizer.alleles", "int8", K, None, block, low=0, high=1)
        arrays.expect("tokenizer.count", "int64", K, C, low=0, high=MOST_COUNTED)
        arrays.expect("tokenizer.error", "float32", K, block, low=0, high=1)
        count = arrays["tokenizer.count"]
        if isinstance(count, np.ndarray) and (
            (count[:, 0] == 0).any() or ((count[:, :-1] == 0) & (count[:, 1:] > 0)).any()
        ):
            raise DeclarationError(
                "the array 'tokenizer.count' leaves gaps among the tokens of a block"
            )
        shapes = ((np.int8, (K, C, block)), (np.int64, (K, C)), (np.float32, (K, block)))
        return cls(
            n_variants,
            *(as_strided(np.zeros(1, dtype), shape, [0] * len(shape)) for dtype, shape in shapes),
        )

    def state(self) -> dict[str, np.ndarray]:
        """Arrays for the model file."""
        return {f"tokenizer.{name}": getattr(self, name) for name in ("alleles", "count", "error")}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], n_variants: int) -> "BlockTokenizer":
        names = ("alleles", "count", "error")
        return cls(n_variants, *(arrays[f"tokenizer.{name}"] for name in names))

    @property
    def frequency(self) -> np.ndarray:
        """Of the alternate allele of each site among the tokens of the training rows, float64
        (n_blocks, block).
        """
        share = self.count / self.count.sum(axis=1, keepdims=True)
        return np.einsum("kc,kcl->kl", share, self.alleles)

    @property
    def n_blocks(self) -> int:
        return self.alleles.shape[0]

    @property
    def vocabulary_size(self) -> int:
        """Width of the tables; a block may have fewer tokens."""
        return self.alleles.shape[1]

    @property
    def block(self) -> int:
        """Sites a block."""
        return self.alleles.shape[2]

    def sites(self, k: int) -> slice:
        """The variants of block `k`."""
        return slice(k * self.block, min((k + 1) * self.block, self.n_variants))

    def nearest(self, k: int, alleles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest token of each row in block `k`, and the number of called sites at which they
        differ.

        Parameters
        ----------
        k : int
        alleles : ndarray, int8, shape (n_rows, block)
            0/1, or -1 for missing, which differs from nothing.

        Returns
        -------
        token, distance : ndarray, int64, shape (n_rows,)
            Among equally near tokens, the most frequent.
        """
        n = int((self.count[k] > 0).sum())
        return _nearest(self.alleles[k, :n], alleles)

    def encode(self, haplotypes: HaplotypeSource, rows: np.ndarray | None = None) -> np.ndarray:
        """Nearest tokens of whole haplotypes, int64, shape (n_rows, n_blocks)."""
        blocks = iterate_blocks(haplotypes, self.block, rows)
        return np.stack([self.nearest(k, alleles)[0] for k, alleles in enumerate(blocks)], axis=1)

    def decode(
        self,
        k: int,
        token: np.ndarray,
        error: np.ndarray | None = None,
        uniforms: np.ndarray | None = None,
    ) -> np.ndarray:
        """Alleles of the tokens of block `k`, seen through a mutation kernel when `error` is given.

        Parameters
        ----------
        k : int
        token : ndarray of int, shape (n_rows,)
        error : ndarray, float, shape (block,), optional
            Chance of a mutation at each site.
        uniforms : ndarray, float, shape (n_rows, n_sites), optional
            In [0, 1); a site mutates where its number is below its error. Needed with `error`.

        Returns
        -------
        ndarray, int8, shape (n_sites, n_rows)
            Without the sites that fill up the last block.
        """
        alleles = self.alleles[k, token][:, : self.sites(k).stop - self.sites(k).start]
        if error is not None:
            alleles = alleles ^ (uniforms < error[: alleles.shape[1]])
        return np.ascontiguousarray(alleles.T, dtype=np.int8)


def _nearest(tokens: np.ndarray, alleles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    called = (alleles >= 0).astype(np.float32)
    ones = (alleles == 1).astype(np.float32)
    zeros = called - ones
    # a row's 1 against a token's 0, and the reverse; exact in float32, as counts are small
    # (n_rows, vocabulary_size)
    distance = ones @ (1 - tokens.T.astype(np.float32)) + zeros @ tokens.T.astype(np.float32)
    token = distance.argmin(axis=1)
    return token, distance[np.arange(len(token)), token].astype(np.int64)


def _fit_block(
    alleles: np.ndarray, vocabulary_size: int, carriers: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens (n, block), their counts (n,) and the error of each site (block,) of one block of
    training rows.
    """
    # False for the sites that fill up the last block, and where all calls are missing
    exists = (alleles >= 0).any(axis=0)
    complete = alleles[(alleles[:, exists] >= 0).all(axis=1)]
    source = np.maximum(complete if len(complete) else alleles, 0)
    distinct, count = np.unique(np.packbits(source, axis=1), axis=0, return_counts=True)
    kept = np.argsort(-count, kind="stable")[
        : max(1, min(vocabulary_size, int((count >= carriers).sum())))
    ]
    token_alleles = np.unpackbits(distinct[kept], axis=1, count=alleles.shape[1]).astype(np.int8)
    nearest, _ = _nearest(token_alleles, alleles)
    differs = (alleles >= 0) & (alleles != token_alleles[nearest])
    error = differs.sum(axis=0) / np.maximum((alleles >= 0).sum(axis=0), 1)
    assigned = np.bincount(nearest, minlength=len(token_alleles))
    return token_alleles, assigned, error.astype(np.float32)
