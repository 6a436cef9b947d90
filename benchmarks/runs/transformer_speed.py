"""Speed of the haplotype transformer: sampling, scoring and training, and its memory.

    python -m benchmarks transformer_speed --variants 65536 --haplotypes 256
    python -m benchmarks transformer_speed --variants 16384 --haplotypes 128 --compare-threads 2
    python -m benchmarks transformer_speed --models copying_network/20.safetensors

The network has random weights and tokens: speed depends on sizes alone. Alleles per second are of
processor time, so that other work on the machine matters little. `--compare-threads` adds what a
step of training takes by the clock, with one thread and with this many, in float32 and with
products in bfloat16; this needs a machine with nothing else to do. `--models` times the sampling of
trained models instead (the best of three).
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.runner import Case, peak_memory, sampling_speed
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.models.haplotype.transformer_training import TransformerTraining
from genoloom.panel import ArrayHaplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions

COLUMNS = "what variants haplotypes threads precision alleles_s seconds memory_gb"
TRAINING_STEPS = 10
ROUNDS = 5  # of the four combinations of threads and precision, in turn
BLOCK = 32  # sites, as are chosen where sites are linked


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--variants", type=int, default=65536, help="sites")
    parser.add_argument("--haplotypes", type=int, default=256, help="that are sampled")
    parser.add_argument("--width", type=int, default=64, help="of the network")
    parser.add_argument("--layers", type=int, default=3, help="of the network")
    parser.add_argument("--compare-threads", type=int, help="time steps with one and this many")
    parser.add_argument("--models", type=Path, nargs="+", help="time trained models instead")


def measure(case: Case) -> Iterator[dict]:
    torch.set_num_threads(1)
    given = case.arguments
    for model in given.models or []:
        speed = max(sampling_speed(model) for _ in range(3))
        yield {"what": f"sampling, {model.parent.name}", "alleles_s": 1e6 * speed}
    if given.models:
        return
    sizes = {"variants": given.variants, "haplotypes": given.haplotypes, "threads": 1}
    rng, n = np.random.default_rng(1), given.haplotypes
    generator = untrained(given.variants, given.width, given.layers, rng)
    request = SampleRequest(np.arange(n) % 2, rng.integers(0, 2**60, n).astype(np.uint64))
    started = time.process_time()
    synthetic = np.concatenate(list(generator.sample(request)))
    yield {"what": "sampling"} | sizes | speed_of(synthetic.size, started)
    started = time.process_time()
    generator.log_likelihood(ArrayHaplotypes(synthetic), request.population)
    yield {"what": "scoring"} | sizes | speed_of(synthetic.size, started)
    data = TrainingHaplotypes(
        ArrayHaplotypes(synthetic), request.population, ["a", "b"], np.arange(len(synthetic)),
        np.arange(len(synthetic)) * 1e-3, np.arange(n) < 16,
    )  # fmt: skip
    run = TrainingRun(state_dir=None, digest="", seed=1)
    options = generator.options
    training = TransformerTraining(generator.model, data, options, run)
    started = time.process_time()
    for step in range(TRAINING_STEPS):
        training.train_step(step, 0.5)
    seen = min(options.context, -(-given.variants // BLOCK)) * BLOCK
    yield {"what": "training"} | sizes | speed_of(TRAINING_STEPS * options.batch * seen, started)
    if given.compare_threads:
        yield from compared_steps(training, given.compare_threads)


def untrained(
    n_variants: int, width: int, layers: int, rng: np.random.Generator
) -> TransformerGenerator:
    """A transformer of two populations with random weights and tokens."""
    options = TransformerOptions(block_size=BLOCK, width=width, layers=layers)
    generator = TransformerGenerator(options)
    generator.population_names, generator.n_variants = ["a", "b"], n_variants
    generator.site_mapping = np.arange(n_variants)
    shape = -(-n_variants // BLOCK), options.vocabulary_size
    tokens = (rng.random((*shape, BLOCK)) < 0.1).astype(np.int8)
    count = rng.integers(2, 50, shape)
    errors = np.full((shape[0], BLOCK), 1e-3, np.float32)
    generator.tokenizer = BlockTokenizer(n_variants, tokens, count, errors)
    generator._build()
    generator.model.eval()
    return generator


def speed_of(alleles: int, started: float) -> dict:
    """Cells of what was done since a processor time."""
    spent = time.process_time() - started
    return {"alleles_s": alleles / spent, "seconds": spent, "memory_gb": peak_memory()}


def compared_steps(training: TransformerTraining, threads: int) -> Iterator[dict]:
    """Seconds of a training step by number of threads and precision: medians over rounds that take
    turns.
    """
    taken: dict[tuple[int, str], list[float]] = {
        (t, p): [] for t in (1, threads) for p in ("float32", "bfloat16")
    }
    for _ in range(ROUNDS):
        for (t, precision), seconds in taken.items():
            torch.set_num_threads(t)
            started = time.perf_counter()
            for step in range(TRAINING_STEPS):
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
                    training.train_step(step, 0.5)
            seconds.append((time.perf_counter() - started) / TRAINING_STEPS)
    for (t, precision), seconds in taken.items():
        told = {"what": "a step of training, by the clock", "threads": t, "precision": precision}
        yield told | {"seconds": float(np.median(seconds))}
