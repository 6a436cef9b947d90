"""From a model to synthetic sequences."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from genoloom import __version__
from genoloom.errors import InputError
from genoloom.formats.models import file_digest
from genoloom.formats.sequence_sets import write_fasta
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence.base import (
    Sampling,
    SequenceGenerator,
    SequenceRequest,
    check_label,
    draw_request,
)
from genoloom.models.sequence.labels import ANY
from genoloom.sequence_config import GenerateSequencesOptions
from genoloom.sequences import decode, encode

log = logging.getLogger(__name__)

SHARD = 2048  # sequences sampled between two lines of progress; the result does not depend on it


def generate_sequences(
    *, model: Path, out: Path, options: GenerateSequencesOptions, seed: int, threads: int
) -> None:
    """Sample sequences with the labels and lengths of the training set; write FASTA.

    A sequence depends on the model, the seed and its own number alone, not on how many are made.

    Raises
    ------
    InputError
        The model does not know the label or the way of drawing that is asked for.
    """
    torch.set_num_threads(threads)
    generator, shapes, description = load_sequence_generator(model)
    sampling = _sampling(generator, options)
    if options.label:
        check_label(generator, options.label)
        within = np.isin(shapes["label"], generator.labels_within(options.label))
        shapes = {name: values[within] for name, values in shapes.items()}
        shapes["label"] = np.full(within.sum(), generator.label_choices.index(options.label))
    names = [f"SYNSEQ{i + 1:06d}" for i in range(options.count)]
    request = draw_request(shapes, names, seed)
    provenance = (
        f"synthetic=genoloom-{__version__} generator={description['generator']} "
        f"model={file_digest(model)[:16]} seed={seed}"
    )
    write_fasta(out, _sampled(generator, names, request, sampling, provenance))


def _sampling(generator: SequenceGenerator, options: GenerateSequencesOptions) -> Sampling:
    """How to draw, checked against what the generator can do."""
    prompt = encode(options.prompt.encode("ascii", "replace"))
    if (prompt > 3).any():
        raise InputError("--prompt", f"'{options.prompt}'", expected="A, C, G and T only")
    sampling = Sampling(
        options.temperature,
        options.top_k,
        options.top_p,
        options.guidance,
        prompt,
        options.label_candidates,
    )
    plain = GenerateSequencesOptions()
    if not generator.has_likelihood:
        changed = [
            n
            for n in ("temperature", "top_k", "top_p", "guidance", "prompt")
            if getattr(options, n) != getattr(plain, n)
        ]
        if changed:
            flag = "--" + changed[0].replace("_", "-")
            raise InputError(
                flag,
                f"the generator '{generator.name}' has no likelihood to draw from",
                remedy="leave it out",
            )
    if sampling.guidance != 1 and len(generator.label_names) < 2:
        raise InputError(
            "--guidance", "the model was trained without labels", remedy="leave it at 1"
        )
    return sampling


def _sampled(
    generator: SequenceGenerator,
    names: list[str],
    request: SequenceRequest,
    sampling: Sampling,
    provenance: str,
) -> Iterator[tuple[str, str]]:
    started = time.monotonic()
    for low in range(0, len(names), SHARD):
        rows = slice(low, low + SHARD)
        part = SequenceRequest(request.length[rows], request.label[rows], request.seed[rows])
        for name, label, length, row in zip(
            names[rows], part.label, part.length, generator.sample(part, sampling), strict=True
        ):
            word = generator.label_choices[label]
            yield (
                f"{name}{f' label={word}' if word.strip(ANY) else ''} {provenance}",
                decode(row[:length]),
            )
        done = min(low + SHARD, len(names))
        rate = request.length[:done].sum() / max(time.monotonic() - started, 1e-9)
        log.info("%s: %d of %d sequences, %.2g bases/s", generator.name, done, len(names), rate)
