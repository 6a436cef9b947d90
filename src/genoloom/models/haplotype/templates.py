"""Haplotypes that others are made of: their distinct blocks, place by place, and the state of rows
that copy them.
"""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genoloom.errors import InputError
from genoloom.models.haplotype import copying_kernels as kernels
from genoloom.models.haplotype.packed import PackedHaplotypes
from genoloom.panel import HaplotypeSource

LANES = kernels.LANES
LONGEST_BLOCK = 32  # sites: a block is 32 bits
MOST_TEMPLATES = 60_000  # distinct blocks are numbered by 16 bits
READ_BLOCKS = 64  # unpacked at a time
REMEMBERED = 16  # tables: rows that go along together need the same ones
OWN_SHARE = 0.5  # of the weight after a switch that goes to the own population beside its part of the rest
MATCHES = (
    0,
    0.25,
    0.5,
    0.75,
    1,
    1.5,
    2,
    3,
    4,
    6,
    8,
    12,
    16,
    24,
    48,
    96,
)  # matching sites that are counted, in blocks
# recurrent heads: switches a block, flips a site
HEADS = ((0.02, 1e-3), (0.1, 1e-3), (0.1, 3e-2), (0.3, 3e-3))


@dataclass(frozen=True)
class BlockTable:
    """The templates at one place.

    Attributes
    ----------
    ids : ndarray, uint32, shape (U,)
        Alleles of the distinct blocks, the first site in the lowest bit; the codes first, the most
        frequent before.
    index : ndarray, uint16, shape (N,)
        Which of them each template has.
    codes : int
        How many of them are codes.
    strays : ndarray, uint32, shape (U,)
        Sites at which a block that is no code differs from its nearest code; 0 for codes.
    differs : ndarray, int64, shape (L,)
        Templates that differ there.
    """

    ids: np.ndarray
    index: np.ndarray
    codes: int
    strays: np.ndarray
    differs: np.ndarray

    def alleles(self, length: int) -> np.ndarray:
        """Of the codes, int8, shape (codes, length)."""
        return unpack_bits(self.ids[: self.codes], length)


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
    codes : int
        Most codes of a block.
    carriers : int
        Templates that must share a block for it to be a code.
    """

    haplotypes: PackedHaplotypes
    population: np.ndarray
    n_populations: int
    block: int
    codes: int
    carriers: int

    @classmethod
    def collect(
        cls,
        source: HaplotypeSource,
        population: np.ndarray,
        n_populations: int,
        *,
        block: int,
        codes: int,
        carriers: int,
    ) -> tuple["TemplatePanel", np.ndarray]:
        """Take all haplotypes of `source`, missing calls as the more frequent allele; also returns
        their columns in its order.
        """
        if len(population) > MOST_TEMPLATES:
            raise InputError(
                "templates", f"{len(population)} haplotypes", expected=f"at most {MOST_TEMPLATES}",
                remedy="train on fewer people, or give a smaller public panel",
            )  # fmt: skip
        order = np.argsort(population, kind="stable")
        packed = PackedHaplotypes.pack(source, fill=True)
        packed = PackedHaplotypes(packed.n_variants, np.ascontiguousarray(packed.ones[:, order]), packed.called)
        return cls(packed, population[order], n_populations, block, codes, carriers), order

    @property
    def n_templates(self) -> int:
        return len(self.population)

    @property
    def n_blocks(self) -> int:
        return -(-self.haplotypes.n_variants // self.block)

    @cached_property
    def borders(self) -> np.ndarray:
        """Of the populations in the order of the templates, int64, shape (n_populations + 1,)."""
        return np.searchsorted(self.population, np.arange(self.n_populations + 1))

    @cached_property
    def _tables(self) -> dict[int, BlockTable]:
        return {}

    @cached_property
    def _read(self) -> dict[int, np.ndarray]:
        """Blocks of all templates from one on, uint32 (n_blocks, N)."""
        return {}

    def table(self, k: int) -> BlockTable:
        """What stands at block `k`; those asked for lately are remembered."""
        if k not in self._tables:
            while len(self._tables) >= REMEMBERED:
                del self._tables[next(iter(self._tables))]
            first = k // READ_BLOCKS * READ_BLOCKS
            if first not in self._read:
                self._read.clear()
                self._read[first] = read_bits(self.haplotypes, self.block, first, min(first + READ_BLOCKS, self.n_blocks))[0]
            self._tables[k] = self._table(self._read[first][k - first])
        return self._tables[k]

    def _table(self, ids: np.ndarray) -> BlockTable:
        distinct, index, count = np.unique(ids, return_inverse=True, return_counts=True)
        order = np.argsort(-count, kind="stable")
        codes = max(1, min(self.codes, int((count >= self.carriers).sum())))
        distinct, count = distinct[order], count[order]
        rank = np.empty(len(order), dtype=np.uint16)
        rank[order] = np.arange(len(order))
        strays = np.zeros(len(distinct), dtype=np.uint32)
        if len(distinct) > codes:
            apart = distinct[codes:, None] ^ distinct[None, :codes]
            nearest = np.bitwise_count(apart).argmin(axis=1)
            strays[codes:] = apart[np.arange(len(apart)), nearest]
        differs = (unpack_bits(strays, self.block) * count[:, None]).sum(axis=0)
        return BlockTable(distinct, rank[index], codes, strays, differs)


def read_bits(source: HaplotypeSource, block: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Alternate and called alleles of the blocks [start, stop), one bit a site: uint32, shape (stop
    - start, n) each.

    Sites past the last variant are not called.
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
    return np.bitwise_or.reduce(values.reshape(len(values) // block, block, values.shape[1]).astype(np.uint32) << shifts, axis=1)


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
        N, S, G = panel.n_templates, len(HEADS), len(MATCHES)
        groups = [np.flatnonzero(self.population == p) for p in np.unique(self.population)]
        pieces = [rows[at : at + LANES] for rows in groups for at in range(0, len(rows), LANES)]
        lanes = [np.resize(rows, LANES) for rows in pieces]
        self.rows = np.array(lanes, dtype=np.int64).reshape(-1, LANES)  # (B, R)
        self.place = np.empty(n, dtype=np.int64)  # of each row among the lanes
        for b, rows in enumerate(pieces):
            self.place[rows] = b * LANES + np.arange(len(rows))
        self.own = (np.full((n, 2), -1) if self.own is None else self.own)[self.rows]
        kinds = [self._kind(self.population[rows[0]]) for rows in pieces]
        self.span = np.array([span for span, _ in kinds], dtype=np.int64).reshape(-1, 2)
        self.prior = np.array([prior for _, prior in kinds], dtype=np.float32).reshape(-1, 2)
        self.w = np.zeros((len(pieces), N, S, LANES), dtype=np.float32)
        self.m = np.zeros((len(pieces), N, LANES), dtype=np.uint16)
        lengths = np.array(MATCHES) * panel.block
        self.grade = (np.searchsorted(lengths, np.arange(kernels.LONGEST + panel.block + 1), side="right") - 1).astype(np.uint8)
        rate, flips = (np.array(x, dtype=np.float32) for x in zip(*HEADS, strict=True))
        self.rate = rate
        self.power = np.maximum(flips[:, None].astype(np.float64) ** np.arange(panel.block + 1), kernels.TINY).astype(np.float32)
        self.logs = np.log1p(np.arange(N + 1, dtype=np.float32))
        self.k = self.start
        self.P = np.empty((len(pieces), 0, S, LANES), dtype=np.float32)
        self.counts = np.empty((len(pieces), 2, 0, G, LANES), dtype=np.int32)
        nothing = np.zeros(self.rows.shape, dtype=np.uint32)
        self._advance(nothing, nothing, self.table, True)

    @property
    def table(self) -> BlockTable:
        """Of the present block."""
        return self.panel.table(self.k)

    def error(self, spare: float) -> np.ndarray:
        """Chance that a drawn allele differs from its code, float64 (L,)."""
        return np.clip(
            (self.table.differs + spare) / self.panel.n_templates,
            kernels.LEAST_ERROR,
            kernels.MOST_ERROR,
        )

    def _kind(self, population: int) -> tuple[np.ndarray, np.ndarray]:
        """Templates of a population, and weights after a switch of the others and of these."""
        N = self.panel.n_templates
        low, high = self.panel.borders[population : population + 2] if population >= 0 else (0, N)
        if high == low:  # nobody to prefer
            low, high = 0, N
        if high - low == N:
            return np.array([0, N]), np.full(2, 1 / N, dtype=np.float32)
        rest = (1 - OWN_SHARE) / N
        return np.array([low, high]), np.array([rest, rest + OWN_SHARE / (high - low)], dtype=np.float32)

    def _advance(self, row: np.ndarray, called: np.ndarray, now: BlockTable, start: bool) -> None:
        following = self.table
        if self.P.shape[1] < len(following.ids):
            more = np.zeros((len(self.P), len(following.ids), *self.P.shape[2:]), dtype=np.float32)
            more[:, : self.P.shape[1]] = self.P
            self.P = more
        if self.counts.shape[2] <= following.codes:
            self.counts = np.empty((len(self.P), 2, following.codes + 1, *self.counts.shape[3:]), dtype=np.int32)
        kernels.advance(
            self.w, self.m, self.P, self.counts, self.own, self.span, row, called, now.ids, now.index, len(following.ids),
            following.index, following.codes, self.power, self.prior, self.rate, self.grade, self.panel.block, start,
        )  # fmt: skip

    def advance(self, row: np.ndarray, called: np.ndarray) -> None:
        """Take the present block in: alleles and which are called, uint32 (n,) each."""
        now = self.table
        self.k += 1
        if self.k < self.panel.n_blocks:
            self._advance(row[self.rows], called[self.rows], now, False)

    def features(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the codes of the present block, float32 (n, C, F); of the rows, (n, H); others who
        carry each code, (n, C).
        """
        f, h, others = kernels.features(self.P, self.counts, self.table.codes, self.logs)
        return self._by_row(f), self._by_row(h), self._by_row(others)

    def logits(self, network: dict[str, np.ndarray]) -> np.ndarray:
        """Unnormalised log-chances of the codes of the present block, float32 (n, C), by the
        weights of a network.
        """
        found = kernels.logits(self.P, self.counts, self.table.codes, self.logs, self.panel.carriers, **network)
        return self._by_row(found)

    def chances(self, row: np.ndarray, called: np.ndarray, spare: float) -> np.ndarray:
        """Chance of alleles (uint32 (n,), and which are called) of the present block given each
        code, float64 (n, C).
        """
        table = self.table
        return self._by_row(
            kernels.chances(
                row[self.rows], called[self.rows], table.ids, table.codes, table.differs, table.strays, table.index, self.own, spare
            )
        )  # fmt: skip

    def fork(self) -> "CopyingState":
        """A copy that goes on by itself."""
        twin = copy.copy(self)
        for name in ("w", "m", "P", "counts"):
            setattr(twin, name, getattr(self, name).copy())
        return twin

    def reorder(self, rows: np.ndarray) -> None:
        """Let row i go on as row `rows[i]`, of the same population."""
        changed = np.flatnonzero(rows != np.arange(len(rows)))
        to, source = (np.divmod(self.place[x], LANES) for x in (changed, rows[changed]))
        for state in (self.w, self.m, self.P, self.counts):
            lanes = np.moveaxis(state, -1, 1)  # (B, R, ...)
            lanes[to] = lanes[source]

    def _by_row(self, values: np.ndarray) -> np.ndarray:
        """(B, ..., R) to (n, ...), the axes between reversed."""
        lanes = np.moveaxis(values, -1, 1)
        rows = lanes.reshape(-1, *lanes.shape[2:])[self.place]
        return rows.transpose(0, *range(rows.ndim - 1, 0, -1))
