"""The chain that every learned generator must beat: a Markov chain that knows its position and what
the sequence was so far.

It is a mixture of forecasts of the next base; each component changes the one below:

1. the interpolated chains of orders 0 to K (`genoloom.models.sequence.chain`);
2. *position* (sets of one orientation only): P(b) is multiplied by (P_t(b | c) / P(b | c))**w,
  where P_t counts what followed
   the context c of up to two bases near position t, under an exponential kernel, and the result is
   scaled to sum to one;
3. *composition*: likewise by the ratio of the sequence's own base frequencies so far to the common
  ones;
4. *memory*: for rising orders k, P_k(b) = (n_k(b) + a_k P_k-1(b)) / (n_k + a_k), where n_k counts
  what followed the last k
   bases earlier in this very sequence.

Escape weights, the weight of the other strand, the kernel, and all w and a are chosen on validation
sequences. Component 2 is the tuned Markov chain, the last component the whole mixture. Rescaling by
unigram ratios: Kneser, Peters & Klakow 1997; escaping from long contexts to short ones: Witten &
Bell 1991, doi:10.1109/18.87000.

Letters in shapes: n sequences, T bases, R components, M memory orders.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from genoloom.declared import Chance, Description, Positive, Weight
from genoloom.models.sequence.base import TrainingSequences
from genoloom.models.sequence.chain import (
    choose_escapes,
    context_counts,
    context_of_each_base,
    probabilities,
    shortest_good_order,
)
from genoloom.sequences import OTHER, reverse_complement

MEMORY = (1, 2, 4, 6, 8, 11, 16)
# weight of the other strand in oriented sets, in quarters so that counts stay whole
STRAND_QUARTERS = (0, 1, 2, 4)
POSITION_ORDER = 2
LONGEST_ALIGNED = (
    4096  # longer sequences are aligned to nothing that a table of positions could hold
)
KERNELS = (0.0, 1.0, 4.0, 16.0)  # scale of the kernel over positions, in bases
PSEUDOCOUNTS = (3.0, 30.0, 300.0, 1000.0, 3000.0)
POWERS = (0.25, 0.5, 0.75, 1.0)
SELF_WEIGHTS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
MEMORY_WEIGHTS = (0.5, 2.0, 8.0, 32.0, 64.0, 128.0, 256.0)
UNUSED = 0.0  # a memory order that did not help
GAIN = 1e-5  # bits per base below which a component is not used
# sequences on which the weights are chosen, and pairs of positions in them, at most
VALIDATION, VALIDATION_PAIRS = 1024, 2 * 10**8


@dataclass(frozen=True)
class Settings:
    """What was chosen; JSON-ready through `asdict`.

    Attributes
    ----------
    order : int
        Longest context of the chain, in bases.
    escapes : list of float
        Escape weight of each order.
    strand_quarters : int
        Four times the weight of the other strand's counts.
    kernel, position_weight, position_power : float
        Scale in bases, pseudocount, and w; w = 0 without position.
    own_weight, own_power : float
        Pseudocount (in bases) of the common composition next to the sequence's own, and w.
    memory_weights : list of float
        a_k of each order of `MEMORY`; 0 where the order is not used.
    """

    order: int
    escapes: list[float]
    strand_quarters: int
    kernel: float = 0.0
    position_weight: float = 1000.0
    position_power: float = 0.0
    own_weight: float = 40.0
    own_power: float = 0.0
    memory_weights: tuple[float, ...] = (UNUSED,) * len(MEMORY)

    def described(self) -> dict:
        return {**asdict(self), "memory_weights": list(self.memory_weights)}


class SettingsDescription(Description):
    """The settings as a model file holds them."""

    order: int = Field(ge=0, le=11)
    escapes: list[Positive]
    strand_quarters: int = Field(ge=0, le=4)
    kernel: Weight
    position_weight: Positive
    position_power: Chance
    own_weight: Positive
    own_power: Chance
    memory_weights: list[Weight] = Field(min_length=len(MEMORY), max_length=len(MEMORY))

    @field_validator("escapes")
    @classmethod
    def _one_an_order(cls, escapes: list[float], info: ValidationInfo) -> list[float]:
        if len(escapes) != info.data.get("order", -1) + 1:
            raise ValueError("not one weight for each order")
        return escapes


@dataclass(frozen=True)
class Counts:
    """What a set of sequences showed: `contexts` of each order, (4**k, 4); `positions` of each
    order 0..2, (T, 4**j, 4), or empty.

    Counts of contexts are in quarters.
    """

    contexts: list[np.ndarray]
    positions: list[np.ndarray]

    def minus(self, other: "Counts") -> "Counts":
        """The counts without a part's."""
        pairs = [
            zip(a, b, strict=True)
            for a, b in ((self.contexts, other.contexts), (self.positions, other.positions))
        ]
        return Counts(*([a - b for a, b in pair] for pair in pairs))


