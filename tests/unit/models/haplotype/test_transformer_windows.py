"""Transformers of windows as one: where contigs are cut, and that no border can be seen."""

import itertools
import json

import numpy as np
import pytest
from helpers import founder_mosaic, make_sites
from tiny_models import write_model

from genoloom.errors import InputError
from genoloom.formats.models import describe, pack_sites
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.models.haplotype.transformer_windows import WindowedTransformer, mean_history
from genoloom.models.haplotype.windows import Window, cut
from genoloom.models.load import load_generator
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions

SMALL = {
    "block_size": 8, "context": 8, "vocabulary_size": 16, "layers": 1, "heads": 2, "width": 32,
    "batch": 32, "evaluate_every": 100, "patience": None,
}  # fmt: skip
SITES, WINDOW = 192, 64


def make_data(alleles: np.ndarray) -> TrainingHaplotypes:
    n, rows = alleles.shape
    return TrainingHaplotypes(
        ArrayHaplotypes(alleles), np.zeros(rows, dtype=np.int64), ["A"],
        100 * np.arange(n) + 1, 1e-4 * np.arange(n), np.arange(rows) < rows // 5,
    )  # fmt: skip


def run_in(folder, **more) -> TrainingRun:
    return TrainingRun(state_dir=folder, digest="d", seed=3, label="test", **more)


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """A model of three windows, and what it was trained on: strong linkage everywhere."""
    rng = np.random.default_rng(1)
    pool = rng.integers(0, 2, (SITES, 6))  # all sites are common
    jumps = rng.random((SITES, 300)) < 0.01
    source = rng.integers(0, 6, (SITES, 300))
    for site in range(1, SITES):
        source[site] = np.where(jumps[site], source[site], source[site - 1])
    alleles = np.take_along_axis(pool, source, axis=1).astype(np.int8)
    generator = WindowedTransformer(
        TransformerOptions(**SMALL, window=WINDOW, steps=150, temperature=1.0)
    )
    generator.fit(make_data(alleles), run_in(tmp_path_factory.mktemp("linked")))
    return generator, alleles


def draw(generator, n: int) -> np.ndarray:
    names = [f"S{i}" for i in range(n)]
    request = SampleRequest(np.zeros(n, dtype=np.int64), row_seeds(7, names, "20"))
    return np.concatenate(list(generator.sample(request)))


def test_windows_overlap_in_whole_blocks_and_follow_each_other():
    options = TransformerOptions(window=1000, overlap=100)
    windows = cut(1e-4 * np.arange(5200), options)
    assert [w.first for w in windows] == [0, 1040, 2080, 3120, 4160]
    assert {w.overlap for w in windows[1:]} == {128}
    assert all(a.stop == b.first for a, b in itertools.pairwise(windows))
    assert cut(1e-4 * np.arange(1499), options) == [Window(0, 0, 1499)]
    assert cut(np.arange(10**5), TransformerOptions()) == [Window(0, 0, 10**5)]


def test_windows_end_where_recombination_is_frequent():
    map_cm = 1e-4 * np.arange(4000)
    map_cm[2100:] += 1.0  # a hotspot near the middle
    [_, second] = cut(map_cm, TransformerOptions(window=2000))
    assert abs(second.first - 2100) <= 8


def test_linkage_across_a_border_is_linkage_within(linked):
    """r between sites eight apart, synthetic against training: the error at the pairs that span a
    border is that of the others.
    """
    generator, alleles = linked
    made = draw(generator, 1000)
    wanted, found = (
        np.array([np.corrcoef(rows[i], rows[i + 8])[0, 1] for i in range(SITES - 8)])
        for rows in (alleles, made)
    )
    windows = generator.windows
    borders = [w.first for w in windows[1:]]
    assert len(borders) == 2
    spans = np.zeros(SITES - 8, dtype=bool)
    for border in borders:
        spans[border - 8 : border] = True
    known = np.isfinite(wanted) & np.isfinite(found)
    error = np.abs(wanted - found)
    within, across = error[known & ~spans], error[known & spans]
    assert len(across) >= 10
    assert across.mean() < within.mean() + 3 * within.std() / np.sqrt(len(across))
    # where haplotypes are independent across borders, the error is several times as large
    rng = np.random.default_rng(1)
    apart = np.concatenate([rng.permutation(made[w.first : w.stop], axis=1) for w in windows])
    broken = np.array([np.corrcoef(apart[i], apart[i + 8])[0, 1] for i in range(SITES - 8)])
    assert np.abs(wanted - broken)[known & spans].mean() > 2 * across.mean()


