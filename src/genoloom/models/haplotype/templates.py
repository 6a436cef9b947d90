"""Haplotypes that others are copied from: their distinct blocks, block by block."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from genoloom.errors import InputError
from genoloom.models.haplotype.copying_matches import TableArrays, tabulate
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.panel import HaplotypeSource

LONGEST_BLOCK = 32  # sites: a block is 32 bits
MOST_TEMPLATES = 60_000  # distinct blocks are numbered by 16 bits
READ_BLOCKS = 64  # unpacked at a time
REMEMBERED = 16  # tables: rows that go along together need the same ones
# of the weight after a switch that goes to the own population next to its part of the rest
SPARE = 0.2  # templates added to those that differ from their nearest token at a site
OWN_SHARE = 0.5


@dataclass(frozen=True)
class BlockTable:
    """The templates at one block.

    Attributes
    ----------
    ids : ndarray, uint32, shape (U,)
        Alleles of the distinct blocks, the first site in the lowest bit; the tokens first, the most
        frequent before.
    index : ndarray, uint16, shape (N,)
        Which of them each template has.
    n_tokens : int
        How many of them are tokens of the vocabulary.
    strays : ndarray, uint32, shape (U,)
        Sites at which a block that is no token differs from its nearest token; 0 for tokens.
    differs : ndarray, int64, shape (L,)
        Templates that differ there.
    ranked, cumulative, before, came, groups, about : ndarray
        As of `genoloom.models.haplotype.copying_matches.TableArrays`.
    """

    ids: np.ndarray
    index: np.ndarray
    n_tokens: int
    strays: np.ndarray
    differs: np.ndarray
    ranked: np.ndarray
    cumulative: np.ndarray
    before: np.ndarray
    came: np.ndarray
    groups: np.ndarray
    about: np.ndarray

    def alleles(self, length: int) -> np.ndarray:
        """Of the tokens, int8, shape (n_tokens, length)."""
        return unpack_bits(self.ids[: self.n_tokens], length)


@dataclass(frozen=True)
class TemplatePanel:
    """Templates in the order of their populations, both haplotypes of an individual side by side.

    Attributes
    ----------
    haplotypes : PackedHaplotypes
        Without missing calls.
    population : ndarray, int64, shape (N,), rising
    n_populations : int
    block : int
        Sites a block.
    vocabulary_size : int
        Most tokens of a block.
    carriers : int
        Templates that must share a block for it to be a token.
    match_carriers : int
        Templates that must match a row, and carry a token, to be counted.
    stands_for : tuple of int
        Of populations that no template belongs to, the last ones: which one each is drawn as.
    """

    haplotypes: PackedHaplotypes
    population: np.ndarray
    n_populations: int
    block: int
    vocabulary_size: int
    carriers: int
    match_carriers: int = 1
    stands_for: tuple[int, ...] = ()

    @classmethod
    def collect(
        cls,
        source: HaplotypeSource,
        population: np.ndarray,
        n_populations: int,
        *,
        block: int,
        vocabulary_size: int,
        carriers: int,
        match_carriers: int = 1,
    ) -> tuple["TemplatePanel", np.ndarray]:
        """Take all haplotypes of `source`, missing calls as the more frequent allele; also returns
        their columns in its order.
        """
        if len(population) > MOST_TEMPLATES:
            raise InputError(
                "templates", f"{len(population)} haplotypes", expected=f"at most {MOST_TEMPLATES}",
                remedy="train on fewer individuals, or give a smaller public panel",
            )  # fmt: skip
        order = np.argsort(population, kind="stable")
        panel = cls(
            PackedHaplotypes.pack(source, fill=True), population, n_populations, block,
            vocabulary_size, carriers, match_carriers,
        )  # fmt: skip
        return panel.reordered(order), order

    def reordered(self, order: np.ndarray) -> "TemplatePanel":
        """The same templates in another order, that of their populations as well."""
        packed = self.haplotypes
        ones = np.ascontiguousarray(packed.ones[:, order])
        return replace(
            self,
            haplotypes=PackedHaplotypes(packed.n_variants, ones, packed.called),
            population=self.population[order],
        )

    @property
    def n_templates(self) -> int:
        return len(self.population)

    @property
    def n_blocks(self) -> int:
        return -(-self.haplotypes.n_variants // self.block)

    @cached_property
    def parts(self) -> np.ndarray:
        """Parts of a block on which tokens are compared, uint32, shape (7,): its first quarters,
        and all but each quarter.

        Who switches within a block has the first sites of one template and the rest of another.
        """
        cuts = [self.block * i // 4 for i in range(5)]
        sites = np.arange(self.block)
        firsts = [sites < cut for cut in cuts[1:4]]
        others = [(sites < low) | (sites >= high) for low, high in pairwise(cuts)]
        return pack_bits(np.concatenate(firsts + others)[:, None], self.block)[:, 0]

    @cached_property
    def borders(self) -> np.ndarray:
        """Of the populations in the order of the templates, int64, shape (n_populations + 1,)."""
        return np.searchsorted(self.population, np.arange(self.n_populations + 1))

    @cached_property
    def drawn_as(self) -> np.ndarray:
        """The population that each is drawn as, itself but for the last ones; int64."""
        own = self.n_populations - len(self.stands_for)
        return np.append(np.arange(own), np.array(self.stands_for, dtype=np.int64))

    @cached_property
    def slots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of no population and of each: its slot, where its templates begin and end, and what a
        template of another and one of its own weighs after a switch, float32 (P + 1, 2), by slot.

        A population that nobody belongs to has the slot of the one it is drawn as, or of none.
        """
        drawn_as = self.drawn_as
        N, low, high = self.n_templates, self.borders[:-1][drawn_as], self.borders[1:][drawn_as]
        slot = np.where(high > low, drawn_as + 1, 0)
        first, stop = np.where(high > low, low, 0), np.where(high > low, high, N)
        rest = (1 - OWN_SHARE) / N
        shares = np.full((self.n_populations + 1, 2), 1 / N)
        shares[1:] = np.stack(
            [np.full(len(low), rest), rest + OWN_SHARE / np.maximum(high - low, 1)], axis=1
        )
        return (
            np.append(0, slot),
            np.append(0, first),
            np.append(N, stop),
            shares.astype(np.float32),
        )

    @cached_property
    def _read(self) -> dict[int, np.ndarray]:
        """Blocks of all templates from one on, uint32 (n_blocks, N)."""
        return {}

    def blocks(self, k: int) -> np.ndarray:
        """Alleles of the templates in block `k`, uint32 (N,)."""
        first = k // READ_BLOCKS * READ_BLOCKS
        if first not in self._read:
            self._read.clear()
            self._read[first] = read_bits(
                self.haplotypes, self.block, first, min(first + READ_BLOCKS, self.n_blocks)
            )[0]
        return self._read[first][k - first]


