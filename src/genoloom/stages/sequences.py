"""The sequence half: from FASTA, tables or text to a split set, a model, and synthetic FASTA."""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from genoloom import __version__
from genoloom.config_section import Section
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.models import describe, file_digest, save_model
from genoloom.formats.names import other_contig_name
from genoloom.formats.private_directories import close_directory
from genoloom.formats.sequence_sets import (
    Interval,
    Record,
    check_lengths,
    is_fasta,
    read_intervals,
    read_records,
    read_set,
    write_fasta,
    write_set,
)
from genoloom.formats.tables import write_table
from genoloom.homology import Places, chunk_clusters, count_duplicates, hold_out, homology_clusters, sharing_kmer, straddling
from genoloom.models.sequence import SHARED, generator_class
from genoloom.models.sequence.base import Sampling, SequenceGenerator, SequenceRequest, TrainingSequences
from genoloom.models.sequence.labels import ANY
from genoloom.seeds import derive_seed, row_seeds, row_uniforms
from genoloom.sequence_config import GenerateSequencesOptions, SequenceOptions
from genoloom.sequences import LABEL_JOIN, OTHER, SequenceSet, canaries, decode, encode, join, pad, reverse_complement, windows
from genoloom.stages.load import load_sequence_generator
from genoloom.training import processes
from genoloom.training.devices import choose_device
from genoloom.training.run import TrainingRun, write_history, write_times
from genoloom.training_config import TrainOptions

log = logging.getLogger(__name__)

FEW_SEQUENCES = 200
SHARD = 2048  # sequences sampled between two lines of progress; the result does not depend on it
LENGTH_DRAW = 2**40  # counter of the draw of label and length, far from those of the bases


@dataclass
class _Pieces:
    """Windows and whole records: those kept, and what became of the others."""

    name: list[str] = field(default_factory=list)
    bases: list[np.ndarray] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    place: list[tuple[int, int, int]] = field(default_factory=list)
    rejected: list[dict] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def keep(self, name: str, bases: np.ndarray, label: str, place: tuple[int, int, int]) -> None:
        self.name.append(name)
        self.bases.append(bases)
        self.label.append(label)
        self.place.append(place)
        self.names.add(name)

    def reject(self, record: str, start: int, stop: int, reason: str) -> None:
        self.rejected.append({"record": record, "start": start + 1, "end": stop, "reason": reason})


def prepare_sequences(*, source: Path, regions: Path | None, out: Path, options: SequenceOptions, seed: int) -> None:
    """Cut windows and split them by homology; write `train.fa.gz`, `holdout.fa.gz`,
    `rejected.tsv.gz`, `summary.json`.

    FASTA records (or the BED intervals of them) longer than the window are cut; shorter ones, and
    the rows of tables and text, are taken whole. Every piece is either in the set or in the
    rejection table.

    Parameters
    ----------
    source : Path
        FASTA, CSV/TSV with `seq`, or text with one sequence a line.
    regions : Path or None
        BED intervals of a FASTA source; the name is the label.
    out : Path
        Directory.

    Raises
    ------
    InputError
        The source or the regions are not what they should be, nothing is left, nothing can be held
        out, or the holdout shares more with training than `max_leakage` allows.
    """
    pieces = _cut(source, regions, options)
    if not pieces.name:
        reasons = Counter(row["reason"] for row in pieces.rejected)
        found = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
        raise InputError(source, f"no sequence is left ({found})", remedy="lower --min-length or raise --max-n")
    check_lengths(source, [len(piece) for piece in pieces.bases])
    bases, length = pad(pieces.bases)
    places = Places(*np.array(pieces.place, dtype=np.int64).T)
    cluster, method = _clusters(bases, length, places, options)
    held_out = hold_out(cluster, options.holdout, np.random.default_rng(derive_seed(seed, "sequence-split")))
    kept = ~straddling(places, held_out)
    for i in np.flatnonzero(~kept):
        pieces.reject(pieces.name[i], 0, int(length[i]), "overlaps the training side")
    labels, edges = _binned_columns(pieces.label, options.label_column.split(","), ~held_out, options.bins)
    sequences = SequenceSet(pieces.name, bases, length, labels, cluster, options.reverse_complement)
    train, holdout = sequences.take(~held_out), sequences.take(held_out & kept)
    if not len(train) or not len(holdout):
        raise InputError(source, f"{len(sequences)} sequences in one homology cluster", remedy="give more or other sequences")
    summary = _summary(train, holdout, pieces, cluster, method, options)
    if summary["holdout_sharing_kmer"] > options.max_leakage:
        raise InputError(
            source,
            f"{summary['holdout_sharing_kmer']:.1%} of the held-out sequences share a {options.shared_kmer}-mer with training",
            expected=f"at most {options.max_leakage:.1%} (--max-leakage)",
            remedy="split by homology, choose a longer --shared-kmer or a --stride of a window; or raise --max-leakage and know "
            "that held-out figures then flatter every model",
        )
    if options.canaries:
        planted = canaries(train, options.canaries, np.random.default_rng(derive_seed(seed, "canaries")))
        planted = replace(planted, cluster=planted.cluster + int(cluster.max()) + 1)
        train = join(train, planted)
    write_set(out / "train.fa.gz", train)
    write_set(out / "holdout.fa.gz", holdout)
    write_table(out / "rejected.tsv.gz", ["record", "start", "end", "reason"], pieces.rejected)
    with write_beside(out / "summary.json") as [part]:
        part.write_text(
            json.dumps({**summary, "label_bin_edges": edges, "canaries": options.canaries, "seed": seed}, indent=2) + "\n"
        )
    _say_split(out, summary)


