"""The models whose synthetic data are audited, and their shadow models.

Shadow models tell what the audit's attacks score when it is known who trained.

The generator is fitted anew to random halves of the real individuals that the audit compares, and
its samples are attacked like the synthetic data in question. The score of an individual that was
left out shows how easily it is taken for a member.

A shadow model depends on its number alone and not on the others. So the audit may make them one
after the other, or jobs of their own may (`genoloom shadow`), which run in parallel and continue
where they were stopped: the audit is the same.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from genoloom.config_section import Section
from genoloom.errors import InputError
from genoloom.formats.models import is_guarded
from genoloom.formats.shadow_scores import read_scores
from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest
from genoloom.models.haplotype.training_data import digest, overlaps_of, training_haplotypes
from genoloom.models.load import load_generator
from genoloom.panel import ArrayHaplotypes, Panel, genetic_positions
from genoloom.privacy.attack_ids import Scored
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.shadow_plan import (
    VALIDATION_FRACTION,
    ShadowPlan,
    plan_shadows,
    shadow_options,
)
from genoloom.privacy.shadows import Shadow
from genoloom.privacy_config import AuditOptions
from genoloom.seeds import derive_seed
from genoloom.training.devices import choose_device
from genoloom.validation.cohorts import Comparison, halve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditedModels:
    """The model of each contig; none where no models are given.

    Attributes
    ----------
    generators : dict of str to HaplotypeGenerator
    templates : list of str or None
        Whose haplotypes each model holds ("private", "public"), where it says so.
    guarded : list of bool
        Whether each model says that it is made from public individuals, and that what it knows of
        others has noise.
    """

    generators: dict[str, HaplotypeGenerator] = field(default_factory=dict)
    templates: list[str | None] = field(default_factory=list)
    guarded: list[bool] = field(default_factory=list)

    @property
    def public(self) -> bool:
        """Whether all say so; a release looks whether it is true."""
        return bool(self.guarded) and all(self.guarded)


def load_models(
    models: Sequence[Path], pairs: list[tuple[Panel, Panel]], individuals: Comparison
) -> AuditedModels:
    """Read the models of the synthetic and real panels `pairs`.

    Raises
    ------
    InputError
        A contig has no model, or the model is of other sites or does not know a population.
    """
    loaded = {
        sites.contig: (path, generator, sites, words)
        for path in models
        for generator, sites, words in [load_generator(path)]
    }
    found = AuditedModels()
    for _, real in pairs if loaded else []:
        if real.sites.contig not in loaded:
            raise InputError(
                "--model",
                f"no model of contig {real.sites.contig}",
                expected="one model for each contig",
            )
        path, generator, sites, words = loaded[real.sites.contig]
        if sites.digest() != real.sites.digest():
            raise InputError(
                path,
                "models other sites than the synthetic data have",
                remedy="give the model they were made with",
            )
        strange = sorted(
            {real.individuals.population[i] for i in individuals.real_individuals}
            - set(generator.known_populations)
        )
        if strange:
            raise InputError(
                path,
                f"knows no population '{strange[0]}'",
                expected=", ".join(generator.known_populations),
            )
        found.generators[real.sites.contig] = generator
        found.templates.append((words.get("templates") or {}).get("kind"))
        found.guarded.append(is_guarded(words))
    return found


def window_sizes(options: AuditOptions) -> tuple[list[int], list[int]]:
    """The sizes of `windows` and of `haplotype_windows`, in sites."""
    return _sizes("--windows", options.windows), _sizes(
        "--haplotype-windows", options.haplotype_windows
    )


def _sizes(option: str, text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 10:
        raise InputError(
            option, f"'{text}'", expected="sizes of at least 10 sites, such as 200,400,800"
        )
    return sizes


@dataclass(frozen=True)
class ShadowWork:
    """What the shadow models of one audit follow from.

    Attributes
    ----------
    models : AuditedModels
        Of which the kind and the options are taken.
    pairs : sequence of (Panel, Panel)
        Synthetic and real individuals of each contig, at the same sites.
    individuals : Comparison
        Who is compared.
    options : AuditOptions
    seed : int
        Of the audit.
    """

    models: AuditedModels
    pairs: Sequence[tuple[Panel, Panel]]
    individuals: Comparison
    options: AuditOptions
    seed: int

    def plan(self) -> ShadowPlan:
        """How many there are."""
        options = self.options
        sites = {real.sites.contig: len(real.sites) for _, real in self.pairs}
        return plan_shadows(
            options.shadow_models, options.shadow_minutes, options.shadow_steps,
            self.models.generators, sites,
            self.individuals.n, self.models.templates,
        )  # fmt: skip

    def members(self, k: int) -> np.ndarray:
        """Who trains the `k`-th: bool (2 n,), held-out individuals first.

        Halves come in complementary pairs, so everybody is left out of half of the shadows when
        their number is even.
        """
        rng = np.random.default_rng(derive_seed(self.seed, "shadows", k // 2))
        population = self.individuals.population[len(self.individuals.synthetic) :]
        rows = halve(np.arange(len(population)), population, sorted(set(population)), rng)[k % 2]
        return np.isin(np.arange(len(population)), rows)

    def fit(self, k: int, state: Path | None = None, threads: int = 1) -> Shadow:
        """Fit the `k`-th, draw from it, and attack.

        Parameters
        ----------
        state : Path, optional
            Directory for checkpoints: a stopped fit goes on from there.
        """
        individuals, seed, member = (
            self.individuals,
            derive_seed(self.seed, "shadow", k),
            self.members(k),
        )
        # as many synthetic individuals of each population as there are in the audit, in its order
        drawn = replace(individuals, synthetic_individuals=np.arange(individuals.n))
        data = AuditData(drawn, *window_sizes(self.options), copies=False)
        for synthetic, panel in self.pairs:
            kind = self.models.generators[panel.sites.contig]
            options = shadow_options(
                kind, individuals.n, len(panel.sites), self.options.shadow_steps
            )
            place = state and state / panel.sites.contig
            fitted = fit_individuals(
                kind, options, panel, individuals.real_individuals[member], seed, place, threads
            )
            like = synthetic.individuals.take(individuals.synthetic_individuals)
            alleles = draw_individuals(fitted, panel.sites.contig, like.population, seed)
            copy = replace(panel, individuals=like, haplotypes=ArrayHaplotypes(alleles))
            alleles[:, 1::2][:, copy.haploid] = alleles[:, 0::2][:, copy.haploid]
            data.add(copy, panel, genetic_positions(panel.sites))
        return Shadow(data.scores(seed), member)


def make_shadows(number: int, work: ShadowWork) -> list[Shadow]:
    """Scores of the real individuals against the samples of `number` shadow models."""
    found = []
    for k in range(number):
        found.append(work.fit(k))
        log.info("shadow model %d of %d", k + 1, number)
    return found


def read_shadows(
    files: Sequence[Path], number: int, work: ShadowWork, sources: Mapping[str, str]
) -> list[Shadow]:
    """The shadow models that jobs of their own have made.

    Parameters
    ----------
    files : sequence of Path
        In the order of their numbers.
    sources : mapping of str to str
        Digests of the files that the audit reads.

    Raises
    ------
    InputError
        There are fewer than planned, or one was made from other files or with other options.
    """
    if len(files) < number:
        raise InputError(
            "--shadow",
            f"{len(files)} files",
            expected=f"{number}, one of each shadow model (genoloom shadow)",
        )
    n = len(work.individuals.real_individuals)
    found = []
    for k, path in enumerate(files[:number]):
        member, scores = read_scores(path, made_for(sources, work.options, work.seed, k), n)
        try:
            known = {Scored.parse(name): values for name, values in scores.items()}
        except ValueError:
            raise InputError(
                path, "holds scores of another version", remedy="make it again (genoloom shadow)"
            ) from None
        found.append(Shadow(known, member))
    return found


def made_for(sources: Mapping[str, str], options: AuditOptions, seed: int, k: int) -> str:
    """Digest of all that the `k`-th shadow model follows from.

    Parameters
    ----------
    sources : mapping of str to str
        Digests of the synthetic and the real files and of the models, by role.
    """
    names = ("windows", "haplotype_windows", "shadow_models", "shadow_minutes", "shadow_steps")
    parts = [dict(sources), {name: getattr(options, name) for name in names}, seed, k]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def fit_individuals(
    kind: HaplotypeGenerator,
    options: Section,
    panel: Panel,
    rows: np.ndarray,
    seed: int,
    state: Path | None = None,
    threads: int = 1,
) -> HaplotypeGenerator:
    """A generator of the class of `kind`, with `options`, fitted to the individuals `rows` of a
    panel.
    """
    from genoloom.training.run import TrainingRun  # slow to import: torch

    training = panel.take_individuals(rows)
    data = training_haplotypes(training, VALIDATION_FRACTION, seed)
    generator = generator_class(kind.name)(options)
    with tempfile.TemporaryDirectory() as scratch:
        run = TrainingRun(
            state or Path(scratch),
            digest(training, data),
            derive_seed(seed, "train"),
            threads,
            choose_device("auto"),
            label="shadow",
        )
        generator.fit(data, run)
    generator.overlaps = overlaps_of(training)
    return generator


def draw_individuals(
    generator: HaplotypeGenerator, contig: str, population: Sequence[str], seed: int
) -> np.ndarray:
    """Haplotypes of individuals with the given populations, int8 (n_variants, 2 *
    n_individuals).
    """
    label = np.repeat([generator.population_names.index(name) for name in population], 2)
    seeds = np.array(
        [derive_seed(seed, "haplotype", contig, i) for i in range(len(label))], dtype=np.uint64
    )
    return np.concatenate(list(generator.draw(SampleRequest(label, seeds))))