def test_the_likelihood_of_windows_sums_to_one(tmp_path):
    data = make_data(founder_mosaic(12, 40, np.random.default_rng(2), founders=4))
    options = TransformerOptions(
        **{**SMALL, "block_size": 4, "context": 4}, steps=20, overlap=4, temperature=1.0
    )
    # fewer sites than a configuration may ask for
    generator = WindowedTransformer(options.model_copy(update={"window": 6}))
    generator.fit(data, run_in(tmp_path))
    assert [w.overlap for w in generator.windows] == [0, 4]
    everything = np.array(list(itertools.product([0, 1], repeat=12)), dtype=np.int8).T
    found = generator.log_likelihood(ArrayHaplotypes(everything), np.zeros(4096, dtype=np.int64))
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)


def test_one_window_is_a_plain_transformer(tmp_path):
    data = make_data(founder_mosaic(64, 60, np.random.default_rng(3)))
    options = TransformerOptions(**SMALL, steps=10, window=64)
    windowed, plain = WindowedTransformer(options), TransformerGenerator(options)
    runs = [run_in(tmp_path / name) for name in "ab"]
    windowed.fit(data, runs[0])
    plain.fit(data, runs[1])
    (arrays, words), (its_arrays, its_words) = windowed.state(), plain.state()
    assert words == its_words
    assert arrays.keys() == its_arrays.keys()
    assert all((arrays[name] == its_arrays[name]).all() for name in arrays)
    np.testing.assert_array_equal(draw(windowed, 9), draw(plain, 9))


def test_windows_trained_by_jobs_of_their_own_give_the_same_model(tmp_path, monkeypatch):
    """In any order; the training of the contig only puts them together."""
    data = make_data(founder_mosaic(128, 60, np.random.default_rng(3)))
    options = TransformerOptions(**SMALL, steps=10, window=64)
    alone, jobs = WindowedTransformer(options), WindowedTransformer(options)
    alone.fit(data, run_in(tmp_path / "alone"))
    for number in (1, 0):
        WindowedTransformer(options).fit_window(data, run_in(tmp_path / "jobs"), number)
    monkeypatch.setattr(
        "genoloom.models.haplotype.transformer_training.TransformerTraining.train_step",
        lambda *_: pytest.fail("trained again"),
    )
    run = run_in(tmp_path / "jobs")
    jobs.fit(data, run)
    (arrays, words), (its_arrays, its_words) = alone.state(), jobs.state()
    assert words == its_words
    assert all((arrays[name] == its_arrays[name]).all() for name in arrays)
    assert [row["step"] for row in run.history] == [0, 20]


def test_a_model_of_windows_survives_its_file_and_is_checked(linked, tmp_path):
    generator, alleles = linked
    arrays, words = generator.state()
    again = WindowedTransformer.from_state(arrays, json.loads(json.dumps(words)))
    np.testing.assert_array_equal(draw(generator, 5), draw(again, 5))
    switches = list(
        again.switch_log_odds(ArrayHaplotypes(alleles[:, :8]), np.zeros(8, dtype=np.int64))
    )
    assert [place for place, _ in switches] == list(range(8, SITES, 8))

    with pytest.raises(InputError, match="windows"):
        next(again.impute(ArrayHaplotypes(alleles), np.zeros(400), np.zeros(400), 4))


def test_the_file_of_windows_is_checked(linked, tmp_path):
    arrays, words = linked[0].state()
    more = {"contig": "20", "contig_length": 10**6, "seed": 1}
    arrays, words = arrays | pack_sites(make_sites(SITES)), describe(
        "haplotypes", "transformer", words, **more
    )  # fmt: skip
    write_model(tmp_path / "m.safetensors", arrays, words)
    assert len(load_generator(tmp_path / "m.safetensors")[0].parts) == 3

    def refused(arrays: dict, words: dict, why: str):
        write_model(tmp_path / "x.safetensors", arrays, words)
        with pytest.raises(InputError, match=why):
            load_generator(tmp_path / "x.safetensors")

    fewer = {name: values for name, values in arrays.items() if name != "window2.tokenizer.count"}
    refused(fewer, words, "'window2.tokenizer.count' is missing")
    refused(arrays, {**words, "windows": words["windows"][:2]}, "must follow each other")
    moved = [*words["windows"][:1], {**words["windows"][1], "start": 1}, *words["windows"][2:]]
    refused(arrays, {**words, "windows": moved}, "whole blocks|as many sites")
    refused({**arrays, "window9.x": np.zeros(3)}, words, "do not belong")


def test_histories_are_averaged_by_sites():
    rows = mean_history(
        [[{"step": 0, "bits": 1.0}, {"step": 5, "bits": 0.5, "loss": 1.0}],
         [{"step": 0, "bits": 2.0}]],
        [1, 3],
    )  # fmt: skip
    assert rows == [
        {"step": 0, "bits": 1.75}, {"step": 5, "bits": 1.625, "loss": 1.0}
    ]  # fmt: skip