def _binned_columns(labels: list[str], columns: list[str], counted: np.ndarray, bins: int) -> tuple[list[str], dict]:
    """Labels whose columns are binned one by one, and the edges of each column that was."""
    if len(columns) == 1:
        parts = [labels]
    else:
        parts = zip(*(label.split(LABEL_JOIN) if label else [""] * len(columns) for label in labels), strict=True)
    made = [binned(list(part), counted, bins) for part in parts]
    joined = [LABEL_JOIN.join(cells) if any(cells) else "" for cells in zip(*(names for names, _ in made), strict=True)]
    return joined, {column: edges for column, (_, edges) in zip(columns, made, strict=True) if edges}


def binned(labels: list[str], counted: np.ndarray, bins: int) -> tuple[list[str], list[float]]:
    """Labels that are all numbers, more different ones than `bins`, as bin1, bin2, ..., and the
    edges between these.

    The bins hold equally many of the `counted` (bool, (n,)) sequences; others, labels that are
    words and missing ones stay as they are.
    """
    given = [label for label in labels if label]
    try:
        different = len({float(label) for label in given})
    except ValueError:
        return labels, []
    if different <= bins:
        return labels, []
    value = np.array([float(label) if label else np.nan for label in labels])
    known = value[counted & np.isfinite(value)]
    edges = np.unique(np.quantile(known, np.arange(1, bins) / bins)) if len(known) else np.empty(0)
    names = [f"bin{np.searchsorted(edges, v, side='right') + 1}" if np.isfinite(v) else "" for v in value]
    return names, edges.tolist()


def _cut(source: Path, regions: Path | None, options: SequenceOptions) -> _Pieces:
    """All pieces of the source."""
    size = options.window if is_fasta(source) else 0
    pieces = _Pieces()
    for number, (record, intervals) in enumerate(_with_intervals(source, regions, options.label_column)):
        for interval in intervals:
            _cut_interval(pieces, number, record, interval, size, options)
    return pieces


def check_regions(source: Path, regions: Path | None, label_column: str) -> None:
    """Read all of a source, and its intervals; raise what `prepare_sequences` would raise for
    them.
    """
    for _ in _with_intervals(source, regions, label_column):
        pass


def _with_intervals(source: Path, regions: Path | None, label_column: str) -> Iterator[tuple[Record, list[Interval]]]:
    """Each sequence of the source with its intervals; without regions, it is one."""
    if regions is not None and not is_fasta(source):
        raise InputError(regions, f"intervals need a FASTA, and {source} is none", remedy="leave --regions out")
    by_contig: dict[str, list[Interval]] = {}
    for interval in read_intervals(regions) if regions is not None else []:
        by_contig.setdefault(interval.contig, []).append(interval)
    names = []
    for record in read_records(source, label_column):
        names.append(record.name)
        if regions is None:
            yield record, [Interval(record.name, 0, len(record.bases), record.tags.get("label", ""), "+")]
            continue
        intervals = by_contig.pop(record.name, [])
        for interval in intervals:
            _check_end(regions, interval, record)
        yield record, intervals
    if by_contig:
        _refuse_contig(regions, next(iter(by_contig)), source, names)


def _check_end(regions: Path, interval: Interval, record: Record) -> None:
    if interval.stop > len(record.bases):
        found = f"{interval.contig}:{interval.start + 1}-{interval.stop} ends behind its contig"
        raise InputError(regions, found, expected=f"at most {len(record.bases)}")


