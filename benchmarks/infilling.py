"""Does reading the right side first help to fill gaps? Sequence transformers with and without it, on human TATA promoters.

    python benchmarks/infilling.py --steps 300

Two models are trained for the same number of steps, one with `infill: 0.5`; gaps are cut into held-out promoters. Columns: bits a
base of whole held-out sequences (what the shared steps cost); bits a base of the true filling, given the left side alone and given
both; of `--candidates` proposals, the median effective number, and the share of bases of the kept one that are the true ones.
The model without `infill` proposes from the left side alone; the other one is measured both ways.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
import torch

from genoloom.config import SequenceOptions, SequenceTransformerOptions, TrainOptions
from genoloom.formats.sequence_sets import read_set
from genoloom.models.sequence.infill import weighed_candidates
from genoloom.models.sequence.transformer import TransformerGenerator, base_log_probabilities
from genoloom.report.summary import as_text
from genoloom.seeds import derive_seed
from genoloom.stages.sequences import load_sequence_generator, prepare_sequences, train_sequences

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "sequences/human_TATA_promoters_300bp.txt"
SHARES, GAPS = (0.0, 0.5), (20, 50)
COLUMNS = ["infill", "proposal", "gap", "bits_whole", "bits_left", "bits_both", "effective", "identity"]


def main() -> int:
    arguments = _parse()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    out = arguments.out
    options = SequenceOptions(holdout=0.2, shared_kmer=20, reverse_complement=False)
    prepare_sequences(source=arguments.data / SOURCE, regions=None, out=out, options=options, seed=1)
    rows = []
    for share in SHARES:
        model = out / f"infill{share}.safetensors"
        settings = SequenceTransformerOptions(steps=arguments.steps, evaluate_every=max(1, arguments.steps // 5), infill=share)
        train_sequences(
            generator="transformer", train=out / "train.fa.gz", model=model, history=model.with_suffix(".history.tsv"),
            state=out / "state" / f"infill{share}.{arguments.steps}", common=TrainOptions(watch=0.1, device="cpu"), options=settings,
            seed=1, threads=1,
        )  # fmt: skip
        generator = load_sequence_generator(model)[0]
        holdout = read_set(out / "holdout.fa.gz").bases[: arguments.sequences]
        rows += [row for gap in GAPS for row in measure(generator, share, holdout, gap, arguments.candidates)]
    print(as_text(rows, COLUMNS))
    return 0


def measure(generator: TransformerGenerator, share: float, bases: np.ndarray, gap: int, candidates: int) -> list[dict]:
    """A row for each way of proposing; gaps stand at places drawn by a seed, with at least 20 bases on both sides."""
    n, T = bases.shape
    starts = np.random.default_rng(gap).integers(20, T - gap - 20, n)
    whole = -generator.log_likelihood(bases, np.full(n, T), np.full(n, -1)).sum() / bases.size / np.log(2)
    truth = {False: 0.0, True: 0.0}
    for row, start in zip(bases, starts, strict=True):
        for both in (False, True) if share else (False,):
            truth[both] -= gap_log_probability(generator, row, start, gap, both) / (n * gap) / np.log(2)
    found = []
    for between in (False, True) if share else (False,):
        effective, same = [], []
        for i, (row, start) in enumerate(zip(bases, starts, strict=True)):
            seeds = np.array([derive_seed(i, f"candidate {j}") for j in range(candidates)], dtype=np.uint64)
            left, middle, right = np.split(row, [start, start + gap])
            made, log_weight = weighed_candidates(generator, left, gap, right, -1, seeds, between)
            weight = np.exp(log_weight - log_weight.max())
            effective.append(weight.sum() ** 2 / (weight**2).sum())
            same.append(weight @ (made == middle).mean(axis=1) / weight.sum())
        found.append(
            {
                "infill": share, "proposal": "both sides" if between else "left side", "gap": gap, "bits_whole": f"{whole:.4f}",
                "bits_left": f"{truth[False]:.4f}", "bits_both": f"{truth[True]:.4f}" if share else "-",
                "effective": f"{np.median(effective):.1f} of {candidates}", "identity": f"{np.mean(same):.3f}",
            }
        )  # fmt: skip
    return found


@torch.no_grad()
def gap_log_probability(generator: TransformerGenerator, row: np.ndarray, start: int, gap: int, both: bool) -> float:
    """Natural logarithm of the probability of the true filling."""
    stop, label, part = start + gap, np.array([generator.model.unlabelled]), np.zeros(1, dtype=np.int64)
    right = row[None, stop:] if both else None
    found = base_log_probabilities(generator.model, generator.ladder, row[None, :stop], label, part, "cpu", right)
    return float(found[0, start:].double().sum())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--sequences", type=int, default=100, help="held-out sequences with a gap")
    parser.add_argument("--candidates", type=int, default=32)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="development data")
    parser.add_argument("--out", type=Path, default=Path("results/bench-infilling"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
