"""10,000 SNPs of chr15 with published splits and metrics: likelihood, linkage, PCA, distances.

    python -m benchmarks published_10ksnp --splits split_8020 split_half --seeds 1-3
    python -m benchmarks published_10ksnp --keep --parts likelihood --every 5

As many haplotypes are drawn as train, in their mix of populations, and compared with all test
haplotypes; the row `real (training)` takes the training haplotypes as if they were drawn. Columns,
all but pca_w as published for this set:

- bits: of the test haplotypes, per SNP, by the model's exact likelihood; SNPs that do not vary in
  the training part, and are not modelled, count as if 0.2 training haplotypes more varied;
- ld_error: mean over 20 bins of distance, of equal width in its logarithm, of the absolute
  difference of the mean r2 in a bin; SNPs that vary in training, test and synthetic rows;
- pca_w: squared Wasserstein distance of the scores on the first two principal components of the
  test rows, in units of the largest squared distance (not quite what was published);
- within_w, between_w: Wasserstein distance of the distribution of Hamming distances between
  synthetic rows, and between synthetic and test rows, to that between test rows.
"""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from benchmarks.datasets import SETS
from benchmarks.options import add_shared, options_of
from benchmarks.runner import REAL, Case, train_model
from genoloom.config import PrepareOptions
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table, write_table
from genoloom.models.haplotype import GENERATORS
from genoloom.models.haplotype.base import SampleRequest
from genoloom.models.load import load_generator
from genoloom.panel import HaplotypeView
from genoloom.popgen.distances import hamming
from genoloom.seeds import row_seeds
from genoloom.stages.prepare import prepare
from genoloom.training_config import TrainSections

COLUMNS = "split generator bits ld_error pca_w within_w between_w train_cpu_s sample_M_s options"
PARTS = ("likelihood", "draws", "real")
SPLITS = ("split_8020", "split_half")
BINS = 20
UNSEEN = 0.2  # training haplotypes that may carry what none of them does
SNPS_AT_ONCE = 1000  # rows of the matrix of r2


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["split_8020"])
    parser.add_argument("--generator", choices=GENERATORS, default="copying_network")
    add_shared(parser, set_option=[], seeds="1", steps=None)
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS,
        help="what to measure: bits, draws, and the training haplotypes taken as draws",
    )  # fmt: skip
    told = "take the model of an earlier run where there is one"
    parser.add_argument("--keep", action="store_true", help=told)
    parser.add_argument("--every", type=int, default=1, help="score every Nth test haplotype")


def measure(case: Case) -> Iterator[dict]:
    for split in case.arguments.splits:
        for row in _rows(case, split):
            yield {"split": split} | row


def _rows(case: Case, split: str) -> list[dict]:
    seed, arguments = case.seed, case.arguments
    work = arguments.work / "published_10ksnp"
    place = work / split / f"seed{seed}"
    prefix, table = work / SETS["chr15"].contig, place / "split.tsv"
    _make_panel(prefix, arguments.data)
    panel = open_panel(prefix)
    labels = read_table(arguments.data / SETS["chr15"].labels)
    roles = {row[SETS["chr15"].individual]: row[split] for row in labels}
    place.mkdir(parents=True, exist_ok=True)
    role = ["train" if roles[i] == "train" else "holdout" for i in panel.individuals.id]
    write_split(table, panel.individuals, role)
    options, text = options_of(arguments.generator, arguments)
    model = place / "model" / "model.safetensors"
    row = {"generator": arguments.generator, "options": text}
    if not (arguments.keep and model.exists()):
        common = TrainSections().common.model_copy(update={"min_mac": 1})
        started, whose = time.process_time(), {"panel": prefix, "split": table, "common": common}
        train_model(case, arguments.generator, options, place / "model", **whose)
        row["train_cpu_s"] = time.process_time() - started
    generator, sites, _ = load_generator(model)
    where = np.searchsorted(panel.sites.position, sites.position)
    train_rows = np.repeat([word == "train" for word in role], 2)
    names = generator.population_names
    population = np.repeat([names.index(p) for p in panel.individuals.population], 2)
    alleles = panel.haplotypes.read(0, len(panel.sites))
    real, test = alleles[:, train_rows], alleles[:, ~train_rows]
    if "likelihood" in arguments.parts:
        some = np.flatnonzero(~train_rows)[:: arguments.every]
        told = HaplotypeView(panel.haplotypes, haplotypes=some, variants=where)
        nats = -generator.log_likelihood(told, population[some]).mean()
        nats += _surprise(real, alleles[:, some], where)
        row["bits"] = float(nats / math.log(2) / len(panel.sites))
    compared = {}
    if "real" in arguments.parts and seed == arguments.seeds[0]:
        compared[REAL] = real
    if "draws" in arguments.parts:
        seeds = row_seeds(seed, [str(i) for i in range(train_rows.sum())])
        started = time.process_time()
        compared[arguments.generator] = synthetic = np.zeros_like(real)
        request = SampleRequest(population[train_rows], seeds)
        synthetic[where] = np.concatenate(list(generator.sample(request)))
        row["sample_M_s"] = synthetic.size / (time.process_time() - started) / 1e6
    kept = np.all([varies(x) for x in (real, test, *compared.values())], axis=0)
    rows = {arguments.generator: row}
    for name, x in compared.items():
        own = rows.setdefault(name, {"generator": name})
        own |= compare_rows(x, test, kept, panel.sites.position[kept])
    return list(rows.values())


