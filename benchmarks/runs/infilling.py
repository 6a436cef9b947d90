"""Filling gaps of sequences: what reading the right side first gains, and what it costs.

    python -m benchmarks infilling --steps 300 --gaps 30

Trains the sequence transformer twice for the same number of steps, without and with `fim_rate`, on
80 % of the human TATA promoters (clusters of shared 20-mers stay on one side), and fills gaps in
held-out ones: 20 and 50 bases, one per sequence, at a random place with at least 50 bases on both
sides, given all before it and the `flank` after it, as `genoloom sequences infill` does.

Rows by `what`: bits per base of whole held-out sequences; bits per base of the true filling, left
to right, with the lookahead of the chain but nothing learned, and given both sides, with the
difference to the first and its standard error; then, of `--gaps` sequences, candidates proposed
from the left side and given both: the median and the mean effective number of candidates, and the
identity with the true filling, expected of one candidate as proposed and of the one that is kept.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.datasets import make_sequences
from benchmarks.options import add_shared
from benchmarks.runner import Case
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence.fill_in_the_middle import suffix_of
from genoloom.models.sequence.infill import weighed_candidates
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.models.sequence.transformer_training import base_log_probabilities, tokens_before
from genoloom.sequence_config import InfillOptions, SequenceTransformerOptions
from genoloom.sequences import SequenceSet
from genoloom.stages.train_sequences import train_sequences
from genoloom.training_config import TrainOptions

SIZES, MARGIN = (20, 50), 50
COLUMNS = (
    "fim_rate gap what bits difference difference_se effective effective_mean proposed kept "
    "kept_se cpu_s"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, seeds="1", steps=300)
    parser.add_argument(
        "--fim-rate", type=float, default=0.5, help="share of the steps of the second model"
    )
    parser.add_argument("--gaps", type=int, default=30, help="gaps of each size that are filled")
    parser.add_argument("--candidates", type=int, default=32, help="for each gap")


def measure(case: Case) -> Iterator[dict]:
    torch.set_num_threads(1)
    out = case.arguments.work / "sequences" / "infilling"
    _, holdout = make_sequences("tata", case.arguments.data, out)
    for rate in (0.0, case.arguments.fim_rate):
        started = time.process_time()
        model = trained(rate, case, out)
        spent = time.process_time() - started
        whole = model.log_likelihood(
            holdout.bases, holdout.length, np.zeros(len(holdout), dtype=np.int64)
        )
        found = float(-whole.sum() / np.log(2) / holdout.length.sum())
        told = {"fim_rate": rate}
        yield told | {"what": "whole sequences", "bits": found, "cpu_s": spent}
        for size in SIZES:
            told["gap"] = size
            yield from (told | row for row in likelihoods(model, holdout, size))
            yield from (told | row for row in candidates(model, holdout, size, case.arguments))


def trained(rate: float, case: Case, out: Path) -> TransformerGenerator:
    steps, path = case.arguments.steps, out / f"{rate}.{case.seed}.safetensors"
    every = max(1, steps // 6)
    train_sequences(
        generator="transformer", train=out / "train.fa.gz", model=path,
        history=path.with_suffix(".history.tsv"),
        state=out / "state" / f"{rate}.{case.seed}.{steps}", common=TrainOptions(device="cpu"),
        options=SequenceTransformerOptions(steps=steps, evaluate_every=every, fim_rate=rate),
        seed=case.seed, threads=1,
    )  # fmt: skip
    return load_sequence_generator(path)[0]


def starts(holdout: SequenceSet, size: int) -> np.ndarray:
    """Where the gap of each sequence begins: the same places for every model."""
    longest = holdout.length - size - 2 * MARGIN + 1
    return MARGIN + (np.random.default_rng(size).random(len(holdout)) * longest).astype(int)


def sides(
    holdout: SequenceSet, row: int, start: int, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left side, true filling and right side."""
    bases, stop = holdout.bases[row], start + size
    end = min(stop + InfillOptions().flank, holdout.length[row])
    return bases[:start], bases[start:stop], bases[stop:end]


def likelihoods(model: TransformerGenerator, holdout: SequenceSet, size: int) -> Iterator[dict]:
    places = enumerate(starts(holdout, size))
    found = np.array([true_filling(model, *sides(holdout, i, s, size)) for i, s in places])
    bits = -found / size / np.log(2)
    names = ("left to right", "with lookahead", "given both sides")
    for name, x in zip(names, bits.T, strict=False):
        apart = x - bits[:, 0]
        row = {"what": name, "bits": float(x.mean()), "difference": float(apart.mean())}
        yield row | {"difference_se": float(apart.std() / len(x) ** 0.5)}


@torch.no_grad()
def true_filling(
    model: TransformerGenerator, prefix: np.ndarray, middle: np.ndarray, suffix: np.ndarray
) -> list[float]:
    """Natural-log probability of the filling: left to right, with the lookahead alone and, where
    the model can, given both sides.
    """
    bases, nobody = np.concatenate([prefix, middle])[None], np.zeros(1, dtype=np.int64)
    forecast, seen = (
        torch.from_numpy(x.astype(np.float32)) for x in model.mixture.forecast_bases(bases, nobody)
    )
    logits = model.model(tokens_before(bases), forecast, seen, torch.from_numpy(nobody))
    after = suffix_of(model.mixture, bases, suffix[None], nobody, bases.shape[1], "cpu")
    targets = torch.from_numpy(bases.astype(np.int64))[..., None]
    chances = (x.log_softmax(-1).gather(-1, targets) for x in (logits, logits + after.lookahead))
    found = [x[0, len(prefix) :].sum().item() for x in chances]
    if model.samples_infill:
        both = base_log_probabilities(
            model.model, model.mixture, bases, nobody, nobody, "cpu", suffix[None]
        )
        found.append(both[0, len(prefix) :].sum().item())
    return found


def candidates(
    model: TransformerGenerator, holdout: SequenceSet, size: int, arguments: argparse.Namespace
) -> Iterator[dict]:
    rows = np.random.default_rng(1).permutation(len(holdout))[: arguments.gaps]
    for both_sides in (False, True) if model.samples_infill else (False,):
        started, effective, proposed, kept = time.process_time(), [], [], []
        for row, start in zip(rows, starts(holdout, size)[rows], strict=True):
            prefix, middle, suffix = sides(holdout, row, start, size)
            rng = np.random.default_rng([1, row])
            seeds = rng.integers(0, 2**63, arguments.candidates, dtype=np.uint64)
            synthetic, log_weight = weighed_candidates(
                model, prefix, size, suffix, 0, seeds, both_sides
            )
            weight = np.exp(log_weight - log_weight.max())
            identity = (synthetic == middle).mean(axis=1)
            effective.append(weight.sum() ** 2 / (weight**2).sum())
            proposed.append(identity.mean())
            kept.append((weight * identity).sum() / weight.sum())
        side = "given both sides" if both_sides else "from the left side"
        yield {
            "what": f"candidates {side}", "effective": float(np.median(effective)),
            "effective_mean": float(np.mean(effective)), "proposed": float(np.mean(proposed)),
            "kept": float(np.mean(kept)), "kept_se": float(np.std(kept) / len(kept) ** 0.5),
            "cpu_s": (time.process_time() - started) / len(rows),
        }  # fmt: skip
