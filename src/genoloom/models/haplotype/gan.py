"""Generative adversarial network for whole haplotypes, over block tokens that follow a likelihood.

Embeddings. What a haplotype is like as a whole is its place on a few principal components of common
sites (`genoloom.models.haplotype.gan_prior`). A small network, the prior, turns noise and
population into embeddings; critics that see embeddings of training rows teach it. A relativistic
loss with gradient penalties on real and drawn embeddings (Huang et al. 2024, arXiv:2501.05441), and
the population as a projection (Miyato & Koyama 2018, arXiv:1802.05637). There are two critics, each
of one half of the training rows, and each judges the prior next to rows of the other half. All
embeddings carry noise, so that they do not say which row they are of.

Tokens. A haplotype is a sequence of block tokens (`genoloom.models.haplotype.blocks`). The chance
of a token is proportional to how often it was counted after the token before it (a smoothed
first-order chain), times exp(u). u comes from a recurrent network that has read the tokens so far,
the population, the embedding, and what the tokens so far have left of it. It begins at 0, so the
first row of the history is the chain alone, and is trained by maximum likelihood on windows of
training rows, next to their own embeddings. What has been measured: docs/which_generator.md, "What
the critics add".

Temperature and calibration. Tokens are drawn sharper than by the network's chances
(`genoloom.models.haplotype.temperature`). By itself this would make rare tokens rarer still; after
training, a correction for each token of each block brings the token frequencies back to the
frequencies in the training rows. A generator that lost common alleles or repeats itself is refused.

The state between blocks is a vector, a token and what is left of the embedding, so haplotypes
stream out block by block in flat memory.
"""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from pydantic import Field
from scipy.special import ndtri

from genoloom.declared import Declared
from genoloom.errors import CollapsedError
from genoloom.models.finite import refuse_non_finite
from genoloom.models.haplotype.anchoring import (
    Anchors,
    Pilot,
    Scale,
    pilot_populations,
    wanted_frequencies,
)
from genoloom.models.haplotype.base import (
    HaplotypeDescription,
    HaplotypeGenerator,
    SampleRequest,
    TrainingHaplotypes,
    description_with,
)
from genoloom.models.haplotype.blocks import BlockTokenizer, choose_block
from genoloom.models.haplotype.gan_network import Rollout, TokenChain, TokenGenerator, calibrate
from genoloom.models.haplotype.gan_prior import Critics
from genoloom.models.haplotype.gan_training import GanTraining, diversity
from genoloom.models.haplotype.schedules import CALIBRATION_ROWS, LEAST_GAN_STEPS, automatic_steps
from genoloom.models.haplotype.temperature import (
    BALANCED_BLOCKS,
    BALANCED_ROWS,
    balanced_temperature,
)
from genoloom.models.layers import declare_network, load_network, network_arrays
from genoloom.panel import HaplotypeSource
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.training.run import TrainingRun, schedule_of, train
from genoloom.training_config import GanOptions

log = logging.getLogger(__name__)

SAMPLE_ROWS = 128  # haplotypes sampled together, always exactly this many
SAMPLE_BLOCKS = 64  # blocks sampled between two yields
# first counters of the draws; the mutations of the sites count from 0
CODE_DRAWS, LATENT_DRAWS = 2**40, 2**41
# most common sites lost; least distinct haplotypes, as a share of the training rows'
COLLAPSE_LOST, COLLAPSE_DISTINCT = 0.1, 0.5


class OptionsDescription(GanOptions):
    """The options of a trained model."""

    block_size: int = Field(ge=4, le=128)
    temperature: float = Field(ge=0.1, le=2)


