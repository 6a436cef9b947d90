"""The network of the sequence transformer; what it computes is said in
`genoloom.models.sequence.transformer`.

Letters in shapes: B rows, T bases, R components, C contexts, W width, J words.
"""

import math

import torch
from torch import nn

from genoloom.models.layers import KeyValueCache, TransformerLayer, rotary_table
from genoloom.models.sequence import fill_in_the_middle
from genoloom.models.sequence.labels import LabelPatterns
from genoloom.sequence_config import SequenceTransformerOptions

BOS = 5  # token before the first base; bases are 0..4
TAPS, DILATIONS = 4, (1, 4, 16, 64)  # the convolutions read 256 bases back
SUFFIX_POSITIONS, MISSING = 16, 32  # distances from the cut that differ, after and before it


class Cache:
    """What sampling remembers of the bases so far, and of the bases of a suffix."""

    def __init__(
        self, model: "SequenceTransformer", rows: int, capacity: int, suffix_length: int = 0
    ):
        options, width = model.options, model.options.width
        convolutions = [*model.convolutions, *([model.kmers.mix] if model.kmers else [])]
        self.pad = max((layer.reach for layer in convolutions), default=0)
        # inputs of the convolutions
        self.lines = torch.zeros(len(convolutions), rows, self.pad + capacity, width)
        self.attention = KeyValueCache(
            options.layers, rows, options.heads, suffix_length + capacity, width // options.heads
        )
        self.length = 0  # bases so far, without the suffix
        if model.kmers:
            # the tokens of the last bases
            self.recent = torch.full((rows, model.kmers.size), BOS)
            self.attended = torch.zeros(
                rows, 1, width
            )  # output of the attention on the words so far

    def spread(self, rows: int) -> None:
        """This many copies of the only row."""
        self.lines = self.lines.repeat(1, rows, 1, 1)
        self.attention.keys, self.attention.values = (
            x.repeat(1, rows, 1, 1, 1) for x in (self.attention.keys, self.attention.values)
        )


class ChannelDropout(nn.Module):
    """Drops channels of whole sequences: one random number a channel costs next to nothing, one a
    base was 14 % of a step.
    """

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.share == 0:
            return x
        kept = torch.rand(len(x), 1, x.shape[2], device=x.device) >= self.share
        return x * (kept / (1 - self.share))


class CausalConvolution(nn.Module):
    """Dilated depthwise convolution over the past and a gated mix of channels, after a norm and
    next to a skip connection.

    The convolution is a sum of shifted copies, several times faster on a CPU than a grouped
    `Conv1d`.
    """

    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.dilation, self.reach = dilation, dilation * (TAPS - 1)
        self.norm = nn.LayerNorm(width)
        self.taps = nn.Parameter(torch.randn(TAPS, width).div_(math.sqrt(TAPS)))
        self.gate = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.drop = ChannelDropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        shift: torch.Tensor | float = 0.0,
        line: torch.Tensor | None = None,
        at: int = 0,
    ) -> torch.Tensor:
        """`x` (B, T, W).

        `shift` (B, 1, W) is what the label adds before the gate. `line` (B, pad + capacity, W)
        holds the earlier inputs; these go there, the first to position `at`.
        """
        T, normed = x.shape[1], self.norm(x)
        if line is None:
            line, at = nn.functional.pad(normed, (0, 0, self.reach, 0)), self.reach
        else:
            line[:, at : at + T] = normed
        starts = [at - j * self.dilation for j in range(TAPS)]
        mixed = sum(self.taps[j] * line[:, start : start + T] for j, start in enumerate(starts))
        return x + self.drop(self.out(nn.functional.glu(self.gate(mixed + shift))))


