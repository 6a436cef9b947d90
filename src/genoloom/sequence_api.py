"""DNA sequences from Python; `genoloom.api` has the functions, which take both kinds of data."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from genoloom.config_section import sorted_into
from genoloom.formats.models import read_description
from genoloom.formats.sequence_sets import read_set
from genoloom.formats.tables import read_records
from genoloom.models.sequence import generator_class
from genoloom.privacy.rows import AttackRow
from genoloom.report.data import Attack, Metric, as_attack, as_metric
from genoloom.sequence_config import (
    AuditSequencesOptions,
    GenerateSequencesOptions,
    SequenceTrainSections,
    ValidateSequencesOptions,
)
from genoloom.sequences import SequenceSet
from genoloom.stages.audit_sequences import audit_sequences
from genoloom.stages.generate_sequences import generate_sequences
from genoloom.stages.train_sequences import train_sequences
from genoloom.stages.validate_sequences import validate_sequences
from genoloom.training_config import TrainOptions
from genoloom.validation.rows import MetricRow


@dataclass(frozen=True)
class RealSequences:
    """Real sequences, divided by homology into a training half and a holdout.

    Attributes
    ----------
    folder : Path
        Where its files, models and synthetic sequences are. A temporary folder is removed with the
        last object that needs it.
    """

    folder: Path
    _temporary: tempfile.TemporaryDirectory | None = field(default=None, repr=False, compare=False)

    def path(self, role: str) -> Path:
        """The FASTA of one role, "train" or "holdout"."""
        return self.folder / "set" / f"{role}.fa.gz"

    def half(self, role: str) -> SequenceSet:
        """The sequences of one role."""
        return read_set(self.path(role))


@dataclass(frozen=True)
class SequenceModel:
    """A trained sequence generator: a file of private data, and what it was trained on."""

    data: RealSequences
    generator: str
    path: Path

    @property
    def description(self) -> dict:
        """What the file says of itself: generator, number of training sequences, digests, seed."""
        return read_description(self.path, "sequences")


@dataclass(frozen=True)
class SyntheticSequences:
    """Synthetic sequences of a model, as a FASTA."""

    model: SequenceModel
    fasta: Path

    @property
    def sequences(self) -> SequenceSet:
        """The sequences, in memory."""
        return read_set(self.fasta)


def train(data: RealSequences, generator: str, seed: int, threads: int, options) -> SequenceModel:
    """See `genoloom.api.train`."""
    generator_class(generator)  # raises where it is not known
    own = SequenceTrainSections.model_fields[generator].annotation
    common, chosen = sorted_into(options, TrainOptions, own)
    path = free_folder(data.folder / "models", generator) / "model.safetensors"
    train_sequences(
        generator=generator,
        train=data.path("train"),
        model=path,
        history=path.with_suffix(".history.tsv"),
        state=path.parent / "state",
        common=common,
        options=chosen,
        seed=seed,
        threads=threads,
    )
    return SequenceModel(data, generator, path)


def sample(
    model: SequenceModel, size: int | None, seed: int, threads: int, options
) -> SyntheticSequences:
    """See `genoloom.api.sample`."""
    count = {"count": size or len(model.data.half("train"))}
    [chosen] = sorted_into(count | options, GenerateSequencesOptions)
    out = free_folder(model.data.folder / "synthetic", model.generator) / "sequences.fa.gz"
    generate_sequences(model=model.path, out=out, options=chosen, seed=seed, threads=threads)
    return SyntheticSequences(model, out)


def compare(
    data: RealSequences, synthetic: SyntheticSequences | str | Path, seed: int, options
) -> list[Metric]:
    """See `genoloom.api.compare`."""
    [chosen] = sorted_into(options, ValidateSequencesOptions)
    given = _given(data, synthetic)
    out = free_folder(data.folder / "validation", given["name"])
    validate_sequences(
        **given, out=out / "fidelity.tsv", details=out / "details.json", options=chosen, seed=seed
    )
    rows = read_records(out / "fidelity.tsv", MetricRow)
    return [as_metric(row) for row in rows if row.generator == given["name"]]


def audit(
    data: RealSequences, synthetic: SyntheticSequences | str | Path, seed: int, options
) -> list[Attack]:
    """See `genoloom.api.audit`."""
    [chosen] = sorted_into(options, AuditSequencesOptions)
    given = _given(data, synthetic)
    out = free_folder(data.folder / "private", given["name"])
    audit_sequences(
        **given, out=out / "audit.tsv", public=out / "public.tsv", options=chosen, seed=seed
    )
    return [as_attack(row) for row in read_records(out / "public.tsv", AttackRow)]


def _given(data: RealSequences, synthetic: SyntheticSequences | str | Path) -> dict:
    own = isinstance(synthetic, SyntheticSequences)
    return {
        "name": synthetic.model.generator if own else "synthetic",
        "synthetic": synthetic.fasta if own else Path(synthetic),
        "train": data.path("train"),
        "holdout": data.path("holdout"),
        "model": synthetic.model.path if own else None,
        "baselines": [],
    }


def free_folder(folder: Path, name: str) -> Path:
    """A path below `folder` that is not there yet: name-1, name-2, ..."""
    number = 1
    while (path := folder / f"{name}-{number}").exists():
        number += 1
    path.mkdir(parents=True)
    return path