def _make_panel(prefix: Path, data: Path) -> None:
    """All SNPs of the set, none left out."""
    if Path(f"{prefix}.summary.json").exists():
        return
    chosen = SETS["chr15"]
    individuals = prefix.with_name("samples.tsv")
    individuals.parent.mkdir(parents=True, exist_ok=True)
    columns = ["individual", "population"]
    labels = read_table(data / chosen.labels)
    write_table(individuals, columns, [r | {"individual": r[chosen.individual]} for r in labels])
    options = PrepareOptions(min_mac=0, overlapping="keep")
    prepare(
        variants=data / chosen.variants, contig=chosen.contig, out=prefix, options=options,
        samples=individuals,
        genetic_map=data / chosen.map, region=None,
    )  # fmt: skip


def _surprise(real: np.ndarray, test: np.ndarray, modelled: np.ndarray) -> float:
    """Nats per test haplotype at the SNPs that are not modelled."""
    others = np.setdiff1d(np.arange(len(real)), modelled)
    chance = UNSEEN / (real.shape[1] + 2 * UNSEEN)
    new = (test[others] != real[others, :1]).sum(axis=0).mean()
    return float(-new * math.log(chance) - (len(others) - new) * math.log1p(-chance))


def varies(alleles: np.ndarray) -> np.ndarray:
    """Which sites of alleles (n_sites, n) do; bool."""
    return alleles.min(axis=1) != alleles.max(axis=1)


def compare_rows(
    rows: np.ndarray, test: np.ndarray, kept: np.ndarray, position: np.ndarray
) -> dict:
    """How far rows, int8 (n_sites, n), are from test rows; `ld_error` at the sites `kept`, bool
    (n_sites,), whose positions (1-based, base pairs) are given.
    """
    within, between, own = (_pairs(x, y) for x, y in ((test, test), (rows, test), (rows, rows)))
    linkage = [_linkage(x[kept], position) for x in (rows, test)]
    return {
        "ld_error": float(np.nanmean(np.abs(linkage[0] - linkage[1]))),
        "pca_w": _plane(rows, test),
        "within_w": float(wasserstein_distance(within, own)),
        "between_w": float(wasserstein_distance(within, between)),
    }


def _pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    distances = hamming(a, b)
    return distances[np.triu_indices(len(distances), 1)] if a is b else distances.ravel()


def _linkage(alleles: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Mean r2 of pairs of SNPs by distance, float64 (BINS,)."""
    x = alleles.astype(np.float32)
    x -= x.mean(axis=1, keepdims=True)
    x /= np.sqrt((x**2).sum(axis=1, keepdims=True))
    edges = np.logspace(0, np.log10(np.ptp(position)), BINS + 1)
    total, count = np.zeros((2, BINS))
    for low in range(0, len(x), SNPS_AT_ONCE):
        r2 = (x[low : low + SNPS_AT_ONCE] @ x[low:].T) ** 2
        later = np.triu_indices(len(r2), 1, r2.shape[1])
        bins = np.digitize(position[low:][later[1]] - position[low:][later[0]], edges[1:-1])
        total += np.bincount(bins, r2[later], BINS)
        count += np.bincount(bins, minlength=BINS)
    return total / np.where(count > 0, count, np.nan)


def _plane(rows: np.ndarray, test: np.ndarray) -> float:
    """Squared 2-Wasserstein distance of the scores on the first two principal components of test
    rows, in units of the largest squared distance; as many rows of each.
    """
    a, b = test.T.astype(np.float32), rows.T.astype(np.float32)
    centre = a.mean(axis=0)
    axes = np.linalg.svd(a - centre, full_matrices=False)[2][:2].T
    scores = [(x - centre) @ axes for x in (a, b)]
    n = max(map(len, scores))
    cost = cdist(*(np.resize(x, (n, 2)) for x in scores), "sqeuclidean")
    return float(cost[linear_sum_assignment(cost)].mean() / cost.max())