def _refuse_contig(regions: Path, contig: str, source: Path, names: list[str]) -> None:
    other = other_contig_name(contig)
    remedy = f"rename one side: it is called '{other}' there" if other in names else f"found {', '.join(names[:5])}"
    raise InputError(regions, f"contig '{contig}' is not in {source}", expected="the same names on both sides", remedy=remedy)


def _cut_interval(pieces: _Pieces, number: int, record: Record, interval: Interval, size: int, options: SequenceOptions) -> None:
    """Windows of one interval, counted from the start of its strand."""
    start, stop = interval.start, interval.stop
    bases = record.bases[start:stop]
    if len(bases) < max(options.min_length, 1):
        pieces.reject(record.name, start, stop, "shorter than the minimum length")
        return
    if interval.strand == "-":
        bases = reverse_complement(bases[None], np.array([len(bases)]))[0]
    rows, offsets = windows(bases, size, options.stride)
    width = rows.shape[1]
    ambiguous = (rows == OTHER).mean(axis=1) > options.max_n
    for row, offset, too_many in zip(rows, offsets.tolist(), ambiguous.tolist(), strict=True):
        low = start + offset if interval.strand == "+" else stop - offset - width
        name = _piece_name(record, low, low + width, interval.strand)
        if too_many:
            pieces.reject(record.name, low, low + width, "too many bases other than A, C, G, T")
        elif name in pieces.names:
            pieces.reject(record.name, low, low + width, "the same interval twice")
        else:
            pieces.keep(name, row, interval.label, (number, low, low + width))
    rest = len(bases) - (int(offsets[-1]) + width)
    if rest:
        low, high = (stop - rest, stop) if interval.strand == "+" else (start, start + rest)
        pieces.reject(record.name, low, high, "shorter than a window, at the end")


def _piece_name(record: Record, start: int, stop: int, strand: str) -> str:
    """The record's own name for all of it, else `contig:start-end`, 1-based inclusive, as in
    samtools.
    """
    if (start, stop, strand) == (0, len(record.bases), "+"):
        return record.name
    return f"{record.name}:{start + 1}-{stop}" + ("(-)" if strand == "-" else "")


def _clusters(bases, length, places: Places, options: SequenceOptions) -> tuple[np.ndarray, str]:
    """Clusters of the split and how they were made: "homology", or "chunks" where homology leaves
    nothing to hold out.
    """
    if options.split == "chunks":
        return chunk_clusters(bases, length, places), "chunks"
    cluster = homology_clusters(bases, length, places, options.shared_kmer)
    largest = np.bincount(cluster).max() / len(cluster)
    if largest <= 1 - options.holdout:
        return cluster, "homology"
    log.warning(
        "%.0f %% of the sequences are one cluster of shared %d-mers or overlaps; splitting by contiguous chunks instead. Held-out "
        "sequences then have relatives in training: see 'holdout_sharing_kmer'. A longer --shared-kmer, a --stride of a "
        "window or trimming what all sequences share may avoid it",
        100 * largest,
        options.shared_kmer,
    )
    return chunk_clusters(bases, length, places), "chunks"


def _summary(train: SequenceSet, holdout: SequenceSet, pieces: _Pieces, cluster, method: str, options: SequenceOptions) -> dict:
    exact, reverse = count_duplicates(*pad(pieces.bases))
    leaked = sharing_kmer(holdout.bases, train.bases, options.shared_kmer)
    kept = len(train) + len(holdout)
    return {
        "pieces": kept + len(pieces.rejected),
        "kept": kept,
        "rejected": dict(Counter(row["reason"] for row in pieces.rejected)),
        "train": len(train),
        "holdout": len(holdout),
        "labels": {label: n for label, n in sorted(Counter(train.label + holdout.label).items()) if label},
        "shortest": int(min(train.length.min(), holdout.length.min())),
        "longest": int(max(train.length.max(), holdout.length.max())),
        "both_strands": options.reverse_complement,
        "exact_duplicates": exact,
        "reverse_complement_duplicates": reverse,
        "split": method,
        "shared_kmer": options.shared_kmer,
        "clusters": len(np.unique(cluster)),
        "largest_cluster_share": float(np.bincount(cluster).max() / len(cluster)),
        "holdout_sharing_kmer": float(leaked.mean()),
    }


