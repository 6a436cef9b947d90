"""Training of a sequence generator: the sequences it may see, and the files of its model."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from genoloom.config_section import Section
from genoloom.errors import InputError
from genoloom.formats.histories import write_history
from genoloom.formats.models import describe, save_model
from genoloom.formats.private_directories import close_directory
from genoloom.formats.sequence_sets import (
    read_set,
)
from genoloom.homology import hold_out
from genoloom.models.sequence import SHARED, generator_class
from genoloom.models.sequence.base import TrainingSequences
from genoloom.seeds import derive_seed
from genoloom.training import processes
from genoloom.training.devices import choose_device
from genoloom.training.run import TrainingRun, write_times
from genoloom.training_config import TrainOptions

log = logging.getLogger(__name__)


def training_sequences(path: Path, validation_fraction: float, seed: int) -> TrainingSequences:
    """What a generator may see of a training set; whole clusters are marked as validation set."""
    sequences = read_set(path)
    names = sorted(set(sequences.label))
    # the name of the seed is a former one: the same individuals are chosen
    validation = hold_out(
        sequences.cluster, validation_fraction, np.random.default_rng(derive_seed(seed, "watch"))
    )
    if not validation.any():
        raise InputError(
            path,
            f"{len(sequences)} sequences in one homology cluster",
            expected="at least two clusters",
        )
    return TrainingSequences(
        bases=sequences.bases,
        length=sequences.length,
        label=np.array([names.index(label) for label in sequences.label]),
        label_names=names,
        validation=validation,
        cluster=sequences.cluster,
        stranded=sequences.stranded,
    )


@processes.shared(SHARED)
def train_sequences(
    *,
    generator: str,
    train: Path,
    model: Path,
    history: Path,
    state: Path,
    common: TrainOptions,
    options: Section,
    seed: int,
    threads: int,
) -> None:
    """Fit `generator` on the training sequences and write model, description and history.

    Parameters
    ----------
    train : Path
        `train.fa.gz` of a set; its headers hold label, cluster and `stranded`.
    model, history : Path
        Outputs: .safetensors (with a .json alongside) and a TSV.
    state : Path
        Directory of checkpoints; a stopped run goes on from there.

    Raises
    ------
    InputError, Interrupted, CollapsedError
        As `genoloom.stages.train.train`.
    """
    for folder in (state, model.parent, history.parent):
        close_directory(folder)
    data = training_sequences(train, common.validation_fraction, seed)
    log.info(
        "%s: %d training sequences, %d of them for validation",
        generator,
        len(data.length),
        data.validation.sum(),
    )
    data_digest = _digest(data)
    settings = {
        "generator": generator,
        "seed": seed,
        "validation_fraction": common.validation_fraction,
        **options.model_dump(),
    }
    config_digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    run = TrainingRun(
        state_dir=state,
        digest=hashlib.sha256(f"{data_digest}{config_digest}".encode()).hexdigest(),
        seed=derive_seed(seed, "train-sequences", generator),
        threads=threads,
        device=choose_device(common.device),
        time_limit_s=common.time_limit_minutes and 60 * common.time_limit_minutes,
        label=f"{generator} {train.parent.name}",
    )
    fitted = generator_class(generator)(options)
    fitted.fit(data, run)
    if processes.rank():
        return
    arrays, words = fitted.state()
    description = describe(
        "sequences",
        generator,
        words,
        training_sequences=len(data.length),
        data_digest=data_digest,
        config_digest=config_digest,
        seed=seed,
    )
    save_model(model, {**arrays, **_shapes(data)}, description)
    write_history(history, run.history)
    write_times(run)
    log.info("%s: model written", run.label)


def _digest(data: TrainingSequences) -> str:
    """SHA-256 over all that a generator sees."""
    h = hashlib.sha256(json.dumps([data.label_names, data.stranded]).encode())
    for values in (data.bases, data.length, data.label, data.validation, data.cluster):
        h.update(np.ascontiguousarray(values).tobytes())
    return h.hexdigest()


def _shapes(data: TrainingSequences) -> dict[str, np.ndarray]:
    """How many training sequences have each label and length."""
    pairs, count = np.unique(
        np.stack([data.label, data.length], axis=1), axis=0, return_counts=True
    )
    return {
        "shapes.label": pairs[:, 0].copy(),
        "shapes.length": pairs[:, 1].copy(),
        "shapes.count": count,
    }
