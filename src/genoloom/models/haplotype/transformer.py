"""Causal transformer over blocks of neighbouring sites, with an exact likelihood.

A token is a block of sites (`genoloom.models.haplotype.blocks`). Given the blocks before it, the
network gives each token of block t a probability pi. The block is then read from the tokens as Li
and Stephens (2003, doi:10.1093/genetics/165.4.2213) read a haplotype from others: it begins as a
token drawn by pi, crosses over at the boundary of every few sites with a small chance to a token
drawn by its frequency q in the cohort, and shows each allele with a small chance of a mutation.
Every haplotype is possible, all probabilities sum to one, the forward algorithm makes the
likelihood exact, and missing calls drop out. A training block that too few haplotypes carry is no
token: it teaches these chances, as the new blocks of individuals who were never seen would.

Context is bounded. A contig is worked off in windows of `context` blocks that overlap by half: a
window scores (or samples) its second half given its first, the first window all of it. Training
sees random windows of the same length, so a token is never asked what it was not trained for, and
cost and memory are linear in variants.

Haplotypes are drawn with the log-chances of the tokens divided by a temperature. A network says
what it does not know by spreading its chances; drawn as they are (temperature 1), these small
errors add up along a contig, and synthetic haplotypes are further from real ones than real ones
are. Likelihoods, and what `impute` fills in, are of the chances themselves.

Letters in shapes: B haplotypes, T blocks, L sites per block, C tokens, S segments per block, W
width.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from pydantic import Field

from genoloom.declared import Declared, Variants
from genoloom.models.finite import refuse_non_finite
from genoloom.models.haplotype.adaptation import Start
from genoloom.models.haplotype.anchoring import (
    Anchors,
    Pilot,
    pilot_populations,
    wanted_frequencies,
)
from genoloom.models.haplotype.base import (
    HaplotypeDescription,
    HaplotypeGenerator,
    SampleRequest,
    TrainingHaplotypes,
)
from genoloom.models.haplotype.blocks import BlockTokenizer, choose_block, read_blocks
from genoloom.models.haplotype.imputation import HaplotypeImputer, Imputation
from genoloom.models.haplotype.reference_likelihoods import reference_bits
from genoloom.models.haplotype.schedules import automatic_steps
from genoloom.models.haplotype.site_mapping import MappedSites
from genoloom.models.haplotype.switch_errors import switch_log_odds
from genoloom.models.haplotype.temperature import (
    BALANCED_BLOCKS,
    BALANCED_ROWS,
    balanced_temperature,
)
from genoloom.models.haplotype.transformer_network import (
    HaplotypeTransformer,
    score_window,
    windows,
)
from genoloom.models.haplotype.transformer_sampling import WindowSampler
from genoloom.models.haplotype.transformer_training import TransformerTraining
from genoloom.models.layers import declare_network, load_network, network_arrays
from genoloom.panel import HaplotypeSource
from genoloom.seeds import derive_seed
from genoloom.training import processes
from genoloom.training.run import TrainingRun, schedule_of, train
from genoloom.training_config import TransformerOptions

log = logging.getLogger(__name__)

# below it more rare alleles were lost, and linked haplotypes were no harder to distinguish from
# real ones
LOWEST_TEMPERATURE = 0.9


class OptionsDescription(TransformerOptions):
    """The options of a trained model."""

    block_size: int = Field(ge=4, le=128)


class TransformerDescription(HaplotypeDescription):
    """The words of such a model."""

    options: OptionsDescription
    n_sites: Variants


class TransformerGenerator(HaplotypeGenerator):
    """Block transformer: options in `genoloom.training_config.TransformerOptions`."""

    name = "transformer"
    description_class = TransformerDescription
    options_class = TransformerOptions
    has_likelihood = scores_blocks = scores_unlabelled = True

    def __init__(self, options: TransformerOptions):
        super().__init__(options)
        self.start: Start | None = None
        self.anchors: Anchors | None = None

    def start_from(self, base: "TransformerGenerator", index: np.ndarray) -> None:
        """Let `fit` begin with the blocks and weights of `base`; its variants `index` (int64,
        rising) are those to come.
        """
        self.start = Start.from_generator(base, self.options, index)

    def fit(self, data: TrainingHaplotypes, run: TrainingRun) -> None:
        self._begin(data)
        fitted = np.flatnonzero(~data.validation)
        torch.manual_seed(derive_seed(run.seed, "weights"))
        if self.start is None:
            of_blocks = {
                "vocabulary_size": self.options.vocabulary_size,
                "carriers": self.options.min_token_carriers,
                "rows": fitted,
            }
            block = self.options.block_size or choose_block(
                data.haplotypes, **of_blocks, validation=np.flatnonzero(data.validation)
            )
            self.options = self.options.model_copy(update={"block_size": block})
            self.site_mapping = np.arange(self.n_variants)
            self.tokenizer = BlockTokenizer.fit(data.haplotypes, block=block, **of_blocks)
            self._build(run.device)
        else:
            self.options = self.start.options
            self.tokenizer = self.start.tokenizer
            self.site_mapping = self.start.site_mapping
            self._build(run.device)
            self.start.load_into(self.model, self.population_names)
        options = self.options
        training = TransformerTraining(
            self.model,
            replace(data, haplotypes=self._on_model_sites(data.haplotypes)),
            options,
            run,
        )
        training.reference_likelihoods = reference_bits(
            data.haplotypes, fitted, np.flatnonzero(data.validation), data.map_cm,
            np.random.default_rng(derive_seed(run.seed, "lines"))
        )  # fmt: skip
        steps = options.steps or automatic_steps(len(fitted), self.tokenizer.n_blocks, options)
        train(training, run, **schedule_of(options, steps=steps))
        self.model.to("cpu").eval()
        if processes.rank():
            return
        if options.temperature is None:
            self.options = options.model_copy(
                update={"temperature": self._temperature(data, fitted, run)}
            )
        if options.anchor:
            self._anchor(data, run)

    def _temperature(self, data: TrainingHaplotypes, fitted: np.ndarray, run: TrainingRun) -> float:
        """The temperature that the training rows call for, by some of them along the first blocks.

        `fitted` (n,), int64, are the haplotypes that are not in the validation set.
        """
        seed = derive_seed(run.seed, "temperature")
        stop = min(BALANCED_BLOCKS, self.tokenizer.n_blocks)
        rng = np.random.default_rng(seed)
        rows = rng.permutation(fitted)[:BALANCED_ROWS]
        # (n, stop, L)
        called = read_blocks(
            self._on_model_sites(data.haplotypes), self.options.block_size, 0, stop, rows
        )
        nearest = [
            self.tokenizer.alleles[k][self.tokenizer.nearest(k, called[:, k])[0]]
            for k in range(stop)
        ]
        alleles = np.where(called >= 0, called, np.stack(nearest, axis=1)).reshape(len(rows), -1)
        request = SampleRequest(
            data.population[rows], rng.integers(0, 2**63, size=len(rows), dtype=np.uint64)
        )

        def draw(temperature: float) -> np.ndarray:
            return np.concatenate(
                list(
                    self._draw(request, stop, WindowSampler(self.model, self.options, temperature))
                )
            )

        real = alleles[:, self.site_mapping[self._variants(0, stop)]].T
        found = balanced_temperature(draw, real, LOWEST_TEMPERATURE)
        log.info("%s: tokens are drawn at temperature %g", run.label, found)
        return found

    def _anchor(self, data: TrainingHaplotypes, run: TrainingRun) -> None:
        """Find the factors that keep the frequencies of the training haplotypes' tokens, on a pilot
        cohort.
        """
        tokens = self.tokenizer.encode(self._on_model_sites(data.haplotypes))  # (n, K)
        rng = np.random.default_rng(derive_seed(run.seed, "pilot"))
        population = pilot_populations(data.population, rng)
        request = SampleRequest(
            population, rng.integers(0, 2**63, size=len(population), dtype=np.uint64)
        )
        size = len(self.population_names), self.tokenizer.vocabulary_size
        pilot = Pilot(lambda k: wanted_frequencies(tokens[:, k], data.population, *size))
        sampler = WindowSampler(
            self.model, self.options, self.options.temperature, pilot, len(population)
        )
        for _ in self._draw(request, self.tokenizer.n_blocks, sampler):
            pass
        self.anchors = pilot.anchors(self.tokenizer.vocabulary_size)

    def _build(self, device: str = "cpu") -> None:
        self.model = HaplotypeTransformer(
            self.tokenizer, self.site_mapping, len(self.population_names), self.options
        ).to(device)

    def _on_model_sites(self, haplotypes: HaplotypeSource) -> HaplotypeSource:
        """The variants on the sites of the blocks."""
        return MappedSites(haplotypes, self.site_mapping, self.tokenizer.n_variants)

    def _variants(self, first: int, stop: int) -> slice:
        """The variants of the blocks [first, stop)."""
        return slice(
            *np.searchsorted(
                self.site_mapping, [first * self.options.block_size, stop * self.options.block_size]
            ).tolist()
        )

    def block_log_likelihood(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        labels, mapped = self._labels(population), self._on_model_sites(haplotypes)
        for span in windows(self.tokenizer.n_blocks, self.options.context):
            alleles = read_blocks(mapped, self.options.block_size, span[0], span[2])
            for k, scores in enumerate(score_window(self.model, alleles, labels, span).T, span[1]):
                refuse_non_finite(scores)
                yield self._variants(k, k + 1), scores

    def switch_log_odds(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        places = switch_log_odds(
            self.model, self.tokenizer, self.options, self._on_model_sites(haplotypes),
            self._labels(population)
        )  # fmt: skip
        for k, log_odds in places:
            yield self._variants(k, k + 1).start, log_odds

    def impute(
        self, haplotypes: HaplotypeSource, population: np.ndarray, seed: np.ndarray, particles: int
    ) -> Iterator[Imputation]:
        imputer = HaplotypeImputer(self.model, self.tokenizer, self.options, particles)
        for done in imputer.impute(
            self._on_model_sites(haplotypes), self._labels(population), seed
        ):
            yield replace(
                done,
                alleles=done.alleles[:, self.site_mapping],
                mean=done.mean[:, self.site_mapping],
            )

    def _labels(self, population: np.ndarray) -> np.ndarray:
        """Populations with the network's own index for the unlabelled."""
        return np.where(population < 0, self.model.unlabelled, population)

    def sample(
        self, request: SampleRequest, known: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """As of any generator; after the alleles `known` of the first sites, which are the alleles
        of whole blocks, where they are given: int8 (n_known, n_haplotypes).
        """
        temperature = self.options.temperature or 1.0  # model files of before have none
        sampler = WindowSampler(self.model, self.options, temperature, self.anchors)
        yield from self._draw(request, self.tokenizer.n_blocks, sampler, known)

    def _draw(
        self,
        request: SampleRequest,
        n_blocks: int,
        sampler: WindowSampler,
        known: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:
        """Alleles of the first `n_blocks` blocks, window by window, int8 (n_variants,
        n_haplotypes); `known` as of `sample`.
        """
        past = np.empty((len(request.seed), 0, self.options.block_size), dtype=np.int8)
        if known is not None:
            past = known.T.reshape(len(past), len(known) // past.shape[2], past.shape[2])
        n_known = past.shape[1]
        for start, first, stop in windows(n_blocks, self.options.context):
            if stop <= n_known:
                continue
            at = max(first, n_known)
            past = past[:, past.shape[1] - (at - start) :]
            fresh = sampler.sample(past, request, (start, at, stop))  # (n, stop - at, L)
            past, first = np.concatenate([past, fresh], axis=1), at
            sites = self.site_mapping[self._variants(first, stop)] - first * self.options.block_size
            yield np.ascontiguousarray(fresh.reshape(len(fresh), -1)[:, sites].T)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = network_arrays(self.model) | self.tokenizer.state()
        arrays["site_mapping"] = self.site_mapping
        if self.anchors is not None:
            arrays["anchors"] = self.anchors.factors
        words = self._words() | {"n_sites": self.tokenizer.n_variants}
        del words["options"]["init_from"]  # no path leaves in a model
        return arrays, words

    @classmethod
    def declare(cls, arrays: Declared, words: TransformerDescription) -> None:
        arrays.expect(
            "site_mapping", "int64", words.n_variants, low=0, high=words.n_sites - 1, least_step=1
        )
        cls.declare_weights(arrays, words)

    @classmethod
    def declare_weights(cls, arrays: Declared, words: TransformerDescription) -> None:
        """Declare all arrays but `site_mapping`."""
        tokenizer = BlockTokenizer.declare(arrays, words.n_sites, words.options.block_size)
        nowhere, P = np.empty(0, dtype=np.int64), len(words.population_names)
        declare_network(
            arrays, "network.", lambda: HaplotypeTransformer(tokenizer, nowhere, P, words.options)
        )
        if words.options.anchor:
            Anchors.declare(arrays, tokenizer.n_blocks, P, tokenizer.vocabulary_size)

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "TransformerGenerator":
        generator = cls._described(description)
        generator.site_mapping = arrays["site_mapping"]
        generator.anchors = Anchors.from_arrays(arrays)
        generator.tokenizer = BlockTokenizer.from_state(arrays, description["n_sites"])
        generator._build()
        load_network(generator.model, arrays, "network.")
        generator.model.eval()
        return generator
