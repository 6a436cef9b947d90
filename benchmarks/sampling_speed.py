"""How fast the transformer samples, trains and scores on one thread, and how much memory it takes.

    python benchmarks/sampling_speed.py --variants 65536 --haplotypes 256
    python benchmarks/sampling_speed.py --variants 16384 --haplotypes 128 --threads 2
    python benchmarks/sampling_speed.py --models results/models/demo/copying_network/20.safetensors

The network has random weights and tokens: speed depends on sizes alone. Reports CPU seconds, so
that other work on the machine matters little, and the peak resident memory of the process.
`--threads` adds what a step of training takes by the clock, with one thread and with this many, in
float32 and with products in bfloat16; this needs a machine with nothing else to do.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch
from haplotypes import speed

from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.models.haplotype.transformer_training import TransformerTraining
from genoloom.panel import ArrayHaplotypes
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions

TRAINING_STEPS = 10
ROUNDS = 5  # of the four combinations of threads and precision, in turn
BLOCK = 32  # sites, as are chosen where sites are linked


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=int, default=65536)
    parser.add_argument("--haplotypes", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument(
        "--threads", type=int, help="time a step of training with one thread and with this many"
    )
    parser.add_argument("--models", type=Path, nargs="+", help="time trained models instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.models:
        for model in arguments.models:
            print(
                f"{model}: {max(speed(model) for _ in range(3)):.3f} M haplotype-variants per CPU "
                "second"
            )
        return
    rng = np.random.default_rng(1)
    options = TransformerOptions(block_size=BLOCK, width=arguments.width, layers=arguments.layers)
    generator = TransformerGenerator(options)
    generator.population_names, generator.n_variants = ["a", "b"], arguments.variants
    generator.layout = np.arange(arguments.variants)
    n_blocks, n = -(-arguments.variants // options.block_size), arguments.haplotypes
    tokens = (rng.random((n_blocks, options.vocabulary_size, options.block_size)) < 0.1).astype(
        np.int8
    )
    count = rng.integers(2, 50, (n_blocks, options.vocabulary_size))
    generator.tokenizer = BlockTokenizer(
        arguments.variants, tokens, count, np.full((n_blocks, options.block_size), 1e-3, np.float32)
    )
    generator._build()
    generator.model.eval()

    request = SampleRequest(np.arange(n) % 2, rng.integers(0, 2**60, n).astype(np.uint64))
    started = time.process_time()
    made = np.concatenate(list(generator.sample(request)))
    report("sampling", made.size, time.process_time() - started)
    started = time.process_time()
    generator.log_likelihood(ArrayHaplotypes(made), request.population)
    report("scoring", made.size, time.process_time() - started)
    data = TrainingHaplotypes(
        ArrayHaplotypes(made),
        request.population,
        ["a", "b"],
        np.arange(len(made)),
        np.arange(len(made)) * 1e-3,
        np.arange(n) < 16,
    )
    training = TransformerTraining(
        generator.model, data, options, TrainingRun(state_dir=None, digest="", seed=1)
    )
    started = time.process_time()
    for step in range(TRAINING_STEPS):
        training.train_step(step, 0.5)
    trained = TRAINING_STEPS * options.batch * min(options.context, n_blocks) * options.block_size
    report("training", trained, time.process_time() - started)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")
    if arguments.threads:
        compare_steps(training, arguments.threads)


def report(what: str, alleles: int, seconds: float) -> None:
    print(
        f"{what}: {alleles / seconds:.3g} haplotype-variants a CPU second ({alleles:.3g} in "
        f"{seconds:.1f} s)",
        flush=True,
    )


def compare_steps(training: TransformerTraining, threads: int) -> None:
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
        print(
            f"a step of training, {t} thread(s), {precision}: {np.median(seconds):.3f} s "
            f"({min(seconds):.3f} to {max(seconds):.3f})"
        )


if __name__ == "__main__":
    main()
