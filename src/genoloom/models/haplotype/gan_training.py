"""Training of the haplotype GAN: likelihood of windows for its tokens, a game against critics for
its embeddings, and the score by which its best state is chosen.

Letters in shapes: B rows, K blocks of the contig, T blocks of a window, L sites per block, C
tokens, W width, D dimensions of an embedding.
"""

import numpy as np
import torch
from torch import nn

from genoloom.models.haplotype.base import TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.gan_network import Rollout, TokenChain, TokenGenerator, draw
from genoloom.models.haplotype.gan_prior import NOISE, Critics, embedding_parts, energy_distance
from genoloom.models.layers import AveragedTraining, cosine_schedule
from genoloom.seeds import derive_seed
from genoloom.training.optimisers import Adam
from genoloom.training.run import TrainingRun
from genoloom.training_config import GanOptions

PENALTY_EVERY = 4  # steps between gradient penalties, which count this many times
PENALTY = 0.1  # weight of the gradient penalties on real and drawn embeddings
EMBEDDINGS = 256  # in a batch of the game
MATCH_SITES = 96  # sites on which two rows must agree before one may go on as the other
BLOCKS_A_CROSSOVER = 16  # mean length of a piece in augmented rows
COMMON = 0.05  # minor-allele frequency of the sites whose linkage is scored
SCORED_ROWS = 128  # synthetic haplotypes an evaluation
SCORED_BLOCKS = 256  # most blocks an evaluation
LINKAGE_REACH = 64  # common sites between two sites whose linkage is scored
STRETCH = 16  # blocks in which nearest neighbours are sought


