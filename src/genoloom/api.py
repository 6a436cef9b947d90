"""GenoLoom from Python: read a panel of one contig, or sequences; train, sample, compare, audit.

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

`read_sequences` takes the place of `read_panel` for DNA sequences.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from genoloom import sequence_api
from genoloom.config import (
    CohortOptions,
    GenerateOptions,
    PrepareOptions,
    SplitOptions,
    ValidateOptions,
)
from genoloom.config_section import sorted_into
from genoloom.formats.models import read_description
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_records
from genoloom.models.haplotype import generator_class
from genoloom.panel import Panel
from genoloom.panels.comparands import Comparands, open_comparands, open_real, source_files
from genoloom.privacy.rows import AttackRow
from genoloom.privacy_config import AuditOptions
from genoloom.report.data import Attack, Metric, as_attack, as_metric
from genoloom.sequence_api import RealSequences, SequenceModel, SyntheticSequences, free_folder
from genoloom.sequence_config import SequenceOptions
from genoloom.stages import audit as audit_stage
from genoloom.stages import train as train_stage
from genoloom.stages import validate as validate_stage
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.prepare import prepare
from genoloom.stages.prepare_sequences import prepare_sequences
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
    prepared, divided = sorted_into(options, PrepareOptions, SplitOptions)
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


def read_sequences(
    source: str | Path,
    *,
    regions: str | Path | None = None,
    folder: str | Path | None = None,
    seed: int = 1,
    **options,
) -> RealSequences:
    """Cut sequences into windows, and divide them so that no homologous pair is on both sides.

    Parameters
    ----------
    source : str or Path
        FASTA, CSV or TSV with a column `seq`, or text with one sequence per line.
    regions : str or Path, optional
        BED of intervals of a FASTA; the name is the label.
    folder : str or Path, optional
        Where to write; a temporary folder by default.
    seed : int
        Of the division.
    **options
        Options of `genoloom sequences prepare`, such as `window` and `stranded`.

    Raises
    ------
    InputError
        Whatever is wrong with the files, with the place and the remedy.

    Examples
    --------
    >>> real = read_sequences("resources/demo/GRCh37.chr20_1-2Mb.fa.gz", window=100, stride=2000)
    >>> [len(real.half(role)) for role in ("train", "holdout")]
    [350, 150]
    >>> real.half("train").bases.shape
    (350, 100)
    """
    temporary = tempfile.TemporaryDirectory(prefix="genoloom-") if folder is None else None
    real = RealSequences(Path(temporary.name if temporary else folder), temporary)
    [chosen] = sorted_into(options, SequenceOptions)
    prepare_sequences(
        source=Path(source),
        regions=None if regions is None else Path(regions),
        out=real.folder / "set",
        options=chosen,
        seed=seed,
    )
    return real


def train(
    panel: RealPanel | RealSequences, generator: str, *, seed: int = 1, threads: int = 1, **options
) -> Model | SequenceModel:
    """Train a generator on the training half of a panel, or of sequences.

    Parameters
    ----------
    panel : RealPanel or RealSequences
        Of `read_panel` or `read_sequences`.
    generator : str
        As in `genoloom train --help`: "transformer", "gan", "mosaic", ...; of sequences as in
        `genoloom sequences train --help`.
    **options
        Options of `genoloom train GENERATOR`, or of `genoloom sequences train GENERATOR`, such as
        `steps`.

    Raises
    ------
    InputError
        The generator or an option is not known, or no site can be modelled.

    Examples
    --------
    >>> model = train(panel, "mosaic", segment_cm=0.05)
    >>> model.description["n_variants"] <= len(panel.panel.sites)
    True
    >>> chain = train(real, "markov", max_order=4)
    >>> chain.description["training_sequences"]
    350
    """
    if isinstance(panel, RealSequences):
        return sequence_api.train(panel, generator, seed, threads, options)
    generator_class(generator)  # raises where it is not known
    own = TrainSections.model_fields[generator].annotation
    common, chosen = sorted_into(options, TrainOptions, own)
    path = free_folder(panel.folder / "models", generator) / f"{panel.contig}.safetensors"
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
    model: Model | SequenceModel,
    size: int | None = None,
    *,
    seed: int = 1,
    threads: int = 1,
    **options,
) -> Synthetic | SyntheticSequences:
    """Draw synthetic individuals, or sequences, from a model.

    Parameters
    ----------
    size : int, optional
        Number of individuals or sequences; as many as the model was trained on by default.
    **options
        Options of `genoloom cohort` and `genoloom generate`, such as `populations`; or of
        `genoloom sequences generate`.

    Examples
    --------
    >>> synthetic = sample(model, 60, seed=7)
    >>> alleles = synthetic.panel.haplotypes.read(0, 10)  # 0 reference, 1 alternate
    >>> alleles.shape, alleles.dtype
    ((10, 120), dtype('int8'))
    >>> fasta = sample(chain, 300, seed=7)
    >>> fasta.sequences.bases.shape
    (300, 100)
    """
    if isinstance(model, SequenceModel):
        return sequence_api.sample(model, size, seed, threads, options)
    if size is not None:
        options["size"] = size
    drawn, written = sorted_into(options, CohortOptions, GenerateOptions)
    folder = free_folder(model.panel.folder / "synthetic", model.generator)
    sheet, out = folder / "cohort.tsv", folder / f"{model.panel.contig}.{written.format}"
    table = model.panel.split_table
    make_cohort(model=model.path, split=table, out=sheet, options=drawn, seed=seed)
    generate(model=model.path, cohort=sheet, out=out, options=written, seed=seed, threads=threads)
    return Synthetic(model, out)


def compare(
    panel: RealPanel | RealSequences,
    synthetic: Synthetic | SyntheticSequences | str | Path,
    *,
    seed: int = 1,
    **options,
) -> list[Metric]:
    """Compare synthetic with held-out real haplotypes, or sequences.

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
    >>> found = compare(real, fasta, n_permutations=2, max_compared=20, max_classified=20)
    >>> next(m.title for m in found if m.metric == "gc_distance")
    'GC content, distance'
    """
    if isinstance(panel, RealSequences):
        return sequence_api.compare(panel, synthetic, seed, options)
    [chosen] = sorted_into(options, ValidateOptions)
    name, out = _name(synthetic), free_folder(panel.folder / "validation", _name(synthetic))
    with _opened(panel, synthetic) as (comparands, sources):
        validate_stage.validate(
            name=name,
            comparands=comparands,
            baselines=[],
            out=out / "fidelity.tsv",
            details=None,
            options=chosen,
            seed=seed,
            sources=sources,
        )
    rows = read_records(out / "fidelity.tsv", MetricRow)
    return [as_metric(row) for row in rows if row.generator == name]


def audit(
    panel: RealPanel | RealSequences,
    synthetic: Synthetic | SyntheticSequences | str | Path,
    *,
    seed: int = 1,
    **options,
) -> list[Attack]:
    """Measure what synthetic haplotypes, or sequences, reveal about those that were trained on.

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
    >>> [worst] = [a for a in audit(real, fasta, bootstrap=199) if a.attack == "worst"]
    >>> worst.low < worst.value < worst.high
    True
    """
    if isinstance(panel, RealSequences):
        return sequence_api.audit(panel, synthetic, seed, options)
    [chosen] = sorted_into(options, AuditOptions)
    name, out = _name(synthetic), free_folder(panel.folder / "private", _name(synthetic))
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


def _name(synthetic: Synthetic | str | Path) -> str:
    return synthetic.model.generator if isinstance(synthetic, Synthetic) else "synthetic"


@contextmanager
def _opened(
    panel: RealPanel, synthetic: Synthetic | str | Path
) -> Iterator[tuple[Comparands, dict[str, Path]]]:
    """Synthetic and real haplotypes at the same sites, and their files by role."""
    real = {"panels": [panel.prefix], "split": panel.split_table}
    own = isinstance(synthetic, Synthetic)
    path = synthetic.prefix if own else Path(synthetic)
    sources = source_files(synthetic=[path], **real)
    if own:
        with open_comparands(synthetic=[path], **real) as comparands:
            yield comparands, sources
    else:
        with open_real(**real) as opened:
            yield opened.against(opened.read("synthetic", [path])), sources
