"""The models whose synthetic data are audited, and how the audit's windows are given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genoloom.config import AuditOptions
from genoloom.errors import InputError
from genoloom.formats.models import is_guarded
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.load import load_generator
from genoloom.panel import Panel
from genoloom.validation.cohorts import Comparison


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