class GanTraining(AveragedTraining):
    """Generator and critics in training, a `genoloom.training.run.Trainable`.

    At each step the token network fits the likelihood of a batch, and the prior plays a round
    against the critics. There are two of them: each learns from one half of the training rows, and
    judges the prior next to rows of the other half.
    """

    def __init__(
        self,
        generator: TokenGenerator,
        chain: TokenChain,
        tokenizer: BlockTokenizer,
        rows: np.ndarray,
        data: TrainingHaplotypes,
        options: GanOptions,
        run: TrainingRun,
    ):
        self.options, self.seed, self.device = options, run.seed, run.device
        parts = embedding_parts(tokenizer, rows, options.latent, run.seed)
        generator.parts.copy_(torch.from_numpy(parts))
        # without momentum: the other side moves
        super().__init__(
            generator.to(self.device), options.learning_rate, weight_decay=0, betas=(0.0, 0.99)
        )
        self.chain = chain.to(self.device)
        self.token_alleles = (
            torch.from_numpy(tokenizer.alleles).float().to(self.device)
        )  # (K, C, L)
        # (n_rows, K), (n_rows,)
        self.rows, self.population = rows, data.population[~data.validation]
        self.validation_rows = tokenizer.encode(data.haplotypes, np.flatnonzero(data.validation))
        self.embedding = self._embed(rows)
        self.frequency = tokenizer.frequency
        half = np.random.default_rng(derive_seed(run.seed, "halves")).permutation(len(rows)) % 2
        self.halves = [np.flatnonzero(half == i) for i in (0, 1)]
        self.critics = Critics(options.latent, len(data.population_names)).to(self.device)
        self.critic_optimiser = Adam(
            self.critics.parameters(), lr=options.learning_rate, betas=(0.0, 0.99)
        )
        self.window = min(options.context, tokenizer.n_blocks)

    def _embed(self, rows: np.ndarray) -> torch.Tensor:
        """Embeddings (n, D) of whole rows of tokens."""
        return self.model.embed(torch.from_numpy(rows).to(self.device))

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        rng = np.random.default_rng([self.seed, step])
        self.critic_optimiser.param_groups[0]["lr"] = self.learning_rate * cosine_schedule(fraction)
        critic = self._critic_step(rng, penalised=step % PENALTY_EVERY == 0)
        likelihood, adversarial = self._likelihood_loss(rng), self._adversarial_loss(rng)
        self.descend(likelihood + adversarial, fraction)
        return {
            "critic": critic, "generator": adversarial.item(), "likelihood": likelihood.item()
        }  # fmt: skip

    def _likelihood_loss(self, rng: np.random.Generator) -> torch.Tensor:
        """Natural-log loss a block on a batch of training rows, crossed over where they cannot be
        distinguished.
        """
        n_blocks = len(self.token_alleles)
        # starts beyond the ends are moved inside: else the blocks there would hardly ever be seen
        start = rng.integers(1 - self.window, n_blocks)
        start = int(np.clip(start, 0, n_blocks - self.window))
        stop = start + self.window
        rows = rng.integers(0, len(self.rows), size=self.options.batch)
        match = -(-MATCH_SITES // self.token_alleles.shape[2])
        source = crossovers(self.rows, self.population, rows, start, stop, match, rng)
        whole = self.rows[rows]
        whole[:, start:stop] = self.rows[source, np.arange(start, stop)]
        whole = torch.from_numpy(whole).to(self.device)
        tokens, parts = whole[:, start:stop], self.model.parts_of(whole)
        noise = NOISE * torch.randn(parts.shape[0], parts.shape[2], device=self.device)
        self.model.train()
        u = self.model.score_window(
            tokens, parts.sum(1) + noise, parts[:, start:].sum(1) + noise,
            torch.from_numpy(self.population[rows]).to(self.device), start,
        )  # fmt: skip
        log_chance = (u + self.chain.window(tokens, start)).log_softmax(-1)
        return -log_chance.gather(-1, tokens[..., None]).mean()

    def _real(self, half: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings (B, D) of training rows of a half, with noise, and populations (B,)."""
        rows = rng.choice(self.halves[half], size=EMBEDDINGS)
        noise = NOISE * torch.randn(EMBEDDINGS, self.embedding.shape[1], device=self.device)
        population = torch.from_numpy(self.population[rows]).to(self.device)
        return self.embedding[torch.from_numpy(rows)] + noise, population

    def _critic_step(self, rng: np.random.Generator, penalised: bool) -> float:
        total = losses = 0.0
        for i, critic in enumerate(self.critics):
            real, population = self._real(i, rng)
            with torch.no_grad():
                fake = self.model.draw_embeddings(population)
            real, fake = (x.requires_grad_(penalised) for x in (real, fake))
            scores = critic(real, population), critic(fake, population)
            loss = nn.functional.softplus(scores[1] - scores[0]).mean()
            losses, total = losses + loss.item() / 2, total + loss
            if penalised:
                penalty = sum(map(_squared_gradient, scores, (real, fake)))
                total = total + 0.5 * PENALTY * PENALTY_EVERY * penalty
        self.critic_optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.critic_optimiser.step()
        return losses

    def _adversarial_loss(self, rng: np.random.Generator) -> torch.Tensor:
        """Of the prior against both critics, each next to rows that it has not seen."""
        self.critics.requires_grad_(False)
        loss = torch.zeros((), device=self.device)
        for i, critic in enumerate(self.critics):
            real, population = self._real(1 - i, rng)
            fake = self.model.draw_embeddings(population)
            margin = critic(real, population) - critic(fake, population)
            loss = loss + nn.functional.softplus(margin).mean() / 2
        self.critics.requires_grad_(True)
        return loss

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """The metrics of `compare` against the validation set, means over windows, and the energy
        distance of the prior's embeddings from the validation set's, in that of the training
        rows'; their mean is the score.
        """
        # the same draws every time
        rng = np.random.default_rng(derive_seed(self.seed, "evaluation"))
        torch.manual_seed(derive_seed(self.seed, "evaluation"))
        rows = rng.permutation(len(self.rows))[:SCORED_ROWS]
        generator = self.average.module.eval()
        n_blocks = min(SCORED_BLOCKS, len(self.token_alleles))
        population = torch.from_numpy(self.population).to(self.device)
        embedding = generator.draw_embeddings(population)
        rollout = Rollout(embedding[rows], population[rows])
        synthetic = rollout.step(generator, self.chain, 0, n_blocks, draw).cpu().numpy()
        metrics = []
        for start in range(0, n_blocks, self.window):
            blocks = np.arange(
                max(0, min(start, n_blocks - self.window)), min(start + self.window, n_blocks)
            )
            alleles = self.token_alleles[blocks].cpu().numpy()
            kinds = (
                synthetic[:, blocks],
                self.rows[rows][:, blocks],
                self.validation_rows[:, blocks],
            )
            metrics.append(
                compare(
                    *(alleles[np.arange(len(blocks)), kind] for kind in kinds),
                    self.frequency[blocks],
                )
            )
        mean = {name: float(np.mean([f[name] for f in metrics])) for name in metrics[0]}
        if len(self.validation_rows):
            real, training = (
                x + NOISE * torch.randn_like(x)
                for x in (self._embed(self.validation_rows), self.embedding)
            )
            far = [energy_distance(x, real) for x in (embedding, training)]
            mean["embedding"] = _ratio(*far, 1e-2)
        return {"score": sum(mean.values()) / len(mean), **mean}

    def state_dict(self) -> dict:
        return super().state_dict() | {
            part: getattr(self, part).state_dict() for part in ("critics", "critic_optimiser")
        }

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        for part in ("critics", "critic_optimiser"):
            getattr(self, part).load_state_dict(state[part])


def _squared_gradient(score: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
    """Mean squared norm of the gradient of `score` (B,) at `embedding` (B, D)."""
    (gradient,) = torch.autograd.grad(score.sum(), embedding, create_graph=True)
    return gradient.square().sum(1).mean()


@torch.no_grad()
def diversity(
    generator: TokenGenerator,
    chain: TokenChain,
    temperature: float,
    tokenizer: BlockTokenizer,
    rows: np.ndarray,
    population: np.ndarray,
    seed: int,
) -> dict[str, float]:
    """What a collapse would take away, on up to `SCORED_ROWS` synthetic haplotypes and
    `SCORED_BLOCKS` blocks.

    Parameters
    ----------
    rows : ndarray, int64, shape (n_rows, K)
        Tokens of the training rows.
    population : ndarray, int64, shape (n_rows,)

    Returns
    -------
    dict
        "lost", share of the sites common in the training rows that do not vary; "distinct",
        distinct haplotypes in stretches of `STRETCH` blocks, as a share of as many training rows'.
    """
    torch.manual_seed(derive_seed(seed, "diversity"))
    chosen = np.random.default_rng(derive_seed(seed, "diversity")).permutation(len(rows))[
        :SCORED_ROWS
    ]
    n_blocks = min(SCORED_BLOCKS, tokenizer.n_blocks)
    drawn_as = torch.from_numpy(population[chosen])
    rollout = Rollout(generator.draw_embeddings(drawn_as), drawn_as, temperature)
    tokens = rollout.step(generator, chain, 0, n_blocks, draw).numpy()
    lost, common = 0, 0
    for k in range(n_blocks):
        frequency = tokenizer.alleles[k, rows[:, k]].mean(0)
        is_common = np.minimum(frequency, 1 - frequency) >= COMMON
        alleles = tokenizer.alleles[k, tokens[:, k]]
        lost += (is_common & (alleles == alleles[:1]).all(0)).sum()
        common += is_common.sum()
    return {
        "lost": lost / max(common, 1),
        "distinct": _distinct(tokens) / _distinct(rows[chosen, :n_blocks]),
    }


def _distinct(tokens: np.ndarray) -> int:
    """Distinct rows of `tokens` (n, T), summed over stretches."""
    return sum(
        len(np.unique(tokens[:, start : start + STRETCH], axis=0))
        for start in range(0, tokens.shape[1], STRETCH)
    )


def crossovers(
    tokens, population, rows, start: int, stop: int, match: int, rng: np.random.Generator
) -> np.ndarray:
    """Which row each block comes from when rows cross over to others that cannot be distinguished
    from them; int64 (n, stop - start).

    At random blocks, every row goes on as a random row of its population with the same tokens in
    the `match` blocks before.
    """
    source = np.repeat(rows[:, None], stop - start, axis=1)
    if stop - start <= match:
        return source
    multipliers = rng.integers(1, 2**63, size=match, dtype=np.uint64)
    for position in np.sort(
        rng.integers(start + match, stop, size=-(-(stop - start) // BLOCKS_A_CROSSOVER))
    ):
        key = (
            tokens[:, position - match : position].astype(np.uint64) + np.uint64(1)
        ) @ multipliers ^ population.astype(np.uint64)
        order = np.argsort(key, kind="stable")
        own = key[source[:, position - start]]
        left, right = (np.searchsorted(key[order], own, side=side) for side in ("left", "right"))
        source[:, position - start :] = order[rng.integers(left, right)][:, None]
    return source


def compare(
    synthetic: np.ndarray, training: np.ndarray, real: np.ndarray, frequency: np.ndarray
) -> dict[str, float]:
    """How far synthetic haplotypes are from real ones, in units of what as many training haplotypes
    score: 1 is perfect.

    Parameters
    ----------
    synthetic, training : ndarray, float32, shape (n, T, L), values 0 and 1
    real : ndarray, float32, shape (n_real, T, L)
        Of the validation set.
    frequency : ndarray, float64, shape (T, L)
        Training frequencies; they say which sites are common enough for linkage.

    Returns
    -------
    dict
        "frequency", mean square difference of allele frequencies; "linkage", the same for the
        correlations of common sites at most `LINKAGE_REACH` common sites apart; "nearest", mean
        distance of the real haplotypes to the nearest other haplotype; "spread", exp |log| of the
        distance of the haplotypes to the nearest of their own kind; the last two in stretches of
        `STRETCH` blocks.
    """
    common = np.minimum(frequency, 1 - frequency).ravel() >= COMMON
    flat = [x.reshape(len(x), -1) for x in (synthetic, training, real)]
    means = [x.mean(0) for x in flat]
    linkage = [_neighbour_correlations(x[:, common]) for x in flat]
    misfit = [
        [float(np.square(x[kind] - x[2]).mean()) if len(x[2]) else 0.0 for x in (means, linkage)]
        for kind in (0, 1)
    ]
    spread = _ratio(_nearest_distance(synthetic), _nearest_distance(training), 0.1)
    return {
        "frequency": _ratio(misfit[0][0], misfit[1][0], 1e-4),
        "linkage": _ratio(misfit[0][1], misfit[1][1], 1e-3),
        "nearest": _ratio(
            _nearest_distance(real, synthetic), _nearest_distance(real, training), 0.1
        ),
        "spread": max(spread, 1 / spread),
    }


def _ratio(value: float, floor: float, grain: float) -> float:
    """`value / floor`; differences below `grain` hardly count, so that it is tame also where the
    floor is 0.
    """
    return (value + grain) / (floor + grain)


def _neighbour_correlations(alleles: np.ndarray) -> np.ndarray:
    """Correlations of sites up to `LINKAGE_REACH` apart, 0 where one does not vary; 1-d."""
    centred = alleles - alleles.mean(0)
    scale = np.sqrt(np.square(centred).sum(0))
    unit = centred / np.where(scale > 0, scale, 1)
    lags = range(1, min(LINKAGE_REACH, unit.shape[1] - 1) + 1)
    return np.concatenate([np.empty(0), *((unit[:, :-lag] * unit[:, lag:]).sum(0) for lag in lags)])


def _nearest_distance(rows: np.ndarray, others: np.ndarray | None = None) -> float:
    """Mean Hamming distance of `rows` to the nearest of `others` (to the nearest other row by
    default) in stretches.
    """
    total = 0.0
    for start in range(0, rows.shape[1], STRETCH):
        a = rows[:, start : start + STRETCH].reshape(len(rows), -1)
        b = a if others is None else others[:, start : start + STRETCH].reshape(len(others), -1)
        distance = a.sum(1)[:, None] + b.sum(1)[None] - 2 * a @ b.T
        if others is None:
            np.fill_diagonal(distance, np.inf)
        total += distance.min(1).mean()
    return float(total)