class BlockTables:
    """Tables of a panel from one block on, in order; those asked for lately are remembered."""

    def __init__(self, panel: TemplatePanel, start: int):
        self.panel, self.following = panel, start
        self.order = np.tile(np.arange(panel.n_templates), (2, 1))
        self.tables: dict[int, BlockTable] = {}

    def table(self, k: int) -> BlockTable:
        """What is at block `k`."""
        while self.following <= k:
            self.tables[self.following] = self._table(self.panel.blocks(self.following))
            self.following += 1
        return self.tables[k]

    def forget(self, k: int) -> None:
        """Nobody asks for what is `REMEMBERED` blocks before `k` any more."""
        for old in [x for x in self.tables if x < k - REMEMBERED]:
            del self.tables[old]

    def arrays(self, first: int, stop: int) -> TableArrays:
        """Blocks [first, stop), for the compiled loops."""
        tables = [self.table(k) for k in range(first, stop)]
        together = {
            name: np.concatenate([getattr(x, name).ravel() for x in tables])
            for name in ("ids", "ranked", "cumulative", "before", "groups")
        }
        names = ("index", "came", "about")
        side_by_side = {name: np.stack([getattr(x, name) for x in tables]) for name in names}
        begins = np.cumsum([0, *(len(x.ids) for x in tables)])
        return TableArrays(
            begins=begins,
            n_tokens=np.array([x.n_tokens for x in tables]),
            **together,
            **side_by_side,
        )

    def _table(self, ids: np.ndarray) -> BlockTable:
        panel = self.panel
        distinct, index, count = np.unique(ids, return_inverse=True, return_counts=True)
        ranked = np.argsort(-count, kind="stable")
        n_tokens = max(1, min(panel.vocabulary_size, int((count >= panel.carriers).sum())))
        distinct, count = distinct[ranked], count[ranked]
        # of each distinct block, in rising order, among all
        place = np.argsort(ranked).astype(np.uint16)
        index = place[index]
        strays = np.zeros(len(distinct), dtype=np.uint32)
        if len(distinct) > n_tokens:
            apart = distinct[n_tokens:, None] ^ distinct[None, :n_tokens]
            nearest = np.bitwise_count(apart).argmin(axis=1)
            strays[n_tokens:] = apart[np.arange(len(apart)), nearest]
        differs = (unpack_bits(strays, panel.block) * count[:, None]).sum(axis=0)
        N, U = panel.n_templates, len(distinct)
        cumulative = np.empty((panel.n_populations + 1, U + 1), dtype=np.int32)
        before = np.empty((2, N + 1, n_tokens), dtype=np.uint16)
        came = np.empty((2, N), dtype=np.uint16)
        after = np.empty_like(self.order)
        runs = np.empty(2, dtype=np.int64)
        rank = ranked.astype(np.uint16)
        tabulate(index, rank, panel.population, self.order, cumulative, before, came, after, runs)
        groups = [np.unique(distinct & mask, return_inverse=True)[1] for mask in panel.parts]
        share, strayed = count[:n_tokens] / N, count[n_tokens:].sum()
        entropy = -(share * np.log(share)).sum()
        about = [math.log(n_tokens), math.log1p(strayed), entropy, *np.log(runs)]
        self.order = after
        return BlockTable(
            distinct, index, n_tokens, strays, differs, place, cumulative, before, came,
            np.array(groups, dtype=np.uint16), np.array(about, dtype=np.float32),
        )  # fmt: skip


def read_bits(
    source: HaplotypeSource, block: int, start: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Alternate and called alleles of the blocks [start, stop), one bit per site, uint32 (stop -
    start, n) each; sites past the last variant are not called.
    """
    alleles = source.read(start * block, min(stop * block, source.n_variants))
    full = np.full(((stop - start) * block, alleles.shape[1]), -1, dtype=np.int8)
    full[: len(alleles)] = alleles
    return pack_bits(full == 1, block), pack_bits(full >= 0, block)


def pack_bits(values: np.ndarray, block: int) -> np.ndarray:
    """Bool (n_blocks * block, n) to uint32 (n_blocks, n); the first site of a block in the lowest
    bit.
    """
    shifts = np.arange(block, dtype=np.uint32)[None, :, None]
    return np.bitwise_or.reduce(
        values.reshape(len(values) // block, block, values.shape[1]).astype(np.uint32) << shifts,
        axis=1,
    )


def unpack_bits(bits: np.ndarray, block: int) -> np.ndarray:
    """uint32 of any shape to int8 of that shape and `block` more."""
    return ((bits[..., None] >> np.arange(block, dtype=np.uint32)) & np.uint32(1)).astype(np.int8)
