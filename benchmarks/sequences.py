"""How good are the sequence generators? Bits per base, classifiers and novelty on three real sets,
by the package's own stages.

    python benchmarks/sequences.py --set ecoli --set tata --set chr20 --seeds 1,2,3 --minutes 10

The sets: `ecoli`, 13,972 native regulatory sequences of 165 bp, and `ecoli-expression`, the same by
five bins of measured expression; `tata`, 2,929 human TATA promoters of 300 bp (both from the
development data, `--data`); `chr20`, windows of 512 bp of chr20:1-2 Mb (shipped), split by
contiguous chunks, and `chr20-long`, of 4,096 bp. Clusters of shared 20-mers (both strands) stay on
one side of the other two splits; 20 % is held out.

Columns: bits per base on held-out sequences of the best plain Markov chain (no position), the tuned
and the adaptive chain and the model; the difference to the adaptive chain with its 95 % bootstrap
interval over clusters; the same on the held-out sequences that share no 20-mer with training; AUC
of the two classifiers and identity with the nearest training sequence, next to what training
sequences score in place of the synthetic ones. Of `ecoli-expression`: the Spearman correlation of
the wanted bin with what an oracle of held-out sequences reads, its ceiling, and the same from GC
content alone, at several weights of guidance, and without the generator's reader of labels.
"""

import argparse
import logging
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from genoloom.errors import CollapsedError
from genoloom.formats.histories import read_history
from genoloom.formats.sequence_sets import read_set
from genoloom.homology import sharing_kmer
from genoloom.models.sequence import GENERATORS
from genoloom.models.sequence.base import SequenceRequest, TrainingSequences
from genoloom.models.sequence.markov import AdaptiveGenerator
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.models.sequence.transformer_training import base_log_probabilities
from genoloom.sequence_config import (
    GenerateSequencesOptions,
    SequenceAdaptiveOptions,
    SequenceOptions,
    SequenceTrainSections,
    SequenceTransformerOptions,
)
from genoloom.sequences import OTHER, SequenceSet
from genoloom.stages.generate_sequences import generate_sequences
from genoloom.stages.load import load_sequence_generator
from genoloom.stages.prepare_sequences import prepare_sequences
from genoloom.stages.train_sequences import train_sequences, training_sequences
from genoloom.training.run import TIMES, TrainingRun
from genoloom.training_config import TrainOptions
from genoloom.validation.label_fidelity import label_metrics
from genoloom.validation.sequence_classifier import cnn_auc
from genoloom.validation.sequence_measures import kmer_auc, nearest_identity

log = logging.getLogger("benchmark")

ROOT = Path(__file__).resolve().parent.parent
SHARED_KMER, HOLDOUT, VALIDATION_FRACTION = 20, 0.2, 0.1
RESAMPLES, ALIGNED = 1000, 300
ORIENTED = {"stranded": True}
ECOLI = "sequences/ecoli_mpra_165bp_expression.csv"
CHR20 = ROOT / "resources/demo/GRCh37.chr20_1-2Mb.fa.gz"
CHUNKS = {"split": "chunks", "max_leakage": 1.0}
SETS = {
    "ecoli": (ECOLI, ORIENTED),
    "ecoli-expression": (ECOLI, {**ORIENTED, "label_column": "expr"}),
    "tata": ("sequences/human_TATA_promoters_300bp.txt", ORIENTED),
    "chr20": (CHR20, {"window": 512, "stride": 512, **CHUNKS}),
    "chr20-long": (CHR20, {"window": 4096, "stride": 4096, **CHUNKS}),
}
SAMPLED, SAMPLED_ROWS, READ_ROWS = 1024, 256, 32
WINDOWS = (512, 2048, 8192)  # bases, that tokens of one and of six are timed on
EVALUATIONS = 20
PACE_STEPS = 30  # timed to find how many steps fit into the minutes
SECTIONS = SequenceTrainSections.model_fields


