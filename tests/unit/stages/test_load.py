"""Model files that anybody may have made: whatever is wrong with them is one clear error, at once and in little memory."""

import json
import re
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers import founder_mosaic, make_sites
from safetensors.numpy import save_file

from genoloom import config, sequence_config
from genoloom.errors import InputError
from genoloom.formats.models import describe, pack_sites, save_model
from genoloom.formats.tensors import digest_tensors
from genoloom.models import haplotype, sequence
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.sequence.base import SequenceRequest, TrainingSequences
from genoloom.models.sequence.label_reader import LabelReader
from genoloom.panel import ArrayHaplotypes
from genoloom.stages.load import load_generator, load_sequence_generator
from genoloom.training.run import TrainingRun

SITES, PEOPLE, BASES = 60, 24, 40
LITTLE = {"steps": 2, "batch": 4, "width": 16, "evaluate_every": 2, "minutes": None}
OPTIONS = {
    ("haplotypes", "transformer"): {"layers": 1, "heads": 2, "block": 8, "codes": 4, "context": 4, "temperature": 1.0},
    ("haplotypes", "gan"): {"block": 8, "codes": 4, "latent": 4, "temperature": 1.0},
    ("haplotypes", "li_stephens"): {"fit_haplotypes": 2, "fit_sites": 10},
    ("haplotypes", "hmm"): {"clusters": 3},
    ("sequences", "transformer"): {"layers": 1, "heads": 2, "convolutions": 1, "infill": 0.5},
    ("sequences", "gan"): {"latent": 4},
    ("sequences", "markov"): {"max_order": 3},
    ("sequences", "adaptive"): {"max_order": 3},
}
MODELS = [
    *(("haplotypes", name) for name in haplotype.GENERATORS),
    *(("sequences", name) for name in sequence.GENERATORS),
]
ALL = pytest.mark.parametrize("made", MODELS, ids="-".join, indirect=True)


def options_of(kind: str, name: str):
    sections = config.TrainSections if kind == "haplotypes" else sequence_config.SequenceTrainSections
    section = sections.model_fields[name].annotation
    given = {**LITTLE, **OPTIONS.get((kind, name), {})}
    return section(**{key: value for key, value in given.items() if key in section.model_fields})


def fit(generator, data):
    with tempfile.TemporaryDirectory() as state:
        generator.fit(data, TrainingRun(Path(state), "digest", seed=1))
    return generator


def make_haplotypes(name: str):
    alleles = founder_mosaic(SITES, 2 * PEOPLE, np.random.default_rng(1), founders=6)
    sites, population = make_sites(SITES), np.repeat(np.arange(PEOPLE) % 2, 2)
    watch = np.arange(2 * PEOPLE) >= 40
    data = TrainingHaplotypes(ArrayHaplotypes(alleles), population, ["AAA", "BBB"], sites.position, sites.cm, watch)
    arrays, words = fit(haplotype.generator_class(name)(options_of("haplotypes", name)), data).state()
    more = {"contig": "20", "contig_length": 10**6, "n_variants": SITES, "seed": 1}
    return {**arrays, **pack_sites(sites)}, describe("haplotypes", name, words, **more)


