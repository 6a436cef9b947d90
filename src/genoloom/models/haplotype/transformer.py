"""Causal transformer over blocks of neighbouring sites, with an exact likelihood.

A token is a block of sites (`genoloom.models.haplotype.blocks`). Given the blocks before it, the network gives each
code of block t a probability pi. The block is then read from the codes as Li and Stephens (2003,
doi:10.1093/genetics/165.4.2213) read a haplotype from others: it begins as a code drawn by pi, crosses over at the
boundary of every few sites with a small chance to a code drawn by its frequency q in the cohort, and shows each allele
with a small chance of a flip. Every haplotype is possible, all probabilities sum to one, the forward algorithm makes
the likelihood exact, and missing calls drop out. The chances are learned where they matter: on training blocks that
were seen only once, with their own code hidden, which are the only honest examples of blocks that are not in the codebook.

Context is bounded. A contig is worked off in windows of `context` blocks that overlap by half: a window scores (or
samples) its second half given its first, the first window all of it. Training sees random windows of the same length,
so a token is never asked what it was not trained for, and cost and memory are linear in variants.

Letters in shapes: B haplotypes, T blocks, L sites a block, C codes, S segments a block, W width.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from genoloom.config import TransformerOptions
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockCodebook, read_blocks
from genoloom.models.haplotype.rows import PackedRows
from genoloom.models.layers import AveragedTraining, KeyValueCache, TransformerLayer, rotary_table
from genoloom.panel import HaplotypeSource
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.training.run import TrainingRun, train

SEGMENT = 2  # sites between possible crossovers inside a block
CROSSOVER_LOGIT = -6.0  # where the log-odds of a crossover at a segment boundary begin
INPUT_FLIPS = 2e-4  # share of input alleles flipped in training
CODE_DROPOUT = 0.2  # share of input blocks whose code is not told: novel blocks have none
LABEL_DROPOUT = 0.1  # share of training rows without a population
BLOCKS_A_CROSSOVER = 8  # mean length of a piece in augmented rows
PRIOR_RATE = 5.0  # learning rate of flips, crossovers and code frequencies, in that of the weights
LOOKS, MOST_STEPS = 28, 8000  # how often a schedule of automatic length shows each block of each row
EVALUATIONS = 20  # in a schedule, unless set
# Rare codes have a gradient up in one step of hundreds and a tiny one down in all others. With a short memory of squared
# gradients (0.98) Adam takes the tiny ones at full size, and rare alleles die out: 1000 Genomes, DPYD region, 2,504
# haplotypes, 1,000 steps: sites of two copies keep 1.1 with 0.98 and 2.0 with 0.999.
BETAS = (0.9, 0.999)
SAMPLE_ROWS = 128  # haplotypes sampled together, always exactly so many
EVALUATION_WINDOWS = 512  # most windows scored in one evaluation
BLOCK_DRAWS = 2**40  # first counter of the draws of blocks; the flips of the sites count from 0


class HaplotypeTransformer(nn.Module):
    """The network: log-probabilities of blocks given the blocks before them."""

    def __init__(self, codebook: BlockCodebook, n_populations: int, options: TransformerOptions):
        super().__init__()
        K, C, L = codebook.alleles.shape
        W = options.width
        self.unlabelled = n_populations
        self.segments = -(-L // SEGMENT)
        self.register_buffer("codes", torch.from_numpy(codebook.alleles).float(), persistent=False)  # (K, C, L)
        self.register_buffer("absent", torch.from_numpy(codebook.count == 0), persistent=False)  # (K, C)
        several = (codebook.count > 0).sum(axis=1, keepdims=True) > 1
        self.register_buffer("singleton", torch.from_numpy((codebook.count == 1) & several), persistent=False)  # (K, C)
        exists = torch.arange(K * L).view(K, L) < codebook.n_variants
        self.register_buffer("exists", exists, persistent=False)  # (K, L)
        self.register_buffer("rotary", rotary_table(options.context, W // options.heads), persistent=False)

        self.site_in, self.site_out = _table(K, L, W), _table(K, L, W)
        self.code_in, self.code_out = _table(K, C, W), _table(K, C, W)
        self.place, self.population, self.begin = _table(K, W), _table(n_populations + 1, W), _table(W)
        self.drop = nn.Dropout(options.dropout)
        self.layers = nn.ModuleList(TransformerLayer(W, options.heads, options.dropout) for _ in range(options.layers))
        self.norm = nn.LayerNorm(W)

        frequency = torch.from_numpy(codebook.count + 0.5).log().float()
        error = torch.from_numpy((codebook.error + 1e-3).clip(max=0.4))
        crossover = torch.full((K, self.segments - 1), CROSSOVER_LOGIT)
        self.code_bias, self.partner = _prior(frequency), _prior(frequency.clone())  # (K, C) each
        self.error_logit, self.crossover = _prior(error.logit()), _prior(crossover)  # (K, L), (K, S - 1)

    def match(self, alleles: torch.Tensor, start: int) -> torch.Tensor:
        """Index of the code that equals each block, -1 where there is none; (B, T, L) to (B, T)."""
        blocks = slice(start, start + alleles.shape[1])
        one, called = (alleles == 1).float(), (alleles >= 0).float()
        mismatches = torch.einsum("btl,tcl->btc", called - 2 * one, self.codes[blocks]) + one.sum(-1, keepdim=True)
        least, code = mismatches.masked_fill(self.absent[blocks], math.inf).min(-1)
        complete = ((alleles >= 0) | ~self.exists[blocks]).all(-1)
        return torch.where((least == 0) & complete, code, -1)

    def embed(self, alleles: torch.Tensor, code: torch.Tensor, start: int) -> torch.Tensor:
        """What the network sees of blocks [start, start + T): alleles and, where known, codes; (B, T, W)."""
        blocks = slice(start, start + alleles.shape[1])
        signed = torch.where(alleles >= 0, 2.0 * alleles - 1, 0.0)
        x = torch.einsum("btl,tlw->btw", signed, self.site_in[blocks])
        places = torch.arange(alleles.shape[1], device=x.device)
        known = self.code_in[blocks][places, code.clamp(min=0)]  # (B, T, W)
        return x + known * (code >= 0)[..., None]

    def read(
        self, seen: torch.Tensor, population: torch.Tensor, start: int, offset: int = 0, cache: KeyValueCache | None = None
    ) -> torch.Tensor:
        """Hidden states that predict the T blocks from `start`, the `offset`-th of their window.

        `seen` (B, T, W) embeds the block *before* each of them.
        """
        T = seen.shape[1]
        x = self.drop(seen + self.place[start : start + T] + self.population[population][:, None])
        rotary = self.rotary[:, offset : offset + T]
        for i, layer in enumerate(self.layers):
            x = layer(x, rotary, cache, i)
        if cache is not None:
            cache.length += T
        return self.norm(x)

    def code_logits(self, hidden: torch.Tensor, start: int) -> torch.Tensor:
        """Unnormalised log pi of the codes, -inf for codes that a block does not have; (B, T, W) to (B, T, C)."""
        blocks = slice(start, start + hidden.shape[1])
        readout = self.code_out[blocks] + (2 * self.codes[blocks] - 1) @ self.site_out[blocks]  # (T, C, W)
        logits = torch.einsum("btw,tcw->btc", hidden, readout) + self.code_bias[blocks]
        return logits.masked_fill(self.absent[blocks], -math.inf)

    def partner_logits(self, start: int, T: int) -> torch.Tensor:
        """Unnormalised log q of the codes after a crossover inside the block, (T, C)."""
        return self.partner[start : start + T].masked_fill(self.absent[start : start + T], -math.inf)

    def emissions(self, alleles: torch.Tensor, start: int) -> torch.Tensor:
        """Probability of the alleles of each segment given each code; (B, T, L) to (B, T, S, C)."""
        B, T, L = alleles.shape
        S, blocks = self.segments, slice(start, start + T)
        one, called = (alleles == 1).float(), (alleles >= 0).float()
        flip = self.flip_logit(blocks)  # log e - log (1 - e)
        # a site adds log (1 - e), and log e - log (1 - e) more where row and code differ: one + (called - 2 one) * code
        common = called * nn.functional.logsigmoid(-flip) + one * flip
        differing = (called - 2 * one) * flip
        fill = (0, S * SEGMENT - L)
        common = nn.functional.pad(common, fill).view(B, T, S, SEGMENT).sum(-1)
        differing = nn.functional.pad(differing, fill).view(B, T, S, SEGMENT)
        codes = nn.functional.pad(self.codes[blocks], fill).view(T, -1, S, SEGMENT)
        return (common[..., None] + torch.einsum("btsl,tcsl->btsc", differing, codes)).exp()

    def flip_logit(self, blocks: slice) -> torch.Tensor:
        """Log-odds of a flip at each site, (T, L); bounded, so that no segment's probability vanishes in float32."""
        return self.error_logit[blocks].clamp(-12, 0)

    def log_prob(
        self,
        alleles: torch.Tensor,
        seen: torch.Tensor,
        population: torch.Tensor,
        start: int,
        hidden_code: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Natural-log probability of each block of a window given the blocks before it; (B, T).

        Parameters
        ----------
        alleles : int8, shape (B, T, L)
            Blocks [start, start + T); -1 where missing.
        seen : float, shape (B, T, W)
            Embeddings of the same blocks; the last is not used.
        population : int64, shape (B,)
        start : int
        hidden_code : bool, shape (B, T, C), optional
            Codes to do without.
        """
        B, T, _ = alleles.shape
        before = torch.cat([self.begin.expand(B, 1, -1), seen[:, :-1]], dim=1)
        logits = self.code_logits(self.read(before, population, start), start)
        partner = self.partner_logits(start, T).expand_as(logits)
        if hidden_code is not None:
            logits, partner = logits.masked_fill(hidden_code, -math.inf), partner.masked_fill(hidden_code, -math.inf)
        emitted = self.emissions(alleles, start)  # (B, T, S, C)
        crossover = self.crossover[start : start + T].sigmoid()  # (T, S - 1)
        state, partner = logits.softmax(-1), partner.softmax(-1)  # (B, T, C)
        total = 0.0
        for s in range(self.segments):  # forward algorithm; the state is scaled to sum to one
            if s > 0:
                state = state.lerp(partner, crossover[:, s - 1, None])
            state = state * emitted[:, :, s]
            scale = state.sum(-1, keepdim=True)  # (B, T, 1)
            total = total + scale.log().squeeze(-1)
            state = state / scale
        return total


def _table(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * 0.02)


def _prior(values: torch.Tensor) -> nn.Parameter:
    """A parameter that starts at what was counted, must not decay towards zero and learns faster."""
    parameter = nn.Parameter(values)
    parameter.rate = PRIOR_RATE
    return parameter


def windows(n_blocks: int, context: int) -> Iterator[tuple[int, int, int]]:
    """(start, first, stop) of the windows of a contig: blocks [first, stop) are predicted from start on."""
    yield 0, 0, min(context, n_blocks)
    half = context // 2
    for first in range(context, n_blocks, half):
        yield first - half, first, min(first + half, n_blocks)


def automatic_steps(n_rows: int, n_blocks: int, options: TransformerOptions) -> int:
    """Steps after which each block of each training row has been in a batch `LOOKS` times, at most `MOST_STEPS`."""
    length = min(options.context, n_blocks)
    places = n_blocks + length - 1  # where a window may start, as in `TransformerTraining._batch`
    return min(MOST_STEPS, math.ceil(LOOKS * n_rows * places / length / options.batch))


class TransformerTraining(AveragedTraining):
    """Training on random windows of rows and of matched crossovers between rows."""

    def __init__(self, model: HaplotypeTransformer, data: TrainingHaplotypes, options: TransformerOptions, run: TrainingRun):
        super().__init__(model, options.learning_rate, betas=BETAS)
        self.options, self.seed, self.device = options, run.seed, run.device
        self.n_blocks = len(model.codes)
        fitted, watched = np.flatnonzero(~data.watch), np.flatnonzero(data.watch)
        self.rows = PackedRows.read(data.haplotypes, options.block, fitted)
        self.population = data.population[fitted]
        self.watch_rows = PackedRows.read(data.haplotypes, options.block, watched)
        self.watch_population = data.population[watched]

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        rng = np.random.default_rng([self.seed, step])
        alleles, population, start = self._batch(rng)
        self.model.train()
        code = self.model.match(alleles, start)
        loss = -self._log_prob(alleles, code, population, start).mean() / self.options.block / math.log(2)
        self.descend(loss, fraction)
        return {"loss": loss.item()}

    def _batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
        length = min(self.options.context, self.n_blocks)
        # starts beyond the ends are moved inside: else the blocks there would hardly ever be seen
        start = int(np.clip(rng.integers(1 - length, self.n_blocks), 0, self.n_blocks - length))
        rows = rng.integers(0, len(self.rows), size=self.options.batch)
        crossed = round(self.options.crossover * len(rows))
        source = np.repeat(rows[:, None], length * self.rows.bytes_per_block, axis=1)
        breakpoints = -(-length // BLOCKS_A_CROSSOVER)
        source[:crossed] = self.rows.matched_crossovers(rows[:crossed], self.population, start, start + length, breakpoints, rng)
        alleles = self.rows.alleles(source, start, start + length)
        population = np.where(rng.random(len(rows)) < LABEL_DROPOUT, self.model.unlabelled, self.population[rows])
        return torch.from_numpy(alleles).to(self.device), torch.from_numpy(population).to(self.device), start

    def _log_prob(self, alleles, code, population, start) -> torch.Tensor:
        model, blocks = self.model, slice(start, start + alleles.shape[1])
        flipped = torch.rand(alleles.shape, device=alleles.device) < INPUT_FLIPS
        told = torch.where(flipped & (alleles >= 0), 1 - alleles, alleles)
        silent = flipped.any(-1) | (torch.rand(code.shape, device=code.device) < CODE_DROPOUT)
        seen = model.embed(told, code.masked_fill(silent, -1), start)
        places = torch.arange(code.shape[1], device=code.device)
        lonely = (code >= 0) & model.singleton[blocks][places, code.clamp(min=0)]
        lonely &= torch.rand(code.shape, device=code.device) < self.options.hide_singletons
        hidden_code = nn.functional.one_hot(code.clamp(min=0), model.codes.shape[1]).bool() & lonely[..., None]
        return model.log_prob(alleles, seen, population, start, hidden_code)

    def evaluate(self, step: int) -> dict[str, float]:
        """Bits a site on the people set aside ("bits") and on as many training rows ("train_bits")."""
        model = self.average.module
        bits = self._bits(model, self.watch_rows, self.watch_population)
        return {"score": bits, "bits": bits, "train_bits": self._bits(model, self.rows, self.population)}

    def _bits(self, model, rows: PackedRows, population: np.ndarray) -> float:
        spans = list(windows(self.n_blocks, self.options.context))
        rng = np.random.default_rng(derive_seed(self.seed, "evaluation"))  # the same rows and windows every time
        n = min(len(rows), len(self.watch_rows), max(1, EVALUATION_WINDOWS // len(spans)))
        chosen = rng.permutation(len(rows))[:n]
        if n * len(spans) > EVALUATION_WINDOWS:
            spans = [spans[i] for i in np.sort(rng.permutation(len(spans))[:EVALUATION_WINDOWS])]
        total = sites = 0.0
        for span in spans:
            alleles = rows.alleles(chosen, span[0], span[2])
            total += score_window(model, alleles, population[chosen], span, self.device).sum()
            sites += (alleles[:, span[1] - span[0] :] >= 0).sum()
        return float(-total / max(sites, 1) / math.log(2))


@torch.no_grad()
def score_window(model, alleles: np.ndarray, population: np.ndarray, span: tuple[int, int, int], device="cpu") -> np.ndarray:
    """Natural-log probability of the blocks [first, stop) of each row, float64; `alleles` (n, stop - start, L)."""
    start, first, _ = span
    model.eval()
    scores = []
    for at in range(0, len(alleles), 64):
        rows = torch.from_numpy(alleles[at : at + 64]).to(device)
        seen = model.embed(rows, model.match(rows, start), start)
        log_prob = model.log_prob(rows, seen, torch.from_numpy(population[at : at + 64]).to(device), start)
        scores.append(log_prob[:, first - start :].double().sum(1).cpu().numpy())
    return np.concatenate(scores)


class TransformerGenerator(HaplotypeGenerator):
    """Block transformer: options in `genoloom.config.TransformerOptions`."""

    name = "transformer"
    has_likelihood = True

    def __init__(self, options: TransformerOptions):
        self.options = options

    def fit(self, data: TrainingHaplotypes, run: TrainingRun) -> None:
        self.population_names, self.n_variants = list(data.population_names), data.haplotypes.n_variants
        fitted = np.flatnonzero(~data.watch)
        self.codebook = BlockCodebook.fit(data.haplotypes, block=self.options.block, codes=self.options.codes, rows=fitted)
        torch.manual_seed(derive_seed(run.seed, "weights"))
        self._build(run.device)
        options = self.options
        training = TransformerTraining(self.model, data, options, run)
        steps = options.steps or automatic_steps(len(fitted), self.codebook.n_blocks, options)
        every = options.evaluate_every or max(1, steps // EVALUATIONS)
        train(training, run, steps=steps, evaluate_every=every, patience=options.patience)
        self.model.to("cpu").eval()

    def _build(self, device: str = "cpu") -> None:
        self.model = HaplotypeTransformer(self.codebook, len(self.population_names), self.options).to(device)

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        total = np.zeros(haplotypes.n_haplotypes)
        for span in windows(self.codebook.n_blocks, self.options.context):
            alleles = read_blocks(haplotypes, self.options.block, span[0], span[2])
            total += score_window(self.model, alleles, population, span)
        return total

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        past = np.empty((len(request.seed), 0, self.options.block), dtype=np.int8)
        sampler = WindowSampler(self.model, self.options)
        for span in windows(self.codebook.n_blocks, self.options.context):
            start, first, stop = span
            past = past[:, past.shape[1] - (first - start) :]
            fresh = sampler.sample(past, request, span)  # (n, stop - first, L)
            past = np.concatenate([past, fresh], axis=1)
            n_sites = self.codebook.sites(stop - 1).stop - self.codebook.sites(first).start
            yield np.ascontiguousarray(fresh.reshape(len(fresh), -1)[:, :n_sites].T)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = {f"network.{name}": value.numpy() for name, value in self.model.state_dict().items()}
        arrays |= {f"codebook.{name}": getattr(self.codebook, name) for name in ("alleles", "count", "error")}
        description = {
            "options": self.options.model_dump(),
            "population_names": self.population_names,
            "n_variants": self.n_variants,
        }
        return arrays, description

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "TransformerGenerator":
        generator = cls(TransformerOptions(**description["options"]))
        generator.population_names, generator.n_variants = description["population_names"], description["n_variants"]
        codebook = {name: arrays[f"codebook.{name}"] for name in ("alleles", "count", "error")}
        generator.codebook = BlockCodebook(generator.n_variants, **codebook)
        generator._build()
        weights = {k.removeprefix("network."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("network.")}
        generator.model.load_state_dict(weights)
        generator.model.eval()
        return generator


class WindowSampler:
    """Samples windows, `SAMPLE_ROWS` haplotypes at a time.

    Short chunks are filled up, so matrix products have one shape and a haplotype does not depend on its company.
    """

    def __init__(self, model: HaplotypeTransformer, options: TransformerOptions):
        self.model, self.block = model, options.block
        head = options.width // options.heads
        self.cache = KeyValueCache(options.layers, SAMPLE_ROWS, options.heads, options.context, head)
        with torch.no_grad():
            self.error = model.flip_logit(slice(None)).double().sigmoid().numpy()  # (K, L)
            self.crossover = model.crossover.double().sigmoid().numpy()  # (K, S - 1)
            partner = model.partner.masked_fill(model.absent, -math.inf)
            self.partner = partner.double().softmax(-1).cumsum(-1).numpy()  # (K, C)
            self.codes, self.exists = model.codes.to(torch.int8).numpy(), model.exists.numpy()  # (K, C, L), (K, L)

    @torch.no_grad()
    def sample(self, past: np.ndarray, request: SampleRequest, span: tuple[int, int, int]) -> np.ndarray:
        """Blocks [first, stop) of every haplotype, int8 (n, stop - first, L), after the blocks `past` [start, first)."""
        n = len(past)
        fresh = np.empty((n, span[2] - span[1], self.block), dtype=np.int8)
        for at in range(0, n, SAMPLE_ROWS):
            rows = np.minimum(np.arange(at, at + SAMPLE_ROWS), n - 1)
            fresh[at : at + SAMPLE_ROWS] = self._chunk(past[rows], request.population[rows], request.seed[rows], span)[: n - at]
        return fresh

    def _chunk(self, past: np.ndarray, population: np.ndarray, seed: np.ndarray, span: tuple[int, int, int]) -> np.ndarray:
        model, (start, first, stop) = self.model, span
        population = torch.from_numpy(population)
        self.cache.clear()
        seen = model.begin.expand(SAMPLE_ROWS, 1, -1)
        if first > start:
            known = torch.from_numpy(past)
            seen = torch.cat([seen, model.embed(known, model.match(known, start), start)], dim=1)
            model.read(seen[:, :-1], population, start, 0, self.cache)
            seen = seen[:, -1:]
        flips = row_uniforms(seed, np.arange(first * self.block, stop * self.block)).reshape(SAMPLE_ROWS, -1, self.block)
        n_draws = 2 * model.segments  # of a code and a crossover, for every segment
        draws = row_uniforms(seed, BLOCK_DRAWS + np.arange(first * n_draws, stop * n_draws))
        draws = draws.reshape(SAMPLE_ROWS, -1, model.segments, 2)
        blocks = []
        for k in range(first, stop):
            hidden = model.read(seen, population, k, k - start, self.cache)
            pi = model.code_logits(hidden, k)[:, 0].double().softmax(-1).cumsum(-1).numpy()  # (B, C)
            block = self._draw(k, pi, draws[:, k - first], flips[:, k - first])
            blocks.append(block)
            token = torch.from_numpy(block[:, None])
            seen = model.embed(token, model.match(token, k), k)
        return np.stack(blocks, axis=1)

    def _draw(self, k: int, pi: np.ndarray, draws: np.ndarray, flips: np.ndarray) -> np.ndarray:
        """Alleles of block `k`, int8 (B, L), from cumulated pi (B, C) and uniforms (B, S, 2), (B, L)."""
        codes = np.empty(draws.shape[:2], dtype=np.int64)  # (B, S)
        codes[:, 0] = invert(pi, draws[:, 0, 0])
        for s in range(1, codes.shape[1]):
            codes[:, s] = codes[:, s - 1]
            crossed = np.flatnonzero(draws[:, s, 1] < self.crossover[k, s - 1])
            codes[crossed, s] = invert(self.partner[k], draws[crossed, s, 0])
        sites = np.arange(self.block)
        alleles = self.codes[k][codes[:, sites // SEGMENT], sites]
        return np.where(self.exists[k], alleles ^ (flips < self.error[k]), np.int8(-1))


def invert(cumulated: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Index whose share of `cumulated` (..., n) holds `uniform` (B,), int64 (B,); shares of zero are never taken."""
    return (cumulated <= uniform[:, None] * cumulated[..., -1:]).sum(-1)
