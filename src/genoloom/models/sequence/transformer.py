"""Causal transformer over single bases with the Markov chain built in.

Every base is predicted from the bases before it:

    log P(b_t | b_<t)  =  log softmax( sum_k w_k(t) log P_k(b | the last k bases)  +  head(t) )

P_k is the interpolated chain of order k (`genoloom.models.sequence.chain`). The weights w begin as 1 for the best
chain and 0 for all others, and the head begins at zero, so the untrained model *is* the best chain; it is among the
checkpoints that compete on the watched sequences, where the model is therefore never worse on average. Chains
and how much they have seen are inputs too. In training they are cross-fitted: a sequence meets chains that were counted
without its homology fold, because chains that have seen a sequence are surer about it than they will be about new ones.

Below the attention stand dilated causal convolutions, which read neighbourhoods far more cheaply. Sequences of one
orientation (no reverse complement) also have a learned position, since such sets are aligned to something.

Letters in shapes: B rows, T bases, K orders, W width.
"""

import math

import numpy as np
import torch
from torch import nn

from genoloom.config import SequenceTransformerOptions
from genoloom.models.layers import AveragedTraining, KeyValueCache, TransformerLayer, rotary_table
from genoloom.models.sequence.base import SequenceGenerator, SequenceRequest, TrainingSequences
from genoloom.models.sequence.chain import choose_escapes, compact, context_counts, draw, histories, probabilities
from genoloom.models.sequence.markov import both_strands
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.sequences import OTHER, reverse_complement
from genoloom.training.run import TrainingRun, train

CHAIN_ORDER = 8  # longest chain built in; what more context says, the network has to read itself
FOLDS = 8
BEGIN = 5  # token before the first base; bases are 0..4
TAPS, DILATIONS = 4, (1, 4, 16, 64)  # the convolutions read 256 bases back
LABEL_DROPOUT = 0.1  # share of training rows without a label
SAMPLE_ROWS = 256  # sequences sampled together, always exactly so many
SCORE_ROWS = 64


class ChainPrior(nn.Module):
    """Log-probabilities of all orders, looked up in tables; one set of tables for each fold and one for everything."""

    def __init__(self, counts: list[np.ndarray], escapes: list[float], fold_counts: list[list[np.ndarray]] = ()):
        super().__init__()
        self.longest = len(counts) - 1
        tables = [self._table(counts, escapes)]
        for fold in fold_counts:
            tables.append(self._table([a - b for a, b in zip(counts, fold, strict=True)], escapes))
        sizes = 4 ** np.arange(self.longest + 1)
        self.register_buffer("offset", torch.from_numpy(np.cumsum(sizes) - sizes), persistent=False)  # (K,)
        self.register_buffer("mask", torch.from_numpy(sizes - 1), persistent=False)  # (K,)
        self.register_buffer("table", torch.from_numpy(np.stack(tables)), persistent=False)  # (1 + folds, contexts, 5)

    @staticmethod
    def _table(counts: list[np.ndarray], escapes: list[float]) -> np.ndarray:
        """Four log-probabilities and the log-count of every context of every order, float32 (contexts, 5)."""
        rows = [
            np.concatenate([np.log(p), np.log1p(n.sum(axis=1, keepdims=True))], axis=1)
            for p, n in zip(probabilities(counts, escapes), counts, strict=True)
        ]
        return np.concatenate(rows).astype(np.float32)

    def forward(self, code: torch.Tensor, usable: torch.Tensor, fold: torch.Tensor) -> torch.Tensor:
        """Contexts `code`, `usable` int64 (B, T) and fold int64 (B,), 0 for everything; to (B, T, K, 5)."""
        orders = torch.arange(self.longest + 1, device=code.device)
        order = torch.minimum(orders, usable[..., None])  # (B, T, K)
        return self.table[fold[:, None, None], self.offset[order] + (code[..., None] & self.mask[order])]