def make_sequences(name: str):
    rng = np.random.default_rng(1)
    n, length = 32, np.full(32, BASES)
    bases, label = rng.integers(0, 4, (n, BASES), dtype=np.uint8), np.arange(n) % 2
    data = TrainingSequences(bases, length, label, ["a+x", "b+y"], np.arange(n) >= 24, np.arange(n), False)
    generator = fit(sequence.generator_class(name)(options_of("sequences", name)), data)
    if name == "transformer":  # as where there were enough sequences to train one
        generator.reader = LabelReader(2, False)
        generator.reader.longest, generator.reader.mix = np.array([BASES]), np.full((1, 2), 0.5)
    arrays, words = generator.state()
    shapes = {"shapes.label": np.arange(2), "shapes.length": np.full(2, BASES), "shapes.count": np.full(2, n // 2)}
    return {**arrays, **shapes}, describe("sequences", name, words, seed=1)


CACHE = {}


@pytest.fixture
def made(request):
    """(kind, arrays, description) of a small trained model."""
    kind, name = request.param
    if request.param not in CACHE:
        with pytest.MonkeyPatch.context() as patch:
            if (kind, name) == ("haplotypes", "gan"):
                patch.setattr("genoloom.models.haplotype.gan.refuse_collapse", lambda *_: None)
                patch.setattr("genoloom.models.haplotype.gan.CALIBRATION_ROWS", 32)
            if kind == "sequences":
                patch.setattr("genoloom.models.sequence.transformer.CHAIN_ORDER", 3)
                patch.setattr("genoloom.models.sequence.gan_drafts.CHAIN_ORDER", 3)
                patch.setattr("genoloom.models.sequence.gan_training.EVALUATED", 16)
                patch.setattr("genoloom.models.sequence.gan_training.DRAFTS", 16)
            CACHE[request.param] = make_haplotypes(name) if kind == "haplotypes" else make_sequences(name)
    return kind, *CACHE[request.param]


def load(kind: str, path: Path):
    return load_generator(path)[0] if kind == "haplotypes" else load_sequence_generator(path)[0]


def draw(kind: str, generator) -> np.ndarray:
    seed = np.arange(3, dtype=np.uint64)
    if kind == "haplotypes":
        return np.concatenate(list(generator.sample(SampleRequest(np.array([0, 1, 1]), seed))))
    return generator.sample(SequenceRequest(np.full(3, BASES), np.array([0, 1, 1]), seed))


def write(path: Path, arrays: dict, description: dict) -> None:
    """As `save_model` does, without its care for the disk."""
    description = {**description, "digest": digest_tensors(description, arrays)}
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    save_file(contiguous, path, metadata={"description": json.dumps(description)})


def refused(kind: str, path: Path, arrays: dict, description: dict) -> InputError:
    """The error of a file that somebody else wrote, with a digest that fits."""
    write(path, arrays, description)
    with pytest.raises(InputError) as error:
        load(kind, path)
    assert str(path) in str(error.value)
    return error.value


@ALL
def test_what_is_written_is_read(made, tmp_path):
    kind, arrays, description = made
    save_model(tmp_path / "m.safetensors", arrays, description)
    generator = load(kind, tmp_path / "m.safetensors")
    assert set(np.unique(draw(kind, generator))) <= set(range(4))
    again, _ = generator.state()
    assert {name for name in arrays if not name.startswith(("sites.", "shapes."))} == set(again)


def spoilt(name: str, values: np.ndarray):
    """(what was done, other values) of an array."""
    yield "retyped", values.astype("float16" if values.dtype.kind != "f" else "int64")
    yield "an axis more", values[None]
    yield "longer", np.concatenate([values, values], axis=-1) if values.ndim else np.stack([values, values])
    yield "empty", values.ravel()[:0]
    if values.dtype.kind == "f":
        for number in (np.nan, np.inf, 1e30, -1e30):
            other = values.copy()
            other.reshape(-1)[-1:] = number
            yield str(number), other
        yield "none a number", np.full_like(values, np.nan)
    elif values.size and not name.startswith(("ones", "called", "counts.", "places.")):  # where any number is one
        for number in (np.iinfo(values.dtype).max, np.iinfo(values.dtype).min):
            other = values.copy()
            other.reshape(-1)[-1:] = number
            yield str(number), other


# where these numbers are good ones: no map, letters beyond ASCII, hardly a chance
GOOD = {("sites.cm", "none a number"), ("sites.id", "255"), *((f"chain.log_{of}", "-1e+30") for of in ("chance", "marginal"))}


@ALL
def test_an_array_that_is_not_as_declared_is_refused(made, tmp_path):
    kind, arrays, description = made
    path = tmp_path / "m.safetensors"
    weights = [name for name in arrays if name.startswith(("network.", "critic.", "reader.0.", "reader.1."))]
    for name in sorted(set(arrays) - set(weights)) + weights[::6]:
        values = arrays[name]
        assert name in str(refused(kind, path, {k: v for k, v in arrays.items() if k != name}, description))
        for done, other in spoilt(name, values):
            if (name, done) in GOOD or (values.size == 0 and done in ("longer", "empty")):
                continue
            if values.ndim == 0 and done == "an axis more":  # so it is written
                continue
            assert refused(kind, path, {**arrays, name: other}, description), f"{name}, {done}"
    assert "stranger" in str(refused(kind, path, {**arrays, "stranger": np.zeros(1)}, description))


def places(description: dict, above=()):
    for key, value in description.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def changed(description: dict, place: tuple, value=None, drop: bool = False) -> dict:
    other = json.loads(json.dumps(description))
    inside = other
    for key in place[:-1]:
        inside = inside[key]
    if drop:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return other


STRANGE = (
    None,
    True,
    "x",
    -1,
    0,
    0.5,
    10**6,
    10**30,
    1e308,
    [],
    [1],
    {},
    {"a": 1},
    [["a"]],
    ["a", "a"],
    [f"P{i}" for i in range(2000)],
)


@ALL
def test_a_description_that_is_not_as_declared_is_refused(made, tmp_path):
    """Every field is dropped and given every kind of value; whatever is accepted makes a generator that works."""
    kind, arrays, description = made
    path, accepted = tmp_path / "m.safetensors", 0
    for place in places(description):
        if place[0] in ("versions", "private"):
            continue
        for value in STRANGE[:: 1 if len(place) == 1 else 3]:
            write(path, arrays, changed(description, place, value))
            try:
                generator = load(kind, path)
            except InputError:
                continue
            accepted += 1
            if len(place) == 1 or accepted % 4 == 0:
                draw(kind, generator)
        write(path, arrays, changed(description, place, drop=True))
        try:
            load(kind, path)
        except InputError:
            assert place[-1] not in ("seed",)
    for place in ("population_names", "n_variants", "contig") if kind == "haplotypes" else ("label_names",):
        assert place in str(refused(kind, path, arrays, changed(description, (place,), {"a": 1})))
        assert place in str(refused(kind, path, arrays, changed(description, (place,), drop=True)))
    assert 0 < accepted < 8 * len(list(places(description)))


@ALL
def test_changed_bytes_are_found(made, tmp_path):
    kind, arrays, description = made
    path, other = tmp_path / "m.safetensors", tmp_path / "other.safetensors"
    save_model(path, arrays, description)
    content, rng = path.read_bytes(), np.random.default_rng(7)
    expected = draw(kind, load(kind, path))
    header = 8 + struct.unpack("<Q", content[:8])[0]
    found = 0
    for trial in range(60):
        mutant = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, header if trial % 2 else len(content)))
            mutant[at] = int(rng.integers(0, 256))
        if trial % 7 == 0:
            mutant = mutant[: int(rng.integers(0, len(content)))]
        other.write_bytes(mutant)
        try:
            generator = load(kind, other)
        except InputError:
            found += 1
        else:
            np.testing.assert_array_equal(draw(kind, generator), expected)
    assert found > 40


