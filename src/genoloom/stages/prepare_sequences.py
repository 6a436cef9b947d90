"""From FASTA, tables or text to sequences that are split into training and holdout."""

import json
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.sequence_sets import (
    Interval,
    Record,
    check_lengths,
    is_fasta,
    read_pieces,
    write_set,
)
from genoloom.formats.tables import write_table
from genoloom.homology import (
    Places,
    chunk_clusters,
    count_duplicates,
    hold_out,
    homology_clusters,
    sharing_kmer,
    straddling,
)
from genoloom.seeds import derive_seed
from genoloom.sequence_config import SequenceOptions
from genoloom.sequences import (
    LABEL_JOIN,
    OTHER,
    SequenceSet,
    canaries,
    join,
    pad,
    reverse_complement,
    windows,
)

log = logging.getLogger(__name__)

FEW_SEQUENCES = 200


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


def prepare_sequences(
    *, source: Path, regions: Path | None, out: Path, options: SequenceOptions, seed: int
) -> None:
    """Cut windows and split them by homology; write `train.fa.gz`, `holdout.fa.gz`,
    `rejected.tsv.gz`, `summary.json`.

    FASTA records (or the BED intervals of them) longer than the window are cut; shorter ones, and
    the rows of tables and text, are taken whole. Every piece is either in the set or in the
    rejection table.

    Parameters
    ----------
    source : Path
        FASTA, CSV/TSV with `seq`, or text with one sequence per line.
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
        raise InputError(
            source, f"no sequence is left ({found})", remedy="lower --min-length or raise --max-n"
        )
    check_lengths(source, [len(piece) for piece in pieces.bases])
    bases, length = pad(pieces.bases)
    places = Places(*np.array(pieces.place, dtype=np.int64).T)
    cluster, method = _clusters(bases, length, places, options)
    held_out = hold_out(
        cluster, options.holdout, np.random.default_rng(derive_seed(seed, "sequence-split"))
    )
    kept = ~straddling(places, held_out)
    for i in np.flatnonzero(~kept):
        pieces.reject(pieces.name[i], 0, int(length[i]), "overlaps the training side")
    labels, edges = _binned_columns(
        pieces.label, options.label_column.split(","), ~held_out, options.bins
    )
    sequences = SequenceSet(pieces.name, bases, length, labels, cluster, options.stranded)
    train, holdout = sequences.take(~held_out), sequences.take(held_out & kept)
    if not len(train) or not len(holdout):
        raise InputError(
            source,
            f"{len(sequences)} sequences in one homology cluster",
            remedy="give more or other sequences",
        )
    summary = _summary(train, holdout, pieces, cluster, method, options)
    if summary["holdout_sharing_kmer"] > options.max_leakage:
        raise InputError(
            source,
            f"{summary['holdout_sharing_kmer']:.1%} of the held-out sequences share a "
            f"{options.shared_kmer}-mer with training",
            expected=f"at most {options.max_leakage:.1%} (--max-leakage)",
            remedy="split by homology, choose a longer --shared-kmer or a --stride of a window; or "
            "raise --max-leakage and know that held-out metrics then flatter every model",
        )
    if options.canaries:
        planted = canaries(
            train, options.canaries, np.random.default_rng(derive_seed(seed, "canaries"))
        )
        planted = replace(planted, cluster=planted.cluster + int(cluster.max()) + 1)
        train = join(train, planted)
    write_set(out / "train.fa.gz", train)
    write_set(out / "holdout.fa.gz", holdout)
    write_table(out / "rejected.tsv.gz", ["record", "start", "end", "reason"], pieces.rejected)
    with write_beside(out / "summary.json") as [part]:
        part.write_text(
            json.dumps(
                {**summary, "label_bin_edges": edges, "canaries": options.canaries, "seed": seed},
                indent=2,
            )
            + "\n"
        )
    _say_split(out, summary)


def _binned_columns(
    labels: list[str], columns: list[str], counted: np.ndarray, bins: int
) -> tuple[list[str], dict]:
    """Labels whose columns are binned one by one, and the edges of each column that was."""
    if len(columns) == 1:
        parts = [labels]
    else:
        parts = zip(
            *(label.split(LABEL_JOIN) if label else [""] * len(columns) for label in labels),
            strict=True,
        )
    labelled = [binned(list(part), counted, bins) for part in parts]
    joined = [
        LABEL_JOIN.join(cells) if any(cells) else ""
        for cells in zip(*(names for names, _ in labelled), strict=True)
    ]
    return joined, {
        column: edges for column, (_, edges) in zip(columns, labelled, strict=True) if edges
    }


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
    names = [
        f"bin{np.searchsorted(edges, v, side='right') + 1}" if np.isfinite(v) else "" for v in value
    ]
    return names, edges.tolist()


def _cut(source: Path, regions: Path | None, options: SequenceOptions) -> _Pieces:
    """All pieces of the source."""
    size = options.window if is_fasta(source) else 0
    pieces = _Pieces()
    for number, (record, intervals) in enumerate(
        read_pieces(source, regions, options.label_column)
    ):
        for interval in intervals:
            _cut_interval(pieces, number, record, interval, size, options)
    return pieces


def _cut_interval(
    pieces: _Pieces,
    number: int,
    record: Record,
    interval: Interval,
    size: int,
    options: SequenceOptions,
) -> None:
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
        "%.0f %% of the sequences are one cluster of shared %d-mers or overlaps; splitting by "
        "contiguous chunks instead. Held-out sequences then have relatives in training: see "
        "'holdout_sharing_kmer'. A longer --shared-kmer, a --stride of a window or trimming what "
        "all sequences share may avoid it",
        100 * largest,
        options.shared_kmer,
    )
    return chunk_clusters(bases, length, places), "chunks"


def _summary(
    train: SequenceSet,
    holdout: SequenceSet,
    pieces: _Pieces,
    cluster,
    method: str,
    options: SequenceOptions,
) -> dict:
    exact, reverse = count_duplicates(*pad(pieces.bases))
    leaked = sharing_kmer(holdout.bases, train.bases, options.shared_kmer)
    kept = len(train) + len(holdout)
    return {
        "pieces": kept + len(pieces.rejected),
        "kept": kept,
        "rejected": dict(Counter(row["reason"] for row in pieces.rejected)),
        "train": len(train),
        "holdout": len(holdout),
        "labels": {
            label: n for label, n in sorted(Counter(train.label + holdout.label).items()) if label
        },
        "shortest": int(min(train.length.min(), holdout.length.min())),
        "longest": int(max(train.length.max(), holdout.length.max())),
        "stranded": options.stranded,
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
        "%s: %d pieces, %d rejected; %d train, %d holdout in %d clusters (largest %.1f %%); %.1f "
        "%% of the holdout share a %d-mer with training",
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
            "%s: only %d training sequences; expect over-fitting, and copies of them in the output",
            out,
            summary["train"],
        )