def count(data: TrainingSequences, rows: np.ndarray, order: int, strand_quarters: int) -> Counts:
    """Counts of the sequences at `rows` (integers or a mask)."""
    forward, length = data.bases[rows], data.length[rows]
    contexts = [4 * table for table in context_counts(forward, order)]
    if strand_quarters:
        backward = context_counts(reverse_complement(forward, length), order)
        contexts = [a + strand_quarters * b for a, b in zip(contexts, backward, strict=True)]
    has_positions = data.stranded and forward.shape[1] <= LONGEST_ALIGNED
    return Counts(contexts, position_counts(forward) if has_positions else [])


def position_counts(bases: np.ndarray) -> list[np.ndarray]:
    """How often each base follows each context of 0, 1 and 2 bases at each position, int64 (T,
    4**j, 4) each.
    """
    T = bases.shape[1]
    context, usable = context_of_each_base(bases, POSITION_ORDER)
    tables = []
    for j in range(POSITION_ORDER + 1):
        row, position = np.nonzero((bases != OTHER) & (usable >= j))
        at = (position * 4**j + (context[row, position] & (4**j - 1))) * 4 + bases[row, position]
        tables.append(np.bincount(at, minlength=T * 4 ** (j + 1)).reshape(T, 4**j, 4))
    return tables


def position_ratios(positions: list[np.ndarray], kernel: float, weight: float) -> list[np.ndarray]:
    """log P_t(b | c) / P(b | c) of each order, float64 (T, 4**j, 4); an order leans on the one
    below with `weight`.
    """
    T = len(positions[0])
    gap = np.abs(np.subtract.outer(np.arange(T), np.arange(T)))
    near = np.exp(-gap / kernel) if kernel else np.eye(T)
    ratios, below = [], np.zeros((T, 1, 4))
    for j, table in enumerate(positions):
        common = table.sum(axis=0) + 0.5
        common /= common.sum(axis=-1, keepdims=True)
        prior = common * np.exp(np.tile(below, (1, 4, 1)) if j else below)
        prior /= prior.sum(axis=-1, keepdims=True)
        observed = np.tensordot(near, table, 1)
        here = (observed + weight * prior) / (observed.sum(axis=-1, keepdims=True) + weight)
        below = np.log(here / common)
        ratios.append(below)
    return ratios


def position_log_ratio(tables: list[np.ndarray], context, usable, position, part) -> np.ndarray:
    """log P_t / P under the longest usable context, (n, T, 4); `tables` (parts, positions, 4**j, 4)
    of each order j.
    """
    position = np.minimum(position, tables[0].shape[1] - 1)
    short = np.minimum(usable, POSITION_ORDER)
    result = np.empty((*context.shape, 4))
    for j, table in enumerate(tables):
        row, t = np.nonzero(short == j)
        result[row, t] = table[part[row], position[t], context[row, t] & (4**j - 1)]
    return result


