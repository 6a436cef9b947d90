"""Filled-in alleles against the exact conditional distribution, by listing all haplotypes of a tiny
panel.
"""

import itertools

import numpy as np
import pytest
import torch

from genoloom.models.haplotype.base import TrainingHaplotypes
from genoloom.models.haplotype.imputation import HaplotypeImputer
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions


def trained(folder, n_variants, steps=60, **options):
    """A model of haplotypes that copy four founders with mutations."""
    rng = np.random.default_rng(1)
    founders = rng.integers(0, 2, (4, n_variants))
    alleles = (founders[rng.integers(0, 4, 60)] ^ (rng.random((60, n_variants)) < 0.03)).astype(
        np.int8
    )
    data = TrainingHaplotypes(
        ArrayHaplotypes(np.ascontiguousarray(alleles.T)), np.zeros(60, int), ["A"],
        np.arange(n_variants), np.arange(n_variants) * 1e-3,
        np.arange(60) < 6,
    )  # fmt: skip
    tiny = {
        "block_size": 4,
        "context": 4,
        "vocabulary_size": 6,
        "width": 16,
        "layers": 2,
        "heads": 2,
        "batch": 8,
        "patience": None,
    }
    generator = TransformerGenerator(
        TransformerOptions(**{**tiny, "steps": steps, "evaluate_every": 50, **options})
    )
    generator.fit(data, TrainingRun(state_dir=folder, digest="d", seed=3, label="test"))
    return generator, founders


def finish(generator, rows, seeds, particles):
    """Imputations of rows (n, n_variants), stacked."""
    source = ArrayHaplotypes(np.ascontiguousarray(rows.T))
    done = list(generator.impute(source, np.zeros(len(rows), int), row_seeds(1, seeds), particles))
    return [
        np.concatenate([getattr(part, name) for part in done])
        for name in ("alleles", "mean", "log_likelihood")
    ]


@pytest.fixture(scope="module")
def twelve_sites(tmp_path_factory):
    generator, _ = trained(tmp_path_factory.mktemp("twelve"), 12)
    with torch.no_grad():  # frequent mutations and crossovers: more than a few haplotypes matter
        generator.model.error_logit.add_(2)
        generator.model.crossover.fill_(-0.5)
    everything = np.array(list(itertools.product([0, 1], repeat=12)), dtype=np.int8)
    log_likelihood = generator.log_likelihood(
        ArrayHaplotypes(np.ascontiguousarray(everything.T)), np.zeros(4096, dtype=int)
    )
    return generator, everything, np.exp(log_likelihood)


@pytest.mark.parametrize(
    "missing", [[0, 1, 2, 3, 4, 5], [1, 4, 7, 10], [6, 7, 8, 9, 10, 11], list(range(12))]
)
def test_means_draws_and_evidence_are_those_of_the_model(twelve_sites, missing):
    generator, everything, chance = twelve_sites
    row = everything[2741].copy()
    given = np.setdiff1d(np.arange(12), missing)
    agrees = (everything[:, given] == row[given]).all(axis=1)
    posterior = np.where(agrees, chance, 0) / chance[agrees].sum()
    row[missing] = -1
    # 40 runs of 64 particles
    alleles, mean, evidence = finish(
        generator, np.tile(row, (40, 1)), [str(i) for i in range(40)], 64
    )
    np.testing.assert_array_equal(alleles[:, given], np.tile(row[given], (40, 1)))
    np.testing.assert_allclose(mean.mean(axis=0), posterior @ everything, atol=0.03)
    assert np.logaddexp.reduce(evidence) - np.log(40) == pytest.approx(
        np.log(chance[agrees].sum()), abs=0.05
    )
    assert (np.abs(alleles.mean(axis=0) - posterior @ everything) < 4.5 * np.sqrt(0.25 / 40)).all()


def test_draws_follow_the_joint_conditional_distribution(twelve_sites):
    generator, everything, chance = twelve_sites
    row = everything[2741].copy()
    row[:6] = -1
    agrees = (everything[:, 6:] == row[6:]).all(axis=1)
    posterior = chance[agrees] / chance[agrees].sum()  # over the 64 beginnings, in order
    n = 800
    alleles, _, _ = finish(generator, np.tile(row, (n, 1)), [str(i) for i in range(n)], 32)
    observed = np.bincount(alleles[:, :6].astype(int) @ (1 << np.arange(5, -1, -1)), minlength=64)
    frequent = n * posterior > 5
    expected = n * np.append(posterior[frequent], posterior[~frequent].sum())
    found = np.append(observed[frequent], observed[~frequent].sum())
    chi2 = ((found - expected) ** 2 / expected).sum()
    assert chi2 < frequent.sum() + 4.5 * np.sqrt(2 * frequent.sum())


def test_nothing_missing_is_the_likelihood(twelve_sites):
    generator, everything, chance = twelve_sites
    alleles, mean, evidence = finish(generator, everything[:20], [str(i) for i in range(20)], 8)
    np.testing.assert_array_equal(alleles, everything[:20])
    np.testing.assert_array_equal(mean, everything[:20])
    np.testing.assert_allclose(evidence, np.log(chance[:20]), atol=1e-4)


def test_the_same_row_is_completed_alike_in_any_company(tmp_path):
    generator, founders = trained(tmp_path, 45, steps=20)
    rows = np.where(
        np.random.default_rng(2).random((19, 45)) < 0.5, -1, founders[np.arange(19) % 4]
    ).astype(np.int8)
    names = [str(i) for i in range(19)]
    together = finish(generator, rows, names, 16)
    alone = finish(generator, rows[17:18], names[17:18], 16)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a[17:18], b)


def test_masked_sites_are_found_again_across_windows(tmp_path):
    generator, founders = trained(tmp_path, 64, steps=250)
    rng = np.random.default_rng(4)
    truth = founders[rng.integers(0, 4, 40)].astype(np.int8)
    rows = np.where(rng.random(truth.shape) < 0.6, -1, truth).astype(np.int8)
    alleles, mean, _ = finish(generator, rows, [str(i) for i in range(40)], 16)
    gaps = rows < 0
    frequency = np.broadcast_to(founders.mean(axis=0), truth.shape)
    assert ((mean - truth)[gaps] ** 2).mean() < 0.2 * ((frequency - truth)[gaps] ** 2).mean()
    # draws carry the mutations that the training rows have
    assert (alleles == truth)[gaps].mean() > 0.9


def test_particles_must_fit(twelve_sites):
    generator = twelve_sites[0]
    with pytest.raises(ValueError, match="12 particles do not divide"):
        HaplotypeImputer(generator.model, generator.tokenizer, generator.options, 12)
