"""Compare synthetic sequences with held-out real ones."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.motifs import fetch_matrix, read_matrices
from genoloom.formats.provenance import Making, numbered, record_path
from genoloom.formats.sequence_sets import read_set
from genoloom.formats.tables import read_records, write_records
from genoloom.homology import Places, hold_out, homology_clusters
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence import BASELINES
from genoloom.models.sequence.base import (
    Sampling,
    SequenceGenerator,
    TrainingSequences,
    draw_request,
)
from genoloom.models.sequence.markov import ContextMixingGenerator
from genoloom.seeds import derive_seed
from genoloom.sequence_config import SequenceContextMixingOptions, ValidateSequencesOptions
from genoloom.sequences import IUPAC_LETTERS, OTHER, SequenceSet, is_canary
from genoloom.training.run import TrainingRun
from genoloom.validation.label_fidelity import guidance_curve
from genoloom.validation.motif_fidelity import MatrixMotif, Motif, WordMotif
from genoloom.validation.rows import MetricRow, own_rows
from genoloom.validation.sequence_fidelity import Comparison, bits_metric
from genoloom.validation.sequence_table import Measured, fidelity_rows
from genoloom.validation.verdicts import Role

log = logging.getLogger(__name__)

# share of the training sequences on which the reference chain chooses its order
CHAIN_VALIDATION = 0.1
FEWEST = 20  # sequences of each kind
IN_FRAME = 0.9  # share of real coding sequences whose length is a multiple of 3
RELATED_KMER = 24  # as `shared_kmer` of the split
JASPAR = "JASPAR:"


def validate_sequences(
    *,
    name: str,
    synthetic: Path,
    train: Path | None,
    holdout: Path,
    model: Path | None,
    baselines: list[Path],
    out: Path,
    details: Path,
    options: ValidateSequencesOptions,
    seed: int,
) -> None:
    """Write the fidelity table of `name`, with the baselines' rows, its record of provenance, and
    the data of the report's plots.

    Works on any files of sequences, whoever made them.

    Parameters
    ----------
    synthetic, holdout : Path
        FASTA, tables or text; clusters and `stranded` are taken from the headers of real sequences,
        where these have them.
    train : Path or None
        The real sequences that the generator learnt from. Without it the reference is that of one
        half of `holdout` against the other, split by homology, and nothing is said about
        how near they come to it.
    model : Path or None
        For bits per base, where the model has a likelihood; needs `train`.
    baselines : list of Path
        Tables of baselines.
    """
    if train is None and model is not None:
        raise InputError(
            "--model",
            "needs the training sequences for its chain",
            remedy="give --train, or leave --model out",
        )
    files = {"synthetic": synthetic, "train": train, "holdout": holdout, "model": model}
    record = Making("validate-sequences", files | numbered("baseline", baselines))
    synthetic_set, holdout_set = (read_set(path, options.stranded) for path in (synthetic, holdout))
    train_set, holdout_set = (
        (read_set(train, options.stranded), holdout_set) if train else _halves(holdout_set, seed)
    )
    for path, sequences in (
        (synthetic, synthetic_set),
        (train or holdout, train_set),
        (holdout, holdout_set),
    ):
        if len(sequences) < FEWEST:
            raise InputError(
                path,
                f"holds {len(sequences)} sequences",
                expected=f"at least {FEWEST}" if train else f"at least {2 * FEWEST}",
            )
    synthetic_set = replace(synthetic_set, stranded=train_set.stranded)
    train_set = train_set.take(~is_canary(train_set))
    weights = read_weights(options.guidance_sweep)
    if options.coding == "frame":
        for path, real in ((train or holdout, train_set), (holdout, holdout_set)):
            _check_frame(path, real)
    generator, shapes, _ = load_sequence_generator(model) if model else (None, {}, {})
    likely = generator if generator is not None and generator.has_likelihood else None
    comparison = Comparison(
        synthetic_set, train_set, holdout_set,
        options.n_permutations, options.max_compared, options.max_classified,
        seed, read_motifs(options.motifs),
        options.coding, learnt=train is not None,
    )  # fmt: skip
    log.info(
        "%s: comparing %d synthetic, held-out and training sequences each", name, comparison.size
    )
    bits, bars = _bits(name, likely, train, holdout_set, seed) if train else ([], {})
    measured = bits + comparison.measure()
    curve = (
        _guidance(generator, shapes, weights, holdout_set, 2 * options.max_classified, seed)
        if weights and generator
        else {}
    )
    role = Role.BASELINE if name in BASELINES else Role.GENERATOR
    rows = fidelity_rows(measured, name, role)
    rows += own_rows((read_records(path, MetricRow) for path in baselines), BASELINES)
    with write_beside(details) as [part]:
        part.write_text(json.dumps({**comparison.plot_data(), "bits": bars, **curve}) + "\n")
    write_records(out, MetricRow, rows)
    # no path is a part of it
    recorded = options.model_copy(
        update={"motifs": "file" if os.path.isfile(options.motifs) else options.motifs}
    )
    record.write(record_path(out.with_suffix("")), [out], recorded, seed=seed)
    for row in rows[: len(measured)]:
        log.info("%s", row)


def _halves(real: SequenceSet, seed: int) -> tuple[SequenceSet, SequenceSet]:
    """Two halves of real sequences without homologous pairs between them, as far as clusters
    allow.
    """
    n = len(real)
    if len(np.unique(real.cluster)) == n:  # the file says nothing about relatives
        apart = Places(np.arange(n), np.zeros(n, dtype=np.int64), real.length)
        real = replace(
            real, cluster=homology_clusters(real.bases, real.length, apart, RELATED_KMER)
        )
    second = hold_out(real.cluster, 0.5, np.random.default_rng(derive_seed(seed, "halves")))
    return real.take(~second), real.take(second)


def read_motifs(text: str) -> list[Motif]:
    """The motifs that `text` names, none for "": a JASPAR file; or IUPAC words and `JASPAR:` ids or
    names, separated by commas.

    Raises
    ------
    InputError
        Neither; a damaged file; a matrix that JASPAR does not have; a name or word that is
        twice.
    """
    if not text:
        return []
    # Path.is_file raises an error of its own where a list is longer than a name can be
    if os.path.isfile(text):
        found = [MatrixMotif(*matrix) for matrix in read_matrices(text)]
    else:
        found = [_read_motif(word.strip(), text) for word in text.split(",")]
    names = [motif.name for motif in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError("--motifs", f"'{twice}' is listed twice", expected="each motif once")
    return found


def _read_motif(word: str, text: str) -> Motif:
    if word.upper().startswith(JASPAR):
        return MatrixMotif(*fetch_matrix(word[len(JASPAR) :].strip()))
    if not word or set(word.upper()) - set(IUPAC_LETTERS):
        expected = "a JASPAR file, or such as TATAWAW,CCAAT,JASPAR:TBP"
        raise InputError(
            "--motifs", f"'{text}' is no file, and '{word}' no IUPAC word", expected=expected
        )
    return WordMotif(word.upper())


def read_weights(text: str) -> list[float]:
    """The guidance weights of "0,1,1.5", in ascending order; none for "".

    Raises
    ------
    InputError
        Something that is no number from 0 on.
    """
    try:
        weights = sorted({float(word) for word in text.split(",")}) if text else []
    except ValueError:
        weights = [-1.0]
    if not all(0 <= weight < np.inf for weight in weights):
        raise InputError(
            "--guidance-sweep", f"'{text}'", expected="numbers from 0 on, such as 0,1,1.5,2.5"
        )
    return weights


def _check_frame(path: Path, real: SequenceSet) -> None:
    """Raise an InputError where sequences that should be in frame are of any length."""
    share = float((real.length % 3 == 0).mean())
    if share < IN_FRAME:
        found = f"the length of {1 - share:.0%} of the sequences is no multiple of 3"
        raise InputError(
            path,
            found,
            expected="sequences whose first base begins a codon",
            remedy="use --coding orfs",
        )


def _guidance(
    generator: SequenceGenerator,
    shapes: dict[str, np.ndarray],
    weights: list[float],
    holdout: SequenceSet,
    n: int,
    seed: int,
) -> dict[str, dict]:
    """Labels under each guidance weight, by `n` sequences that have the same seeds at every weight,
    so that only guidance differs.
    """
    if not generator.heeds_guidance or len(generator.label_names) < 2:
        log.info("%s: no guidance sweep, since it has no labels to guide by", generator.name)
        return {}
    names = [f"SWEEP{i + 1:06d}" for i in range(n)]
    request = draw_request(shapes, names, derive_seed(seed, "guidance"))
    label = [generator.label_names[i] for i in request.label]
    by_weight = {}
    for weight in weights:
        bases = generator.sample(request, Sampling(guidance=weight))
        by_weight[weight] = SequenceSet(
            names, bases, request.length, label, np.arange(n), holdout.stranded
        )
        log.info("%s: drew %d sequences with guidance %g", generator.name, n, weight)
    curve = guidance_curve(by_weight, holdout, n, derive_seed(seed, "guidance"))
    return {"guidance": curve} if curve else {}


def _bits(
    name: str, generator: SequenceGenerator | None, train: Path, holdout: SequenceSet, seed: int
) -> tuple[list[Measured], dict[str, float]]:
    """Bits per base of the model next to the context mixture (none without a likelihood), and those
    of every chain, to draw.
    """
    chain = ContextMixingGenerator(SequenceContextMixingOptions())
    # a chain keeps no state
    run = TrainingRun(state_dir=train.parent, digest="", seed=seed, label="reference chain")
    chain.fit(TrainingSequences.of(read_set(train), CHAIN_VALIDATION, seed, train), run)
    per_base = np.log(2) * (holdout.bases != OTHER).sum()
    scores = chain.component_scores(holdout.bases)  # (n, components)
    orders = chain.settings.order + 1
    named = {f"order {k}": k for k in range(orders)} | {
        "markov": chain.mixture.markov,
        "context_mixing": chain.mixture.components - 1,
    }
    bars = {
        word: float(-scores[:, component].sum() / per_base) for word, component in named.items()
    }
    if generator is None:
        return [], bars
    likelihood = generator.likelihood_of(holdout)
    bars[name] = float(-likelihood.sum() / per_base)
    return [bits_metric(likelihood, scores[:, -1], holdout)], bars