class KmerEmbedding(nn.Module):
    """Words of several bases as tokens of the attention.

    There is a token where a word ends; it predicts the next word's bases, which all know what
    the attention computed of it: the sum of what the convolutions know there and the word's own
    vector. A last convolution brings it together with the bases since.
    """

    def __init__(self, size: int, width: int, dropout: float):
        super().__init__()
        self.size = size
        # the last one is for words with another letter, and for the beginning
        self.kmer = nn.Embedding(4**size + 1, width)
        self.offset = nn.Embedding(size, width)
        self.mix = CausalConvolution(width, 1, dropout)
        for embedding in (self.kmer, self.offset):
            nn.init.normal_(embedding.weight, std=0.02)

    def before(self, tokens: torch.Tensor) -> torch.Tensor:
        """Vectors (B, J, W) of the words before each position that begins one, of the tokens before
        every position, int64 (B, T).
        """
        padded = nn.functional.pad(tokens, (self.size - 1, 0), value=BOS)
        return self.vectors(padded.unfold(1, self.size, self.size))

    def vectors(self, kmers: torch.Tensor) -> torch.Tensor:
        """(B, J, W) of words, int64 (B, J, size)."""
        kmer_id = (kmers * 4 ** torch.arange(self.size, device=kmers.device)).sum(-1)
        return self.kmer(torch.where((kmers < 4).all(-1), kmer_id, 4**self.size))

    def tell(
        self,
        x: torch.Tensor,
        attended: torch.Tensor,
        positions: torch.Tensor,
        line: torch.Tensor | None = None,
        at: int = 0,
    ):
        """`x` (B, T, W) and the output of the attention on the words before each of its `positions`
        (T,), `attended` (B, T, W); (B, T, W).
        """
        return self.mix(x + attended + self.offset(positions % self.size), line=line, at=at)


class LabelEmbedding(nn.Embedding):
    """A vector for each name of `LabelPatterns`: its own, and the vectors of the cells that it
    names, which other names share.
    """

    def __init__(self, labels: LabelPatterns, width: int):
        super().__init__(len(labels.names), width)
        self.register_buffer("table", torch.from_numpy(labels.cells).float(), persistent=False)
        self.cells = (
            nn.Parameter(torch.zeros(self.table.shape[1], width)) if self.table.shape[1] else None
        )

    def forward(self, label: torch.Tensor) -> torch.Tensor:
        """(B,) to (B, W)."""
        own = super().forward(label)
        return own if self.cells is None else own + self.table[label] @ self.cells


