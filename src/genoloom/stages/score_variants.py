"""Score the variants of a VCF with a sequence model, and say how well the scores agree with allele
frequencies.
"""

import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from genoloom.errors import InputError
from genoloom.formats.reference import Reference
from genoloom.formats.vcf_text import Row, VcfText, VcfTextWriter, open_vcf_text, write_vcf_text
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence.scoring import BASELINES, allele_scores, allele_windows, scorers
from genoloom.seeds import derive_seed

log = logging.getLogger(__name__)

FIELD = "GLLR"
BATCH = 32  # alleles scored together
RESAMPLES = 500
MOST_WAITING = 4096  # records
EVERY_S = 30.0  # seconds between lines of progress


@dataclass
class _Tally:
    """What was scored, and the scores next to the allele frequencies that are known."""

    records: int = 0
    scored: int = 0
    skipped: int = 0
    scores: list[np.ndarray] = field(default_factory=list)
    frequency: list[float] = field(default_factory=list)


def score_variants(
    *,
    model: Path,
    vcf: Path,
    fasta: Path,
    out: Path,
    report: Path | None,
    window: int | None,
    threads: int,
) -> None:
    """Write the VCF again with the log-likelihood ratio of each alternate allele in INFO/GLLR;
    records stream through.

    Parameters
    ----------
    model : Path
        A model with a likelihood.
    vcf : Path
        VCF of any packing, or BCF; need not be indexed. Names that its header does not declare are
        declared in the output.
    out : Path
        .vcf, .vcf.gz (bgzip with an index: the records must be sorted) or .bcf.
    report : Path, optional
        JSON: Spearman correlation of the scores with the allele frequency (INFO/AF, else AC/AN,
        else the genotypes), with a 95 % bootstrap interval over variants, next to the metrics of
        the baselines of `genoloom.models.sequence.scoring`.
    window : int, optional
        Bases around a variant; the longest training length by default.

    Raises
    ------
    InputError
        A model without likelihood, a contig that the FASTA lacks, a record beyond its end, or REF
        that differs from it.
    """
    torch.set_num_threads(threads)
    generator, shapes, _ = load_sequence_generator(model)
    if not generator.has_likelihood:
        raise InputError(
            model,
            f"the generator '{generator.name}' has no likelihood",
            expected="transformer, context_mixing or markov",
        )
    size = window or int(shapes["length"].max())
    reference, score, tally = Reference(fasta), scorers(generator), _Tally()
    field = (
        f'##INFO=<ID={FIELD},Number=A,Type=Float,Description="Log-likelihood ratio of ALT against '
        f"REF in a window of {size} bases, natural logarithm, mean of both strands, generator "
        f'{generator.name}">'
    )
    reports = [report] if report is not None else []
    with (
        open_vcf_text(vcf) as source,
        write_vcf_text(out, source, [field], reference.lengths, reports) as (target, parts),
    ):
        _stream(source, target, reference, score, size, tally)
        result = _agreement(tally, generator.name)
        for part in parts:
            part.write_text(json.dumps({"window": size, **result}, indent=2) + "\n")
    log.info(
        "%s: %d records, %d alleles scored, %d not (symbolic alleles, no bases)",
        out.name,
        tally.records,
        tally.scored,
        tally.skipped,
    )
    for name, correlation in result["spearman"].items():
        log.info(
            "Spearman with the allele frequency, %s: %.4f [%.4f, %.4f]",
            name,
            correlation["value"],
            correlation["low"],
            correlation["high"],
        )


def _stream(
    source: VcfText, target: VcfTextWriter, reference: Reference, score, size: int, tally: _Tally
) -> None:
    """Records in batches: read, score, write."""
    waiting, alleles, started, said = [], 0, time.monotonic(), time.monotonic()
    for row in source.rows():
        tally.records += 1
        windows = _windows(row, source.path, reference, size)
        waiting.append((row, windows))
        alleles += 0 if windows is None else len(windows)
        if alleles >= BATCH or len(waiting) >= MOST_WAITING:
            _write(waiting, target, score, tally)
            waiting, alleles = [], 0
        if time.monotonic() - said > EVERY_S:
            said = time.monotonic()
            log.info(
                "scoring: %d records, %.1f a second",
                tally.records,
                tally.records / (said - started),
            )
    _write(waiting, target, score, tally)


