"""GenoLoom from Python, for one contig: read a panel, train, sample, compare, audit.

Each function is a step of the workflow: it calls the same stage as the command, takes the same
options as keywords (`min_mac` is `genoloom prepare --min-mac`), gives the same bytes, and raises
`genoloom.errors.InputError` where the input is not what it should be. Files are written below the
folder of the panel.

>>> import genoloom
>>> demo = "resources/demo/"
>>> panel = genoloom.read_panel(
...     demo + "eur300.chr20_1-2Mb.vcf.gz", "20",
...     samples=demo + "samples.tsv", region=(1_000_001, 1_030_000),
... )
>>> model = genoloom.train(panel, "mosaic", segment_cm=0.05)
>>> synthetic = genoloom.sample(model, 60, seed=7)
>>> metrics = genoloom.compare(panel, synthetic, n_permutations=3)
>>> attacks = genoloom.audit(panel, synthetic, bootstrap=199, windows="50", shadow_models=0)
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from genoloom.config import (
    AuditOptions,
    CohortOptions,
    GenerateOptions,
    PrepareOptions,
    SplitOptions,
    ValidateOptions,
)
from genoloom.config_section import Section, filled
from genoloom.formats.models import read_description
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_records
from genoloom.models.haplotype import generator_class
from genoloom.panel import Panel
from genoloom.privacy.rows import AttackRow
from genoloom.report.data import Attack, Metric, as_attack, as_metric
from genoloom.stages import audit as audit_stage
from genoloom.stages import train as train_stage
from genoloom.stages import validate as validate_stage
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.inputs import Comparands, open_comparands, open_real, source_files
from genoloom.stages.prepare import prepare
from genoloom.stages.split import split
from genoloom.training_config import TrainOptions, TrainSections
from genoloom.validation.rows import MetricRow


@dataclass(frozen=True)
class RealPanel:
    """Real haplotypes on one contig, divided into a training half and a holdout.

    Attributes
    ----------
    folder : Path
        Where its files, models and synthetic data are. A temporary folder is removed with the last
        object that needs it.
    contig : str
    """

    folder: Path
    contig: str
    _temporary: tempfile.TemporaryDirectory | None = field(default=None, repr=False, compare=False)

    @property
    def prefix(self) -> Path:
        """Prefix of the PGEN trio: `{prefix}.pgen`, `.pvar.zst`, `.psam`."""
        return self.folder / "panel" / self.contig

    @property
    def split_table(self) -> Path:
        """Table of who trains and who is held out."""
        return self.folder / "split.tsv"

    @property
    def panel(self) -> Panel:
        """All individuals; alleles are read from disk, block by block."""
        return open_panel(self.prefix, haploids=True)

    def half(self, role: str) -> Panel:
        """The individuals of one role, "train" or "holdout"."""
        panel = self.panel
        roles = read_roles(self.split_table, panel.individuals)
        return panel.take_individuals(np.array([known == role for known in roles]))


@dataclass(frozen=True)
class Model:
    """A trained haplotype generator: a file of private data, and the panel it was trained on."""

    panel: RealPanel
    generator: str
    path: Path

    @property
    def description(self) -> dict:
        """What the file says of itself: generator, contig, number of sites, digests, seed."""
        return read_description(self.path, "haplotypes")


@dataclass(frozen=True)
class Synthetic:
    """Synthetic haplotypes of a model, as files: `variants` (VCF) and a PGEN trio."""

    model: Model
    variants: Path

    @property
    def prefix(self) -> Path:
        """Prefix of the PGEN trio."""
        return Path(str(self.variants).removesuffix(".vcf.gz").removesuffix(".bcf"))

    @property
    def panel(self) -> Panel:
        """The synthetic individuals; alleles are read from disk, block by block."""
        return open_panel(self.prefix, haploids=True)


def read_panel(
    variants: str | Path,
    contig: str,
    *,
    samples: str | Path | None = None,
    reference: str | Path | None = None,
    genetic_map: str | Path | None = None,
    region: tuple[int, int] | None = None,
    folder: str | Path | None = None,
    seed: int = 1,
    **options,
) -> RealPanel:
    """Read and check phased genotypes, and divide the individuals.

    Parameters
    ----------
    variants : str or Path
        Phased VCF(.gz), BCF or PLINK 2 .pgen.
    contig : str
        Contig to take, as named in the file.
    samples : str or Path, optional
        Sheet with the columns individual, population, sex, family.
    reference : str or Path, optional
        FASTA that REF alleles are compared with.
    genetic_map : str or Path, optional
        Gives each site its centimorgans.
    region : (int, int), optional
        Start and end, 1-based, both included.
    folder : str or Path, optional
        Where to write; a temporary folder by default.
    seed : int
        Of the division.
    **options
        Options of `genoloom prepare` and `genoloom split`, such as `min_mac` and `holdout`.

    Raises
    ------
    InputError
        Whatever is wrong with the files, with the record and the remedy.

    Examples
    --------
    >>> panel = read_panel(
    ...     "resources/demo/eur300.chr20_1-2Mb.vcf.gz", "20", region=(1_000_001, 1_030_000)
    ... )
    >>> len(panel.panel.individuals), len(panel.panel.sites)
    (300, 131)
    >>> panel.half("train").haplotypes.read(0, 2).shape
    (2, 300)
    """
    temporary = tempfile.TemporaryDirectory(prefix="genoloom-") if folder is None else None
    panel = RealPanel(Path(temporary.name if temporary else folder), contig, temporary)
    prepared, divided = _sections(options, PrepareOptions, SplitOptions)
    paths = {"samples": samples, "reference": reference, "genetic_map": genetic_map}
    prepare(
        variants=Path(variants),
        contig=contig,
        out=panel.prefix,
        options=prepared,
        region=region,
        **{name: None if path is None else Path(path) for name, path in paths.items()},
    )
    split(
        panels=[panel.prefix],
        out=panel.split_table,
        summary=panel.folder / "summary.json",
        options=divided,
        seed=seed,
    )
    return panel


def train(panel: RealPanel, generator: str, *, seed: int = 1, threads: int = 1, **options) -> Model:
    """Train a haplotype generator on the training half of a panel.

    Parameters
    ----------
    generator : str
        As in `genoloom train --help`: "transformer", "gan", "mosaic", ...
    **options
        Options of `genoloom train GENERATOR`, such as `steps`.

    Raises
    ------
    InputError
        The generator or an option is not known, or no site can be modelled.

    Examples
    --------
    >>> model = train(panel, "mosaic", segment_cm=0.05)
    >>> model.description["n_variants"] <= len(panel.panel.sites)
    True
    """
    generator_class(generator)  # raises where it is not known
    own = TrainSections.model_fields[generator].annotation
    common, chosen = _sections(options, TrainOptions, own)
    path = _free(panel.folder / "models", generator) / f"{panel.contig}.safetensors"
    train_stage.train(
        generator=generator,
        panel=panel.prefix,
        split=panel.split_table,
        model=path,
        history=path.with_suffix(".history.tsv"),
        state=path.parent / "state",
        common=common,
        options=chosen,
        seed=seed,
        threads=threads,
    )
    return Model(panel, generator, path)


def sample(
    model: Model, size: int | None = None, *, seed: int = 1, threads: int = 1, **options
) -> Synthetic:
    """Draw synthetic individuals from a model.

    Parameters
    ----------
    size : int, optional
        Number of individuals; as many as the model was trained on by default.
    **options
        Options of `genoloom cohort` and `genoloom generate`, such as `populations`.

    Examples
    --------
    >>> synthetic = sample(model, 60, seed=7)
    >>> alleles = synthetic.panel.haplotypes.read(0, 10)  # 0 reference, 1 alternate
    >>> alleles.shape, alleles.dtype
    ((10, 120), dtype('int8'))
    """
    if size is not None:
        options["size"] = size
    drawn, written = _sections(options, CohortOptions, GenerateOptions)
    folder = _free(model.panel.folder / "synthetic", model.generator)
    sheet, out = folder / "cohort.tsv", folder / f"{model.panel.contig}.{written.format}"
    table = model.panel.split_table
    make_cohort(model=model.path, split=table, out=sheet, options=drawn, seed=seed)
    generate(model=model.path, cohort=sheet, out=out, options=written, seed=seed, threads=threads)
    return Synthetic(model, out)


def compare(
    panel: RealPanel, synthetic: Synthetic | str | Path, *, seed: int = 1, **options
) -> list[Metric]:
    """Compare synthetic with held-out real haplotypes.

    Parameters
    ----------
    synthetic : Synthetic, str or Path
        Of `sample`, or a VCF, BCF, .pgen or .bed file of any tool.
    **options
        Options of `genoloom validate`, such as `n_permutations`.

    Returns
    -------
    list of Metric
        One row per metric, population and bin. Its `value` is that of the synthetic data, its
        `reference` what real data score against real data. The row "overall" has the worst verdict.

    Examples
    --------
    >>> metrics = compare(panel, synthetic, n_permutations=3)
    >>> linkage = [m for m in metrics if m.metric == "ld_r2_correlation"]
    >>> next(m.title for m in linkage if m.population == m.bin == "all")
    'Linkage between sites (r²), correlation'
    """
    [chosen] = _sections(options, ValidateOptions)
    name, out = _name(synthetic), _free(panel.folder / "validation", _name(synthetic))
    with _opened(panel, synthetic) as (comparands, sources):
        validate_stage.validate(
            name=name,
            comparands=comparands,
            baselines=[],
            out=out / "fidelity.tsv",
            figures=None,
            options=chosen,
            seed=seed,
            sources=sources,
        )
    rows = read_records(out / "fidelity.tsv", MetricRow)
    return [as_metric(row) for row in rows if row.generator == name]


def audit(
    panel: RealPanel, synthetic: Synthetic | str | Path, *, seed: int = 1, **options
) -> list[Attack]:
    """Measure what synthetic haplotypes reveal about the training individuals.

    Parameters
    ----------
    synthetic : Synthetic, str or Path
        Of `sample`, or a file of any tool; then no attack on the model is made.
    **options
        Options of `genoloom audit`, such as `bootstrap` and `shadow_models`.

    Returns
    -------
    list of Attack
        What may be shown: one row per attack on groups of at least 20 individuals. The full table,
        which names individuals, is in `private` below the folder of the panel.

    Examples
    --------
    >>> attacks = audit(panel, synthetic, bootstrap=199, windows="50", shadow_models=0)
    >>> [worst] = [a for a in attacks if a.attack == "worst" and a.population == "all"]
    >>> 0.5 < worst.value < 1
    True
    """
    [chosen] = _sections(options, AuditOptions)
    name, out = _name(synthetic), _free(panel.folder / "private", _name(synthetic))
    with _opened(panel, synthetic) as (comparands, sources):
        audit_stage.audit(
            name=name,
            comparands=comparands,
            baselines=[],
            out=out / "audit.tsv",
            public=out / "public.tsv",
            options=chosen,
            seed=seed,
            sources=sources,
            models=[synthetic.model.path] if isinstance(synthetic, Synthetic) else [],
        )
    rows = read_records(out / "public.tsv", AttackRow)
    return [as_attack(row) for row in rows if row.generator == name]


def _sections(options: dict, *sections: type[Section]) -> list[Section]:
    """Options sorted into the sections that have them; the last one refuses all others."""
    left, chosen = dict(options), []
    for section in sections[:-1]:
        own = {name: left.pop(name) for name in section.model_fields if name in left}
        chosen.append(filled(section, own))
    return [*chosen, filled(sections[-1], left)]


def _free(folder: Path, name: str) -> Path:
    """A path below `folder` that is not there yet: name-1, name-2, ..."""
    number = 1
    while (path := folder / f"{name}-{number}").exists():
        number += 1
    path.mkdir(parents=True)
    return path


def _name(synthetic: Synthetic | str | Path) -> str:
    return synthetic.model.generator if isinstance(synthetic, Synthetic) else "synthetic"


@contextmanager
def _opened(
    panel: RealPanel, synthetic: Synthetic | str | Path
) -> Iterator[tuple[Comparands, dict[str, Path]]]:
    """Synthetic and real haplotypes at the same sites, and their files by role."""
    real = {"panels": [panel.prefix], "split": panel.split_table}
    real |= {"train": [], "holdout": [], "samples": [], "genetic_map": None}
    own = isinstance(synthetic, Synthetic)
    path = synthetic.prefix if own else Path(synthetic)
    sources = source_files(synthetic=[path], **real)
    if own:
        with open_comparands(synthetic=[path], **real) as comparands:
            yield comparands, sources
    else:
        with open_real(**real) as opened:
            yield opened.against(opened.read("synthetic", [path])), sources