class Cache:
    """What sampling remembers of the bases so far."""

    def __init__(self, model: "SequenceTransformer", rows: int, capacity: int):
        options, width = model.options, model.options.width
        self.pad = max((layer.reach for layer in model.convolutions), default=0)
        self.lines = torch.zeros(len(model.convolutions), rows, self.pad + capacity, width)  # inputs of the convolutions
        self.counts = torch.zeros(rows, 1, 4)  # of the bases
        self.attention = KeyValueCache(options.layers, rows, options.heads, capacity, width // options.heads)

    @property
    def length(self) -> int:
        """Bases so far."""
        return self.attention.length


class ChannelDropout(nn.Module):
    """Drops channels of whole sequences: one random number a channel costs next to nothing, one a base was 14 % of a step."""

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.share == 0:
            return x
        kept = torch.rand(len(x), 1, x.shape[2], device=x.device) >= self.share
        return x * (kept / (1 - self.share))


class CausalConvolution(nn.Module):
    """Dilated depthwise convolution over the past and a gated mix of channels, behind a norm and beside a skip connection.

    The convolution is a sum of shifted copies, several times faster on a CPU than a grouped `Conv1d`.
    """

    def __init__(self, width: int, dilation: int, dropout: float):
        super().__init__()
        self.dilation, self.reach = dilation, dilation * (TAPS - 1)
        self.norm = nn.LayerNorm(width)
        self.taps = nn.Parameter(torch.randn(TAPS, width) / math.sqrt(TAPS))
        self.gate = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.drop = ChannelDropout(dropout)

    def forward(self, x: torch.Tensor, line: torch.Tensor | None = None, at: int = 0) -> torch.Tensor:
        """`x` (B, T, W). `line` (B, pad + capacity, W) holds the earlier inputs; these go there, the first to place `at`."""
        T, normed = x.shape[1], self.norm(x)
        if line is None:
            line, at = nn.functional.pad(normed, (0, 0, self.reach, 0)), self.reach
        else:
            line[:, at : at + T] = normed
        shifts = [at - j * self.dilation for j in range(TAPS)]
        mixed = sum(self.taps[j] * line[:, shift : shift + T] for j, shift in enumerate(shifts))
        return x + self.drop(self.out(nn.functional.glu(self.gate(mixed))))


class SequenceTransformer(nn.Module):
    """The network; the chains come in as `chains` (B, T, K, 5), so it holds no data."""

    def __init__(self, options: SequenceTransformerOptions, n_labels: int, best_order: int, n_orders: int, positions: int):
        """`positions`: learned places, or 0 where sequences are not aligned to anything."""
        super().__init__()
        W = options.width
        self.options, self.unlabelled = options, n_labels
        self.token = nn.Embedding(6, W)
        self.label = nn.Embedding(n_labels + 1, W)
        self.position = nn.Embedding(positions, W) if positions else None
        self.chains = nn.Linear(5 * n_orders + 4, W)
        self.drop = ChannelDropout(options.dropout)
        self.convolutions = nn.ModuleList(
            CausalConvolution(W, DILATIONS[i % len(DILATIONS)], options.dropout) for i in range(options.convolutions)
        )
        self.layers = nn.ModuleList(TransformerLayer(W, options.heads, dropout=0.0) for _ in range(options.layers))
        self.norm = nn.LayerNorm(W)
        self.weights = nn.Linear(W, n_orders + 1)  # of the chains and the sequence's own composition, base by base
        self.head = nn.Linear(W, 4)
        for zero in (self.weights, self.head):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)
        with torch.no_grad():
            self.weights.bias[best_order] = 1.0
        for embedding in (self.token, self.label, self.position):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=0.02)

    def forward(
        self, before: torch.Tensor, chains: torch.Tensor, label: torch.Tensor, cache: Cache | None = None
    ) -> torch.Tensor:
        """Logits of each base.

        Parameters
        ----------
        before : int64, shape (B, T)
            The base before each one; `BEGIN` before the first.
        chains : float32, shape (B, T, K, 5)
            Four log-probabilities and the log-count of every order.
        label : int64, shape (B,)
        cache : Cache, optional
            Takes one base at a time and advances.

        Returns
        -------
        float32, shape (B, T, 4)
        """
        start, T = cache.length if cache else 0, before.shape[1]
        own = self._own_composition(before, cache)
        x = self.token(before) + self.label(label)[:, None] + self.chains(torch.cat([chains.flatten(2), own], dim=-1))
        if self.position is not None:
            places = torch.arange(start, start + T, device=x.device).clamp(max=self.position.num_embeddings - 1)
            x = x + self.position(places)
        x = self.drop(x)
        for i, layer in enumerate(self.convolutions):
            x = layer(x, cache.lines[i], cache.pad + start) if cache else layer(x)
        head_width = self.options.width // self.options.heads
        rotary = rotary_table(start + T, head_width).to(x.device)[:, start:]
        for i, layer in enumerate(self.layers):
            x = self.drop(layer(x, rotary, cache.attention if cache else None, i))
        if cache:
            cache.attention.length += T
        x = self.norm(x)
        opinions = torch.cat([chains[..., :4], own[..., None, :]], dim=2)  # (B, T, K + 1, 4)
        return torch.einsum("btk,btkc->btc", self.weights(x), opinions) + self.head(x)

    @staticmethod
    def _own_composition(before: torch.Tensor, cache: Cache | None) -> torch.Tensor:
        """Log-frequencies of the four bases among those so far, (B, T, 4), relative to equal ones."""
        counts = nn.functional.one_hot(before, 6)[..., :4].float().cumsum(1)
        if cache:
            counts = counts + cache.counts
            cache.counts = counts[:, -1:]
        return (4 * (counts + 2) / (counts.sum(-1, keepdim=True) + 8)).log()


