"""Small trained models of every generator, and their files as anybody may write them."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers import founder_mosaic, make_sites
from safetensors.numpy import save_file

from genoloom import sequence_config, training_config
from genoloom.formats.models import describe, pack_sites
from genoloom.formats.tensors import digest_tensors
from genoloom.models import haplotype, sequence
from genoloom.models.haplotype.base import TrainingHaplotypes
from genoloom.models.load import load_generator, load_sequence_generator
from genoloom.models.sequence.base import TrainingSequences
from genoloom.models.sequence.label_classifier import LabelClassifier
from genoloom.panel import ArrayHaplotypes
from genoloom.training.run import TrainingRun

SITES, INDIVIDUALS, BASES = 60, 24, 40
LITTLE = {"steps": 2, "batch": 4, "width": 16, "evaluate_every": 2, "minutes": None}
OPTIONS = {
    ("haplotypes", "transformer"): {
        "layers": 1,
        "heads": 2,
        "block_size": 8,
        "vocabulary_size": 4,
        "context": 4,
        "temperature": 1.0,
    },
    ("haplotypes", "gan"): {"block_size": 8, "vocabulary_size": 4, "latent": 4, "temperature": 1.0},
    ("haplotypes", "copying_network"): {"block_size": 8, "temperature": 1.0},
    ("haplotypes", "li_stephens"): {"fit_haplotypes": 2, "fit_sites": 10},
    ("haplotypes", "hmm"): {"clusters": 3},
    ("sequences", "transformer"): {"layers": 1, "heads": 2, "convolutions": 1, "fim_rate": 0.5},
    ("sequences", "gan"): {"latent": 4},
    ("sequences", "markov"): {"max_order": 3},
    ("sequences", "context_mixing"): {"max_order": 3},
}
MODELS = [
    *(("haplotypes", name) for name in haplotype.GENERATORS),
    *(("sequences", name) for name in sequence.GENERATORS),
]


def options_of(kind: str, name: str):
    sections = (
        training_config.TrainSections
        if kind == "haplotypes"
        else sequence_config.SequenceTrainSections
    )
    section = sections.model_fields[name].annotation
    given = {**LITTLE, **OPTIONS.get((kind, name), {})}
    return section(**{key: value for key, value in given.items() if key in section.model_fields})


def fit(generator, data):
    with tempfile.TemporaryDirectory() as state:
        generator.fit(data, TrainingRun(Path(state), "digest", seed=1))
    return generator


def make_haplotypes(name: str):
    alleles = founder_mosaic(SITES, 2 * INDIVIDUALS, np.random.default_rng(1), founders=6)
    sites, population = make_sites(SITES), np.repeat(np.arange(INDIVIDUALS) % 2, 2)
    validation = np.arange(2 * INDIVIDUALS) >= 40
    data = TrainingHaplotypes(
        ArrayHaplotypes(alleles), population, ["AAA", "BBB"], sites.position, sites.cm, validation
    )
    arrays, words = fit(
        haplotype.generator_class(name)(options_of("haplotypes", name)), data
    ).state()
    more = {"contig": "20", "contig_length": 10**6, "n_variants": SITES, "seed": 1}
    return {**arrays, **pack_sites(sites)}, describe("haplotypes", name, words, **more)


def make_sequences(name: str):
    rng = np.random.default_rng(1)
    n, length = 32, np.full(32, BASES)
    bases, label = rng.integers(0, 4, (n, BASES), dtype=np.uint8), np.arange(n) % 2
    data = TrainingSequences(
        bases, length, label, ["a+x", "b+y"], np.arange(n) >= 24, np.arange(n), True
    )
    generator = fit(sequence.generator_class(name)(options_of("sequences", name)), data)
    if name == "transformer":  # as where there were enough sequences to train one
        generator.classifier = LabelClassifier(2, True)
        generator.classifier.longest, generator.classifier.mix = (
            np.array([BASES]),
            np.full((1, 2), 0.5),
        )
    arrays, words = generator.state()
    shapes = {
        "shapes.label": np.arange(2),
        "shapes.length": np.full(2, BASES),
        "shapes.count": np.full(2, n // 2),
    }
    return {**arrays, **shapes}, describe("sequences", name, words, seed=1)


_CACHE: dict[tuple[str, str], tuple] = {}


def tiny_model(kind: str, name: str) -> tuple[dict, dict]:
    """Arrays and description of a small trained model, made once."""
    if (kind, name) not in _CACHE:
        with pytest.MonkeyPatch.context() as patch:
            if (kind, name) == ("haplotypes", "gan"):
                patch.setattr("genoloom.models.haplotype.gan.refuse_collapse", lambda *_: None)
                patch.setattr("genoloom.models.haplotype.gan.CALIBRATION_ROWS", 32)
            if kind == "sequences":
                patch.setattr("genoloom.models.sequence.transformer.CHAIN_ORDER", 3)
                patch.setattr("genoloom.models.sequence.gan_proposals.CHAIN_ORDER", 3)
                patch.setattr("genoloom.models.sequence.gan_training.EVALUATED", 16)
                patch.setattr("genoloom.models.sequence.gan_training.PROPOSALS", 16)
            _CACHE[kind, name] = (
                make_haplotypes(name) if kind == "haplotypes" else make_sequences(name)
            )
    return _CACHE[kind, name]


def load_model_file(kind: str, path: Path):
    return load_generator(path)[0] if kind == "haplotypes" else load_sequence_generator(path)[0]


def write_model(path: Path, arrays: dict, description: dict) -> None:
    """As `save_model` does, without its care for the disk."""
    description = {**description, "digest": digest_tensors(description, arrays)}
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    save_file(contiguous, path, metadata={"description": json.dumps(description)})
