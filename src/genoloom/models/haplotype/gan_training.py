"""The game between the haplotype GAN's generator and its critic, and the score by which its best
state is chosen.

Letters in shapes: B rows, K blocks of the contig, T blocks of a window, L sites per block, C
tokens, W width, P populations.
"""

import numpy as np
import torch
from torch import nn

from genoloom.models.haplotype.base import TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.gan_critic import Critic, statistics
from genoloom.models.haplotype.gan_network import Rollout, TokenChain, TokenGenerator, draw
from genoloom.models.layers import exponential_average, weights_of
from genoloom.seeds import derive_seed
from genoloom.training.run import TrainingRun
from genoloom.training_config import GanOptions

PENALTY_EVERY = 4  # critic steps between gradient penalties, which count this many times
PRETRAIN_RATE = 2.0  # learning rate while likelihood alone trains, in that of a critic alone
TUNING_RATE = 0.1  # the generator's once the critic joins what likelihood has trained
MATCH_SITES = 96  # sites on which two rows must agree before one may go on as the other
BLOCKS_A_CROSSOVER = 16  # mean length of a piece in augmented rows
COMMON = 0.05  # minor-allele frequency of the sites whose linkage is scored
SCORED_ROWS = 128  # synthetic haplotypes an evaluation
SCORED_BLOCKS = 256  # most blocks an evaluation
LINKAGE_REACH = 64  # common sites between two sites whose linkage is scored
STRETCH = 16  # blocks in which nearest neighbours are sought


