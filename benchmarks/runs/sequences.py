"""Sequence generators: bits per base, classifiers and novelty on real sets.

    python -m benchmarks sequences --set ecoli tata --seeds 1-3

The sets: `ecoli`, 13,972 native regulatory sequences of 165 bp, and `ecoli-expression`, the same by
five bins of measured expression; `tata`, 2,929 human TATA promoters of 300 bp (both from the
development data); `chr20`, windows of 512 bp of chr20:1-2 Mb (shipped), split by contiguous chunks,
and `chr20-long`, of 4,096 bp. Clusters of shared 20-mers (both strands) stay on one side of the
other splits; 20 % is held out. A seed is of training and sampling; the split stays the same.

Rows: the best plain Markov chain (no position), the tuned and the context mixture, which are fitted
once; `real (training)`, training sequences in place of synthetic ones; each generator. Columns:
bits per base of held-out sequences with a 95 % bootstrap interval over clusters, the same less the
bits of the context mixture, the bits of held-out sequences that share no 20-mer with training, the
share of rows worse than the chain; AUC of the two classifiers and identity with the nearest
training sequence. Of sets with labels, rows by weight of guidance: the Spearman correlation of the
wanted bin with what an oracle of held-out sequences reads (`oracle`), its ceiling, that of an
oracle trained on synthetic sequences (`transfer`), and from GC content alone; `candidates` 0 is
without the generator's label classifier.
"""

import argparse
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.datasets import SEQUENCE_SETS, SHARED_KMER, make_sequences
from benchmarks.options import add_shared
from benchmarks.runner import REAL, Case
from genoloom.errors import CollapsedError
from genoloom.formats.sequence_sets import read_set
from genoloom.homology import sharing_kmer
from genoloom.models.load import load_sequence_generator
from genoloom.models.sequence import GENERATORS
from genoloom.models.sequence.base import TrainingSequences
from genoloom.models.sequence.markov import ContextMixingGenerator
from genoloom.sequence_config import (
    GenerateSequencesOptions,
    SequenceContextMixingOptions,
    SequenceTrainSections,
)
from genoloom.sequences import OTHER, SequenceSet
from genoloom.stages.generate_sequences import generate_sequences
from genoloom.stages.train_sequences import train_sequences
from genoloom.training.run import TrainingRun
from genoloom.training_config import TrainOptions
from genoloom.validation.label_fidelity import label_metrics
from genoloom.validation.sequence_classifier import cnn_auc
from genoloom.validation.sequence_measures import kmer_auc, nearest_identity

COLUMNS = (
    "generator options steps training holdout bits bits_low bits_high gain gain_low gain_high "
    "bits_fresh rows_worse cnn_auc kmer_auc nearest nearest_holdout guidance candidates oracle "
    "ceiling ceiling_sd transfer transfer_real gc_only gc_real train_cpu_s"
)
VALIDATION_FRACTION = 0.1
RESAMPLES, ALIGNED = 1000, 300
EVALUATIONS = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", nargs="+", choices=SEQUENCE_SETS, default=["ecoli", "tata", "chr20"]
    )
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=["transformer"])
    add_shared(parser, seeds="1", steps=None, set_option=[], threads=1)
    parser.add_argument(
        "--samples",
        type=int,
        default=1000,
        help="sequences that the classifiers compare, at most; 0 leaves them out (default: 1000)",
    )
    parser.add_argument(
        "--guidance", type=float, nargs="+", default=[1, 0, 1.5, 2.5], help="weights of the label"
    )
    parser.add_argument(
        "--processes", type=int, default=1, help="that share each batch of the transformer"
    )


class Chains:
    """Training and held-out sequences of a set, and the chains that every generator is compared
    with.
    """

    def __init__(self, name: str, data: Path, out: Path, samples: int):
        self.train, self.holdout = make_sequences(name, data, out)
        self.fresh = ~sharing_kmer(self.holdout.bases, self.train.bases, SHARED_KMER)
        chain = ContextMixingGenerator(SequenceContextMixingOptions())
        data = TrainingSequences.of(read_set(out / "train.fa.gz"), VALIDATION_FRACTION, 1, out)
        chain.fit(data, TrainingRun(out, "", 1, label="chains"))
        scores = chain.component_scores(self.holdout.bases)
        self.scores = {
            "plain chain": scores[:, chain.settings.order],
            "tuned Markov": scores[:, chain.mixture.markov],
            "context mixing": scores[:, -1],
        }
        rng = np.random.default_rng(1)
        self.n = min(samples, len(self.holdout), len(self.train))
        self.compared = self.holdout.take(rng.permutation(len(self.holdout))[: self.n])
        self.other = rng.permutation(len(self.train))[: self.n]

    def rows(self) -> Iterator[dict]:
        """Of the chains and of real sequences."""
        for name, found in self.scores.items():
            yield {
                "generator": name, "training": len(self.train), "holdout": len(self.holdout),
                "bits": bits(found, self.holdout),
                "bits_fresh": bits(found, self.holdout, self.fresh),
            }  # fmt: skip
        if self.n:
            other = self.train.take(self.other)
            rest = ~np.isin(self.train.name, other.name)
            near = nearest_identity(self.compared.take(slice(ALIGNED)), self.train).mean()
            found = self.classified(other, self.train.take(np.flatnonzero(rest)))
            yield {"generator": REAL, "nearest_holdout": float(near)} | found

    def classified(self, synthetic: SequenceSet, train: SequenceSet) -> dict:
        """How far sequences can be told from held-out ones, and how near they are to training."""
        return {
            "cnn_auc": float(cnn_auc(synthetic, self.compared, 1)),
            "kmer_auc": float(kmer_auc(synthetic, self.compared, 1)),
            "nearest": float(nearest_identity(synthetic.take(slice(ALIGNED)), train).mean()),
        }

    def likelihood(self, path: Path) -> dict:
        """Bits per base of a model, and how they compare with the context mixture."""
        model, _, _ = load_sequence_generator(path)
        if not model.has_likelihood:
            return {}
        names = list(model.label_names)
        label = np.array([names.index(w) if w in names else -1 for w in self.holdout.label])
        found = model.log_likelihood(self.holdout.bases, self.holdout.length, label)
        chain = self.scores["context mixing"]
        low, high = interval(found, self.holdout)
        gain_low, gain_high = interval(found - chain, self.holdout)
        return {
            "bits": bits(found, self.holdout), "bits_low": low, "bits_high": high,
            "gain": bits(found - chain, self.holdout), "gain_low": gain_low,
            "gain_high": gain_high, "bits_fresh": bits(found, self.holdout, self.fresh),
            "rows_worse": float(np.mean(found < chain)),
        }  # fmt: skip


