"""What the adversarial part of the haplotype GAN adds: embeddings from its prior and from others.

    python -m benchmarks gan_embeddings --set demo --seeds 1-3
    python -m benchmarks gan_embeddings --set chr15 --steps 1500 --no-audit

Individuals are divided in halves. One token network is trained for each seed, and drawn from with
embeddings of the adversarial prior, of a normal distribution for each population, and of training
rows with noise; another one is trained without embeddings (all are noise alone). Each time the
temperature and the calibration are found anew. `ld_error` to `between_w` are as of
`published_10ksnp`, against the held-out individuals; `real (training)` are the training individuals
as if they were drawn. `critic_attack`: AUC of the critics' score of training against held-out
individuals.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from sklearn.metrics import roc_auc_score
from torch import nn

from benchmarks.options import add_shared, options_of
from benchmarks.runner import REAL, Case, judge_samples, variable_sites, write_panel
from benchmarks.runs.published_10ksnp import compare_rows, varies
from genoloom.models.haplotype import gan_training
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.gan import GanGenerator
from genoloom.models.haplotype.gan_prior import NOISE
from genoloom.models.haplotype.training_data import training_haplotypes
from genoloom.panel import ArrayHaplotypes, Individuals, Panel
from genoloom.seeds import derive_seed, row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import GanOptions, TrainSections

COLUMNS = (
    "embeddings sites temperature ld_error pca_w within_w between_w ld_r2 three_point distinct pca "
    "tstr aats_holdout aats_synthetic classifier worst_attack attack critic_attack train_cpu_s "
    "options"
)
ADVERSARIAL, NONE = "adversarial prior", "none: likelihood alone"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1", set_option=[], steps=None, n_permutations=2)
    parser.add_argument("--no-audit", action="store_true", help="neither validation nor attacks")


class Normal(nn.Module):
    """Embeddings of a normal distribution for each population, fitted to those of training rows,
    float (n, D), and their populations, int64 (n,).
    """

    def __init__(self, embedding: np.ndarray, population: np.ndarray):
        super().__init__()
        whole = np.cov(embedding.T)
        self.of = {}
        for p in np.unique(population):
            own = embedding[population == p]
            pooled = len(whole) / (len(whole) + len(own))  # as many rows as there are dimensions
            spread = pooled * whole + (1 - pooled) * np.cov(own.T)
            spread += NOISE**2 * np.eye(len(whole))
            self.of[p] = own.mean(axis=0), np.linalg.cholesky(spread)

    def forward(self, noise: torch.Tensor, population: torch.Tensor) -> torch.Tensor:
        found = np.empty(noise.shape, dtype=np.float32)
        for p, (mean, root) in self.of.items():
            own = population.numpy() == p
            found[own] = mean + noise.numpy()[own] @ root.T
        return torch.from_numpy(found)


class Rows(nn.Module):
    """Embeddings of training rows of the population, float (n, D) and int64 (n,), with noise."""

    def __init__(self, embedding: np.ndarray, population: np.ndarray):
        super().__init__()
        self.embedding, self.population = embedding, population

    def forward(self, noise: torch.Tensor, population: torch.Tensor) -> torch.Tensor:
        noise = noise.double().numpy().copy()
        found = np.empty_like(noise)
        for p in np.unique(population):
            own, rows = population.numpy() == p, self.embedding[self.population == p]
            # which row, and what that leaves of the first dimension as noise
            place = ndtr(noise[own, 0]) * len(rows)
            row = np.minimum(place.astype(int), len(rows) - 1)
            noise[own, 0] = ndtri(np.clip(place - row, 1e-4, 1 - 1e-4))
            found[own] = rows[row]
        return torch.from_numpy(found + NOISE * noise).float()


def measure(case: Case) -> Iterator[dict]:
    arguments, seed = case.arguments, case.seed
    train, held = (np.flatnonzero(case.roles == role) for role in ("train", "holdout"))
    sites = variable_sites(case.panel.take_individuals(train))
    panel = case.panel.take_sites(sites)
    trains, holdout = panel.take_individuals(train), panel.take_individuals(held)
    data = training_haplotypes(trains, TrainSections().common.validation_fraction, seed)
    options, text = options_of("gan", arguments)
    whole = [np.maximum(x.haplotypes.read(0, len(sites)), 0) for x in (trains, holdout)]
    codes = [data.population_names.index(p) for p in holdout.individuals.population]
    labels, position = [data.population, np.repeat(codes, 2)], panel.sites.position
    common = {"sites": len(sites), "options": text}

    def distances(alleles: np.ndarray) -> dict:
        kept = np.all([varies(x) for x in (*whole, alleles)], axis=0)
        return compare_rows(alleles, whole[1], kept, position[kept])

    yield {"embeddings": REAL} | common | distances(whole[0])
    for name, generator, seconds in _generators(case, options, data):
        seeds = row_seeds(seed, [str(i) for i in range(len(data.population))])
        request = SampleRequest(data.population, seeds)
        alleles = np.concatenate(list(generator.sample(request)))
        row = {"embeddings": name, "temperature": generator.options.temperature, **common}
        row |= {"train_cpu_s": seconds} | distances(alleles)
        if name == ADVERSARIAL:
            scores = [
                generator.critic_score(ArrayHaplotypes(x), p)
                for x, p in zip(whole, labels, strict=True)
            ]
            member = np.repeat([1, 0], [len(x) for x in scores])
            row["critic_attack"] = float(roc_auc_score(member, np.concatenate(scores)))
        if not arguments.no_audit:
            samples = case.place / "gan_embeddings" / name.split()[0] / case.prefix.name
            write_panel(Panel(panel.sites, _renamed(trains), ArrayHaplotypes(alleles)), samples)
            row |= judge_samples(case, name, samples, case.prefix, case.split)[-1]
        yield row


def _generators(
    case: Case, options: GanOptions, data: TrainingHaplotypes
) -> Iterator[tuple[str, GanGenerator, float]]:
    """Names of embeddings, generators that draw from them, and processor seconds of training."""
    fitted = ~data.validation
    population = data.population[fitted]
    with tempfile.TemporaryDirectory() as state:
        run = TrainingRun(Path(state) / "embeddings", "", derive_seed(case.seed, "gan"))
        generator, seconds = _fitted(options, data, run)
        yield ADVERSARIAL, generator, seconds
        tokens = generator.tokenizer.encode(data.haplotypes, np.flatnonzero(fitted))
        embedding = generator.network.embed(torch.from_numpy(tokens)).numpy()
        for name, prior in (("normal", Normal), ("training rows with noise", Rows)):
            other = copy.deepcopy(generator)
            other.options = generator.options.model_copy(
                update={"temperature": options.temperature}
            )
            other.network.prior = prior(embedding, population)
            other.settle(tokens, population, run)
            yield name, other, seconds
        run = replace(run, state_dir=Path(state) / "none")
        with patch.object(gan_training, "embedding_parts", _nothing):
            yield NONE, *_fitted(options, data, run)


def _fitted(
    options: GanOptions, data: TrainingHaplotypes, run: TrainingRun
) -> tuple[GanGenerator, float]:
    started = time.process_time()
    generator = GanGenerator(options)
    generator.fit(data, run)
    return generator, time.process_time() - started


def _nothing(tokenizer: BlockTokenizer, tokens: np.ndarray, dimensions: int, seed: int):
    return np.zeros((*tokenizer.alleles.shape[:2], dimensions), dtype=np.float32)


def _renamed(panel: Panel) -> Individuals:
    names = [f"S{i}" for i in range(len(panel.individuals))]
    return replace(panel.individuals, id=names)
