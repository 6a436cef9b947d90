"""Speed of the sequence transformer on random bases: training, cached and uncached sampling.

    python -m benchmarks sequence_speed --threads 1

The default network, with nothing learned; bases per second of processor time, in single precision
and in bfloat16; then training on windows of 512 to 8,192 bases, by bases per token. Uncached
sampling reads the whole past for every base: a few lengths are timed, the others interpolated.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.options import add_shared
from benchmarks.runner import Case
from genoloom.models.sequence.base import SequenceRequest, TrainingSequences
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.models.sequence.transformer_training import base_log_probabilities
from genoloom.sequence_config import SequenceTransformerOptions
from genoloom.training.run import TrainingRun

COLUMNS = "what precision kmer_size window rows bases_s"
SAMPLED, SAMPLED_ROWS, READ_ROWS = 1024, 256, 32
WINDOWS = (512, 2048, 8192)  # bases, that tokens of one and of six are timed on


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, threads=1)


def measure(case: Case) -> Iterator[dict]:
    torch.set_num_threads(case.arguments.threads)
    rows, nothing = SAMPLED_ROWS, np.zeros(SAMPLED_ROWS, dtype=np.int64)
    request = SequenceRequest(np.full(rows, SAMPLED), nothing, np.arange(rows, dtype=np.uint64))
    for precision, bf16 in (("float32", False), ("bfloat16", True)):
        model = untrained()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            found = {
                ("training", 256, 32): training_speed(model, 32, 256),
                ("sampling, cached", SAMPLED, rows): rows
                * SAMPLED
                / seconds(lambda model=model: model.sample(request), 1),
                ("sampling, uncached", SAMPLED, READ_ROWS): READ_ROWS
                * SAMPLED
                / uncached_seconds(model, READ_ROWS),
            }
        for (what, window, n), speed in found.items():
            told = {"what": what, "precision": precision, "kmer_size": 1}
            yield told | {"window": window, "rows": n, "bases_s": speed}
    for window in WINDOWS:
        n = max(1, 2 * max(WINDOWS) // window)
        for size in (1, 6):
            told = {"what": "training", "precision": "float32", "kmer_size": size}
            speed = training_speed(untrained(size), n, window)
            yield told | {"window": window, "rows": n, "bases_s": speed}


def untrained(kmer_size: int = 1) -> TransformerGenerator:
    """The default transformer, with nothing learned."""
    rows, length = 32, 256
    bases, nothing = random_bases(rows, length)
    data = TrainingSequences(
        bases,
        np.full(rows, length),
        nothing,
        [""],
        np.arange(rows) % 4 == 0,
        np.arange(rows),
        False,
    )
    options = SequenceTransformerOptions(steps=1, evaluate_every=1, kmer_size=kmer_size)
    model = TransformerGenerator(options)
    model.fit(data, TrainingRun(Path(tempfile.mkdtemp()), "", 1))
    return model


def random_bases(rows: int, length: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Bases, uint8 (rows, length), and a zero for each row."""
    bases = np.random.default_rng(seed).integers(0, 4, (rows, length)).astype(np.uint8)
    return bases, np.zeros(rows, dtype=np.int64)


def training_speed(model: TransformerGenerator, rows: int, window: int) -> float:
    """Bases per second of training steps; the weights change, the evaluation mode is as before."""
    bases, nothing = random_bases(rows, window)
    optimiser = torch.optim.AdamW(model.model.parameters())

    def step() -> None:
        found = base_log_probabilities(model.model, model.mixture, bases, nothing, nothing, "cpu")
        optimiser.zero_grad()
        (-found.mean()).backward()
        optimiser.step()

    model.model.train()
    spent = seconds(step, 3)
    model.model.eval()
    return rows * window / spent


@torch.no_grad()
def uncached_seconds(model: TransformerGenerator, rows: int) -> float:
    """CPU seconds of sampling without a cache."""
    lengths = np.linspace(1, SAMPLED, 5).astype(int)
    bases, nothing = random_bases(rows, SAMPLED, 2)

    def forward(n: int) -> None:
        base_log_probabilities(model.model, model.mixture, bases[:, :n], nothing, nothing, "cpu")

    cost = [seconds(lambda n=n: forward(n), 1) for n in lengths]
    return float(np.interp(np.arange(1, SAMPLED + 1), lengths, cost).sum())


def seconds(call, times: int) -> float:
    """Mean CPU seconds of a call, after one that is not counted."""
    call()
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times
