"""Training of a sequence generator: the sequences it may see, and the files of its model."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from genoloom.config_section import Section
from genoloom.formats.models import describe
from genoloom.formats.private_directories import close_directory
from genoloom.formats.sequence_sets import read_set
from genoloom.models.sequence import SHARED, generator_class
from genoloom.models.sequence.base import TrainingSequences
from genoloom.seeds import derive_seed
from genoloom.training import processes
from genoloom.training.trained import start_run, write_trained
from genoloom.training_config import TrainOptions

log = logging.getLogger(__name__)


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
    data = TrainingSequences.of(read_set(train), common.validation_fraction, seed, train)
    log.info(
        "%s: %d training sequences, %d of them for validation",
        generator,
        len(data.length),
        data.validation.sum(),
    )
    data_digest = _digest(data)
    run, config_digest = start_run(
        generator,
        common,
        options,
        data_digest,
        seed=seed,
        run_seed=derive_seed(seed, "train-sequences", generator),
        state=state,
        threads=threads,
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
    write_trained(model, history, {**arrays, **_shapes(data)}, description, run)


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
