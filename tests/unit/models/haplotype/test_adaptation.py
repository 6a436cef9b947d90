"""A model of another panel as the start: sites are matched, probabilities stay probabilities, and a
small cohort gains.
"""

import itertools

import numpy as np
import pytest
from helpers import founder_mosaic, make_individuals, make_sites

from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.splits import write_split
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.site_mapping import MappedSites, match_sites
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.models.load import load_generator
from genoloom.panel import ArrayHaplotypes, Individuals
from genoloom.seeds import row_seeds
from genoloom.stages.train import train
from genoloom.training.run import TrainingRun
from genoloom.training_config import TrainOptions, TransformerOptions

TINY = {
    "block_size": 4,
    "context": 4,
    "vocabulary_size": 6,
    "width": 16,
    "layers": 2,
    "heads": 2,
    "batch": 8,
    "patience": None,
}


def data_of(alleles, names):
    """Training data of haplotypes (n_variants, n), populations in turn, the first tenth in the
    validation set.
    """
    n = alleles.shape[1]
    return TrainingHaplotypes(
        ArrayHaplotypes(alleles), np.arange(n) % len(names), names, np.arange(len(alleles)),
        np.arange(len(alleles)) * 1e-3,
        np.arange(n) < max(2, n // 10),
    )  # fmt: skip


def fitted(generator, data, folder):
    generator.fit(data, TrainingRun(state_dir=folder, digest=str(folder), seed=3, label="test"))
    return generator


def test_sites_are_matched_in_order():
    wanted = [(1, "A", "C"), (5, "A", "C"), (5, "A", "G"), (9, "A", "C"), (10, "T", "C")]
    known = [(1, "A", "C"), (5, "A", "G"), (5, "A", "C"), (10, "T", "C")]
    shared, place = match_sites(wanted, known)
    assert shared.tolist() == [0, 1, 4]
    assert place.tolist() == [0, 2, 3]
    assert match_sites(wanted[:1], known[1:])[0].shape == (0,)


def test_laid_out_variants_are_read_where_they_stand():
    parent = ArrayHaplotypes(np.arange(12, dtype=np.int8).reshape(4, 3))
    spread = MappedSites(parent, np.array([1, 2, 5, 8]), 10)
    whole = np.full((10, 3), -1)
    whole[[1, 2, 5, 8]] = parent.alleles
    for start, stop in ((0, 10), (1, 3), (2, 6), (3, 5), (9, 10)):
        np.testing.assert_array_equal(spread.read(start, stop), whole[start:stop])


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """Ten of 24 variants, in four of six blocks; blocks 1 and 3 hold none of them."""
    rng = np.random.default_rng(2)
    alleles = founder_mosaic(24, 60, rng, founders=5, switch=0.05)
    folder = tmp_path_factory.mktemp("adapted")
    base = fitted(
        TransformerGenerator(TransformerOptions(**TINY, steps=60, evaluate_every=20)),
        data_of(alleles, ["A", "B"]), folder / "base"
    )  # fmt: skip
    index = np.array([0, 1, 3, 8, 9, 10, 16, 19, 21, 23])
    generator = TransformerGenerator(
        TransformerOptions(steps=10, evaluate_every=5, batch=8, patience=None)
    )
    generator.start_from(base, index)
    return (
        fitted(generator, data_of(alleles[index][:, :20], ["B", "C"]), folder / "own"),
        base,
        index,
    )


def test_structure_is_that_of_the_base_and_populations_are_carried_by_name(adapted):
    generator, base, _ = adapted
    assert (generator.options.block_size, generator.options.width, generator.options.layers) == (
        4,
        16,
        2,
    )
    assert generator.tokenizer.n_blocks == 4
    np.testing.assert_array_equal(generator.tokenizer.alleles, base.tokenizer.alleles[[0, 2, 4, 5]])
    again = TransformerGenerator(TransformerOptions(steps=1, batch=8, learning_rate=1e-12))
    again.start_from(base, np.array([0, 1, 3]))
    table = again.start.populations
    np.testing.assert_array_equal(table["B"].numpy(), base.model.population[1].detach().numpy())
    assert set(table) == {"A", "B", ""}


def test_likelihood_of_an_adapted_model_sums_to_one_and_its_samples_follow_it(adapted):
    generator, _, index = adapted
    everything = np.array(list(itertools.product([0, 1], repeat=len(index))), dtype=np.int8)
    source = ArrayHaplotypes(np.ascontiguousarray(everything.T))
    chance = np.exp(generator.log_likelihood(source, np.zeros(len(everything), dtype=int)))
    assert chance.sum() == pytest.approx(1, abs=1e-5)
    n = 6000
    drawn = np.concatenate(
        list(
            generator.sample(
                SampleRequest(np.zeros(n, int), row_seeds(7, [str(i) for i in range(n)]))
            )
        )
    )
    assert drawn.shape == (len(index), n)
    observed = np.bincount((1 << np.arange(len(index) - 1, -1, -1)) @ drawn, minlength=len(chance))
    frequent = n * chance > 5
    expected = n * np.append(chance[frequent], chance[~frequent].sum())
    found = np.append(observed[frequent], observed[~frequent].sum())
    assert ((found - expected) ** 2 / expected).sum() < frequent.sum() + 4.5 * np.sqrt(
        2 * frequent.sum()
    )
    blocks = list(generator.block_log_likelihood(source, np.zeros(len(everything), dtype=int)))
    assert [(where.start, where.stop) for where, _ in blocks] == [(0, 3), (3, 6), (6, 8), (8, 10)]
    assert [
        variant
        for variant, _ in generator.switch_log_odds(source, np.zeros(len(everything), dtype=int))
    ] == [3, 6, 8]


def test_an_adapted_model_completes_and_round_trips(adapted):
    generator, _, index = adapted
    rows = np.random.default_rng(3).integers(0, 2, (len(index), 3)).astype(np.int8)
    rows[4:7] = -1
    again = TransformerGenerator.from_state(*generator.state())
    for model in (generator, again):
        [done] = model.impute(
            ArrayHaplotypes(rows), np.zeros(3, int), row_seeds(1, ["a", "b", "c"]), 8
        )
        assert done.alleles.shape == (3, len(index))
        np.testing.assert_array_equal(done.alleles.T[rows >= 0], rows[rows >= 0])
    np.testing.assert_array_equal(
        again.log_likelihood(ArrayHaplotypes(rows), np.zeros(3, int)),
        generator.log_likelihood(ArrayHaplotypes(rows), np.zeros(3, int))
    )  # fmt: skip


def test_a_small_cohort_gains_from_a_model_of_a_larger_one(tmp_path):
    """Twelve individuals of founders that two hundred others share, at half of the sites; through
    files.
    """
    rng = np.random.default_rng(5)
    alleles = founder_mosaic(256, 450, rng, founders=12, switch=0.02)
    big, small, holdout = alleles[:, :400], alleles[::2, 400:424], alleles[::2, 424:]
    sites = make_sites(256)
    options = {
        "width": 32,
        "layers": 2,
        "batch": 16,
        "block_size": 16,
        "vocabulary_size": 32,
        "context": 16,
        "patience": None,
    }
    for name, data, where in (("big", big, slice(None)), ("small", small, slice(None, None, 2))):
        individuals = Individuals(
            [f"{name}{i}" for i in range(data.shape[1] // 2)],
            [name] * (data.shape[1] // 2),
            ["unknown"] * (data.shape[1] // 2),
        )
        (tmp_path / name).mkdir()
        with PanelWriter(tmp_path / name / "20", individuals, "20", 10**6) as writer:
            writer.append(sites.take(where), data)
        write_split(tmp_path / name / "split.tsv", individuals, ["train"] * len(individuals))

    def run(panel, name, **more):
        train(
            generator="transformer", panel=tmp_path / panel / "20",
            split=tmp_path / panel / "split.tsv",
            model=tmp_path / f"{name}.safetensors", history=tmp_path / f"{name}.tsv",
            state=tmp_path / "state" / name,
            common=TrainOptions(), options=TransformerOptions(**options, **more), seed=1, threads=1,
        )  # fmt: skip
        generator, known, _ = load_generator(tmp_path / f"{name}.safetensors")
        at = [p // 200 for p in (known.position - 100).tolist()]
        scored = generator.log_likelihood(
            ArrayHaplotypes(holdout[at]), np.zeros(holdout.shape[1], dtype=int)
        )
        return -scored.mean() / len(at) / np.log(2) if panel == "small" else None

    run("big", "base", steps=150, evaluate_every=75)
    scratch = run("small", "scratch", steps=60, evaluate_every=20)
    adapted = run(
        "small",
        "adapted",
        steps=60,
        evaluate_every=20,
        init_from=str(tmp_path / "base.safetensors"),
    )
    assert adapted < 0.8 * scratch
    description = read_description(tmp_path / "adapted.safetensors", "haplotypes")
    assert str(tmp_path) not in (tmp_path / "adapted.json").read_text()
    assert len(description["adapted_from"]) == 64
    assert description["validation"]["bits"] > 0
    assert "seconds" not in description["validation"]


def test_what_cannot_be_adapted_is_said(tmp_path):
    alleles = founder_mosaic(64, 40, np.random.default_rng(1))
    individuals = make_individuals(20)
    with PanelWriter(tmp_path / "20", individuals, "20", 10**6) as writer:
        writer.append(make_sites(64), alleles)
    with PanelWriter(tmp_path / "other", individuals, "20", 10**6) as writer:
        writer.append(make_sites(64, gap=77), alleles)
    write_split(tmp_path / "split.tsv", individuals, ["train"] * 20)

    def run(panel, **options):
        train(
            generator="transformer", panel=tmp_path / panel, split=tmp_path / "split.tsv",
            model=tmp_path / f"{panel}.safetensors",
            history=tmp_path / "h.tsv", state=tmp_path / "state" / panel, common=TrainOptions(),
            options=TransformerOptions(**TINY, steps=1, **options), seed=1, threads=1,
        )  # fmt: skip

    run("20")
    with pytest.raises(InputError, match="knows none of the"):
        run("other", init_from=str(tmp_path / "{contig}.safetensors"))
    with pytest.raises(InputError, match="not found"):
        run("other", init_from=str(tmp_path / "none.safetensors"))
