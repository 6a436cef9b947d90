"""Score the variants of a VCF with a sequence model, and say how well the scores agree with allele frequencies."""

import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pysam
import torch
from scipy.stats import spearmanr

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.reference import Reference
from genoloom.formats.variants import check_complete
from genoloom.models.sequence.scoring import BASELINES, allele_scores, allele_windows, scorers
from genoloom.seeds import derive_seed
from genoloom.stages.sequences import load_sequence_generator

log = logging.getLogger(__name__)

FIELD = "GLLR"
BATCH = 32  # alleles scored together
RESAMPLES = 500
EVERY_S = 30.0  # seconds between lines of progress


@dataclass
class _Tally:
    """What was scored, and the scores beside the allele frequencies that are known."""

    records: int = 0
    scored: int = 0
    skipped: int = 0
    scores: list[np.ndarray] = field(default_factory=list)
    frequency: list[float] = field(default_factory=list)


def score_variants(
    *, model: Path, vcf: Path, fasta: Path, out: Path, report: Path | None, window: int | None, threads: int
) -> None:
    """Write the VCF again with the log-likelihood ratio of each alternate allele in INFO/GLLR; records stream through.

    Parameters
    ----------
    model : Path
        A model with a likelihood.
    vcf : Path
        VCF or BCF; need not be sorted or indexed.
    out : Path
        .vcf, .vcf.gz (bgzip, with .tbi where the records are sorted) or .bcf.
    report : Path, optional
        JSON: Spearman correlation of the scores with the allele frequency (INFO/AF, else AC/AN, else the genotypes), with a
        95 % bootstrap interval over variants, beside those of the baselines of `genoloom.models.sequence.scoring`.
    window : int, optional
        Bases around a variant; the longest training length by default.

    Raises
    ------
    InputError
        A model without likelihood, a contig that the FASTA lacks, or REF that differs from it.
    """
    torch.set_num_threads(threads)
    generator, shapes, _ = load_sequence_generator(model)
    if not generator.has_likelihood:
        raise InputError(model, f"the generator '{generator.name}' has no likelihood", expected="transformer, adaptive or markov")
    size = window or int(shapes["length"].max())
    check_complete(vcf)
    reference, score, tally = Reference(fasta), scorers(generator), _Tally()
    with write_beside(out) as [part], pysam.VariantFile(str(vcf)) as source:
        header = source.header.copy()
        header.add_line(
            f'##INFO=<ID={FIELD},Number=A,Type=Float,Description="Log-likelihood ratio of ALT against REF in a window of {size} bases, '
            f'natural logarithm, mean of both strands, generator {generator.name}">'
        )
        with pysam.VariantFile(str(part), _mode(out), header=header) as target:
            _stream(source, target, vcf, reference, score, size, tally)
    if str(out).endswith(".gz"):
        pysam.tabix_index(str(out), preset="vcf", force=True)
    result = _agreement(tally, generator.name)
    log.info(
        "%s: %d records, %d alleles scored, %d not (symbolic alleles, no bases)",
        out.name,
        tally.records,
        tally.scored,
        tally.skipped,
    )
    for name, figure in result["spearman"].items():
        log.info(
            "Spearman with the allele frequency, %s: %.4f [%.4f, %.4f]", name, figure["value"], figure["low"], figure["high"]
        )
    if report is not None:
        with write_beside(report) as [part]:
            part.write_text(json.dumps({"window": size, **result}, indent=2) + "\n")


def _mode(out: Path) -> str:
    return "wb" if out.suffix == ".bcf" else "wz" if out.suffix == ".gz" else "w"


def _stream(source, target, path: Path, reference: Reference, score, size: int, tally: _Tally) -> None:
    """Records in batches: read, score, write."""
    waiting, started, said = [], time.monotonic(), time.monotonic()
    for record in source:
        tally.records += 1
        waiting.append((record, _windows(record, path, reference, size)))
        if sum(len(windows) for _, windows in waiting if windows is not None) >= BATCH:
            _write(waiting, target, score, tally)
            waiting = []
        if time.monotonic() - said > EVERY_S:
            said = time.monotonic()
            log.info("scoring: %d records, %.1f a second", tally.records, tally.records / (said - started))
    _write(waiting, target, score, tally)


def _windows(record, path: Path, reference: Reference, size: int) -> np.ndarray | None:
    """Windows of REF and of each ALT, or None where an allele is no text of bases."""
    alleles = record.alleles or ()
    if len(alleles) < 2 or any(set(allele.upper()) - set("ACGTN") for allele in alleles):
        return None
    place = f"{record.chrom}:{record.pos}"
    reference.check_contig(record.chrom, path)
    if reference.compare(record.chrom, record.pos, record.ref) == "mismatch":
        raise InputError(
            path, f"{place}: REF is {record.ref}", expected=f"the bases of {reference.path}", remedy="use the same build"
        )
    longest = max(map(len, alleles))
    if longest >= size:
        return None
    flank = (size - len(record.ref)) // 2
    start = record.pos - 1
    before = reference.fetch(record.chrom, max(0, start - flank), start)
    after = reference.fetch(record.chrom, start + len(record.ref), start + len(record.ref) + size)
    return allele_windows(before[-(size - longest) :], list(alleles), after, size)


def _write(waiting: list, target, score, tally: _Tally) -> None:
    blocks = [windows for _, windows in waiting if windows is not None]
    scores = iter(
        np.split(allele_scores(score, np.concatenate(blocks)), np.cumsum([len(b) for b in blocks])[:-1]) if blocks else []
    )
    for record, windows in waiting:
        record.translate(target.header)
        if windows is None:
            tally.skipped += max(len(record.alleles or ()) - 1, 0)
        else:
            found = next(scores)
            ratios = found[1:] - found[:1]  # (n_alts, 1 + baselines)
            record.info[FIELD] = [round(float(x), 5) for x in ratios[:, 0]]
            tally.scored += len(ratios)
            for ratio, frequency in zip(ratios, _frequencies(record), strict=False):
                tally.scores.append(ratio)
                tally.frequency.append(frequency)
        target.write(record)


def _frequencies(record) -> list[float]:
    """Frequency of each alternate allele, or nothing where the record does not tell."""
    n = len(record.alts)
    if "AF" in record.info:
        values = record.info["AF"]
        values = values if isinstance(values, tuple) else (values,)
        return [float(v) for v in values] if len(values) == n and None not in values else []
    if "AC" in record.info and "AN" in record.info:
        count, total = record.info["AC"], record.info["AN"]
        count = count if isinstance(count, tuple) else (count,)
        return [c / total for c in count] if total and len(count) == n else []
    called = [allele for sample in record.samples.values() for allele in sample.allele_indices or () if allele is not None]
    return [called.count(i + 1) / len(called) for i in range(n)] if called else []


def _agreement(tally: _Tally, name: str) -> dict:
    """Spearman correlations of the scores with the frequency; none with fewer than three known, or without variety."""
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
    for column, word in enumerate((name, *(f"chain:{b}" if b != "kmer6" else b for b in BASELINES))):
        values = scores[:, column]
        resampled = [spearmanr(values[rows], frequency[rows]).statistic for rows in drawn]
        low, high = np.nanquantile(resampled, [0.025, 0.975])
        figure = {"value": float(spearmanr(values, frequency).statistic), "low": float(low), "high": float(high)}
        result["spearman"][word] = figure
    return result