class GanTraining:
    """Generator and critic in training, a `genoloom.training.run.Trainable`."""

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
        self.generator, self.chain = generator.to(self.device), chain.to(self.device)
        self.token_alleles = (
            torch.from_numpy(tokenizer.alleles).float().to(self.device)
        )  # (K, C, L)
        # (n_rows, K), (n_rows,)
        self.rows, self.population = rows, data.population[~data.validation]
        self.validation_rows = tokenizer.encode(data.haplotypes, np.flatnonzero(data.validation))
        self.frequency, covariance = statistics(tokenizer, rows)
        self.critic = Critic(
            self.frequency, covariance, len(data.population_names), options.width
        ).to(self.device)
        self.average = exponential_average(generator, 0.995)
        # without momentum: the other side moves
        self.generator_optimiser = torch.optim.Adam(
            generator.parameters(), lr=options.learning_rate, betas=(0.0, 0.99)
        )
        self.critic_optimiser = torch.optim.Adam(
            self.critic.parameters(), lr=options.learning_rate, betas=(0.0, 0.99)
        )
        self.window = min(options.context, tokenizer.n_blocks)
        self.pretraining = options.pretrain_fraction > 0

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        rng = np.random.default_rng([self.seed, step])
        if self.pretraining and fraction >= self.options.pretrain_fraction:
            self.pretraining = False
            # steadier than the last step's weights
            self.generator.load_state_dict(self.average.module.state_dict())
        self._set_rates(fraction)
        if self.pretraining:
            loss = self._likelihood_loss(rng)
            self._descend(loss)
            return {"likelihood": loss.item()}
        steps = [
            self._critic_step(rng, penalised=step % PENALTY_EVERY == 0)
            for _ in range(self.options.critic_steps)
        ]
        return {"critic": float(np.mean(steps)), **self._generator_step(rng)}

    def _set_rates(self, fraction: float) -> None:
        """Learning rates after `fraction` of the schedule: in either phase constant, in its second
        half falling to 0.
        """
        pretrain_fraction = self.options.pretrain_fraction
        done = (
            fraction / pretrain_fraction
            if self.pretraining
            else (fraction - pretrain_fraction) / (1 - pretrain_fraction)
        )
        rate = self.options.learning_rate * min(1.0, 2 * (1 - done))
        tuning = TUNING_RATE if pretrain_fraction > 0 else 1.0
        self.generator_optimiser.param_groups[0]["lr"] = rate * (
            PRETRAIN_RATE if self.pretraining else tuning
        )
        self.critic_optimiser.param_groups[0]["lr"] = rate

    def _window(self, rng: np.random.Generator) -> tuple[int, int]:
        # starts beyond the ends are moved inside: else the blocks there would hardly ever be seen
        start = int(
            np.clip(
                rng.integers(1 - self.window, len(self.token_alleles)),
                0,
                len(self.token_alleles) - self.window,
            )
        )
        return start, start + self.window

    def _real(
        self, rng: np.random.Generator, start: int, stop: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (B, T) and populations (B,) of training rows, crossed over where they cannot be
        distinguished.
        """
        rows = rng.integers(0, len(self.rows), size=self.options.batch)
        source = crossovers(
            self.rows,
            self.population,
            rows,
            start,
            stop,
            -(-MATCH_SITES // self.token_alleles.shape[2]),
            rng,
        )
        tokens = torch.from_numpy(self.rows[source, np.arange(start, stop)]).to(self.device)
        return tokens, torch.from_numpy(self.population[rows]).to(self.device)

    def _alleles(self, tokens: torch.Tensor, start: int) -> torch.Tensor:
        """Alleles of tokens (B, T), float (B, T, L)."""
        return self.token_alleles[
            torch.arange(start, start + tokens.shape[1], device=self.device), tokens
        ]

    def _context(self, generator: TokenGenerator, population: torch.Tensor) -> torch.Tensor:
        return generator.context(
            torch.randn(len(population), generator.latent, device=self.device), population
        )

    def _likelihood_loss(self, rng: np.random.Generator) -> torch.Tensor:
        """Natural-log loss a block on a batch of training rows."""
        start, stop = self._window(rng)
        tokens, population = self._real(rng, start, stop)
        self.generator.train()
        u = self.generator.score_window(tokens, self._context(self.generator, population), start)
        log_chance = (u + self.chain.window(tokens, start)).log_softmax(-1)
        return -log_chance.gather(-1, tokens[..., None]).mean()

    def _critic_step(self, rng: np.random.Generator, penalised: bool) -> float:
        start, stop = self._window(rng)
        tokens, population = self._real(rng, start, stop)
        self.generator.eval()
        with torch.no_grad():
            rollout = Rollout(self._context(self.generator, population))
        real = self._alleles(tokens, start).requires_grad_(penalised)
        fake = self._alleles(
            rollout.step(self.generator, self.chain, start, stop, draw), start
        ).requires_grad_(penalised)
        real_score = self.critic(real, population, start)
        fake_score = self.critic(fake, population, start)
        loss = total = nn.functional.softplus(fake_score - real_score).mean()
        if penalised:
            penalty = _squared_gradient(real_score, real) + _squared_gradient(fake_score, fake)
            total = loss + 0.5 * self.options.gradient_penalty * PENALTY_EVERY * penalty
        self.critic_optimiser.zero_grad(set_to_none=True)
        total.backward()
        self.critic_optimiser.step()
        return loss.item()

    def _generator_step(self, rng: np.random.Generator) -> dict[str, float]:
        start, stop = self._window(rng)
        tokens, population = self._real(rng, start, stop)
        fake = self._synthetic(population, start, stop)
        self.critic.requires_grad_(False)
        margin = self.critic(self._alleles(tokens, start), population, start) - self.critic(
            fake, population, start
        )
        self.critic.requires_grad_(True)
        adversarial, likelihood = nn.functional.softplus(margin).mean(), self._likelihood_loss(rng)
        self._descend(adversarial + self.options.likelihood_weight * likelihood)
        return {"generator": adversarial.item(), "likelihood": likelihood.item()}

    def _synthetic(self, population: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Alleles (B, T, L) of drawn haplotypes; their value is that of the drawn tokens, their
        gradient that of the chances.
        """
        self.generator.eval()
        context = self._context(self.generator, population)
        tokens = Rollout(context.detach()).step(self.generator, self.chain, start, stop, draw)
        chance = (
            self.generator.score_window(tokens, context, start) + self.chain.window(tokens, start)
        ).softmax(-1)
        drawn = nn.functional.one_hot(tokens, chance.shape[-1]).float()
        return torch.einsum(
            "btc,tcl->btl", drawn + chance - chance.detach(), self.token_alleles[start:stop]
        )

    def _descend(self, loss: torch.Tensor) -> None:
        self.generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        self.generator_optimiser.step()
        self.average.update_parameters(self.generator)

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """The metrics of `compare` against the validation set, means over windows; their mean is
        the score.
        """
        # the same draws every time
        rng = np.random.default_rng(derive_seed(self.seed, "evaluation"))
        torch.manual_seed(derive_seed(self.seed, "evaluation"))
        rows = rng.permutation(len(self.rows))[:SCORED_ROWS]
        generator = self.average.module.eval()
        n_blocks = min(SCORED_BLOCKS, len(self.token_alleles))
        rollout = Rollout(
            self._context(generator, torch.from_numpy(self.population[rows]).to(self.device))
        )
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
        return {"score": sum(mean.values()) / len(mean), **mean}

    def state_dict(self) -> dict:
        parts = ("generator", "critic", "average", "generator_optimiser", "critic_optimiser")
        return {
            "pretraining": self.pretraining,
            **{part: getattr(self, part).state_dict() for part in parts},
        }

    def load_state_dict(self, state: dict) -> None:
        self.pretraining = state["pretraining"]
        for part, value in state.items():
            if part != "pretraining":
                getattr(self, part).load_state_dict(value)

    def snapshot(self) -> dict:
        """A copy of the averaged generator."""
        return weights_of(self.average)

    def restore(self, snapshot: dict) -> None:
        self.generator.load_state_dict(snapshot)
        self.average.module.load_state_dict(snapshot)


def _squared_gradient(score: torch.Tensor, alleles: torch.Tensor) -> torch.Tensor:
    """Mean squared norm of the gradient of `score` (B,) at `alleles` (B, T, L)."""
    (gradient,) = torch.autograd.grad(score.sum(), alleles, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()


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
    context = generator.context(
        torch.randn(len(chosen), generator.latent), torch.from_numpy(population[chosen])
    )
    tokens = Rollout(context, temperature).step(generator, chain, 0, n_blocks, draw).numpy()
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
