"""A network over templates: recurrent copying of Li and Stephens as attention, with weights that
belong to no position.

A haplotype is read and drawn block by block (`genoloom.models.haplotype.templates`). What is known
of the next block comes from templates, the haplotypes of a panel: how many of them equal the row on
its last sites, for several lengths, and carry each token, in all and in the row's population; and
how much weight the carriers of each token have in several recursions of the copying model of Li and
Stephens (2003, doi:10.1093/genetics/165.4.2213) with fixed rates of switches and mutations. Each
recursion is a head of attention over templates whose keys are recurrent, so time is linear in sites
and in templates. A small network, the same at every position and for every token, turns these
values into the chance pi of each token. The block is the token seen through mutations of single
alleles, whose chances are counted where templates differ from their nearest token; a share of the
blocks has two tokens, the second from any site on. So all probabilities sum to one, the likelihood
is exact, and missing calls drop out. Draws at temperature 1 without groups and anchors are from the
same model with one token per block.

Training asks for blocks of the templates themselves, with the row's own individual left out of all
counts: the few thousand weights cannot memorise an individual, and the same weights serve any other
templates.

The templates are in the model file. Draws copy them in pieces, as mosaics do; what that reveals
depends on whose haplotypes they are: `docs/haplotype_templates.md`.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field, model_validator

from genoloom.declared import DeclarationError, Declared, Name
from genoloom.models.finite import refuse_non_finite
from genoloom.models.haplotype.anchoring import Anchors, Pilot
from genoloom.models.haplotype.base import (
    MOST_LABELS,
    HaplotypeDescription,
    HaplotypeGenerator,
    SampleRequest,
    TrainingHaplotypes,
)
from genoloom.models.haplotype.blocks import choose_block
from genoloom.models.haplotype.copying_frequencies import pilot_request, token_frequencies
from genoloom.models.haplotype.copying_imputation import impute_rows
from genoloom.models.haplotype.copying_state import CopyingState
from genoloom.models.haplotype.copying_weights import PREFIX, compiled, declare_weights
from genoloom.models.haplotype.groups import GROUP_DRAW, Groups, divide, draw_groups
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.models.haplotype.particles import BLOCK_DRAWS, Imputation
from genoloom.models.haplotype.reference_likelihoods import reference_bits
from genoloom.models.haplotype.reweighting import Reweighting
from genoloom.models.haplotype.temperature import BALANCED_BLOCKS, balanced_temperature
from genoloom.models.haplotype.templates import (
    MOST_TEMPLATES,
    SPARE,
    BlockTables,
    TemplatePanel,
    pack_bits,
    read_bits,
    unpack_bits,
)
from genoloom.models.haplotype.unseen_blocks import MOST_FACTOR, mutation_factors
from genoloom.panel import HaplotypeSource, HaplotypeView
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.training_config import CopyingNetworkOptions

if TYPE_CHECKING:  # torch takes longer to import than many a draw: only training does
    from genoloom.training.run import TrainingRun

log = logging.getLogger(__name__)

# Sites a block, longest first, where sites are linked, and where they are not. A token is counted
# whole, which takes many templates: with few, or without linkage, it is counted in smaller pieces.
LENGTHS, LENGTHS_OF_FEW, SHORTEST = (16, 8), (8,), 2
FEW = 1000  # templates
LOWEST_TEMPERATURE, LOWEST_OF_ANCHORED = 0.8, 0.6
BALANCED_ROWS = 500
SCORED_ROWS = 2048  # haplotypes whose state is held at a time
YIELDED_BLOCKS = 64  # drawn between two yields, or fewer: tables of this many counts are held
COUNTS = 2**25
REACH = 4  # blocks scored after a place where haplotypes are exchanged
FAINTEST = 1e-6  # factor of an anchor whose logarithm is taken


class OptionsDescription(CopyingNetworkOptions):
    """The options of a trained model."""

    block_size: int = Field(ge=2, le=32)
    temperature: float = Field(ge=0.1, le=2)


class CopyingNetworkDescription(HaplotypeDescription):
    """The words of such a model."""

    options: OptionsDescription
    recombination: float = Field(default=0, ge=0, le=1)  # models of older versions have none
    # the last populations, which no template belongs to, and which other each is drawn as
    stands_for: dict[Name, Name] = Field(default={}, max_length=MOST_LABELS)

    @model_validator(mode="after")
    def _standing_in_is_for_the_last(self) -> Self:
        own = len(self.population_names) - len(self.stands_for)
        first, last = self.population_names[:own], self.population_names[own:]
        if list(self.stands_for) != last or not set(self.stands_for.values()) <= set(first):
            raise ValueError("what represents a population is none of the others")
        return self


class CopyingNetworkGenerator(HaplotypeGenerator):
    """Templates, the network over them, and how it is drawn from: options in
    `genoloom.training_config.CopyingNetworkOptions`.
    """

    name = "copying_network"
    description_class = CopyingNetworkDescription
    options_class = CopyingNetworkOptions
    has_likelihood = scores_blocks = scores_unlabelled = True

    def __init__(self, options: CopyingNetworkOptions):
        super().__init__(options)
        self.anchors: Anchors | None = None
        self.groups: Groups
        self.mutations: np.ndarray | None = None  # factors, float32 (P,)
        self.recombination = 0.0  # chance that a block that is scored is of two tokens
        self.reweighting: Reweighting | None = None
        self.stands_for: dict[str, str] = {}

    def fit(self, data: TrainingHaplotypes, run: "TrainingRun") -> None:
        self._begin(data)
        fitted, validation = np.flatnonzero(~data.validation), np.flatnonzero(data.validation)
        options = self.options
        of_blocks = {
            "vocabulary_size": options.vocabulary_size,
            "carriers": options.min_token_carriers,
        }
        block = options.block_size
        if block is None:
            lengths = LENGTHS if len(fitted) >= FEW else LENGTHS_OF_FEW
            of_individuals = {"rows": fitted, "validation": validation}
            block = choose_block(
                data.haplotypes, **of_blocks, **of_individuals, lengths=lengths, shortest=SHORTEST
            )
        self.options = options = options.model_copy(update={"block_size": block})
        self._train(data, fitted, validation, run)
        everybody = np.arange(len(data.population))
        self.panel, self.groups, order = self._collect(data, everybody, run.seed)
        if self.reweighting is not None:
            known = self.population_names
            asked = sorted(self.reweighting.stands_for.items())
            self._know({label: name for label, name in asked if label not in known})
        if options.anchor:
            self.mutations = mutation_factors(self.panel, _individuals(data, order), SPARE)
        if options.temperature is None:
            self.options = options.model_copy(update={"temperature": self._temperature(run)})
        if options.anchor:
            self._anchor(run.seed, order)

    def over(self, data: TrainingHaplotypes, seed: int) -> "CopyingNetworkGenerator":
        """The same network with other templates, and anchors of their own, at the same sites."""
        other = type(self)(self.options)
        other._begin(data)
        other.network, other.weights = self.network, self.weights
        other.recombination = self.recombination
        everybody = np.arange(len(data.population))
        other.panel, other.groups, order = other._collect(data, everybody, seed)
        if self.options.anchor:
            other.mutations = mutation_factors(other.panel, _individuals(data, order), SPARE)
            other._anchor(seed, order)
        return other

    def anchor_to(self, reweighting: Reweighting) -> None:
        """Let draws of populations have the frequencies of weighted templates. One that the
        templates have, too, is drawn by the weights; others become populations of the model.
        """
        self.reweighting = reweighting

    def _know(self, stands_for: dict[str, str]) -> None:
        """Have further populations, which are drawn as others."""
        drawn_as = tuple(self.population_names.index(name) for name in stands_for.values())
        self.stands_for = stands_for
        self.population_names = [*self.population_names, *stands_for]
        self.panel = replace(
            self.panel, n_populations=len(self.population_names), stands_for=drawn_as
        )

    def _train(
        self,
        data: TrainingHaplotypes,
        fitted: np.ndarray,
        validation: np.ndarray,
        run: "TrainingRun",
    ) -> None:
        """Fit the network to the individuals who are not in the validation set, each of them among
        all the others.
        """
        import torch

        from genoloom.models.haplotype import copying_training as learning
        from genoloom.models.layers import network_arrays
        from genoloom.training.run import schedule_of, train

        options, rng = self.options, np.random.default_rng(derive_seed(run.seed, "pairs"))
        panel, groups, order = self._collect(data, fitted, run.seed)
        place = np.argsort(order)
        own = learning.own_templates(place, _individuals(data, fitted))
        source, of_validation = (
            HaplotypeView(data.haplotypes, haplotypes=rows) for rows in (fitted, validation)
        )
        # a group is asked for as a population is, and distinguished from it by its size
        divided = groups.drawn_by(panel)[0]
        trained = learning.gather(panel, source, data.population[fitted], own, learning.PAIRS, rng)
        trained += learning.gather(
            divided, source, groups.of[place], own, learning.GROUP_PAIRS, rng
        )
        examples = learning.gather(
            panel, of_validation, data.population[validation], None, learning.VALIDATION_PAIRS, rng
        )
        torch.manual_seed(derive_seed(run.seed, "weights"))
        network = learning.CopyingNetwork(options.width)
        training = learning.CopyingTraining(
            network, trained, examples, options.learning_rate, run.seed
        )
        rng_of_reference = np.random.default_rng(derive_seed(run.seed, "lines"))
        training.reference_likelihoods = reference_bits(
            data.haplotypes, fitted, validation, data.map_cm, rng_of_reference
        )
        train(training, run, **schedule_of(options))
        self._take(network_arrays(network, ""))
        self.recombination = learning.recombination_rate(
            panel, of_validation, data.population[validation], self._chances, rng
        )

    def _take(self, network: dict[str, np.ndarray]) -> None:
        """Have these weights of the network, by the names of `copying_weights.shapes`."""
        self.network, self.weights = network, compiled(network)

    def _collect(
        self, data: TrainingHaplotypes, rows: np.ndarray, seed: int
    ) -> tuple[TemplatePanel, Groups, np.ndarray]:
        """Templates from some of the haplotypes, their groups, and which haplotype each is."""
        options = self.options
        panel, order = TemplatePanel.collect(
            HaplotypeView(data.haplotypes, haplotypes=rows), data.population[rows],
            len(self.population_names),
            block=options.block_size, vocabulary_size=options.vocabulary_size,
            carriers=options.min_token_carriers, match_carriers=options.match_carriers,
        )  # fmt: skip
        panel, groups, by = divide(panel, options.groups, derive_seed(seed, "groups"))
        return panel, groups, order[by]

    def _temperature(self, run: "TrainingRun") -> float:
        """The temperature that templates call for, by some of them along the first blocks: that of
        draws with anchors, which are farther from each other, where there are any."""
        seed, stop = derive_seed(run.seed, "temperature"), min(BALANCED_BLOCKS, self.panel.n_blocks)
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.permutation(self.panel.n_templates)[:BALANCED_ROWS])
        real = self.panel.haplotypes.read(0, min(stop * self.options.block_size, self.n_variants))[
            :, rows
        ]
        request = SampleRequest(
            self.panel.population[rows], rng.integers(0, 2**63, size=len(rows), dtype=np.uint64)
        )
        lowest, anchors, names = LOWEST_TEMPERATURE, None, self.population_names
        if self.options.anchor:
            lowest, wanted = LOWEST_OF_ANCHORED, token_frequencies(self.panel, names)
            anchors = self._find_anchors(run.seed, wanted, (lowest + 1) / 2, stop)
        found = balanced_temperature(
            lambda temperature: np.concatenate(
                list(self._draw(request, temperature, stop, anchors))
            ),
            real, lowest
        )  # fmt: skip
        log.info("%s: tokens are drawn at temperature %g", run.label, found)
        return found

    def _anchor(self, seed: int, order: np.ndarray) -> None:
        """Find the factors that keep the frequencies of the templates. `order`: which training
        haplotype each template is.
        """
        panel, temperature = self.panel, self.options.temperature
        wanted = token_frequencies(panel, self.population_names, self.reweighting, order)
        self.anchors = self._find_anchors(seed, wanted, temperature, panel.n_blocks)

    def _find_anchors(
        self, seed: int, wanted: Callable[[int], np.ndarray], temperature: float, n_blocks: int
    ) -> Anchors:
        """The factors that bring wanted frequencies to the first blocks of a pilot cohort."""
        pilot = Pilot(wanted)
        request = pilot_request(self.panel, derive_seed(seed, "pilot"))
        for _ in self._draw(request, temperature, n_blocks, pilot):
            pass
        return pilot.anchors(self.options.vocabulary_size)

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        yield from self._draw(request, self.options.temperature, self.panel.n_blocks, self.anchors)

    def _draw(
        self,
        request: SampleRequest,
        temperature: float,
        n_blocks: int,
        anchors: Anchors | Pilot | None = None,
    ) -> Iterator[np.ndarray]:
        """Alleles of the first `n_blocks` blocks, int8 (n_sites, n_haplotypes)."""
        L = self.options.block_size
        panel, population = self.groups.drawn_by(self.panel)
        uniform = row_uniforms(request.seed, GROUP_DRAW)
        if isinstance(anchors, Pilot):
            uniform = anchors.even(uniform, request.population)
        drawn_in = draw_groups(panel, population, request.population, uniform)
        if isinstance(anchors, Pilot):
            anchors.follow(drawn_in, drawn_in)
        state = CopyingState(panel, drawn_in)
        of_a_block = self.panel.n_templates * self.options.vocabulary_size
        step = min(YIELDED_BLOCKS, max(1, COUNTS // of_a_block))
        for first in range(0, n_blocks, step):
            stop = min(first + step, n_blocks)
            uniforms = row_uniforms(request.seed, BLOCK_DRAWS + np.arange(first, stop)).T
            errors = np.concatenate([state.error(SPARE, k) for k in range(first, stop)])
            if self.mutations is not None:
                errors = self.mutations[request.population][:, None] * errors
            mutations = pack_bits(
                (row_uniforms(request.seed, np.arange(first * L, stop * L)) < errors).T, L
            )
            drawn = np.empty(mutations.shape, dtype=np.uint32)
            at_once = 1 if isinstance(anchors, Pilot) else stop - first
            for low in range(0, stop - first, at_once):
                some = slice(low, low + at_once)
                factors = None
                if isinstance(anchors, Pilot):
                    factors = anchors.find(
                        first + low, self._chances(state, temperature), request.population
                    )[None, population]
                    uniforms[some] = anchors.even(uniforms[low], drawn_in)
                elif anchors is not None:
                    factors = anchors.factors[first:stop, population]
                drawn[some] = state.draw(
                    self.weights, temperature, factors, uniforms[some], mutations[some]
                )
                if isinstance(anchors, Pilot):
                    anchors.follow(drawn[low] ^ mutations[low], drawn_in)
            alleles = np.concatenate(unpack_bits(drawn, L).transpose(0, 2, 1))
            yield alleles[: self.n_variants - first * L]

    def _chances(self, state: CopyingState, temperature: float = 1.0) -> np.ndarray:
        """Chances of the tokens of a state's present block, float64 (n, C); rows sum to one."""
        logits = state.logits(self.weights).astype(np.float64) / temperature
        chance = np.exp(logits - logits.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        refuse_non_finite(chance)
        return chance

    def _score(self, state: CopyingState, bits: np.ndarray, called: np.ndarray) -> np.ndarray:
        """Natural-log probability of alleles of a state's present block, float64 (n,)."""
        found = state.mixed_chances(self._chances(state), bits, called, self.recombination)
        return np.log(found.sum(axis=1))

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        total = np.zeros(haplotypes.n_haplotypes)
        for low in range(0, len(total), SCORED_ROWS):
            rows = np.arange(low, min(low + SCORED_ROWS, len(total)))
            for _, scores in self.block_log_likelihood(
                HaplotypeView(haplotypes, haplotypes=rows), population[rows]
            ):
                total[rows] += scores
        return total

    @property
    def tells_frequencies(self) -> bool:
        return bool(self.stands_for) and self.anchors is not None

    def anchor_score(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        drawn_as = self.panel.drawn_as
        total, tables = np.zeros(haplotypes.n_haplotypes), BlockTables(self.panel, 0)
        for k, bits, _ in self._blocks(haplotypes):
            table = tables.table(k)
            tables.forget(k)
            # blocks that are no tokens have no factor
            known = np.argsort(table.ids[: table.n_tokens])
            rising = table.ids[known]
            at = np.minimum(np.searchsorted(rising, bits), len(rising) - 1)
            factors = np.log(np.maximum(self.anchors.factors[k], FAINTEST))
            gain = (factors - factors[drawn_as])[population, known[at]]
            total += np.where(rising[at] == bits, gain, 0)
        return total

    def block_log_likelihood(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        state = CopyingState(self.panel, population)
        for k, bits, called in self._blocks(haplotypes):
            yield self._variants(k), self._score(state, bits, called)
            state.advance(bits, called)

    def switch_log_odds(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        state, n_blocks = CopyingState(self.panel, population), self.panel.n_blocks
        ahead: list[tuple[np.ndarray, np.ndarray]] = []
        source = self._blocks(haplotypes)
        for k in range(n_blocks):
            while len(ahead) < min(REACH, n_blocks - k):
                ahead.append(next(source)[1:])
            if k > 0:
                yield self._variants(k).start, self._exchange(state, ahead)
            state.advance(*ahead.pop(0))

    def _exchange(
        self, state: CopyingState, ahead: list[tuple[np.ndarray, np.ndarray]]
    ) -> np.ndarray:
        """Gain of exchanging the alleles that come between the two haplotypes of each individual,
        float64 (n_individuals,).
        """
        gain = np.zeros(len(state.population) // 2)
        sibling = np.arange(len(state.population)) ^ 1
        straight, crossed = state.fork(), state.fork()
        for bits, called in ahead:
            change = self._score(crossed, bits[sibling], called[sibling]) - self._score(
                straight, bits, called
            )
            gain += change.reshape(-1, 2).sum(axis=1)
            straight.advance(bits, called)
            crossed.advance(bits[sibling], called[sibling])
        return gain

    def impute(
        self, haplotypes: HaplotypeSource, population: np.ndarray, seed: np.ndarray, particles: int
    ) -> Iterator[Imputation]:
        yield from impute_rows(
            self.panel, self._chances, self.recombination, haplotypes, population, seed, particles
        )

    def _blocks(self, haplotypes: HaplotypeSource) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Number, alleles and calls (uint32) of each block of a source."""
        for first in range(0, self.panel.n_blocks, YIELDED_BLOCKS):
            stop = min(first + YIELDED_BLOCKS, self.panel.n_blocks)
            bits, called = read_bits(haplotypes, self.options.block_size, first, stop)
            yield from zip(range(first, first + len(bits)), bits, called, strict=True)

    def _variants(self, k: int) -> slice:
        L = self.options.block_size
        return slice(k * L, min((k + 1) * L, self.n_variants))

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        templates, _ = self.panel.haplotypes.state()
        arrays = {f"{PREFIX}{name}": values for name, values in self.network.items()}
        arrays |= templates | {"population": self.panel.population, "group": self.groups.of}
        if self.anchors is not None:
            arrays |= {"anchors": self.anchors.factors, "mutations": self.mutations}
        more = {"stands_for": self.stands_for} if self.stands_for else {}
        return arrays, self._words() | {"recombination": self.recombination} | more

    @classmethod
    def declare(cls, arrays: Declared, words: CopyingNetworkDescription) -> None:
        options, P = words.options, len(words.population_names)
        n_templates = PackedHaplotypes.declare(arrays, words.n_variants)
        if n_templates > MOST_TEMPLATES:
            raise DeclarationError(f"there are more than {MOST_TEMPLATES} templates")
        own = P - len(words.stands_for)
        arrays.expect("population", "int64", n_templates, low=0, high=own - 1, least_step=0)
        arrays.expect("group", "int64", n_templates, low=0, high=n_templates - 1, least_step=0)
        declare_weights(arrays, options.width)
        if options.anchor:
            Anchors.declare(
                arrays, -(-words.n_variants // options.block_size), P, options.vocabulary_size
            )
            arrays.expect("mutations", "float32", P, low=0, high=MOST_FACTOR)

    @classmethod
    def from_state(
        cls, arrays: dict[str, np.ndarray], description: dict
    ) -> "CopyingNetworkGenerator":
        generator = cls._described(description)
        options, names = generator.options, generator.population_names
        stands_for = description.get("stands_for", {})
        generator.population_names = names[: len(names) - len(stands_for)]
        generator.panel = TemplatePanel(
            PackedHaplotypes.from_state(arrays, description), arrays["population"],
            len(generator.population_names), options.block_size,
            options.vocabulary_size, options.min_token_carriers, options.match_carriers,
        )  # fmt: skip
        generator.groups = Groups.among(arrays["group"], arrays["population"])
        generator._know(stands_for)
        generator.recombination = description.get("recombination", 0.0)
        generator.anchors = Anchors.from_arrays(arrays)
        generator.mutations = arrays.get("mutations")
        generator._take(
            {
                name.removeprefix(PREFIX): values
                for name, values in arrays.items()
                if name.startswith(PREFIX)
            }
        )
        return generator


def _individuals(data: TrainingHaplotypes, rows: np.ndarray) -> np.ndarray:
    """Whose each of some haplotypes is."""
    return rows // 2 if data.individual is None else data.individual[rows]
