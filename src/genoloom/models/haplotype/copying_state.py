"""What templates say of rows that copy them, block by block along a contig."""

import copy
from dataclasses import dataclass

import numpy as np

from genoloom.models.finite import refuse_non_finite
from genoloom.models.haplotype import copying_kernels as kernels
from genoloom.models.haplotype.copying_features import (
    Network,
    chances,
    features,
    logits,
    mixed_chances,
    proceed,
)
from genoloom.models.haplotype.copying_kernels import HEADS, LANES, MATCHES, Rows, Rules
from genoloom.models.haplotype.copying_matches import Matches, TableArrays
from genoloom.models.haplotype.templates import SPARE, BlockTable, BlockTables, TemplatePanel

# of the state of rows, by lane
CARRIED = ("weights", "by_block", "own_by_block", "log_probability")
# where blocks are given, none is asked
NO_NETWORK = Network(*(np.zeros((0,) * n, dtype=np.float32) for n in (2, 2, 1, 2, 1, 1, 1)))


def error_rates(differs: np.ndarray, n_templates: int, spare: float) -> np.ndarray:
    """Chance that an allele differs from its token, float64 (L,)."""
    return np.clip((differs + spare) / n_templates, kernels.LEAST_ERROR, kernels.MOST_ERROR)


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
        self.tables, self.k = BlockTables(panel, self.start), self.start
        self._make_room(self.k)
        kernels.start(self.rows, self.tables.arrays(self.k, self.k + 1), self.rules)

    @property
    def table(self) -> BlockTable:
        """Of the present block."""
        return self.tables.table(self.k)

    def error(self, spare: float, k: int | None = None) -> np.ndarray:
        """Chance that a drawn allele differs from its token, float64 (L,); of the present block or
        another.
        """
        differs = self.tables.table(self.k if k is None else k).differs
        return error_rates(differs, self.panel.n_templates, spare)

    def _make_room(self, *blocks: int) -> None:
        """For sums over the distinct blocks of some blocks."""
        by_block = self.rows.by_block
        most = max(len(self.tables.table(k).ids) for k in blocks)
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

    def chances(self, row: np.ndarray, called: np.ndarray) -> np.ndarray:
        """Chance of alleles (uint32 (n,), and which are called) of the present block given each
        token, float64 (n, C).
        """
        found = chances(row[self.lanes], called[self.lanes], *self._of_the_block())
        return self._by_row(found)

    def mixed_chances(
        self, pi: np.ndarray, row: np.ndarray, called: np.ndarray, recombination: float
    ) -> np.ndarray:
        """Chance of alleles of the present block whose tokens have the chances `pi` (n, C), float64
        (n, L): with one token for all sites, and with a second one from site 1, 2, ... L - 1 on.
        They add up to the chance of the alleles.
        """
        found = mixed_chances(
            np.ascontiguousarray(pi[self.lanes]), row[self.lanes], called[self.lanes],
            *self._of_the_block(),
        )  # fmt: skip
        share = np.full(self.panel.block, recombination / (self.panel.block - 1))
        share[0] = 1 - recombination
        return self._by_row(found) * share

    def _of_the_block(self) -> tuple:
        """The last arguments of the compiled `chances`."""
        table = self.table
        return (
            table.ids, table.n_tokens, table.differs, table.strays, table.index, self.rows.own,
            SPARE,
        )  # fmt: skip

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
        self, row, called, given, network, temperature, factors, uniforms, mutations
    ) -> None:
        """Arguments as of `copying_kernels.proceed`."""
        panel, stop = self.panel, min(self.k + len(row) + 1, self.panel.n_blocks)
        self._make_room(*range(self.k, stop))
        # of one type each, so that the loops are compiled once
        row, called, mutations = (
            np.ascontiguousarray(x, dtype=np.uint32) for x in (row, called, mutations)
        )
        sound = proceed(
            self.rows, self.tables.arrays(self.k, stop), panel.n_populations + 1, self.rules,
            network,
            panel.carriers, panel.block,
            given, called, float(temperature), np.array(factors, dtype=np.float32, order="C"),
            np.ascontiguousarray(uniforms), mutations, row,
        )  # fmt: skip
        refuse_non_finite(np.array(0.0 if sound else np.nan))
        self.k = min(self.k + len(row), panel.n_blocks)
        self.tables.forget(self.k)

    def _here(self) -> TableArrays:
        return self.tables.arrays(self.k, self.k + 1)

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