chains_of = cache(Chains)  # the same for every seed


def measure(case: Case) -> Iterator[dict]:
    given = case.arguments
    out = given.work / "sequences" / case.set
    chains = chains_of(case.set, given.data, out, given.samples)
    if case.seed == given.seeds[0]:
        yield from chains.rows()
    for generator in given.generators:
        try:
            row, model = fitted(case, generator, out)
        except CollapsedError as error:
            yield {"generator": generator, "options": str(error)}
            continue
        row |= chains.likelihood(model)
        if given.samples:
            synthetic = sampled(case, model, chains.train, chains.n)
            row |= chains.classified(synthetic, chains.train)
        yield row
        if given.samples and len(set(chains.train.label)) > 1 and generator == "transformer":
            yield from guided(case, model, chains)


def fitted(case: Case, generator: str, out: Path) -> tuple[dict, Path]:
    """The first cells of a generator's row, and its trained model."""
    own = [item.partition(".")[2] for item in case.arguments.set_option
           if item.startswith(f"{generator}.")]  # fmt: skip
    options = SequenceTrainSections.model_fields[generator].annotation(
        **dict(item.split("=", 1) for item in own)
    )
    steps = None
    if hasattr(options, "steps"):
        steps = case.arguments.steps or options.steps
        options.steps, options.patience = steps, None
        options.evaluate_every = max(50, steps // EVALUATIONS)
    model = out / f"{'.'.join([generator, *own])}.{case.seed}.safetensors"
    common = {"device": "cpu", "processes": case.arguments.processes}
    before = time.process_time()
    train_sequences(
        generator=generator, train=out / "train.fa.gz", model=model,
        history=model.with_suffix(".history.tsv"), state=out / "state" / f"{model.stem}.{steps}",
        common=TrainOptions(validation_fraction=VALIDATION_FRACTION, **common),
        options=options, seed=case.seed, threads=case.arguments.threads,
    )  # fmt: skip
    spent = time.process_time() - before
    row = {"generator": generator, "options": ",".join(own), "steps": steps, "train_cpu_s": spent}
    return row, model


def sampled(
    case: Case, model: Path, train: SequenceSet, count: int, word: str = "", **options
) -> SequenceSet:
    """Sequences of a model, of the strand that the training sequences have."""
    fasta, threads = model.with_suffix(f"{word}.fa.gz"), case.arguments.threads
    options = GenerateSequencesOptions(count=count, **options)
    generate_sequences(model=model, out=fasta, options=options, seed=case.seed, threads=threads)
    synthetic = read_set(fasta)
    return SequenceSet(
        synthetic.name,
        synthetic.bases,
        synthetic.length,
        synthetic.label,
        synthetic.cluster,
        train.stranded,
    )


def guided(case: Case, model: Path, chains: Chains) -> Iterator[dict]:
    """What an oracle reads from sequences that were drawn with more and more guidance."""
    plain = GenerateSequencesOptions().label_candidates
    weights = [(1.0, 0), *((weight, plain) for weight in case.arguments.guidance)]
    for guidance, candidates in weights:
        word = f".guidance{guidance}.candidates{candidates}"
        options = {"guidance": guidance, "label_candidates": candidates}
        synthetic = sampled(case, model, chains.train, case.arguments.samples, word, **options)
        half = len(chains.holdout) // 2
        oracle, transfer, gc = label_metrics(synthetic, chains.train, chains.holdout, half, 1)
        yield {
            "generator": "transformer", "guidance": guidance, "candidates": candidates,
            "oracle": oracle.value, "ceiling": oracle.reference, "ceiling_sd": oracle.null_sd,
            "transfer": transfer.value, "transfer_real": transfer.reference,
            "gc_only": gc.value, "gc_real": gc.reference,
        }  # fmt: skip


def bits(log_likelihood: np.ndarray, holdout: SequenceSet, rows=slice(None)) -> float:
    """Bits per base."""
    return float(-log_likelihood[rows].sum() / np.log(2) / (holdout.bases[rows] != OTHER).sum())


def interval(log_likelihood: np.ndarray, holdout: SequenceSet) -> tuple[float, float]:
    """95 % bootstrap interval, over clusters, of the bits per base."""
    _, cluster = np.unique(holdout.cluster, return_inverse=True)
    spent = np.bincount(cluster, -log_likelihood / np.log(2))
    size = np.bincount(cluster, (holdout.bases != OTHER).sum(axis=1))
    drawn = np.random.default_rng(1).integers(0, len(size), (RESAMPLES, len(size)))
    low, high = np.quantile(spent[drawn].sum(axis=1) / size[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
