"""Does reading the right side first help to fill gaps, and what does it cost? Human TATA promoters,
models by the package's own stages.

    python benchmarks/infilling.py --steps 300 --gaps 30

Trains the sequence transformer twice for the same number of steps, without and with `fim_rate`, on
80 % of the promoters (clusters of shared 20-mers stay on one side), and fills gaps in held-out
ones: 20 and 50 bases, one a sequence, at a random place with at least 50 bases on both sides, given
all before it and the `flank` after it, as `genoloom sequences infill` does.

Lines: bits per base of whole held-out sequences; bits per base of the true filling of every
held-out sequence, left to right, left to right with the lookahead of the chain but nothing learned,
and given both sides; then, of `--gaps` sequences, candidates proposed from the left side and given
both: the median and the mean effective number of candidates, and the identity with the true
filling, expected of one candidate as proposed and of the one that is kept, with its standard error
over gaps.
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np
import torch

from genoloom.formats.sequence_sets import read_set
from genoloom.models.sequence.fill_in_the_middle import read_right
from genoloom.models.sequence.infill import weighed_candidates
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.models.sequence.transformer_training import base_log_probabilities, tokens_before
from genoloom.sequence_config import InfillOptions, SequenceOptions, SequenceTransformerOptions
from genoloom.sequences import SequenceSet
from genoloom.stages.load import load_sequence_generator
from genoloom.stages.prepare_sequences import prepare_sequences
from genoloom.stages.train_sequences import train_sequences
from genoloom.training_config import TrainOptions

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "sequences/human_TATA_promoters_300bp.txt"
SIZES, MARGIN = (20, 50), 50


def main() -> None:
    arguments = parse()
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        format="%(asctime)s %(message)s",
    )
    torch.set_num_threads(1)
    options = SequenceOptions(holdout=0.2, shared_kmer=20, stranded=True)
    prepare_sequences(
        source=arguments.data / SOURCE, regions=None, out=arguments.out, options=options, seed=1
    )
    holdout = read_set(arguments.out / "holdout.fa.gz")
    for infill in (0.0, arguments.infill):
        model = trained(infill, arguments)
        known = np.zeros(len(holdout), dtype=np.int64)
        whole = model.log_likelihood(holdout.bases, holdout.length, known)
        print(f"  held-out bits per base {-whole.sum() / np.log(2) / holdout.length.sum():.4f}")
        for size in SIZES:
            print_likelihoods(model, holdout, size)
            print_candidates(model, holdout, size, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300, help="optimiser steps of each model")
    parser.add_argument(
        "--infill", type=float, default=0.5, help="share of the steps of the second model"
    )
    parser.add_argument("--gaps", type=int, default=30, help="gaps of each size that are filled")
    parser.add_argument("--candidates", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1, help="of training")
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="development data"
    )
    parser.add_argument("--out", type=Path, default=Path("results/bench-infilling"))
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def trained(infill: float, arguments: argparse.Namespace) -> TransformerGenerator:
    steps, path = arguments.steps, arguments.out / f"{infill}.{arguments.seed}.safetensors"
    options = SequenceTransformerOptions(
        steps=steps, evaluate_every=max(1, steps // 6), fim_rate=infill
    )
    started = time.process_time()
    train_sequences(
        generator="transformer", train=arguments.out / "train.fa.gz", model=path,
        history=path.with_suffix(".history.tsv"),
        state=arguments.out / "state" / f"{infill}.{arguments.seed}.{steps}",
        common=TrainOptions(device="cpu"), options=options,
        seed=arguments.seed, threads=1,
    )  # fmt: skip
    print(
        f"infill {infill}, {steps} steps: {time.process_time() - started:.0f} CPU seconds of "
        "training",
        flush=True,
    )
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
    return (
        bases[:start],
        bases[start:stop],
        bases[stop : min(stop + InfillOptions().flank, holdout.length[row])],
    )


def print_likelihoods(model: TransformerGenerator, holdout: SequenceSet, size: int) -> None:
    found = np.array(
        [
            true_filling(model, *sides(holdout, i, s, size))
            for i, s in enumerate(starts(holdout, size))
        ]
    )
    bits = -found / size / np.log(2)
    names = ("left to right", "with lookahead", "given both sides")
    print(
        f"  gaps of {size}: bits per base of the true filling "
        + ", ".join(
            f"{name} {x.mean():.4f} ({(x - bits[:, 0]).mean():+.4f} +- "
            f"{(x - bits[:, 0]).std() / len(x) ** 0.5:.4f})"
            for name, x in zip(names, bits.T, strict=False)
        ),
        flush=True,
    )


@torch.no_grad()
def true_filling(
    model: TransformerGenerator, left: np.ndarray, middle: np.ndarray, right: np.ndarray
) -> list[float]:
    """Natural-log probability of the filling: left to right, with the lookahead alone and, where
    the model can, given both sides.
    """
    bases, nobody = np.concatenate([left, middle])[None], np.zeros(1, dtype=np.int64)
    forecast, seen = (
        torch.from_numpy(x.astype(np.float32)) for x in model.ladder.read(bases, nobody)
    )
    logits = model.model(tokens_before(bases), forecast, seen, torch.from_numpy(nobody))
    looked = (
        logits
        + read_right(model.ladder, bases, right[None], nobody, bases.shape[1], "cpu").lookahead
    )
    truth = torch.from_numpy(bases.astype(np.int64))[..., None]
    found = [
        x.log_softmax(-1).gather(-1, truth)[0, len(left) :].sum().item() for x in (logits, looked)
    ]
    if model.samples_between:
        both = base_log_probabilities(
            model.model, model.ladder, bases, nobody, nobody, "cpu", right[None]
        )
        found.append(both[0, len(left) :].sum().item())
    return found


def print_candidates(
    model: TransformerGenerator, holdout: SequenceSet, size: int, arguments: argparse.Namespace
) -> None:
    rows = np.random.default_rng(1).permutation(len(holdout))[: arguments.gaps]
    for between in (False, True) if model.samples_between else (False,):
        started, effective, proposed, kept = time.process_time(), [], [], []
        for row, start in zip(rows, starts(holdout, size)[rows], strict=True):
            left, middle, right = sides(holdout, row, start, size)
            seeds = np.random.default_rng([1, row]).integers(
                0, 2**63, arguments.candidates, dtype=np.uint64
            )
            made, log_weight = weighed_candidates(model, left, size, right, 0, seeds, between)
            weight = np.exp(log_weight - log_weight.max())
            identity = (made == middle).mean(axis=1)
            effective.append(weight.sum() ** 2 / (weight**2).sum())
            proposed.append(identity.mean())
            kept.append((weight * identity).sum() / weight.sum())
        word = "given both sides" if between else "from the left side"
        seconds = (time.process_time() - started) / len(rows)
        print(
            f"    candidates {word}: effective {np.median(effective):.1f} (mean "
            f"{np.mean(effective):.1f}) of {arguments.candidates}; identity as proposed "
            f"{np.mean(proposed):.3f}, kept {np.mean(kept):.3f} +- "
            f"{np.std(kept) / len(kept) ** 0.5:.3f}; {seconds:.1f} CPU seconds per gap",
            flush=True,
        )


if __name__ == "__main__":
    main()