class OwnCounts:
    """What followed the last 0, 1, 2, ... bases earlier in the same sequence; one base after
    another, many sequences at once.
    """

    LEVELS = (0, *MEMORY)

    def __init__(self, n: int, capacity: int):
        self.bases = np.full((n, capacity), OTHER, dtype=np.uint8)
        # bases before each position that equal the last ones, at most 16
        self.match = np.zeros((n, capacity), dtype=np.int16)
        self.length = 0
        longest = self.LEVELS[-1]
        self._level = np.searchsorted(self.LEVELS, np.arange(longest + 1), side="right") - 1
        self._row = np.arange(n)[:, None] * (4 * len(self.LEVELS))

    def counts(self) -> np.ndarray:
        """Counts before the next base, int64 (n, 1 + M, 4)."""
        n, K, t = len(self.bases), len(self.LEVELS), self.length
        earlier = self.bases[:, :t]
        cell = self._row + 4 * self._level[self.match[:, :t]] + earlier
        cells = np.bincount(cell[earlier != OTHER], minlength=4 * K * n).reshape(n, K, 4)
        return cells[:, ::-1].cumsum(axis=1)[:, ::-1]

    def push(self, base: np.ndarray) -> None:
        """The next base of each sequence, uint8 (n,)."""
        t = self.length
        longer = np.minimum(self.match[:, :t] + 1, self.LEVELS[-1])
        self.match[:, 1 : t + 1] = np.where(
            (self.bases[:, :t] == base[:, None]) & (base[:, None] != OTHER), longer, 0
        )
        self.bases[:, t] = base
        self.length += 1


def own_counts(bases: np.ndarray) -> np.ndarray:
    """`OwnCounts` before every base, uint16 (n, T, 1 + M, 4)."""
    n, T = bases.shape
    reader = OwnCounts(n, T)
    counts = np.empty((n, T, len(OwnCounts.LEVELS), 4), dtype=np.uint16)
    for t in range(T):
        counts[:, t] = reader.counts()
        reader.push(bases[:, t])
    return counts


def _scaled(log_prob: np.ndarray) -> np.ndarray:
    """Log-probabilities that sum to one over the last axis."""
    return log_prob - np.log(np.exp(log_prob).sum(axis=-1, keepdims=True))