class SequenceTransformer(nn.Module):
    """The network; the forecasts of the chains come in, so it holds no data."""

    def __init__(
        self,
        options: SequenceTransformerOptions,
        labels: LabelPatterns,
        components: int,
        contexts: int,
        positions: int,
    ):
        """`positions`: length of the table of learned positions, or 0 where sequences are not
        aligned to anything.
        """
        super().__init__()
        W = options.width
        self.options, self.unlabelled = options, labels.unlabelled
        self.token = nn.Embedding(6, W)
        self.label = LabelEmbedding(labels, W)
        self.position = nn.Embedding(positions, W) if positions else None
        self.chains = nn.Linear(4 * components + contexts, W)
        self.drop = ChannelDropout(options.dropout)
        self.convolutions = nn.ModuleList(
            CausalConvolution(W, DILATIONS[i % len(DILATIONS)], options.dropout)
            for i in range(options.convolutions)
        )
        self.layers = nn.ModuleList(
            TransformerLayer(W, options.heads, dropout=0.0) for _ in range(options.layers)
        )
        self.norm = nn.LayerNorm(W)
        self.weights = nn.Linear(W, components)
        self.head = nn.Linear(W, 4)
        for zero in (self.weights, self.head):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)
        with torch.no_grad():
            self.weights.bias[-1] = 1.0
        for embedding in (self.token, self.label, self.position):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=0.02)
        if options.fim_rate:  # after the others, so that these begin as they do without
            self.suffix_position = nn.Embedding(SUFFIX_POSITIONS, W)
            self.missing = nn.Embedding(MISSING, W)
            self.lookahead = nn.Linear(W, 1)
            for embedding in (self.suffix_position, self.missing):
                nn.init.normal_(embedding.weight, std=0.02)
            nn.init.zeros_(self.lookahead.weight)
            nn.init.ones_(self.lookahead.bias)
        self.label_shifts = nn.ModuleList()
        # an input alone is a weak signal: labels are worth a thousandth of a bit a base
        if labels.unlabelled > 1:
            self.label_shifts.extend(LabelEmbedding(labels, W) for _ in self.convolutions)
            for embedding in self.label_shifts:
                nn.init.zeros_(embedding.weight)
        self.kmers = (
            KmerEmbedding(options.kmer_size, W, options.dropout) if options.kmer_size > 1 else None
        )

    def forward(
        self,
        before: torch.Tensor,
        forecast: torch.Tensor,
        context_counts: torch.Tensor,
        label: torch.Tensor,
        cache: Cache | None = None,
        suffix: fill_in_the_middle.Suffix | None = None,
    ) -> torch.Tensor:
        """Logits of each base.

        Parameters
        ----------
        before : int64, shape (B, T)
            The base before each one; `BOS` before the first.
        forecast : float32, shape (B, T, R, 4)
            Log-probabilities of every component.
        context_counts : float32, shape (B, T, C)
            How much their contexts have been seen.
        label : int64, shape (B,)
        cache : Cache, optional
            Takes one base at a time and advances; with a suffix, any number in the first call.
        suffix : Suffix, optional
            What comes after these bases, in every call; only of a network with `fim_rate`. With a
            cache, the first call reads it.

        Returns
        -------
        float32, shape (B, T, 4)
        """
        start, T = cache.length if cache else 0, before.shape[1]
        positions = torch.arange(start, start + T, device=before.device)
        x = (
            self.token(before)
            + self.label(label)[:, None]
            + self.chains(torch.cat([forecast.flatten(2) + math.log(4), context_counts], -1))
        )
        if suffix is not None:
            x = x + self.missing((suffix.position - 1 - positions).clamp(max=MISSING - 1))
        x = self.drop(self._with_position(x, positions))
        for i, layer in enumerate(self.convolutions):
            shift = self._label_shift(i, label)
            x = layer(x, shift, cache.lines[i], cache.pad + start) if cache else layer(x, shift)
        if self.kmers:
            x = self._attend_kmers(x, before, positions, cache)
        else:
            if suffix is not None and start == 0:
                embedded, suffix_positions = self._embed_suffix(suffix, label)
                x, positions = torch.cat([embedded, x], 1), torch.cat([suffix_positions, positions])
            x = self._attend(
                x,
                positions,
                start + T if suffix is None else suffix.position + suffix.bases.shape[1],
                cache,
            )
        if cache:
            cache.length += T
        x = self.norm(x[:, -T:])
        logits = torch.einsum("btk,btkc->btc", self.weights(x), forecast) + self.head(x)
        return logits if suffix is None else logits + self.lookahead(x) * suffix.lookahead

    def _attend(
        self, x: torch.Tensor, positions: torch.Tensor, longest: int, cache: Cache | None
    ) -> torch.Tensor:
        """The attention layers on tokens `x` (B, T, W) at `positions` (T,) below `longest`; a cache
        takes them and advances.
        """
        rotary = rotary_table(longest, self.options.width // self.options.heads).to(x.device)[
            :, positions
        ]
        for i, layer in enumerate(self.layers):
            x = self.drop(layer(x, rotary, cache.attention if cache else None, i))
        if cache:
            cache.attention.length += x.shape[1]
        return x

    def _attend_kmers(
        self, x: torch.Tensor, before: torch.Tensor, positions: torch.Tensor, cache: Cache | None
    ) -> torch.Tensor:
        """The attention layers on words; `x` (B, T, W), and `before` (B, T) as `forward` has it,
        with one base at a time from a cache.
        """
        kmers, T = self.kmers, x.shape[1]
        if cache is None:
            token = x[:, :: kmers.size] + kmers.before(before)
            J = token.shape[1]
            attended = self._attend(token, torch.arange(J, device=x.device), J, None)
            return kmers.tell(x, attended.repeat_interleave(kmers.size, dim=1)[:, :T], positions)
        cache.recent = torch.cat([cache.recent[:, 1:], before], dim=1)
        kmer, since = divmod(cache.length, kmers.size)
        if since == 0:
            token = x + kmers.vectors(cache.recent[:, None])
            cache.attended = self._attend(token, torch.tensor([kmer]), kmer + 1, cache)
        return kmers.tell(x, cache.attended, positions, cache.lines[-1], cache.pad + cache.length)

    def _label_shift(self, i: int, label: torch.Tensor) -> torch.Tensor | float:
        """What the label (B,) adds inside convolution `i`, (B, 1, W); nothing in sets without
        labels.
        """
        return self.label_shifts[i](label)[:, None] if self.label_shifts else 0.0

    def _with_position(self, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """`x` (B, T, W) and the learned positions of its `positions` (T,), where there are such."""
        if self.position is None:
            return x
        return x + self.position(positions.clamp(max=self.position.num_embeddings - 1))

    def _embed_suffix(
        self, suffix: fill_in_the_middle.Suffix, label: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The suffix (B, R, W) as the attention takes it, and its positions (R,).

        The convolutions run over it alone: its end does not come before the first base of the row,
        and nothing that comes before it shows where it begins.
        """
        steps = torch.arange(suffix.bases.shape[1], device=suffix.bases.device)
        x = (
            self.token(suffix.bases)
            + self.label(label)[:, None]
            + self.suffix_position(steps.clamp(max=SUFFIX_POSITIONS - 1))
        )
        x = self.drop(self._with_position(x, suffix.position + steps))
        for i, layer in enumerate(self.convolutions):
            x = layer(x, self._label_shift(i, label))
        return x, suffix.position + steps
