"""A transformer of a long contig as several, one for each window of sites, each with the end of the
window before it as its beginning.

A transformer has weights for every block, and a schedule that shows each of them often enough, so
training time is linear in sites. Windows are trained apart from each other, at once where there are
machines (`fit_window`). Each begins `overlap` sites before the end of the one before it. There it
learns like anywhere else, but nothing is drawn or scored by it: haplotypes go on from what the
window before has made there. So a haplotype x has the chance

    p(x) = p_0(x_0) p_1(x_1 | overlap_1) p_2(x_2 | overlap_2) ...

which sums to one, and next to a border a block is drawn given as many blocks as anywhere else.

Sites are cut where the map says that recombination is frequent. A contig that is not longer than
one and a half windows is one window: a plain transformer, whose file is the same as ever.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from genoloom.declared import Declared, Description, Variants, within
from genoloom.errors import InputError
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.transformer import (
    OptionsDescription,
    TransformerDescription,
    TransformerGenerator,
)
from genoloom.models.haplotype.windows import Window, cut
from genoloom.panel import HaplotypeSource, HaplotypeView
from genoloom.seeds import attempt_seeds, derive_seed
from genoloom.training import processes
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions


class WindowDescription(Description):
    """The words of one window of such a model."""

    start: int = Field(ge=0)
    first: int = Field(ge=0)
    stop: int = Field(ge=1)
    n_sites: Variants
    options: OptionsDescription

    @model_validator(mode="after")
    def _blocks_are_whole(self) -> Self:
        if not self.start <= self.first < self.stop:
            raise ValueError("a window must not end before it begins")
        if (self.first - self.start) % self.options.block_size:
            raise ValueError("windows overlap in whole blocks")
        if self.n_sites != self.stop - self.start:
            raise ValueError("a window has as many sites as variants")
        return self


class WindowedDescription(TransformerDescription):
    """The words of a model of one or several windows."""

    windows: list[WindowDescription] = Field(default=[], max_length=100_000)

    @model_validator(mode="after")
    def _windows_follow_each_other(self) -> Self:
        firsts, stops = [w.first for w in self.windows], [w.stop for w in self.windows]
        if self.windows and [*firsts, self.n_variants] != [0, *stops]:
            raise ValueError("windows must follow each other from the first variant to the last")
        return self

    def of(self, window: WindowDescription) -> TransformerDescription:
        """The words of one of them as a model of its own."""
        return TransformerDescription(
            population_names=self.population_names,
            n_variants=window.n_sites,
            n_sites=window.n_sites,
            options=window.options,
        )


class WindowedTransformer(HaplotypeGenerator):
    """Transformers of windows, as one generator of the contig: options in
    `genoloom.training_config.TransformerOptions`.
    """

    name = "transformer"
    description_class = WindowedDescription
    options_class = TransformerOptions
    has_likelihood = scores_blocks = scores_unlabelled = True

    def __init__(self, options: TransformerOptions):
        super().__init__(options)
        self.windows: list[Window] = []
        self.parts: list[TransformerGenerator] = []
        self.base: tuple[TransformerGenerator, np.ndarray] | None = None

    def start_from(self, base: "WindowedTransformer", index: np.ndarray) -> None:
        """As of `TransformerGenerator`; neither may have windows."""
        if len(base.parts) > 1 or self.options.window is not None:
            raise InputError(
                "--init-from",
                "a model of windows, or --window",
                expected="whole contigs, for adapting one model to another",
            )
        self.base = (base.parts[0], index)

    def cut(self, data: TrainingHaplotypes) -> list[Window]:
        """The windows of these data."""
        return cut(data.map_cm, self.options)

    def fit(self, data: TrainingHaplotypes, run: TrainingRun) -> None:
        self._begin(data)
        self.windows = self.cut(data)
        started, runs = time.monotonic(), []
        for number in range(len(self.windows)):
            part, own = self._fit(data, run, number, time.monotonic() - started)
            self.parts.append(part)
            runs.append(own)
            # found on the first window, kept on all
            self.options = self.options.model_copy(update={"temperature": part.options.temperature})
        if processes.rank():
            return
        if len(self.parts) == 1:
            self.options, run.history = self.parts[0].options, runs[0].history
            return
        lengths = [w.stop - w.first for w in self.windows]
        run.history = mean_history([own.history for own in runs], lengths)

    def fit_window(self, data: TrainingHaplotypes, run: TrainingRun, number: int) -> None:
        """Train one window alone. Its state is what a later `fit` in the same directory goes on
        with, so that only what is not done yet is done there.
        """
        self.population_names = list(data.population_names)
        self.windows = self.cut(data)
        # the temperature is found later, for all windows
        self.options = self.options.model_copy(update={"temperature": 1.0})
        self._fit(data, run, number, 0.0)

    def _fit(
        self, data: TrainingHaplotypes, run: TrainingRun, number: int, spent_s: float
    ) -> tuple[TransformerGenerator, TrainingRun]:
        part = TransformerGenerator(self.options)
        if self.base is not None:
            part.start_from(*self.base)
        if len(self.windows) == 1:
            part.fit(data, run)
            return part, run
        window = self.windows[number]
        limit = run.time_limit_s and max(run.time_limit_s - spent_s, 1e-3)
        own = replace(
            run,
            state_dir=run.state_dir / f"window{number}",
            digest=hashlib.sha256(f"{run.digest}{number}".encode()).hexdigest(),
            seed=derive_seed(run.seed, "window", number),
            label=f"{run.label} window {number + 1}/{len(self.windows)}",
            time_limit_s=limit,
            history=[],
        )
        part.fit(_cut_out(data, window), own)
        return part, own

    def sample(self, request: SampleRequest) -> Iterator[np.ndarray]:
        tail = np.empty((0, len(request.seed)), dtype=np.int8)
        for number, (window, part) in enumerate(zip(self.windows, self.parts, strict=True)):
            known = tail[len(tail) - window.overlap :]
            seed = attempt_seeds(request.seed, np.int64(number)) if number else request.seed
            following = self.windows[number + 1 : number + 2]
            kept = max((w.overlap for w in following), default=0)
            tail = known
            own = replace(request, seed=seed)
            for alleles in part.sample(own, known if len(known) else None):
                if kept:
                    tail = np.concatenate([tail, alleles])[-kept:]
                yield alleles

    def block_log_likelihood(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        for window, part in zip(self.windows, self.parts, strict=True):
            for variants, scores in part.block_log_likelihood(
                _variants(haplotypes, window), population
            ):
                if variants.start >= window.overlap:
                    at = window.start
                    yield slice(at + variants.start, at + variants.stop), scores

    def switch_log_odds(
        self, haplotypes: HaplotypeSource, population: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        for window, part in zip(self.windows, self.parts, strict=True):
            for variant, log_odds in part.switch_log_odds(
                _variants(haplotypes, window), population
            ):
                if variant >= window.overlap:
                    yield window.start + variant, log_odds

    def impute(
        self, haplotypes: HaplotypeSource, population: np.ndarray, seed: np.ndarray, particles: int
    ) -> Iterator:
        if len(self.parts) > 1:
            raise InputError(
                "--model",
                f"was trained in {len(self.parts)} windows, and cannot fill in missing calls",
                remedy="train it without --window, or take a copying_network",
            )
        yield from self.parts[0].impute(haplotypes, population, seed, particles)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        if len(self.parts) == 1:
            return self.parts[0].state()
        arrays, windows = {}, []
        for number, (window, part) in enumerate(zip(self.windows, self.parts, strict=True)):
            own, words = part.state()
            own.pop("site_mapping")  # every variant is a site: none of them was adapted
            arrays |= {f"{_prefix(number)}{name}": values for name, values in own.items()}
            own_words = {name: words[name] for name in ("n_sites", "options")}
            windows.append(asdict(window) | own_words)
        options = {**windows[0]["options"], "window": self.options.window}
        more = {"options": options, "n_sites": self.n_variants, "windows": windows}
        return arrays, self._words() | more

    @classmethod
    def declare(cls, arrays: Declared, words: WindowedDescription) -> None:
        if not words.windows:
            TransformerGenerator.declare(arrays, words)
        for number, window in enumerate(words.windows):
            TransformerGenerator.declare_weights(arrays.within(_prefix(number)), words.of(window))

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "WindowedTransformer":
        generator = cls._described(description)
        windows = description.get("windows")
        if not windows:
            generator.windows = [Window(0, 0, generator.n_variants)]
            generator.parts = [TransformerGenerator.from_state(arrays, description)]
            return generator
        for number, window in enumerate(windows):
            prefix, size = _prefix(number), window["n_sites"]
            own = within(arrays, prefix)
            words = {**description, **window, "n_variants": size}
            generator.windows.append(Window(window["start"], window["first"], window["stop"]))
            generator.parts.append(
                TransformerGenerator.from_state({**own, "site_mapping": np.arange(size)}, words)
            )
        return generator


def mean_history(histories: list[list[dict]], weights: list[int]) -> list[dict]:
    """One history of several trainings: means of their values at each evaluation, weighted by
    sites. Steps and seconds are sums; a training that has stopped keeps its last values.
    """
    rows = []
    for i in range(max(map(len, histories))):
        each = [history[min(i, len(history) - 1)] for history in histories]
        row = {}
        for name in dict.fromkeys(name for own in each for name in own):
            known = [(own[name], w) for own, w in zip(each, weights, strict=True) if name in own]
            if name in ("step", "seconds"):
                row[name] = sum(value for value, _ in known)
            else:
                row[name] = sum(v * w for v, w in known) / sum(w for _, w in known)
        rows.append(row)
    return rows


def _prefix(number: int) -> str:
    return f"window{number}."


def _variants(haplotypes: HaplotypeSource, window: Window) -> HaplotypeView:
    return HaplotypeView(haplotypes, variants=np.arange(window.start, window.stop))


def _cut_out(data: TrainingHaplotypes, window: Window) -> TrainingHaplotypes:
    sites = slice(window.start, window.stop)
    return replace(
        data,
        haplotypes=_variants(data.haplotypes, window),
        position=data.position[sites],
        map_cm=data.map_cm[sites],
    )
