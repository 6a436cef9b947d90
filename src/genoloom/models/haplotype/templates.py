"""Haplotypes that others are made of: their distinct blocks, place by place, and the state of rows
that copy them.
"""

import copy
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from genoloom.errors import InputError
from genoloom.models.haplotype import copying_kernels as kernels
from genoloom.models.haplotype.copying_features import Network, chances, features, logits, proceed
from genoloom.models.haplotype.copying_kernels import HEADS, LANES, MATCHES, Rows, Rules
from genoloom.models.haplotype.copying_matches import Matches, Places, tabulate
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.models.layers import refuse_non_finite
from genoloom.panel import HaplotypeSource

LONGEST_BLOCK = 32  # sites: a block is 32 bits
MOST_TEMPLATES = 60_000  # distinct blocks are numbered by 16 bits
READ_BLOCKS = 64  # unpacked at a time
# of the state of rows, by lane
CARRIED = ("weights", "by_block", "own_by_block", "log_probability")
REMEMBERED = 16  # tables: rows that go along together need the same ones
# where blocks are told, none is asked
NO_NETWORK = Network(*(np.zeros((0,) * n, dtype=np.float32) for n in (2, 2, 1, 2, 1, 1, 1)))
# of the weight after a switch that goes to the own population next to its part of the rest
OWN_SHARE = 0.5


