"""Filling gaps: the exact conditional distribution of a small chain, and files."""

from itertools import product

import numpy as np
import pytest

from genoloom.errors import InputError
from genoloom.formats.sequence_sets import read_records, write_fasta, write_set
from genoloom.models.sequence.base import TrainingSequences
from genoloom.models.sequence.infill import fill_gap
from genoloom.models.sequence.markov import MarkovGenerator
from genoloom.sequence_config import (
    InfillOptions,
    SequenceContextMixingOptions,
    SequenceMarkovOptions,
)
from genoloom.sequences import SequenceSet, decode
from genoloom.stages.infill import infill
from genoloom.stages.train_sequences import train_sequences
from genoloom.training.run import TrainingRun
from genoloom.training_config import TrainOptions


def steps(rng, n: int = 300, T: int = 40) -> np.ndarray:
    """Each base is mostly the next one in ACGTACGT..."""
    bases = np.empty((n, T), dtype=np.uint8)
    bases[:, 0] = rng.integers(0, 4, n)
    for t in range(1, T):
        bases[:, t] = np.where(
            rng.random(n) < 0.7, (bases[:, t - 1] + 1) % 4, rng.integers(0, 4, n)
        )
    return bases


def test_gaps_follow_the_conditional_distribution(tmp_path):
    bases, n = steps(np.random.default_rng(1)), 300
    nothing = np.zeros(n, dtype=int)
    data = TrainingSequences(
        bases, np.full(n, 40), nothing, [""], np.arange(n) % 4 == 0, np.arange(n), False
    )
    generator = MarkovGenerator(SequenceMarkovOptions(max_order=2))
    generator.fit(data, TrainingRun(tmp_path, "d", 1))
    prefix, suffix = np.array([0, 1], dtype=np.uint8), np.array([0, 1, 2], dtype=np.uint8)
    every = np.array(list(product(range(4), repeat=2)), dtype=np.uint8)
    whole = np.concatenate([np.tile(prefix, (16, 1)), every, np.tile(suffix, (16, 1))], axis=1)
    exact = np.exp(generator.log_likelihood(whole, np.full(16, 7), np.zeros(16, dtype=int)))
    exact /= exact.sum()
    rng = np.random.default_rng(2)
    found = np.zeros(16)
    for _ in range(400):
        seeds = rng.integers(0, 2**63, 40, dtype=np.uint64)
        middle, effective = fill_gap(generator, prefix, 2, suffix, 0, seeds, rng.random())
        assert 1 <= effective <= 40
        found[middle[0] * 4 + middle[1]] += 1 / 400
    # total variation; sampling noise alone is about 0.06
    assert np.abs(found - exact).sum() / 2 < 0.12
    unaware = np.zeros(16)
    for _ in range(400):
        middle, _ = fill_gap(
            generator, prefix, 2, suffix[:0], 0, rng.integers(0, 2**63, 1, dtype=np.uint64), 0.0
        )
        unaware[middle[0] * 4 + middle[1]] += 1 / 400
    # without the right side it is another distribution
    assert np.abs(unaware - exact).sum() / 2 > 0.2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("infill")
    bases = steps(np.random.default_rng(3))
    names = [f"s{i}" for i in range(len(bases))]
    write_set(
        folder / "train.fa",
        SequenceSet(names, bases, np.full(300, 40), [""] * 300, np.arange(300), False),
    )
    train_sequences(
        generator="context_mixing", train=folder / "train.fa", model=folder / "a.safetensors",
        history=folder / "h.tsv",
        state=folder / "state", common=TrainOptions(),
        options=SequenceContextMixingOptions(max_order=3),
        seed=1, threads=1,
    )  # fmt: skip
    return folder / "a.safetensors"


def test_runs_of_n_are_filled_in_lower_case_and_nothing_else_changes(model, tmp_path):
    text = decode(steps(np.random.default_rng(4), 1)[0])
    gapped = "NN" + text[2:10] + "NNN" + text[13:30] + "N" * 20 + text[30:]
    write_fasta(tmp_path / "in.fa", [("one", gapped), ("two", text)])
    for name in ("a", "b"):
        infill(
            model=model, fasta=tmp_path / "in.fa", out=tmp_path / f"{name}.fa",
            options=InfillOptions(max_gap=10, candidates=20),
            seed=1, threads=1,
        )  # fmt: skip
    lines = (tmp_path / "a.fa").read_text().split(">")
    filled = "".join(lines[1].splitlines()[1:])
    assert len(filled) == len(gapped)
    assert filled[:2].islower()
    assert filled[10:13].islower()
    assert filled[30:50] == "N" * 20
    assert all(a == b for a, b in zip(filled, gapped, strict=True) if b != "N")
    assert "".join(lines[2].splitlines()[1:]) == text
    assert (tmp_path / "a.fa").read_bytes() == (tmp_path / "b.fa").read_bytes()
    assert [r.name for r in read_records(tmp_path / "a.fa")] == ["one", "two"]


def test_an_unknown_label_is_refused(model, tmp_path):
    write_fasta(tmp_path / "in.fa", [("one", "ACNGT")])
    with pytest.raises(InputError, match="'x' is not known"):
        infill(
            model=model,
            fasta=tmp_path / "in.fa",
            out=tmp_path / "o.fa",
            options=InfillOptions(label="x"),
            seed=1,
            threads=1,
        )