class GanGenerator(HaplotypeGenerator):
    """The adversarial generator: options in `genoloom.training_config.GanOptions`."""

    name = "gan"
    description_class = description_with(OptionsDescription)
    options_class = GanOptions
    has_critic = True

    def __init__(self, options: GanOptions):
        super().__init__(options)
        self.anchors: Anchors | None = None

    def fit(self, data: TrainingHaplotypes, run: TrainingRun) -> None:
        self._begin(data)
        fitted = np.flatnonzero(~data.validation)
        of_blocks = {"vocabulary_size": self.options.vocabulary_size, "rows": fitted}
        block = self.options.block_size or choose_block(
            data.haplotypes, **of_blocks, validation=np.flatnonzero(data.validation)
        )
        self.options = options = self.options.model_copy(update={"block_size": block})
        self.tokenizer = BlockTokenizer.fit(data.haplotypes, block=block, **of_blocks)
        tokens = self.tokenizer.encode(data.haplotypes, fitted)
        self.chain = TokenChain.count(tokens, self.tokenizer.vocabulary_size)
        torch.manual_seed(derive_seed(run.seed, "weights"))
        self._build()
        training = GanTraining(self.network, self.chain, self.tokenizer, tokens, data, options, run)
        steps = options.steps or max(
            LEAST_GAN_STEPS, automatic_steps(len(fitted), self.tokenizer.n_blocks, options)
        )
        train(training, run, **schedule_of(options, steps=steps))
        self.network.to("cpu").eval()
        self.critics = training.critics.to("cpu")
        self.settle(tokens, data.population[fitted], run)

    def settle(self, tokens: np.ndarray, population: np.ndarray, run: TrainingRun) -> None:
        """Find what the trained networks are drawn with: temperature, calibration, anchors.

        Parameters
        ----------
        tokens : ndarray, int64, shape (n, K)
            Of the training rows.
        population : ndarray, int64, shape (n,)

        Raises
        ------
        CollapsedError
            They have collapsed.
        """
        temperature = self.options.temperature or self._temperature(tokens, population, run)
        self.options = self.options.model_copy(update={"temperature": temperature})
        rng = np.random.default_rng(derive_seed(run.seed, "calibration"))
        torch.manual_seed(derive_seed(run.seed, "calibration"))
        some = rng.choice(population, size=CALIBRATION_ROWS)
        calibrate(self.network, self.chain, torch.from_numpy(some), temperature)
        if self.options.anchor:
            self._anchor(tokens, population, run)
        found = diversity(
            self.network, self.chain, temperature, self.tokenizer, tokens, population, run.seed
        )
        refuse_collapse(run.label, found)

    def _temperature(self, tokens: np.ndarray, population: np.ndarray, run: TrainingRun) -> float:
        """The temperature that the training rows call for, by some of them along the first blocks.

        `tokens` (n, K) are theirs, `population` (n,) their populations.
        """
        seed = derive_seed(run.seed, "temperature")
        stop = min(BALANCED_BLOCKS, self.tokenizer.n_blocks)
        rows = np.random.default_rng(seed).permutation(len(tokens))[:BALANCED_ROWS]

        def alleles(chosen: np.ndarray) -> np.ndarray:
            return np.concatenate(
                [self.tokenizer.decode(k, token) for k, token in enumerate(chosen.T)]
            )

        def draw(temperature: float) -> np.ndarray:
            torch.manual_seed(seed)  # the same draws at each temperature
            return alleles(
                calibrate(
                    self.network, self.chain, torch.from_numpy(population[rows]), temperature, stop
                ).numpy()
            )

        found = balanced_temperature(draw, alleles(tokens[rows, :stop]))
        log.info("%s: tokens are drawn at temperature %g", run.label, found)
        return found

    def _anchor(self, tokens: np.ndarray, population: np.ndarray, run: TrainingRun) -> None:
        """Find the factors that keep the frequencies of the training rows' tokens (n, K) within
        populations, on a pilot cohort.
        """
        rng = np.random.default_rng(derive_seed(run.seed, "pilot"))
        labels = pilot_populations(population, rng)
        seed = rng.integers(0, 2**63, size=len(labels), dtype=np.uint64)
        size = len(self.population_names), self.tokenizer.vocabulary_size
        pilot = Pilot(lambda k: wanted_frequencies(tokens[:, k], population, *size))
        rollout, n_blocks = self._start(seed, labels), self.tokenizer.n_blocks
        for start in range(0, n_blocks, SAMPLE_BLOCKS):
            self._tokens(rollout, seed, labels, start, min(start + SAMPLE_BLOCKS, n_blocks), pilot)
        self.anchors = pilot.anchors(self.tokenizer.vocabulary_size)

    def _build(self) -> None:
        tokenizer = self.tokenizer
        self.network = TokenGenerator(
            tokenizer.n_blocks, tokenizer.vocabulary_size, len(self.population_names), self.options
        )

    @torch.no_grad()
    def critic_score(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        """How real the critics of the end of training find the embedding of each haplotype,
        float64, shape (n_haplotypes,).

        They saw the training rows and no other real ones: an attacker who has them asks what they
        know again (Hayes et al. 2019, doi:10.2478/popets-2019-0008).
        """
        tokens = torch.from_numpy(self.tokenizer.encode(haplotypes))
        return (
            self.critics(self.network.embed(tokens), torch.from_numpy(population)).double().numpy()
        )

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        self.network.eval()
        n = len(request.seed)
        # short chunks are filled up, so matrix products have one shape and a haplotype does not
        # depend on its company
        chunks = [
            np.minimum(np.arange(at, at + SAMPLE_ROWS), n - 1) for at in range(0, n, SAMPLE_ROWS)
        ]
        rollouts = [self._start(request.seed[rows], request.population[rows]) for rows in chunks]
        for start in range(0, self.tokenizer.n_blocks, SAMPLE_BLOCKS):
            stop = min(start + SAMPLE_BLOCKS, self.tokenizer.n_blocks)
            block = np.empty(
                (self.tokenizer.sites(stop - 1).stop - self.tokenizer.sites(start).start, n),
                dtype=np.int8,
            )
            for rollout, rows in zip(rollouts, chunks, strict=True):
                first = rows[0]
                tokens = self._tokens(
                    rollout, request.seed[rows], request.population[rows], start, stop, self.anchors
                )
                alleles = np.concatenate(
                    [
                        self._decode(k, token, request.seed[rows])
                        for k, token in enumerate(tokens.T, start)
                    ]
                )
                block[:, first : first + SAMPLE_ROWS] = alleles[:, : n - first]
            yield block

    def _start(self, seed: np.ndarray, population: np.ndarray) -> Rollout:
        uniforms = row_uniforms(seed, LATENT_DRAWS + np.arange(self.options.latent))
        noise = torch.from_numpy(ndtri(np.maximum(uniforms, 2.0**-54))).float()
        drawn_as = torch.from_numpy(population)
        with torch.no_grad():
            embedding = self.network.prior(noise, drawn_as)
        return Rollout(embedding, drawn_as, self.options.temperature)

    def _tokens(
        self,
        rollout: Rollout,
        seed: np.ndarray,
        population: np.ndarray,
        start: int,
        stop: int,
        scale: Scale | None,
    ) -> np.ndarray:
        """Tokens of the blocks [start, stop) of one chunk, int64 (B, stop - start)."""
        uniforms = row_uniforms(seed, CODE_DRAWS + np.arange(start, stop))

        def sampler(k: int, log_chance: torch.Tensor) -> torch.Tensor:
            chance = log_chance.double().softmax(-1)
            if scale is not None:
                chance = torch.from_numpy(scale(k, chance.numpy(), population))
            refuse_non_finite(chance.sum(-1))
            cumulated = chance.cumsum(-1)
            threshold = torch.from_numpy(uniforms[:, k - start, None]) * cumulated[:, -1:]
            return (cumulated <= threshold).sum(-1)

        return rollout.step(self.network, self.chain, start, stop, sampler).numpy()

    def _decode(self, k: int, token: np.ndarray, seed: np.ndarray) -> np.ndarray:
        sites = self.tokenizer.sites(k)
        mutations = row_uniforms(seed, np.arange(sites.start, sites.stop))
        return self.tokenizer.decode(k, token, self.tokenizer.error[k], mutations)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = network_arrays(self.network) | network_arrays(self.critics, "critic.")
        arrays |= self.tokenizer.state()
        arrays |= {
            f"chain.{name}": getattr(self.chain, name).numpy()
            for name in ("log_chance", "log_marginal")
        }
        if self.anchors is not None:
            arrays["anchors"] = self.anchors.factors
        return arrays, self._words()

    @classmethod
    def declare(cls, arrays: Declared, words: HaplotypeDescription) -> None:
        options, P = words.options, len(words.population_names)
        tokenizer = BlockTokenizer.declare(arrays, words.n_variants, options.block_size)
        K, C, _ = tokenizer.alleles.shape
        arrays.expect("chain.log_chance", "float32", K, C, C, high=1e-3, minus_infinity=True)
        arrays.expect("chain.log_marginal", "float32", K, C, high=1e-3, minus_infinity=True)
        declare_network(arrays, "network.", lambda: TokenGenerator(K, C, P, options))
        if options.anchor:
            Anchors.declare(arrays, K, P, C)
        declare_network(arrays, "critic.", lambda: Critics(options.latent, P))

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "GanGenerator":
        generator = cls._described(description)
        generator.tokenizer = BlockTokenizer.from_state(arrays, generator.n_variants)
        generator.chain = TokenChain(
            *(torch.from_numpy(arrays[f"chain.{name}"]) for name in ("log_chance", "log_marginal"))
        )
        generator._build()
        load_network(generator.network, arrays, "network.")
        generator.network.eval()
        generator.anchors = Anchors.from_arrays(arrays)
        generator.critics = Critics(generator.options.latent, len(generator.population_names))
        load_network(generator.critics, arrays, "critic.")
        return generator


def refuse_collapse(label: str, metrics: dict[str, float]) -> None:
    """Raise `CollapsedError` when the metrics of `genoloom.models.haplotype.gan_training.diversity`
    say so.
    """
    if metrics["lost"] > COLLAPSE_LOST or metrics["distinct"] < COLLAPSE_DISTINCT:
        raise CollapsedError(
            f"{label}: the generator collapsed: {metrics['lost']:.0%} of the common sites do not "
            f"vary any more (at most {COLLAPSE_LOST:.0%} may be lost), and it makes "
            f"{metrics['distinct']:.0%} of the distinct haplotypes of as many training rows (at "
            f"least {COLLAPSE_DISTINCT:.0%}); try another seed, a lower learning rate or a higher "
            "likelihood weight"
        )
