"""Phase realism by a phasing program: is the phase of synthetic individuals found again as well as
that of real ones?

Phase is taken from the synthetic individuals, the training individuals and half of the held-out
individuals, and a phaser restores it with the other half of the held-out individuals as its
reference panel. Haplotypes that do not behave like real ones are phased wrongly.
"""

import gzip
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cyvcf2 import VCF

from genoloom.panel import Panel, Sites, genetic_positions
from genoloom.validation.cohorts import Comparison, Group, halve, read_rows
from genoloom.validation.data import WHOLE
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.metric_table import Measured, level

log = logging.getLogger(__name__)

METRIC = level(MetricId.SWITCH_ERRORS, lambda d, g, part: float("nan"), phase=True)
RESAMPLES = 200


def switch_errors(haplotypes: np.ndarray, phased: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wrongly phased pairs of neighbouring heterozygous sites, and all such pairs, of each
    individual, int64 (n_individuals,) each.

    Parameters
    ----------
    haplotypes, phased : ndarray, int8, shape (n_variants, 2 * n_individuals)
        The same genotypes.
    """
    first, second = haplotypes[:, 0::2], haplotypes[:, 1::2]
    wrong, pairs = (np.zeros(first.shape[1], dtype=np.int64) for _ in range(2))
    for individual in range(first.shape[1]):
        heterozygous = np.flatnonzero(first[:, individual] != second[:, individual])
        turned = phased[heterozygous, 2 * individual] != first[heterozygous, individual]
        wrong[individual], pairs[individual] = (
            (turned[1:] != turned[:-1]).sum(),
            max(0, len(heterozygous) - 1),
        )
    return wrong, pairs


def measure_switch_errors(
    pairs: Sequence[tuple[Panel, Panel]], individuals: Comparison, seed: int
) -> Measured:
    """The share of wrongly phased pairs; nan, which is `not run`, where there is no phaser or it
    fails.

    Parameters
    ----------
    pairs : sequence of (Panel, Panel)
        Synthetic and real individuals of each contig, at the same sites.
    """
    nothing = Measured(
        METRIC, WHOLE, {Group.SYNTHETIC: np.nan, Group.TRAIN: np.nan}, np.nan, np.nan, np.empty(0)
    )
    if shutil.which("beagle") is None:
        log.warning("beagle is not found: switch errors after phasing anew are not run")
        return nothing
    rng = np.random.default_rng(seed)
    names = sorted(set(individuals.population))
    reference, holdout = halve(individuals.holdout, individuals.population, names, rng)
    groups = {
        Group.SYNTHETIC: halve(individuals.synthetic, individuals.population, names, rng)[0],
        Group.HOLDOUT: holdout,
    }
    groups[Group.TRAIN] = halve(individuals.train, individuals.population, names, rng)[0]
    shift = len(individuals.synthetic)
    found = {g: np.zeros((2, len(rows)), dtype=np.int64) for g, rows in groups.items()}
    for synthetic, real in pairs:
        kept = np.flatnonzero(np.diff(real.sites.position, prepend=-1) > 0)  # one site per position
        sites = real.sites.take(kept)
        known = read_rows(
            real, individuals.real_individuals[reference - shift], 0, len(real.sites)
        )[kept]
        for g, rows in groups.items():
            panel, index = (
                (synthetic, individuals.synthetic_individuals[rows])
                if g == Group.SYNTHETIC
                else (real, individuals.real_individuals[rows - shift])
            )
            haplotypes = read_rows(panel, index, 0, len(real.sites))[kept]
            phased = _phase(sites, haplotypes, known, seed)
            if phased is None:
                return nothing
            found[g] += switch_errors(haplotypes, phased)

    def rate(group: str, picks: np.ndarray) -> np.ndarray:
        wrong, places = found[group][:, picks].sum(axis=-1)
        return wrong / np.maximum(places, 1)

    rates = {g: float(rate(g, np.arange(len(rows)))) for g, rows in groups.items()}
    resampled = {
        g: rate(g, rng.integers(0, len(rows), (RESAMPLES, len(rows)))) for g, rows in groups.items()
    }
    # of real individuals, whatever the synthetic
    spread = float(
        np.hypot(resampled[Group.TRAIN].std(ddof=1), resampled[Group.HOLDOUT].std(ddof=1))
    )
    return Measured(
        METRIC,
        WHOLE,
        {g: rates[g] for g in (Group.SYNTHETIC, Group.TRAIN)},
        rates[Group.HOLDOUT],
        spread,
        np.empty(0),
    )


def _phase(
    sites: Sites, haplotypes: np.ndarray, reference: np.ndarray, seed: int
) -> np.ndarray | None:
    """Haplotypes of individuals whose phase is taken away, int8 of the shape of `haplotypes`; None
    where the phaser fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        unphased = np.sort(haplotypes.reshape(len(haplotypes), -1, 2), axis=2).reshape(
            haplotypes.shape
        )
        write_genotypes(place / "target.vcf.gz", sites, unphased, "/")
        write_genotypes(place / "reference.vcf.gz", sites, reference, "|")
        cm = np.maximum.accumulate(genetic_positions(sites))
        lines = (f"{sites.contig} . {c:.8f} {p}\n" for c, p in zip(cm, sites.position, strict=True))
        (place / "map").write_text("".join(lines))
        options = {
            "gt": "target.vcf.gz",
            "ref": "reference.vcf.gz",
            "map": "map",
            "out": "phased",
            "impute": "false",
            "nthreads": 1,
        }
        command = [
            "beagle",
            *(f"{key}={value}" for key, value in options.items()),
            f"seed={seed % 2**31}",
        ]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True)
        if done.returncode != 0 or not (place / "phased.vcf.gz").exists():
            log.warning(
                "beagle ended with exit code %d: switch errors after phasing anew are not run",
                done.returncode,
            )
            log.debug("%s", done.stderr)
            return None
        calls = [
            variant.genotype.array()[:, :2].ravel() for variant in VCF(str(place / "phased.vcf.gz"))
        ]
    phased = np.array(calls, dtype=np.int8)
    return phased if phased.shape == haplotypes.shape else None


def write_genotypes(path: Path, sites: Sites, alleles: np.ndarray, separator: str) -> None:
    """A small VCF of nameless individuals for the phaser.

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, 2 * n_individuals)
        0 or 1.
    separator : str
        "/" where phase is not given, "|" where it is.
    """
    calls = np.array([f"{a}{separator}{b}" for a in (0, 1) for b in (0, 1)])
    names = "\t".join(
        f"{'target' if separator == '/' else 'reference'}{i}" for i in range(alleles.shape[1] // 2)
    )
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.write(f"##fileformat=VCFv4.2\n##contig=<ID={sites.contig}>\n")
        out.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        out.write(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n")
        for i, (position, ref, alt) in enumerate(sites.keys()):
            row = calls[2 * alleles[i, 0::2] + alleles[i, 1::2]]
            out.write(
                f"{sites.contig}\t{position}\t.\t{ref}\t{alt}\t.\tPASS\t.\tGT\t"
                + "\t".join(row)
                + "\n"
            )
