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
from genoloom.formats.sequence_sets import (
    write_fasta,
)
from genoloom.models.sequence.base import Sampling, SequenceGenerator, SequenceRequest
from genoloom.models.sequence.labels import ANY
from genoloom.seeds import row_seeds, row_uniforms
from genoloom.sequence_config import GenerateSequencesOptions
from genoloom.sequences import decode, encode
from genoloom.stages.load import load_sequence_generator

log = logging.getLogger(__name__)

SHARD = 2048  # sequences sampled between two lines of progress; the result does not depend on it
LENGTH_DRAW = 2**40  # counter of the draw of label and length, far from those of the bases


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


def check_label(generator: SequenceGenerator, label: str) -> None:
    """Raise `InputError` where a generator cannot be asked for a label."""
    if label not in generator.label_choices:
        raise InputError(
            "--label",
            f"'{label}' is not known",
            expected=f"one of {', '.join(generator.label_choices)}",
        )


def draw_request(shapes: dict[str, np.ndarray], names: list[str], seed: int) -> SequenceRequest:
    """What to ask for under each name: labels and lengths as often together as in training;
    `shapes` are those of the model file.
    """
    seeds = row_seeds(seed, names, "sequence")
    cumulated = np.cumsum(shapes["count"]) / shapes["count"].sum()
    drawn = np.searchsorted(cumulated, row_uniforms(seeds, LENGTH_DRAW), side="right")
    return SequenceRequest(shapes["length"][drawn], shapes["label"][drawn], seeds)


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
