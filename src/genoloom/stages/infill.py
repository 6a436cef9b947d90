"""Fill the runs of N of a FASTA with a sequence model."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from genoloom.errors import InputError
from genoloom.formats.sequence_sets import Record, read_records, write_fasta
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence.base import SequenceGenerator, check_label
from genoloom.models.sequence.infill import fill_gap
from genoloom.seeds import derive_seed, row_seeds, row_uniforms
from genoloom.sequence_config import InfillOptions
from genoloom.sequences import OTHER, decode

log = logging.getLogger(__name__)


def infill(
    *, model: Path, fasta: Path, out: Path, options: InfillOptions, seed: int, threads: int
) -> None:
    """Write the sequences again with every run of N of at most `max_gap` bases filled, in lower
    case.

    A gap is filled given the `flank` bases on either side, as far as these are known; in sets of
    one orientation given all that comes before it, since positions count from the start. Its bases
    depend on the model, the seed, the record's name and the position of the gap alone. Longer runs
    stay N and are counted. Records are read one at a time.

    Raises
    ------
    InputError
        A model without likelihood, or a `label` that it does not know; see also `read_records`.
    """
    torch.set_num_threads(threads)
    generator, _, _ = load_sequence_generator(model)
    if not generator.has_likelihood:
        raise InputError(
            model,
            f"the generator '{generator.name}' has no likelihood",
            expected="transformer, context_mixing or markov",
        )
    if options.label:
        check_label(generator, options.label)
    tally = {"filled": 0, "too long": 0, "effective": 0.0}
    write_fasta(out, _filled(generator, read_records(fasta), options, seed, tally))
    mean = tally["effective"] / max(tally["filled"], 1)
    log.info(
        "%s: %d gaps filled, %d longer than %d left; effective candidates %.1f of %d on average",
        out.name, tally["filled"], tally["too long"], options.max_gap, mean, options.candidates,
    )  # fmt: skip


def _filled(
    generator: SequenceGenerator,
    records: Iterator[Record],
    options: InfillOptions,
    seed: int,
    tally: dict,
):
    for record in records:
        bases, letters = record.bases.copy(), list(decode(record.bases))
        for start, stop in _gaps(record.bases):
            if stop - start > options.max_gap:
                tally["too long"] += 1
                continue
            seeds = row_seeds(
                seed, [f"{record.name}:{start}:{i}" for i in range(options.candidates)], "infill"
            )
            pick = derive_seed(seed, record.name, start, "infill pick")
            uniform = float(row_uniforms(np.array([pick], dtype=np.uint64), 0)[0])
            prefix, suffix = _sides(generator, bases, start, stop, options.flank)
            label = generator.label_choices.index(options.label) if options.label else -1
            middle, effective = fill_gap(
                generator, prefix, stop - start, suffix, label, seeds, uniform
            )
            bases[start:stop] = middle
            letters[start:stop] = decode(middle).lower()
            tally["filled"] += 1
            tally["effective"] += effective
        yield record.name, "".join(letters)


def _gaps(bases: np.ndarray) -> list[tuple[int, int]]:
    """Runs of unknown bases (4), 0-based half-open."""
    edges = np.diff(np.concatenate([[False], bases == OTHER, [False]]).astype(np.int8))
    return list(
        zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)
    )


def _sides(
    generator: SequenceGenerator, bases: np.ndarray, start: int, stop: int, flank: int
) -> tuple[np.ndarray, np.ndarray]:
    """The known bases before and after a gap; earlier gaps are filled by now, a later one ends the
    suffix.
    """
    aligned = bool(generator.counts.positions)
    prefix, suffix = (
        bases[0 if aligned else max(0, start - flank) : start],
        bases[stop : stop + flank],
    )
    unknown = np.flatnonzero(prefix == OTHER)
    if len(unknown):  # a run that was too long to fill
        prefix = prefix[unknown[-1] + 1 :]
    unknown = np.flatnonzero(suffix == OTHER)
    return prefix, suffix[: unknown[0]] if len(unknown) else suffix
