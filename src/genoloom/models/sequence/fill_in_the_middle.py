"""What the sequence transformer gets of the bases after a gap, and sampling a gap given its
prefix and suffix.

The order of training is that of Bavarian et al. 2022, arXiv:2207.14255 (fill in the middle), suffix
first: a row is cut at one position, what comes after the cut is read first, and then every base
before it is predicted from left to right. Prefix and gap need no border between them: the model
has no use for where the prefix ends.

Two things are known of the suffix without learning. The sequence's own composition and repeats
count its bases too. And what a short chain of order k says of the bases after the cut, given the
last bases before it, follows by going backwards:

    h_0(c) = P_k(suffix | context c),    h_d(c) = sum_b P_k(b | c) h_d-1(c b),

so a base b with d bases to come after it is likelier in proportion to h_d(c b). If the sequences
were such a chain, this *lookahead* would make the forecasts exact. The network weighs it, beginning
with 1.

Letters in shapes: B rows, T bases before the cut, R bases after it, S = 4**k contexts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from genoloom.models.finite import refuse_non_finite
from genoloom.models.sequence.base import Sampling
from genoloom.models.sequence.chain import context_of_each_base, draw
from genoloom.models.sequence.context_mixing import ContextMixture, MixtureState, own_counts
from genoloom.sequences import OTHER

LOOKAHEAD_ORDER = 4
# bases before the cut; farther away a short chain has forgotten what it comes from
LOOKAHEAD_REACH = 16


@dataclass(frozen=True)
class Suffix:
    """What comes after the cut, as the network takes it.

    Attributes
    ----------
    bases : int64, shape (B, R)
    position : int
        Of the first of them, which is also the number of bases before the cut.
    lookahead : float32, shape (B, T, 4)
        Log-probability of the suffix after each possible next base, up to a constant of each
        position.
    """

    bases: torch.Tensor
    position: int
    lookahead: torch.Tensor


class Lookahead:
    """log h_d(c) of a few rows; see the module's text."""

    def __init__(self, mixture: ContextMixture, suffix: np.ndarray, part: np.ndarray):
        """`suffix` uint8 (B, R), `part` int64 (B,): the counts that each row meets."""
        self.order = min(LOOKAHEAD_ORDER, mixture.settings.order)
        self.contexts = np.arange(4**self.order)
        log_p = mixture.chain(self.order, part)  # (B, S, 4)
        forecast, follower = np.exp(log_p), self.after(self.contexts)
        h = [np.exp(self._suffix_log_probability(log_p, suffix))]
        for _ in range(LOOKAHEAD_REACH - 1):
            h.append(np.einsum("bsk,bsk->bs", forecast, h[-1][:, follower]))
        # the last table is for all that is too far away: nothing is known there
        self._log_h = np.log(np.stack([*h, np.ones_like(h[0])]))  # (REACH + 1, B, S)
        self._log_h -= self._log_h.max(axis=-1, keepdims=True)

    def after(self, context: np.ndarray) -> np.ndarray:
        """The context after each next base: one more axis, of length 4."""
        return ((context[..., None] << 2) | np.arange(4)) & (4**self.order - 1)

    def _suffix_log_probability(self, log_p: np.ndarray, suffix: np.ndarray) -> np.ndarray:
        """log P_k(first k bases of the suffix, up to an unknown one (4) | context), float64 (B, S);
        later ones do not depend on it.
        """
        row, total = np.arange(len(suffix))[:, None], np.zeros(log_p.shape[:2])
        context = np.tile(self.contexts, (len(suffix), 1))
        known = np.ones((len(suffix), 1), dtype=bool)
        for base in suffix[:, : self.order].T:
            known &= (base != OTHER)[:, None]
            total += np.where(known, log_p[row, context, base[:, None] & 3], 0.0)
            context = ((context << 2) | (base[:, None] & 3)) & (4**self.order - 1)
        return total

    def log_ratio(self, context: np.ndarray, usable: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """`Suffix.lookahead`, float32 (B, T, 4).

        Parameters
        ----------
        context, usable : ndarray, int64, shape (B, T)
            From `chain.context_of_each_base`; more rows than there are suffixes only where there is
            one of these.
        missing : ndarray, int64, shape (T,)
            Bases between the next one and the suffix.
        """
        row = np.arange(self._log_h.shape[1])[:, None, None]
        far = np.minimum(missing, LOOKAHEAD_REACH)[None, :, None]
        found = self._log_h[far, row, self.after(context)]
        return np.where(usable[..., None] + 1 >= self.order, found, 0.0).astype(np.float32)


def suffix_of(
    mixture: ContextMixture,
    bases: np.ndarray,
    suffix: np.ndarray,
    part: np.ndarray,
    position: int,
    device,
) -> Suffix:
    """The suffix as it is seen from each of `bases` (B, T), which are at the sequence's
    start.
    """
    lookahead = Lookahead(mixture, suffix, part)
    context, usable = context_of_each_base(bases, mixture.settings.order)
    log_probability = lookahead.log_ratio(context, usable, position - 1 - np.arange(bases.shape[1]))
    return Suffix(
        torch.from_numpy(suffix.astype(np.int64)).to(device),
        position,
        torch.from_numpy(log_probability).to(device),
    )


def forecast_infill(
    mixture: ContextMixture, bases: np.ndarray, suffix: np.ndarray, part: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`ContextMixture.forecast_bases` of bases whose own composition and repeats count the suffix
    as well.
    """
    context, usable = context_of_each_base(bases, mixture.settings.order)
    border = np.full((len(bases), 1), OTHER, dtype=np.uint8)  # no repeat runs across the cut
    own = own_counts(np.concatenate([suffix, border, bases], axis=1))[:, suffix.shape[1] + 1 :]
    return mixture.forecast(context, usable, np.arange(bases.shape[1]), own, part)


def draw_cut(rng: np.random.Generator, length: np.ndarray) -> int:
    """A position with bases on both sides in every row of these lengths; 0 where there is none."""
    shortest = int(length.min())
    return int(rng.integers(1, shortest)) if shortest > 1 else 0


@torch.no_grad()
def sample_gap(
    model,
    mixture: ContextMixture,
    cache,
    prompt: torch.Tensor,
    prefix: np.ndarray,
    suffix: np.ndarray,
    label: int,
    uniform: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Bases for the gap, uint8, and their log-probabilities, float64, each of the shape of
    `uniform` (B, size).

    `prompt` (1, len(prefix) + 1) are the prefix's tokens, as the network takes them. `cache` is an
    empty one of one row; both sides are read once, then it is spread over the rows.
    """
    (B, size), nobody = uniform.shape, np.zeros(1, dtype=np.int64)
    position = len(prefix) + size
    # forecasts look back, so the base to be found may be any
    known = np.append(prefix, 0).astype(np.uint8)[None]
    forecast, context_counts = (
        torch.from_numpy(x.astype(np.float32))
        for x in forecast_infill(mixture, known, suffix[None], nobody)
    )
    side = suffix_of(mixture, known, suffix[None], nobody, position, "cpu")
    logits = model(prompt, forecast, context_counts, torch.tensor([label]), cache, side)[
        :, -1
    ].expand(B, 4)
    cache.spread(B)
    state = _state_after(mixture, prefix, suffix, B, size)
    lookahead = Lookahead(mixture, suffix[None], nobody)
    labels = torch.full((B,), label)
    bases, log_prob = np.empty((B, size), dtype=np.uint8), np.empty((B, size))
    for i in range(size):
        found = logits.double().log_softmax(-1).numpy()
        refuse_non_finite(found)
        bases[:, i] = draw(Sampling().shape(found), uniform[:, i])
        log_prob[:, i] = found[np.arange(B), bases[:, i]]
        if i + 1 < size:
            state.push(bases[:, i])
            forecast, context_counts = (
                torch.from_numpy(x.astype(np.float32)) for x in state.forecast()
            )
            now = lookahead.log_ratio(
                state.context[:, None], state.usable[:, None], np.array([size - i - 2])
            )
            step = Suffix(side.bases, position, torch.from_numpy(now))
            before = torch.from_numpy(bases[:, i : i + 1].astype(np.int64))
            logits = model(before, forecast, context_counts, labels, cache, step)[:, 0]
    return bases, log_prob


def _state_after(
    mixture: ContextMixture, prefix: np.ndarray, suffix: np.ndarray, rows: int, size: int
) -> MixtureState:
    """The state after the prefix, whose own counts know the suffix."""
    state = MixtureState(mixture, rows, len(suffix) + 1 + len(prefix) + size)
    push: list[tuple[Callable, int]] = [(state.own.push, base) for base in (*suffix, OTHER)]
    for taken, base in push + [(state.push, base) for base in prefix]:
        taken(np.full(rows, base, dtype=np.uint8))
    return state