def tokens_before(bases: np.ndarray) -> torch.Tensor:
    """The token before each base, int64 (B, T), of bases uint8 (B, T)."""
    before = np.roll(bases, 1, axis=1).astype(np.int64)
    before[:, 0] = BEGIN
    return torch.from_numpy(before)


def base_log_probabilities(model, prior, bases: np.ndarray, label: np.ndarray, fold: np.ndarray, device) -> torch.Tensor:
    """Natural-log probability of every base, float32 (B, T); 0 for code 4."""
    contexts = (torch.from_numpy(x).to(device) for x in histories(bases, prior.longest))
    chains = prior(*contexts, torch.from_numpy(fold).to(device))
    logits = model(tokens_before(bases).to(device), chains, torch.from_numpy(label).to(device))
    truth = torch.from_numpy(bases.astype(np.int64)).to(device)
    picked = logits.log_softmax(-1).gather(-1, truth.clamp(max=3)[..., None])[..., 0]
    return picked.masked_fill(truth == OTHER, 0.0)


@torch.no_grad()
def score(model, prior, bases: np.ndarray, label: np.ndarray, device="cpu") -> np.ndarray:
    """Natural-log likelihood of each row under the chains of everything, float64 (n,)."""
    model.eval()
    total = np.zeros(len(bases))
    for low in range(0, len(bases), SCORE_ROWS):
        rows = slice(low, low + SCORE_ROWS)
        fold = np.zeros(len(bases[rows]), dtype=np.int64)
        total[rows] = base_log_probabilities(model, prior, bases[rows], label[rows], fold, device).double().sum(1).cpu().numpy()
    return total


class TransformerTraining(AveragedTraining):
    """Maximum likelihood on random sequences, of either strand where both are good examples."""

    def __init__(self, model, prior: ChainPrior, fold: np.ndarray, data: TrainingSequences, options, run: TrainingRun):
        super().__init__(model, options.learning_rate)
        self.prior, self.fold, self.data, self.options, self.run = prior, fold, data, options, run
        self.fitted, self.watched = np.flatnonzero(~data.watch), np.flatnonzero(data.watch)

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        data = self.data
        rng = np.random.default_rng([self.run.seed, step])
        at = rng.integers(0, len(self.fitted), size=self.options.batch)
        rows = self.fitted[at]
        bases = data.bases[rows][:, : int(data.length[rows].max())]
        if data.reverse_complement:
            turned = rng.random(len(rows)) < 0.5
            bases[turned] = reverse_complement(bases[turned], data.length[rows][turned])
        label = np.where(rng.random(len(rows)) < LABEL_DROPOUT, self.model.unlabelled, data.label[rows])
        self.model.train()
        log_prob = base_log_probabilities(self.model, self.prior, bases, label, self.fold[at] + 1, self.run.device)
        loss = -log_prob.sum() / max((bases != OTHER).sum(), 1) / math.log(2)
        self.descend(loss, fraction)
        return {"loss": loss.item()}

    def evaluate(self, step: int) -> dict[str, float]:
        """Bits a base on the watched sequences ("bits"); at step 0 those of the best chain."""
        data, rows = self.data, self.watched
        total = score(self.average.module, self.prior, data.bases[rows], data.label[rows], self.run.device).sum()
        bits = float(-total / max((data.bases[rows] != OTHER).sum(), 1) / math.log(2))
        return {"score": bits, "bits": bits}