def _say_split(out: Path, summary: dict) -> None:
    log.info(
        "%s: %d pieces, %d rejected; %d train, %d holdout in %d clusters (largest %.1f %%); %.1f %% of the holdout share a "
        "%d-mer with training",
        out.name,
        summary["pieces"],
        sum(summary["rejected"].values()),
        summary["train"],
        summary["holdout"],
        summary["clusters"],
        100 * summary["largest_cluster_share"],
        100 * summary["holdout_sharing_kmer"],
        summary["shared_kmer"],
    )
    if summary["train"] < FEW_SEQUENCES:
        log.warning(
            "%s: only %d training sequences; expect over-fitting, and copies of them in the output", out, summary["train"]
        )


def training_sequences(path: Path, validation_fraction: float, seed: int) -> TrainingSequences:
    """What a generator may see of a training set; whole clusters are marked as validation set."""
    sequences = read_set(path)
    names = sorted(set(sequences.label))
    # the name of the seed is a former one: the same people are chosen
    validation = hold_out(sequences.cluster, validation_fraction, np.random.default_rng(derive_seed(seed, "watch")))
    if not validation.any():
        raise InputError(path, f"{len(sequences)} sequences in one homology cluster", expected="at least two clusters")
    return TrainingSequences(
        bases=sequences.bases,
        length=sequences.length,
        label=np.array([names.index(label) for label in sequences.label]),
        label_names=names,
        validation=validation,
        cluster=sequences.cluster,
        reverse_complement=sequences.both_strands,
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
        `train.fa.gz` of a set; its headers hold label, cluster and strands.
    model, history : Path
        Outputs: .safetensors (with a .json beside) and a TSV.
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
    log.info("%s: %d training sequences, %d of them for validation", generator, len(data.length), data.validation.sum())
    data_digest = _digest(data)
    settings = {"generator": generator, "seed": seed, "validation_fraction": common.validation_fraction, **options.model_dump()}
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
    h = hashlib.sha256(json.dumps([data.label_names, data.reverse_complement]).encode())
    for values in (data.bases, data.length, data.label, data.validation, data.cluster):
        h.update(np.ascontiguousarray(values).tobytes())
    return h.hexdigest()


def _shapes(data: TrainingSequences) -> dict[str, np.ndarray]:
    """How many training sequences have each label and length."""
    pairs, count = np.unique(np.stack([data.label, data.length], axis=1), axis=0, return_counts=True)
    return {"shapes.label": pairs[:, 0].copy(), "shapes.length": pairs[:, 1].copy(), "shapes.count": count}


def generate_sequences(*, model: Path, out: Path, options: GenerateSequencesOptions, seed: int, threads: int) -> None:
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
        f"synthetic=genoloom-{__version__} generator={description['generator']} model={file_digest(model)[:16]} seed={seed}"
    )
    write_fasta(out, _sampled(generator, names, request, sampling, provenance))


def check_label(generator: SequenceGenerator, label: str) -> None:
    """Raise `InputError` where a generator cannot be asked for a label."""
    if label not in generator.label_choices:
        raise InputError("--label", f"'{label}' is not known", expected=f"one of {', '.join(generator.label_choices)}")


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
    sampling = Sampling(options.temperature, options.top_k, options.top_p, options.guidance, prompt, options.label_candidates)
    plain = GenerateSequencesOptions()
    if not generator.has_likelihood:
        changed = [n for n in ("temperature", "top_k", "top_p", "guidance", "prompt") if getattr(options, n) != getattr(plain, n)]
        if changed:
            flag = "--" + changed[0].replace("_", "-")
            raise InputError(flag, f"the generator '{generator.name}' has no likelihood to draw from", remedy="leave it out")
    if sampling.guidance != 1 and len(generator.label_names) < 2:
        raise InputError("--guidance", "the model was trained without labels", remedy="leave it at 1")
    return sampling


def _sampled(
    generator: SequenceGenerator, names: list[str], request: SequenceRequest, sampling: Sampling, provenance: str
) -> Iterator[tuple[str, str]]:
    started = time.monotonic()
    for low in range(0, len(names), SHARD):
        rows = slice(low, low + SHARD)
        part = SequenceRequest(request.length[rows], request.label[rows], request.seed[rows])
        for name, label, length, row in zip(names[rows], part.label, part.length, generator.sample(part, sampling), strict=True):
            word = generator.label_choices[label]
            yield f"{name}{f' label={word}' if word.strip(ANY) else ''} {provenance}", decode(row[:length])
        done = min(low + SHARD, len(names))
        rate = request.length[:done].sum() / max(time.monotonic() - started, 1e-9)
        log.info("%s: %d of %d sequences, %.2g bases/s", generator.name, done, len(names), rate)
