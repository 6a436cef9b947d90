"""What the sequence transformer is told of the bases after a gap, and sampling a gap given both
sides.

The order of training is that of Bavarian et al. 2022, arXiv:2207.14255 (fill in the middle), right
side first: a row is cut at one place, what comes after the cut is read first, and then every base
before it is predicted from left to right. Left side and gap need no border between them: the model
has no use for where the left side ends.

Two things are known of the right side without learning. The sequence's own composition and repeats
count its bases too. And what a short chain of order k says of the bases after the cut, given the
last bases before it, follows by going backwards:

    h_0(c) = P_k(right | context c),    h_d(c) = sum_b P_k(b | c) h_d-1(c b),

so a base b with d bases to come after it is likelier in proportion to h_d(c b). If the sequences
were such a chain, this *lookahead* would make the forecasts exact. The network weighs it, beginning
with 1.

Letters in shapes: B rows, T bases before the cut, R bases after it, S = 4**k contexts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from genoloom.models.layers import refuse_non_finite
from genoloom.models.sequence.base import Sampling
from genoloom.models.sequence.chain import draw, histories
from genoloom.models.sequence.context_mixing import Ladder, LadderReader, own_counts
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
    place : int
        Of the first of them, which is also the number of bases before the cut.
    lookahead : float32, shape (B, T, 4)
        Log-probability of the right side after each possible next base, up to a constant of each
        place.
    """

    bases: torch.Tensor
    place: int
    lookahead: torch.Tensor