class TransformerGenerator(SequenceGenerator):
    """Sequence transformer: options in `genoloom.config.SequenceTransformerOptions`."""

    name = "transformer"
    has_likelihood = True

    def __init__(self, options: SequenceTransformerOptions):
        self.options = options

    def fit(self, data: TrainingSequences, run: TrainingRun) -> None:
        self.label_names = list(data.label_names)
        self.positions = 0 if data.reverse_complement else data.bases.shape[1]
        fitted = np.flatnonzero(~data.watch)
        self.counts = context_counts(both_strands(data, fitted), CHAIN_ORDER)
        self.escapes, bits = choose_escapes(self.counts, data.bases[data.watch])
        self.best_order = int(np.argmin(bits))
        fold = homology_folds(data.cluster[fitted], derive_seed(run.seed, "folds"))
        fold_counts = [context_counts(both_strands(data, fitted[fold == f]), CHAIN_ORDER) for f in range(FOLDS)]
        cross_fitted = ChainPrior(self.counts, self.escapes, fold_counts).to(run.device)

        torch.manual_seed(derive_seed(run.seed, "weights"))
        self._build()
        self.model.to(run.device)
        training = TransformerTraining(self.model, cross_fitted, fold, data, self.options, run)
        train(training, run, steps=self.options.steps, evaluate_every=self.options.evaluate_every, patience=self.options.patience)
        self.model.to("cpu").eval()

    def _build(self) -> None:
        self.prior = ChainPrior(self.counts, self.escapes)
        n_orders = len(self.counts)
        self.model = SequenceTransformer(self.options, len(self.label_names), self.best_order, n_orders, self.positions)

    def log_likelihood(self, bases: np.ndarray, length: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Natural-log likelihood of each sequence; a label of -1 is an unknown one."""
        known = np.where(label < 0, self.model.unlabelled, label)
        return score(self.model, self.prior, bases, known)

    def sample(self, request: SequenceRequest) -> np.ndarray:
        n, longest = len(request.seed), int(request.length.max(initial=0))
        bases = np.empty((n, longest), dtype=np.uint8)
        for low in range(0, n, SAMPLE_ROWS):
            # short chunks are filled up: matrix products have one shape, and a sequence does not depend on its company
            rows = np.minimum(np.arange(low, low + SAMPLE_ROWS), n - 1)
            uniform = row_uniforms(request.seed[rows], np.arange(longest))
            bases[low : low + SAMPLE_ROWS] = self._sample_chunk(request.label[rows], uniform)[: n - low]
        bases[np.arange(longest) >= request.length[:, None]] = OTHER
        return bases

    @torch.no_grad()
    def _sample_chunk(self, label: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Bases, uint8, shape of `uniform` (B, T); one base a step, from the cache."""
        B, T = uniform.shape
        cache, longest = Cache(self.model, B, T), self.prior.longest
        label, fold = torch.from_numpy(label), torch.zeros(B, dtype=torch.int64)
        before = torch.full((B, 1), BEGIN)
        code = torch.zeros(B, 1, dtype=torch.int64)
        bases = np.empty((B, T), dtype=np.uint8)
        for t in range(T):
            usable = torch.full((B, 1), min(t, longest))
            logits = self.model(before, self.prior(code, usable, fold), label, cache)[:, 0]
            bases[:, t] = draw(logits.double().softmax(-1).numpy(), uniform[:, t])
            before = torch.from_numpy(bases[:, t : t + 1].astype(np.int64))
            code = ((code << 2) | before) & (4**longest - 1)
        return bases

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = {f"network.{name}": value.numpy() for name, value in self.model.state_dict().items()}
        arrays |= {f"counts.{k}": compact(table) for k, table in enumerate(self.counts)}
        description = {
            "options": self.options.model_dump(),
            "label_names": self.label_names,
            "positions": self.positions,
            "escapes": self.escapes,
            "best_order": self.best_order,
        }
        return arrays, description

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "TransformerGenerator":
        generator = cls(SequenceTransformerOptions(**description["options"]))
        for name in ("label_names", "positions", "escapes", "best_order"):
            setattr(generator, name, description[name])
        generator.counts = [arrays[f"counts.{k}"].astype(np.int64) for k in range(len(generator.escapes))]
        generator._build()
        weights = {k.removeprefix("network."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("network.")}
        generator.model.load_state_dict(weights)
        generator.model.eval()
        return generator


def homology_folds(cluster: np.ndarray, seed: int) -> np.ndarray:
    """One of `FOLDS` folds for each sequence, int64 (n,); whole clusters, the largest dealt out first."""
    names, inverse, size = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-size[order], kind="stable")]
    filled, fold = np.zeros(FOLDS, dtype=np.int64), np.empty(len(names), dtype=np.int64)
    for c in order:
        fold[c] = np.argmin(filled)
        filled[fold[c]] += size[c]
    return fold[inverse]