def _windows(row: Row, path: Path, reference: Reference, size: int) -> np.ndarray | None:
    """Windows of REF and of each ALT, or None where an allele is no text of bases."""
    alleles, contig, ref = row.alleles, row.cells[0], row.cells[3]
    end = reference.lengths.get(contig)
    if end is not None and row.position - 1 + len(ref) > end:
        raise InputError(
            path,
            f"{row.place} lies beyond the end of {contig}, which has {end} bases in "
            f"{reference.path}",
            expected="records within it",
            remedy="use the FASTA of the same build",
        )
    if len(alleles) < 2 or any(
        not allele or set(allele.upper()) - set("ACGTN") for allele in alleles
    ):
        return None
    reference.check_contig(contig, path)
    if reference.compare(contig, row.position, ref) == "mismatch":
        raise InputError(
            path,
            f"{row.place}: REF is {ref}",
            expected=f"the bases of {reference.path}",
            remedy="use the same build",
        )
    longest = max(map(len, alleles))
    if longest >= size:
        return None
    flank = (size - len(ref)) // 2
    start = row.position - 1
    before = reference.fetch(contig, max(0, start - flank), start)
    after = reference.fetch(contig, start + len(ref), start + len(ref) + size)
    return allele_windows(before[-(size - longest) :], alleles, after, size)


def _write(waiting: list, target: VcfTextWriter, score, tally: _Tally) -> None:
    blocks = [windows for _, windows in waiting if windows is not None]
    scores = iter(
        np.split(
            allele_scores(score, np.concatenate(blocks)), np.cumsum([len(b) for b in blocks])[:-1]
        )
        if blocks
        else []
    )
    for row, windows in waiting:
        row.set_info(FIELD, None)  # of a former run
        if windows is None:
            tally.skipped += len(row.alleles) - 1
        else:
            found = next(scores)
            ratios = found[1:] - found[:1]  # (n_alts, 1 + baselines)
            row.set_info(FIELD, ",".join(f"{x:.5f}" for x in ratios[:, 0].tolist()))
            tally.scored += len(ratios)
            for ratio, frequency in zip(ratios, _frequencies(row), strict=False):
                tally.scores.append(ratio)
                tally.frequency.append(frequency)
        target.write(row)


def _frequencies(row: Row) -> list[float]:
    """Frequency of each alternate allele, or nothing where the record does not tell."""
    n, info = len(row.alleles) - 1, row.info
    try:
        if "AF" in info:
            found = [float(v) for v in info["AF"].split(",")]
        elif "AC" in info and "AN" in info:
            found = [int(v) / int(info["AN"]) for v in info["AC"].split(",")]
        else:
            called = row.genotypes()
            found = [called.count(i + 1) / len(called) for i in range(n)]
    except (ValueError, ZeroDivisionError):
        return []
    return found if len(found) == n and all(0 <= v <= 1 for v in found) else []


def _agreement(tally: _Tally, name: str) -> dict:
    """Spearman correlations of the scores with the frequency; none with fewer than three known, or
    without variety.
    """
    result = {
        "records": tally.records,
        "alleles_scored": tally.scored,
        "alleles_with_frequency": len(tally.frequency),
        "spearman": {},
    }
    frequency = np.array(tally.frequency)
    if len(frequency) < 3 or np.ptp(frequency) == 0:
        return result
    scores = np.array(tally.scores)
    rng = np.random.default_rng(derive_seed(1, "score bootstrap"))
    drawn = rng.integers(0, len(frequency), (RESAMPLES, len(frequency)))
    for column, word in enumerate(
        (name, *(f"chain:{b}" if b != "kmer6" else b for b in BASELINES))
    ):
        values = scores[:, column]
        resampled = [spearmanr(values[rows], frequency[rows]).statistic for rows in drawn]
        low, high = np.nanquantile(resampled, [0.025, 0.975])
        correlation = {
            "value": float(spearmanr(values, frequency).statistic),
            "low": float(low),
            "high": float(high),
        }
        result["spearman"][word] = correlation
    return result