class ContextMixture:
    """The forecasts of all components, looked up in tables; one set of tables for each of several
    `Counts`.
    """

    def __init__(self, settings: Settings, parts: Iterable[Counts]):
        self.settings, parts = settings, list(parts)
        sizes = 4 ** np.arange(settings.order + 1)
        self._offset, self._mask = np.cumsum(sizes) - sizes, sizes - 1
        tables = (
            probabilities([table / 4 for table in part.contexts], settings.escapes)
            for part in parts
        )
        # many sets of tables are large; single precision is plenty for a network's inputs
        precision = np.float32 if len(parts) > 1 else np.float64
        # (parts, contexts, 4)
        self._chains = np.stack([np.log(np.concatenate(t)).astype(precision) for t in tables])
        log_counts = [
            np.concatenate([table.sum(axis=1) / 4 for table in part.contexts]) for part in parts
        ]
        self._log_counts = np.log1p(np.stack(log_counts)).astype(np.float32)  # (parts, contexts)
        self._positions = None
        if parts[0].positions and settings.position_power:
            ratios = [
                position_ratios(part.positions, settings.kernel, settings.position_weight)
                for part in parts
            ]
            # (parts, T, 4**j, 4)
            self._positions = [np.stack(of_order) for of_order in zip(*ratios, strict=True)]

    @property
    def components(self) -> int:
        """How many forecasts there are; the last is the context mixture."""
        return self.settings.order + 3 + len(MEMORY)

    @property
    def markov(self) -> int:
        """The component of the tuned Markov chain."""
        return self.settings.order + 1

    def chain(self, order: int, part: np.ndarray) -> np.ndarray:
        """Log-probabilities of the next base under the chain of one order, (n, 4**order, 4), for
        `part` int64 (n,).
        """
        start = self._offset[order]
        return self._chains[part, start : start + 4**order]

    def forecast(self, context, usable, position, own, part) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities of the next base under every component, and how much each context has
        been seen.

        Parameters
        ----------
        context, usable : ndarray, int64, shape (n, T)
            From `chain.context_of_each_base`.
        position : ndarray, int64, shape (T,)
        own : ndarray, int, shape (n, T, 1 + M, 4)
            From `own_counts`.
        part : ndarray, int64, shape (n,)
            Which `Counts` each sequence meets.

        Returns
        -------
        log_prob : ndarray, float64, shape (n, T, R, 4)
        log_counts : ndarray, float32, shape (n, T, K + 1 + 1 + M)
            Logarithms of one plus the counts of the contexts of the chains and of the sequence's
            own.
        """
        s = self.settings
        order = np.minimum(np.arange(s.order + 1), usable[..., None])
        at = self._offset[order] + (context[..., None] & self._mask[order])  # (n, T, K + 1)
        chains = self._chains[part[:, None, None], at]
        total = own.sum(axis=-1)  # (n, T, 1 + M)
        now = chains[..., s.order, :]
        if self._positions is not None:
            now = _scaled(
                now
                + s.position_power
                * position_log_ratio(self._positions, context, usable, position, part)
            )
        forecasts = [now]
        common = np.exp(chains[..., 0, :])
        mixed = (own[..., 0, :] + s.own_weight * common) / (total[..., :1] + s.own_weight)
        now = _scaled(now + s.own_power * np.log(mixed / common))
        forecasts.append(now)
        for m, weight in enumerate(s.memory_weights, start=1):
            if weight != UNUSED:
                now = np.log(
                    (own[..., m, :] + weight * np.exp(now)) / (total[..., m, None] + weight)
                )
            forecasts.append(now)
        log_prob = np.concatenate([chains, np.stack(forecasts, axis=2)], axis=2)
        log_counts = np.concatenate(
            [self._log_counts[part[:, None, None], at], np.log1p(total, dtype=np.float32)], axis=2
        )
        return log_prob, log_counts

    def forecast_bases(
        self, bases: np.ndarray, part: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """`forecast` of every base of whole sequences, uint8 (n, T)."""
        context, usable = context_of_each_base(bases, self.settings.order)
        part = np.zeros(len(bases), dtype=np.int64) if part is None else part
        return self.forecast(context, usable, np.arange(bases.shape[1]), own_counts(bases), part)


class MixtureState:
    """The forecasts of the next base of many sequences, one base after another."""

    def __init__(self, mixture: ContextMixture, n: int, capacity: int, remembers: bool = True):
        """`remembers`: false leaves the sequence's own counts at zero, for the components below
        them.
        """
        self.mixture, self.remembers, self.position = mixture, remembers, 0
        self.own = OwnCounts(n, capacity if remembers else 0)
        self.context = np.zeros(n, dtype=np.int64)
        self.usable = np.zeros(n, dtype=np.int64)
        self.part = np.zeros(n, dtype=np.int64)

    def forecast(self) -> tuple[np.ndarray, np.ndarray]:
        """`ContextMixture.forecast` of the next base: (n, 1, R, 4) and (n, 1, K + 1 + 1 + M)."""
        own = self.own.counts()[:, None]
        return self.mixture.forecast(
            self.context[:, None], self.usable[:, None], np.array([self.position]), own, self.part
        )

    def push(self, base: np.ndarray) -> None:
        """The next base of each sequence, uint8 (n,)."""
        from_here = self.mixture.settings.order
        self.context = ((self.context << 2) | (base & 3)) & (4**from_here - 1)
        self.usable = np.where(base != OTHER, np.minimum(self.usable + 1, from_here), 0)
        self.position += 1
        if self.remembers:
            self.own.push(base)


def picked(log_prob: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """The log-probability of each base, (n, T, ...) of (n, T, ..., 4); 0 for an unknown one (4)."""
    extra = (1,) * (log_prob.ndim - 3)
    at = np.minimum(bases, 3).astype(np.int64).reshape(*bases.shape, *extra, 1)
    found = np.take_along_axis(log_prob, at, axis=-1)[..., 0]
    return np.where((bases != OTHER).reshape(*bases.shape, *extra), found, 0.0)


def _bits(log_prob: np.ndarray, bases: np.ndarray) -> float:
    return float(-picked(log_prob, bases).sum() / np.log(2) / max((bases != OTHER).sum(), 1))


def choose(data: TrainingSequences, max_order: int) -> tuple[Settings, Counts, list[float]]:
    """The settings with the fewest bits per base on the validation sequences, component by
    component.

    Returns
    -------
    settings : Settings
    counts : Counts
        Of the sequences that are not in the validation set.
    bits : list of float
        On the validation sequences: each order of the chain, position, composition, each order of
        the memory.
    """
    fitted, validation = np.flatnonzero(~data.validation), np.flatnonzero(data.validation)
    bases = data.bases[
        validation[: max(1, min(VALIDATION, VALIDATION_PAIRS // data.bases.shape[1] ** 2))]
    ]
    trials = []
    for quarters in STRAND_QUARTERS if data.stranded else (4,):
        counts = count(data, fitted, max_order, quarters)
        escapes, bits = choose_escapes([table / 4 for table in counts.contexts], bases)
        trials.append((min(bits), quarters, counts, escapes, bits))
    _, quarters, counts, escapes, bits = min(trials, key=lambda trial: trial[0])
    order = shortest_good_order(bits)
    counts = Counts(counts.contexts[: order + 1], counts.positions)
    settings = Settings(order, escapes[: order + 1], quarters)
    context, usable = context_of_each_base(bases, order)
    part, own = np.zeros(len(bases), dtype=np.int64), own_counts(bases)

    def components(candidate: Settings) -> np.ndarray:
        return ContextMixture(candidate, [counts]).forecast(
            context, usable, np.arange(bases.shape[1]), own, part
        )[0]

    settings = _choose_position(
        settings, counts, components(settings)[..., order, :], bases, context, usable
    )
    log_prob = components(settings)
    trail = [*bits[: order + 1], _bits(log_prob[..., order + 1, :], bases)]
    settings, now = _choose_composition(
        settings, log_prob[..., order + 1, :], log_prob[..., 0, :], own, bases
    )
    trail.append(_bits(now, bases))
    weights = []
    for m in range(1, len(MEMORY) + 1):
        observed, total = (
            own[..., m, :].astype(float),
            own[..., m, :].sum(axis=-1, keepdims=True).astype(float),
        )
        tried = {w: np.log((observed + w * np.exp(now)) / (total + w)) for w in MEMORY_WEIGHTS}
        best = min(tried, key=lambda w: _bits(tried[w], bases))
        better = _bits(tried[best], bases) < trail[-1] - GAIN
        weights.append(best if better else UNUSED)
        now = tried[best] if better else now
        trail.append(_bits(now, bases))
    return replace(settings, memory_weights=tuple(weights)), counts, trail


def _choose_position(settings: Settings, counts: Counts, now, bases, context, usable) -> Settings:
    """Kernel, pseudocount and power of the position, where there is one and it helps; `now` are the
    chain's forecasts.
    """
    best, chosen = _bits(now, bases) - GAIN, settings
    part, position = np.zeros(len(bases), dtype=np.int64), np.arange(bases.shape[1])
    for kernel in KERNELS if counts.positions else ():
        for weight in PSEUDOCOUNTS:
            tables = [table[None] for table in position_ratios(counts.positions, kernel, weight)]
            ratio = position_log_ratio(tables, context, usable, position, part)
            for power in POWERS:
                bits = _bits(_scaled(now + power * ratio), bases)
                if bits < best:
                    best = bits
                    chosen = replace(
                        settings, kernel=kernel, position_weight=weight, position_power=power
                    )
    return chosen


def _choose_composition(settings: Settings, now, common, own, bases) -> tuple[Settings, np.ndarray]:
    """Pseudocount and power of the sequence's own composition, and the forecast with them."""
    common, total = np.exp(common), own[..., 0, :].sum(axis=-1, keepdims=True)
    best, chosen, result = _bits(now, bases) - GAIN, settings, now
    for weight in SELF_WEIGHTS:
        ratio = np.log((own[..., 0, :] + weight * common) / (total + weight) / common)
        for power in POWERS:
            tilted = _scaled(now + power * ratio)
            bits = _bits(tilted, bases)
            if bits < best:
                best, result = bits, tilted
                chosen = replace(settings, own_weight=weight, own_power=power)
    return chosen, result
