"""Yardsticks of the field on two sets of real individuals, by the package's own statistics.

    python -m benchmarks yardsticks --seeds 1-10

chr20: individuals split in halves; 2,000 neighbouring SNPs of minor frequency >= 5 % from 1.00 Mb
on; synthetic haplotypes are mosaics of the training half (a switch with a stated chance at every
SNP) and independent sites; each is scored against the other half. 805: the genome-wide SNPs of the
artificial-genome papers, real individuals in halves. `expected` is what was published or measured
before.

    ld          correlation of r2 over all pairs of sites
    member      AUC of the distance to the nearest synthetic haplotype, training against others
    loss        AATS of the other half minus that of the training half (means of both halves)
    aats_holdout, aats_synthetic  both halves of AATS against the other half
    three       correlation of three-point moments at gaps of 1, 4, 16, 64, 256 sites
    pca         sliced Wasserstein distance on two components, in spreads of the first
"""

import argparse
from collections.abc import Iterator

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.known_generators import independent_sites
from benchmarks.options import add_shared
from benchmarks.runner import Case
from benchmarks.table import spread
from genoloom.panel import haplotype_columns
from genoloom.popgen.distances import aats_halves, hamming
from genoloom.popgen.linkage import r_squared, three_point
from genoloom.popgen.structure import Components, sliced_wasserstein
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.validation.mosaic import mosaic

COLUMNS = "generator metric value expected"
REGION = (1_000_000, 1_950_000)
SITES = 2000
SWITCHES = (0.001, 0.005, 0.02)
GAPS = (1, 4, 16, 64, 256)
# set, generator: metric and value of the page of yardsticks
EXPECTED = {
    ("chr20", "real"): {"ld": 0.979, "aats_holdout": 0.517, "aats_synthetic": 0.437},
    ("chr20", "mosaic 0.001"): {"ld": 0.960, "member": 0.700, "loss": 0.405},
    ("chr20", "mosaic 0.005"): {"ld": 0.923, "member": 0.571, "loss": 0.090},
    ("chr20", "mosaic 0.02"): {"ld": 0.737, "member": 0.549, "loss": 0.012},
    ("chr20", "independent"): {"ld": 0.001, "member": 0.499, "loss": 0.002},
    ("805", "real"): {"ld": 0.987, "three": 0.924, "pca": 0.045},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", nargs="+", choices=["chr20", "805"], default=["chr20", "805"])
    add_shared(parser, seeds="1-10")


def measure(case: Case) -> Iterator[dict]:
    panel, name = case.panel, case.set
    rng = np.random.default_rng(derive_seed(case.seed, "yardsticks", name))
    order = rng.permutation(len(panel.individuals))
    half = len(order) // 2
    if name == "chr20":
        inside = (panel.sites.position >= REGION[0]) & (panel.sites.position <= REGION[1])
        panel = panel.take_sites(inside)
    alleles = panel.haplotypes.read(0, len(panel.sites))
    if name == "chr20":
        frequency = alleles.mean(axis=1)
        alleles = alleles[(frequency >= 0.05) & (frequency <= 0.95)][:SITES]
    training, other = (
        alleles[:, haplotype_columns(rows)] for rows in (order[:half], order[half : 2 * half])
    )
    scored = {"real": training}
    if name == "chr20":
        for switch in SWITCHES:
            # sites one unit apart: the chance of a switch is the same at every SNP
            scored[f"mosaic {switch}"] = mosaic(
                training, np.arange(len(training)) * -np.log1p(-switch), 1.0, rng
            )
        scored["independent"] = independent_sites(training, rng)
    for generator, synthetic in scored.items():
        expected = EXPECTED.get((name, generator), {})
        for metric, value in _metrics(synthetic, training, other, name, rng).items():
            cells = {"generator": generator, "metric": metric, "value": value}
            yield cells | {"expected": expected.get(metric)}


def summary(rows: list[dict]) -> str:
    """Medians and ranges over seeds, as text."""
    keys = ["set", "generator", "metric"]
    return as_text(spread(rows, keys, ["value", "expected"]), [*keys, "rows", "value", "expected"])


def _metrics(
    synthetic: np.ndarray,
    training: np.ndarray,
    other: np.ndarray,
    name: str,
    rng: np.random.Generator,
) -> dict[str, float]:
    upper = np.triu_indices(len(synthetic), k=1)
    metrics = {"ld": float(np.corrcoef(r_squared(synthetic)[upper], r_squared(other)[upper])[0, 1])}
    if name == "805":
        moments = [
            [
                three_point(x, gap, np.ones((x.shape[1], 1), dtype=np.float32)).ravel()
                for gap in GAPS
            ]
            for x in (synthetic, other)
        ]
        metrics["three"] = float(np.corrcoef(*(np.concatenate(m) for m in moments))[0, 1])
        metrics["pca"] = _pca(synthetic, other, rng)
        return metrics
    within, to_other = hamming(synthetic, synthetic), hamming(other, synthetic)
    aats_holdout, aats_synthetic = aats_halves(hamming(other, other), within, to_other)
    metrics |= {"aats_holdout": aats_holdout, "aats_synthetic": aats_synthetic}
    if synthetic is not training:
        to_training = hamming(training, synthetic)
        nearest = np.concatenate([to_training.min(axis=1), to_other.min(axis=1)])
        metrics["member"] = float(roc_auc_score(np.repeat([1, 0], other.shape[1]), -nearest))
        known = np.mean(aats_halves(hamming(training, training), within, to_training))
        metrics["loss"] = float(np.mean([aats_holdout, aats_synthetic]) - known)
    return metrics


def _pca(synthetic: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> float:
    x = np.concatenate([other, synthetic], axis=1).astype(np.float32)
    n = other.shape[1]
    fitted = Components(x.T @ x, np.arange(n), 2)
    # scores have unit variance: back to their own units
    scale = np.sqrt(fitted.values / fitted.values[0])
    return sliced_wasserstein(
        fitted.scores * scale, fitted.project(n + np.arange(synthetic.shape[1])) * scale, rng
    )