class Lookahead:
    """log h_d(c) of a few rows; see the module's text."""

    def __init__(self, ladder: Ladder, right: np.ndarray, part: np.ndarray):
        """`right` uint8 (B, R), `part` int64 (B,): the counts that each row meets."""
        self.order = min(LOOKAHEAD_ORDER, ladder.settings.order)
        self.contexts = np.arange(4**self.order)
        log_p = ladder.chain(self.order, part)  # (B, S, 4)
        forecast, follower = np.exp(log_p), self.after(self.contexts)
        h = [np.exp(self._right_log_probability(log_p, right))]
        for _ in range(LOOKAHEAD_REACH - 1):
            h.append(np.einsum("bsk,bsk->bs", forecast, h[-1][:, follower]))
        # the last table is for all that is too far away: nothing is known there
        self._log_h = np.log(np.stack([*h, np.ones_like(h[0])]))  # (REACH + 1, B, S)
        self._log_h -= self._log_h.max(axis=-1, keepdims=True)

    def after(self, code: np.ndarray) -> np.ndarray:
        """The context after each next base: one more axis, of length 4."""
        return ((code[..., None] << 2) | np.arange(4)) & (4**self.order - 1)

    def _right_log_probability(self, log_p: np.ndarray, right: np.ndarray) -> np.ndarray:
        """log P_k(first k bases of the right side, up to one of code 4 | context), float64 (B, S);
        later ones do not depend on it.
        """
        row, total = np.arange(len(right))[:, None], np.zeros(log_p.shape[:2])
        context, known = (
            np.tile(self.contexts, (len(right), 1)),
            np.ones((len(right), 1), dtype=bool),
        )
        for base in right[:, : self.order].T:
            known &= (base != OTHER)[:, None]
            total += np.where(known, log_p[row, context, base[:, None] & 3], 0.0)
            context = ((context << 2) | (base[:, None] & 3)) & (4**self.order - 1)
        return total

    def read(self, code: np.ndarray, usable: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """`Suffix.lookahead`, float32 (B, T, 4).

        Parameters
        ----------
        code, usable : ndarray, int64, shape (B, T)
            From `chain.histories`; more rows than there are right sides only where there is one of
            these.
        missing : ndarray, int64, shape (T,)
            Bases between the next one and the right side.
        """
        row = np.arange(self._log_h.shape[1])[:, None, None]
        far = np.minimum(missing, LOOKAHEAD_REACH)[None, :, None]
        found = self._log_h[far, row, self.after(code)]
        return np.where(usable[..., None] + 1 >= self.order, found, 0.0).astype(np.float32)


def read_right(
    ladder: Ladder, bases: np.ndarray, right: np.ndarray, part: np.ndarray, place: int, device
) -> Suffix:
    """The right side as it is seen from each of `bases` (B, T), which are at the sequence's
    start.
    """
    lookahead = Lookahead(ladder, right, part)
    code, usable = histories(bases, ladder.settings.order)
    seen = lookahead.read(code, usable, place - 1 - np.arange(bases.shape[1]))
    return Suffix(
        torch.from_numpy(right.astype(np.int64)).to(device),
        place,
        torch.from_numpy(seen).to(device),
    )


def read_between(
    ladder: Ladder, bases: np.ndarray, right: np.ndarray, part: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`Ladder.read` of bases whose own composition and repeats count those of the right side as
    well.
    """
    code, usable = histories(bases, ladder.settings.order)
    border = np.full((len(bases), 1), OTHER, dtype=np.uint8)  # no repeat runs across the cut
    own = own_counts(np.concatenate([right, border, bases], axis=1))[:, right.shape[1] + 1 :]
    return ladder.forecast(code, usable, np.arange(bases.shape[1]), own, part)


def draw_cut(rng: np.random.Generator, length: np.ndarray) -> int:
    """A place with bases on both sides in every row of these lengths; 0 where there is none."""
    shortest = int(length.min())
    return int(rng.integers(1, shortest)) if shortest > 1 else 0


@torch.no_grad()
def sample_gap(
    model,
    ladder: Ladder,
    cache,
    prompt: torch.Tensor,
    left: np.ndarray,
    right: np.ndarray,
    label: int,
    uniform: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Bases for the gap, uint8, and their log-probabilities, float64, each of the shape of
    `uniform` (B, size).

    `prompt` (1, len(left) + 1) are the left side's tokens, as the network takes them. `cache` is an
    empty one of one row; both sides are read once, then it is spread over the rows.
    """
    (B, size), nobody = uniform.shape, np.zeros(1, dtype=np.int64)
    place = len(left) + size
    # forecasts look back, so the base to be found may be any
    known = np.append(left, 0).astype(np.uint8)[None]
    forecast, seen = (
        torch.from_numpy(x.astype(np.float32))
        for x in read_between(ladder, known, right[None], nobody)
    )
    side = read_right(ladder, known, right[None], nobody, place, "cpu")
    logits = model(prompt, forecast, seen, torch.tensor([label]), cache, side)[:, -1].expand(B, 4)
    cache.spread(B)
    reader, lookahead = (
        _reader_behind(ladder, left, right, B, size),
        Lookahead(ladder, right[None], nobody),
    )
    labels = torch.full((B,), label)
    bases, log_prob = np.empty((B, size), dtype=np.uint8), np.empty((B, size))
    for i in range(size):
        found = logits.double().log_softmax(-1).numpy()
        refuse_non_finite(found)
        bases[:, i] = draw(Sampling().shape(found), uniform[:, i])
        log_prob[:, i] = found[np.arange(B), bases[:, i]]
        if i + 1 < size:
            reader.push(bases[:, i])
            forecast, seen = (torch.from_numpy(x.astype(np.float32)) for x in reader.forecast())
            now = lookahead.read(
                reader.code[:, None], reader.usable[:, None], np.array([size - i - 2])
            )
            step = Suffix(side.bases, place, torch.from_numpy(now))
            before = torch.from_numpy(bases[:, i : i + 1].astype(np.int64))
            logits = model(before, forecast, seen, labels, cache, step)[:, 0]
    return bases, log_prob


def _reader_behind(
    ladder: Ladder, left: np.ndarray, right: np.ndarray, rows: int, size: int
) -> LadderReader:
    """A reader that comes after the left side and whose own counts know the right one."""
    reader = LadderReader(ladder, rows, len(right) + 1 + len(left) + size)
    push: list[tuple[Callable, int]] = [(reader.own.push, base) for base in (*right, OTHER)]
    for taken, base in push + [(reader.push, base) for base in left]:
        taken(np.full(rows, base, dtype=np.uint8))
    return reader