def with_header(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut off"),
        (b"\0" * 7, "cut off"),
        (b"<html></html>", "cut off"),
        (with_header(b"{}", length=2**62), "cut off"),
        (with_header(b" " * (2**24 + 1)), "a header of"),
        (with_header(b'{"a":{"dtype":"F64","shape":[1000000000000],"data_offsets":[0,8000000000000]}}'), "is no GenoLoom model"),
        (with_header(b'{"a":{"dtype":"F64","shape":[-1],"data_offsets":[0,8]}}', b"\0" * 8), "is no GenoLoom model"),
        (with_header(b'{"a":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}', b"\0" * 16), "is no GenoLoom model"),
        (with_header(b"{}"), "no description"),
        (with_header(b'{"__metadata__":{"description":"[' + b"[" * 100_000 + b'"}}'), "is no GenoLoom model"),
        (with_header(b'{"__metadata__":{"description":"{\\"seed\\": NaN}"}}'), "the number NaN"),
        (with_header(b'{"__metadata__":{"description":"{\\"seed\\": 1e999}"}}'), "the number 1e999"),
        (with_header(b'{"__metadata__":{"description":"{\\"seed\\": 1' + b"0" * 10_000 + b'}"}}'), "the number 10000"),
        (with_header(b'{"__metadata__":{"description":"3"}}'), "the description"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_files_of_another_kind(tmp_path, content, words):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(words)):
        load_generator(path)


def test_missing_files_and_directories(tmp_path):
    for path, words in ((tmp_path / "none.safetensors", "not found"), (tmp_path, "cannot be read")):
        with pytest.raises(InputError, match=words):
            load_generator(path)


@pytest.mark.parametrize("made", [("haplotypes", "transformer")], indirect=True)
def test_a_million_populations_and_layers(made, tmp_path):
    kind, arrays, description = made
    path = tmp_path / "m.safetensors"
    names = [f"P{i}" for i in range(10**6)]
    assert "population_names" in str(refused(kind, path, arrays, changed(description, ("population_names",), names)))
    for option in ("layers", "width", "context"):
        assert option in str(refused(kind, path, arrays, changed(description, ("options", option), 10**6)))


def test_text_among_the_sites_is_checked(tmp_path):
    arrays, description = make_haplotypes("independent")
    for name, text in (("ref", b"\xff"), ("alt", b"1"), ("id", b"\xff")):
        values = arrays[f"sites.{name}"].copy()
        values[:1] = np.frombuffer(text, dtype=np.uint8)
        refused("haplotypes", tmp_path / "m.safetensors", {**arrays, f"sites.{name}": values}, description)