@dataclass(frozen=True)
class BlockTable:
    """The templates at one place.

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
    ranked, after, before, came, groups, about : ndarray
        As of `genoloom.models.haplotype.copying_matches.Places`.
    """

    ids: np.ndarray
    index: np.ndarray
    n_tokens: int
    strays: np.ndarray
    differs: np.ndarray
    ranked: np.ndarray
    behind: np.ndarray
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
        packed = PackedHaplotypes.pack(source, fill=True)
        packed = PackedHaplotypes(
            packed.n_variants, np.ascontiguousarray(packed.ones[:, order]), packed.called
        )
        return cls(
            packed,
            population[order],
            n_populations,
            block,
            vocabulary_size,
            carriers,
            match_carriers,
        ), order

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
    def slots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of no population and of each: its slot, where its templates begin and end, and what a
        template of another and one of its own weighs after a switch, float32 (P + 1, 2), by slot.

        A population that nobody belongs to has the slot of the one it is drawn as, or of none.
        """
        drawn_as = np.arange(self.n_populations)
        drawn_as[self.n_populations - len(self.stands_for) :] = self.stands_for
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


class Walk:
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

    def places(self, first: int, stop: int) -> Places:
        """Blocks [first, stop), for the compiled loops."""
        tables = [self.table(k) for k in range(first, stop)]
        together = {
            name: np.concatenate([getattr(x, name).ravel() for x in tables])
            for name in ("ids", "ranked", "behind", "before", "groups")
        }
        names = ("index", "came", "about")
        side_by_side = {name: np.stack([getattr(x, name) for x in tables]) for name in names}
        begins = np.cumsum([0, *(len(x.ids) for x in tables)])
        return Places(
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
        behind = np.empty((panel.n_populations + 1, U + 1), dtype=np.int32)
        before, came = (
            np.empty((2, N + 1, n_tokens), dtype=np.uint16),
            np.empty((2, N), dtype=np.uint16),
        )
        after = np.empty_like(self.order)
        runs = np.empty(2, dtype=np.int64)
        rank = ranked.astype(np.uint16)
        tabulate(index, rank, panel.population, self.order, behind, before, came, after, runs)
        groups = [np.unique(distinct & mask, return_inverse=True)[1] for mask in panel.parts]
        share, strayed = count[:n_tokens] / N, count[n_tokens:].sum()
        entropy = -(share * np.log(share)).sum()
        about = [math.log(n_tokens), math.log1p(strayed), entropy, *np.log(runs)]
        self.order = after
        return BlockTable(
            distinct, index, n_tokens, strays, differs, place, behind, before, came,
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


@dataclass
class CopyingState:
    """What the templates say of the next block of each of some rows, block by block along a contig.

    Rows are worked off in batches of `LANES` of one population, so that a row's numbers do not
    depend on its company.

    Parameters
    ----------
    panel : TemplatePanel
    population : ndarray, int64, shape (n,)
        -1 where it is not known.
    own : ndarray, int64, shape (n, 2), optional
        Templates of the row's own individual, who is nobody to it; -1 for none.
    start : int
        Block before which nothing is known.
    """

    panel: TemplatePanel
    population: np.ndarray
    own: np.ndarray | None = None
    start: int = 0

    def __post_init__(self):
        panel, n = self.panel, len(self.population)
        groups = [np.flatnonzero(self.population == p) for p in np.unique(self.population)]
        pieces = [rows[at : at + LANES] for rows in groups for at in range(0, len(rows), LANES)]
        lanes = [np.resize(rows, LANES) for rows in pieces]
        self.lanes = np.array(lanes, dtype=np.int64).reshape(-1, LANES)  # (B, R)
        self.place = np.empty(n, dtype=np.int64)  # of each row among the lanes
        for b, rows in enumerate(pieces):
            self.place[rows] = b * LANES + np.arange(len(rows))
        own = np.full((n, 2), -1) if self.own is None else self.own
        population = np.array([self.population[rows[0]] for rows in pieces], dtype=np.int64)
        slot, first, stop, shares = panel.slots
        kind = np.where(population >= 0, population + 1, 0)
        self.rows = Rows(
            weights=np.zeros((len(pieces), panel.n_templates, kernels.WIDE), dtype=np.float32),
            by_block=np.empty((len(pieces), 0, kernels.WIDE), dtype=np.float32),
            own_by_block=np.empty((len(pieces), 0, kernels.WIDE), dtype=np.float32),
            log_probability=np.zeros((len(pieces), 2, kernels.WIDE), dtype=np.float32),
            matches=Matches.none(len(pieces), LANES, len(MATCHES)),
            own=own[self.lanes], population=population, slot=slot[kind], first=first[kind],
            stop=stop[kind],
        )  # fmt: skip
        rate, mutations = (np.array(x, dtype=np.float32) for x in zip(*HEADS, strict=True))
        power = np.maximum(
            mutations[:, None].astype(np.float64) ** np.arange(panel.block + 1), kernels.TINY
        )
        lengths = np.ceil(np.array(MATCHES) * panel.block).astype(np.int64)
        whole, rest = np.divmod(lengths, panel.block)
        number = np.arange(panel.n_templates + 1, dtype=np.float32)
        self.rules = Rules(
            power=power.astype(np.float32), rate=rate, shares=shares, lengths=lengths, whole=whole,
            rest=rest,
            logs=np.log1p(np.where(number < panel.match_carriers, 0, number)),
        )  # fmt: skip
        self.walk, self.k = Walk(panel, self.start), self.start
        self._make_room(self.k)
        kernels.start(self.rows, self.walk.places(self.k, self.k + 1), self.rules)

    @property
    def table(self) -> BlockTable:
        """Of the present block."""
        return self.walk.table(self.k)

    def error(self, spare: float, k: int | None = None) -> np.ndarray:
        """Chance that a drawn allele differs from its token, float64 (L,); of the present block or
        another.
        """
        differs = self.walk.table(self.k if k is None else k).differs
        return np.clip(
            (differs + spare) / self.panel.n_templates, kernels.LEAST_ERROR, kernels.MOST_ERROR
        )

    def _make_room(self, *blocks: int) -> None:
        """For sums over the distinct blocks of some places."""
        by_block = self.rows.by_block
        most = max(len(self.walk.table(k).ids) for k in blocks)
        if by_block.shape[1] < most:
            more = np.zeros((len(by_block), most, kernels.WIDE), dtype=np.float32)
            more[:, : by_block.shape[1]] = by_block
            own = np.zeros_like(more)
            own[:, : by_block.shape[1]] = self.rows.own_by_block
            self.rows = self.rows._replace(by_block=more, own_by_block=own)

    def advance(self, row: np.ndarray, called: np.ndarray) -> None:
        """Take the present block in: alleles and which are called, uint32 (n,) each."""
        if self.k + 1 < self.panel.n_blocks:
            nothing = np.empty((1, 0, LANES))
            self._proceed(
                row[None, self.lanes], called[None, self.lanes], True, NO_NETWORK, 1.0,
                np.empty((1, 0, 0)), nothing, nothing
            )  # fmt: skip
        else:
            self.k += 1

    def features(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the tokens of the present block, float32 (n, C, F); of the rows, (n, H); others who
        carry each token, (n, C).
        """
        found = features(self.rows, self._here(), self.rules)
        return tuple(self._by_row(x) for x in found)

    def logits(self, network: Network) -> np.ndarray:
        """Unnormalised log-chances of the tokens of the present block, float32 (n, C), by the
        weights of a network.
        """
        panel = self.panel
        return self._by_row(logits(self.rows, self._here(), self.rules, network, panel.carriers))

    def chances(self, row: np.ndarray, called: np.ndarray, spare: float) -> np.ndarray:
        """Chance of alleles (uint32 (n,), and which are called) of the present block given each
        token, float64 (n, C).
        """
        table = self.table
        found = chances(
            row[self.lanes], called[self.lanes], table.ids, table.n_tokens, table.differs,
            table.strays, table.index, self.rows.own,
            spare,
        )  # fmt: skip
        return self._by_row(found)

    def draw(
        self,
        network: Network,
        temperature: float,
        factors: np.ndarray | None,
        uniforms: np.ndarray,
        mutations: np.ndarray,
    ) -> np.ndarray:
        """Draw the next blocks, and be after them.

        Parameters
        ----------
        network : Network
        temperature : float
        factors : ndarray, float32, shape (K, P, >= C), or None
            Of the chances of tokens, by population.
        uniforms : ndarray, float64, shape (K, n)
            In [0, 1), for the tokens.
        mutations : ndarray, uint32, shape (K, n)
            Alleles to change.

        Returns
        -------
        ndarray, uint32, shape (K, n)
        """
        drawn = np.empty((len(uniforms), *self.lanes.shape), dtype=np.uint32)
        called = np.full(drawn.shape, 2**32 - 1, dtype=np.uint32)
        factors = np.empty((len(drawn), 0, 0)) if factors is None else factors
        self._proceed(
            drawn,
            called,
            False,
            network,
            temperature,
            factors,
            uniforms[:, self.lanes],
            mutations[:, self.lanes],
        )
        return drawn.reshape(len(drawn), -1)[:, self.place]

    def _proceed(
        self, row, called, told, network, temperature, factors, uniforms, mutations
    ) -> None:
        """Arguments as of `copying_kernels.proceed`."""
        panel, stop = self.panel, min(self.k + len(row) + 1, self.panel.n_blocks)
        self._make_room(*range(self.k, stop))
        # of one type each, so that the loops are compiled once
        row, called, mutations = (
            np.ascontiguousarray(x, dtype=np.uint32) for x in (row, called, mutations)
        )
        sound = proceed(
            self.rows, self.walk.places(self.k, stop), panel.n_populations + 1, self.rules, network,
            panel.carriers, panel.block,
            told, called, float(temperature), np.array(factors, dtype=np.float32),
            np.ascontiguousarray(uniforms), mutations, row,
        )  # fmt: skip
        refuse_non_finite(np.array(0.0 if sound else np.nan))
        self.k = min(self.k + len(row), panel.n_blocks)
        self.walk.forget(self.k)

    def _here(self) -> Places:
        return self.walk.places(self.k, self.k + 1)

    def fork(self) -> "CopyingState":
        """A copy that goes on by itself."""
        twin, rows = copy.copy(self), self.rows
        own = {name: getattr(rows, name).copy() for name in CARRIED}
        own["matches"] = Matches(*(x.copy() for x in rows.matches))
        twin.rows = rows._replace(**own)
        return twin

    def reorder(self, rows: np.ndarray) -> None:
        """Let row i go on as row `rows[i]`, of the same population."""
        changed = np.flatnonzero(rows != np.arange(len(rows)))
        to, source = (np.divmod(self.place[x], LANES) for x in (changed, rows[changed]))
        for state in self.rows.matches:
            state[to] = state[source]
        for state in (getattr(self.rows, name) for name in CARRIED):
            lanes = np.moveaxis(state.reshape(*state.shape[:2], -1, LANES), -1, 1)  # (B, R, ...)
            lanes[to] = lanes[source]

    def _by_row(self, values: np.ndarray) -> np.ndarray:
        """(B, R, ...) to (n, ...)."""
        return values.reshape(-1, *values.shape[2:])[self.place]