def main() -> None:
    arguments = parse()
    level = logging.INFO if arguments.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(message)s")
    if arguments.speed:
        print_speed(arguments.threads)
        return
    for name in arguments.set or ["ecoli", "tata", "chr20"]:
        benchmark(name, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--set",
        action="append",
        choices=list(SETS),
        help="repeat; ecoli, tata and chr20 by default",
    )
    parser.add_argument(
        "--generator",
        action="append",
        choices=list(GENERATORS),
        help="repeat; transformer by default",
    )
    parser.add_argument(
        "--seeds",
        default="1",
        help="of training and sampling, such as 1,2,3; the split stays the same",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=10.0,
        help="wall time of a training, from which the steps follow",
    )
    parser.add_argument(
        "--steps", type=int, help="steps instead of minutes: the same on every machine"
    )
    parser.add_argument(
        "--set-option",
        action="append",
        default=[],
        metavar="GENERATOR.KEY=VALUE",
        help="as in the configuration",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=1000,
        help="sequences behind the classifiers, at most; 0 leaves them out",
    )
    parser.add_argument(
        "--guidance", default="1,0,1.5,2.5", help="weights of the label, of sets that have labels"
    )
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="development data"
    )
    parser.add_argument("--out", type=Path, default=Path("results/bench-sequences"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--processes", type=int, default=1, help="that share each batch of the transformer"
    )
    parser.add_argument(
        "--speed",
        action="store_true",
        help="only measure the tokens/s of training and of sampling 1,024 bases",
    )
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def benchmark(name: str, arguments: argparse.Namespace) -> None:
    """Split, chains and reference of one set, then every generator and seed."""
    source, options = SETS[name]
    out = arguments.out / name
    options = SequenceOptions(holdout=HOLDOUT, shared_kmer=SHARED_KMER, **options)
    prepare_sequences(
        source=arguments.data / source, regions=None, out=out, options=options, seed=1
    )
    train, holdout = read_set(out / "train.fa.gz"), read_set(out / "holdout.fa.gz")
    fresh = ~sharing_kmer(holdout.bases, train.bases, SHARED_KMER)
    print(
        f"\n{name}: {len(train)} training, {len(holdout)} held-out sequences, {fresh.mean():.1%} "
        "of them share no 20-mer with it"
    )
    chain = AdaptiveGenerator(SequenceAdaptiveOptions())
    chain.fit(
        training_sequences(out / "train.fa.gz", VALIDATION_FRACTION, 1),
        TrainingRun(out, "", 1, label="chains"),
    )
    scores = chain.rung_scores(holdout.bases)
    rungs = {
        "plain chain": chain.settings.order,
        "tuned Markov": chain.ladder.markov,
        "adaptive chain": -1,
    }
    for word, rung in rungs.items():
        print(
            f"  {word:<15} {bits(scores[:, rung], holdout):.4f}   no shared 20-mer "
            f"{bits(scores[:, rung], holdout, fresh):.4f}"
        )
    if arguments.samples:
        rng = np.random.default_rng(1)
        n = min(arguments.samples, len(holdout), len(train))
        unseen = holdout.take(rng.permutation(len(holdout))[:n])
        other = train.take(rng.permutation(len(train))[:n])
        others = train.take(
            np.setdiff1d(np.arange(len(train)), np.flatnonzero(np.isin(train.name, other.name)))
        )
        print(
            f"  real training sequences as samples ({n}): {samples_text(other, unseen, others)}; "
            "held-out ones nearest identity "
            f"{nearest_identity(unseen.take(slice(ALIGNED)), train).mean():.3f}"
        )
    for generator in arguments.generator or ["transformer"]:
        for seed in map(int, arguments.seeds.split(",")):
            model = fitted(generator, seed, out, arguments)
            if model is None:
                continue
            if load_sequence_generator(model)[0].has_likelihood:
                print_bits(model, holdout, scores[:, -1], fresh)
            if arguments.samples:
                fasta = model.with_suffix(".fa.gz")
                generate_sequences(
                    model=model,
                    out=fasta,
                    options=GenerateSequencesOptions(count=n),
                    seed=seed,
                    threads=arguments.threads,
                )
                made = read_set(fasta)
                made = SequenceSet(
                    made.name, made.bases, made.length, made.label, made.cluster, train.stranded
                )
                print(f"    {n} samples: {samples_text(made, unseen, train)}", flush=True)
                if len(set(train.label)) > 1 and generator == "transformer":
                    print_guidance(model, train, holdout, seed, arguments)


def fitted(generator: str, seed: int, out: Path, arguments: argparse.Namespace) -> Path | None:
    """A trained model; None, and a line that says so, when it collapsed."""
    own = (
        item.removeprefix(f"{generator}.")
        for item in arguments.set_option
        if item.startswith(f"{generator}.")
    )
    given = dict(item.split("=", 1) for item in own)
    options = SECTIONS[generator].annotation(**given)
    if hasattr(options, "steps"):
        options.steps, options.patience = (
            arguments.steps or affordable_steps(generator, options, out, arguments),
            None,
        )
        options.evaluate_every = max(50, options.steps // EVALUATIONS)
    changed = "".join(f".{key}={value}" for key, value in given.items())
    model = out / f"{generator}{changed}.{seed}.safetensors"
    started, cpu = time.monotonic(), os.times()
    try:
        train(
            generator,
            options,
            seed,
            model,
            out / "state" / f"{model.stem}.{options.steps if hasattr(options, 'steps') else 0}",
            out / "train.fa.gz",
            arguments,
        )
    except CollapsedError as error:
        print(f"  {generator}, seed {seed}: {error}")
        return None
    wall, spent = time.monotonic() - started, os.times()
    used = sum(spent[:4]) - sum(cpu[:4])  # helpers as well
    steps = f", {options.steps} steps" if hasattr(options, "steps") else ""
    print(
        f"  {generator}{changed}, seed {seed}{steps}: {wall:.0f} s ({used:.0f} CPU s) of training"
    )
    return model


def train(
    generator: str,
    options,
    seed: int,
    model: Path,
    state: Path,
    sequences: Path,
    arguments: argparse.Namespace,
) -> None:
    train_sequences(
        generator=generator,
        train=sequences,
        model=model,
        history=model.with_suffix(".history.tsv"),
        state=state,
        common=TrainOptions(
            validation_fraction=VALIDATION_FRACTION, device="cpu", processes=arguments.processes
        ),
        options=options,
        seed=seed,
        threads=arguments.threads,
    )


def affordable_steps(generator: str, options, out: Path, arguments: argparse.Namespace) -> int:
    """How many steps fit into the minutes here and now, with all that a training does alongside: a
    few are run and thrown away.
    """
    trial = options.model_copy(
        update={"steps": PACE_STEPS, "evaluate_every": PACE_STEPS, "patience": None}
    )
    path, state = out / "pace.safetensors", out / "state" / f"pace.{generator}.{time.time_ns()}"
    started = time.monotonic()
    train(generator, trial, 1, path, state, out / "train.fa.gz", arguments)
    evaluation, both = (row["seconds"] for row in read_history(state / TIMES))
    beside = time.monotonic() - started - both + (EVALUATIONS + 1) * evaluation
    step = (both - 2 * evaluation) / PACE_STEPS
    return max(50, int((60 * arguments.minutes - beside) / step) // 50 * 50)


def bits(log_likelihood: np.ndarray, holdout: SequenceSet, rows=slice(None)) -> float:
    """Bits per base."""
    return float(-log_likelihood[rows].sum() / np.log(2) / (holdout.bases[rows] != OTHER).sum())


def print_bits(path: Path, holdout: SequenceSet, chain: np.ndarray, fresh: np.ndarray) -> None:
    model, _, _ = load_sequence_generator(path)
    label = np.array(
        [
            model.label_names.index(word) if word in model.label_names else -1
            for word in holdout.label
        ]
    )
    found = model.log_likelihood(holdout.bases, holdout.length, label)
    low, high = interval(found, holdout)
    gain, gain_low, gain_high = (bits(found - chain, holdout), *interval(found - chain, holdout))
    print(
        f"    bits per base {bits(found, holdout):.4f} [{low:.4f}, {high:.4f}]; less the adaptive "
        f"chain {gain:+.4f} [{gain_low:+.4f}, {gain_high:+.4f}]; no shared 20-mer "
        f"{bits(found, holdout, fresh):.4f}; {np.mean(found < chain):.0%} of the rows worse than "
        "the chain",
        flush=True,
    )


def interval(log_likelihood: np.ndarray, holdout: SequenceSet) -> tuple[float, float]:
    """95 % bootstrap interval, over clusters, of the bits per base."""
    _, cluster = np.unique(holdout.cluster, return_inverse=True)
    spent = np.bincount(cluster, -log_likelihood / np.log(2))
    size = np.bincount(cluster, (holdout.bases != OTHER).sum(axis=1))
    drawn = np.random.default_rng(1).integers(0, len(size), (RESAMPLES, len(size)))
    low, high = np.quantile(spent[drawn].sum(axis=1) / size[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def print_speed(threads: int) -> None:
    """Tokens a second of the default transformer on random bases: training steps, cached and
    uncached sampling; fp32 and bf16.
    """
    torch.set_num_threads(threads)
    for bf16 in (False, True):
        model = untrained()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            trained = training_speed(model, 32, 256)
            rows = SAMPLED_ROWS
            request = SequenceRequest(
                np.full(rows, SAMPLED),
                np.zeros(rows, dtype=np.int64),
                np.arange(rows, dtype=np.uint64),
            )
            cached = (
                rows
                * SAMPLED
                / seconds(lambda model=model, request=request: model.sample(request), 1)
            )
            uncached = READ_ROWS * SAMPLED / uncached_seconds(model, READ_ROWS)
        word = "bf16" if bf16 else "fp32"
        print(
            f"{word}: training {trained:,.0f} tokens/s; sampling {SAMPLED} bases, {rows} sequences "
            f"at a time: cached {cached:,.0f}, uncached {uncached:,.0f} tokens/s, "
            f"{cached / uncached:.0f} times",
            flush=True,
        )
    for window in WINDOWS:
        by_size = ", ".join(
            f"{size}: "
            f"{training_speed(untrained(size), max(1, 2 * max(WINDOWS) // window), window):,.0f}"
            for size in (1, 6)
        )
        print(
            f"training on windows of {window} bases, bases/s by bases per token: {by_size}",
            flush=True,
        )


def untrained(kmer_size: int = 1) -> TransformerGenerator:
    """The default transformer, with nothing learned."""
    rows, T = 32, 256
    bases, nothing = (
        np.random.default_rng(1).integers(0, 4, (rows, T)).astype(np.uint8),
        np.zeros(rows, dtype=np.int64),
    )
    data = TrainingSequences(
        bases, np.full(rows, T), nothing, [""], np.arange(rows) % 4 == 0, np.arange(rows), False
    )
    model = TransformerGenerator(
        SequenceTransformerOptions(steps=1, evaluate_every=1, kmer_size=kmer_size)
    )
    model.fit(data, TrainingRun(Path(tempfile.mkdtemp()), "", 1))
    return model


def training_speed(model: TransformerGenerator, rows: int, window: int) -> float:
    """Bases a second of training steps on random bases; the weights change, the evaluation mode is
    as before.
    """
    bases, nothing = (
        np.random.default_rng(1).integers(0, 4, (rows, window)).astype(np.uint8),
        np.zeros(rows, dtype=np.int64),
    )
    optimiser = torch.optim.AdamW(model.model.parameters())

    def step() -> None:
        loss = -base_log_probabilities(
            model.model, model.ladder, bases, nothing, nothing, "cpu"
        ).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    model.model.train()
    spent = seconds(step, 3)
    model.model.eval()
    return rows * window / spent


@torch.no_grad()
def uncached_seconds(model: TransformerGenerator, rows: int) -> float:
    """CPU seconds of sampling that reads the whole past for every base: a few lengths are measured,
    the others interpolated.
    """
    lengths = np.linspace(1, SAMPLED, 5).astype(int)
    bases = np.random.default_rng(2).integers(0, 4, (rows, SAMPLED)).astype(np.uint8)
    nothing = np.zeros(rows, dtype=np.int64)

    def forward(T: int) -> None:
        base_log_probabilities(model.model, model.ladder, bases[:, :T], nothing, nothing, "cpu")

    cost = [seconds(lambda T=T: forward(T), 1) for T in lengths]
    return float(np.interp(np.arange(1, SAMPLED + 1), lengths, cost).sum())


def seconds(call, times: int) -> float:
    """Mean CPU seconds of a call, after one that is not counted; other work on the machine does not
    count.
    """
    call()
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times


def print_guidance(
    model: Path, train: SequenceSet, holdout: SequenceSet, seed: int, arguments: argparse.Namespace
) -> None:
    """What an oracle reads from sequences made with more and more guidance."""
    plain = GenerateSequencesOptions().label_candidates
    for guidance, candidates in [
        (1.0, 0),
        *((float(word), plain) for word in arguments.guidance.split(",")),
    ]:
        fasta = model.with_suffix(f".guidance{guidance}.candidates{candidates}.fa.gz")
        options = GenerateSequencesOptions(
            count=arguments.samples, guidance=guidance, label_candidates=candidates
        )
        generate_sequences(
            model=model, out=fasta, options=options, seed=seed, threads=arguments.threads
        )
        made = read_set(fasta)
        made = SequenceSet(
            made.name, made.bases, made.length, made.label, made.cluster, train.stranded
        )
        fidelity, transfer, gc = label_metrics(made, train, holdout, len(holdout) // 2, 1)
        word = "" if candidates else ", no reader of labels"
        print(
            f"    guidance {guidance}{word}: oracle {fidelity.value:.3f} (ceiling "
            f"{fidelity.reference:.3f} +- {1.96 * fidelity.null_sd:.3f}); trained on these "
            f"{transfer.value:.3f} (on real ones {transfer.reference:.3f}); GC alone "
            f"{gc.value:.3f} (real {gc.reference:.3f})",
            flush=True,
        )


def samples_text(made: SequenceSet, unseen: SequenceSet, train: SequenceSet) -> str:
    near = nearest_identity(made.take(slice(ALIGNED)), train)
    return (
        f"CNN AUROC {cnn_auc(made, unseen, 1):.3f}, 6-mer AUROC {kmer_auc(made, unseen, 1):.3f}, "
        f"nearest identity {near.mean():.3f}"
    )


if __name__ == "__main__":
    main()
